# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which listeners an audit of scope ``policy`` looks at: those of ports that the policy names, and Cryptobot's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePath, PurePosixPath
from typing import NamedTuple

from .listeners import Listener
from .policy import Allowance

Places = Mapping[int, tuple[str, ...]]


class Names(NamedTuple):
    """How a platform writes paths and names: ``fold`` makes alike what is the same name to it.

    ``unit`` gives all names of a unit, ``user`` an account's name without what it is a member of.
    """

    path: type[PurePath] = PurePosixPath
    fold: Callable[[str], str] = str
    unit: Callable[[str], tuple[str, ...]] = lambda name: (name,)
    user: Callable[[str], str] = str


AS_WRITTEN = Names()


class OwnProcesses(NamedTuple):
    """What tells Cryptobot's own processes: folders that they work in, units (patterns), accounts."""

    paths: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    names: Names = AS_WRITTEN

    def has(self, listener: Listener, places: Places) -> bool:
        """Return whether a listener is Cryptobot's, given by process the paths that it works in."""
        if any(self._is_own_unit(unit) for unit in (*listener.units, *(listener.services or ()))):
            return True
        users = {self._account(name) for name in self.users}
        return not users.isdisjoint(map(self._account, listener.users)) or any(
            self._lies_in(place, folder)
            for pid in listener.pids
            for place in places.get(pid, ())
            for folder in self.paths
        )

    def _is_own_unit(self, unit: str) -> bool:
        patterns = {self.names.fold(pattern) for pattern in self.units}
        return any(
            fnmatchcase(self.names.fold(name), pattern) for name in self.names.unit(unit) for pattern in patterns
        )

    def _account(self, name: str) -> str:
        return self.names.fold(self.names.user(name))

    def _lies_in(self, place: str, folder: str) -> bool:
        path = self.names.path(place)
        return self.names.path(folder) in (path, *path.parents)


def in_scope(
    listeners: Iterable[Listener], policy: Iterable[Allowance], own: OwnProcesses, places: Places
) -> list[Listener]:
    """Given all listeners, return those of ports that the policy names and those that are Cryptobot's own."""
    entries = tuple(policy)
    return [
        listener
        for listener in listeners
        if any(entry.covers(listener.proto, listener.port) for entry in entries) or own.has(listener, places)
    ]
