# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Giving bloat back: advice by default, done only through every gate."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.backup_gate import Gate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.decide import (
    Facts,
    consider,
    contexts_of,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.history import History
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.plan import make_plan

from .builders import cluster, dirty, lock, scope, server, table, view

GB = 1_000_000_000
BLOATED = table("audit_logs", heap_bytes=2 * GB, index_bytes=GB)
OPEN = Gate(True, "backup set-1 is verified", "set-1")
PLACE = "/var/lib/postgresql/15/main"
ROOM = Facts(OPEN, {PLACE: 100 * GB})
ALLOWED = {"rewrite": "allow", "services_stopped": True, "require_backup": {"dir": "/backups"}}


def considered(one: Any = BLOATED, facts: Facts = ROOM, seen: Optional[Any] = None, **given: Any) -> Any:
    around = scope(one, cluster=seen, **given) if seen else scope(one, **given)
    [case] = contexts_of(around, with_shared=True)
    return consider(case, around, facts)


def test_advice_names_gain_room_time_and_lock() -> None:
    step, refusal = considered()
    assert step is None
    assert refusal.rule == "database.bloat"
    assert refusal.reason == (
        "advice only: VACUUM FULL would give back 1.9 GiB, needs 3.1 GiB free, takes about 1.0 min, "
        "and nobody can read it meanwhile"
    )
    assert refusal.details["lock"] == "AccessExclusiveLock"
    assert refusal.details["needed_bytes"] == 3.3 * GB


@pytest.mark.parametrize("extension", ["pg_repack", "pg_squeeze"])
def test_advice_names_the_gentler_tool_where_it_is_installed(extension: str) -> None:
    seen = cluster(view(BLOATED), installed={"cryptobot": frozenset({extension})})
    assert f"{extension} would give back" in considered(seen=seen)[1].reason


NOTHING: list[tuple[Any, dict[str, Any]]] = [
    (BLOATED, {"rewrite": "never"}),
    (table(), {}),
    (BLOATED._replace(kind="p"), {}),
    (BLOATED._replace(last_analyze=None), {}),  # the estimate is withheld
]


@pytest.mark.parametrize(("one", "given"), NOTHING)
def test_there_is_nothing_to_say_of_a_table_that_is_not_known_to_be_bloated(one: Any, given: dict[str, Any]) -> None:
    assert considered(one, **given) == (None, None)


def test_a_rewrite_that_is_allowed_through_every_gate_is_a_step() -> None:
    step, refusal = considered(**ALLOWED)
    assert refusal is None
    assert (step.action, step.task.rewrite, step.task.analyze) == ("rewrite", True, True)


def test_the_room_that_is_needed_is_enough() -> None:
    assert considered(facts=Facts(OPEN, {PLACE: int(3.3 * GB)}), **ALLOWED)[0] is not None


def test_the_cost_is_told_to_a_tenth_of_a_second() -> None:
    one = BLOATED._replace(heap_bytes=2 * GB + 61_700_000)
    assert considered(one)[1].details["predicted_seconds"] == 61.2


SHUT: list[tuple[Any, Facts, dict[str, Any], str]] = [
    (BLOATED, ROOM, {"services_stopped": False}, "database.bloat"),
    (BLOATED._replace(schema="pg_catalog"), ROOM, {}, "database.bloat"),
    (BLOATED._replace(may_maintain=False), ROOM, {}, "database.permission"),
    (BLOATED, ROOM, {"locks": (lock(BLOATED),)}, "database.locked"),
    (BLOATED, Facts(Gate(False, "no backup set"), {PLACE: 100 * GB}), {}, "database.backup_gate"),
    (BLOATED, Facts(OPEN, {}), {}, "database.space"),
    (BLOATED, Facts(OPEN, {PLACE: 3 * GB}), {}, "database.space"),
    (BLOATED._replace(location="/mnt/other"), ROOM, {}, "database.space"),
    (BLOATED, ROOM, {"on": server(data_directory=None)}, "database.space"),
]


@pytest.mark.parametrize(("one", "facts", "given", "rule"), SHUT)
def test_any_gate_that_is_shut_keeps_a_rewrite_from_being_planned(
    one: Any, facts: Facts, given: dict[str, Any], rule: str
) -> None:
    step, refusal = considered(one, facts, **{**ALLOWED, **given})
    assert step is None
    assert refusal.rule == rule


def planned(one: Any, facts: Facts, **given: Any) -> Any:
    around = scope(one, **given)
    return make_plan(around.cluster, around.settings, History(), facts, 7200.0)


def test_a_rewrite_stands_for_every_other_step_on_the_table() -> None:
    one = dirty("audit_logs", heap_bytes=2 * GB, live=1_000_000, reltuples=1_000_000.0, dead=500_000)
    assert [step.action for step in planned(one, ROOM, **ALLOWED).steps] == ["rewrite"]


def test_advice_does_not_stand_in_the_way_of_a_vacuum() -> None:
    one = dirty("audit_logs", heap_bytes=2 * GB, live=1_000_000, reltuples=1_000_000.0, dead=500_000)
    plan = planned(one, Facts())
    assert [step.action for step in plan.steps] == ["vacuum"]
    assert [refusal.action for refusal in plan.refusals] == ["rewrite"]
