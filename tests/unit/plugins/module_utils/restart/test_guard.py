# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What trading has to say about a restart: whom it concerns, who must not be stopped, who is known to be stopped."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.guard import concerns, is_stopped, protected
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import Before, Situation, Survey
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.declared import Endpoint, read_endpoint

from ..services.builders import make_observed, make_snapshot, make_unit

SERVICES = declare([{"name": "auth", "unit": "auth"}, {"name": "trade", "unit": "trade"}])
DEFAULTS = {name: option.get("default") for name, option in OPTIONS.items()}
DOWN = {"unit": make_unit(active="inactive", sub="dead", main_pid=0), "main": None}


def _endpoint(service: str = "trade", url: str = "http://127.0.0.1:8004") -> Endpoint:
    return read_endpoint({**DEFAULTS, "service": service}, url)


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
