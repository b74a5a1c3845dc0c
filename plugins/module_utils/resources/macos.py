# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resources of a macOS host: what sysctl, vm_stat, top, pfctl, lsof and its reports of exhausted memory tell."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TypeVar, Union

from ..asking import ask
from ..errors import CoreError, ParseError, SourceMissing
from ..evidence import Event, Evidence
from ..finding import CRITICAL, OK, WARNING
from ..host import Host
from ..printable import printable
from ..processes.macos_files import parse_held
from .linux_mounts import lost_mounts, parse_fstab, real_path
from .macos_clock import collect_clock
from .macos_mounts import DATA, MountLine, parse_mount, parse_usage, sorted_out
from .model import (
    LEFT_OUT,
    OF_CPU,
    Absent,
    Counted,
    CpuShares,
    Exhaustions,
    HeldFiles,
    Load,
    Memory,
    Mount,
    Mounted,
    Snapshot,
    Unavailable,
    Usage,
    attempt,
    kill,
)

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


T = TypeVar("T")

SYSCTL = (
    *("sysctl", "hw.memsize", "hw.logicalcpu", "vm.swapusage", "vm.loadavg", "kern.maxfiles"),
    *("kern.num_files", "kern.memorystatus_vm_pressure_level"),
)
MOUNT_SECONDS = 5.0
REPORTS = "/Library/Logs/DiagnosticReports"
RETIRED = f"{REPORTS}/Retired"
_JETSAM = re.compile(r"/JetsamEvent-[^/]*\.ips$")
MAX_REPORTS = 50
REPORT_BYTES = 1 << 20  # the largest process is named before the list of all


def collect(host: Host, *, sample: float, scan: float, window: float, skip: Collection[str]) -> Snapshot:
    """Given a macOS host, look at its resources once.

    ``sample`` are the seconds over which processor time is measured (top takes whole ones), ``scan`` those that the
    search for deleted open files may take, ``window`` those for which reports of exhausted memory are looked up. What
    ``skip`` names is left out.
    """
    begun = host.now()
    values = attempt(lambda: _sysctl(host))
    mounted = attempt(lambda: _mounts(host))
    mounts = mounted.mounts if isinstance(mounted, Mounted) else mounted

    def measured(check: str, measure: Callable[[], Union[T, Unavailable, Absent]]) -> Union[T, Unavailable, Absent]:
        return LEFT_OUT if check in skip else attempt(measure)

    def by_sysctl(check: str, parse: Callable[[Mapping[str, str]], Union[T, Absent]]) -> Union[T, Unavailable, Absent]:
        return measured(check, lambda: parse(values) if isinstance(values, dict) else _reason(values))

    return Snapshot(
        at=begun,
        mounts=mounts,
        left_out=mounted.left_out if isinstance(mounted, Mounted) else (),
        lost_mounts=attempt(lambda: _lost_mounts(host)),
        memory=by_sysctl("memory", lambda known: _memory(host, known)),
        swap=by_sysctl("swap", lambda known: _swap(known, mounts)),
        load=by_sysctl("load", parse_load),
        open_files=by_sysctl("open_files", parse_open_files),
        connections=measured("connections", lambda: _connections(host)),
        clock=measured("clock", lambda: collect_clock(host)),
        oom=measured("oom_kills", lambda: _exhaustions(host, begun - window)),
        held=measured("deleted_open_files", lambda: _held_files(host, scan)),
        cpu=LEFT_OUT if set(skip) >= OF_CPU else attempt(lambda: _cpu(host, sample)),
    )


def _reason(value: Union[dict[str, str], Unavailable, Absent]) -> Unavailable:
    return value if isinstance(value, Unavailable) else Unavailable("sysctl was not asked")


def _sysctl(host: Host) -> dict[str, str]:
    """Return what the kernel says; a name that this release does not know makes sysctl end with 1, not silent."""
    return parse_sysctl(host.run(SYSCTL, expect=(0, 1)).stdout)


