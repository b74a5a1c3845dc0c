# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a folder of ours can be believed: nobody but root and this account can have put there what lies in it.

Every folder from ``/`` down is looked at, because whoever can rename one of them can put another tree in its place. A
folder above may be open to all if it is sticky, as /tmp is: then the one below must be ours. A link is followed only
where nobody else could have made it (macOS leads /var to /private/var by one). What has passed stays so: nobody else
can change a name on the way. On Windows the bridge looks (bridge.ps1), and tells by ``tell`` what it saw.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Optional

from .errors import CoreError

LINKS = 40  # as many as Linux follows
MAX_FILE = 64 << 20
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

_told: dict[str, str] = {}  # on Windows: why each folder that the bridge looked at cannot be believed, or ""


class DistrustedError(CoreError):
    """A folder or file of ours could have been changed by another account. Nothing in it was believed."""


class Fault(NamedTuple):
    """What lets another account change a folder: where on its way, and in words. ``owner`` is the uid of that account
    where it owns the place, ``link`` that the place is a link, ``unseen`` that it could not be looked at. ``ours`` is
    the uid that may own it beside root.
    """

    path: str
    words: str
    owner: Optional[int] = None
    link: bool = False
    unseen: bool = False
    ours: int = 0


class _Place(NamedTuple):
    """A folder on the way that has passed, and whether others may make names in it (it is sticky then)."""

    path: str
    open_to_others: bool


def tell(folders: Mapping[str, str]) -> None:
    """Keep what the bridge saw: by folder why it cannot be believed, or an empty text."""
    _told.update({_key(path): reason for path, reason in folders.items()})


def distrust(folder: str) -> str:
    """Given a folder of ours, return why it cannot be believed; empty where it can be, or where there is none yet."""
    if sys.platform == "win32":
        return _told.get(_key(folder), f"the bridge did not look who can write to the folder {folder}")
    return next((fault.words for fault in _Walk(os.path.join(os.getcwd(), folder)).faults()), "")


def faults(folder: str) -> tuple[Fault, ...]:
    """Given a folder, which need not be there yet, return all that lets another account change it; POSIX alone."""
    return () if sys.platform == "win32" else tuple(_Walk(os.path.join(os.getcwd(), folder)).faults())


def _key(path: str) -> str:
    return os.path.normcase(os.path.abspath(path))


class _Walk:
    """A walk from ``/`` down to a folder, as the kernel goes: through links, and up where a name is two dots."""

    def __init__(self, folder: str) -> None:
        self._names = _names(folder)
        self._place, self._followed = _Place("/", False), 0

    def faults(self) -> Iterator[Fault]:
        """Walk, and yield why the folder cannot be believed; nothing where it can be or where there is none yet."""
        there = yield from self._enter("/")
        while self._names and there:
            there = yield from self._enter(os.path.normpath(os.path.join(self._place.path, self._names.pop(0))))
        if there and self._place.open_to_others:
            yield Fault(self._place.path, f"others may write to the folder {self._place.path}")

    def _enter(self, path: str) -> Generator[Fault, None, bool]:
        """Take one step, yield why it cannot be believed, and return whether there is a way on."""
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            yield Fault(path, f"{path} cannot be looked at: {error.strerror}", unseen=True)
            return False
        foreign, link = _foreign(path, status), stat.S_ISLNK(status.st_mode)
        if foreign:
            yield Fault(path, foreign, status.st_uid, link, ours=os.geteuid())
        if link:
            return (yield from self._follow(path))
        if not stat.S_ISDIR(status.st_mode):
            return False
        self._place = _Place(path, bool(status.st_mode & OTHERS_WRITE))
        wide = _open_to_others(path, status)
        if wide:
            yield Fault(path, wide)
        return True

    def _follow(self, path: str) -> Generator[Fault, None, bool]:
        self._followed += 1
        if self._place.open_to_others or self._followed > LINKS:
            yield Fault(path, f"{path} is a link, and others may make names where it lies", link=True)
        target = os.readlink(path)
        if os.path.isabs(target):
            self._place = _Place("/", False)
        self._names = _names(target) + self._names
        return self._followed <= LINKS


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _foreign(path: str, status: os.stat_result) -> str:
    """Return who else owns it, in words; empty where root or this account does."""
    if status.st_uid in (0, os.geteuid()):
        return ""
    return f"{path} belongs to the account with the uid {status.st_uid}"


def _open_to_others(path: str, status: os.stat_result) -> str:
    if not status.st_mode & OTHERS_WRITE or status.st_mode & stat.S_ISVTX:
        return ""
    return f"others may write to the folder {path} (mode {stat.S_IMODE(status.st_mode):04o})"


def require(folder: str) -> None:
    """Raise DistrustedError where a folder of ours cannot be believed."""
    fault = distrust(folder)
    if fault:
        raise DistrustedError(
            f"the state folder {folder} cannot be trusted: {fault}; nothing in it was believed. Expected a folder that "
            "only root and this account can change, and so all above it: look who made it, move it away, or set "
            "state_dir to another"
        )


def make(folder: str) -> None:
    """Make a folder of ours, closed to others, where it is missing. Raise DistrustedError, or OSError."""
    path = Path(folder)
    require(folder)
    for missing in [each for each in (*reversed(path.parents), path) if not each.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)
    require(folder)  # in a folder that is open to all, another may have been faster


def read(path: Path) -> bytes:
    """Return a file of ours. Raise OSError where there is none, DistrustedError where it cannot be believed."""
    require(str(path.parent))
    try:
        descriptor = os.open(path, _OPEN)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # what O_NOFOLLOW answers to a link, on Linux and on BSD
            raise DistrustedError(f"{path} is a link; it was not followed") from None
        raise
    with os.fdopen(descriptor, "rb") as stream:
        fault = _fault_of_file(str(path), os.fstat(descriptor))
        if fault:
            raise DistrustedError(f"{fault}; it was not believed")
        return stream.read(MAX_FILE)


def _fault_of_file(path: str, status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is no file"
    if sys.platform == "win32":
        return ""  # its folder says who may write to it
    if status.st_mode & OTHERS_WRITE:
        return f"others may write to {path} (mode {stat.S_IMODE(status.st_mode):04o})"
    return _foreign(path, status)
