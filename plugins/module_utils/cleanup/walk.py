# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking through the folders below one, bounded in names, depth and time. I/O on behalf of gather.py."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from .folders import Folder, NotEntered, opened_below
from .records import FILE, FOLDER, LINK, OTHER, Entry, Identity, Obstacle

MAX_DEPTH = 100  # each folder on the way down holds a descriptor
_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK}


@dataclass
class Bounds:
    """How much a whole run may still look at: names, and the moment (monotonic) at which it must stop."""

    names: int
    deadline: float

    def used_up(self) -> str:
        """Return which bound is used up, or an empty text."""
        if self.names <= 0:
            return "the bound of names was reached (max_entries)"
        return "the time for looking was used up (scan_seconds)" if time.monotonic() > self.deadline else ""


@dataclass
class Walk:
    """One walk: ``each`` is called with every name found. The rest tells what was not looked into."""

    root: Folder
    path: str
    recurse: bool
    bounds: Bounds
    sealed: Collection[Identity]
    each: Callable[[Entry], None]
    unread: list[Obstacle] = field(default_factory=list)
    not_entered: list[Obstacle] = field(default_factory=list)
    bound: str = ""

    def run(self) -> None:
        """Walk. What cannot be read is noted, nothing is raised."""
        self._look_into(self.root, ())

    def _look_into(self, folder: Folder, parts: tuple[str, ...]) -> None:
        try:
            with os.scandir(folder.descriptor) as names:
                listed = list(names)
        except OSError as error:
            self._cannot_read(parts, error.strerror or str(error))
            return
        for name in listed:
            self.bound = self.bound or self.bounds.used_up()
            if self.bound:
                return
            self.bounds.names -= 1
            self._look_at(folder, parts, name)

    def _look_at(self, folder: Folder, parts: tuple[str, ...], name: os.DirEntry[str]) -> None:
        try:
            status = name.stat(follow_symlinks=False)
        except FileNotFoundError:
            return  # it has just gone
        except OSError as error:
            self._cannot_read((*parts, name.name), error.strerror or str(error))
            return
        entry = _entry((*parts, name.name), status, self.sealed)
        self.each(entry)
        if entry.identity in self.sealed:
            self.not_entered.append(Obstacle(self._full(entry.parts), "it is protected"))
        elif entry.kind == FOLDER and self.recurse:
            self._descend(folder, entry)

    def _descend(self, folder: Folder, entry: Entry) -> None:
        if len(entry.parts) > MAX_DEPTH:
            self._cannot_read(entry.parts, f"it lies deeper than {MAX_DEPTH} folders")
            return
        try:
            with opened_below(folder, entry.parts[-1:]) as inner:
                if inner.identity == entry.identity:
                    self._look_into(inner, entry.parts)
                else:
                    self.not_entered.append(Obstacle(self._full(entry.parts), "another folder took its place"))
        except NotEntered as reason:
            self.not_entered.append(Obstacle(self._full(entry.parts), str(reason)))
        except FileNotFoundError:
            return
        except OSError as error:
            self._cannot_read(entry.parts, error.strerror or str(error))

    def _full(self, parts: tuple[str, ...]) -> str:
        return "/".join((self.path, *parts))

    def _cannot_read(self, parts: tuple[str, ...], reason: str) -> None:
        self.unread.append(Obstacle(self._full(parts), reason))


def _entry(parts: tuple[str, ...], status: os.stat_result, sealed: Collection[Identity]) -> Entry:
    """Return what lstat(2) says of a name. What is protected counts as something special, which no rule covers."""
    identity = (status.st_dev, status.st_ino)
    return Entry(
        parts=parts,
        kind=OTHER if identity in sealed else _KINDS.get(stat.S_IFMT(status.st_mode), OTHER),
        identity=identity,
        links=status.st_nlink,
        uid=status.st_uid,
        size=status.st_size,
        allocated=status.st_blocks * 512,  # lstat's blocks have 512 bytes, whatever the file system's have
        mtime=status.st_mtime,
        ctime=status.st_ctime,
        atime=status.st_atime,
    )