def _mounts(host: Host) -> Mounted:
    lines, left_out = sorted_out(parse_mount(host.run(["mount"]).stdout))
    return Mounted(tuple(Mount(line.path, line.source, line.kind, _usage(host, line)) for line in lines), left_out)


def _usage(host: Host, line: MountLine) -> Union[Usage, Unavailable]:
    """Return how full a mount is; df is ended where the server of a network file system does not answer."""
    result = attempt(lambda: parse_usage(host.run(["df", "-ki", line.path], timeout=MOUNT_SECONDS).stdout, line))
    return result if isinstance(result, (Usage, Unavailable)) else Unavailable(result.reason)


def _lost_mounts(host: Host) -> dict[str, str]:
    """Return what /etc/fstab declares and is not there; macOS has no such file unless somebody made it."""
    try:
        wanted = parse_fstab(host.read("/etc/fstab"))
    except SourceMissing:
        return {}
    lines = parse_mount(host.run(["mount"]).stdout)
    return lost_mounts(wanted, {line.path: line.writable for line in lines}, real_path)


def _memory(host: Host, values: Mapping[str, str]) -> Memory:
    return parse_memory(values, host.run(["vm_stat"]).stdout)


def _swap(values: Mapping[str, str], mounts: Union[tuple[Mount, ...], Unavailable, Absent]) -> Union[Counted, Absent]:
    known = {mount.path: mount.usage for mount in mounts} if isinstance(mounts, tuple) else {}
    usage = known.get(DATA, known.get("/"))
    return parse_swap(values, usage.available if isinstance(usage, Usage) else 0)


def _connections(host: Host) -> Union[Counted, Absent]:
    info = host.run(["pfctl", "-s", "info"]).stdout
    return parse_states(info, host.run(["pfctl", "-s", "memory"]).stdout)


def _cpu(host: Host, sample: float) -> Union[CpuShares, Absent]:
    if sample <= 0:
        return Absent("sample_seconds is 0")
    seconds = max(1, math.ceil(sample))
    return parse_cpu(host.run(["top", "-l", "2", "-n", "0", "-s", str(seconds)], timeout=seconds + 20.0).stdout)


def _exhaustions(host: Host, since: float) -> Exhaustions:
    """Return the reports of exhausted memory (JetsamEvent) that were written since a time, and how far back they go.

    The system takes old reports away. None was where the folder has not changed since, or an older one is still there.
    A report that is not understood costs itself only.
    """
    names = {f"{folder}/{name}" for folder in _folders(host) for name in host.entries(folder)}
    found = sorted((name for name in names if _JETSAM.search(name)), key=lambda name: name.rpartition("/")[2])
    events, odd = [], []
    for name in found[-MAX_REPORTS:]:
        try:
            events.append(parse_jetsam(name, host.read(name, REPORT_BYTES)))
        except CoreError as error:
            odd.append(str(error))
    if len(found) > MAX_REPORTS and events and events[0].at > since:
        odd.append(f"only the newest {MAX_REPORTS} reports were read")
    begins = [host.modified(REPORTS), *(at for name in names for at in report_time(name))]
    recent = sorted(event for event in events if event.at >= since)
    return Exhaustions(f"macOS ({REPORTS})", Evidence(recent, min(begins), odd))


def _folders(host: Host) -> tuple[str, ...]:
    """Return the folders of reports: those that were sent to Apple are moved into one below."""
    return (REPORTS, RETIRED) if RETIRED.rpartition("/")[2] in host.entries(REPORTS) else (REPORTS,)


def _held_files(host: Host, seconds: float) -> HeldFiles:
    """Ask lsof, which ends with 1 where there is nothing to list, or where something could not be looked at: then it
    says so. Without root it sees the account's own only.
    """
    command = ["lsof", "-nP", "+L1", "-FpcftDisn"]
    answer = ask(host, command, nothing=(1,), timeout=max(1.0, seconds))
    unseen = [] if host.is_admin() else ["only root may see the open files of other accounts"]
    return HeldFiles(parse_held(answer.text), "; ".join([*unseen, *answer.complaints[:2]]))
