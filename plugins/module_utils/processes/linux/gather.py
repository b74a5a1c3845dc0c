# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading /proc: which processes there are, and the details of a few."""

from __future__ import annotations

from functools import partial
from typing import Optional

from ...errors import CoreError, SourceDenied, SourceMissing
from ...host import Host
from ...sockets.parse import parse_unit
from ..parse import (
    Accounts,
    Census,
    Details,
    Process,
    parse_accounts,
    parse_command,
    parse_open_files_limit,
    parse_replaced,
    parse_stat,
    parse_status,
)

MAX_MAPS = 16 << 20


HIDDEN = "the processes of other accounts are hidden from this one (hidepid)"


def gather_linux(host: Host) -> Census:
    """Return the processes of a Linux host. Details are read when they are asked for: they cost a file each."""
    processes = process_table(host)
    hidden = "" if 1 in processes else HIDDEN  # see proc(5), hidepid
    return Census(uptime(host), host.boot_id(), processes, partial(read_details, host), hidden)


def uptime(host: Host) -> float:
    """Return the seconds on the clock in which processes begin. No set clock moves it, and no container hides it."""
    return host.since_boot()


def process_table(host: Host) -> dict[int, Process]:
    """Given a Linux host, return its processes by pid. Processes that end meanwhile are left out."""
    found = (read_process(host, int(name)) for name in host.entries("/proc") if name.isdigit())
    return {process.pid: process for process in found if process}


def read_process(host: Host, pid: int) -> Optional[Process]:
    """Return one process, or None where there is none of that pid (also one that this account may not see)."""
    try:
        process = parse_stat(host.read(f"/proc/{pid}/stat"))
        command = parse_command(host.read_bytes(f"/proc/{pid}/cmdline", 1 << 16))
        unit = parse_unit(host.read(f"/proc/{pid}/cgroup"))
    except (SourceMissing, SourceDenied):
        return None
    return Process(**{**vars(process), "command": command, "unit": unit})


def read_accounts(host: Host, pid: int) -> Optional[Accounts]:
    """Return whose rights a process has, or None where there is none of that pid, or nothing tells."""
    try:
        return parse_accounts(host.read(f"/proc/{pid}/status"))
    except CoreError:
        return None


def read_details(host: Host, pid: int) -> Details:
    """Return the details of one process; a process that has ended meanwhile has none."""
    try:
        uid, rss = parse_status(host.read(f"/proc/{pid}/status"))
        limit = parse_open_files_limit(host.read(f"/proc/{pid}/limits"))
    except (SourceMissing, SourceDenied) as error:
        return Details(denied="" if isinstance(error, SourceMissing) else str(error))
    try:
        count = len(host.entries(f"/proc/{pid}/fd"))
        replaced = parse_replaced(host.link(f"/proc/{pid}/exe"), host.read(f"/proc/{pid}/maps", MAX_MAPS))
    except SourceMissing:
        return Details(uid, rss, 0, limit)
    except SourceDenied as error:
        return Details(uid, rss, 0, limit, denied=str(error))
    return Details(uid, rss, count, limit, replaced)
