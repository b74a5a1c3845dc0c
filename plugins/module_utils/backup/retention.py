# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sets are kept and which may go: a pure decision over what there is, never over what the clock claims alone.

Per rule the newest good set of each of the last n days (ISO weeks, months, years) *that have one* is kept. So when
backups stop being made, nothing is deleted any more, however late it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import NamedTuple, Optional

from ..units import human_seconds
from .times import CLOCK_TOLERANCE, to_iso

NEWEST = "the newest good set"


class Policy(NamedTuple):
    """How many periods of each kind are kept, and the least number of good sets that always stay.

    ``max_leap`` is in seconds: a longer gap between two sets is taken for a clock that jumped.
    """

    daily: int
    weekly: int
    monthly: int
    yearly: int
    min_keep: int
    max_leap: float


class Series(NamedTuple):
    """What sets are copies of: one source, by its label, its name and what it is declared to be."""

    label: str = ""
    source: str = ""
    declared: str = ""


class Candidate(NamedTuple):
    """One set as retention sees it. ``ours`` is whether this host made it, ``holds`` what it has copies of.

    ``damaged`` says that it was whole once and is no longer; ``chain`` are the sets that it needs.
    """

    id: str
    created: float
    good: bool
    pin_until: Optional[float] = None
    ours: bool = True
    holds: tuple[Series, ...] = (Series(),)
    damaged: bool = False
    chain: tuple[str, ...] = ()


class Decisions(NamedTuple):
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


def decide(candidates: Sequence[Candidate], policy: Policy, now: float, spoilt: Sequence[float] = ()) -> Decisions:
    """Given all sets, the policy and the time (seconds since the epoch), return what stays and what may go, and why.

    Each source counts for itself: what is copied daily does not push out what is copied weekly, and the copies of a
    source that is optional outlive sets without it. ``spoilt`` are the moments of sets whose manifest does not hold.
    """
    ordered = sorted(candidates, key=lambda candidate: (candidate.created, candidate.id))
    kept = {item.id: _ahead(item, now) for item in ordered if item.created > now + CLOCK_TOLERANCE}
    dated = [item for item in ordered if item.id not in kept]
    refusal = clock_refusal(dated, policy, now)
    if refusal:
        kept.update({item.id: refusal for item in dated})
    else:
        kept.update(_keepers(dated, policy, now, spoilt))
    _keep_needed(ordered, kept)
    # the longest chain first: a set goes before those that it needs, wherever a run ends and whatever their dates are
    by_need = sorted(ordered, key=lambda item: -len(item.chain))
    removed = {item.id: _why_removed(item) for item in by_need if item.id not in kept}
    return Decisions(kept, removed, refusal)


def _keep_needed(items: Sequence[Candidate], kept: dict[str, str]) -> None:
    """Keep each set that a kept one needs, whatever it is worth: the other could not be read without it."""
    there = {item.id for item in items}
    for item in [item for item in items if item.id in kept]:
        for set_id in there.intersection(item.chain):
            kept.setdefault(set_id, f"set {item.id} needs it")


def _ahead(item: Candidate, now: float) -> str:
    """Return why a set of the future is set aside: nobody knows how old it is."""
    return f"it is dated {human_seconds(item.created - now)} in the future, so its age is not known"


def clock_refusal(ordered: Sequence[Candidate], policy: Policy, now: float) -> str:
    """Given the sets from old to new, return why the clock cannot be trusted with deleting, or an empty text.

    A clock that is ahead now makes everything look old at once: after such a leap nothing goes before ``min_keep`` good
    sets lie on this side of it.
    """
    times = [item.created for item in ordered if item.good]
    before, after = times, [*times[1:], now]
    leaps = [(one, two) for one, two in zip(before, after) if two - one > policy.max_leap]
    if not leaps:
        return ""
    last, since = leaps[-1]
    if sum(time >= since for time in times) >= policy.min_keep:
        return ""
    return (
        f"the clock, or the backups, leapt {human_seconds(since - last)} after {to_iso(last)}, "
        f"and fewer than {policy.min_keep} good sets were made since"
    )


def _keepers(ordered: Sequence[Candidate], policy: Policy, now: float, spoilt: Sequence[float]) -> dict[str, str]:
    """Return the reason to keep by set id, over all sources."""
    newest = {held[:2]: held.declared for item in ordered if item.good and item.ours for held in item.holds}
    kept: dict[str, str] = {}
    for held, copies in _series(ordered, newest).items():
        # of a declaration that another one has replaced, the newest copies stay and no rule asks for more
        replaced = held.declared != newest.get(held[:2], held.declared)
        rules = () if replaced else tuple(PERIODS)
        for set_id, reason in _keepers_of(copies, rules, policy, now, spoilt).items():
            kept[set_id] = reason if reason == NEWEST else kept.get(set_id, reason)
    return kept


def _series(ordered: Sequence[Candidate], newest: Mapping[tuple[str, str], str]) -> dict[Series, list[Candidate]]:
    """Return the copies of each source from old to new. An older release did not say what all sources are declared to
    be; such copies count as those of the newest declaration.
    """
    found: dict[Series, list[Candidate]] = {}
    for item in ordered:
        for held in item.holds:
            known = held if held.declared else held._replace(declared=newest.get(held[:2], ""))
            found.setdefault(known, []).append(item)
    return found


def _keepers_of(
    copies: Sequence[Candidate], rules: Sequence[str], policy: Policy, now: float, spoilt: Sequence[float]
) -> dict[str, str]:
    """Return the reason to keep by set id, for the copies of one source from old to new, of which some rules ask."""
    good = [item for item in copies if item.good and item.ours]
    kept = {item.id: f"one of the newest {policy.min_keep} good sets" for item in good[-policy.min_keep :]}
    for rule in rules:
        for item in _by_rule(good, rule, getattr(policy, rule)):
            kept.setdefault(item.id, rule)
    for item in copies:
        reason = _held(item, good, policy, now)
        if reason:
            kept[item.id] = reason
    lost = _lost(copies, good, policy, spoilt)
    if lost:
        kept.update({item.id: lost for item in good if item.id not in kept})
    if good:
        kept[good[-1].id] = NEWEST
    return kept


def _lost(copies: Sequence[Candidate], good: Sequence[Candidate], policy: Policy, spoilt: Sequence[float]) -> str:
    """Return why no good copy goes: a set that was one has lost what it held, and there are not yet enough newer ones.

    Something there eats backups, and what is whole now may be all that there will be.
    """
    moments = [*(item.created for item in copies if item.damaged and item.ours), *spoilt]
    recent = [moment for moment in moments if sum(item.created > moment for item in good) < policy.min_keep]
    if not recent:
        return ""
    return (
        f"{len(recent)} newer or equally old sets have lost what they held: nothing whole goes before "
        f"{policy.min_keep} good sets were made since"
    )


def _by_rule(good: Sequence[Candidate], rule: str, wanted: int) -> list[Candidate]:
    """Return the newest set of each of the last periods, and the very oldest while the rule is not yet full.

    Without the oldest, the only set of last month could go before this month has one to stand for it.
    """
    newest = {PERIODS[rule](datetime.fromtimestamp(item.created, timezone.utc)): item for item in good}
    chosen = [*reversed(newest.values())][:wanted]
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
    if item.good:
        return "no rule keeps it"
    return f"it is {'damaged' if item.damaged else 'not good'}, and enough newer good sets are there"
