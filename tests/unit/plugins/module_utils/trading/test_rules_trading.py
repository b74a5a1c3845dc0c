# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the trading guard says of orders and flag, word for word: an operator decides by it whether to wait."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.declared import read_endpoint
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.guard import (
    Trading,
    refusal,
    without_list,
)

from .judged import judge_dry_run, judge_orders

DEFAULTS = {name: option.get("default") for name, option in OPTIONS.items()}
BOTH, YES, NO = frozenset({True, False}), frozenset({True}), frozenset({False})

FIND_OUT = (
    "Find out why it does not tell its orders; trading.when_unknown says whether it may be restarted all the same."
)
DECLARE = (
    "Set trading.orders_path where it has such a list, or trading.when_unknown (proceed) where a restart may forget "
    "orders."
)


def _endpoint(**options):
    return read_endpoint({**DEFAULTS, **options}, "http://127.0.0.1:8004")


# What is known of the orders; status and message, what is expected and what there is.
ORDERS = [
    (Trading(stopped=True), "ok", "trade does not run, so no order is in its memory", None, 0),
    (Trading(), "ok", "no order is in flight in trade", 0, 0),
    (
        Trading(listed=False, dry_run=YES),
        "ok",
        "trade only pretends to trade, so none of its orders is at an exchange (it has no list of orders)",
        0,
        0,
    ),
    (Trading(("o-1",)), "warning", "1 order is in flight in trade: o-1", 0, 1),
    # a known order is told before what is not known
    (Trading(("o-1", "o-2"), "answers 500"), "warning", "2 orders are in flight in trade: o-1, o-2", 0, 2),
    (
        Trading(unknown="answers 500"),
        "unknown",
        "it cannot be known what trade has in flight: answers 500",
        None,
        None,
    ),
]


@pytest.mark.case("SV19")
@pytest.mark.parametrize(("trading", "status", "message", "expected", "actual"), ORDERS)
def test_what_is_said_of_orders(trading, status, message, expected, actual):
    finding = judge_orders(trading, _endpoint())
    assert (finding.status, finding.message) == (status, message)
    assert (finding.expected, finding.actual) == (expected, actual)


REMEDIES = [
    ("it has a list and does not tell it", Trading(unknown="answers 500"), FIND_OUT),
    ("it has no such list", Trading(unknown="trade has no such list or flag"), DECLARE),
    ("it was not asked for one", Trading(unknown="it trades for real", listed=False), DECLARE),
]


@pytest.mark.case("SV19")
@pytest.mark.parametrize(("trading", "remedy"), [row[1:] for row in REMEDIES], ids=[row[0] for row in REMEDIES])
def test_what_is_not_known_is_made_known_by_the_remedy(trading, remedy):
    assert judge_orders(trading, _endpoint()).remedy == remedy


# What the workers say of the flag, and what was silent; why orders may be in flight (empty: none can).
WITHOUT = [
    (YES, "", ""),
    (YES, "one hangs", "nothing says that it only pretends to trade: one hangs"),
    ((), "answers 405", "nothing says that it only pretends to trade: answers 405"),
    ((), "", "nothing says that it only pretends to trade"),
    (NO, "", "it trades for real"),
    (BOTH, "one hangs", "it trades for real"),
]


@pytest.mark.case("SV19")
@pytest.mark.parametrize(("flag", "silent", "why"), WITHOUT)
def test_a_service_without_a_list_is_known_only_by_its_flag(flag, silent, why):
    told = without_list(_endpoint(), flag, silent)
    first = "trade is asked for no list of orders (trading.orders_path is not set), and "
    last = "; set trading.orders_path where it has such a list, or trading.when_unknown"
    assert told == (f"{first}{why}{last}" if why else "")


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (2, "o-0, o-1"),
        (5, "o-0, o-1, o-2, o-3, o-4"),
        (6, "o-0, o-1, o-2, o-3, o-4 and 1 more"),
    ],
)
def test_up_to_five_orders_are_named(count, names):
    trading = Trading(tuple(f"o-{n}" for n in range(count)))
    assert refusal(trading, _endpoint()) == f"{count} orders are in flight, and a restart forgets them: {names}"


# The flag now and before the restart, and what is declared; what is expected and what there is.
FLAGS = [
    (YES, None, True, True, True),
    (NO, None, True, True, False),
    (BOTH, None, True, True, [False, True]),
    (frozenset(), None, None, None, []),
    (YES, NO, None, False, True),
    (YES, BOTH, None, [False, True], True),
]


@pytest.mark.case("SV20")
@pytest.mark.parametrize(("now", "before", "declared", "expected", "actual"), FLAGS)
def test_a_flag_is_noted_down_as_one_value_or_as_all_of_them(now, before, declared, expected, actual):
    earlier = None if before is None else Trading(dry_run=before)
    trading = Trading(dry_run=now, dry_run_unknown="" if now else "answers 404")
    (finding,) = judge_dry_run(trading, _endpoint(dry_run=declared), earlier)
    assert (finding.expected, finding.actual) == (expected, actual)
