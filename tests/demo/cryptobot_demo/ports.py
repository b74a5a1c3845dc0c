# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a port is, so that a demo that cannot have it says why, and which ports are free."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from .catalog import ports_from
from .root import DEFAULT_BASE_PORT, DemoError

STEP = 100
LISTENS = "0A"  # the state LISTEN in /proc/net/tcp, see proc(5)


def is_free(port: int) -> bool:
    """Return whether a service could listen on a port of the loopback address."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_base_port() -> int:
    """Return the first of the ports 18000, 18100 ... from which all services find theirs free."""
    for base in range(DEFAULT_BASE_PORT, 60000, STEP):
        if all(is_free(port) for port in ports_from(base).values()):
            return base
    raise DemoError("no five ports in a row are free between 18000 and 60000")


def holder(port: int) -> str:
    """Given a port that is taken, return by whom, as far as this account may know."""
    pids = _pids_of(port) if Path("/proc/net/tcp").exists() else _asked_of_lsof(port)
    if not pids:
        return "a process that this account may not see"
    words = subprocess.run(["ps", "-o", "args=", "-p", pids[0]], capture_output=True, text=True, check=False).stdout
    return f"process {pids[0]} ({words.strip()[:100] or 'gone by now'})"


def _asked_of_lsof(port: int) -> list[str]:
    try:
        argv = ["lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN"]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()
    except FileNotFoundError:
        return []


def _pids_of(port: int) -> list[str]:
    """Return the processes of this machine that have a listening socket of the port open."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _inodes(Path("/proc/net", table), port)}
    return [path.name for path in Path("/proc").glob("[0-9]*") if inodes & _opened(path)]


def _inodes(table: Path, port: int) -> list[str]:
    rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]] if table.exists() else []
    return [row[9] for row in rows if row[3] == LISTENS and int(row[1].rpartition(":")[2], 16) == port]


def _opened(process: Path) -> set[str]:
    try:
        return {os.readlink(entry) for entry in (process / "fd").iterdir()}
    except OSError:  # another account's, or ended meanwhile
        return set()
