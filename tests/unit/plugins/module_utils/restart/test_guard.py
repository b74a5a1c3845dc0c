# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What trading has to say about a restart: whom it concerns, who must not be stopped, who is known to be stopped."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import guard as guard_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.guard import (
    ask_trading,
    concerns,
    is_stopped,
    observer_of,
    protected,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import (
    Before,
    RestartPlan,
    Situation,
    Survey,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.declared import Endpoint, read_endpoint
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.guard import Trading

from ..services.builders import make_observed, make_process, make_snapshot, make_unit

SERVICES = declare([{"name": "auth", "unit": "auth"}, {"name": "trade", "unit": "trade"}])
DEFAULTS = {name: option.get("default") for name, option in OPTIONS.items()}
DOWN = {"unit": make_unit(active="inactive", sub="dead", main_pid=0), "main": None}


def _endpoint(service: str = "trade", url: str = "http://127.0.0.1:8004", **options: str) -> Endpoint:
    return read_endpoint({**DEFAULTS, "service": service, **options}, url)


def _survey(stopped: tuple[str, ...] = ()) -> Survey:
    observed = [make_observed(one, **(DOWN if one.name in stopped else {})) for one in SERVICES]
    return Survey(Situation(SERVICES), Before(make_snapshot(*observed), {}, {}), None)


# The trade service and where it is asked, who is to be stopped; whether that concerns trading.
CONCERNS = [
    (_endpoint(), ("trade",), True),
    (_endpoint(), ("auth",), False),
    (_endpoint(), (), False),
    (_endpoint("elsewhere"), ("auth",), True),
    (_endpoint("elsewhere"), (), False),
    (_endpoint("elsewhere", ""), ("auth",), False),
]


@pytest.mark.parametrize(("endpoint", "names", "does"), CONCERNS)
def test_a_stop_concerns_trading_where_it_stops_it_or_may_be_needed_by_it(
    endpoint: Endpoint, names: tuple[str, ...], does: bool
) -> None:
    assert concerns(_survey(), endpoint, names) is does


# Who is stopped; whether it is known that trade is.
STOPPED = [((), False), (("auth",), False), (("trade",), True), (("auth", "trade"), True)]


@pytest.mark.parametrize(("stopped", "known"), STOPPED)
def test_only_a_trade_service_that_is_seen_to_be_stopped_is(stopped: tuple[str, ...], known: bool) -> None:
    assert is_stopped(_survey(stopped), _endpoint()) is known


# The trade service, why it must not be disturbed; who must not be stopped.
PROTECTED = [
    ("trade", "", ()),
    ("trade", "an order is in flight", ("trade",)),
    ("elsewhere", "an order is in flight", ("auth", "trade")),  # it may need any of them
]


@pytest.mark.parametrize(("service", "obstacle", "names"), PROTECTED)
def test_an_order_protects_trade_and_where_that_is_elsewhere_all(
    service: str, obstacle: str, names: tuple[str, ...]
) -> None:
    assert protected(_survey(), _endpoint(service), obstacle) == dict.fromkeys(names, obstacle)


# Why sockets, service and pid file cannot be observed; the reason that is given.
REASONS = [
    ("", "", "", ""),
    ("no sockets", "", "", "no sockets"),
    ("no sockets", "not root", "", "no sockets"),
    ("", "not root", "", "not root"),
    ("", "not root", "no pid", "not root"),
    ("", "", "no pid", "no pid"),
]


@pytest.mark.parametrize("platform", ["linux", "windows"])
@pytest.mark.parametrize(("sockets", "service", "pid_file", "reason"), REASONS)
def test_who_answers_is_observed_with_the_first_reason_why_not(
    sockets: str, service: str, pid_file: str, reason: str, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = make_process()
    observed = SimpleNamespace(
        processes=(main,), unavailable=service, pid_file=SimpleNamespace(unavailable=pid_file) if pid_file else None
    )
    found = SimpleNamespace(services=[observed], sockets=None, sockets_unavailable=sockets, processes={main.pid: main})
    monkeypatch.setattr(guard_module, "collect_with_sockets", lambda _host, _service: found)
    monkeypatch.setattr(guard_module, "account_of", lambda _host, pid: 1000 + pid)
    snapshot = observer_of(FakeHost(platform), _survey(), _endpoint())()
    assert (snapshot.own, snapshot.unavailable, snapshot.uid) == ((main,), reason, 1000 + main.pid)
    assert snapshot.one_owner is (platform == "windows")


# What is known of the orders, what is to be done about them; why the plan of check mode would not stop trade.
FLYING = Trading(in_flight=("o-1",))
PLANNED = [
    (FLYING, "refuse", "1 order is in flight, and a restart forgets them: o-1"),
    (FLYING, "wait", ""),
    (FLYING, "proceed", ""),
    (Trading(unknown="it hangs"), "wait", "it cannot be known whether orders are in flight: it hangs"),
]


@pytest.mark.parametrize(("trading", "when_orders", "why"), PLANNED)
def test_check_mode_plans_what_a_run_would_do_once_orders_are_done(
    trading: Trading, when_orders: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "collect_trading", lambda *_given, **_how: trading)
    plan = RestartPlan(groups=(("trade",),))
    endpoint = _endpoint(when_orders=when_orders)
    assert ask_trading(FakeHost(), _survey(), plan, endpoint, check_mode=True) == (trading, why)
