# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier runs measured, and what this one adds to it: pure, and lenient towards a memory that is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple, Optional

from ..finding import EMPTY
from .model import OomKills, Snapshot, Usage

KEPT_SECONDS = 30 * 86400.0
KEPT_SAMPLES = 100
GAP_SECONDS = 3600.0  # samples closer than this say nothing new about days
NEEDED_SAMPLES, NEEDED_SECONDS = 3, 86400.0


class Sample(NamedTuple):
    """How full a file system was at a time (epoch seconds, bytes)."""

    at: float
    used: float
    size: float


class LastKills(NamedTuple):
    """How many processes the kernel had killed since a boot, when a run last looked."""

    boot_id: str
    total: int
    at: float


class History(NamedTuple):
    """What is remembered: samples by mount, oldest first, and the last count of kills."""

    samples: Mapping[str, tuple[Sample, ...]] = EMPTY
    kills: Optional[LastKills] = None

    def with_kills(self, kills: Optional[LastKills]) -> History:
        """Return the history with another count of kills: to compare with the last run, not with this one."""
        return History(self.samples, kills)


def read_history(memory: Mapping[str, Any]) -> History:
    """Given what was remembered, return it as a History; what is damaged is left out."""
    samples = memory.get("samples")
    listed = samples.items() if isinstance(samples, dict) else ()
    return History({str(path): _read_samples(rows) for path, rows in listed}, _read_kills(memory.get("kills")))


def _read_samples(rows: Any) -> tuple[Sample, ...]:
    try:
        return tuple(sorted((Sample(*(float(number) for number in row)) for row in rows), key=lambda sample: sample.at))
    except (TypeError, ValueError):
        return ()


def _read_kills(row: Any) -> Optional[LastKills]:
    try:
        return LastKills(str(row["boot_id"]), int(row["total"]), float(row["at"]))
    except (TypeError, ValueError, KeyError):
        return None


def extended(history: History, now: Snapshot) -> History:
    """Given the history before this run and what this run sees, return the history after it."""
    mounts = now.mounts if isinstance(now.mounts, tuple) else ()
    usages = {mount.path: mount.usage for mount in mounts if isinstance(mount.usage, Usage)}
    samples = {path: _added(history.samples.get(path, ()), usage, now.at) for path, usage in usages.items()}
    kills = LastKills(now.oom.boot_id, now.oom.total, now.at) if isinstance(now.oom, OomKills) else history.kills
    away = {path: rows for path, rows in history.samples.items() if rows and rows[-1].at > now.at - KEPT_SECONDS}
    return History({**away, **samples}, kills)


def _added(samples: tuple[Sample, ...], usage: Usage, at: float) -> tuple[Sample, ...]:
    """Return the samples with a new one: without those that are old, from the future, or of another size."""
    kept = [
        sample
        for sample in samples
        if at - KEPT_SECONDS <= sample.at < at and abs(sample.size - usage.size) <= 0.01 * usage.size
    ]
    if len(kept) > 1 and kept[-1].at - kept[-2].at < GAP_SECONDS:
        kept.pop()
    return (*kept[-KEPT_SAMPLES + 1 :], Sample(at, float(usage.used), float(usage.size)))


def as_memory(history: History) -> dict[str, Any]:
    """Return the history as plain JSON values."""
    samples = {path: [[row.at, row.used, row.size] for row in rows] for path, rows in history.samples.items() if rows}
    return {"samples": samples, "kills": history.kills._asdict() if history.kills else None}


def growth(samples: tuple[Sample, ...]) -> Optional[float]:
    """Given samples of one file system, return how fast it fills in bytes per second; None where they are too few.

    The estimate is Theil and Sen's: the median of the slopes between all pairs, which one cleanup or one large
    download among the samples does not tilt (H. Theil 1950, P. K. Sen 1968).
    """
    if len(samples) < NEEDED_SAMPLES or samples[-1].at - samples[0].at < NEEDED_SECONDS:
        return None
    from statistics import median  # it brings fractions and decimals along

    return median((b.used - a.used) / (b.at - a.at) for a, b in combinations(samples, 2) if b.at > a.at)
