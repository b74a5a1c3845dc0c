# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each service answers, without a socket: the table that decides whether probes and guards are tried honestly."""

from __future__ import annotations

import json
import re

import pytest
from cryptobot_demo.catalog import SERVICES
from cryptobot_demo.endpoints import Application, answer
from cryptobot_demo.http_types import Request
from cryptobot_demo.layout import install
from cryptobot_demo.orders import OrderBook, load_orders

# service, path, status, something that the body must hold
ANSWERS = (
    ("auth", "/", 307, ""),
    ("auth", "/docs", 200, "<!DOCTYPE html>"),
    ("auth", "/health", 200, '"status":"healthy"'),
    ("auth", "/metrics", 404, "Not Found"),
    ("data", "/", 200, '"message"'),
    ("data", "/health", 404, "Not Found"),
    ("data", "/metrics", 200, "python_info"),
    ("data", "/api/v1/data/ohlcv/kraken/BTC-USD/1h", 200, '"close":100.5'),
    ("data", "/api/v1/data/ohlcv/kraken/BTC-USD/9z", 400, "Unsupported timeframe: 9z"),
    ("strategy", "/", 404, "Not Found"),
    ("strategy", "/health", 200, '"status":"healthy"'),
    ("strategy", "/metrics", 200, "python_info"),
    ("strategy", "/api/strategies/", 200, '"name":"grid"'),
    ("backtest", "/", 200, '"message"'),
    ("backtest", "/health", 404, "Not Found"),
    ("backtest", "/metrics", 200, "python_info"),
    ("backtest", "/info", 404, "Not Found"),
    ("backtest", "/api/backtest/status", 200, '"running":0'),
    ("trade", "/", 404, "Not Found"),
    ("trade", "/health", 404, "Not Found"),
    ("trade", "/metrics", 200, "python_info"),
    ("trade", "/api/v1/settings/dry_run", 200, '{"dry_run":true}'),
    ("trade", "/api/trades/orders", 405, "Method Not Allowed"),
)

ORDERS = [
    {
        "id": name,
        "exchange": "binance",
        "symbol": "BTC/USDT",
        "side": "buy",
        "status": status,
        "created_at": "2026-11-22",
    }
    for name, status in (
        ("a", "PENDING"),
        ("b", "OPEN"),
        ("c", "PARTIALLY_FILLED"),
        ("d", "FILLED"),
        ("e", "CANCELLED"),
        ("f", "REJECTED"),
    )
]

# query, ids of the orders that it must return
ORDER_QUERIES = (
    ({"status": "open"}, "abc"),
    ({"status": "filled"}, "d"),
    ({"status": "PARTIALLY_FILLED"}, "c"),
    ({}, "abcdef"),
)

# content of orders.json, what the refusal must name
BROKEN_ORDERS = (
    ('[{"id": "a"}]', "order 0 lacks ['exchange', 'symbol', 'side', 'status', 'created_at']"),
    (json.dumps([{**ORDERS[0], "status": "LOST"}]), "order 0 lacks a known status"),
    ("[{", "Expecting"),
)


@pytest.fixture(scope="module")
def install_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("endpoints") / "cryptobot"
    install(path, size="small")
    return path


def get(app, path, **query):
    return answer(app, Request("GET", path, query))[1]


@pytest.mark.parametrize(("service", "path", "status", "needle"), ANSWERS)
def test_each_service_answers_as_the_real_one(install_dir, service, path, status, needle):
    response = get(Application(SERVICES[service], install_dir), path)
    assert response.status == status
    assert needle in response.body.decode()


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_the_probe_of_every_service_answers_200(install_dir, service):
    assert get(Application(service, install_dir), service.probe).status == 200


@pytest.mark.parametrize("service", SERVICES.values(), ids=str)
def test_a_wedged_service_answers_500_on_its_probe_only(tmp_path, service):
    app = Application(service, tmp_path)
    app.wedge_file.parent.mkdir()
    app.wedge_file.touch()
    assert get(app, service.probe).status == 500
    assert get(app, "/nothing").status == 404


def test_only_active_strategies_are_shown_on_request(install_dir):
    app = Application(SERVICES["strategy"], install_dir)
    names = [row["name"] for row in json.loads(get(app, "/api/strategies/", active_only="true").body)]
    assert names == ["mean_reversion", "momentum", "breakout_reset"]


def test_a_lost_database_is_an_error_and_not_an_empty_list(tmp_path):
    assert get(Application(SERVICES["strategy"], tmp_path), "/api/strategies/").status == 500


@pytest.mark.parametrize(("query", "ids"), ORDER_QUERIES)
def test_orders_are_found_by_status(tmp_path, query, ids):
    app = Application(SERVICES["trade"], tmp_path, orders=OrderBook(ORDERS))
    assert [order["id"] for order in json.loads(get(app, "/api/trades/orders", **query).body)] == list(ids)


def test_an_unknown_order_status_is_refused_by_name(tmp_path):
    response = get(Application(SERVICES["trade"], tmp_path, orders=OrderBook([])), "/api/trades/orders", status="opne")
    assert response.status == 422
    assert "'opne'" in response.body.decode()


@pytest.mark.parametrize(("text", "needle"), BROKEN_ORDERS)
def test_a_broken_seed_of_orders_is_refused(tmp_path, text, needle):
    (tmp_path / "orders.json").write_text(text)
    with pytest.raises(ValueError, match=re.escape(needle)):
        load_orders(tmp_path / "orders.json")


@pytest.mark.case("SV19", "L13a")
def test_trade_takes_orders_of_its_users_and_lists_them_to_nobody(tmp_path):
    """As in the real application: GET is 405, POST wants somebody who is logged in."""
    app = Application(SERVICES["trade"], tmp_path, orders=load_orders(tmp_path / "orders.json"))
    path = "/api/trades/orders"
    assert get(app, path, status="open").status == 405
    assert answer(app, Request("POST", path, body=b"{}"))[1].status == 401


def test_dry_run_is_set_by_whoever_asks_and_only_to_a_boolean(tmp_path):
    app = Application(SERVICES["trade"], tmp_path)
    path = "/api/v1/settings/dry_run"
    assert answer(app, Request("PUT", path, body=b'{"dry_run": false}'))[1].body == b'{"dry_run":false}'
    assert answer(app, Request("PUT", path, body=b'{"dry_run": "no"}'))[1].status == 422
    assert app.dry_run is False


def test_a_known_path_with_another_method_is_405(tmp_path):
    assert answer(Application(SERVICES["data"], tmp_path), Request("DELETE", "/"))[1].status == 405
