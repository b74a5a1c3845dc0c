# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which places no rule may touch, and how paths are written and compared on a platform. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..errors import InputError
from ..paths import is_within

_DRIVE = re.compile(r"[A-Za-z]:")


class Places(NamedTuple):
    """The places of a platform.

    No rule may lie at, in or above one of ``sealed``; at or above one of ``roots``; or be itself what lies directly in
    one of ``homes`` or, below that, one of ``home_roots`` (as keys). A place without a drive means that place on every
    drive. ``absolute`` and ``guarded`` take the name of an option and a path: what a rule speaks of, and what is
    protected. ``key`` gives the form in which two spellings of one path are the same, with slashes. ``variables`` are
    those of the environment that name further sealed folders.
    """

    sealed: tuple[str, ...]
    roots: tuple[str, ...]
    homes: tuple[str, ...]
    absolute: Callable[[str, str], str]
    guarded: Callable[[str, str], str]
    key: Callable[[str], str]
    home_roots: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    def overlap(self, path: str, guarded: str) -> bool:
        """Return whether a path is at, in or above a guarded one."""
        one, other = self._comparable(path, guarded)
        return is_within(one, other) or is_within(other, one)

    def covers(self, path: str, guarded: str) -> bool:
        """Return whether a path is at or above a guarded one."""
        one, other = self._comparable(path, guarded)
        return is_within(other, one)

    def is_home(self, path: str) -> bool:
        """Return whether a path is somebody's home, a volume, or a folder of it that holds everything else."""
        for home in self.homes:
            one, other = self._comparable(path, home)
            _home, _slash, inner = one[len(other) + 1 :].partition("/")
            if one != other and is_within(one, other) and (not inner or inner in self.home_roots):
                return True
        return False

    def _comparable(self, path: str, guarded: str) -> tuple[str, str]:
        one, other = self.key(path), self.key(guarded)
        return (without_drive(one), other) if other.startswith("/") else (one, other)


def drive_of(path: str) -> str:
    """Return the drive that a path begins with, such as ``C:``; empty where it has none."""
    found = _DRIVE.match(path)
    return found.group() if found else ""


def without_drive(path: str) -> str:
    """Return a path without the drive that it begins with."""
    return path[len(drive_of(path)) :]


def full_path(folder: str, parts: Iterable[str]) -> str:
    """Given a folder and names below it, return the path in the platform's own writing: a drive tells which."""
    separator = "\\" if drive_of(folder) else "/"
    return separator.join((folder.rstrip(separator), *parts)) or separator


def on_drives(guarded: Iterable[str], paths: Sequence[str]) -> list[str]:
    """Given guarded places and the paths of rules, return the places as paths on each drive that is spoken of."""
    drives = sorted({drive_of(path) for path in paths})
    spread = [place if drive_of(place) else f"{drive}{place}" for place in guarded for drive in drives]
    return list(dict.fromkeys(spread))


def posix_absolute(name: str, path: str) -> str:
    """Given a path of the inventory, return it without a slash at its end.

    Raise InputError where it is relative or leads up again, which hides where it ends.
    """
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise InputError(name, path, "an absolute path without '..'")
    return "/" + posixpath.normpath(path).strip("/")
