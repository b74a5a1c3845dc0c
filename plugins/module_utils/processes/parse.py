# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of processes, which all platforms share, and the files of proc(5) that Linux shows them in. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from ..errors import ParseError

TICKS = 100.0  # USER_HZ, the unit of times in /proc/PID/stat, on every architecture that Debian releases for
ZOMBIE = "Z"
_ACCOUNTS = (("Uid", "{4}"), ("Gid", "{4}"), ("Groups", "*"))  # of proc(5), each with how many numbers it has
_DELETED = " (deleted)"

# Mapped files that vanish by design, not by an update: shared memory, memfd, temporary files of just-in-time compilers.
_PASSING = re.compile(r"/(?:dev|tmp|run|proc|var/tmp|var/run|memfd:|SYSV|\[aio\])")


@dataclass(frozen=True)
class Process:
    """One process: ``began`` in seconds since the boot, ``cpu`` used in seconds.

    ``unit`` is what the system's service manager calls what it belongs to: systemd unit, launchd label or Windows
    service. ``command`` is the command line as words; a zombie and a kernel thread have none. ``session`` is the
    leader of its session (of its process group on macOS; Windows has neither). ``threads`` is 0 where it is not known.
    ``exe`` is the path of its program, where the system names one that cannot be replaced unseen (not on Linux: there
    ``Details.replaced`` knows better).
    """

    pid: int
    parent: int
    session: int
    state: str
    began: float
    cpu: float
    threads: int
    command: tuple[str, ...] = ()
    unit: str = ""
    exe: str = ""

    @property
    def title(self) -> str:
        """The command line as one text for people; not redacted."""
        return " ".join(self.command) or "(no command line)"


@dataclass(frozen=True)
class Details:
    """What only root and the owner see of a process.

    ``rss`` in bytes, ``open_files`` and its ``open_files_limit``, ``replaced`` the files that it still runs from
    although they were deleted or replaced on the disk. ``denied`` says what could not be seen, empty if nothing.
    """

    uid: int = -1
    rss: int = 0
    open_files: int = 0
    open_files_limit: int = 0
    replaced: tuple[str, ...] = ()
    denied: str = ""


@dataclass(frozen=True)
class Census:
    """The processes of a host at one moment, by pid.

    ``uptime`` is in seconds since the boot, the clock in which ``Process.began`` counts; ``boot_id`` changes with each
    boot. ``details`` gives the details of a process by its pid. ``hidden`` says why processes may be missing.
    """

    uptime: float
    boot_id: str
    processes: Mapping[int, Process]
    details: Callable[[int], Details]
    hidden: str = ""


def with_units(processes: Mapping[int, Process], units: Mapping[int, str]) -> dict[int, Process]:
    """Given processes, and units by the pid of the process that the service manager started, return the processes with
    the unit of themselves or of their nearest forebear that has one.
    """
    return {pid: replace(process, unit=_unit_of(pid, processes, units)) for pid, process in processes.items()}


def _unit_of(pid: int, processes: Mapping[int, Process], units: Mapping[int, str]) -> str:
    seen: set[int] = set()
    while pid in processes and pid not in seen:
        if pid in units:
            return units[pid]
        seen.add(pid)
        pid = processes[pid].parent
    return ""


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


@dataclass(frozen=True)
class Accounts:
    """Whose rights a process has: real, effective and saved uids and gids (on Linux those for files too), and its
    ``groups``.
    """

    uids: tuple[int, ...]
    gids: tuple[int, ...]
    groups: tuple[int, ...] = ()

    @property
    def several(self) -> str:
        """The rights of which accounts it mixes, in words; empty where all are those of one account and group."""
        uids, gids = dict.fromkeys(self.uids), dict.fromkeys(self.gids)
        mixed = [("uids", uids), ("gids", gids)]
        return " and ".join(f"{what} {', '.join(map(str, ids))}" for what, ids in mixed if len(ids) > 1)


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


def tree_of(main: int, processes: Mapping[int, Process]) -> tuple[Process, ...]:
    """Given a main process, return it, its descendants and the processes of the session that it leads, by pid.

    The first process of a system has everything below it and is no service: nothing is its tree.
    """
    if main <= 1:
        return ()
    wanted = {main}
    while True:
        found = {p.pid for p in processes.values() if p.parent in wanted or p.session == main} | wanted
        if found == wanted:
            return tuple(processes[pid] for pid in sorted(found) if pid in processes)
        wanted = found


def of_unit(unit_names: Iterable[str], processes: Mapping[int, Process]) -> tuple[Process, ...]:
    """Given the names of one unit, return its processes, by pid."""
    names = set(unit_names)
    return tuple(processes[pid] for pid in sorted(processes) if processes[pid].unit in names)
