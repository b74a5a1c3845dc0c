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

from ....folders import Folder, NotEntered, Place
from ....restores import is_own
from .content import FILE, FOLDER, LEAST_HOLE, SWAPPED, TWIN, VANISHED, Found, data_of, kind_of, may_have_holes, opened
from .system import POSIX, System

MOST_OPEN = 64  # folders above each other that are open at a time; the others are come back to through ".."
LeaveOut = Callable[[str, str], bool]  # path below the declared one, and the last name in it
Note = Callable[[str, str], None]  # a kind and a path


def _unnoted(_kind: str, _path: str) -> None:
    pass


def _left_out_by_none(_below: str, _name: str) -> bool:
    return False


def leaving_out(patterns: Sequence[str], matched: Callable[[str], str] = str) -> LeaveOut:
    """Given patterns, return what tells whether something is left out.

    A pattern with a slash is matched against the path below the declared one, else against the last name alone; what
    is below a folder that is left out is left out with it. ``matched`` is the form in which both are compared.
    """
    patterns = [matched(pattern) for pattern in patterns]
    by_path = _any_of([pattern.strip("/") for pattern in patterns if "/" in pattern.rstrip("/")])
    by_name = _any_of([pattern.rstrip("/") for pattern in patterns if "/" not in pattern.rstrip("/")])

    if by_name is None and by_path is None:
        return _left_out_by_none

    def left_out(below: str, name: str) -> bool:
        if by_name is not None and by_name.match(matched(name)):
            return True
        return by_path is not None and by_path.match(matched(below)) is not None

    return left_out


def _any_of(patterns: Sequence[str]) -> Optional[re.Pattern[str]]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)) if patterns else None


class _Level:
    """A folder on the way down, with what is still to come of it."""

    def __init__(self, folder: Folder, system: System, note: Note) -> None:
        self.folder, self.open = folder, True
        self.entries = iter(_listed(folder, system, note))

    def close(self) -> None:
        """Let the folder go, for good or until it is come back to."""
        if self.open:
            self.folder.close()
        self.open = False


def walk(
    place: Place,
    leave_out: LeaveOut,
    protected: Collection[str] = (),
    system: System = POSIX,
    note: Note = _unnoted,
) -> Iterator[Found]:
    """Given where a declared path leads, yield it and all below it, each folder right before what is in it.

    That order lets a tar set a folder's own time when it leaves it, which is what tars do. What is yielded is looked up
    in the open folder that it is in, so it has to be read before the next one is asked for.

    ``protected`` are real paths that are left out. Links are things, not ways. ``note`` hears of names that differ in
    upper and lower case alone, and of folders that vanished or became something else after they were listed. Raise
    OSError where a folder cannot be read.
    """
    if place.path in protected:
        return
    kind = kind_of(place.holder.lstat(place.name).st_mode)
    first = _found(place.holder, place.name, place.path, kind, 0, note)
    levels: list[_Level] = []
    try:
        if first is not None:
            yield first
            _descend(levels, first, system, note)
        cut = len(place.path.rstrip(os.sep)) + 1
        while levels:
            level = levels[-1]
            folder, above = level.folder, level.folder.path_of("")
            for name, kind, inode in level.entries:
                path = above + name
                if path in protected or leave_out(path[cut:], name) or is_own(name):
                    continue
                found = _found(folder, name, path, kind, inode, note)
                if found is None:
                    continue
                yield found
                if found.own is not None:
                    _descend(levels, found, system, note)
                    break
            else:
                _ascend(levels, note)
    finally:
        for level in levels:
            level.close()


def _found(holder: Folder, name: str, path: str, kind: str, inode: int, note: Note) -> Optional[Found]:
    """Return what was found, open where it is a folder; None where it vanished or became something else meanwhile."""
    if kind != FOLDER:
        return Found(path, kind, holder, name, inode)
    try:
        return Found(path, kind, holder, name, inode, holder.enter(name))
    except FileNotFoundError:
        note(VANISHED, path)
    except NotEntered:
        note(SWAPPED, path)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, path) from error
    return None


def _descend(levels: list[_Level], found: Found, system: System, note: Note) -> None:
    if found.own is None:
        return
    try:
        levels.append(_Level(found.own, system, note))
    except OSError as error:
        found.own.close()
        raise type(error)(error.errno, error.strerror, found.path) from error
    if len(levels) > MOST_OPEN:
        levels[-MOST_OPEN - 1].close()


def _ascend(levels: list[_Level], note: Note) -> None:
    """Leave a folder. One above that was let go is opened again by way of it, and has to be the same."""
    left = levels.pop()
    if levels and not levels[-1].open:
        above = levels[-1]
        try:
            again = left.folder.above(above.folder.path)
        except OSError:
            again = None
        if again is None or again.identity != above.folder.identity:
            note(SWAPPED, above.folder.path)
            above.entries = iter(())
        if again is not None:
            above.folder, above.open = again, True
    left.close()


def _listed(folder: Folder, system: System, note: Note) -> list[tuple[str, str, int]]:
    """Return the names in a folder with the kind and the inode of each."""
    rows, kind_of_entry = [], system.entry_kind
    for entry in folder.entries():
        try:
            rows.append((entry.name, kind_of_entry(entry), entry.inode()))
        except FileNotFoundError:
            note(VANISHED, folder.path_of(entry.name))
    if system.folds_case:
        _note_twins(folder, rows, note)
    return rows


def _note_twins(folder: Folder, rows: Sequence[tuple[str, str, int]], note: Note) -> None:
    known: set[str] = set()
    for name, _kind, _inode in rows:
        folded = name.casefold()
        if folded in known:
            note(TWIN, folder.path_of(name))
        known.add(folded)


def size_below(place: Place, leave_out: LeaveOut, protected: Collection[str], system: System = POSIX) -> int:
    """Return the bytes of data in all files that ``walk`` would find; what cannot be looked at counts nothing."""
    total = 0
    try:
        for found in walk(place, leave_out, protected, system):
            if found.kind == FILE:
                total += _bytes(found)
    except OSError:  # this is an estimate; the run that follows names what it cannot read
        pass
    return total


def _bytes(found: Found) -> int:
    try:
        status = found.holder.lstat(found.name)
        if status.st_size <= LEAST_HOLE or not may_have_holes(status):
            return status.st_size
        with opened(found) as (descriptor, status):
            data = data_of(descriptor, status)
            return status.st_size if data is None else sum(size for _offset, size in data)
    except (OSError, NotEntered):
        return 0
