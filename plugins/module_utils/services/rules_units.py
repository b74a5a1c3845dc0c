# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the units of a host as a whole: what patterns must match, and what they must not."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import CRITICAL, OK, UNKNOWN, WARNING, Finding
from .checks import CHECKS
from .observed import Snapshot
from .policy import Pattern, Policy


def judge_patterns(snapshot: Snapshot, policy: Policy) -> Iterator[Finding]:
    """Each pattern matches as many units as it must: a pattern without a match checks nothing, which is not ok."""
    for pattern in policy.patterns:
        check, found = CHECKS["services.pattern"], snapshot.matched.get(pattern.pattern, ())
        if snapshot.units_problem:
            yield check.finding(UNKNOWN, pattern.pattern, snapshot.units_problem, expected=pattern.min_match)
            continue
        status = OK if len(found) >= pattern.min_match else CRITICAL
        text = f"{len(found)} units fit {pattern.pattern!r}, at least {pattern.min_match} must"
        yield check.finding(status, pattern.pattern, text, expected=pattern.min_match, actual=list(found))


def judge_expected_units(snapshot: Snapshot, policy: Policy) -> Iterator[Finding]:
    """The units that fit a pattern are the expected ones."""
    declared = {unit.id for observed in snapshot.services if (unit := observed.unit)}
    helpers = {name for observed in snapshot.services if observed.unit for name in observed.unit.triggered_by}
    for pattern in () if snapshot.units_problem else policy.patterns:  # services.pattern says so
        yield from _judge_pattern(pattern, set(snapshot.matched.get(pattern.pattern, ())), declared | helpers)


def _judge_pattern(pattern: Pattern, found: set[str], known: set[str]) -> Iterator[Finding]:
    check, expected = CHECKS["services.expected_units"], set(pattern.expected)
    missing, unexpected = sorted(expected - found), sorted(found - expected - known)
    both = {"missing": missing, "unexpected": unexpected}
    if missing:
        text = f"expected among {pattern.pattern!r} but not on this host: {', '.join(missing)}"
        yield check.finding(CRITICAL, pattern.pattern, text, expected=sorted(expected), actual=both)
    if unexpected:
        text = f"units that nothing declares fit {pattern.pattern!r}: {', '.join(unexpected)}"
        yield check.finding(WARNING, pattern.pattern, text, expected=sorted(expected | known), actual=both)
    if found and not missing and not unexpected:
        text = f"the {len(found)} units that fit {pattern.pattern!r} are all expected"
        yield check.finding(OK, pattern.pattern, text, actual=sorted(found))
