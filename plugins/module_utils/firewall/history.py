# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier runs saw open, and to whom, and which rules never counted a packet. Pure, and lenient towards damage.

The memory is ``{"at": when, "open": {"tcp 0.0.0.0:22 IPv4": [since, last time, bounds or digest]}, "boot_id": text,
"packets": sum of all counters, "unused": {digest of a rule: since}}``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Optional, Union

from ..finding import EMPTY
from .model.intervals import NOTHING, Intervals, subtract
from .model.ruleset import FilterRule

DAY = 86400.0
KEPT_SECONDS = 90 * DAY  # a service that is away for less, and comes back as it was, is not new
_MOST_BOUNDS, _MOST_RULES = 64, 2000


class Known(NamedTuple):
    """To whom something was open: ``since`` when, ``at`` what time it was last so, sources or the digest of many."""

    since: float
    at: float
    open: Union[Intervals, str]


class Baseline(NamedTuple):
    """What is remembered. ``at``: when the baseline was moved last (0.0: there is none).

    ``unused`` are rules whose counters were 0, each since when, in the boot ``boot_id``; ``packets`` is what all
    counters together said.
    """

    at: float = 0.0
    open: Mapping[str, Known] = EMPTY
    boot_id: str = ""
    packets: int = 0
    unused: Mapping[str, float] = EMPTY

    def beyond(self, name: str, sources: Intervals, through: Intervals = NOTHING) -> Intervals:
        """Given something open and to whom, return to whom of them it was not: of many other ones before, all.

        ``through`` is what is remembered of it, where that is more: the host's own addresses with them.
        """
        known = self.open.get(name)
        if known is None or isinstance(known.open, str):
            return () if known and known.open == _compact(through or sources) else sources
        return subtract(sources, known.open)


NO_HISTORY = Baseline()


def read_history(memory: Mapping[str, Any]) -> Baseline:
    """Given what was remembered, return it as a Baseline; a memory that is damaged is none."""
    try:
        known = {
            str(name): Known(float(since), float(at), str(sources) if isinstance(sources, str) else _bounds(sources))
            for name, (since, at, sources) in memory["open"].items()
        }
        unused = {str(rule): float(since) for rule, since in memory["unused"].items()}
        return Baseline(float(memory["at"]), known, str(memory["boot_id"]), int(memory["packets"]), unused)
    except (AttributeError, KeyError, TypeError, ValueError):
        return NO_HISTORY


def _bounds(numbers: Iterable[Any]) -> Intervals:
    found = tuple(int(number) for number in numbers)
    if len(found) % 2 or any(low >= high for low, high in zip(found, found[1:])):
        raise ValueError("not a set of numbers")
    return found


def as_memory(history: Baseline) -> dict[str, Any]:
    """Return a history as plain JSON values."""
    opened = {name: list(known) for name, known in history.open.items()}
    return {**history._asdict(), "open": opened, "unused": dict(history.unused)}


def moved(history: Baseline, now: float, opened: Mapping[str, Optional[Intervals]]) -> Baseline:
    """Given what is open now (None: not known, so what is remembered stays), return the history with that baseline."""
    fresh = {name: _known(history, name, part, now) for name, part in opened.items() if part is not None}
    kept = {name: known for name, known in history.open.items() if known.at > now - KEPT_SECONDS}
    return history._replace(at=now, open={**kept, **fresh})


def _known(history: Baseline, name: str, sources: Intervals, now: float) -> Known:
    before = history.open.get(name)
    stays = before is not None and not history.beyond(name, sources)
    return Known(before.since if before and stays else now, now, _compact(sources))


@lru_cache(maxsize=16)  # many sockets are open to the same sources
def _compact(sources: Intervals) -> Union[Intervals, str]:
    return sources if len(sources) <= _MOST_BOUNDS else _digest(str(sources))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def unused_since(history: Baseline, boot_id: str, rules: Iterable[FilterRule], now: float) -> dict[str, float]:
    """Given rules, return by digest since when those that count nothing are known not to have.

    Counters begin again with each boot, and where their sum has fallen the rules were loaded anew.
    """
    counted = [rule for rule in rules if rule.packets is not None]
    same = history.boot_id == boot_id and sum(rule.packets or 0 for rule in counted) >= history.packets
    idle = [name_of(rule) for rule in counted if rule.packets == 0]
    return {name: history.unused.get(name, now) if same else now for name in idle[:_MOST_RULES]}


def moment(at: float) -> str:
    """Return a time (epoch) for a reader."""
    return dt.datetime.fromtimestamp(at, dt.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def name_of(rule: FilterRule) -> str:
    """Return what a rule is remembered by."""
    return _digest(str(rule))
