# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the trade service says of its orders and of its dry-run flag."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.parse import (
    Order,
    kind_of,
    normal,
    parse_flag,
    parse_orders,
)

URL = "http://127.0.0.1:8004/api/trades/orders"
OPEN = {"id": "o-1", "status": "open"}

SPELLINGS = [
    ("PENDING", "in_flight"),
    ("open", "in_flight"),
    ("Open", "in_flight"),
    ("PARTIALLY_FILLED", "in_flight"),
    ("partially_filled", "in_flight"),
    ("partially-filled", "in_flight"),
    ("PartiallyFilled", "in_flight"),
    ("OrderStatus.PARTIALLY_FILLED", "in_flight"),
    ("TradeStatus.open", "in_flight"),
    ("NEW", "in_flight"),
    ("PENDING_CANCEL", "in_flight"),
    ("FILLED", "final"),
    ("filled", "final"),
    ("CANCELLED", "final"),
    ("canceled", "final"),
    ("REJECTED", "final"),
    ("expired", "final"),
    ("closed", "final"),
    ("SUSPENDED", "unknown"),
    ("", "unknown"),
]

BODIES = [
    ([], [], ""),
    ([OPEN], ["o-1"], ""),
    ({"orders": [OPEN]}, ["o-1"], ""),
    ({"items": [OPEN], "total": 1}, ["o-1"], ""),
    ({"data": [OPEN], "has_more": False, "next": None}, ["o-1"], ""),
    ({"results": [{"order_id": 7, "status": "open"}]}, ["7"], ""),
    ([{"status": "open"}], ["without id"], ""),
    ({"orders": [OPEN], "total": 3}, ["o-1"], "lists 1 of 3 orders"),
    ({"orders": [], "count": 2}, [], "lists 0 of 2 orders"),
    ({"orders": [], "next": "/orders?page=2"}, [], "one page of several (next)"),
    ({"orders": [], "has_more": True}, [], "one page of several (has_more)"),
    ({"orders": [], "page": 1, "pages": 4}, [], "one page of 4"),
    ([{"id": str(n), "status": "filled"} for n in range(100)], [str(n) for n in range(100)], "first page of more"),
    ([{"id": str(n), "status": "filled"} for n in range(99)], [str(n) for n in range(99)], ""),
]

GARBAGE = [
    "",
    "<html>502 Bad Gateway</html>",
    "null",
    "42",
    '"open"',
    '{"detail": "Not Found"}',
    '{"orders": {"o-1": "open"}}',
    '["o-1"]',
    '{"orders": null}',
    "[{]",
]

FLAGS = [('{"dry_run": true}', True), ('{"dry_run": false}', False), ("true", True)]
NO_FLAGS = ["", "{}", '{"dry_run": "true"}', '{"dry_run": null}', '{"dry_run": 1}', "[]", "yes"]


@pytest.mark.parametrize(("state", "kind"), SPELLINGS)
def test_a_state_is_known_in_any_spelling(state, kind):
    assert kind_of(Order("o", state), (), ()) == kind


def test_further_states_can_be_declared():
    assert kind_of(Order("o", "suspended"), ["SUSPENDED"], ()) == "in_flight"
    assert kind_of(Order("o", "Settled"), (), ["settled"]) == "final"


@pytest.mark.parametrize(("document", "ids", "incomplete"), BODIES)
def test_a_list_of_orders_is_read_in_the_usual_shapes(document, ids, incomplete):
    orders = parse_orders(URL, json.dumps(document), items=None, state_field="status")
    assert [order.id for order in orders.listed] == ids
    assert incomplete in orders.incomplete if incomplete else orders.incomplete == ""


def test_a_list_in_an_unusual_place_is_found_by_its_path():
    body = json.dumps({"payload": {"open": [{"id": "o-1", "state": "open"}]}})
    orders = parse_orders(URL, body, items="payload.open", state_field="state")
    assert orders.listed == (Order("o-1", "open"),)
    with pytest.raises(ParseError, match="expected a list of orders"):
        parse_orders(URL, body, items="payload.closed", state_field="state")


@pytest.mark.parametrize("body", GARBAGE)
def test_anything_else_is_an_error_and_never_no_orders(body):
    with pytest.raises(ParseError, match=URL):
        parse_orders(URL, body, items=None, state_field="status")


@pytest.mark.parametrize(("body", "flag"), FLAGS)
def test_the_flag_is_read(body, flag):
    assert parse_flag(URL, body, "dry_run") is flag


@pytest.mark.parametrize("body", NO_FLAGS)
def test_anything_but_true_or_false_is_no_flag(body):
    with pytest.raises(ParseError):
        parse_flag(URL, body, "dry_run")


@given(st.text())
def test_any_body_is_either_a_list_of_orders_or_a_parse_error(body):
    with suppress(ParseError):
        parse_orders(URL, body, items=None, state_field="status")


@given(st.text())
def test_spelling_a_state_twice_changes_nothing(state):
    assert normal(normal(state)) == normal(state)
