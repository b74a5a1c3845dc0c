# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An observation as the plain JSON data and the metrics of a Result. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

from ..evidence import Event, Evidence, Whole
from ..finding import UNKNOWN, Finding, Metric
from .history import History, growth
from .records import (
    Absent,
    Blind,
    Clock,
    Counted,
    CpuShares,
    Exhaustions,
    HeldFiles,
    Load,
    Memory,
    Mount,
    Observation,
    OomKills,
    Queue,
    Usage,
)

PREFIX = "cryptobot_resources"
LISTED = 50  # so many deleted files are returned; the metric has the size of all


def as_data(seen: Observation, findings: list[Finding]) -> dict[str, Any]:
    """Return what was observed as plain JSON values, and under ``blind_spots`` what could not be."""
    data = {name: _plain(value) for name, value in vars(seen).items()}
    if isinstance(seen.held, HeldFiles):
        data["held"] = {**data["held"], "files": data["held"]["files"][:LISTED], "count": len(seen.held.files)}
    blind = [
        f"{finding.check} {finding.subject}: {finding.message}" for finding in findings if finding.status == UNKNOWN
    ]
    return {**data, "blind_spots": blind}


def _plain(value: Any) -> Any:
    if isinstance(value, Blind):
        return {"unknown": value.reason}
    if isinstance(value, Absent):
        return {"absent": value.reason}
    if isinstance(value, Evidence):
        value = _events(value)
    if isinstance(value, (list, tuple)):
        named = getattr(value, "_asdict", None)
        return _plain(named()) if named else [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(item) for name, item in vars(value).items()}
    return dict(value) if isinstance(value, dict) else value


def _events(evidence: Evidence) -> tuple[Event, ...]:
    """Return the events that were seen; whether these are all is what the finding says."""
    told = evidence.window(0.0)
    return told.events if isinstance(told, Whole) else told.at_least


def metrics(seen: Observation, history: History) -> list[Metric]:
    """Return every number that was observed as a metric; what could not be observed has none."""
    return [*_of_mounts(seen, history), *_of_host(seen), *_of_pressure(seen)]


def _of_mounts(seen: Observation, history: History) -> Iterator[Metric]:
    for mount in seen.mounts if isinstance(seen.mounts, tuple) else ():
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


def _of_host(seen: Observation) -> Iterator[Metric]:
    if isinstance(seen.memory, Memory):
        yield Metric(f"{PREFIX}_memory_total_bytes", seen.memory.total, "bytes")
        yield Metric(f"{PREFIX}_memory_available_bytes", seen.memory.available, "bytes")
    for name, counted in (("swap", seen.swap), ("open_files", seen.open_files), ("connections", seen.connections)):
        if isinstance(counted, Counted):
            yield Metric(f"{PREFIX}_{name}_used_ratio", counted.share, "ratio")
    if isinstance(seen.load, Load):
        for minutes, load in ((1, seen.load.one), (5, seen.load.five), (15, seen.load.fifteen)):
            yield Metric(f"{PREFIX}_load_per_processor", load / seen.load.processors, "", {"minutes": str(minutes)})
    if isinstance(seen.load, Queue):
        yield Metric(f"{PREFIX}_queue_per_processor", seen.load.length / seen.load.processors)
    if isinstance(seen.cpu, CpuShares):
        for name, share in vars(seen.cpu).items():
            if isinstance(share, float):
                yield Metric(f"{PREFIX}_cpu_ratio", share, "ratio", {"state": name})
    yield from _of_events(seen)


def _of_events(seen: Observation) -> Iterator[Metric]:
    if isinstance(seen.clock, Clock):
        yield Metric(f"{PREFIX}_clock_synchronised", float(seen.clock.synchronised))
        if seen.clock.offset is not None:
            yield Metric(f"{PREFIX}_clock_offset_seconds", seen.clock.offset, "seconds")
    if isinstance(seen.oom, OomKills):
        yield Metric(f"{PREFIX}_oom_kills_total", seen.oom.total)
    if isinstance(seen.oom, Exhaustions):
        yield Metric(f"{PREFIX}_memory_exhaustions", len(_events(seen.oom.evidence)))
    if isinstance(seen.held, HeldFiles):
        yield Metric(f"{PREFIX}_deleted_open_bytes", seen.held.size, "bytes")


def _of_pressure(seen: Observation) -> Iterator[Metric]:
    for resource, shares in seen.pressure.items():
        for window, share in shares.items():
            yield Metric(f"{PREFIX}_stalled_ratio", share, "ratio", {"resource": resource, "window": window})
