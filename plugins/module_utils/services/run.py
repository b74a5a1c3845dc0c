# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_check: look at every declared service of this host, and never touch one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..finding import CRITICAL, SKIPPED, UNKNOWN, WARNING, Finding, Result
from ..host import Host
from ..memory import recall, remember
from .case import Case
from .checks import CHECKS
from .declared import Service, declare
from .gather import GATHERERS, Gatherer
from .history import measure_growth, remember_service
from .judge import VITAL, find_roots, judge, judge_host
from .lastwords import quote_errors
from .maintenance import apply_marker, read_marker
from .observed import Observed, Snapshot
from .policy import Policy, read_policy
from .report import service_metrics, service_record
from .restarts import count_restarts

NOUN, RESTART = "services", "restart"


@dataclass(frozen=True)
class Look:
    """What a look at the services goes by: what is declared, what is demanded, what is remembered.

    ``ours`` are the moments (seconds since boot) at which a maintenance run started a service anew.
    """

    services: tuple[Service, ...]
    policy: Policy
    memory: Mapping[str, Any]
    ours: Mapping[str, Sequence[float]]

    def cases(self, snapshot: Snapshot) -> list[Case]:
        """Given what is seen, return one case per service."""
        return [self._case(snapshot, observed) for observed in snapshot.services]

    def _case(self, snapshot: Snapshot, observed: Observed) -> Case:
        past, ours = self.memory.get(observed.name) or {}, self.ours.get(observed.name) or ()
        restarts = count_restarts(past, observed, snapshot, self.policy.restarts_window, ours)
        return Case(observed, snapshot, self.policy, restarts, measure_growth(past, observed, snapshot))


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of service_check, return what is found of the services. Raise InputError before looking."""
    look = prepare(params, host.platform)
    gather = GATHERERS.get(host.platform)
    if gather is None:
        return Result([_no_gatherer(host)])
    snapshot = gather_patiently(host, gather, look, retries=params["retries"], delay=params["delay"])
    result = _result(host, look.cases(snapshot), snapshot, look.policy)
    result.findings = apply_marker(read_marker(host, params["state_dir"]), snapshot.now, result.findings)
    if not check_mode:
        result.data["remembered"] = remember(params["state_dir"], NOUN, remembered(look.memory, snapshot))
    return result


def prepare(params: Mapping[str, Any], platform: str) -> Look:
    """Given the options and the platform, return what to go by. Raise InputError naming the option that is wrong."""
    state_dir = params["state_dir"]
    ours = recall(state_dir, RESTART).get("begins") or {}
    return Look(declare(params["services"], platform), read_policy(params, platform), recall(state_dir, NOUN), ours)


def _no_gatherer(host: Host) -> Finding:
    text = f"the services of a {host.platform} host cannot be looked at by this release"
    return CHECKS["services.platform"].finding(UNKNOWN, host.name(), text, expected=sorted(GATHERERS))


def gather_patiently(host: Host, gather: Gatherer, look: Look, *, retries: int, delay: float) -> Snapshot:
    """Look until no service is down, at most ``retries`` times more: one that is just being restarted is no alarm."""
    patterns = [pattern.pattern for pattern in look.policy.patterns]
    snapshot = gather(host, look.services, patterns, look.policy.restarts_window)
    for _attempt in range(retries):
        if not _down(look.cases(snapshot)):
            break
        host.pause(delay)
        snapshot = gather(host, look.services, patterns, look.policy.restarts_window)
    return snapshot


def _down(cases: Sequence[Case]) -> bool:
    found = (finding for findings in judge(cases).values() for finding in findings)
    return any(finding.check in VITAL and finding.status in (WARNING, CRITICAL) for finding in found)


def remembered(memory: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """Given what is remembered and what is seen, return what to remember; services not looked at keep their memory."""
    seen = {o.name: remember_service(memory.get(o.name) or {}, o, snapshot) for o in snapshot.services if not o.blind}
    return {**memory, **seen}


def _result(host: Host, cases: Sequence[Case], snapshot: Snapshot, policy: Policy) -> Result:
    findings = quote_errors(host, cases, judge(cases))
    roots = find_roots(cases).roots
    ordered = sorted(cases, key=lambda case: bool(roots[case.observed.name]))  # what a trouble begins with comes first
    records = [service_record(case, findings[case.observed.name]) for case in ordered]
    about_services = [finding for case in ordered for finding in findings[case.observed.name]]
    metrics = [metric for case in ordered for metric in service_metrics(case)]
    if not cases:
        text = "no service is declared"
        about_services = [CHECKS["services.state"].finding(SKIPPED, host.name(), text, remedy="None needed.")]
    return Result([*about_services, *judge_host(snapshot, policy)], metrics, data={"services": records})
