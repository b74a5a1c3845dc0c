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

from .kinds import FILE, FOLDER, TWIN, kind_of
from .system import POSIX, System

Found = tuple[str, str]  # the path on the host, and its kind
LeaveOut = Callable[[str, str], bool]  # path below the declared one, and the last name in it
Note = Callable[[str, str], None]  # a kind and a path


def leaving_out(patterns: Sequence[str], matched: Callable[[str], str] = str) -> LeaveOut:
    """Given patterns, return what tells whether something is left out.

    A pattern with a slash is matched against the path below the declared one, else against the last name alone; what
    is below a folder that is left out is left out with it. ``matched`` is the form in which both are compared.
    """
    patterns = [matched(pattern) for pattern in patterns]
    by_path = _any_of([pattern.strip("/") for pattern in patterns if "/" in pattern.rstrip("/")])
    by_name = _any_of([pattern.rstrip("/") for pattern in patterns if "/" not in pattern.rstrip("/")])

    def left_out(below: str, name: str) -> bool:
        if by_name is not None and by_name.match(matched(name)):
            return True
        return by_path is not None and by_path.match(matched(below)) is not None

    return left_out


def _any_of(patterns: Sequence[str]) -> Optional[re.Pattern[str]]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)) if patterns else None


def walk(
    root: str, leave_out: LeaveOut, protected: Collection[str] = (), system: System = POSIX, note: Optional[Note] = None
) -> Iterator[Found]:
    """Given a file or folder, yield it and all below it as (path, kind), each folder right before what is in it.

    That order lets a tar set a folder's own time when it leaves it, which is what tars do.

    ``protected`` are real paths that are left out. A link is followed only where it is ``root`` itself, because that
    one was declared by name. ``note`` hears of names that differ in upper and lower case alone. Raise OSError where a
    folder cannot be read.
    """
    kind = kind_of(os.stat(root).st_mode)
    if root in protected:
        return
    yield root, kind
    cut = len(root.rstrip(os.sep)) + 1
    opened = [_sorted_entries(root, system, note)] if kind == FOLDER else []
    while opened:
        entry = next(opened[-1], None)
        if entry is None:
            opened.pop()
        elif entry.path not in protected and not leave_out(entry.path[cut:], entry.name):
            kind = system.entry_kind(entry)
            yield entry.path, kind
            if kind == FOLDER:
                opened.append(_sorted_entries(entry.path, system, note))


def _sorted_entries(folder: str, system: System, note: Optional[Note]) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    if note is not None and system.folds_case:
        _note_twins(found, note)
    return iter(found)


def _note_twins(entries: Sequence[os.DirEntry[str]], note: Note) -> None:
    seen: set[str] = set()
    for entry in entries:
        folded = entry.name.casefold()
        if folded in seen:
            note(TWIN, entry.path)
        seen.add(folded)


def size_below(root: str, leave_out: LeaveOut, protected: Collection[str], system: System = POSIX) -> int:
    """Return the bytes of all files that ``walk`` would find; what cannot be looked at counts nothing."""
    total = 0
    try:
        for path, kind in walk(root, leave_out, protected, system):
            if kind == FILE:
                total += os.lstat(path).st_size
    except OSError:  # this is an estimate; the run that follows names what it cannot read
        pass
    return total
