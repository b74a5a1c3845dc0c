# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to ask whether orders are in flight. TRADING is the shape of the inventory variable cryptobot_trading."""

from __future__ import annotations

from typing import Any

from ..options import option

OPTIONS: dict[str, Any] = {
    "service": option("str", "Name of the trade service among O(services).", default="trade"),
    "url": option(
        "str",
        [
            "Base URL of the trade service. Default is its port in O(services).",
            (
                "Where the trade service is on another host, name it here. Nothing is restarted on this host then "
                "while orders are in flight there."
            ),
            (
                "Name the port of the trade service itself and not that of a proxy (nginx) before it. Behind a proxy, "
                "and on another host, it cannot be seen which process answered, which is unknown unless "
                "O(trading.workers) says that there is one."
            ),
        ],
    ),
    "token": option("str", "Bearer token that the trade service wants to be asked with.", no_log=True),
    "tls_verify": option(
        "bool",
        "Whether the certificate of an C(https) URL must be signed by a known authority. Its name is not compared.",
        default=True,
    ),
    "ca_path": option("path", "File with the authorities that are trusted. Default is those of the system."),
    # The application lists its open orders nowhere: trade takes POST /api/trades/orders only, a GET is answered 405.
    "orders_path": option(
        "str",
        [
            "Path that lists the open orders. The application has none, so by default it is asked for none.",
            (
                "Then nothing can be in flight at an exchange while every worker that answers says that it only "
                "pretends to trade (O(trading.dry_run_path)). Otherwise that is unknown, see O(trading.when_unknown)."
            ),
        ],
        default="",
    ),
    "orders_items": option(
        "str",
        (
            "Dotted path of the list in the answer. Default is the answer itself, or its C(orders), C(items), C(data) "
            "or C(results)."
        ),
    ),
    "state_field": option("str", "Field of an order that holds its state.", default="status"),
    "states_in_flight": option(
        "list of str",
        (
            "Further states of orders that a restart would forget. Pending, open and partially filled are known, in "
            "any spelling."
        ),
        default=[],
    ),
    "states_final": option(
        "list of str",
        (
            "Further states of orders that are done with. Filled, canceled, rejected, expired and closed are known, in "
            "any spelling. A state that is in neither list counts as unknown."
        ),
        default=[],
    ),
    "dry_run_path": option(
        "str",
        "Path that says whether the service only pretends to trade. Empty for not asking.",
        default="/api/v1/settings/dry_run",
    ),
    "dry_run_field": option("str", "Field of that answer.", default="dry_run"),
    "dry_run": option(
        "bool",
        [
            "Whether the service is meant to only pretend to trade.",
            "The flag belongs to the process and is reset by a restart, so it is compared before and after.",
        ],
    ),
    "asks": option(
        "int",
        [
            (
                "How many times each question is put at least. Each worker process knows only its own orders, and "
                "which of them answers is the system's choice."
            ),
            (
                "On Linux and macOS it is seen which process answered, and it is asked on until all have, at most "
                "O(trading.timeout) seconds. Where one was not reached, or nothing tells how many there are, that is "
                "unknown."
            ),
        ],
        default=8,
    ),
    "workers": option(
        "int",
        [
            (
                "How many processes answer in the name of the trade service, by your word. It is needed only where "
                "that cannot be seen - behind a proxy, on another host, without root - or where processes hold its "
                "port that never answer. V(1) makes any answer the answer of all."
            ),
            (
                "What is seen counts first. More than one cannot be told apart where it is not seen who answered, so "
                "that stays unknown."
            ),
        ],
    ),
    "timeout": option("float", "Seconds that one answer may take.", default=5.0),
    "when_orders": option(
        "str",
        (
            "What to do while orders are in flight. V(wait) waits until none is, at most O(trading.wait_timeout), then "
            "refuses."
        ),
        choices=["refuse", "proceed", "wait"],
        default="refuse",
    ),
    "when_unknown": option(
        "str",
        "What to do where it cannot be known whether orders are in flight.",
        choices=["refuse", "proceed"],
        default="refuse",
    ),
    "wait_timeout": option("str", "How long to wait for orders, such as V(5m).", default="5m"),
    "wait_delay": option("float", "Seconds between two looks while waiting.", default=5.0),
}

TRADING: dict[str, Any] = option(
    "dict",
    "How the trade service is asked for its orders, and what follows from its answer.",
    apply_defaults=True,
    options=OPTIONS,
    variable="cryptobot_trading",
)
