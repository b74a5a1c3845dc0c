# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting one thing in the place of another by renames, forwards and back by the same function.

What lies at a target is told by its device and inode, never by its name. So whatever the moment at which a run was
killed, the same call ends in the same state: it looks what is where, and does what is left to do.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Optional

from ..errors import ActionFailed
from ..folders import Folder
from ..publish import fsync_path
from ..restores import is_own
from ..sqlite_place import BESIDE
from .model import Identity, Unit
from .targets import identity_of, parent_of

LeftOut = Callable[[str, str], bool]


def forwards(unit: Unit) -> None:
    """Put what was restored in its place, and keep what is there. Raise ActionFailed or OSError."""
    _put(unit.target, unit.got, come_from=unit.new, go_to=unit.old, beside=_beside(unit))
    _carry(unit, unit.old, unit.target)


def backwards(unit: Unit) -> None:
    """Put what was there before in its place again. Raise ActionFailed or OSError."""
    if why := stranger(unit):
        raise ActionFailed(why)
    if unit.carried and identity_of(unit.target) == unit.got:
        _carry(unit, unit.target, unit.old)
    _put(unit.target, unit.had, come_from=unit.old, go_to=unit.new, beside=_beside(unit))


def is_touched(unit: Unit) -> bool:
    """Return whether anything but what was there before lies at a target."""
    return unit.noted and identity_of(unit.target) != unit.had


def stranger(unit: Unit) -> str:
    """Return why a folder is not taken back from where others have put theirs; what moves along would stay there."""
    if not unit.carried or identity_of(unit.target) in (None, unit.got, unit.had):
        return ""
    return f"{unit.target} is not what the restore has put there; look who has, and move that aside"


def meet(target: str, other: str) -> bool:
    """Return whether two targets are the same, or one lies below the other."""
    return target == other or target.startswith(f"{other}/") or other.startswith(f"{target}/")


def _beside(unit: Unit) -> Sequence[str]:
    return BESIDE if unit.kind == "sqlite" else ()


def _put(target: str, wanted: Optional[Identity], *, come_from: str, go_to: str, beside: Sequence[str]) -> None:
    """Have what is ``wanted`` at a target: it comes from one path of ours, and what is there goes to another.

    What SQLite keeps beside a database goes before it and comes after it: under another database it would be taken for
    that one's.
    """
    there = identity_of(target)
    if there != wanted or wanted is None:
        if wanted is not None and identity_of(come_from) != wanted:
            raise ActionFailed(f"{come_from} is not what was to be put at {target}; look who has moved it")
        for end in beside:
            _move_if_there(f"{target}{end}", f"{go_to}{end}")
        if there is not None:
            _move(target, go_to)
        if wanted is not None:
            _move(come_from, target)
    for end in beside if wanted is not None else ():
        _move_if_there(f"{come_from}{end}", f"{target}{end}")


def _move_if_there(source: str, target: str) -> None:
    if identity_of(source) is not None:
        _move(source, target)


def _move(source: str, target: str) -> None:
    """Rename, by open folders, so that nobody leads us elsewhere meanwhile; nothing is overwritten."""
    with closing(parent_of(source)) as left, closing(parent_of(target)) as entered:
        old, new = os.path.basename(source), os.path.basename(target)
        if _is_there(entered, new):
            raise ActionFailed(f"{target} is taken by something else; it is not overwritten")
        os.rename(old, new, src_dir_fd=left.descriptor, dst_dir_fd=entered.descriptor)
        os.fsync(entered.descriptor)
        os.fsync(left.descriptor)


def _is_there(folder: Folder, name: str) -> bool:
    try:
        folder.lstat(name)
    except FileNotFoundError:
        return False
    return True


def _carry(unit: Unit, come_from: str, go_to: str) -> None:
    """Move along what no set has (logs, what is left out): from the old folder into the new one, or back."""
    for name in unit.carried:
        source, target = os.path.join(come_from, name), os.path.join(go_to, name)
        if identity_of(source) is None or identity_of(target) is not None:
            continue
        _make_like(os.path.dirname(source), os.path.dirname(target))
        _move(source, target)


def _make_like(source: str, target: str) -> None:
    """Make a folder as another one is, where it is not there."""
    if os.path.isdir(target):
        return
    _make_like(os.path.dirname(source), os.path.dirname(target))
    status = os.stat(source)
    os.mkdir(target, 0o700)
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))


def carried_of(root: str, left_out: LeftOut, protected: frozenset[str]) -> tuple[str, ...]:
    """Given a folder that is about to be replaced, return the paths below it that no set has."""
    return tuple(_left_out(root, root, left_out, protected))


def _left_out(root: str, folder: str, left_out: LeftOut, protected: frozenset[str]) -> Iterator[str]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        below = os.path.relpath(entry.path, root)
        kind = entry.stat(follow_symlinks=False).st_mode
        if entry.path in protected or left_out(below, entry.name) or is_own(entry.name) or _is_special(kind):
            yield below
        elif stat.S_ISDIR(kind):
            yield from _left_out(root, entry.path, left_out, protected)


def _is_special(mode: int) -> bool:
    return not (stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode))


def missing_above(target: str) -> tuple[str, ...]:
    """Return the folders above a target that are not there, the highest first."""
    missing: list[str] = []
    folder = os.path.dirname(target)
    while not os.path.isdir(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    return tuple(missing)


def make_above(unit: Unit) -> None:
    """Make the folders above a target that a unit says were not there."""
    for folder in unit.made:
        if not os.path.isdir(folder):
            with closing(parent_of(folder)) as above:
                os.mkdir(os.path.basename(folder), 0o755, dir_fd=above.descriptor)
                os.fsync(above.descriptor)


def remove_above(unit: Unit) -> None:
    """Remove the folders that were made above a target, where nothing is in them."""
    for folder in reversed(unit.made):
        with _if_possible():
            os.rmdir(folder)
            fsync_path(Path(folder).parent)


@contextmanager
def _if_possible() -> Iterator[None]:
    try:
        yield
    except OSError:  # something is in it by now, so it stays
        return
