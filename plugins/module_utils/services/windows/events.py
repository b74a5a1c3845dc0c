# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The events of Windows about services that ended unexpectedly. Pure: numbers and values, never messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

from ...errors import CoreError
from ...event_log import parse_reach
from ...evidence import Event, Evidence
from ...fields import Fields, fields_of
from ...powershell import Answers
from ..machine import Units
from ..parse import AUTOMATIC, Journal
from .queries import LOGS, MAX_EVENTS


def parse_events(answers: Answers, units: Units) -> Journal:
    """Given the answers and the services, return when each was restarted or ended unexpectedly, and since when the
    logs tell that: from the oldest event on that both of them have.

    Windows has no event for a service that was ended because memory ran out.
    """
    labels = _labels(answers)
    times: dict[str, list[float]] = {}
    blind = [
        *_read(answers, "restarts", times, lambda values: _service_of(values, labels, units)),
        *_read(answers, "nssm_restarts", times, lambda values: values[0] if values else ""),
    ]
    since, doubts = _reach(answers)
    blind += doubts
    events = sorted(Event(at, name, AUTOMATIC) for name, found in times.items() for at in found)
    kills = Evidence.unavailable("Windows logs no ends for want of memory")
    return Journal(Evidence(events, since, blind), kills, None if blind else since)


def _reach(answers: Answers) -> tuple[Optional[float], tuple[str, ...]]:
    """Return since when both logs have kept events, and why some may lack."""
    try:
        return parse_reach("reach", answers["reach"], LOGS)
    except CoreError as error:
        return None, (f"how far back the event logs go is not known: {error}",)


def _read(
    answers: Answers, query: str, times: dict[str, list[float]], name_of: Callable[[list[str]], str]
) -> list[str]:
    """Add the moments of a query's events; return why it has no answer, if it has none."""
    try:
        rows = fields_of(query, answers[query])
        cut = [f"the answer was cut after {MAX_EVENTS:,} events"] if len(rows) >= MAX_EVENTS else []
        found = [(name_of(_values(row)), row.when("TimeCreated")) for row in rows]
    except CoreError as error:
        return [str(error)]
    for name, when in found:
        if name and when is not None:
            times.setdefault(name, []).append(when)
    return cut


def _values(row: Fields) -> list[str]:
    values: Any = row.raw.get("Values")
    return [str(each) for each in (values if isinstance(values, list) else [values]) if each is not None]


def _labels(answers: Answers) -> dict[str, str]:
    """Return the names of services by what the service manager shows for them, in the language of the host."""
    try:
        return {row.text("DisplayName"): row.text("Name") for row in fields_of("services", answers["services"])}
    except CoreError:
        return {}


def _service_of(values: list[str], labels: Mapping[str, str], units: Units) -> str:
    """Return the service of an event: its name, the last value where that is one, or that of its display name."""
    if not values:
        return ""
    unit = units.by_name.get(values[-1].rstrip("\0"))
    return unit.id if unit else labels.get(values[0], "")
