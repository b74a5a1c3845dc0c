# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of each service from run to run, and the growth of memory that follows from it. Pure.

The memory of a service is ``{"counts": [[when, boot, restarts], ...], "begins": [[when, boot, began], ...],
"rss": [[when, bytes], ...], "began": [boot, began], "starts": [[when], ...], "covered": [[from, to]]}``; all samples of
``rss`` are of the process that ``began`` names, ``starts`` are all that there were in the times that are ``covered``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from .model import Observation, Snapshot
from .restarts import read_log, rows_of

KEEP_COUNTS, KEEP_RSS = 60, 200
KEEP_STARTS = 2 * 86400.0  # seconds for which the moments of restarts are kept
RSS_SPACING = 300.0  # seconds: a check every minute must not push out the samples of yesterday
DAY = 86400.0


class Growth(NamedTuple):
    """How the memory of one process developed over ``samples`` in ``span`` seconds.

    ``per_day`` is the slope of the least-squares line in bytes, ``fit`` its coefficient of determination (0 to 1),
    ``total`` what that line rose by.
    """

    samples: int
    span: float
    per_day: float = 0.0
    fit: float = 0.0
    total: float = 0.0


def remember_service(memory: Mapping[str, Any], observed: Observation, snapshot: Snapshot) -> dict[str, Any]:
    """Given what is remembered of a service and what is seen now, return what to remember next."""
    now, boot = snapshot.now, snapshot.boot_id
    counts, begins = rows_of(memory, "counts", 3), rows_of(memory, "begins", 3)
    kept: dict[str, Any] = {}
    if observed.unit:
        counts = extend(counts, [now, boot, observed.unit.restarts])
        log = read_log(memory, observed.unit, snapshot, now - KEEP_STARTS)
        kept = {"starts": [[when] for when in log.times][-KEEP_COUNTS:], "covered": [list(log.covered)]}
    if observed.main:
        begins = extend(begins, [now, boot, observed.main.began])
    began = [boot, observed.main.began] if observed.main else memory.get("began")
    rss = rows_of(memory, "rss", 2) if memory.get("began") == began else []
    if observed.main and observed.rss and (not rss or now - rss[-1][0] >= RSS_SPACING):
        rss = thin([*rss, [now, observed.rss]])
    return {"counts": counts, "begins": begins, "rss": rss, "began": began, **kept}


def extend(rows: list[list[Any]], row: list[Any]) -> list[list[Any]]:
    """Given samples and a new one, return them with it: of a value that stays, only the first and the last sample."""
    stays = len(rows) > 1 and rows[-2][1:] == rows[-1][1:] == row[1:]
    return [*(rows[:-1] if stays else rows), row][-KEEP_COUNTS:]


def thin(rows: list[list[Any]]) -> list[list[Any]]:
    """Given samples, return at most KEEP_RSS of them over the same span: every second one where there are more."""
    return rows if len(rows) <= KEEP_RSS else [*rows[:-1][::2], rows[-1]]


def measure_growth(memory: Mapping[str, Any], observed: Observation, snapshot: Snapshot) -> Optional[Growth]:
    """Given what is remembered and seen of a service, return the growth of its memory; None without a process."""
    if observed.main is None or not observed.rss:
        return None
    same = memory.get("began") == [snapshot.boot_id, observed.main.began]
    rows = [*(rows_of(memory, "rss", 2) if same else []), [snapshot.now, observed.rss]]
    return fit_line([(float(when), float(size)) for when, size in rows])


def fit_line(points: Sequence[tuple[float, float]]) -> Growth:
    """Given (seconds, bytes), return the least-squares line through them as growth."""
    count, span = len(points), points[-1][0] - points[0][0]
    mean_x = sum(x for x, _y in points) / count
    mean_y = sum(y for _x, y in points) / count
    spread_x = sum((x - mean_x) ** 2 for x, _y in points)
    spread_y = sum((y - mean_y) ** 2 for _x, y in points)
    if span <= 0:  # one moment, or a clock that was set back
        return Growth(count, 0.0)
    common = sum((x - mean_x) * y for x, y in points)  # the mean of y would cancel out
    slope = common / spread_x
    fit = common**2 / (spread_x * spread_y) if spread_y else 1.0
    return Growth(count, span, slope * DAY, fit, slope * span)
