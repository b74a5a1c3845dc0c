# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading /proc: which processes there are, what they belong to, and the details of a few. Formats: proc(5)."""

from __future__ import annotations

import re
from functools import partial
from typing import Optional

from ..errors import CoreError, ParseError, SourceDenied, SourceMissing
from ..host import Host
from .model import Accounts, Census, Details, Process

_UNITS = (".service", ".scope", ".socket")


def parse_unit(text: str) -> str:
    """Given /proc/PID/cgroup, return the systemd unit of the system that the process belongs to; empty: none.

    Control groups of both kinds are understood. Sub-groups that a unit makes for itself count as the unit.
    """
    paths = {controllers: path for _id, controllers, path in (line.split(":", 2) for line in text.splitlines())}
    # Beside a tree of the first kind the other one may be there without units in it: both are asked.
    return _first_unit(paths.get("name=systemd", "")) or _first_unit(paths.get("", ""))


def _first_unit(path: str) -> str:
    for part in path.split("/"):
        name = part[1:] if part.startswith("_") else part  # systemd puts _ before names the kernel keeps for itself
        if name.endswith(_UNITS):
            return name
    return ""


TICKS = 100.0  # USER_HZ, the unit of times in /proc/PID/stat, on every architecture that Debian releases for
_ACCOUNTS = (("Uid", "{4}"), ("Gid", "{4}"), ("Groups", "*"))  # of proc(5), each with how many numbers it has
_DELETED = " (deleted)"

# Mapped files that vanish by design, not by an update: shared memory, memfd, temporary files of just-in-time compilers.
_PASSING = re.compile(r"/(?:dev|tmp|run|proc|var/tmp|var/run|memfd:|SYSV|\[aio\])")


def parse_stat(text: str) -> Process:
    """Given /proc/PID/stat, return the process without command and unit. Raise ParseError."""
    try:
        pid, rest = int(text.split(" ", 1)[0]), text.rsplit(")", 1)[1].split()
        cpu = (int(rest[11]) + int(rest[12])) / TICKS
        return Process(pid, int(rest[1]), int(rest[3]), rest[0], int(rest[19]) / TICKS, cpu, int(rest[17]))
    except (ValueError, IndexError) as error:
        raise ParseError("/proc/PID/stat", 1, text, str(error)) from error


def parse_command(content: bytes) -> tuple[str, ...]:
    """Given /proc/PID/cmdline, return the command line as words."""
    return tuple(word.decode(errors="replace") for word in content.split(b"\0"))[:-1]


def parse_status(text: str) -> tuple[int, int]:
    """Given /proc/PID/status, return the effective uid and the resident memory in bytes (0 for a zombie)."""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    try:
        return int(fields["Uid"].split()[1]), int(fields.get("VmRSS", "0").split()[0]) * 1024
    except (KeyError, ValueError, IndexError) as error:
        raise ParseError("/proc/PID/status", 1, text, f"no Uid or VmRSS ({error})") from error


def parse_accounts(text: str) -> Accounts:
    """Given /proc/PID/status, return whose rights the process has. Raise ParseError."""
    rows = [re.search(rf"^{name}:((?:[ \t]+[0-9]+){most})[ \t]*$", text, re.MULTILINE) for name, most in _ACCOUNTS]
    uids, gids, groups = (tuple(map(int, row.group(1).split())) if row else None for row in rows)
    if uids is None or gids is None or groups is None:
        raise ParseError("/proc/PID/status", 1, text, "no Uid, Gid or Groups")
    return Accounts(uids, gids, groups)


def parse_open_files_limit(text: str) -> int:
    """Given /proc/PID/limits, return the soft limit of open files; 0 stands for none."""
    for line in text.splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return 0 if soft == "unlimited" else int(soft)
    raise ParseError("/proc/PID/limits", 1, text, "no line 'Max open files'")


def parse_replaced(exe: str, maps: str) -> tuple[str, ...]:
    """Given the link /proc/PID/exe and /proc/PID/maps, return the program files that no longer are what is on the disk.

    Counted are the executable and mapped files that hold code (needrestart's rule), without temporary ones.
    """
    gone = {exe} if exe.endswith(_DELETED) else set()
    for line in maps.splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and "x" in fields[1] and fields[5].endswith(_DELETED) and fields[5].startswith("/"):
            gone.add(fields[5])
    return tuple(sorted(path[: -len(_DELETED)] for path in gone if not _PASSING.match(path)))


MAX_MAPS = 16 << 20
HIDDEN = "the processes of other accounts are hidden from this one (hidepid)"


def collect_linux(host: Host) -> Census:
    """Return the processes of a Linux host. Details are read when they are asked for: they cost a file each."""
    processes = process_table(host)
    hidden = "" if 1 in processes else HIDDEN  # see proc(5), hidepid
    return Census(uptime(host), host.boot_id(), processes, partial(read_details, host), hidden)


def uptime(host: Host) -> float:
    """Return the seconds on the clock in which processes begin. No set clock moves it, and no container hides it."""
    return host.since_boot()


def pids(host: Host) -> list[int]:
    """Return the processes that there are, as far as this account may see. Raise CoreError."""
    return [int(name) for name in host.entries("/proc") if name.isdigit()]


def process_table(host: Host) -> dict[int, Process]:
    """Given a Linux host, return its processes by pid. Processes that end meanwhile are left out."""
    found = (read_process(host, pid) for pid in pids(host))
    return {process.pid: process for process in found if process}


def read_process(host: Host, pid: int) -> Optional[Process]:
    """Return one process, or None where there is none of that pid (also one that this account may not see)."""
    try:
        process = parse_stat(host.read(f"/proc/{pid}/stat"))
        command = parse_command(host.read_bytes(f"/proc/{pid}/cmdline", 1 << 16))
        unit = parse_unit(host.read(f"/proc/{pid}/cgroup"))
    except (SourceMissing, SourceDenied):
        return None
    return process._replace(command=command, unit=unit)


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


def executable(host: Host, pid: int) -> str:
    """Return the path of a process's executable; empty where it has none, has ended, or does not show it."""
    try:
        return host.link(f"/proc/{pid}/exe")
    except (SourceMissing, SourceDenied):
        return ""


def unit_of(host: Host, pid: int) -> str:
    """Return the systemd unit that a process belongs to; empty where it belongs to none or has ended."""
    try:
        return parse_unit(host.read(f"/proc/{pid}/cgroup"))
    except (SourceMissing, SourceDenied):
        return ""
