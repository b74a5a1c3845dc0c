# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One step in one session: done, skipped, stopped or failed, each with its reason and the check that speaks of it."""

from __future__ import annotations

from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.act import ServerRun, perform
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import Lock
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import Rows

from ..options import postgresql, settings
from .builders import lock, server, table
from .fakes import NO_STATE, FakeSession, refused, state
from .test_plan_schedule import step

LOCKS = Rows(Lock._fields, (tuple(lock(table("trades"))),))
NO_LOCKS = Rows(Lock._fields, ())
VACUUMED = state(vacuums=1, dead=0, bytes=9_000_000)


def run(host: Any = None, version: int = 150_018, brake: Any = None, window: float = 600.0) -> ServerRun:
    chosen = host or FakeHost()
    chosen_brake = brake or (lambda _session, _step: "")
    return ServerRun(server(version=version), settings([postgresql()]), chosen, chosen.now() + window, chosen_brake)


def session(**answers: Any) -> FakeSession:
    """A session in which a vacuum works; a keyword of one letter case replaces an answer."""
    fine = {
        "SET vacuum_cost_delay": [],
        "pg_stat_get_vacuum_count": (state(), VACUUMED),
        "VACUUM (": [],
        "pg_locks": LOCKS,
    }
    return FakeSession({**fine, **answers})


def test_a_step_is_done_and_tells_what_came_of_it() -> None:
    outcome = perform(step("trades"), session(), run())
    assert (outcome.state, outcome.reason, outcome.rule) == ("done", "why", "")
    assert (outcome.before["dead"], outcome.after["dead"], outcome.freed_bytes) == (20_000, 0, 3_000_000)
    assert "mb_s" in outcome.details


def test_the_session_is_bounded_by_the_window_before_it_works() -> None:
    used = session()
    perform(step("trades"), used, run(window=30.0))
    assert "statement_timeout = 30000" in used.asked[0]
    assert used.asked[2].startswith("VACUUM (")


def test_an_emergency_is_bounded_by_the_whole_run_only() -> None:
    used = session()
    outcome = perform(step("trades", seconds=900.0, emergency=True), used, run(window=30.0))
    assert outcome.state == "done"
    bound = int(used.asked[0].split("statement_timeout = ")[1].split(";")[0])
    assert bound > 3_000_000


# the server's answer to the VACUUM, and how the step came out
ERRORS = [
    ("57014", "skipped", "database.window", "ended by statement_timeout"),
    ("55P03", "skipped", "database.locked", "longer than lock_timeout"),
    ("42P01", "skipped", "database.maintenance", "gone since the plan"),
    ("3F000", "skipped", "database.maintenance", "its schema is gone"),
    ("42501", "skipped", "database.permission", "may not vacuum it"),
    ("XX001", "failed", "database.integrity", "SQLSTATE XX001"),
    ("XX002", "failed", "database.integrity", "SQLSTATE XX002"),
    ("53100", "failed", "database.maintenance", "SQLSTATE 53100"),
    ("", "failed", "database.maintenance", "no"),
]


@pytest.mark.parametrize(("code", "state_", "rule", "reason"), ERRORS)
def test_each_refusal_of_the_server_has_its_meaning(code: str, state_: str, rule: str, reason: str) -> None:
    outcome = perform(step("trades"), session(**{"VACUUM (": refused(code)}), run())
    assert (outcome.state, outcome.rule) == (state_, rule)
    assert reason in outcome.reason


@pytest.mark.parametrize(
    ("code", "lost"), [("", True), ("08006", True), ("57P01", True), ("57014", False), ("53100", False)]
)
def test_after_a_lost_connection_nothing_else_is_tried(code: str, lost: bool) -> None:
    shared = run()
    perform(step("trades"), session(**{"VACUUM (": refused(code, "server closed the connection")}), shared)
    unused = session()
    following = perform(step("orders"), unused, shared)
    assert (following.state == "skipped") is lost
    assert (unused.asked == []) is lost
    assert ("the connection was lost" in following.reason) is lost


def test_a_table_that_the_server_skipped_is_not_taken_for_done() -> None:
    outcome = perform(step("trades"), session(pg_stat_get_vacuum_count=state()), run())
    assert (outcome.state, outcome.rule) == ("skipped", "database.locked")
    assert "pid 815 of bot" in outcome.reason


def test_the_holder_may_have_gone_by_the_time_it_is_asked_for() -> None:
    outcome = perform(step("trades"), session(pg_stat_get_vacuum_count=state(), pg_locks=NO_LOCKS), run())
    assert "had gone by the time" in outcome.reason


def test_both_halves_of_a_vacuum_analyze_must_have_happened() -> None:
    one = step("trades")
    both = one._replace(action="vacuum_analyze", task=one.task._replace(analyze=True))
    assert perform(both, session(), run()).state == "skipped"
    complete = (state(), state(vacuums=1, analyzes=1))
    assert perform(both, session(pg_stat_get_vacuum_count=complete), run()).state == "done"


def test_before_15_the_counters_are_waited_for() -> None:
    host = FakeHost()
    late = (state(), state(), state(), VACUUMED)
    outcome = perform(step("trades"), session(pg_stat_get_vacuum_count=late), run(host, version=140_000))
    assert outcome.state == "done"
    assert host.paused == [0.5, 1.0]


def test_from_15_on_the_counters_are_believed_at_once() -> None:
    host = FakeHost()
    perform(step("trades"), session(pg_stat_get_vacuum_count=state()), run(host))
    assert host.paused == []


def test_a_table_that_is_gone_before_its_turn_is_left_out() -> None:
    used = session(pg_stat_get_vacuum_count=NO_STATE)
    outcome = perform(step("trades"), used, run())
    assert (outcome.state, outcome.reason) == ("skipped", "the table is gone since the plan was made")
    assert not any(asked.startswith("VACUUM") for asked in used.asked)


def test_a_step_that_cannot_end_in_the_window_is_not_begun() -> None:
    used = session()
    outcome = perform(step("trades", seconds=100.0), used, run(window=60.0))
    assert (outcome.state, outcome.rule, used.asked) == ("skipped", "database.window", [])


def test_a_step_waits_for_the_brake_and_tells_why_it_was_not_taken() -> None:
    outcome = perform(step("trades"), session(), run(brake=lambda _session, _step: "a standby lags"))
    assert (outcome.state, outcome.rule, outcome.reason) == ("skipped", "database.replica_lag", "a standby lags")


def test_an_emergency_does_not_wait_for_the_brake() -> None:
    outcome = perform(step("trades", emergency=True), session(), run(brake=lambda _session, _step: "lag"))
    assert outcome.state == "done"


@pytest.mark.parametrize(("others", "state_"), [(0, "done"), (1, "skipped")])
def test_a_rewrite_is_not_begun_while_other_clients_are_connected(others: int, state_: str) -> None:
    used = session(others=Rows(("others",), ((others,),)))
    outcome = perform(step("trades", rewrite=True), used, run())
    assert outcome.state == state_


def test_the_progress_that_was_seen_of_a_step_belongs_to_that_step() -> None:
    shared = run()
    shared.progress[100] = {"index_passes": 9}
    outcome = perform(step("trades"), session(), shared)
    assert "index_passes" not in outcome.details, "it was the step before"
