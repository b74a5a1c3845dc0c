# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a folder of ours can be believed: nobody but root and this account can have put there what lies in it.

Every folder from ``/`` down is looked at, because whoever can rename one of them can put another tree in its place. A
folder above may be open to all if it is sticky, as /tmp is: then the one below must be ours. A link is followed only
where nobody else could have made it (macOS leads /var to /private/var by one). What has passed stays so: nobody else
can change a name on the way. On Windows the bridge looks (bridge.ps1), and reports by ``report`` what it saw.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Optional

from .errors import CoreError
from .folders import NotEntered, PathStep, steps
from .registry import Rules
from .writers import open_to_others

MAX_FILE = 64 << 20
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

RULES = Rules()
STATE = RULES.check(
    "checkup.state",
    "The state folder and all folders above it can be changed by root and the account of the run alone (on Windows: by "
    "SYSTEM and the Administrators). Where another could, nothing in it is believed: there is no memory of earlier "
    "runs, no maintenance marker, and a module that acts refuses to.",
    procedure="D1.1",
    remedy="Look who made or opened the folder that is named; give it back to root (chown root, chmod go-w) with what "
    "lies in it removed, or set cryptobot_state_dir to another.",
    source="owner, mode and kind of each folder from / down, as OpenSSH asks it of authorized_keys (StrictModes)",
)
_reported: dict[str, str] = {}  # on Windows: why each folder that the bridge looked at cannot be believed, or ""


class DistrustedError(CoreError):
    """A folder or file of ours could have been changed by another account. Nothing in it was believed."""


class Fault(NamedTuple):
    """What lets another account change a folder: where on its way, and in words. ``owner`` is the uid of that account
    where it owns the place, ``link`` that the place is a link, ``unseen`` that it could not be looked at. ``ours`` is
    the uid that may own it beside root, ``mode`` the place's own.
    """

    path: str
    words: str
    owner: Optional[int] = None
    link: bool = False
    unseen: bool = False
    ours: int = 0
    mode: int = 0


class Others(NamedTuple):
    """Who is trusted beside root and this account, by ids: accounts that may own a place, groups that may write to one.

    Even these lead nobody by a link.
    """

    accounts: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()

    def write_to(self, status: os.stat_result) -> bool:
        """Return whether others than these, its owner and root may write to a place, by its mode."""
        if status.st_gid in self.groups:
            return bool(status.st_mode & stat.S_IWOTH)
        return open_to_others(status)


NOBODY_ELSE = Others()


def report(folders: Mapping[str, str]) -> None:
    """Keep what the bridge saw: by folder why it cannot be believed, or an empty text."""
    _reported.update({_key(path): reason for path, reason in folders.items()})


def distrust(folder: str) -> str:
    """Given a folder of ours, return why it cannot be believed; empty where it can be, or where there is none yet."""
    if sys.platform == "win32":
        return _reported.get(_key(folder), f"the bridge did not look who can write to the folder {folder}")
    return next((fault.words for fault in _walk(folder)), "")


def faults(folder: str, others: Others = NOBODY_ELSE) -> tuple[Fault, ...]:
    """Given a folder, which need not be there yet, return all that lets another account change it than those that are
    trusted; POSIX alone.
    """
    return () if sys.platform == "win32" else tuple(dict.fromkeys(_walk(folder, others)))  # a way may come by twice


def fault_of(path: str, others: Others = NOBODY_ELSE) -> str:
    """Given a folder or file in a folder that can be believed, return which other account made it or may change it, in
    words; empty where none may. Nothing above it is looked at. Raise OSError.
    """
    if sys.platform == "win32":
        return ""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode) or not others.write_to(status):
        return _foreign(path, status, others)
    return _foreign(path, status, others) or f"others may write to {path} (mode {stat.S_IMODE(status.st_mode):04o})"


def _key(path: str) -> str:
    return os.path.normcase(os.path.abspath(path))


def _walk(folder: str, others: Others = NOBODY_ELSE) -> Iterator[Fault]:
    """Go to a folder, and yield why it cannot be believed; nothing where it can be or where there is none yet."""
    place, mode = "/", 0  # the folder passed last, and its mode: where others may make names in it, it is sticky
    shared = any_else = False  # whether others may that are not trusted, and whether any may
    try:
        with closing(steps(os.path.join(os.getcwd(), folder))) as way:
            for step in way:
                yield from _of_step(step, others, is_open=any_else)
                if step.is_link:
                    continue
                if not stat.S_ISDIR(step.status.st_mode):
                    return
                place, mode, shared = step.path, stat.S_IMODE(step.status.st_mode), others.write_to(step.status)
                any_else = open_to_others(step.status)
    except FileNotFoundError:
        return
    except OSError as error:
        yield Fault(error.filename, f"{error.filename} cannot be looked at: {error.strerror}", unseen=True)
    except NotEntered as reason:
        yield Fault(place, f"the way on from {place} cannot be looked at: {reason}", unseen=True)
    else:
        if shared and mode & stat.S_ISVTX:  # without the sticky bit it was told on the way
            yield Fault(place, f"others may write to the folder {place} (mode {mode:04o})", mode=mode)


def _of_step(step: PathStep, others: Others, *, is_open: bool) -> Iterator[Fault]:
    """Yield why one step cannot be believed, given whether others may make names in the folder where it lies."""
    path, status = step.path, step.status
    foreign = _foreign(path, status, others)
    if foreign:
        yield Fault(path, foreign, status.st_uid, step.is_link, ours=os.geteuid(), mode=stat.S_IMODE(status.st_mode))
    if step.is_link and is_open:
        yield Fault(path, f"{path} is a link, and others may make names where it lies", link=True)
    wide = _open_to_others(path, status, others) if stat.S_ISDIR(status.st_mode) else ""
    if wide:
        yield Fault(path, wide, mode=stat.S_IMODE(status.st_mode))


def _foreign(path: str, status: os.stat_result, others: Others = NOBODY_ELSE) -> str:
    """Return who else owns it, in words; empty where root or this account does."""
    if status.st_uid in (0, os.geteuid()) or (status.st_uid in others.accounts and not stat.S_ISLNK(status.st_mode)):
        return ""
    return f"{path} belongs to the account with the uid {status.st_uid}"


def _open_to_others(path: str, status: os.stat_result, others: Others) -> str:
    if not others.write_to(status) or status.st_mode & stat.S_ISVTX:
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
    if open_to_others(status):
        return f"others may write to {path} (mode {stat.S_IMODE(status.st_mode):04o})"
    return _foreign(path, status)
