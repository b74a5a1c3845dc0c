# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding what a files source holds, in one pass and in the order of names. Symlinks are things, not ways."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Optional

FILE, FOLDER, LINK, SPECIAL = "file", "folder", "link", "special"

Found = tuple[str, str]  # the path on the host, and one of the four kinds
LeaveOut = Callable[[str, str], bool]  # path below the declared one, and the last name in it


def leaving_out(patterns: Sequence[str]) -> LeaveOut:
    """Given patterns, return what tells whether something is left out.

    A pattern with a slash is matched against the path below the declared one, else against the last name alone; what
    is below a folder that is left out is left out with it.
    """
    by_path = _any_of([pattern.strip("/") for pattern in patterns if "/" in pattern.rstrip("/")])
    by_name = _any_of([pattern.rstrip("/") for pattern in patterns if "/" not in pattern.rstrip("/")])

    def left_out(below: str, name: str) -> bool:
        if by_name is not None and by_name.match(name):
            return True
        return by_path is not None and by_path.match(below) is not None

    return left_out


def _any_of(patterns: Sequence[str]) -> Optional[re.Pattern[str]]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)) if patterns else None


def walk(root: str, leave_out: LeaveOut, protected: Collection[str] = ()) -> Iterator[Found]:
    """Given a file or folder, yield it and all below it as (path, kind), each folder right before what is in it.

    That order lets a tar set a folder's own time when it leaves it, which is what tars do.

    ``protected`` are real paths that are left out. A symlink is followed only where it is ``root`` itself, because
    that one was declared by name. Raise OSError where a folder cannot be read.
    """
    kind = kind_of(os.stat(root).st_mode)
    if root in protected:
        return
    yield root, kind
    cut = len(root.rstrip(os.sep)) + 1
    opened = [_sorted_entries(root)] if kind == FOLDER else []
    while opened:
        entry = next(opened[-1], None)
        if entry is None:
            opened.pop()
        elif entry.path not in protected and not leave_out(entry.path[cut:], entry.name):
            kind = _entry_kind(entry)
            yield entry.path, kind
            if kind == FOLDER:
                opened.append(_sorted_entries(entry.path))


def _sorted_entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return iter(sorted(entries, key=lambda entry: entry.name))


def _entry_kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return LINK
    if entry.is_dir(follow_symlinks=False):
        return FOLDER
    return FILE if entry.is_file(follow_symlinks=False) else SPECIAL


def kind_of(mode: int) -> str:
    """Given st_mode, return which of the four kinds it is."""
    kinds = {0o100000: FILE, 0o040000: FOLDER, 0o120000: LINK}
    return kinds.get(mode & 0o170000, SPECIAL)


def size_below(root: str, leave_out: LeaveOut, protected: Collection[str]) -> int:
    """Return the bytes of all files that ``walk`` would find; what cannot be looked at counts nothing."""
    total = 0
    try:
        for path, kind in walk(root, leave_out, protected):
            if kind == FILE:
                total += os.lstat(path).st_size
    except OSError:  # this is an estimate; the run that follows names what it cannot read
        pass
    return total
