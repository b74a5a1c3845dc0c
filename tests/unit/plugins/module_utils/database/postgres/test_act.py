# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a server: database by database, several at a time, none forgotten, every session closed."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres import act as acting
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.act import (
    act,
    make_run,
    progress_of,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.steps import Ended
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import DONE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import Rows

from ..options import postgresql, settings
from .builders import server
from .fakes import FakeSession, refused
from .test_plan_schedule import step

PROGRESS = Rows(
    (
        "pid",
        "relid",
        "phase",
        "heap_blks_total",
        "heap_blks_scanned",
        "index_vacuum_count",
        "memory_used",
        "memory_limit",
    ),
    ((1, 5, "scanning heap", 200, 50, 2, 10, 100),),
)


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[FakeSession]:
    """Every session that is opened, in its order; connecting is refused for a database called missing."""
    made: list[FakeSession] = []

    def opened(_entry: Any, name: str, _settings: Any) -> FakeSession:
        if name == "missing":
            raise CoreError("database 'missing' does not exist")
        answers = {"SET": [], "ONLY_DATABASE_STATS": [], "pg_stat_progress_vacuum": PROGRESS}
        made.append(FakeSession(answers, pid=len(made) + 1))
        return made[-1]

    monkeypatch.setattr(acting, "opened", opened)
    return made


def take(
    steps: list[Any], monkeypatch: pytest.MonkeyPatch, perform: Any, *, jobs: int = 1, version: int = 150_018
) -> Any:
    monkeypatch.setattr(acting, "perform", perform)
    chosen = settings([postgresql()], jobs=jobs)
    host = FakeHost()
    run = make_run(chosen.databases[0], server(version=version), chosen, host, host.now() + 600)
    beats: list[int] = []
    return act(steps, chosen.databases[0], run, lambda: beats.append(1)), beats


def done(one: Any, _session: Any, _run: Any) -> Ended:
    return Ended(one, DONE, "why", 0.1)


def test_every_step_has_one_outcome_in_the_order_of_the_plan(
    sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [step(f"t{number}") for number in range(20)]
    outcomes, _beats = take(steps, monkeypatch, done, jobs=4)
    assert [outcome.step for outcome in outcomes] == steps
    assert len(sessions) == 5, "four workers and one that watches"
    assert all(one.closed for one in sessions)


def test_no_more_sessions_are_opened_than_there_are_steps(
    sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    take([step("one")], monkeypatch, done, jobs=8)
    assert len(sessions) == 2


def test_as_many_tables_as_jobs_are_worked_on_at_a_time(
    sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3, timeout=10)

    def meet(one: Any, session: Any, run: Any) -> Ended:
        together.wait()  # breaks unless three are here at the same time
        return done(one, session, run)

    outcomes, _beats = take([step(f"t{number}") for number in range(6)], monkeypatch, meet, jobs=3)
    assert len(outcomes) == 6


def test_a_database_that_cannot_be_entered_any_more_leaves_the_others_alone(
    sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [step("a", database="missing"), step("b", database="there")]
    outcomes, _beats = take(steps, monkeypatch, done)
    assert [(outcome.state, outcome.rule) for outcome in outcomes] == [("skipped", "database.reachable"), ("done", "")]


def test_a_long_step_is_watched_and_the_lock_kept_warm(
    sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "POLL_S", 0.02)
    seen: dict[str, Any] = {}

    def slow(one: Any, session: Any, run: Any) -> Ended:
        until = time.monotonic() + 5
        while 1 not in run.progress and time.monotonic() < until:
            time.sleep(0.01)
        seen.update(run.progress.get(1, {}))
        return done(one, session, run)

    _outcomes, beats = take([step("large")], monkeypatch, slow)
    assert seen == {"heap_percent": 25.0, "memory_percent": 10.0, "index_passes": 2}
    assert beats


def test_progress_that_the_server_does_not_show_stops_nothing(
    sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "POLL_S", 0.01)

    def slow(one: Any, session: Any, run: Any) -> Ended:
        for made in sessions:
            made.answers["pg_stat_progress_vacuum"] = refused("42501")
        time.sleep(0.05)
        return done(one, session, run)

    outcomes, _beats = take([step("large")], monkeypatch, slow)
    assert outcomes[0].state == "done"


def test_a_defect_of_a_worker_is_not_swallowed(sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any) -> Ended:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take([step("a")], monkeypatch, broken)
    assert all(one.closed for one in sessions)


@pytest.mark.parametrize(("version", "asked"), [(150_018, False), (160_000, True)])
def test_from_16_on_the_database_age_is_brought_up_to_date_once(
    version: int, asked: bool, sessions: list[FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    take([step("a"), step("b")], monkeypatch, done, version=version)
    closing = [line for one in sessions for line in one.asked if "ONLY_DATABASE_STATS" in line]
    assert len(closing) == int(asked)


def test_nothing_known_of_a_vacuum_is_no_division_by_zero() -> None:
    row = dict(zip(PROGRESS.columns, (1, 5, "initializing", 0, 0, None, None, 0)))
    assert progress_of(row) == {"heap_percent": 0.0, "memory_percent": 0.0, "index_passes": 0}
