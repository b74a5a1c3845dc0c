# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folder of a drill: made with its owner in it, gone afterwards, and swept by the next drill where a killed one
left it, with the servers and services that still run from there.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..backup.names import OWNER
from ..backup.store.owner import identity, owner_document, processes
from ..backup.verification import remove_tree
from ..errors import ActionFailed, CoreError
from ..host import Host
from ..processes.collect import process_table
from ..processes.identity import Handle, holding, identify, is_alive, send

PREFIX, RUNNING = "cryptobot-drill-", "running.json"
MARK = "CRYPTOBOT_DRILL"  # variable that what is started has, and hands down to what it starts itself
ENDS_WITHIN = 10.0  # seconds that a process has after SIGKILL


class Swept(NamedTuple):
    """What was done about folders of other drills: those that are gone, and those that nobody can tell of, with why."""

    removed: list[str]
    left: dict[str, str]


@contextmanager
def drill_folder(scratch: Path, drill_id: str, host: Host) -> Iterator[Path]:
    """Have a folder for a block; nothing of it stays. A server's account may pass it, and not read it."""
    folder = scratch / f"{PREFIX}{drill_id[-6:]}"  # short: the path of a server's socket is at most 107 bytes
    folder.mkdir(mode=0o700)
    try:
        (folder / OWNER).write_bytes(owner_document(host))
        folder.chmod(0o711)
        yield folder
    finally:
        end_processes(folder, host)
        remove_tree(folder)


def sweep(scratch: Path, host: Host) -> Swept:
    """Remove the folders of drills of this host that were killed. Those of others, and what names no owner, stay."""
    swept = Swept([], {})
    for folder in sorted(scratch.glob(f"{PREFIX}*")):
        why = _why_left(folder, host)
        if why:
            swept.left[str(folder)] = why
            continue
        end_processes(folder, host)
        remove_tree(folder)
        swept.removed.append(str(folder))
    return swept


def _why_left(folder: Path, host: Host) -> str:
    """Return why a folder must not be removed; empty where its drill was killed."""
    if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != getattr(os, "geteuid", int)():
        return "it is no folder that this account made"
    try:
        owner: dict[str, Any] = json.loads(host.read(str(folder / OWNER)))
        pid, began, boot = int(owner["pid"]), owner["began"], owner["boot_id"]
    except (CoreError, KeyError, TypeError, ValueError):
        return "it names no owner, so nobody can tell whether a drill is at work there"
    if owner.get("identity") != identity(host):
        return f"it is of the host {owner.get('host')}"
    return _why_at_work(pid, began, host, owner.get("processes")) if boot == host.boot_id() else ""


def _why_at_work(pid: int, began: str, host: Host, namespace: object) -> str:
    if namespace != processes(host):
        return "its process lives where this one cannot see it, in another container"
    return f"the drill of pid {pid} is at work there" if host.process_began(pid) == began else ""


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
            raise ActionFailed(f"the processes {left} of the drill in {folder} do not end")
        time.sleep(0.05)


def _noted(folder: Path, host: Host) -> list[int]:
    try:
        noted = json.loads(host.read(str(folder / RUNNING)))
    except (CoreError, ValueError):
        return []
    alive = (one for one in noted if one["boot_id"] == host.boot_id())
    return [one["pid"] for one in alive if one["began"] and host.process_began(one["pid"]) == one["began"]]


def _marked(folder: Path) -> Iterator[int]:
    """Yield what was started from this folder, and what that started: a drill that was killed may have noted none."""
    wanted = f"{MARK}={folder}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)


def _servers(folder: Path) -> Iterator[int]:
    """Yield the servers of PostgreSQL that really work in a data folder of this drill, whatever their pid file says."""
    for path in folder.glob("**/postmaster.pid"):
        with suppress(OSError, ValueError, IndexError):
            pid = int(path.read_text().splitlines()[0])
            if os.path.realpath(f"/proc/{pid}/cwd") == str(path.parent.resolve()):
                yield pid
