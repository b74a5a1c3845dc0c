# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of Windows, by one powershell.exe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Optional

from ..errors import CoreError
from ..fields import Fields, fields_of
from ..host import Host
from ..powershell import Answers, ask
from .model import Census, Details, Process, with_units
from .windows_queries import QUERIES

_UNITS_OF_CPU = 1e7  # Win32_Process counts processor time in 100 ns
IDLE = 0  # "System Idle Process" is none

# Backslashes and what follows them: they mean something only before a quote.
_PIECE = re.compile(r'(\\*)("|\s|[^\\"\s]+|$)')


def parse_census(answers: Answers, now: float) -> Census:
    """Given the answers to QUERIES and the time (epoch), return the processes.

    Begins are counted from that of the oldest process: it begins with the boot and stays, while the time of the boot
    that Windows names moves whenever the clock is set. Raise CoreError where the processes have no answer.
    """
    rows = [row for row in fields_of("processes", answers["processes"]) if row.whole("ProcessId") != IDLE]
    begins = [when for when in (row.when("CreationDate") for row in rows) if when is not None]
    first = min(begins, default=now)
    found = {row.whole("ProcessId"): _process(row, first) for row in rows}
    processes = with_units(_true_parents(found), parse_service_pids(answers))
    details = {row.whole("ProcessId"): _details(row) for row in rows}
    boot_id = _boot_id(answers) or f"begun {first:.3f}"
    return Census(max(0.0, now - first), boot_id, processes, lambda pid: details.get(pid, Details()))


def _process(row: Fields, first: float) -> Process:
    cpu = (row.whole("KernelModeTime", 0) + row.whole("UserModeTime", 0)) / _UNITS_OF_CPU
    began = (row.when("CreationDate") or first) - first
    command = split_command(row.text("CommandLine")) or (row.text("Name"),)
    pid, parent, threads = row.whole("ProcessId"), row.whole("ParentProcessId", 0), row.whole("ThreadCount", 0)
    return Process(pid, parent, 0, "", began, cpu, threads, command, exe=row.text("ExecutablePath"))


def _details(row: Fields) -> Details:
    return Details(-1, row.whole("WorkingSetSize", 0), row.whole("HandleCount", 0))


def _true_parents(processes: Mapping[int, Process]) -> dict[int, Process]:
    """Windows remembers the pid of a parent that has ended, and gives it to another process: that began later."""
    return {
        pid: process if _is_parent(processes.get(process.parent), process) else process._replace(parent=0)
        for pid, process in processes.items()
    }


def _is_parent(parent: Optional[Process], child: Process) -> bool:
    return parent is None or parent.began <= child.began


def parse_service_pids(answers: Answers) -> dict[int, str]:
    """Given the answers, return the service that a process was started for, by pid, where it is one and no more."""
    names: dict[int, set[str]] = {}
    try:
        for row in fields_of("services", answers["services"]):
            names.setdefault(row.whole("ProcessId", 0), set()).add(row.text("Name"))
    except CoreError:  # whoever needs services asks for them, and says that they have no answer
        return {}
    return {pid: next(iter(found)) for pid, found in names.items() if pid and len(found) == 1}


def _boot_id(answers: Answers) -> str:
    try:
        return next((f"boot {row.whole('BootId')}" for row in fields_of("boot", answers["boot"])), "")
    except CoreError:
        return ""


def split_command(line: str) -> tuple[str, ...]:
    """Given a command line of Windows, return its words.

    The rules are those of CommandLineToArgvW: spaces between quotes do not end a word; before a quote 2n backslashes
    stand for n, and 2n+1 for n and a quote that is one of the word. Empty words are left out.
    """
    words, word, quoted = [], "", False
    for slashes, mark in _PIECE.findall(f"{line} "):
        if mark == '"':
            word += "\\" * (len(slashes) // 2) + ('"' if len(slashes) % 2 else "")
            quoted = quoted != (len(slashes) % 2 == 0)
            continue
        word += slashes
        if mark.isspace() and not quoted:
            words += [word] if word else []
            word = ""
        else:
            word += mark
    return (*words, word.rstrip()) if word.strip() else tuple(words)


def collect_windows(host: Host) -> Census:
    """Return the processes of a Windows host. Raise CoreError where they cannot be listed."""
    return parse_census(ask(host, QUERIES), host.now())
