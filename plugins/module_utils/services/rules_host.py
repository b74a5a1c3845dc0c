# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about a host as a whole: what patterns of units must match, and the marker that says that it is maintained.

The only line of the marker is its end as ISO 8601 with a zone (``2026-11-22T03:00:00Z``). Without an end that can be
read it silences nothing: a marker that is forgotten must not hide a service that is down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Optional

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ..registry import Outcome, Rules
from .context import HostContext
from .declared import Pattern
from .model import MARKER

RULES = Rules()


@RULES.rule(
    "services.pattern",
    procedure="D1.2",
    remedy="Correct the pattern, or install the units; a pattern that matches nothing checks nothing.",
    per="host",
)
def judge_pattern(context: HostContext) -> Iterator[Outcome]:
    """Each pattern of unit names matches as many units as it must."""
    snapshot = context.snapshot
    for pattern in context.policy.patterns:
        found, subject = snapshot.units.matched.get(pattern.pattern, ()), pattern.pattern
        if snapshot.units.unlisted:
            yield Outcome(UNKNOWN, snapshot.units.unlisted, expected=pattern.min_match, subject=subject)
            continue
        status = OK if len(found) >= pattern.min_match else CRITICAL
        text = f"{len(found)} units fit {pattern.pattern!r}, at least {pattern.min_match} must"
        yield Outcome(status, text, expected=pattern.min_match, actual=list(found), subject=subject)


@RULES.rule(
    "services.expected_units",
    procedure="D1.2",
    remedy="Install what is missing; add what is unexpected to `services` or to the pattern's `expected`, "
    "or remove it.",
    per="host",
    many=True,
)
def judge_expected_units(context: HostContext) -> Iterator[Outcome]:
    """The units that fit a pattern are the expected ones: none is missing and none is unexpected."""
    snapshot = context.snapshot
    declared = {unit.id for observed in snapshot.services if (unit := observed.unit)}
    helpers = {name for observed in snapshot.services if observed.unit for name in observed.unit.triggered_by}
    for pattern in () if snapshot.units.unlisted else context.policy.patterns:  # services.pattern says so
        yield from _judge_pattern(pattern, set(snapshot.units.matched.get(pattern.pattern, ())), declared | helpers)


def _judge_pattern(pattern: Pattern, found: set[str], known: set[str]) -> Iterator[Outcome]:
    subject, expected = pattern.pattern, set(pattern.expected)
    missing, unexpected = sorted(expected - found), sorted(found - expected - known)
    both = {"missing": missing, "unexpected": unexpected}
    if missing:
        text = f"expected among {pattern.pattern!r} but not on this host: {', '.join(missing)}"
        yield Outcome(CRITICAL, text, expected=sorted(expected), actual=both, subject=subject)
    if unexpected:
        text = f"units that nothing declares fit {pattern.pattern!r}: {', '.join(unexpected)}"
        yield Outcome(WARNING, text, expected=sorted(expected | known), actual=both, subject=subject)
    if found and not missing and not unexpected:
        text = f"the {len(found)} units that fit {pattern.pattern!r} are all expected"
        yield Outcome(OK, text, actual=sorted(found), subject=subject)


MAINTENANCE = RULES.check(
    "services.maintenance",
    "A maintenance marker silences the findings of services for a stated time only.",
    procedure="D1.2",
    remedy="Remove the marker, or write a new end into it.",
)


def parse_end(text: str) -> Optional[float]:
    """Given the text of a marker, return when maintenance ends (epoch), or None where it does not say."""
    try:
        end = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return end.timestamp() if end.tzinfo else None


def apply_marker(marker: Optional[str], now: float, findings: Iterable[Finding]) -> list[Finding]:
    """Given the marker's text and findings, return the findings, silenced while maintenance lasts, and one about it."""
    if marker is None:
        return list(findings)
    end = parse_end(marker)
    if end is None:
        text = (
            f"the maintenance marker says {marker[:40]!r}, expected an end such as 2026-11-22T03:00:00Z; it is ignored"
        )
        return [*findings, MAINTENANCE.finding(WARNING, MARKER, text)]
    if end <= now:
        return [
            *findings,
            MAINTENANCE.finding(WARNING, MARKER, f"the maintenance marker ended at {marker}; it is ignored"),
        ]
    silenced = [_silence(finding, marker) for finding in findings]
    return [
        *silenced,
        MAINTENANCE.finding(UNKNOWN, MARKER, f"maintenance until {marker}: findings of services are silenced"),
    ]


def _silence(finding: Finding, until: str) -> Finding:
    if finding.status in (OK, SKIPPED):
        return finding
    return replace(finding, status=SKIPPED, message=f"{finding.message} ({finding.status}, maintenance until {until})")
