# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for what is used of what the host has: memory, swap, processors, open files, connections. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Union

from ..finding import OK, SKIPPED, Finding, worst
from ..units import human_bytes
from . import rules_disks as judge_disks
from . import rules_events as judge_events
from .checks import CHECKS
from .declared import Bounds, Thresholds
from .history import History
from .model import Absent, Counted, CpuShares, Load, Measured, Memory, Queue, Snapshot
from .rules_disks import Rule
from .verdict import above, below, expected, judged, percent


def judge(snapshot: Snapshot, limits: Thresholds, history: History, skip: Collection[str]) -> list[Finding]:
    """Given what was observed, the thresholds and the history before, return every finding."""
    findings: list[Finding] = []
    for name, rule in RULES:
        if name in skip:
            findings.append(
                CHECKS[f"resources.{name}"].finding(SKIPPED, name, "left out by the option skip", remedy="")
            )
            continue
        found = rule(snapshot, limits, history)
        findings.extend([found] if isinstance(found, Finding) else found)
    return findings


def judge_memory(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for memory that new work can get."""

    def finding(memory: Memory) -> Finding:
        share = memory.available / memory.total if memory.total else 0.0
        actual = f"{percent(share)} available, {human_bytes(memory.available)} of {human_bytes(memory.total)}"
        wanted = expected("at least", limits.memory, percent)
        message = f"the {memory.bound} has {actual}"
        message += f"; the kernel itself calls the pressure {memory.alarm}" if memory.alarm not in ("", OK) else ""
        status = worst((below(share, limits.memory), memory.alarm or OK))
        return CHECKS["resources.memory"].finding(status, "memory", message, expected=wanted, actual=actual)

    return judged("resources.memory", "memory", snapshot.memory, finding)


def _judge_counted(
    name: str, subject: str, value: Measured[Counted], bounds: Bounds, write: Callable[[float], str]
) -> Finding:
    """Return the finding for so many of a limited number of things."""

    def finding(counted: Counted) -> Finding:
        actual = f"{percent(counted.share)} used, {write(counted.used)} of {write(counted.limit)}"
        wanted = expected("at most", bounds, percent)
        status = above(counted.share, bounds)
        message = f"{counted.what or subject}: {actual}"
        return CHECKS[name].finding(status, subject, message, expected=wanted, actual=actual)

    return judged(name, subject, value, finding)


def judge_swap(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for used swap."""
    return _judge_counted("resources.swap", "swap", snapshot.swap, limits.swap, human_bytes)


def judge_open_files(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for the open files of the system."""
    return _judge_counted("resources.open_files", "open files", snapshot.open_files, limits.open_files, "{:.0f}".format)


def judge_connections(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for tracked connections."""
    value, bounds = snapshot.connections, limits.connections
    return _judge_counted("resources.connections", "tracked connections", value, bounds, "{:.0f}".format)


def judge_load(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for the load of 15 minutes per processor, or for the queue that stands in for it."""
    if isinstance(snapshot.load, Queue):
        text = "the processor queue at this moment is {}: Windows has no load averages"
        return _load_finding(snapshot.load.length, snapshot.load.processors, text, limits)

    def finding(load: Load) -> Finding:
        text = f"the load of 15 minutes is {{}} (1, 5, 15 minutes: {load.one}, {load.five}, {load.fifteen})"
        return _load_finding(load.fifteen, load.processors, text, limits)

    return judged("resources.load", "load", snapshot.load, finding)


def _load_finding(load: float, processors: int, text: str, limits: Thresholds) -> Finding:
    actual = f"{load / processors:.2f} for each of {processors} processors"
    status, wanted = above(load / processors, limits.load), expected("at most", limits.load, "{:g}".format)
    return CHECKS["resources.load"].finding(status, "load", text.format(actual), expected=wanted, actual=actual)


def judge_cpu(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for processor time in use. A sample is too short to tell a peak from a state by itself."""

    def finding(shares: CpuShares) -> Finding:
        status = above(shares.busy, limits.busy)
        peak = "" if status == OK else _peak(shares, snapshot.load)
        message = f"the processors are {percent(shares.busy)} busy{peak}"
        wanted = expected("at most", limits.busy, percent)
        return CHECKS["resources.cpu"].finding(
            OK if peak else status, "processors", message, expected=wanted, actual=percent(shares.busy)
        )

    return judged("resources.cpu", "processors", snapshot.cpu, finding)


def _peak(shares: CpuShares, load: Measured[Union[Load, Queue]]) -> str:
    """Return why a busy sample is a mere peak: less than one thread for each processor runs or waits. Empty if not."""
    if isinstance(load, Queue):
        idle = load.length + shares.busy * load.processors < load.processors
        return ", a peak: hardly anything waits for a processor" if idle else ""
    if isinstance(load, Load) and load.five < load.processors:
        return ", a peak: the load of 5 minutes is lower"
    return ""


def _judge_share(
    name: str, text: str, snapshot: Snapshot, share: Callable[[CpuShares], Union[float, Absent]], bounds: Bounds
) -> Finding:
    def finding(value: float) -> Finding:
        actual, wanted = percent(value), expected("at most", bounds, percent)
        message = f"{actual} of processor time {text}"
        return CHECKS[name].finding(above(value, bounds), "processors", message, expected=wanted, actual=actual)

    value: Measured[float] = share(snapshot.cpu) if isinstance(snapshot.cpu, CpuShares) else snapshot.cpu
    return judged(name, "processors", value, finding)


def judge_iowait(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for time spent waiting for storage."""
    return _judge_share("resources.iowait", "waits for storage", snapshot, lambda shares: shares.iowait, limits.iowait)


def judge_steal(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for time that the hypervisor gave to others."""
    return _judge_share("resources.steal", "went to other guests", snapshot, lambda shares: shares.steal, limits.steal)


RULES: tuple[tuple[str, Rule], ...] = (
    *judge_disks.RULES,
    ("memory", judge_memory),
    ("swap", judge_swap),
    ("load", judge_load),
    ("cpu", judge_cpu),
    ("iowait", judge_iowait),
    ("steal", judge_steal),
    ("open_files", judge_open_files),
    ("connections", judge_connections),
    *judge_events.RULES,
)
