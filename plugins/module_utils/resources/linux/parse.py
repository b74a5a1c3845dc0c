# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of Linux into records: pure, and raising ParseError with the line that is not as expected."""

from __future__ import annotations

import json
import re
from typing import Any, Optional

from ...errors import ParseError
from ..records import Clock, Counted, CpuShares, CpuTimes, Kill, Load, Memory, Stall

_KILLED = re.compile(r"[Kk]illed process (\d+) \(([^)]*)\)")
_STALL = re.compile(r"(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=\d+")
TIME_ERROR = 5  # adjtimex(2): return value and status bits, from linux/timex.h
STA_PLL, STA_UNSYNC, STA_NANO = 0x0001, 0x0040, 0x2000
CHRONY = "chronyc"
CAP_SYS_TIME = 25  # capability.h
NO_LIMIT = 1 << 60  # cgroup v1 writes "no limit" as a number beyond any machine


def parse_meminfo(text: str) -> dict[str, int]:
    """Given /proc/meminfo, return its numbers in bytes by name. Raise ParseError where one that is needed lacks."""
    numbers: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = re.fullmatch(r"([\w()]+):\s+(\d+)( kB)?", line)
        if match is None:
            raise ParseError("/proc/meminfo", number, line, "expected 'Name: number kB'")
        numbers[match.group(1)] = int(match.group(2)) * (1024 if match.group(3) else 1)
    missing = {"MemTotal", "MemAvailable", "SwapTotal", "SwapFree"} - numbers.keys()
    if missing:
        raise ParseError("/proc/meminfo", 1, text[:40], f"no {', '.join(sorted(missing))}")
    return numbers


def bounded_memory(machine: Memory, limit: str, usage: str, statistics: str) -> Memory:
    """Given the machine's memory and a control group's limit, usage and memory.stat, return what really bounds.

    Page cache that can be dropped at once (inactive_file) is not counted as used, as the kernel's own
    "working set" does not.
    """
    most = NO_LIMIT if limit.strip() == "max" else _number("the control group's memory limit", limit)
    if most >= min(machine.total, NO_LIMIT):
        return machine
    inactive = re.search(r"^(?:total_)?inactive_file (\d+)$", statistics, re.MULTILINE)
    used = _number("the control group's memory usage", usage) - (int(inactive.group(1)) if inactive else 0)
    return Memory(most, max(0, min(most - used, machine.available)), "control group")


def _number(source: str, text: str) -> int:
    if not text.strip().isdigit():
        raise ParseError(source, 1, text.strip(), "expected one number")
    return int(text)


def parse_load(text: str, processors: int) -> Load:
    """Given /proc/loadavg and the number of processors, return the load."""
    try:
        one, five, fifteen = (float(word) for word in text.split()[:3])
    except ValueError:
        raise ParseError("/proc/loadavg", 1, text.strip(), "expected three averages") from None
    return Load(one, five, fifteen, processors)


def parse_cpu_times(text: str) -> tuple[CpuTimes, int]:
    """Given /proc/stat, return the time of all processors together, and how many processors there are."""
    lines = text.splitlines()
    words = lines[0].split() if lines else []
    if len(words) < 9 or words[0] != "cpu" or not all(word.isdigit() for word in words[1:9]):
        raise ParseError("/proc/stat", 1, lines[0] if lines else "", "expected 'cpu' and eight numbers")
    # proc_stat(5): user nice system idle iowait irq softirq steal; guest time is within user already
    ticks = [int(word) for word in words[1:9]]
    return CpuTimes(sum(ticks), ticks[3], ticks[4], ticks[7]), sum(
        re.match(r"cpu\d", line) is not None for line in lines
    )


def cpu_shares(before: CpuTimes, after: CpuTimes) -> Optional[CpuShares]:
    """Given two readings, return the shares of the time between; None where the clock of the kernel did not move."""
    total = after.total - before.total
    if total <= 0:
        return None
    waiting = max(0, after.iowait - before.iowait)  # proc_stat(5): iowait may decrease
    idle = max(0, after.idle - before.idle)
    return CpuShares(max(0.0, 1 - (idle + waiting) / total), waiting / total, (after.steal - before.steal) / total)


