# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events of the past, together with how far back their source goes and what it left out.

A log that was rotated away, a query that was refused and a quiet night all show no event. So a rule never gets the
events alone: it asks for a window and is answered ``Whole`` where the source covers it, else ``Part``. The two name
their events differently, so that a rule which forgets the second case does not pass the type checker.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional, Union


class Event(NamedTuple):
    """Something that happened ``at`` a moment (seconds since the epoch) to ``subject``."""

    at: float
    subject: str
    text: str = ""


class Whole(NamedTuple):
    """All events of a window: their absence means that there were none."""

    events: tuple[Event, ...]


class Part(NamedTuple):
    """The events of a window that could be seen. There may have been more: ``gap`` says why."""

    at_least: tuple[Event, ...]
    gap: str


class Evidence:
    """The events that one source told, from ``since`` on; None where it is not known how far back the source goes.

    ``left_out`` are reasons why events may be missing though the source goes back far enough, in words that can follow
    "not all could be seen: " (``the answer was cut after 5,000 lines``).
    """

    def __init__(self, events: Iterable[Event], since: Optional[float], left_out: Iterable[str] = ()) -> None:
        self._events = tuple(events)
        self._since = since
        self._left_out = tuple(left_out)

    @classmethod
    def unavailable(cls, reason: str) -> Evidence:
        """Return the evidence of a source that could not be asked."""
        return cls((), None, (reason,))

    def of(self, subject: str) -> Evidence:
        """Return the evidence about one subject."""
        return Evidence((event for event in self._events if event.subject == subject), self._since, self._left_out)

    def window(self, start: float) -> Union[Whole, Part]:
        """Given a moment, return the events from then on, and whether these are all."""
        events = tuple(event for event in self._events if event.at >= start)
        gap = self._gap(start)
        return Part(events, gap) if gap else Whole(events)

    def _gap(self, start: float) -> str:
        if self._left_out:
            return "; ".join(self._left_out)
        if self._since is None:
            return "how far back the source goes is not known"
        if self._since > start:
            return f"the source begins {(self._since - start) / 60:.0f} min after the window does"
        return ""
