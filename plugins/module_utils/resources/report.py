# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot as the plain JSON data and the metrics of a Result. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..evidence import Event, Evidence, Whole
from ..finding import UNKNOWN, Finding, Metric
from .history import History, growth
from .model import (
    Absent,
    Clock,
    Counted,
    CpuShares,
    Exhaustions,
    HeldFiles,
    Load,
    Memory,
    Mount,
    OomKills,
    Queue,
    Snapshot,
    Unavailable,
    Usage,
)

PREFIX = "cryptobot_resources"
LISTED = 50  # so many deleted files are returned; the metric has the size of all


def as_data(snapshot: Snapshot, findings: list[Finding]) -> dict[str, Any]:
    """Return what was observed as plain JSON values, and under ``blind_spots`` what could not be."""
    data = {name: _plain(value) for name, value in snapshot._asdict().items()}
    if isinstance(snapshot.held, HeldFiles):
        data["held"] = {**data["held"], "files": data["held"]["files"][:LISTED], "count": len(snapshot.held.files)}
    unavailable = [
        f"{finding.check} {finding.subject}: {finding.message}" for finding in findings if finding.status == UNKNOWN
    ]
    return {**data, "blind_spots": unavailable}


def _plain(value: Any) -> Any:
    if isinstance(value, Unavailable):
        return {"unknown": value.reason}
    if isinstance(value, Absent):
        return {"absent": value.reason}
    if isinstance(value, Evidence):
        value = _events(value)
    if isinstance(value, (list, tuple)):
        named = getattr(value, "_asdict", None)
        return _plain(named()) if named else [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _events(evidence: Evidence) -> tuple[Event, ...]:
    """Return the events that were seen; whether these are all is what the finding says."""
    known = evidence.window(0.0)
    return known.events if isinstance(known, Whole) else known.at_least


def metrics(snapshot: Snapshot, history: History) -> list[Metric]:
    """Return every number that was observed as a metric; what could not be observed has none."""
    return [*_of_mounts(snapshot, history), *_of_host(snapshot), *_of_pressure(snapshot)]


def _of_mounts(snapshot: Snapshot, history: History) -> Iterator[Metric]:
    for mount in snapshot.mounts if isinstance(snapshot.mounts, tuple) else ():
        if isinstance(mount.usage, Usage):
            yield from _of_mount(mount, mount.usage, history)


def _of_mount(mount: Mount, usage: Usage, history: History) -> Iterator[Metric]:
    labels = {"mount": mount.path}
    yield Metric(f"{PREFIX}_disk_size_bytes", usage.size, "bytes", labels)
    yield Metric(f"{PREFIX}_disk_available_bytes", usage.available, "bytes", labels)
    yield Metric(f"{PREFIX}_disk_free_ratio", usage.free_share, "ratio", labels)
    if usage.inodes:
        yield Metric(f"{PREFIX}_inodes_free_ratio", usage.inodes_free_share, "ratio", labels)
    speed = growth(history.samples.get(mount.path, ()))
    if speed is not None:
        yield Metric(f"{PREFIX}_disk_growth_bytes_per_second", speed, "bytes per second", labels)
        if speed > 0:
            yield Metric(f"{PREFIX}_disk_full_in_seconds", usage.available / speed, "seconds", labels)


def _of_host(snapshot: Snapshot) -> Iterator[Metric]:
    if isinstance(snapshot.memory, Memory):
        yield Metric(f"{PREFIX}_memory_total_bytes", snapshot.memory.total, "bytes")
        yield Metric(f"{PREFIX}_memory_available_bytes", snapshot.memory.available, "bytes")
    for name, counted in (
        ("swap", snapshot.swap),
        ("open_files", snapshot.open_files),
        ("connections", snapshot.connections),
    ):
        if isinstance(counted, Counted):
            yield Metric(f"{PREFIX}_{name}_used_ratio", counted.share, "ratio")
    if isinstance(snapshot.load, Load):
        for minutes, load in ((1, snapshot.load.one), (5, snapshot.load.five), (15, snapshot.load.fifteen)):
            yield Metric(f"{PREFIX}_load_per_processor", load / snapshot.load.processors, "", {"minutes": str(minutes)})
    if isinstance(snapshot.load, Queue):
        yield Metric(f"{PREFIX}_queue_per_processor", snapshot.load.length / snapshot.load.processors)
    if isinstance(snapshot.cpu, CpuShares):
        for name, share in snapshot.cpu._asdict().items():
            if isinstance(share, float):
                yield Metric(f"{PREFIX}_cpu_ratio", share, "ratio", {"state": name})
    yield from _of_events(snapshot)


def _of_events(snapshot: Snapshot) -> Iterator[Metric]:
    if isinstance(snapshot.clock, Clock):
        yield Metric(f"{PREFIX}_clock_synchronised", float(snapshot.clock.synchronised))
        if snapshot.clock.offset is not None:
            yield Metric(f"{PREFIX}_clock_offset_seconds", snapshot.clock.offset, "seconds")
    if isinstance(snapshot.oom, OomKills):
        yield Metric(f"{PREFIX}_oom_kills_total", snapshot.oom.total)
    if isinstance(snapshot.oom, Exhaustions):
        yield Metric(f"{PREFIX}_memory_exhaustions", len(_events(snapshot.oom.evidence)))
    if isinstance(snapshot.held, HeldFiles):
        yield Metric(f"{PREFIX}_deleted_open_bytes", snapshot.held.size, "bytes")


def _of_pressure(snapshot: Snapshot) -> Iterator[Metric]:
    for resource, shares in snapshot.pressure.items():
        for window, share in shares.items():
            yield Metric(f"{PREFIX}_stalled_ratio", share, "ratio", {"resource": resource, "window": window})
