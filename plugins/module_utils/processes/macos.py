# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of macOS, by ps, and what launchd calls them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..errors import CoreError, ParseError
from ..host import Host
from .model import Census, Details, Process, with_units


def parse_programs(text: str) -> dict[int, str]:
    """Given the output of ``ps -axo pid=,comm=``, return the path of each process's program by pid."""
    rows = (line.split(None, 1) for line in text.splitlines())
    return {int(row[0]): row[1].strip() for row in rows if len(row) == 2 and row[0].isdigit()}


def parse_labels(text: str) -> dict[int, str]:
    """Given the output of ``launchctl list``, return the label of each job that has a process, by pid."""
    rows = (line.split("\t") for line in text.splitlines())
    return {int(row[0]): row[2] for row in rows if len(row) == 3 and row[0].isdigit()}


PROGRAMS = ("ps", "-axo", "pid=,comm=")
LABELS = ("launchctl", "list")
_COLUMNS = 12  # seven words and the five of lstart; the rest of a line is the command line
_BEGUN = "%a %b %d %H:%M:%S %Y"  # in the C locale, which Host.run sets
Row = tuple[Process, Details]


def parse_census(text: str, programs: Mapping[int, str], labels: Mapping[int, str]) -> tuple[list[Row], float]:
    """Given the output of ps, the programs and the launchd labels by pid, return the processes with their details, and
    when the first of them began (epoch).

    launchd begins with the boot and never ends, so its begin is where the others are counted from. The kernel's own
    time of the boot (kern.boottime) moves whenever the clock is set, and with it every process would seem a new one.
    Raise ParseError naming the line of another form, or where there is no process.
    """
    rows = [_row(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not rows:
        raise ParseError("ps", 1, text, "expected at least one process")
    first = min(process.began for process, _details in rows)
    found = {p.pid: p._replace(began=p.began - first, exe=_path(programs.get(p.pid, ""))) for p, _details in rows}
    named = with_units(found, labels)
    return [(named[process.pid], details) for process, details in rows], first


def _path(program: str) -> str:
    return program if program.startswith("/") else ""  # a name only: started by a relative path, or a kernel thread


def _row(number: int, line: str) -> Row:
    words = line.split(None, _COLUMNS)
    try:
        pid, parent, group, uid = (int(word) for word in words[:4])
        # A time of the host, in the time zone that this Python has as well.
        began = datetime.strptime(" ".join(words[7:_COLUMNS]), _BEGUN).astimezone().timestamp()
        command = tuple(words[_COLUMNS].split()) if len(words) > _COLUMNS else ()
        process = Process(pid, parent, group, words[4][:1], began, parse_cpu(words[6]), 0, command)
        return process, Details(uid, int(words[5]) * 1024)
    except (ValueError, IndexError, OverflowError) as error:
        raise ParseError("ps", number, line, f"expected the columns that were asked for ({error})") from error


def parse_cpu(text: str) -> float:
    """Given a time as ps writes it (``12:34.56``, ``1:02:03.45``, ``2-01:02:03``), return seconds. Raise ValueError."""
    days, mark, rest = text.partition("-")
    seconds = 0.0
    for part in (rest if mark else days).split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + (int(days) * 86400 if mark else 0)


PROCESSES = ("ps", "-axww", "-o", "pid=,ppid=,pgid=,uid=,state=,rss=,time=,lstart=,args=")


def collect_macos(host: Host) -> Census:
    """Return the processes of a macOS host. Raise CoreError where ps does not list them.

    Open files are not counted, and threads neither: macOS shows no limit of open files of another process.
    """
    rows, began = parse_census(host.run(PROCESSES).stdout, _programs(host), _labels(host))
    processes = {process.pid: process for process, _details in rows}
    details = {process.pid: detail for process, detail in rows}
    return Census(
        max(0.0, host.now() - began), _boot_id(host, began), processes, lambda pid: details.get(pid, Details())
    )


def _programs(host: Host) -> dict[int, str]:
    try:
        return parse_programs(host.run(PROGRAMS).stdout)
    except CoreError:  # then nothing tells whether a program was replaced; everything else is known
        return {}


def _labels(host: Host) -> dict[int, str]:
    try:
        return parse_labels(host.run(LABELS).stdout)
    except CoreError:  # whoever needs launchd asks it by name, and says that it does not answer
        return {}


def _boot_id(host: Host, began: float) -> str:
    try:
        return host.boot_id() or f"begun {began:.0f}"
    except CoreError:
        return f"begun {began:.0f}"
