# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process for which a fleet exists. When it is gone, the fleet is stale and anybody may remove it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from . import paths
from .errors import FleetError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NOBODY = 0  # the owner of a fleet that is kept until somebody downs it


@dataclass(frozen=True)
class Owner:
    """A process, told from a later one of the same number by its start and the machine's boot; and the fleet's folder.

    The record lies beside the fleet's sockets, which any run on this machine finds, whatever its cache folder is.
    """

    pid: int
    started: int | None
    boot: str
    state: str


def write(fleet: str, pid: int) -> None:
    """Record the owner of a fleet whose files are in this run's cache."""
    owner = Owner(pid, start_time(pid), _boot(), str(paths.state(fleet)))
    file = _file(fleet)
    file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    partial.write_text(json.dumps(asdict(owner)) + "\n")
    partial.replace(file)


def read(fleet: str) -> Owner | None:
    """Return the record; None where there is none, as after a crash between two steps or a reboot of the machine."""
    try:
        return Owner(**json.loads(_file(fleet).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_stale(owner: Owner | None) -> bool:
    """Given the record, return whether that process is gone. A fleet without a record was never finished."""
    if owner is None or owner.boot != _boot():
        return True

    if owner.pid == NOBODY:
        return False

    return owner.started is None or start_time(owner.pid) != owner.started


def pid_of(given: str) -> int:
    """Given `none`, a process id or a program's name, return the owner's pid. Raise FleetError when there is none such.

    A program is looked for among the ancestors of this process, by its own name or that of the script it runs.
    """
    if given == "none":
        return NOBODY
    if not given.isdigit():
        return _ancestor(given)
    if start_time(int(given)) is None:
        raise FleetError(f"owner {given}: there is no such process")

    return int(given)


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot (proc(5), stat field 22); None when it is gone."""
    fields = _stat(pid)

    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _ancestor(program: str) -> int:
    pid = os.getppid()
    while pid > 1:
        if program in _program_names(pid):
            return pid
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 0
    raise FleetError(f"owner {program!r}: neither a process id nor the program of an ancestor of this process")


def _program_names(pid: int) -> list[str]:
    """Return the names that tell what a process runs: of the program, and of the script that it interprets."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")

    return [Path(word).name for word in words[:2]]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the second, a name that may hold anything; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _boot() -> str:
    return BOOT_ID.read_text().strip()


def _file(fleet: str) -> Path:
    return paths.runtime(fleet) / "owner.json"
