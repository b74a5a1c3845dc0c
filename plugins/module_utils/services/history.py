# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of each service from run to run, and what follows from it: restarts and growth of memory. Pure.

The memory of a service is ``{"counts": [[when, boot, restarts], ...], "begins": [[when, boot, began], ...],
"rss": [[when, bytes], ...], "began": [boot, began]}``; all samples of ``rss`` are of the process that ``began`` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from .observed import Observed, Snapshot

KEEP_COUNTS, KEEP_RSS = 60, 200
RSS_SPACING = 300.0  # seconds: a check every minute must not push out the samples of yesterday
SAME_BEGIN = 0.02  # two ticks of the kernel's clock
DAY = 86400.0
UNCOUNTED = ("windows",)  # managers that keep no counter of restarts, only events


@dataclass(frozen=True)
class Restarts:
    """How often a service was restarted in a window: ``count``, which is ``at_least`` that many where not all could be
    seen, and ``total`` since it was last started by hand. ``blind`` says what could not be seen; ``counted`` is false
    where there is no counter either, so that nothing is known.
    """

    count: int = 0
    total: int = 0
    at_least: bool = False
    blind: str = ""
    counted: bool = True


@dataclass(frozen=True)
class Growth:
    """How the memory of one process developed over ``samples`` in ``span`` seconds.

    ``per_day`` is the slope of the least-squares line in bytes, ``fit`` its coefficient of determination (0 to 1),
    ``total`` what that line rose by.
    """

    samples: int
    span: float
    per_day: float = 0.0
    fit: float = 0.0
    total: float = 0.0


def remember_service(memory: Mapping[str, Any], observed: Observed, snapshot: Snapshot) -> dict[str, Any]:
    """Given what is remembered of a service and what is seen now, return what to remember next."""
    now, boot = snapshot.now, snapshot.boot_id
    counts, begins = _rows(memory, "counts", 3), _rows(memory, "begins", 3)
    if observed.unit:
        counts = extend(counts, [now, boot, observed.unit.restarts])
    if observed.main:
        begins = extend(begins, [now, boot, observed.main.began])
    began = [boot, observed.main.began] if observed.main else memory.get("began")
    rss = _rows(memory, "rss", 2) if memory.get("began") == began else []
    if observed.main and observed.rss and (not rss or now - rss[-1][0] >= RSS_SPACING):
        rss = thin([*rss, [now, observed.rss]])
    return {"counts": counts, "begins": begins, "rss": rss, "began": began}


def extend(rows: list[list[Any]], row: list[Any]) -> list[list[Any]]:
    """Given samples and a new one, return them with it: of a value that stays, only the first and the last sample."""
    stays = len(rows) > 1 and rows[-2][1:] == rows[-1][1:] == row[1:]
    return [*(rows[:-1] if stays else rows), row][-KEEP_COUNTS:]


def _rows(memory: Mapping[str, Any], key: str, width: int) -> list[list[Any]]:
    """Return the samples of a kind, those of another form left out: memory is an aid, never a reason to fail."""
    rows = memory.get(key)
    return [row for row in rows if isinstance(row, list) and len(row) == width] if isinstance(rows, list) else []


def thin(rows: list[list[Any]]) -> list[list[Any]]:
    """Given samples, return at most KEEP_RSS of them over the same span: every second one where there are more."""
    return rows if len(rows) <= KEEP_RSS else [*rows[:-1][::2], rows[-1]]


def count_restarts(
    memory: Mapping[str, Any], observed: Observed, snapshot: Snapshot, window: float, ours: Sequence[float] = ()
) -> Restarts:
    """Given what is remembered and seen of a service, return how often it was restarted in the last ``window`` seconds.

    A unit is counted by the journal, which knows each moment and all boots, and by its counter, which knows no moments
    but cannot be rotated away: the larger number counts. A script-started service has been restarted where its process
    began anew; ``ours`` are the begins (seconds since boot) that a maintenance run caused.
    """
    if observed.unit is None:
        return Restarts(_new_begins(memory, observed, snapshot, window, ours))
    unit = observed.unit
    logged = [at for at in snapshot.journal.restarts.get(unit.id, ()) if at > snapshot.now - window]
    certain, undated = _increments(memory, unit.restarts, snapshot, window)
    age = snapshot.clock.age(unit.changed)
    recent = age is None or age < window
    counted = certain + (1 if undated and recent else 0)
    blind = snapshot.journal.blind
    at_least = bool(blind) and recent and undated > 1
    return Restarts(max(len(logged), counted), unit.restarts, at_least, blind, unit.manager not in UNCOUNTED)


def _increments(memory: Mapping[str, Any], restarts: int, snapshot: Snapshot, window: float) -> tuple[int, int]:
    """Return by how much the counter rose certainly within the window, and by how much since a run before it.

    What it rose by before the first run within the window was that run's to tell.
    """
    rows = [*_rows(memory, "counts", 3), [snapshot.now, snapshot.boot_id, restarts]]
    begin = snapshot.now - window
    certain = sum(_rise(before, row) for before, row in zip(rows, rows[1:]) if before[0] > begin)
    last: list[Any] = rows[-2] if len(rows) > 1 else [0.0, "", 0]
    return certain, 0 if last[0] > begin else _rise(last, rows[-1])


def _rise(before: list[Any], row: list[Any]) -> int:
    """A counter that fell was set back by a start by hand, and it begins at 0 after a boot."""
    same = before[1] == row[1] and row[2] >= before[2]
    return int(row[2] - before[2] if same else row[2])


def _new_begins(
    memory: Mapping[str, Any], observed: Observed, snapshot: Snapshot, window: float, ours: Sequence[float]
) -> int:
    """Return how often the process began anew within the window, as far as runs before this one have seen it."""
    rows = [row for row in _rows(memory, "begins", 3) if row[1] == snapshot.boot_id]
    if not rows or observed.main is None:
        return 0
    first = min(row[2] for row in rows)
    begins = {row[2] for row in rows} | {observed.main.began}
    recent = [began for began in begins if began != first and (snapshot.clock.age(began) or 0.0) < window]
    return sum(1 for began in recent if not any(abs(began - mine) < SAME_BEGIN for mine in ours))


def measure_growth(memory: Mapping[str, Any], observed: Observed, snapshot: Snapshot) -> Optional[Growth]:
    """Given what is remembered and seen of a service, return the growth of its memory; None without a process."""
    if observed.main is None or not observed.rss:
        return None
    same = memory.get("began") == [snapshot.boot_id, observed.main.began]
    rows = [*(_rows(memory, "rss", 2) if same else []), [snapshot.now, observed.rss]]
    return fit_line([(float(when), float(size)) for when, size in rows])


def fit_line(points: Sequence[tuple[float, float]]) -> Growth:
    """Given (seconds, bytes), return the least-squares line through them as growth."""
    count, span = len(points), points[-1][0] - points[0][0]
    mean_x = sum(x for x, _y in points) / count
    mean_y = sum(y for _x, y in points) / count
    spread_x = sum((x - mean_x) ** 2 for x, _y in points)
    spread_y = sum((y - mean_y) ** 2 for _x, y in points)
    if span <= 0 or not spread_x:
        return Growth(count, 0.0)
    common = sum((x - mean_x) * (y - mean_y) for x, y in points)
    slope = common / spread_x
    fit = common**2 / (spread_x * spread_y) if spread_y else 1.0
    return Growth(count, span, slope * DAY, fit, slope * span)
