# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes have a file open, per platform. It proves that services are down before a file is replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ...host import Host
from .macos import gather as macos
from .records import Holder, Holders
from .windows import gather as windows


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


_GATHERERS: dict[str, Callable[[Iterable[str], Host], Holders]] = {
    "linux": _linux,
    "darwin": macos.holders,
    "windows": windows.holders,
}
