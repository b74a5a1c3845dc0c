# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking through the folders below one, bounded in names, depth and time. I/O on behalf of gather.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from .disk import Disk, Folder, NotEntered
from .places import full_path
from .records import FOLDER, LINK, NO_UNLINK, OTHER, Entry, Identity, Obstacle

MAX_DEPTH = 100  # each folder on the way down holds a descriptor


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
    """One walk: ``each`` is called with every name found, and neither what is ``sealed`` by its identity nor what is
    ``spared`` by the parts that lead to it is entered. The rest tells what was not looked into.
    """

    disk: Disk
    root: Folder
    path: str
    recurse: bool
    bounds: Bounds
    sealed: Collection[Identity]
    each: Callable[[Entry], None]
    spared: Collection[tuple[str, ...]] = ()
    unread: list[Obstacle] = field(default_factory=list)
    not_entered: list[Obstacle] = field(default_factory=list)
    bound: str = ""

    def run(self) -> None:
        """Walk. What cannot be read is noted, nothing is raised."""
        self._look_into(self.root, ())

    def _look_into(self, folder: Folder, parts: tuple[str, ...]) -> None:
        try:
            names = self.disk.listed(folder)
        except OSError as error:
            self._cannot_read(parts, error.strerror or str(error))
            return
        for name in names:
            self.bound = self.bound or self.bounds.used_up()
            if self.bound:
                return
            self.bounds.names -= 1
            self._look_at(folder, parts, name)

    def _look_at(self, folder: Folder, parts: tuple[str, ...], name: str) -> None:
        try:
            entry = self.disk.look(folder, (*parts, name))
        except FileNotFoundError:
            return  # it has just gone
        except OSError as error:
            self._cannot_read((*parts, name), error.strerror or str(error))
            return
        if (
            entry.identity in self.sealed or entry.parts in self.spared
        ):  # counts as something special, which no rule covers
            self.each(entry._replace(kind=OTHER))
            self.not_entered.append(Obstacle(self._full(entry.parts), "it is protected"))
            return
        self.each(entry)
        if entry.guard not in ("", NO_UNLINK) and self.recurse and entry.kind in (FOLDER, LINK):
            self.not_entered.append(Obstacle(self._full(entry.parts), entry.guard))
        elif entry.kind == FOLDER and self.recurse:
            self._descend(folder, entry)

    def _descend(self, folder: Folder, entry: Entry) -> None:
        if len(entry.parts) > MAX_DEPTH:
            self._cannot_read(entry.parts, f"it lies deeper than {MAX_DEPTH} folders")
            return
        try:
            with self.disk.opened_below(folder, entry.parts[-1:]) as inner:
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
        return full_path(self.path, parts)

    def _cannot_read(self, parts: tuple[str, ...], reason: str) -> None:
        self.unread.append(Obstacle(self._full(parts), reason))
