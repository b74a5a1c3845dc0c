# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of services."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.order import (
    dependents,
    needs,
    start_order,
    together,
)

CRYPTOBOT = {
    "trade": ("auth", "strategy"),
    "backtest": ("auth", "data", "strategy"),
    "strategy": ("auth", "data"),
    "data": ("auth",),
    "auth": (),
}

ORDERS = [
    (CRYPTOBOT, ["auth", "data", "strategy", "trade", "backtest"]),
    ({"b": (), "a": ()}, ["b", "a"]),
    ({"a": ("elsewhere",)}, ["a"]),
    ({}, []),
]

CYCLES = [
    ({"a": ("a",)}, "a -> a"),
    ({"a": ("b",), "b": ("c",), "c": ("b",)}, "b -> c -> b"),
    ({"ok": (), "a": ("ok", "b"), "b": ("a",)}, "a -> b -> a"),
]

GROUPS = [
    (["auth", "trade", "strategy"], [["auth", "strategy", "trade"]]),
    (["backtest", "trade"], [["trade"], ["backtest"]]),
    (["data", "trade"], [["data"], ["trade"]]),
    ([], []),
]


@pytest.mark.parametrize(("graph", "order"), ORDERS)
def test_each_service_comes_after_what_it_needs_and_else_as_given(graph, order):
    assert start_order(graph) == order


@pytest.mark.parametrize(("graph", "cycle"), CYCLES)
def test_a_cycle_is_an_error_that_names_it(graph, cycle):
    with pytest.raises(InputError) as error:
        start_order(graph)
    first = cycle.partition(" ")[0]
    assert str(error.value) == f"services[{first}].depends_on is {cycle!r}, expected no cycle"


def test_needs_and_dependents_reach_further_than_one_step():
    assert needs(CRYPTOBOT, "trade") == {"auth", "strategy", "data"}
    assert dependents(CRYPTOBOT, ["data"]) == {"data", "strategy", "backtest", "trade"}
    assert dependents(CRYPTOBOT, ["trade"]) == {"trade"}


@pytest.mark.parametrize(("names", "groups"), GROUPS)
def test_services_without_a_dependency_between_them_are_separate_groups(names, groups):
    assert together(CRYPTOBOT, names) == groups
