# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which listeners an audit of scope ``policy`` looks at: those of ports that the policy names, and Cryptobot's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePath

from .listeners import Listener
from .policy import Allowance


@dataclass(frozen=True)
class Own:
    """What tells Cryptobot's own processes: folders that they work in, units (patterns), accounts."""

    paths: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    def has(self, listener: Listener, places: Mapping[int, tuple[str, ...]]) -> bool:
        """Return whether a listener is Cryptobot's, given by process the paths that it works in."""
        if any(fnmatchcase(unit, pattern) for unit in listener.units for pattern in self.units):
            return True
        return not set(self.users).isdisjoint(listener.users) or any(
            _lies_in(place, folder) for pid in listener.pids for place in places.get(pid, ()) for folder in self.paths
        )


def _lies_in(place: str, folder: str) -> bool:
    return PurePath(folder) in (PurePath(place), *PurePath(place).parents)


def in_scope(
    listeners: Iterable[Listener], policy: Iterable[Allowance], own: Own, places: Mapping[int, tuple[str, ...]]
) -> list[Listener]:
    """Given all listeners, return those of ports that the policy names and those that are Cryptobot's own."""
    entries = tuple(policy)
    return [
        listener
        for listener in listeners
        if any(entry.covers(listener.proto, listener.port) for entry in entries) or own.has(listener, places)
    ]
