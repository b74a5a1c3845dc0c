# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What trading has to say about a restart: whether the trade service may be stopped, and who answers in its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Optional

from ..host import Host
from ..processes.collect import account_of
from ..services.collect import collect_with_sockets
from ..services.declared import Service
from ..trading.crew import PortSnapshot
from ..trading.declared import Endpoint
from ..trading.guard import Observe, Trading, collect_trading, guard, refusal
from .model import RestartPlan, Survey


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
    (observed,) = snapshot.services
    uid = account_of(host, observed.processes[0].pid) if len(observed.processes) == 1 else None
    pid_file = observed.pid_file
    unavailable = snapshot.sockets_unavailable or observed.unavailable or (pid_file.unavailable if pid_file else "")
    return PortSnapshot(
        observed.processes, snapshot.sockets, unavailable, snapshot.processes, uid, host.platform == "windows"
    )


def ask_trading(
    host: Host, survey: Survey, wanted: RestartPlan, endpoint: Endpoint, *, check_mode: bool
) -> tuple[Optional[Trading], str]:
    """Return what is known of trading and why the trade service must not be stopped; None: the plan does not touch it.

    Check mode does not wait for orders: it plans what a run would do once they are done. It looks at the trade service
    of this host in any case: whether that trades for real is no less worth knowing where nothing is to be restarted.
    """
    stopped, observe = is_stopped(survey, endpoint), observer_of(host, survey, endpoint)
    if not concerns(survey, endpoint, wanted.restarted):
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


def guard_of(host: Host, survey: Survey, endpoint: Endpoint) -> Callable[[Sequence[str]], str]:
    """Return the question that is put again right before a group is stopped: an order may have come in meanwhile."""

    def ask(group: Sequence[str]) -> str:
        if not concerns(survey, endpoint, group):
            return ""
        return guard(host, endpoint, observer_of(host, survey, endpoint), stopped=is_stopped(survey, endpoint))[1]

    return ask
