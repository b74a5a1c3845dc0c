# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done with one table, and what speaks against it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.decide import (
    contexts_of,
    decide,
    predict,
    truncates,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.history import History
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import Table
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.reasons import reasons

from .builders import MB, activity, dirty, lock, scope, server, table

OLD = {"xid_age": 150_000_000}
CRITICAL = {"xid_age": 1_400_000_000}


def decided(one: Table, **given: Any) -> Any:
    around = scope(one, **given)
    [case] = contexts_of(around, with_shared=True)
    return decide(case, reasons(case), around)


# the table, the options, and the step: its verb, whether it freezes, whether it is an emergency
STEPS: list[tuple[Table, dict[str, Any], Any]] = [
    (table(), {}, None),
    (dirty(), {}, ("vacuum_analyze", False, False)),
    (table(dead=20_000), {}, ("vacuum", False, False)),
    (table(modified=20_000), {}, ("analyze", False, False)),
    (table(dead=20_000), {"analyze": "always"}, ("vacuum_analyze", False, False)),
    (dirty(), {"analyze": "never"}, ("vacuum", False, False)),
    (table(modified=20_000), {"analyze": "never"}, None),
    (table(**OLD), {}, ("vacuum", True, False)),
    (table(**OLD), {"freeze": "never"}, None),
    (dirty(**OLD), {}, ("vacuum_analyze", True, False)),  # old among other things
    (table(dead=20_000), {"freeze": "force"}, ("vacuum", True, False)),
    (table(modified=20_000), {"freeze": "force"}, ("analyze", False, False)),
    (dirty(**CRITICAL), {}, ("vacuum", False, True)),
    (table(**CRITICAL), {"freeze": "never"}, ("vacuum", False, True)),
    (table(dead=20_000), {"profile": "emergency"}, ("vacuum", False, True)),
    (table(modified=20_000), {"profile": "emergency"}, ("analyze", False, False)),
]


@pytest.mark.parametrize(("one", "given", "expected"), STEPS)
def test_the_step_follows_from_the_reasons_and_the_options(one: Table, given: dict[str, Any], expected: Any) -> None:
    step, refusals = decided(one, **given)
    assert refusals == []
    assert (None if step is None else (step.action, step.task.freeze, step.task.emergency)) == expected


REFUSED: list[tuple[Table, dict[str, Any], str, str]] = [
    (dirty(may_maintain=False), {}, "database.permission", "neither superuser nor owner"),
    (dirty(), {"locks": (lock(dirty()),)}, "database.locked", "pid 815 of bot for 12.0 s (AccessExclusiveLock"),
]


@pytest.mark.parametrize(("one", "given", "rule", "reason"), REFUSED)
def test_a_step_that_may_not_be_tried_is_refused_with_the_reason(
    one: Table, given: dict[str, Any], rule: str, reason: str
) -> None:
    step, refusals = decided(one, **given)
    assert step is None
    assert [refusal.rule for refusal in refusals] == [rule]
    assert reason in refusals[0].reason


def test_a_lock_on_another_table_is_not_in_the_way() -> None:
    step, refusals = decided(dirty(), locks=(lock(table("sessions")),))
    assert step is not None and refusals == []


# who is active, and whether a vacuum of this database is put off
HOLDERS = [
    (activity(), True),
    (activity(seconds=899.0), False),
    (activity(seconds=60.0, xmin_age=50_000_001), True),
    (activity(seconds=60.0, xmin_age=50_000_000), False),
    (activity(xmin_age=None), False),  # an open transaction that has seen nothing yet holds nothing
    (activity(database="other"), False),
    (activity(database=None, kind="walsender"), True),
    (activity(kind="replication slot", name="standby1", seconds=None, xmin_age=60_000_000, database=None), True),
    (activity(kind="prepared transaction", name="gid"), True),
]


@pytest.mark.parametrize(("one", "puts_off"), HOLDERS)
def test_a_vacuum_is_put_off_while_somebody_holds_the_horizon_too_long(one: Any, puts_off: bool) -> None:
    step, refusals = decided(table(dead=20_000), activity=(one,))
    assert (step is None, bool(refusals)) == (puts_off, puts_off)
    if puts_off:
        assert refusals[0].rule == "database.xmin_horizon"
        assert "a vacuum could remove nothing" in refusals[0].reason


def test_statistics_are_taken_although_the_vacuum_is_put_off() -> None:
    step, refusals = decided(dirty(), activity=(activity(),))
    assert (step.action, step.task.vacuum, step.task.freeze) == ("analyze", False, False)
    assert [refusal.action for refusal in refusals] == ["vacuum_analyze"]


def test_an_emergency_is_not_put_off() -> None:
    step, refusals = decided(table(**CRITICAL), activity=(activity(),))
    assert step.task.emergency and refusals == []


# a table, how far the horizon is back, and whether a vacuum is put off: the server freezes by itself at 200 million,
# half of that makes a table old, and one that was frozen behind such a horizon would be as old afterwards
STUCK = [
    (table(**OLD), 100_000_001, True),
    (table(**OLD), 100_000_000, False),
    (table(dead=20_000, **OLD), 100_000_001, False),  # dead rows can be removed all the same
    (table(dead=20_000), 100_000_001, False),
]


