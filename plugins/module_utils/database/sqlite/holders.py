# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes have a file open, per platform. It proves that services are down before a file is replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from ...host import Host
from . import linux, macos, windows
from .model import Holders


def holders(path: str, host: Host) -> Holders:
    """Given a database's path, return who has it, its -wal or its -shm open; our own process does not count."""
    names = [name for name in (path, f"{path}-wal", f"{path}-shm") if os.path.exists(name)]
    return _HOLDERS[host.platform](names, host)


_HOLDERS: dict[str, Callable[[Iterable[str], Host], Holders]] = {
    "linux": linux.holders,
    "darwin": macos.holders,
    "windows": windows.holders,
}
