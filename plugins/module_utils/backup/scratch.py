# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders of our own for what is unpacked, restored and started meanwhile: made with their owner in them, gone
afterwards, and swept by the next run where a killed one left them, with the servers and services that still run from
there. Verification, restores and drills have no other.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Optional

from ..errors import ActionFailed, CoreError
from ..host import Host
from ..processes.collect import process_table
from ..processes.identity import Handle, holding, identify, is_alive, send
from ..publish import PARTIAL
from ..trusted import NOBODY_ELSE, Others, faults
from .errors import CannotJudge
from .model import GROWING, UNCLEAR
from .names import OWNER
from .store.owner import owner_document, state_of

SCRATCH, DRILL = "cryptobot-scratch-", "cryptobot-drill-"
_BEGUN = "cryptobot-begun-"  # what a folder is called until it has its owner: nothing else is in it then
RUNNING = "running.json"
MARK = "CRYPTOBOT_SCRATCH"  # variable that what is started has, and hands down to what it starts itself
ENDS_WITHIN = 10.0  # seconds that a process has after SIGKILL
LEFT_BY = "left by a run that was killed"


class Swept(NamedTuple):
    """What killed runs left: folders that are gone now, or may go, and those that nobody can tell of, with why."""

    removed: list[str]
    left: dict[str, str]


@contextmanager
def owned_folder(parent: Path, host: Host, prefix: str = SCRATCH) -> Iterator[Path]:
    """Have a folder for a block; nothing of it stays. A server's account may pass it, and not read it.

    Raise CannotJudge where none can be made. What cannot be removed is left to the next run.
    """
    folder = _made(parent, host, prefix)
    try:
        yield folder
    finally:
        with suppress(OSError):
            _remove(folder)


def _made(parent: Path, host: Host, prefix: str) -> Path:
    """Return a new folder that had its owner before it had its name: a sweeper never sees one without."""
    try:
        begun = Path(tempfile.mkdtemp(prefix=_BEGUN, dir=os.path.realpath(parent)))
        folder = begun.with_name(prefix + begun.name[len(_BEGUN) :])
        try:
            (begun / OWNER).write_bytes(owner_document(host))
            begun.chmod(0o711)
            begun.rename(folder)
        except OSError:
            shutil.rmtree(begun, ignore_errors=True)
            raise
    except OSError as error:
        raise CannotJudge(f"no folder can be made in {parent}: {error.strerror}") from error
    return folder


def _remove(folder: Path) -> None:
    """Remove a folder, its owner last: what is left of it still says whose it was. Raise OSError."""
    for name in os.listdir(folder):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        elif name != OWNER:
            path.unlink()
    (folder / OWNER).unlink()
    folder.rmdir()


def remove_tree(folder: Path) -> None:
    """Remove what was restored, folders that may not be looked into among them."""
    for _inner, folders, _files, descriptor in os.fwalk(folder):  # a path may be longer than the kernel takes at once
        for name in folders:
            if stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                os.chmod(name, 0o700, dir_fd=descriptor)
    shutil.rmtree(folder)


def places(scratch: Optional[Path], backups: Path, others: Others = NOBODY_ELSE) -> list[Path]:
    """Return where runs make such folders: in scratch, in sets in the making, in the system's folders for it. Where
    another account could exchange them nothing was made, and nothing is removed.
    """
    usual = [Path(tempfile.gettempdir()), Path("/var/tmp")]  # noqa: S108 - looked into, not made
    given = [*([scratch] if scratch else []), *usual, *sorted(backups.glob(f"*{PARTIAL}"))]
    real = dict.fromkeys(os.path.realpath(parent) for parent in given)
    return [Path(one) for one in real if not faults(os.path.join(one, f"{SCRATCH}{secrets.token_hex(8)}"), others)]


