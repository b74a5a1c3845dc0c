# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check that compares a number with bounds is a row of a table and no function: from the number to its outcome. Pure.

A row stands with the rules of its area: where its number comes from, whether it is bad above or below its bounds, what
these are unless the inventory says otherwise, and who says so. At a bound a number is still good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Optional, Protocol, Union

from .finding import CRITICAL, OK, STATUSES, WARNING, worst
from .registry import Outcome, Remedy, Rules

ABOVE, BELOW = "above", "below"
_WANTED = {ABOVE: "at most", BELOW: "at least"}


class Bounds(NamedTuple):
    """From where on a number is bad; None where that step is not wanted."""

    warning: Optional[float] = None
    critical: Optional[float] = None


class Bounded(NamedTuple):
    """A number of a row with its bounds, which the inventory calls ``option`` with _warning and _critical behind it.

    ``warning`` and ``critical`` are the defaults, as an inventory would write them. ``unit`` writes such a number for
    people, ``wanted`` are the words before its bounds; None where these are not named.
    """

    option: str
    bad: str
    unit: Callable[[float], str]
    warning: Union[float, str, None] = None
    critical: Union[float, str, None] = None
    wanted: Optional[str] = ""


class Number(NamedTuple):
    """What is compared: a value for each of the row's bounds, or none at all, and how that is written for people.

    ``what`` fills the words of the row, ``subject`` is what it is about where that is not the subject of the context.
    ``status`` is what it is at least, whatever the bounds say.
    """

    values: tuple[float, ...]
    actual: str
    what: str = ""
    subject: str = ""
    status: str = OK


class Holder(Protocol):
    """A context that knows the bounds that hold for a subject."""

    def bounds(self, option: str, subject: str) -> Bounds:
        """Return what the inventory says, or else the default."""


Metric = Callable[[Any], Iterable[Union[Number, Outcome]]]


class Threshold(NamedTuple):
    """A row. ``metric`` takes numbers from a context, and says what there is instead where there is none.

    ``words`` are the message, with places for {subject}, {what} and {actual}; ``expected`` those around the bounds.
    Of several numbers ``of`` makes one status: the worst, or the mildest where all must be bad. ``adjusted`` changes
    an outcome by what else is known.
    """

    id: str
    title: str
    procedure: str
    metric: Metric
    bounded: tuple[Bounded, ...]
    words: str
    remedy: Remedy
    source: str
    expected: str = "{}"
    of: Callable[[Sequence[str]], str] = worst
    adjusted: Optional[Callable[[Any, Outcome], Outcome]] = None


def mildest(statuses: Sequence[str]) -> str:
    """Given statuses, return the most harmless."""
    return min(statuses, key=STATUSES.index)


def status_of(value: float, bad: str, bounds: Bounds) -> str:
    """Return the status of a number that is bad above, or below, its bounds."""
    for status, bound in ((CRITICAL, bounds.critical), (WARNING, bounds.warning)):
        if bound is not None and (value > bound if bad == ABOVE else value < bound):
            return status
    return OK


def in_words(bounded: Bounded, bounds: Bounds) -> str:
    """Return bounds in words, such as "at least 20 % (critical: 5 %)"; empty where nothing is bounded, or named."""
    steps = [bound for bound in bounds if bound is not None]
    if not steps or bounded.wanted is None:
        return ""
    last = f" (critical: {bounded.unit(steps[1])})" if len(steps) > 1 else ""
    return f"{bounded.wanted or _WANTED[bounded.bad]} {bounded.unit(steps[0])}{last}"


def outcome(row: Threshold, number: Number, context: Holder) -> Outcome:
    """Given a row, its number and who knows the bounds, return what the number means."""
    bounds = [context.bounds(each.option, number.subject) for each in row.bounded]
    rows = zip(number.values, row.bounded, bounds)
    statuses = [status_of(value, each.bad, own) for value, each, own in rows]
    status = worst((row.of(statuses), number.status)) if statuses else number.status
    named = [text for each, own in zip(row.bounded, bounds) for text in [in_words(each, own)] if text]
    expected = row.expected.format(" and ".join(named)) or None
    message = row.words.format(subject=number.subject, what=number.what, actual=number.actual)
    found = Outcome(status, message, expected, number.actual, subject=number.subject)
    return row.adjusted(context, found) if row.adjusted else found


def _judged(row: Threshold, context: Any) -> Iterator[Outcome]:
    for number in row.metric(context):
        yield number if isinstance(number, Outcome) else outcome(row, number, context)


def add_rows(rules: Rules, *rows: Threshold) -> None:
    """Let each row be a rule, in their order."""
    for row in rows:
        declare = rules.rule(row.id, procedure=row.procedure, remedy=row.remedy, source=row.source, title=row.title)
        declare(partial(_judged, row))
