# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of macOS into records: pure, and raising ParseError with the line that is not as expected."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Union

from ...errors import ParseError
from ...evidence import Event
from ...finding import CRITICAL, OK, WARNING
from ...printable import printable
from ..records import Absent, Counted, CpuShares, Load, Memory, kill

NO_IOWAIT = Absent("macOS does not count processor time spent waiting for storage")
NO_STEAL = Absent("macOS does not count processor time that a hypervisor gave to others")
NEEDED_PAGES = ("Pages free", "File-backed pages", "Pages purgeable")
# kern.memorystatus_vm_pressure_level (xnu, bsd/sys/event.h: NOTE_MEMORYSTATUS_PRESSURE_*)
PRESSURE = {"1": OK, "2": WARNING, "4": CRITICAL}
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_sysctl(text: str) -> dict[str, str]:
    """Given what `sysctl NAME ...` prints, return the values by name. Lines of another form are messages."""
    pairs = (line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return {name: value.strip() for name, value in pairs if re.fullmatch(r"[\w.]+", name)}


def number(values: Mapping[str, str], name: str) -> int:
    """Return one value of sysctl as a number. Raise ParseError where this macOS does not have it."""
    value = values.get(name, "")
    if not re.fullmatch(r"\d+", value):
        raise ParseError(f"sysctl {name}", 1, value, "expected a number")
    return int(value)


def parse_memory(values: Mapping[str, str], pages: str) -> Memory:
    """Given the values of sysctl and what vm_stat prints, return the memory that new work can get.

    That is what is free, what is cached of files, and what its owner gave up (purgeable): the rest is wired,
    compressed, or can only be had by compressing or swapping it. File-backed pages include the speculative ones, as
    active + inactive + speculative = anonymous + file-backed shows.
    """
    size, counts = parse_vm_stat(pages)
    total = number(values, "hw.memsize")
    available = sum(counts[name] for name in NEEDED_PAGES) * size
    level = values.get("kern.memorystatus_vm_pressure_level", "1")
    return Memory(total, min(available, total), alarm=PRESSURE.get(level, WARNING))


def parse_vm_stat(text: str) -> tuple[int, dict[str, int]]:
    """Given what vm_stat prints, return the size of a page and the counts by name. Raise ParseError where one lacks."""
    lines = text.splitlines()
    size = re.search(r"page size of (\d+) bytes", lines[0]) if lines else None
    if size is None:
        raise ParseError("vm_stat", 1, lines[0] if lines else "", "expected 'page size of N bytes'")
    matches = (re.fullmatch(r'"?([\w -]+)"?:\s+(\d+)\.?', line) for line in lines[1:])
    counts = {match.group(1): int(match.group(2)) for match in matches if match}
    missing = [name for name in NEEDED_PAGES if name not in counts]
    if missing:
        raise ParseError("vm_stat", len(lines), text[-80:], f"no {', '.join(missing)}")
    return int(size.group(1)), counts


def parse_swap(values: Mapping[str, str], room: int) -> Union[Counted, Absent]:
    """Given vm.swapusage and the free bytes of the disk that swap files grow into, return the used swap space."""
    text = values.get("vm.swapusage", "")
    match = re.match(r"total = ([\d.]+)([KMG])\s+used = ([\d.]+)([KMG])", text)
    if match is None:
        raise ParseError("sysctl vm.swapusage", 1, text, "expected 'total = N M used = N M'")
    total, used = (int(float(match.group(i)) * _UNITS[match.group(i + 1)]) for i in (1, 3))
    if not total + room:
        return Absent("macOS makes swap files as it needs them, and has made none")
    return Counted(used, total + room, "swap files, which grow as long as the disk has room")


def parse_load(values: Mapping[str, str]) -> Load:
    """Given vm.loadavg ({ 1.98 2.04 2.10 }) and hw.logicalcpu, return the load."""
    text = values.get("vm.loadavg", "")
    match = re.fullmatch(r"\{ ([\d.]+) ([\d.]+) ([\d.]+) \}", text.replace(",", "."))
    if match is None:
        raise ParseError("sysctl vm.loadavg", 1, text, "expected three averages in braces")
    one, five, fifteen = (float(word) for word in match.groups())
    return Load(one, five, fifteen, max(1, number(values, "hw.logicalcpu")))


def parse_open_files(values: Mapping[str, str]) -> Counted:
    """Given kern.num_files and kern.maxfiles, return the open files."""
    return Counted(number(values, "kern.num_files"), number(values, "kern.maxfiles"))


def parse_cpu(text: str) -> CpuShares:
    """Given what `top -l 2 -n 0` prints, return the shares of the second sample: the first one is since boot."""
    found = re.findall(r"^CPU usage: ([\d.]+)% user, ([\d.]+)% sys, ([\d.]+)% idle", text, re.MULTILINE)
    if len(found) < 2:
        raise ParseError("top -l 2", 1, text[:80], "expected two lines 'CPU usage'")
    return CpuShares(min(1.0, max(0.0, 1 - float(found[-1][2]) / 100)), NO_IOWAIT, NO_STEAL)


def parse_states(info: str, limits: str) -> Union[Counted, Absent]:
    """Given what `pfctl -s info` and `pfctl -s memory` print, return the connections that pf tracks."""
    if re.search(r"^Status: Disabled", info, re.MULTILINE):
        return Absent("the packet filter pf is off and tracks no connections")
    used = re.search(r"^\s+current entries\s+(\d+)", info, re.MULTILINE)
    limit = re.search(r"^states\s+hard limit\s+(\d+)", limits, re.MULTILINE)
    if used is None or limit is None:
        raise ParseError("pfctl -s info", 1, info[:80], "expected 'current entries' and 'states hard limit'")
    return Counted(int(used.group(1)), int(limit.group(1)), "states of pf")


def parse_network_time(text: str) -> bool:
    """Given what `systemsetup -getusingnetworktime` prints, return whether the clock is kept."""
    match = re.search(r"^Network Time: (On|Off)\s*$", text, re.MULTILINE)
    if match is None:
        raise ParseError("systemsetup -getusingnetworktime", 1, text.strip(), "expected 'Network Time: On' or 'Off'")
    return match.group(1) == "On"


def parse_automatic_time(text: str) -> bool:
    """Given the setting TMAutomaticTimeOnlyEnabled of timed, return whether the clock is kept."""
    if text.strip() not in ("0", "1"):
        raise ParseError("defaults read com.apple.timed", 1, text.strip(), "expected 0 or 1")
    return text.strip() == "1"


def parse_time_server(text: str) -> str:
    """Given what `systemsetup -getnetworktimeserver` prints, return the server's name."""
    match = re.search(r"^Network Time Server: ([\w.:-]+)\s*$", text, re.MULTILINE)
    if match is None or match.group(1).startswith("-"):
        raise ParseError("systemsetup -getnetworktimeserver", 1, text.strip(), "expected the name of a server")
    return match.group(1)


def parse_sntp(text: str) -> float:
    """Given what `sntp SERVER` prints, return by how many seconds the clock is off. The last line that says it counts.

    It is "+0.033413 +/- 0.016049 server address", with a date before it in some releases.
    """
    found = re.findall(r"(?:^|\s)([+-]\d+\.\d+) \+/- \d+\.\d+ ", text)
    if not found:
        raise ParseError("sntp", 1, text.strip()[-80:], "expected an offset before '+/-'")
    return float(found[-1])


def report_time(name: str) -> tuple[float, ...]:
    """Given the path of a diagnostic report, return when it was written by its name (local time), or nothing."""
    match = re.search(r"[-_](\d{4}-\d\d-\d\d-\d{6})[^/]*$", name)
    try:
        return (datetime.strptime(match.group(1), "%Y-%m-%d-%H%M%S").astimezone().timestamp(),) if match else ()
    except (ValueError, OverflowError):
        return ()


def parse_jetsam(name: str, text: str) -> Event:
    """Given the beginning of a JetsamEvent report, return when memory was exhausted and who held most of it.

    The first line is a JSON object of its own with the time; the largest process is named in the second.
    """
    head, _newline, body = text.partition("\n")
    try:
        stamp = str(json.loads(head)["timestamp"])
        when = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f %z").timestamp()
    except (ValueError, KeyError, TypeError):
        raise ParseError(name, 1, head, "expected a JSON object with a timestamp") from None
    largest = re.search(r'"largestProcess"\s*:\s*"([^"]*)"', body)
    return kill(when, printable(largest.group(1)) if largest else "a process that the report does not name")
