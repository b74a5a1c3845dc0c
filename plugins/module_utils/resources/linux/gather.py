# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at the resources of a Linux host. With its helpers mounts, clock and open_files the only I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar, Union

from ...errors import CoreError, SourceMissing
from ...host import Host
from ...printable import printable
from ...processes.linux_files import (
    DELETED,
    OpenFile,
    OpenFiles,
    process_name,
)
from ..attempt import LEFT_OUT, OF_CPU, attempt
from ..records import (
    Absent,
    Blind,
    Counted,
    CpuShares,
    CpuTimes,
    HeldFile,
    HeldFiles,
    Load,
    Memory,
    Mounted,
    Observation,
    Stall,
)
from .clock import look_at_clock
from .kills import look_at_kills
from .mounts import look_at_mounts, look_for_lost_mounts, within
from .parse import (
    bounded_memory,
    cpu_shares,
    parse_connections,
    parse_cpu_times,
    parse_file_number,
    parse_load,
    parse_meminfo,
    parse_pressure,
)

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


def observe(host: Host, *, sample: float, scan: float, window: float, skip: Collection[str]) -> Observation:
    """Given a Linux host, look at its resources once.

    ``sample`` are the seconds over which processor time is measured, ``scan`` those that the search for deleted open
    files may take, ``window`` those for which kills are looked up. What takes time is left out where ``skip`` names it.
    Processor time comes last, because what was done before it fills the time of its sample.
    """

    def seen(name: str, look: Callable[[Host], T]) -> Union[T, Blind, Absent]:
        if name in skip:
            return LEFT_OUT
        return attempt(lambda: look(host))

    begun, before = host.now(), attempt(lambda: _cpu_times(host))
    container = _container(host)
    mounted = attempt(lambda: look_at_mounts(host))
    return Observation(
        at=begun,
        container=container,
        mounts=mounted.mounts if isinstance(mounted, Mounted) else mounted,
        left_out=mounted.left_out if isinstance(mounted, Mounted) else (),
        lost_mounts=attempt(lambda: look_for_lost_mounts(host)),
        memory=seen("memory", _memory),
        swap=seen("swap", _swap),
        load=seen("load", _load),
        open_files=seen("open_files", lambda host: parse_file_number(host.read("/proc/sys/fs/file-nr"))),
        connections=seen("connections", _connections),
        clock=seen("clock", lambda host: look_at_clock(host, container)),
        oom=seen("oom_kills", lambda host: look_at_kills(host, container, begun, begun - window)),
        held=seen("deleted_open_files", lambda _host: _held_files(scan)),
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
    machine = Memory(numbers["MemTotal"], numbers["MemAvailable"])
    for group in MEMORY_GROUPS:
        try:
            return bounded_memory(machine, *(host.read(path) for path in group))
        except SourceMissing:
            continue  # the other version, or the root group, which has no limit
    return machine


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
    host: Host, before: Union[tuple[CpuTimes, int], Blind, Absent], sample: float, spent: float
) -> Union[CpuShares, Blind, Absent]:
    """Return the shares of the time since ``before``, of which ``spent`` seconds of the sample are over."""
    if sample <= 0:
        return Absent("sample_seconds is 0")
    if not isinstance(before, tuple):
        return before
    host.pause(min(sample, max(0.0, sample - spent)))
    return cpu_shares(before[0], _cpu_times(host)[0]) or Blind("the kernel's tick counters did not move")


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
