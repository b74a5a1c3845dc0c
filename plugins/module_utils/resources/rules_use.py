# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for what is used of what the host has: memory, swap, processors, open files, connections. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Union

from ..finding import OK
from ..registry import Outcome, Rules
from ..thresholds import ABOVE, BELOW, Bounded, Number, Threshold, add_rows
from ..units import human_bytes
from .context import Context, missing, percent
from .model import Absent, Counted, CpuShares, Load, Measured, Queue, Snapshot, Unavailable

_MIXIN = "prometheus/node_exporter, docs/node-mixin"
_AWESOME = "samber/awesome-prometheus-alerts, host-and-hardware"
_CRYPTOBOT = "Cryptobot's own alert rules and technical specification"
Numbers = Iterator[Union[Number, Outcome]]
RULES = Rules()


def _memory(context: Context) -> Numbers:
    memory = context.snapshot.memory
    if isinstance(memory, (Unavailable, Absent)):
        yield missing("memory", memory)
        return
    share = memory.available / memory.total if memory.total else 0.0
    actual = f"{percent(share)} available, {human_bytes(memory.available)} of {human_bytes(memory.total)}"
    yield Number((share,), actual, memory.bound, "memory", memory.alarm or OK)


def _with_alarm(context: Context, outcome: Outcome) -> Outcome:
    alarm = getattr(context.snapshot.memory, "alarm", "")
    said = f"; the kernel itself calls the pressure {alarm}" if alarm not in ("", OK) else ""
    return outcome._replace(message=f"{outcome.message}{said}")


def _counted(
    subject: str, measured: Callable[[Snapshot], Measured[Counted]], write: Callable[[float], str], context: Context
) -> Numbers:
    """Yield how many there are of a limited number of things."""
    counted = measured(context.snapshot)
    if isinstance(counted, (Unavailable, Absent)):
        yield missing(subject, counted)
        return
    actual = f"{percent(counted.share)} used, {write(counted.used)} of {write(counted.limit)}"
    yield Number((counted.share,), actual, counted.what or subject, subject)


def _load(context: Context) -> Numbers:
    load = context.snapshot.load
    if isinstance(load, (Unavailable, Absent)):
        yield missing("load", load)
        return
    if isinstance(load, Queue):
        share, what = load.length / load.processors, "processor queue at this moment"
    else:
        share, what = load.fifteen / load.processors, "load of 15 minutes"
    yield Number((share,), f"{share:.2f} for each of {load.processors} processors", what, "load")


def _with_more_of_load(context: Context, outcome: Outcome) -> Outcome:
    load, more = context.snapshot.load, ": Windows has no load averages"
    if isinstance(load, Load):
        more = f" (1, 5, 15 minutes: {load.one}, {load.five}, {load.fifteen})"
    return outcome._replace(message=f"{outcome.message}{more}")


def _busy(context: Context) -> Numbers:
    cpu = context.snapshot.cpu
    if isinstance(cpu, (Unavailable, Absent)):
        yield missing("processors", cpu)
        return
    yield Number((cpu.busy,), percent(cpu.busy), subject="processors")


def _unless_peak(context: Context, outcome: Outcome) -> Outcome:
    """A sample is too short to tell a peak from a state by itself."""
    cpu = context.snapshot.cpu
    peak = _peak(cpu.busy, context.snapshot.load) if outcome.status != OK and isinstance(cpu, CpuShares) else ""
    return outcome._replace(status=OK, message=f"{outcome.message}{peak}") if peak else outcome


def _peak(busy: float, load: Measured[Union[Load, Queue]]) -> str:
    """Return why a busy sample is a mere peak: less than one thread for each processor runs or waits. Empty if not."""
    if isinstance(load, Queue):
        idle = load.length + busy * load.processors < load.processors
        return ", a peak: hardly anything waits for a processor" if idle else ""
    if isinstance(load, Load) and load.five < load.processors:
        return ", a peak: the load of 5 minutes is lower"
    return ""


def _share(part: Callable[[CpuShares], Union[float, Absent]], context: Context) -> Numbers:
    """Yield the share of processor time that went to something."""
    cpu = context.snapshot.cpu
    share = part(cpu) if isinstance(cpu, CpuShares) else cpu
    if isinstance(share, (Unavailable, Absent)):
        yield missing("processors", share)
        return
    yield Number((share,), percent(share), subject="processors")


