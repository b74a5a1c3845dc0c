# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a trouble begins with that several services share, and what follows from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..finding import CRITICAL, SKIPPED, WARNING, Finding
from .context import Context
from .exits import describe_exit
from .order import needs

STATE = "services.state"
NEED_FAILED = 1068  # ERROR_SERVICE_DEPENDENCY_FAIL of Windows
TOGETHER = 1.0  # seconds: what systemd stops along with a unit, it stops before it


class Trouble(NamedTuple):
    """What a trouble begins with: for each service those that it needs and that are down for a reason of their own
    (``roots``), and the services that are down only along with others (``along``).
    """

    roots: dict[str, list[str]]
    along: frozenset[str]


def find_roots(contexts: Sequence[Context], findings: Mapping[str, Sequence[Finding]]) -> Trouble:
    """Given services and their findings by name, return what each trouble begins with."""
    graph = {context.observed.name: context.observed.service.depends_on for context in contexts}
    down = {context.observed.name: context for context in contexts if is_down(context, findings)}
    leaders = {name: [down[other] for other in needs(graph, name) if other in down] for name in down}
    along = frozenset(name for name, context in down.items() if went_along(context, leaders[name]))
    return Trouble({name: sorted(needs(graph, name) & (set(down) - along)) for name in graph}, along)


def is_down(context: Context, findings: Mapping[str, Sequence[Finding]]) -> bool:
    """Return whether a service that should run does not. One that runs and fails at something is not down."""
    states = (finding.status for finding in findings[context.observed.name] if finding.check == STATE)
    return context.observed.alive is False and CRITICAL in states


def went_along(context: Context, leaders: Sequence[Context]) -> bool:
    """Return whether a service does not run because one that it needs does not, by what their manager says: it was
    stopped together with it, or not started for want of it. Whatever ended with an error of its own did not.
    """
    unit = context.observed.unit
    if unit is None or unit.load != "loaded":
        return False
    if unit.manager == "windows" and unit.exit_code and unit.exit_status == NEED_FAILED:
        return bool(leaders)
    if describe_exit(unit):
        return False
    units = [leader.observed.unit for leader in leaders if leader.observed.unit is not None]
    tied = [leader for leader in units if {unit.id, *unit.names} & set(leader.stops_with)]
    return any(not unit.started or unit.changed >= leader.changed - TOGETHER for leader in tied)


def fold(context: Context, finding: Finding, trouble: Trouble) -> Finding:
    """Return a finding; one that only follows from a service that is down is skipped and names that one's finding."""
    above = trouble.roots[context.observed.name]
    if not above or finding.status not in (WARNING, CRITICAL) or not _follows(context, finding, trouble):
        return finding
    text = f"{finding.message} ({finding.status}, as a consequence: {', '.join(above)} is down and this depends on it)"
    root = f"{STATE} {above[0]}"
    return replace(finding, status=SKIPPED, message=text, remedy=f"Look at {above[0]} first.", consequence_of=root)


def _follows(context: Context, finding: Finding, trouble: Trouble) -> bool:
    """Return whether nothing of the service itself explains a finding, nor a stranger on its port."""
    if finding.check == STATE:
        return context.observed.name in trouble.along
    if context.observed.alive is not True or context.restarts.number >= context.policy.restarts_warn:
        return False
    if finding.check == "services.http":
        return True
    proto, _space, port = str(finding.expected).partition(" ")
    return finding.check == "services.port_owner" and not context.snapshot.listeners(int(port), proto)
