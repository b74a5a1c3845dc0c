# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of a host as records, which all platforms share, and what belongs together among them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

ZOMBIE = "Z"


class Process(NamedTuple):
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


class Details(NamedTuple):
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


class Census(NamedTuple):
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
    return {pid: process._replace(unit=_unit_of(pid, processes, units)) for pid, process in processes.items()}


def _unit_of(pid: int, processes: Mapping[int, Process], units: Mapping[int, str]) -> str:
    visited: set[int] = set()
    while pid in processes and pid not in visited:
        if pid in units:
            return units[pid]
        visited.add(pid)
        pid = processes[pid].parent
    return ""


class Accounts(NamedTuple):
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


class HeldFile(NamedTuple):
    """A file that has been deleted and still takes space, because a process has it open."""

    path: str
    size: int
    owners: tuple[str, ...]
