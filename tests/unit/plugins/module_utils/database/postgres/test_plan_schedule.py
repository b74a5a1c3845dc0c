# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of the steps and the window: properties that hold for any tables."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.decide import Facts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.history import History
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import Table, TableTask
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.plan import (
    fit,
    group_of,
    make_plan,
    ordered,
    staged,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.steps import Step

from ..options import postgresql, settings
from .builders import cluster, dirty, table, view


def step(name: str, seconds: float = 1.0, **more: Any) -> Step:
    one, database = more.pop("table", table(name)), more.pop("database", "db")
    task = TableTask(database, one, True, False, seconds, **more)
    return task.step("vacuum", f"main:{database}.public.{name}", "why")


TABLES = st.builds(
    table,
    name=st.text("abcdefgh", min_size=1, max_size=6),
    dead=st.integers(0, 10**7),
    live=st.integers(0, 10**8),
    modified=st.integers(0, 10**7),
    heap_bytes=st.integers(0, 10**11),
    xid_age=st.integers(0, 2**31 - 1),
    mxid_age=st.integers(0, 2**31 - 1),
    kind=st.sampled_from("rmp"),
    last_vacuum=st.none() | st.just(1.0),
    last_analyze=st.none() | st.just(1.0),
    reltuples=st.sampled_from([-1.0, 0.0, 1000.0]),
    may_maintain=st.booleans(),
    child_rows=st.integers(0, 5),
)
DATABASES = st.lists(st.lists(TABLES, max_size=12, unique_by=lambda one: one.name), max_size=4)
WINDOWS = st.floats(0.0, 10_000.0)
JOBS = st.integers(1, 8)


def plan_of(databases: list[list[Table]], window: float, jobs: int) -> Any:
    views = [view(*tables, database=f"db{number}") for number, tables in enumerate(databases)]
    chosen = settings([postgresql()], jobs=jobs)
    return make_plan(cluster(*views), chosen, History(), Facts(), window)


@given(DATABASES, WINDOWS, JOBS)
def test_no_table_is_planned_twice_nor_both_planned_and_refused(
    databases: list[list[Table]], window: float, jobs: int
) -> None:
    plan = plan_of(databases, window, jobs)
    planned = [(one.action, one.subject) for one in plan.steps]
    assert len(planned) == len(set(planned))
    assert not set(planned) & {(one.action, one.subject) for one in plan.refusals}


@given(DATABASES, WINDOWS, JOBS)
def test_every_flagged_table_is_either_planned_or_refused_with_a_reason(
    databases: list[list[Table]], window: float, jobs: int
) -> None:
    plan = plan_of(databases, window, jobs)
    spoken_of = {one.subject for one in (*plan.steps, *plan.refusals)}
    assert {one.subject for one in plan.flagged} <= spoken_of
    assert all(one.reason for one in plan.refusals) and all(one.reason for one in plan.steps)


def makespan(steps: list[Step], jobs: int) -> float:
    """Return when the last worker is done, the slow and plain way."""
    clock = [0.0] * jobs
    group = None
    for one in steps:
        if group not in (None, group_of(one)):
            clock = [max(clock)] * jobs
        group = group_of(one)
        worker = clock.index(min(clock))
        clock[worker] += one.task.predicted_s
    return max(clock)


STEPS = st.lists(
    st.builds(
        step,
        name=st.text("abcdef", min_size=1, max_size=5),
        seconds=st.floats(0.01, 500.0),
        database=st.sampled_from(["a", "b"]),
        emergency=st.booleans(),
    ),
    max_size=30,
)


@given(STEPS, WINDOWS, JOBS)
def test_the_window_is_never_exceeded_but_by_emergencies(steps: list[Step], window: float, jobs: int) -> None:
    fitting, late, needed = fit(ordered(steps), window, jobs)
    assert len(fitting) + len(late) == len(steps)
    assert all(one.task.emergency or makespan(fitting[: number + 1], jobs) <= max(window, _emergencies(fitting, jobs))
               for number, one in enumerate(fitting))  # fmt: skip
    assert needed == makespan(fitting, jobs)
    assert {one.subject for one in fitting} >= {one.subject for one in steps if one.task.emergency}


def _emergencies(steps: list[Step], jobs: int) -> float:
    return makespan([one for one in steps if one.task.emergency], jobs)


@given(STEPS)
def test_emergencies_come_first_and_a_database_is_finished_before_the_next_begins(steps: list[Step]) -> None:
    order = ordered(steps)
    assert sorted(order, key=lambda one: not one.task.emergency) == order
    seen: list[Any] = []
    for one in order:
        if group_of(one) not in seen:
            seen.append(group_of(one))
        assert group_of(one) == seen[-1], "the workers went back to a database"


@given(STEPS)
def test_the_order_does_not_depend_on_the_order_of_the_catalog(steps: list[Step]) -> None:
    assert [one.subject for one in ordered(steps)] == [one.subject for one in ordered(steps[::-1])]


def names(steps: list[Step]) -> list[str]:
    return [one.task.table.name for one in steps]


def test_the_risk_of_wraparound_comes_first_then_dead_bytes_then_stale_statistics() -> None:
    chosen = [
        step("stale", table=table("stale", modified=90_000)),
        step("small", table=dirty("small", heap_bytes=1_000_000)),
        step("old", table=table("old", xid_age=150_000_000), codes=("freeze",)),
        step("large", table=dirty("large", heap_bytes=9_000_000)),
        step("older", table=table("older", xid_age=190_000_000), codes=("freeze",)),
        step("critical", table=table("critical", xid_age=1_400_000_000), emergency=True),
    ]
    assert names(ordered(chosen)) == ["critical", "older", "old", "large", "small", "stale"]


def test_a_step_that_does_not_fit_makes_room_for_smaller_ones_after_it() -> None:
    fitting, late, _needed = fit([step("a", 50.0), step("huge", 500.0), step("b", 40.0)], 100.0, 1)
    assert names(fitting) == ["a", "b"]
    assert late[0].reason == "predicted to take 500 s, longer than the whole window of 2 min"
    assert late[0].rule == "database.window"


def test_a_step_that_would_have_fitted_earlier_is_told_apart_from_one_that_never_fits() -> None:
    _fitting, late, _needed = fit([step("a", 60.0), step("b", 60.0)], 100.0, 1)
    assert late[0].reason == "predicted to take 60 s, longer than is left of 2 min"


def test_nineteen_twentieths_of_the_window_may_be_planned() -> None:
    assert fit([step("a", 95.0)], 100.0, 1)[1] == []
    [late] = fit([step("a", 95.5)], 100.0, 1)[1]
    assert late.reason == "predicted to take 96 s, longer than the whole window of 2 min"
    [late] = fit([step("a", 10.0), step("b", 95.0)], 100.0, 1)[1]
    assert late.reason == "predicted to take 95 s, longer than is left of 2 min"


def test_two_workers_have_twice_the_room() -> None:
    assert len(fit([step("a", 60.0), step("b", 60.0)], 100.0, 2)[0]) == 2


def new(name: str) -> Step:
    task = TableTask("db", table(name), True, True, 1.0, codes=("never_vacuumed", "never_analyzed"))
    return task.step("vacuum_analyze", f"main:db.public.{name}", "why")


def test_a_restored_database_gets_quick_statistics_of_all_tables_first() -> None:
    chosen = settings([postgresql()])
    result = staged([new(f"t{number}") for number in range(20)], chosen, 40)
    assert [one.action for one in ordered(result)] == (
        ["analyze_target_1"] * 20 + ["analyze_target_10"] * 20 + ["vacuum_analyze"] * 20
    )
    assert all(not one.task.vacuum for one in result if one.task.target)


def test_a_stage_takes_its_share_of_the_time_and_freezes_nothing() -> None:
    chosen = settings([postgresql()], analyze="stages")
    large = new("large")._replace(task=new("large").task._replace(predicted_s=50.0, freeze=True))
    stages = [one.task for one in staged([large], chosen, 1) if one.task.target]
    assert [(one.predicted_s, one.freeze, one.target) for one in stages] == [(0.5, False, 1), (5.0, False, 10)]
    small = new("small")._replace(task=new("small").task._replace(predicted_s=0.1))
    assert [one.task.predicted_s for one in staged([small], chosen, 1)] == [0.02, 0.02, 0.1]


def test_a_stage_is_for_statistics_that_are_missing_and_wanted() -> None:
    chosen = settings([postgresql()], analyze="stages")
    unwanted = new("unwanted")._replace(task=new("unwanted").task._replace(analyze=False))
    stale = new("stale")._replace(task=new("stale").task._replace(codes=("statistics",)))
    assert staged([unwanted, stale], chosen, 2) == [unwanted, stale]


def test_an_age_that_is_no_reason_does_not_come_before_dead_rows() -> None:
    aged = step("aged", table=table("aged", xid_age=90_000_000))
    assert names(ordered([aged, step("dirty", table=dirty("dirty"))])) == ["dirty", "aged"]


def test_a_few_new_tables_are_no_restored_database() -> None:
    chosen = settings([postgresql()])
    assert len(staged([new(f"t{number}") for number in range(19)], chosen, 19)) == 19
    assert len(staged([new(f"t{number}") for number in range(20)], chosen, 41)) == 20


def test_stages_are_taken_for_any_number_of_tables_when_they_are_asked_for() -> None:
    assert len(staged([new("one")], settings([postgresql()], analyze="stages"), 1)) == 3