@pytest.mark.parametrize(("one", "back", "puts_off"), STUCK)
def test_freezing_is_put_off_where_the_horizon_is_as_old_as_the_table(one: Table, back: int, puts_off: bool) -> None:
    holder = activity(seconds=60.0, xmin_age=back, query=None)
    step, refusals = decided(one, activity=(holder,), max_xmin_age=200_000_000)
    assert (step is None) is puts_off
    why = "session pid 4711 of bot (idle in transaction) holds the horizon 100,000,001 transactions back"
    assert [refusal.reason for refusal in refusals] == [f"a vacuum could remove nothing: {why}"] * puts_off


def test_dead_rows_that_the_last_vacuum_had_to_leave_do_not_count_while_the_horizon_stands_still() -> None:
    one = table(dead=20_000)
    holder = activity(seconds=60.0)
    left = {"cryptobot.public.trades": (15_000, server().next_xid - 1000)}
    assert decided(one, activity=(holder,), history=History(left=left)) == (None, [])
    step, _refusals = decided(one, history=History(left=left))
    assert step is not None, "the horizon has moved on"
    more = table(dead=30_000)
    step, _refusals = decided(more, activity=(holder,), history=History(left=left))
    assert step is not None, "more has died since"


TRUNCATES = [
    ({}, table("sessions"), True),
    ({}, table("trades"), False),  # hot by default
    ({"hot_tables": ["public.sessions"]}, table("sessions"), False),
    ({"hot_tables": ["cryptobot.public.sessions"]}, table("sessions"), False),
    ({"on": server(standbys=1)}, table("sessions"), False),
    ({"truncate": "always", "on": server(standbys=1)}, table("trades"), True),
    ({"truncate": "never"}, table("sessions"), False),
]


@pytest.mark.parametrize(("given", "one", "expected"), TRUNCATES)
def test_the_end_of_a_table_is_only_cut_off_where_nobody_minds(
    given: dict[str, Any], one: Table, expected: bool
) -> None:
    assert truncates(one, scope(one, **given)) is expected


# an emergency cuts nothing off, because that needs a lock and time
CUTS = [
    (dirty("sessions"), {}, True),
    (dirty("trades"), {}, False),
    (dirty("sessions", **CRITICAL), {}, False),
    (dirty("sessions", **CRITICAL), {"truncate": "always"}, False),
    (dirty("sessions"), {"profile": "emergency"}, False),
]


@pytest.mark.parametrize(("one", "given", "cuts"), CUTS)
def test_a_step_cuts_the_end_off_unless_it_is_in_a_hurry(one: Table, given: dict[str, Any], cuts: bool) -> None:
    assert decided(one, **given)[0].task.truncate is cuts


def test_the_prediction_is_the_size_by_the_speed_of_the_profile() -> None:
    step, _refusals = decided(dirty(heap_bytes=1000 * MB, index_bytes=0))
    assert step.task.predicted_s == 10.0
    slow, _refusals = decided(dirty(heap_bytes=1000 * MB, index_bytes=0), profile="gentle")
    assert slow.task.predicted_s == pytest.approx(25.0)


def test_the_prediction_uses_the_remembered_speed_of_the_table_then_of_the_others() -> None:
    one = dirty(heap_bytes=1000 * MB, index_bytes=0)
    own = History(speeds={"normal": {"cryptobot.public.trades": [10.0, 50.0, 20.0], "x": [1.0]}})
    assert decided(one, history=own)[0].task.predicted_s == pytest.approx(50.0)
    others = History(speeds={"normal": {"x": [40.0], "y": [50.0], "z": [60.0]}})
    assert decided(one, history=others)[0].task.predicted_s == pytest.approx(20.0)


def test_an_analyze_is_predicted_by_its_sample_not_by_the_table() -> None:
    one = table(modified=20_000, heap_bytes=100_000 * MB)
    step, _refusals = decided(one)
    assert step.task.predicted_s == pytest.approx(300 * 100 * 8192 / 100e6)
    assert predict(step.task, scope(one)) == step.task.predicted_s


# the sample of 30,000 pages that ANALYZE takes is of a table with its children, however small the table itself is
SAMPLES = [({}, 0.1), ({"heap_bytes": 0, "children": 3, "child_since": 99_999}, 2.4576)]


@pytest.mark.parametrize(("given", "seconds"), SAMPLES)
def test_the_sample_is_no_larger_than_the_table_unless_it_has_children(given: dict[str, Any], seconds: float) -> None:
    step, _refusals = decided(table(modified=20_000, **given))
    assert (step.action, step.task.predicted_s) == ("analyze", seconds)


def test_tables_that_are_not_wanted_and_shared_ones_of_a_second_database_are_left_out() -> None:
    around = scope(dirty(), dirty("pg_authid", shared=True))
    assert [case.table.name for case in contexts_of(around, with_shared=False)] == ["trades"]


def test_no_step_takes_less_than_a_round_trip() -> None:
    assert decided(table(heap_bytes=8192, index_bytes=0, dead=20_000))[0].task.predicted_s == 0.02
