# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a restore: its steps in order, what has to be free, and what it says of size and time."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.choose import choose
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.model import Journal, Unit
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.plan import (
    ASSUMED,
    RestorePlan,
    Room,
    Swaps,
    describe,
    make_plan,
    refusal,
)

from .test_choose import catalog, found, request

UNITS = (
    Unit("config", "files", "/opt/app/config", "/opt/w/new/config/opt/app/config", "/opt/w/old/0", 100 << 20),
    Unit("pg", "postgresql", "pg:main", "cryptobot_restore_x_1", "cryptobot_old_x_1", 50 << 20),
)


def plan(pace: float = 0.0, rooms: tuple[Room, ...] = (), **options: Any) -> RestorePlan:
    services = [
        {"name": name, "unit": name, "depends_on": needs} for name, needs in (("auth", []), ("trade", ["auth"]))
    ]
    asked = request(services=services, **options)
    swaps = Swaps(() if asked.into else UNITS, ("/opt/w",), rooms)
    return make_plan(asked, "id", choose(asked, catalog(found(3)), "here"), swaps, pace)


ALL = ["verify", "keep", *["restore"] * 3, "hold", "prove", "swap", "swap", "start", "finish"]
ORDERS = [
    ({}, ALL),
    ({"safety_set": False}, [step for step in ALL if step != "keep"]),
    ({"into": "/root/look"}, ["verify", *["restore"] * 3]),
    (
        {"only": ["database"], "tables": ["trades"]},
        ["verify", "keep", "hold", "prove", "restore", "swap", "swap", "start", "finish"],
    ),
]


@pytest.mark.parametrize(("options", "actions"), ORDERS)
def test_the_order_of_the_steps(options: dict[str, Any], actions: list[str]) -> None:
    assert [step.action for step in plan(**options).steps] == actions


def test_services_end_in_the_reverse_of_their_order() -> None:
    said = {step.action: step.reason for step in plan().steps}
    assert said["hold"] == "ended in this order and held down: trade, auth"
    assert said["start"] == "in this order, each until it is well: auth, trade"


def test_minutes_are_by_what_the_last_restore_came_to_else_assumed() -> None:
    assert [step.reason.split(", then")[0] for step in plan().steps if step.subject == "config"] == [
        "beside, in /opt/w/new/config/opt/app/config, 100.0 MiB in about 2.0 s"
    ]
    assumed, measured = describe(plan()), describe(plan(pace=float(1 << 20)))
    assert (assumed["pace_measured"], assumed["bytes_per_second"], assumed["bytes"]) == (False, ASSUMED, 150 << 20)
    assert (measured["pace_measured"], measured["minutes"]) == (True, 5.0)


ROOMS = [(10, 10, ""), (9, 10, "/opt/w has 9 B free, 10 B are required"), (11, 10, "")]


@pytest.mark.parametrize(("free", "required", "words"), ROOMS)
def test_each_place_has_to_have_room(free: int, required: int, words: str) -> None:
    said = refusal(plan(rooms=(Room("/elsewhere", 1, 1), Room("/opt/w", free, required))))
    assert words in said
    assert bool(said) == bool(words)


def test_a_journal_is_the_same_after_it_was_written() -> None:
    unit = UNITS[0]._replace(got=(1, 2), had=None, noted=True, carried=("logs",), made=("/opt",))
    written = Journal("id", "set", 1.0, steps=[["swap", "x"]], done=["keep x"], units=[unit], held={"units": ["a"]})
    assert Journal.of(written.as_dict()) == written
    written.put(unit._replace(had=(3, 4)))
    assert written.unit(unit.target).had == (3, 4)
