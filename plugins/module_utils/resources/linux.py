# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resources of a Linux host: what /proc and its control group tell, and what the files beside this one add."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Optional, TypeVar, Union

from ..errors import CoreError, ParseError, SourceMissing
from ..host import Host
from ..printable import printable
from ..processes.linux_files import DELETED, OpenFile, OpenFiles, process_name
from ..processes.model import HeldFile
from .linux_clock import collect_clock
from .linux_kills import collect_kills
from .linux_mounts import collect_lost_mounts, collect_mounts, within
from .model import (
    LEFT_OUT,
    OF_CPU,
    Absent,
    Counted,
    CpuShares,
    CpuTimes,
    HeldFiles,
    Load,
    Memory,
    Mounted,
    Snapshot,
    Stall,
    Unavailable,
    attempt,
)

_STALL = re.compile(r"(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=\d+")
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


def bounded_memory(whole: Memory, limit: str, usage: str, statistics: str) -> Memory:
    """Given the machine's memory and a control group's limit, usage and memory.stat, return what really bounds.

    Page cache that can be dropped at once (inactive_file) is not counted as used, as the kernel's own
    "working set" does not.
    """
    most = NO_LIMIT if limit.strip() == "max" else _number("the control group's memory limit", limit)
    if most >= min(whole.total, NO_LIMIT):
        return whole
    inactive = re.search(r"^(?:total_)?inactive_file (\d+)$", statistics, re.MULTILINE)
    used = _number("the control group's memory usage", usage) - (int(inactive.group(1)) if inactive else 0)
    return Memory(most, max(0, min(most - used, whole.available)), "control group")


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


T = TypeVar("T")
NETFILTER = "/proc/sys/net/netfilter"

# The control group that a container sees as its own: limit, usage and statistics, in version 2 and in version 1.
MEMORY_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)

# The first PID namespace of a machine, by linux/proc_ns.h: whoever is in another one is in a container.
FIRST_NAMESPACE = "pid:[4026531836]"

# What kind of container it is: systemd writes it into the first of these, the others are mere marks.
CONTAINER_MARKS = {"/run/systemd/container": "", "/run/.containerenv": "podman", "/.dockerenv": "docker"}


def collect(host: Host, *, sample: float, scan: float, window: float, skip: Collection[str]) -> Snapshot:
    """Given a Linux host, look at its resources once.

    ``sample`` are the seconds over which processor time is measured, ``scan`` those that the search for deleted open
    files may take, ``window`` those for which kills are looked up. What takes time is left out where ``skip`` names it.
    Processor time comes last, because what was done before it fills the time of its sample.
    """

    def measured(name: str, measure: Callable[[Host], T]) -> Union[T, Unavailable, Absent]:
        if name in skip:
            return LEFT_OUT
        return attempt(lambda: measure(host))

    begun, before = host.now(), attempt(lambda: _cpu_times(host))
    container = _container(host)
    mounted = attempt(lambda: collect_mounts(host))
    return Snapshot(
        at=begun,
        container=container,
        mounts=mounted.mounts if isinstance(mounted, Mounted) else mounted,
        left_out=mounted.left_out if isinstance(mounted, Mounted) else (),
        lost_mounts=attempt(lambda: collect_lost_mounts(host)),
        memory=measured("memory", _memory),
        swap=measured("swap", _swap),
        load=measured("load", _load),
        open_files=measured("open_files", lambda host: parse_file_number(host.read("/proc/sys/fs/file-nr"))),
        connections=measured("connections", _connections),
        clock=measured("clock", lambda host: collect_clock(host, container)),
        oom=measured("oom_kills", lambda host: collect_kills(host, container, begun, begun - window)),
        held=measured("deleted_open_files", lambda _host: _held_files(scan)),
        pressure=dict(_pressure(host)),
        cpu=LEFT_OUT if set(skip) >= OF_CPU else attempt(lambda: _cpu(host, before, sample, host.now() - begun)),
    )


def _container(host: Host) -> str:
    """Return the kind of container that this host runs in, or an empty text for a machine of its own."""
    try:
        if host.link("/proc/self/ns/pid") == FIRST_NAMESPACE:
            return ""
    except CoreError:
        return ""
    for mark, kind in CONTAINER_MARKS.items():
        try:
            text = host.read(mark).strip()
        except CoreError:
            continue
        return kind or text or "container"
    return "container"


def _memory(host: Host) -> Memory:
    numbers = parse_meminfo(host.read("/proc/meminfo"))
    whole = Memory(numbers["MemTotal"], numbers["MemAvailable"])
    for group in MEMORY_GROUPS:
        try:
            return bounded_memory(whole, *(host.read(path) for path in group))
        except SourceMissing:
            continue  # the other version, or the root group, which has no limit
    return whole


def _swap(host: Host) -> Union[Counted, Absent]:
    numbers = parse_meminfo(host.read("/proc/meminfo"))
    total = numbers["SwapTotal"]
    return Counted(total - numbers["SwapFree"], total) if total else Absent("this host has no swap")


def _load(host: Host) -> Load:
    return parse_load(host.read("/proc/loadavg"), _cpu_times(host)[1])


def _connections(host: Host) -> Union[Counted, Absent]:
    try:
        return parse_connections(*(host.read(f"{NETFILTER}/nf_conntrack_{name}") for name in ("count", "max")))
    except SourceMissing:
        return Absent("the kernel tracks no connections")


def _cpu_times(host: Host) -> tuple[CpuTimes, int]:
    return parse_cpu_times(host.read("/proc/stat"))


def _cpu(
    host: Host, before: Union[tuple[CpuTimes, int], Unavailable, Absent], sample: float, spent: float
) -> Union[CpuShares, Unavailable, Absent]:
    """Return the shares of the time since ``before``, of which ``spent`` seconds of the sample are over."""
    if sample <= 0:
        return Absent("sample_seconds is 0")
    if not isinstance(before, tuple):
        return before
    host.pause(min(sample, max(0.0, sample - spent)))
    return cpu_shares(before[0], _cpu_times(host)[0]) or Unavailable("the kernel's tick counters did not move")


def _pressure(host: Host) -> Iterator[tuple[str, Stall]]:
    """Yield what the kernel says of stalls (psi(5)). Kernels without it are left alone: no check needs it."""
    for resource in ("cpu", "io", "memory"):
        try:
            yield resource, parse_pressure(host.read(f"/proc/pressure/{resource}"))
        except CoreError:
            continue


def _held_files(seconds: float) -> HeldFiles:
    walk = OpenFiles(seconds)
    deleted = within(seconds + 2, "the search for deleted open files", lambda: [file for file in walk if file.deleted])
    owners: dict[tuple[int, int], list[OpenFile]] = {}
    for file in deleted:
        owners.setdefault((file.device, file.inode), []).append(file)
    held = [_held(files) for files in owners.values()]
    return HeldFiles(tuple(sorted(held, key=lambda file: -file.size)), walk.unseen)


def _held(files: list[OpenFile]) -> HeldFile:
    owners = tuple(f"{printable(process_name(pid))} (pid {pid})" for pid in sorted({file.pid for file in files}))
    return HeldFile(printable(files[0].path[: -len(DELETED)]), files[0].size, owners)
