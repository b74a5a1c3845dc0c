# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the trade service says of its orders and of its dry-run flag: pure functions over the bodies of its answers."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple, Optional

from ..errors import ParseError

# The engine, the API and the database spell states differently; compared are their letters only, in capitals.
IN_FLIGHT = frozenset({"PENDING", "OPEN", "PARTIALLYFILLED", "NEW", "PENDINGNEW", "PENDINGCANCEL"})
FINAL = frozenset({"FILLED", "CANCELED", "CANCELLED", "REJECTED", "EXPIRED", "CLOSED"})

_LISTS = ("orders", "items", "data", "results")  # where APIs put a list beside the marks of its pages
_MORE = ("next", "next_page", "next_cursor", "next_url", "has_more", "hasMore")
_TOTALS = ("total", "total_count", "count")
# A bare list of just such a length may be the first page of more.
_PAGE_SIZES = frozenset({10, 20, 25, 50, 100, 200, 250, 500, 1000})


class Order(NamedTuple):
    """An order as the trade service lists it: its ``id`` and its state as that service spells it (empty: none said)."""

    id: str
    state: str


class Orders(NamedTuple):
    """The orders of one answer. ``incomplete`` says why there may be more than are listed; empty: these are all."""

    listed: tuple[Order, ...]
    incomplete: str = ""


def normal(state: str) -> str:
    """Given a state in any spelling (``partially_filled``, ``PartiallyFilled``, ``OrderStatus.OPEN``), return the one
    that is compared: its letters in capitals.
    """
    return re.sub(r"[^A-Z]", "", state.rpartition(".")[2].upper())


def parse_orders(source: str, body: str, *, items: Optional[str], state_field: str) -> Orders:
    """Given the body of a list of orders, return the orders; ``items`` is the dotted path of the list, if not usual.

    Raise ParseError naming the source where it holds no list of orders.
    """
    document = _json(source, body)
    found = _list_in(document, items)
    if found is None or not all(isinstance(row, dict) for row in found):
        raise ParseError(source, 1, body, "expected a list of orders")
    listed = tuple(_order(row, state_field) for row in found)
    return Orders(listed, _incomplete(document, len(listed)))


def _json(source: str, body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise ParseError(source, 1, body, f"expected JSON ({error})") from error


def _list_in(document: Any, items: Optional[str]) -> Optional[list[Any]]:
    if items:
        for step in items.split("."):
            document = document.get(step) if isinstance(document, dict) else None
        return document if isinstance(document, list) else None
    if isinstance(document, dict):
        document = next((document[name] for name in _LISTS if isinstance(document.get(name), list)), None)
    return document if isinstance(document, list) else None


def _order(row: dict[str, Any], state_field: str) -> Order:
    name = next((row[key] for key in ("id", "order_id", "orderId", "client_order_id") if row.get(key)), "without id")
    return Order(str(name), str(row.get(state_field) or ""))


def _incomplete(document: Any, count: int) -> str:
    if isinstance(document, list):
        return f"a list of just {count} orders may be the first page of more" if count in _PAGE_SIZES else ""
    for name in _MORE:
        if document.get(name):
            return f"the answer is one page of several ({name})"
    for name in _TOTALS:
        if isinstance(document.get(name), int) and document[name] > count:
            return f"the answer lists {count} of {document[name]} orders"
    if isinstance(document.get("pages"), int) and document["pages"] > 1:
        return f"the answer is one page of {document['pages']}"
    return ""


def kind_of(order: Order, more_in_flight: Collection[str], more_final: Collection[str]) -> str:
    """Given an order and further names of states, return ``in_flight``, ``final`` or ``unknown``."""
    state = normal(order.state)
    if state in IN_FLIGHT or state in {normal(name) for name in more_in_flight}:
        return "in_flight"
    return "final" if state in FINAL or state in {normal(name) for name in more_final} else "unknown"


def parse_flag(source: str, body: str, field: str) -> bool:
    """Given the body of an answer about the dry-run flag, return the flag. Raise ParseError where there is none."""
    document = _json(source, body)
    value = document.get(field) if isinstance(document, dict) else document
    if not isinstance(value, bool):
        raise ParseError(source, 1, body, f"expected {field} to be true or false")
    return value
