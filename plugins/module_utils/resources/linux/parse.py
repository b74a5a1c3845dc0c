# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of Linux into records: pure, and raising ParseError with the line that is not as expected."""

from __future__ import annotations

import json
import re
from typing import Optional

from ...errors import ParseError
from ...evidence import Event
from ..clocks import FOLLOWS_ITSELF, staleness
from ..records import Clock, Counted, CpuShares, CpuTimes, Load, Memory, Stall, kill

_KILLED = re.compile(r"[Kk]illed process (\d+) \(([^)]*)\)")
_MISSED = re.compile(r"Missed \d+ kernel messages")
_STALL = re.compile(r"(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=\d+")
TIME_ERROR = 5  # adjtimex(2): return value and status bits, from linux/timex.h
STA_PLL, STA_UNSYNC, STA_NANO = 0x0001, 0x0040, 0x2000
CHRONY, NTPD = "chronyc", "ntpq"
NTP_EPOCH = 2208988800  # seconds from 1900 to 1970
FUTURE = 60.0  # so much may a clock have been set back since it was corrected
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


def parse_kernel_log(text: str) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Given the journal of the kernel as JSON lines, return whom it killed for want of memory, and what is missing.

    A line that is not understood costs itself only.
    """
    kills, left_out = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("-- "):  # "-- No entries --"
            continue
        try:
            when, message = _entry(number, line)
        except ParseError as error:
            left_out.append(str(error))
            continue
        match = _KILLED.search(message)
        if match:
            kills.append(kill(when, f"{match.group(2)} (pid {match.group(1)})"))
        elif _MISSED.match(message):
            left_out.append(f"the kernel's ring was overwritten ({message})")
    return tuple(kills), tuple(left_out)


def _entry(number: int, line: str) -> tuple[float, str]:
    """Return the time and text of an entry. Text that is not UTF-8 is a list of bytes there. Raise ParseError."""
    try:
        entry = json.loads(line)
        message = entry["MESSAGE"]
        text = bytes(message).decode(errors="replace") if isinstance(message, list) else message
        return int(entry["__REALTIME_TIMESTAMP"]) / 1e6, str(text)
    except (ValueError, KeyError, TypeError):
        raise ParseError("the journal", number, line, "expected a JSON object with a time and a message") from None


def parse_chrony(text: str, now: float) -> Clock:
    """Given `chronyc -c tracking` (chronyc(1): the first field is what the clock follows, the 4th when it was last
    corrected, the 5th its offset, the last the leap status) and the time, return what is known of the clock.
    """
    fields = text.strip().split(",")
    try:
        reference, updated, offset, leap = fields[0], float(fields[3]), float(fields[4]), fields[13]
    except (IndexError, ValueError):
        raise ParseError("chronyc tracking", 1, text.strip(), "expected 14 fields, the 4th and 5th numbers") from None
    if now < updated - FUTURE:
        raise ParseError("chronyc tracking", 1, text.strip(), "the clock was last corrected in the future")
    why = "it has no source" if leap == "Not synchronised" else _own_clock(reference) or staleness(now - updated)
    return Clock(CHRONY, not why, None if why else offset, why)


def _own_clock(reference: str) -> str:
    """Return why a reference is none: 127.127.1.x is a machine's own clock, for chrony ("local") and ntpd alike."""
    return FOLLOWS_ITSELF if reference.upper().startswith("7F7F01") else ""


def parse_ntpq(text: str, now: float) -> Clock:
    """Given `ntpq -c rv` (ntpq(1): leap, stratum, refid, reftime, offset in ms), return what is known of the clock."""
    pairs = dict(re.findall(r"\b(leap|stratum|refid|reftime|offset)=([^,\s]+)", text))
    try:
        leap, stratum, reference = pairs["leap"], int(pairs["stratum"]), pairs["refid"]
        updated = int(pairs["reftime"].partition(".")[0], 16) - NTP_EPOCH
        offset = float(pairs["offset"]) / 1000
    except (KeyError, ValueError):
        raise ParseError("ntpq -c rv", 1, text.strip(), "expected leap, stratum, refid, reftime and offset") from None
    why = ""
    if leap in ("3", "11", "leap_alarm") or not 0 < stratum < 16 or reference in ("INIT", "STEP"):
        why = "it has no source"
    elif re.match(r"LOCA?L|127\.127\.1\.", reference):
        why = FOLLOWS_ITSELF
    why = why or staleness(now - updated)
    return Clock(NTPD, not why, None if why else offset, why)


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
