# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_check: look at every declared service of this host, and never touch one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..finding import CRITICAL, SKIPPED, UNKNOWN, WARNING, Finding, Result
from ..host import Host
from ..memory import recall, remember
from ..registry import Rules
from . import rules_host, rules_network, rules_process, rules_starts, rules_state
from .collect import COLLECTORS, collect_snapshot, read_marker
from .context import Context, HostContext
from .declared import Policy, Service, declare, read_policy
from .history import measure_growth, remember_service
from .lastwords import quote_errors
from .model import Observation, Snapshot
from .report import service_metrics, service_record
from .restarts import count_restarts
from .roots import Trouble, find_roots, fold

MEMORY, RESTART = "services", "restart"  # what earlier runs of either area have left
RULES = Rules(rules_state.RULES, rules_starts.RULES, rules_network.RULES, rules_process.RULES, rules_host.RULES)
PLATFORM = RULES.check(
    "services.platform",
    "The services of this platform can be looked at.",
    procedure="D1.2",
    remedy="Look at the services of this host with its own tools.",
    source="unknown is never ok: a platform that cannot be looked at is not a healthy one",
)
VITAL = RULES.vital  # what a service must be well in before a restart of it has succeeded


class Inputs(NamedTuple):
    """What a look at the services goes by: what is declared, what is demanded, what is remembered.

    ``ours`` are the moments (seconds since boot) at which a maintenance run started a service anew.
    """

    services: tuple[Service, ...]
    policy: Policy
    memory: Mapping[str, Any]
    ours: Mapping[str, Sequence[float]]

    def contexts(self, snapshot: Snapshot) -> list[Context]:
        """Given what is seen, return what the rules get of each service."""
        return [self._context(snapshot, observed) for observed in snapshot.services]

    def _context(self, snapshot: Snapshot, observed: Observation) -> Context:
        past, ours = self.memory.get(observed.name) or {}, self.ours.get(observed.name) or ()
        restarts = count_restarts(past, observed, snapshot, self.policy.restarts_window, ours)
        return Context(observed, snapshot, self.policy, restarts, measure_growth(past, observed, snapshot))


class Judgement(NamedTuple):
    """What the rules say of all services of one snapshot: their findings by name, and what each trouble begins with."""

    contexts: Sequence[Context]
    findings: dict[str, list[Finding]]
    trouble: Trouble

    @property
    def failing(self) -> bool:
        """Whether a service is not well in what is vital."""
        found = (finding for findings in self.findings.values() for finding in findings)
        return any(finding.check in VITAL and finding.status in (WARNING, CRITICAL) for finding in found)


def judge(contexts: Sequence[Context]) -> Judgement:
    """Given all services of a snapshot, return what the rules say of them; what follows from another is folded."""
    found = {context.observed.name: RULES.judge(context) for context in contexts}
    trouble = find_roots(contexts, found)
    folded = {c.observed.name: [fold(c, finding, trouble) for finding in found[c.observed.name]] for c in contexts}
    return Judgement(contexts, folded, trouble)


def judge_host(snapshot: Snapshot, policy: Policy) -> list[Finding]:
    """Given what is on the host, return the findings that are about no single service."""
    return RULES.judge(HostContext(snapshot, policy), per="host")


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of service_check, return what is found of the services. Raise InputError before looking."""
    inputs = prepare(params, host.platform)
    if host.platform not in COLLECTORS:
        return Result([_not_supported(host)])
    snapshot, judgement = collect_patiently(host, inputs, retries=params["retries"], delay=params["delay"])
    result = _result(host, judgement, judge_host(snapshot, inputs.policy))
    result.findings = rules_host.apply_marker(read_marker(host, params["state_dir"]), snapshot.now, result.findings)
    if not check_mode:
        result.data["remembered"] = remember(params["state_dir"], MEMORY, remembered(inputs.memory, snapshot))
    return result


def prepare(params: Mapping[str, Any], platform: str) -> Inputs:
    """Given the options and the platform, return what to go by. Raise InputError naming the option that is wrong."""
    state_dir = params["state_dir"]
    ours = recall(state_dir, RESTART).get("begins") or {}
    return Inputs(declare(params["services"], platform), read_policy(params, platform), recall(state_dir, MEMORY), ours)


def _not_supported(host: Host) -> Finding:
    text = f"the services of a {host.platform} host cannot be looked at by this release"
    return PLATFORM.finding(UNKNOWN, host.name(), text, expected=sorted(COLLECTORS))


def collect_patiently(host: Host, inputs: Inputs, *, retries: int, delay: float) -> tuple[Snapshot, Judgement]:
    """Look until no service is down, at most ``retries`` times more: one that is just being restarted is no alarm.

    Return the last look, and what is said of it: each look is judged once.
    """
    patterns = [pattern.pattern for pattern in inputs.policy.patterns]
    while True:
        snapshot = collect_snapshot(host, inputs.services, patterns, inputs.policy.restarts_window)
        judgement = judge(inputs.contexts(snapshot))
        if retries <= 0 or not judgement.failing:
            return snapshot, judgement
        retries -= 1
        host.pause(delay)


def remembered(memory: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """Given what is remembered and what is seen, return what to remember; services not looked at keep their memory."""
    available = [observed for observed in snapshot.services if not observed.unavailable]
    return {**memory, **{o.name: remember_service(memory.get(o.name) or {}, o, snapshot) for o in available}}


def _result(host: Host, judgement: Judgement, about_host: Sequence[Finding]) -> Result:
    contexts, roots = judgement.contexts, judgement.trouble.roots
    findings = quote_errors(host, contexts, judgement.findings)
    # what a trouble begins with comes first
    ordered = sorted(contexts, key=lambda context: bool(roots[context.observed.name]))
    records = [service_record(context, findings[context.observed.name]) for context in ordered]
    about_services = [finding for context in ordered for finding in findings[context.observed.name]]
    metrics = [metric for context in ordered for metric in service_metrics(context)]
    if not contexts:
        text = "no service is declared"
        about_services = [RULES["services.state"].finding(SKIPPED, host.name(), text, remedy="None needed.")]
    return Result([*about_services, *about_host], metrics, data={"services": records})
