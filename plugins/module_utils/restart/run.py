# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_restart: restart what needs it, in dependency order, only when trading is safe; leave running what ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Optional

from ..finding import UNKNOWN, Finding, Result
from ..host import Host
from ..lock import host_lock
from ..memory import recall, remember
from ..processes.collect import account_of
from ..registry import Rules
from ..services.collect import COLLECTORS, collect_with_sockets
from ..services.declared import Service, declare
from ..trading.crew import PortSnapshot
from ..trading.declared import Endpoint, read_endpoint
from ..trading.guard import Observe, Trading, collect_trading, guard, refusal
from ..trading.rules_trading import RULES as TRADING
from .act import carry_out
from .declared import Options, default_url, read_options
from .gather import take_survey
from .model import Progress, RestartPlan, Survey
from .plan import make_plan
from .report import report
from .rules_restart import RULES as RESTART
from .settled import measure_settled
from .stage import Stage

RULES = Rules(RESTART, TRADING)
PLATFORM = RULES.check(
    "restart.platform",
    "The services of this platform can be restarted.",
    procedure="W1.4",
    remedy="Restart the services of this host with its own tools.",
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
    survey = take_survey(host, params, services, options)
    wish = make_plan(survey.situation, options, {})
    trading, obstacle = ask_trading(host, survey, wish, endpoint, check_mode=check_mode)
    plan = make_plan(survey.situation, options, protected(survey, endpoint, obstacle))
    if check_mode:
        return report(survey, plan, Progress([step.planned() for step in plan.steps]), endpoint, trading, None)
    asks = _guard(host, survey, endpoint)
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


def concerns(survey: Survey, endpoint: Endpoint, names: Sequence[str]) -> bool:
    """Return whether stopping these services touches the trade service: it is among them, or it is asked elsewhere by a
    declared URL and may need any of them.
    """
    declared = {service.name for service in survey.situation.services}
    return endpoint.service in names if endpoint.service in declared else bool(endpoint.url and names)


def is_stopped(survey: Survey, endpoint: Endpoint) -> bool:
    """Return whether the trade service is known not to run."""
    return any(s.name == endpoint.service and s.alive is False for s in survey.before.snapshot.services)


def observer_of(host: Host, survey: Survey, endpoint: Endpoint) -> Observe:
    """Return what observes which processes answer in the name of the trade service, anew each time."""
    declared = {service.name: service for service in survey.situation.services}
    return partial(_snapshot, host, declared[endpoint.service]) if endpoint.service in declared else PortSnapshot


def _snapshot(host: Host, service: Service) -> PortSnapshot:
    snapshot = collect_with_sockets(host, service)
    (seen,) = snapshot.services
    uid = account_of(host, seen.processes[0].pid) if len(seen.processes) == 1 else None
    problem = snapshot.sockets_unavailable or seen.unavailable or (seen.pid_file.unavailable if seen.pid_file else "")
    return PortSnapshot(seen.processes, snapshot.sockets, problem, snapshot.processes, uid, host.platform == "windows")


def ask_trading(
    host: Host, survey: Survey, wish: RestartPlan, endpoint: Endpoint, *, check_mode: bool
) -> tuple[Optional[Trading], str]:
    """Return what is known of trading and why the trade service must not be stopped; None: the plan does not touch it.

    Check mode does not wait for orders: it plans what a run would do once they are done. It looks at the trade service
    of this host in any case: whether that trades for real is no less worth knowing where nothing is to be restarted.
    """
    stopped, observe = is_stopped(survey, endpoint), observer_of(host, survey, endpoint)
    if not concerns(survey, endpoint, wish.restarted):
        here = any(service.name == endpoint.service for service in survey.situation.services)
        return (collect_trading(host, endpoint, observe, stopped=stopped) if check_mode and here else None), ""
    if not check_mode:
        return guard(host, endpoint, observe, stopped=stopped)
    trading = collect_trading(host, endpoint, observe, stopped=stopped)
    waits = endpoint.when_orders == "wait" and trading.in_flight
    return trading, "" if waits else refusal(trading, endpoint)


def protected(survey: Survey, endpoint: Endpoint, obstacle: str) -> dict[str, str]:
    """Given why trading must not be disturbed, return the services that must not be stopped, with the reason."""
    if not obstacle:
        return {}
    names = [service.name for service in survey.situation.services]
    return dict.fromkeys([endpoint.service] if endpoint.service in names else names, obstacle)


def _guard(host: Host, survey: Survey, endpoint: Endpoint) -> Any:
    """Return the question that is put again right before a group is stopped: an order may have come in meanwhile."""

    def ask(group: Sequence[str]) -> str:
        if not concerns(survey, endpoint, group):
            return ""
        return guard(host, endpoint, observer_of(host, survey, endpoint), stopped=is_stopped(survey, endpoint))[1]

    return ask


def remember_begins(state_dir: str, progress: Progress) -> None:
    """Remember which processes this run started, so that service_check does not take them for crashes."""
    begins = recall(state_dir, "restart").get("begins") or {}
    for name, passage in progress.passages.items():
        if passage.began is not None:
            begins[name] = [*(begins.get(name) or []), passage.began][-KEEP_BEGINS:]
    if progress.passages:
        remember(state_dir, "restart", {"begins": begins})