def parse_file_number(text: str) -> Counted:
    """Given /proc/sys/fs/file-nr (allocated, free, limit), return the open files."""
    words = text.split()
    if len(words) != 3 or not all(word.isdigit() for word in words):
        raise ParseError("/proc/sys/fs/file-nr", 1, text.strip(), "expected three numbers")
    return Counted(int(words[0]) - int(words[1]), int(words[2]))


def parse_connections(count: str, limit: str) -> Counted:
    """Given nf_conntrack_count and nf_conntrack_max, return the tracked connections."""
    return Counted(_number("nf_conntrack_count", count), _number("nf_conntrack_max", limit))


def parse_counter(source: str, text: str, name: str) -> int:
    """Given lines of "name number" (/proc/vmstat, memory.events), return one number, or raise ParseError."""
    match = re.search(rf"^{re.escape(name)} (\d+)$", text, re.MULTILINE)
    if match is None:
        raise ParseError(source, 1, text[:40], f"no {name}: the kernel counts it since Linux 4.13")
    return int(match.group(1))


def parse_pressure(text: str) -> Stall:
    """Given a file of /proc/pressure, return the shares of time in which work stalled."""
    shares: dict[str, float] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _STALL.fullmatch(line)
        if match is None:
            raise ParseError("/proc/pressure", number, line, "expected 'some' or 'full' with three averages")
        for window, value in zip(("10", "60", "300"), match.groups()[1:]):
            shares[f"{match.group(1)}_avg{window}"] = float(value) / 100
    return shares


def parse_kills(text: str) -> tuple[Kill, ...]:
    """Given the kernel's journal as JSON lines, return whom it killed for want of memory."""
    kills = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = _json_object(number, line)
        match = _KILLED.search(str(entry.get("MESSAGE")))
        if match:
            kills.append(Kill(int(entry["__REALTIME_TIMESTAMP"]) / 1e6, f"{match.group(2)} (pid {match.group(1)})"))
    return tuple(kills)


def _json_object(number: int, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or not str(entry.get("__REALTIME_TIMESTAMP", "")).isdigit():
        raise ParseError("the journal", number, line, "expected a JSON object with a time")
    return entry


def parse_chrony(text: str) -> Clock:
    """Given `chronyc -c tracking` (chronyc(1): the 5th field is the clock's offset, the last the leap status)."""
    fields = text.strip().split(",")
    try:
        offset, leap = float(fields[4]), fields[13]
    except (IndexError, ValueError):
        raise ParseError("chronyc tracking", 1, text.strip(), "expected 14 fields, the fifth a number") from None
    return Clock(CHRONY, leap != "Not synchronised", None if leap == "Not synchronised" else offset)


def parse_timedatectl(text: str) -> Clock:
    """Given `timedatectl show`, return whether the clock is kept. Raise ParseError where it does not say."""
    match = re.search(r"^NTPSynchronized=(yes|no)$", text, re.MULTILINE)
    if match is None:
        raise ParseError("timedatectl show", 1, text.strip(), "no NTPSynchronized")
    return Clock("timedatectl", match.group(1) == "yes")


def kernel_clock(state: int, status: int, offset: int) -> Clock:
    """Given what adjtimex(2) returned, its status and its offset, return what the kernel knows of its clock.

    The offset is one only while the kernel's own loop (STA_PLL) steers: chrony steers by itself and leaves it at 0.
    """
    synchronised = state != TIME_ERROR and not status & STA_UNSYNC
    unit = 1e-9 if status & STA_NANO else 1e-6
    return Clock("the kernel", synchronised, offset * unit if synchronised and status & STA_PLL else None)


def may_set_clock(status: str) -> bool:
    """Given /proc/PID/status, return whether that process could ever get the right to set the clock (CAP_SYS_TIME)."""
    match = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    if match is None:
        raise ParseError("/proc/1/status", 1, status[:40], "no CapBnd")
    return bool(int(match.group(1), 16) >> CAP_SYS_TIME & 1)
