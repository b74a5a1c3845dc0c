# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One maintenance action at a time on a host.

The lock is a file that names its owner: pid, the moment that process began, boot id. It is stale only when that owner
is gone (another boot, no such process, or a younger process that was given the same pid); age alone never makes it
stale, because a backup may honestly take hours. Where a system has no boot id (Windows), pid and begin alone tell: no
process of another boot began at the same moment.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

from . import trusted
from .errors import CoreError, LockHeld
from .host import Host
from .publish import patiently, publish_file

NAME = "maintenance.lock"
STEAL_ATTEMPTS = 3


def _owner(procedure: str, host: Host) -> dict[str, Any]:
    pid = os.getpid()
    return {
        "pid": pid,
        "began": host.process_began(pid),
        "boot_id": host.boot_id(),
        "procedure": procedure,
        "since": host.now(),
        "heartbeat": host.now(),
    }


def _read_owner(path: Path) -> Optional[dict[str, Any]]:
    """Return the owner that a lock names, an empty dict where it names none, or None where there is no lock."""
    texts: list[str] = []
    try:
        patiently(lambda: texts.append(trusted.read(path).decode()))
        owner = json.loads(texts[0])
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    except OSError as error:
        raise CoreError(f"the lock {path} cannot be read: {error}") from error
    return owner if isinstance(owner, dict) else {}


def _is_gone(owner: dict[str, Any], host: Host) -> bool:
    if owner.get("boot_id") != host.boot_id():
        return True
    pid = owner.get("pid")
    return not isinstance(pid, int) or host.process_began(pid) != owner.get("began")


def _claim(path: Path, owner: dict[str, Any]) -> bool:
    """Create the lock complete with its content in one step (a hard link), or say that there is one already."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # of a run that was killed and had the same pid
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(json.dumps(owner))
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        patiently(lambda: draft.unlink(missing_ok=True))
    return True


def _remove_stale(path: Path, host: Host) -> None:
    """Remove the lock if its owner is gone. One run at a time may do so: the kernel's lock on a file beside says whose
    turn it is, and forgets it with the process. Otherwise two could see the same stale lock, and the slower one would
    remove the living lock that the faster one has just put there.
    """
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(path.with_name(f"{path.name}.turn"), flags, 0o600), "wb") as turn:
        _one_at_a_time(turn.fileno())
        owner = _read_owner(path)
        if owner is not None and _is_gone(owner, host):
            patiently(path.unlink)


def _one_at_a_time_posix(descriptor: int) -> None:
    fcntl = importlib.import_module("fcntl")
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _one_at_a_time_windows(descriptor: int) -> None:
    msvcrt = importlib.import_module("msvcrt")
    msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)


_one_at_a_time = _one_at_a_time_windows if os.name == "nt" else _one_at_a_time_posix


def _acquire(path: Path, procedure: str, host: Host) -> dict[str, Any]:
    mine = _owner(procedure, host)
    for _attempt in range(STEAL_ATTEMPTS):
        if _claim(path, mine):
            return mine
        other = _read_owner(path)
        if other is not None and not _is_gone(other, host):
            raise LockHeld(_held_message(path, other, host))
        _remove_stale(path, host)
    raise LockHeld(f"{path} could not be taken in {STEAL_ATTEMPTS} attempts: other runs keep taking it")


def _held_message(path: Path, owner: dict[str, Any], host: Host) -> str:
    minutes = (host.now() - float(owner.get("since", 0))) / 60
    return (
        f"{owner.get('procedure')} (pid {owner.get('pid')}) has worked on this host for {minutes:.0f} min "
        f"and holds {path}; expected no other maintenance run"
    )


def _same_owner(path: Path, mine: dict[str, Any]) -> bool:
    other = _read_owner(path) or {}
    return all(other.get(key) == mine[key] for key in ("pid", "began", "since"))


@contextmanager
def host_lock(state_dir: str, procedure: str, host: Host) -> Iterator[Callable[[], None]]:
    """Hold the host's maintenance lock for a block, which gets a function to call now and then as its heartbeat.

    Raise LockHeld, naming the owner, where another run has the lock, and DistrustedError where another account could
    have made or could take away what lies in ``state_dir``.
    """
    path = Path(state_dir, NAME)
    try:
        trusted.make(state_dir)
        mine = _acquire(path, procedure, host)
    except OSError as error:
        raise CoreError(f"the lock {path} cannot be made: {error}; expected a state_dir that can be written") from error

    def heartbeat() -> None:
        if _same_owner(path, mine):
            publish_file(path, json.dumps({**mine, "heartbeat": host.now()}).encode())

    try:
        yield heartbeat
    finally:
        if _same_owner(path, mine):
            patiently(lambda: path.unlink(missing_ok=True))
