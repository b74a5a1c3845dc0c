# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_restart: restart what needs it, in dependency order, only when trading is safe; leave running what ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..finding import CRITICAL, DONE, NOT_DONE, PLANNED, UNKNOWN, Action, Finding, Result
from ..host import Host
from ..lock import host_lock
from ..memory import recall, remember
from ..registry import Rules
from ..restores import WAY_ON, half_done
from ..services.collect import COLLECTORS
from ..services.declared import Service, declare
from ..trading.declared import Endpoint, read_endpoint
from ..trading.guard import Trading, collect_trading
from ..trading.rules_trading import RULES as TRADING
from ..trading.rules_trading import TradingContext
from .act import carry_out
from .collect import collect_survey
from .declared import Options, default_url, read_options
from .guard import ask_trading, guard_of, observer_of, protected
from .model import Progress, RestartPlan, Survey
from .plan import make_plan
from .rules_restart import RULES as RESTART
from .rules_restart import RestartContext, metrics_of, records_of
from .settled import measure_settled
from .stage import Stage

RULES = Rules(RESTART, TRADING)
PLATFORM = RULES.check(
    "restart.platform",
    "The services of this platform can be restarted.",
    procedure="W1.4",
    remedy="Restart the services of this host with its own tools.",
)
RESTORING = RULES.check(
    "restart.restoring",
    "No restore of this host is half done: until then its services are held down, and nothing restarts the others.",
    procedure="W1.4",
    remedy=WAY_ON,
)
LOCK_NAME = "W1.4 service_restart"
KEEP_BEGINS = 10


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of service_restart, return what was done, or in check mode what would be.

    Raise InputError before anything is looked at, LockHeld where another maintenance run is at work.
    """
    services = declare(params["services"], host.platform)
    names = tuple(service.name for service in services)
    options = read_options(params, names)
    endpoint = read_endpoint(params["trading"], default_url(services, params["trading"]["service"]), names)
    if host.platform not in COLLECTORS:
        return Result([_not_supported(host)])
    why = half_done(params["state_dir"])
    if why:
        text = f"nothing is restarted, because {why}"
        finding = RESTORING.finding(CRITICAL, host.name(), text, expected="no restore that is half done")
        return Result([finding], data={"restart": []})
    if check_mode:
        return _run(params, host, services, options, endpoint, check_mode=True)
    with host_lock(params["state_dir"], LOCK_NAME, host):
        return _run(params, host, services, options, endpoint, check_mode=False)


def _not_supported(host: Host) -> Finding:
    text = f"the services of a {host.platform} host cannot be restarted by this release"
    return PLATFORM.finding(UNKNOWN, host.name(), text, expected=sorted(COLLECTORS))


def _run(
    params: Mapping[str, Any],
    host: Host,
    services: Sequence[Service],
    options: Options,
    endpoint: Endpoint,
    *,
    check_mode: bool,
) -> Result:
    survey = collect_survey(host, params, services, options)
    plan = make_plan(survey.situation, options, {})
    trading, obstacle = ask_trading(host, survey, plan, endpoint, check_mode=check_mode)
    if obstacle:
        plan = make_plan(survey.situation, options, protected(survey, endpoint, obstacle))
    if check_mode:
        return report(survey, plan, Progress([step.planned() for step in plan.steps]), endpoint, trading, None)
    asks = guard_of(host, survey, endpoint)
    stage = Stage(host, options, survey.situation, survey.before, asks, params["state_dir"], survey.record)
    progress = carry_out(stage, plan)
    remember_begins(params["state_dir"], progress)
    if not progress.failures:
        measure_settled(host, survey.situation, progress)
    after = (
        collect_trading(host, endpoint, observer_of(host, survey, endpoint), stopped=False)
        if endpoint.service in progress.passages
        else None
    )
    return report(survey, plan, progress, endpoint, trading, after)


def remember_begins(state_dir: str, progress: Progress) -> None:
    """Remember which processes this run started, so that service_check does not take them for crashes."""
    begins = recall(state_dir, "restart").get("begins") or {}
    for name, passage in progress.passages.items():
        if passage.began is not None:
            begins[name] = [*(begins.get(name) or []), passage.began][-KEEP_BEGINS:]
    if progress.passages:
        remember(state_dir, "restart", {"begins": begins})


def report(
    survey: Survey,
    plan: RestartPlan,
    progress: Progress,
    endpoint: Endpoint,
    trading: Optional[Trading],
    after: Optional[Trading],
) -> Result:
    """Given everything that is known at the end, return the result."""
    findings = RESTART.judge(RestartContext(survey, plan, progress))
    if trading is not None:
        findings += TRADING.judge(TradingContext(trading, endpoint, after))
    not_done = {**plan.left, **plan.refused}
    return Result(
        findings=findings,
        metrics=metrics_of(survey, progress),
        actions=[*progress.actions, *(Action("restart", name, NOT_DONE, why) for name, why in not_done.items())],
        data={"restart": records_of(survey, plan, progress)},
        changed=any(action.state in (PLANNED, DONE) for action in progress.actions),
        failure="; ".join(progress.failures),
    )
