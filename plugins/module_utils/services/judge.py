# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All rules about services, and the root of a trouble that several services share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from ..finding import CRITICAL, OK, SKIPPED, Finding
from .case import Case
from .observed import Snapshot
from .order import needs
from .policy import Policy
from .rules_network import judge_bind, judge_certificate, judge_health, judge_latency, judge_ports
from .rules_process import judge_memory, judge_open_files, judge_port_drift, judge_restart_pending
from .rules_state import judge_daemon_reload, judge_enabled, judge_pid_file, judge_restarts, judge_state
from .rules_units import judge_expected_units, judge_patterns

RULES: tuple[Callable[[Case], Iterable[Finding]], ...] = (
    judge_state,
    judge_pid_file,
    judge_enabled,
    judge_restarts,
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

# A service that fails one of these is down, and whatever depends on it suffers.
VITAL = ("services.state", "services.port_owner", "services.http")


def judge(cases: Sequence[Case]) -> dict[str, list[Finding]]:
    """Given the cases of all services, return their findings by service, the shared root of a trouble named."""
    findings = {case.observed.name: [f for rule in RULES for f in rule(case)] for case in cases}
    roots = find_roots({case.observed.name: case.observed.service.depends_on for case in cases}, findings)
    return {name: [_with_root(finding, roots[name]) for finding in found] for name, found in findings.items()}


def judge_host(snapshot: Snapshot, policy: Policy) -> list[Finding]:
    """Given what is on the host, return the findings that are about no single service."""
    return [finding for rule in HOST_RULES for finding in rule(snapshot, policy)]


def find_roots(graph: Mapping[str, Sequence[str]], findings: Mapping[str, Sequence[Finding]]) -> dict[str, list[str]]:
    """Given who depends on whom and the findings by service, return for each service those that it depends on, that are
    down themselves, and that depend on nothing that is down.
    """
    down = {name for name, found in findings.items() if any(f.check in VITAL and f.status == CRITICAL for f in found)}
    first = {name for name in down if not needs(graph, name) & down}
    return {name: sorted(needs(graph, name) & first) for name in graph}


def _with_root(finding: Finding, roots: Sequence[str]) -> Finding:
    """Say in a finding of a dependent service where to look first. Its status stays: it is what it is."""
    if not roots or finding.status in (OK, SKIPPED) or finding.check not in VITAL:
        return finding
    first = ", ".join(roots)
    return replace(finding, message=f"{finding.message} (suppressed by {first}: it is down and this depends on it)")
