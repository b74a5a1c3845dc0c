# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What db_vacuum remembers of a server from run to run, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple, Optional

from ...finding import EMPTY

KEEP_SPEEDS = 3
KEEP_AGES = 120
AGE_STEP_S = 6 * 3600.0
FORGET_AFTER_S = 400 * 86400.0
SECONDS_PER_DAY = 86400.0


class History(NamedTuple):
    """What earlier runs left behind for one entry of the inventory.

    ``speeds`` maps a profile and a table to the MB/s of its last vacuums; ``left`` maps a table to the dead rows that
    its last vacuum could not remove and the horizon (xid with epoch) at that time; ``ages`` are (epoch seconds, next
    xid) of earlier runs.
    """

    speeds: Mapping[str, Mapping[str, Sequence[float]]] = EMPTY
    left: Mapping[str, tuple[int, int]] = EMPTY
    ages: Sequence[tuple[float, int]] = ()

    def speed(self, profile: str, table: str, default: float) -> float:
        """Return the MB/s to expect of a table: its own median, else that of the others, else the default."""
        known = self.speeds.get(profile, {})
        own = known.get(table)
        if own:
            return median(own)
        others = [median(values) for values in known.values() if values]
        return median(others) if others else default

    def reclaimable(self, table: str, dead: int, horizon_xid: int) -> int:
        """Return how many of a table's dead rows may be removable: those left by the last vacuum are not while the
        horizon has not moved.
        """
        known = self.left.get(table)
        if known is None:
            return dead
        left, at = known
        return max(0, dead - left) if horizon_xid <= at else dead


def history_of(memory: Mapping[str, Any]) -> History:
    """Given one entry's part of the memory, return it; whatever is not of the expected form is forgotten."""
    try:
        tables = dict(memory.get("tables", {}))
        speeds: dict[str, dict[str, Sequence[float]]] = {}
        for name, kept in tables.items():
            for profile, values in kept.get("mb_s", {}).items():
                speeds.setdefault(profile, {})[name] = [float(value) for value in values if value > 0]
        left = {name: (int(kept["left"][0]), int(kept["left"][1])) for name, kept in tables.items() if kept.get("left")}
        ages = [(float(at), int(xid)) for at, xid in memory.get("ages", []) if math.isfinite(at)]
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        return History()
    return History(speeds, left, ages)


class TableSample(NamedTuple):
    """What one vacuumed table teaches: its speed (0 where it was too small to have one), the dead rows that it kept,
    and the horizon that it was vacuumed under.
    """

    table: str
    profile: str
    mb_s: float
    left: int
    horizon_xid: int


def learned(memory: Mapping[str, Any], samples: Sequence[TableSample], next_xid: int, now: float) -> dict[str, Any]:
    """Given one entry's part of the memory and the samples of this run, return what to remember.

    A memory of another form is forgotten.
    """
    known = _tables(memory) if history_of(memory) != History() else {}
    tables = {name: kept for name, kept in known.items() if now - _when(kept) < FORGET_AFTER_S}
    for sample in samples:
        old = tables.get(sample.table, {})
        speeds = dict(old.get("mb_s", {}))
        if sample.mb_s > 0:
            speeds[sample.profile] = [*speeds.get(sample.profile, []), round(sample.mb_s, 3)][-KEEP_SPEEDS:]
        left = [sample.left, sample.horizon_xid] if sample.left else None
        tables[sample.table] = {"mb_s": speeds, "left": left, "at": now}
    ages = thinned([*history_of(memory).ages, (now, next_xid)])
    return {"tables": tables, "ages": [list(age) for age in ages]}


def thinned(ages: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Given samples in their order, keep the last of each quarter of a day, so that frequent runs do not crowd out the
    old ones.
    """
    by_quarter = {int(at // AGE_STEP_S): (at, xid) for at, xid in ages}
    return list(by_quarter.values())[-KEEP_AGES:]


def _tables(memory: Mapping[str, Any]) -> dict[str, Any]:
    tables = memory.get("tables")
    if not isinstance(tables, dict):
        return {}
    return {name: kept for name, kept in tables.items() if isinstance(kept, dict)}


def _when(kept: Mapping[str, Any]) -> float:
    at = kept.get("at")
    return float(at) if isinstance(at, (int, float)) else -math.inf


class Forecast(NamedTuple):
    """``days`` until the oldest table reaches the age at which autovacuum is forced to freeze it, or None and why."""

    days: Optional[float]
    xids_per_day: Optional[float]
    reason: str = ""


def forecast(history: History, next_xid: int, now: float, oldest_age: int, freeze_max_age: int) -> Forecast:
    """Given the ids used since the oldest remembered run, return when the freeze is forced at that pace."""
    if oldest_age >= freeze_max_age:
        return Forecast(0.0, None, "the age is above autovacuum_freeze_max_age already")
    earlier = [(at, xid) for at, xid in history.ages if now - at >= SECONDS_PER_DAY and xid <= next_xid]
    if not earlier:
        return Forecast(None, None, "no run older than a day is remembered")
    at, xid = earlier[0]
    pace = (next_xid - xid) / ((now - at) / SECONDS_PER_DAY)
    if pace <= 0:
        return Forecast(None, 0.0, "no transaction id was used since the first remembered run")
    return Forecast((freeze_max_age - oldest_age) / pace, pace)
