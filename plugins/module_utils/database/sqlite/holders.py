# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes have a file open, per platform. It proves that services are down before a file is replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ...errors import CoreError
from ...host import Host
from .records import Holder, Holders


def holders(path: str, host: Host) -> Holders:
    """Given a database's path, return who has it, its -wal or its -shm open; our own process does not count."""
    names = [name for name in (path, f"{path}-wal", f"{path}-shm") if os.path.exists(name)]
    return _GATHERERS[host.platform](names, host)


def _linux(names: Iterable[str], _host: Host) -> Holders:
    wanted = {(status.st_dev, status.st_ino) for status in map(os.stat, names)}
    found, complete = [], True
    for process in _processes():
        try:
            if any(_identity(link) in wanted for link in (process / "fd").iterdir()):
                found.append(Holder(int(process.name), _command(process)))
        except PermissionError:
            complete = False
        except OSError:
            continue  # it ended meanwhile
    return Holders(tuple(found), complete)


def _processes() -> Iterator[Path]:
    own = str(os.getpid())
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and entry.name != own)


def _identity(link: Path) -> tuple[int, int]:
    try:
        status = os.stat(link)
    except OSError:
        return (-1, -1)  # closed meanwhile
    return status.st_dev, status.st_ino


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def _darwin(names: Iterable[str], host: Host) -> Holders:
    """Ask lsof, which ends with 1 where nobody has the files open; -F prints p<pid> and c<command> lines."""
    try:
        text = host.run(["lsof", "-Fpc", "--", *names], expect=(0, 1)).stdout
    except CoreError:
        return Holders((), complete=False)
    found, pid = [], 0
    for line in text.splitlines():
        if line.startswith("p"):
            pid = int(line[1:])
        elif line.startswith("c") and pid != os.getpid():
            found.append(Holder(pid, line[1:]))
    return Holders(tuple(found), host.is_admin())


def _windows(_names: Iterable[str], _host: Host) -> Holders:
    return Holders((), complete=False)


_GATHERERS: dict[str, Callable[[Iterable[str], Host], Holders]] = {
    "linux": _linux,
    "darwin": _darwin,
    "windows": _windows,
}
