# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All rules about services, and the root of a trouble that several services share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..finding import CRITICAL, SKIPPED, WARNING, Finding
from .case import Case
from .exits import describe_exit
from .observed import Snapshot
from .order import needs
from .policy import Policy
from .rules_boot import judge_enabled
from .rules_network import judge_bind, judge_certificate, judge_health, judge_latency, judge_ports
from .rules_process import judge_memory, judge_open_files, judge_port_drift, judge_restart_pending
from .rules_state import judge_daemon_reload, judge_pid_file, judge_restarts, judge_state, state_verdict
from .rules_units import judge_expected_units, judge_patterns
from .rules_workers import judge_workers

RULES: tuple[Callable[[Case], Iterable[Finding]], ...] = (
    judge_state,
    judge_pid_file,
    judge_enabled,
    judge_restarts,
    judge_workers,
    judge_daemon_reload,
    judge_ports,
    judge_bind,
    judge_health,
    judge_latency,
    judge_certificate,
    judge_port_drift,
    judge_restart_pending,
    judge_open_files,
    judge_memory,
)

HOST_RULES: tuple[Callable[[Snapshot, Policy], Iterable[Finding]], ...] = (judge_patterns, judge_expected_units)

NEED_FAILED = 1068  # ERROR_SERVICE_DEPENDENCY_FAIL of Windows
TOGETHER = 1.0  # seconds: what systemd stops along with a unit, it stops before it

# What a service must be well in before a restart of it has succeeded.
VITAL = ("services.state", "services.port_owner", "services.http")


class Trouble(NamedTuple):
    """What a trouble begins with: for each service those that it needs and that are down for a reason of their own
    (``roots``), and the services that are down only along with others (``along``).
    """

    roots: dict[str, list[str]]
    along: frozenset[str]


def judge(cases: Sequence[Case]) -> dict[str, list[Finding]]:
    """Given the cases of all services, return their findings by service; what follows from another is folded."""
    trouble = find_roots(cases)
    return {
        case.observed.name: [fold(case, finding, trouble) for rule in RULES for finding in rule(case)] for case in cases
    }


def judge_host(snapshot: Snapshot, policy: Policy) -> list[Finding]:
    """Given what is on the host, return the findings that are about no single service."""
    return [finding for rule in HOST_RULES for finding in rule(snapshot, policy)]


def find_roots(cases: Sequence[Case]) -> Trouble:
    """Given the cases, return what each trouble begins with."""
    graph = {case.observed.name: case.observed.service.depends_on for case in cases}
    down = {case.observed.name: case for case in cases if is_down(case)}
    leaders = {name: [down[other] for other in needs(graph, name) if other in down] for name in down}
    along = frozenset(name for name, case in down.items() if went_along(case, leaders[name]))
    return Trouble({name: sorted(needs(graph, name) & (set(down) - along)) for name in graph}, along)


def is_down(case: Case) -> bool:
    """Return whether a service that should run does not. One that runs and fails at something is not down."""
    status, _message = state_verdict(case)
    return case.observed.alive is False and status == CRITICAL


def went_along(case: Case, leaders: Sequence[Case]) -> bool:
    """Return whether a service does not run because one that it needs does not, by what their manager says: it was
    stopped together with it, or not started for want of it. Whatever ended with an error of its own did not.
    """
    unit = case.observed.unit
    if unit is None or unit.load != "loaded":
        return False
    if unit.manager == "windows" and unit.exit_code and unit.exit_status == NEED_FAILED:
        return bool(leaders)
    if describe_exit(unit):
        return False
    units = [leader.observed.unit for leader in leaders if leader.observed.unit is not None]
    tied = [leader for leader in units if {unit.id, *unit.names} & set(leader.stops_with)]
    return any(not unit.started or unit.changed >= leader.changed - TOGETHER for leader in tied)


def fold(case: Case, finding: Finding, trouble: Trouble) -> Finding:
    """Return a finding; one that only follows from a service that is down is skipped and names that one's finding."""
    above = trouble.roots[case.observed.name]
    if not above or finding.status not in (WARNING, CRITICAL) or not _follows(case, finding, trouble):
        return finding
    text = f"{finding.message} ({finding.status}, as a consequence: {', '.join(above)} is down and this depends on it)"
    root = f"services.state {above[0]}"
    return replace(finding, status=SKIPPED, message=text, remedy=f"Look at {above[0]} first.", consequence_of=root)


def _follows(case: Case, finding: Finding, trouble: Trouble) -> bool:
    """Return whether nothing of the service itself explains a finding, nor a stranger on its port."""
    if finding.check == "services.state":
        return case.observed.name in trouble.along
    if case.observed.alive is not True or case.restarts.count >= case.policy.restarts_warn:
        return False
    if finding.check == "services.http":
        return True
    proto, _space, port = str(finding.expected).partition(" ")
    return finding.check == "services.port_owner" and not case.snapshot.listeners(int(port), proto)
