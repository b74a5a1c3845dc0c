# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What firewall_audit returns beside its findings: sockets, exposures, the state of the filter, numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..finding import CRITICAL, WARNING, Finding, Metric
from . import rules_hygiene, rules_openings
from .context import Context, Reach
from .history import Baseline, moment, moved
from .model.evaluate import OPEN
from .model.exposure import Exposure, Published
from .model.intervals import Intervals, network
from .model.network import ANY_SOURCE
from .policy import ANY, LOOPBACK, is_loopback
from .rules_filter import stops
from .rules_hygiene import allowing, unused
from .rules_openings import place

# What no program on the host itself can see: said in every report, with what the platform adds.
OUTSIDE = "filters outside of this host (cloud security groups, routers, load balancers) cannot be seen from here"


def report(context: Context, limit: int) -> dict[str, Any]:
    """Given an audit, return its data as plain JSON values; at most ``limit`` sockets are spelled out."""
    shown = context.reaches[:limit]
    return {
        "sockets": [reach.listener.as_dict() for reach in shown],
        "exposures": [row for reach in shown for row in _exposures(context, reach)],
        "left_out": len(context.reaches) - len(shown),
        "client_sockets": [str(listener) for listener in context.clients[:limit]],
        "engine": _engine(context),
        "published": [_published(each) for each in context.published],
        "baseline": _baseline(context),
        "blind_spots": [
            *(f"{subject}: {reason}" for subject, reason in sorted(context.unavailable.items())),
            OUTSIDE,
            *context.snapshot.never_seen,
        ],
    }


def _exposures(context: Context, reach: Reach) -> list[dict[str, Any]]:
    rows = [
        _row(reach, LOOPBACK, exposure, (reach.listener.inside[family], reach.listener.inside[family] + 1))
        for family, exposure in reach.inside.items()
    ]
    for family, exposure in reach.outside.items():
        rows.append(_row(reach, ANY, exposure, ANY_SOURCE[family]))
        rows += [_row(reach, word, exposure, sources) for word, sources in _declared(context, reach, family)]
    return rows


def _declared(context: Context, reach: Reach, family: int) -> list[tuple[str, Intervals]]:
    """Given a listener, return the networks of that family that the policy names for its port."""
    words = {
        word
        for entry in context.allowances(reach.listener.proto, reach.listener.port)
        for word in entry.sources
        if word != ANY and not is_loopback(word)
    }
    found = [(word, network(word)) for word in sorted(words)]
    return [(word, sources) for word, (of_family, sources) in found if of_family == family]


def _row(reach: Reach, source: str, exposure: Exposure, sources: Intervals) -> dict[str, Any]:
    verdict = exposure.verdict(sources)
    row = {
        "socket": str(reach.listener),
        "family": exposure.family,
        "source": source,
        "verdict": verdict,
        "decided_by": exposure.decided_by(sources),
    }
    return {**row, "open_to": exposure.words} if verdict == "limited" else row


def _engine(context: Context) -> dict[str, Any]:
    ruleset = context.ruleset
    held = [table for table in ruleset.tables if table.holds_rules]
    return {
        "visible": {f"IPv{family}": not ruleset.why_unavailable(family) for family in (4, 6)},
        "backends": sorted({table.backend for table in held}),
        "tables": [{"backend": table.backend, "family": table.family, "name": table.name} for table in held],
        "active": {
            f"IPv{family}": None
            if ruleset.why_unavailable(family)
            else any(stops(*pair) for pair in ruleset.base_chains(family))
            for family in (4, 6)
        },
        "policies": {
            f"{table.family} {table.name} {chain.name}": chain.policy
            for table in held
            for chain in table.chains.values()
            if chain.hook == "input"
        },
        "settings": dict(context.snapshot.notes),
        "managers": {
            manager.name: "enabled" if manager.enabled else "disabled" for manager in context.snapshot.managers
        },
    }


def _published(each: Published) -> dict[str, Any]:
    everybody = ANY_SOURCE[each.family]
    verdict = OPEN if each.exposure.nearly_open(everybody) else each.exposure.verdict(everybody)
    found = {"port": place(each), "family": each.family, "led_by": each.rule, "verdict": verdict}
    found["decided_by"] = each.exposure.decided_by(everybody)
    return {**found, "open_to": each.exposure.words} if verdict == "limited" else found


def _baseline(context: Context) -> dict[str, Any]:
    history = context.inputs.history
    names = [reach.name(family) for reach in context.reaches for family in reach.outside]
    since = {name: moment(history.open[name].since) for name in names if name in history.open}
    return {"at": moment(history.at) if history.at else "", "open_since": since}


def remembered(context: Context, *, keep: bool) -> Baseline:
    """Given an audit, return what to remember of it; a first run makes the baseline whatever is asked for.

    What could not be seen leaves the memory of it as it is.
    """
    inputs = context.inputs
    packets = sum(rule.packets or 0 for rule in allowing(context))
    history = inputs.history._replace(boot_id=inputs.boot_id, packets=packets, unused=unused(context))
    if keep and history.at:
        return history
    opened = {
        reach.name(family): None if exposure.unknown else exposure.through
        for reach in context.reaches
        for family, exposure in reach.outside.items()
    }
    return moved(history, inputs.now, opened)


def metrics(context: Context, findings: Sequence[Finding]) -> list[Metric]:
    """Given an audit and what is found, return its numbers."""
    opened = sum(1 for reach in context.reaches if any(exposure.open for exposure in reach.outside.values()))
    unknown = sum(1 for reach in context.reaches if any(exposure.unknown for exposure in reach.outside.values()))
    return [
        Metric("cryptobot_firewall_listening_sockets", len(context.reaches)),
        Metric("cryptobot_firewall_open_sockets", opened),
        Metric("cryptobot_firewall_unknown_sockets", unknown),
        Metric("cryptobot_firewall_rules", context.ruleset.rule_count),
        *(
            Metric("cryptobot_firewall_bad", _bad(findings, check), labels={"check": check})
            for check in (*rules_hygiene.RULES.checks, *rules_openings.RULES.checks)
        ),
    ]


def _bad(findings: Sequence[Finding], check: str) -> int:
    return sum(finding.check == check and finding.status in (WARNING, CRITICAL) for finding in findings)