add_rows(
    RULES,
    Threshold(
        "resources.memory",
        "Memory that new work can get without swapping, of the machine or of the limit that this container has; on "
        "Windows of the commit limit where that is scarcer; on macOS the kernel's own word on the pressure counts too.",
        "D1.1",
        _memory,
        (Bounded("memory_available", BELOW, percent, 10.0, 5.0),),
        "the {what} has {actual}",
        {
            "linux": "See who uses it (`ps -eo pid,rss,args --sort=-rss | head`), restart what leaks, or add memory.",
            "darwin": "See who uses it (`top -o mem -l 1 -n 10`), restart what leaks, or add memory.",
            "windows": "See who uses it (`Get-Process | Sort-Object PrivateMemorySize64 | Select-Object -Last 10`), "
            "restart what leaks, add memory or enlarge the page file.",
        },
        f"Warning below 10 %: {_AWESOME} (HostOutOfMemory). Critical below 5 %: half of that, where the kernel begins "
        "to kill.",
        adjusted=_with_alarm,
    ),
    Threshold(
        "resources.swap",
        "Used swap space: swap, page files of Windows, or the swap files of macOS with the room they can grow into.",
        "D1.1",
        partial(_counted, "swap", lambda snapshot: snapshot.swap, human_bytes),
        (Bounded("swap_used", ABOVE, percent, 80.0),),
        "{what}: {actual}",
        {
            "linux": "See who was swapped out (`grep VmSwap /proc/*/status | sort -k2 -n | tail`); memory is short or "
            "was.",
            "darwin": "See who uses memory (`top -o mem -l 1 -n 10`), or free disk space for swap files.",
            "windows": "See who uses memory (`Get-Process | Sort-Object PrivateMemorySize64 | Select-Object -Last "
            "10`), or enlarge the page file.",
        },
        f"Warning above 80 %: {_AWESOME} (HostSwapIsFillingUp).",
    ),
    Threshold(
        "resources.load",
        "Load average over 15 minutes for each processor; on Windows, which has none, the processor queue now.",
        "D1.1",
        _load,
        (Bounded("load", ABOVE, "{:g}".format, 2.0),),
        "the {what} is {actual}",
        {
            "linux": "See what runs and what waits (`top`, `ps -eo state,pid,args | grep '^[RD]'`).",
            "darwin": "See what runs and what waits (`top -o cpu`).",
            "windows": "See what runs (`Get-Process | Sort-Object CPU | Select-Object -Last 10`); move work, or add "
            "processors.",
        },
        f"Warning above 2: {_MIXIN} (NodeSystemSaturation: for 15 minutes, which a single look can only see in the "
        "15 minute average). Critical is not set, because waiting for a disk counts as load too.",
        adjusted=_with_more_of_load,
    ),
    Threshold(
        "resources.cpu",
        "Processor time in use, in a short sample; a peak counts only where the load of 5 minutes confirms it.",
        "D1.1",
        _busy,
        (Bounded("cpu_busy", ABOVE, percent, 80.0),),
        "the processors are {actual} busy",
        {
            "linux": "See what runs (`top`); move work, or add processors.",
            "windows": "See what runs (`Get-Process | Sort-Object CPU | Select-Object -Last 10`); move work, or add "
            "processors.",
        },
        f"Warning above 80 % for 5 minutes: {_CRYPTOBOT} (HighCpuUsage), {_AWESOME} (HostHighCpuLoad).",
        adjusted=_unless_peak,
    ),
    Threshold(
        "resources.iowait",
        "Processor time spent waiting for storage, in a short sample.",
        "D1.1",
        partial(_share, lambda cpu: cpu.iowait),
        (Bounded("iowait", ABOVE, percent, 10.0),),
        "{actual} of processor time waits for storage",
        {
            "linux": "See who writes (`iotop -obn1`), and whether the disk is ill (`dmesg`, `smartctl -a`).",
            "darwin": "See who writes (`fs_usage -w`), and whether the disk is ill (`diskutil verifyVolume /`).",
            "windows": "See who writes (`perfmon /res`), and whether the disk is ill (`Get-PhysicalDisk`).",
        },
        f"Warning above 10 %: {_AWESOME} (HostCpuHighIowait).",
    ),
    Threshold(
        "resources.steal",
        "Processor time that the hypervisor gave to others, in a short sample.",
        "D1.1",
        partial(_share, lambda cpu: cpu.steal),
        (Bounded("steal", ABOVE, percent, 10.0),),
        "{actual} of processor time went to other guests",
        {
            "linux": "The machine below is overbooked, or credits are used up: ask its provider, or move the host.",
            "windows": "The machine below is overbooked: ask its provider, or move the host.",
        },
        f"Warning above 10 %: {_AWESOME} (HostCpuStealNoisyNeighbor).",
    ),
    Threshold(
        "resources.open_files",
        "Open files of the whole system against the kernel's limit; on Windows, which has none, the handles of the "
        "process that has the most against what one process may have.",
        "D1.1",
        partial(_counted, "open files", lambda snapshot: snapshot.open_files, "{:.0f}".format),
        (Bounded("open_files", ABOVE, percent, 70.0, 90.0),),
        "{what}: {actual}",
        {
            "linux": "See who holds them (`lsof | awk '{print $1}' | sort | uniq -c | sort -n`), or raise fs.file-max.",
            "darwin": "See who holds them (`lsof | awk '{print $1}' | sort | uniq -c | sort -n`), or raise "
            "kern.maxfiles.",
            "windows": "Restart the process that is named: it does not give its handles back.",
        },
        f"Warning above 70 %, critical above 90 %: {_MIXIN} (NodeFileDescriptorLimit).",
    ),
    Threshold(
        "resources.connections",
        "Connections that the kernel's firewall tracks, against its limit (Linux, and pf of macOS).",
        "D1.1",
        partial(_counted, "tracked connections", lambda snapshot: snapshot.connections, "{:.0f}".format),
        (Bounded("connections", ABOVE, percent, 75.0, 95.0),),
        "{what}: {actual}",
        {
            "linux": "See who opens them (`conntrack -L | head`), or raise net.netfilter.nf_conntrack_max.",
            "darwin": "See who opens them (`pfctl -s states`), or raise the limit of states in pf.conf.",
        },
        f"Warning above 75 %: {_MIXIN} (NodeHighNumberConntrackEntriesUsed). Critical above 95 %: at 100 % the kernel "
        "drops new connections.",
    ),
)
