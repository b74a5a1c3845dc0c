# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sets are kept and which may go: a pure decision over what there is, never over what the clock claims alone.

Per rule the newest good set of each of the last n days (ISO weeks, months, years) *that have one* is kept. So when
backups stop being made, nothing is deleted any more, however late it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional

from ...units import human_seconds
from ..times import to_iso

CLOCK_TOLERANCE = 300.0  # seconds that a set may be ahead of the clock: two hosts that share a folder


@dataclass(frozen=True)
class Policy:
    """How many periods of each kind are kept, and the least number of good sets that always stay.

    ``max_leap`` is in seconds: a longer gap between two sets is taken for a clock that jumped.
    """

    daily: int
    weekly: int
    monthly: int
    yearly: int
    min_keep: int
    max_leap: float


@dataclass(frozen=True)
class Candidate:
    """One set as retention sees it. ``ours`` is whether this host made it."""

    id: str
    created: float
    good: bool
    pin_until: Optional[float] = None
    ours: bool = True


@dataclass(frozen=True)
class Decisions:
    """Reasons by set id. ``refusal`` is set where the clock cannot be trusted, and then nothing goes."""

    kept: dict[str, str]
    removed: dict[str, str]
    refusal: str = ""


def _day(moment: datetime) -> tuple[int, ...]:
    return (moment.year, moment.month, moment.day)


def _week(moment: datetime) -> tuple[int, ...]:
    return tuple(moment.isocalendar()[:2])


def _month(moment: datetime) -> tuple[int, ...]:
    return (moment.year, moment.month)


def _year(moment: datetime) -> tuple[int, ...]:
    return (moment.year,)


PERIODS: dict[str, Callable[[datetime], tuple[int, ...]]] = {
    "daily": _day,
    "weekly": _week,
    "monthly": _month,
    "yearly": _year,
}


def decide(candidates: Sequence[Candidate], policy: Policy, now: float) -> Decisions:
    """Given all sets, the policy and the time (seconds since the epoch), return what stays and what may go, and why."""
    ordered = sorted(candidates, key=lambda candidate: (candidate.created, candidate.id))
    refusal = clock_refusal(ordered, policy, now)
    kept = {candidate.id: refusal for candidate in ordered} if refusal else _keepers(ordered, policy, now)
    removed = {item.id: _why_removed(item) for item in ordered if item.id not in kept}
    return Decisions(kept, removed, refusal)


def clock_refusal(ordered: Sequence[Candidate], policy: Policy, now: float) -> str:
    """Given the sets from old to new, return why the clock cannot be trusted with deleting, or an empty text.

    A clock that ran ahead and was set back leaves sets of the future. A clock that is ahead now makes everything look
    old at once: after such a leap nothing goes before ``min_keep`` good sets lie on this side of it.
    """
    future = [item for item in ordered if item.created > now + CLOCK_TOLERANCE]
    if future:
        return f"set {future[-1].id} is dated {human_seconds(future[-1].created - now)} in the future"
    times = [item.created for item in ordered if item.good]
    before, after = times, [*times[1:], now]
    leaps = [(one, two) for one, two in zip(before, after) if two - one > policy.max_leap]
    if leaps and sum(time >= leaps[-1][1] for time in times) < policy.min_keep:
        last, length = leaps[-1][0], human_seconds(leaps[-1][1] - leaps[-1][0])
        return (
            f"the clock, or the backups, leapt {length} after {to_iso(last)}, "
            f"and fewer than {policy.min_keep} good sets were made since"
        )
    return ""


def _keepers(ordered: Sequence[Candidate], policy: Policy, now: float) -> dict[str, str]:
    """Return the reason to keep by set id; where several hold, the strongest stands."""
    good = [item for item in ordered if item.good and item.ours]
    kept = {item.id: f"one of the newest {policy.min_keep} good sets" for item in good[-policy.min_keep :]}
    for rule in PERIODS:
        for item in _by_rule(good, rule, getattr(policy, rule)):
            kept.setdefault(item.id, rule)
    for item in ordered:
        reason = _held(item, good, policy, now)
        if reason:
            kept[item.id] = reason
    if good:
        kept[good[-1].id] = "the newest good set"
    return kept


def _by_rule(good: Sequence[Candidate], rule: str, wanted: int) -> list[Candidate]:
    """Return the newest set of each of the last periods, and the very oldest while the rule is not yet full.

    Without the oldest, the only set of last month could go before this month has one to stand for it.
    """
    if wanted < 1:
        return []
    newest = {PERIODS[rule](datetime.fromtimestamp(item.created, timezone.utc)): item for item in good}
    chosen = list(newest.values())[-wanted:]
    return chosen if len(newest) >= wanted else [*chosen, *good[:1]]


def _held(item: Candidate, good: Sequence[Candidate], policy: Policy, now: float) -> str:
    """Return the reason to keep a set that does not lie in its age, or an empty text."""
    if not item.ours:
        return "made by another host"
    if item.pin_until is not None and item.pin_until > now:
        return f"pinned until {to_iso(item.pin_until)}"
    newer = sum(other.created > item.created for other in good)
    if not item.good and newer < policy.min_keep:
        return f"not good, but fewer than {policy.min_keep} good sets are newer"
    return ""


def _why_removed(item: Candidate) -> str:
    return "no rule keeps it" if item.good else "it is not good, and enough newer good sets are there"