def killed(parents: Iterable[Path], host: Host) -> Swept:
    """Return the folders of runs that were killed, and those of which nobody can tell. What is at work is neither."""
    found = Swept([], {})
    for folder in (one for parent in parents for form in (SCRATCH, DRILL) for one in sorted(parent.glob(f"{form}*"))):
        state, words = _state(folder, host)
        if state == UNCLEAR:
            found.left[str(folder)] = words
        elif state != GROWING:
            found.removed.append(str(folder))
    return found


def sweep(parents: Iterable[Path], host: Host) -> Swept:
    """End what still runs from folders of this host whose run was killed, and remove them."""
    found, swept = killed(parents, host), Swept([], {})
    swept.left.update(found.left)
    for name in found.removed:
        try:
            end_processes(Path(name), host)
            _remove(Path(name))
            swept.removed.append(name)
        except FileNotFoundError:  # somebody else has just swept it
            continue
        except (CoreError, OSError) as error:
            swept.left[name] = f"it cannot be swept: {error}"
    return swept


def _state(folder: Path, host: Host) -> tuple[str, str]:
    """Return what a folder is: GROWING while its run works, UNCLEAR where nobody can tell, else the run is gone."""
    try:
        state, words = state_of(json.loads(host.read(str(folder / OWNER))), host)
        own = not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == getattr(os, "geteuid", int)()
    except (CoreError, OSError, KeyError, TypeError, ValueError):
        return UNCLEAR, "it names no owner, so nobody can tell whether a run is at work there"
    return (state, words) if own or state == GROWING else (UNCLEAR, "it is no folder that this account made")


def marked(folder: Path) -> dict[str, str]:
    """Return the variable by which whatever is started from a folder is known again."""
    return {MARK: os.path.realpath(folder)}


def note_process(folder: Path, pid: int, host: Host) -> None:
    """Write down a process of ours, so that whoever sweeps can end it."""
    path = folder / RUNNING
    noted = json.loads(path.read_text()) if path.exists() else []
    path.write_text(json.dumps([*noted, {"pid": pid, "began": host.process_began(pid), "boot_id": host.boot_id()}]))


def end_processes(folder: Path, host: Host) -> None:
    """End what runs from a folder: services that were started there, and servers whose data lies in it."""
    pids = {*_noted(folder, host), *_marked(folder), *_servers(folder)}
    if not pids:
        return
    table = process_table(host)
    ours = [one for one in table.values() if one.pid in pids or one.parent in pids]
    for process in ours:
        with holding(host, process, [process]) as handles:
            for handle in handles:
                send(host, handle, getattr(signal, "SIGKILL", signal.SIGTERM))
    until = time.monotonic() + ENDS_WITHIN
    while left := [one.pid for one in ours if is_alive(host, Handle(identify(host, one)))]:
        if time.monotonic() > until:
            raise ActionFailed(f"the processes {left} that run from {folder} do not end")
        time.sleep(0.05)


def _noted(folder: Path, host: Host) -> list[int]:
    try:
        noted: list[Mapping[str, object]] = json.loads(host.read(str(folder / RUNNING)))
    except (CoreError, ValueError):
        return []
    alive = [(int(str(one["pid"])), one["began"]) for one in noted if one["boot_id"] == host.boot_id()]
    return [pid for pid, began in alive if began and host.process_began(pid) == began]


def _marked(folder: Path) -> Iterator[int]:
    """Yield what was started from this folder, and what that started: a run that was killed may have noted none."""
    wanted = f"{MARK}={os.path.realpath(folder)}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if any((line + b"/").startswith(wanted + b"/") for line in path.read_bytes().split(b"\0")):
                yield int(path.parent.name)


def _servers(folder: Path) -> Iterator[int]:
    """Yield the servers of PostgreSQL that really work in a data folder below it, whatever their pid file says."""
    for path in folder.glob("**/postmaster.pid"):
        with suppress(OSError, ValueError, IndexError):
            pid = int(path.read_text().splitlines()[0])
            if os.path.realpath(f"/proc/{pid}/cwd") == str(path.parent.resolve()):
                yield pid
