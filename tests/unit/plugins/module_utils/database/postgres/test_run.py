# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at a server from the catalogs to the result, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres import run as engine
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.steps import Ended
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import DONE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import DriverMissing

from ..options import postgresql, settings
from .builders import MB, activity, cluster, dirty, server, table, view
from .fakes import refused
from .test_collect_parse import recorded

DAY = 86_400.0


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What collecting gives: recorded answers, or an error to raise."""
    given: dict[str, Any] = {"raw": recorded()}

    def collect(*_arguments: Any) -> Any:
        if isinstance(given["raw"], Exception):
            raise given["raw"]  # pylint: disable=raising-non-exception
        return given["raw"]

    monkeypatch.setattr(engine, "collect", collect)
    return given


def looked(memory: Any = None, **given: Any) -> Any:
    chosen = settings([postgresql()], **given)
    return engine.prepare(chosen.databases[0], chosen, FakeHost(), memory or {}, 7200.0)


def test_a_recorded_server_gives_the_plan_that_a_person_would_make(answers: dict[str, Any]) -> None:
    seen = looked(max_txn_age="1d")
    assert [(step.action, step.subject) for step in seen.steps] == [("vacuum_analyze", "main:cryptobot.public.trades")]
    assert "15,000 dead rows, more than 10,000" in seen.steps[0].reason


def test_without_the_driver_a_plan_is_unknown_and_a_run_does_not_begin(answers: dict[str, Any]) -> None:
    answers["raw"] = DriverMissing()
    seen = looked(mode="plan")
    assert seen.unavailable[0] == "unknown" and "psycopg2" in seen.unavailable[1]
    with pytest.raises(DriverMissing):
        looked(mode="run")


PROBLEMS = [(refused("28P01", "password authentication failed"), "critical"), (CoreError("not root"), "unknown")]


@pytest.mark.parametrize(("error", "status"), PROBLEMS)
def test_a_server_that_refuses_is_critical_and_one_that_could_not_be_tried_unknown(
    error: Exception, status: str, answers: dict[str, Any]
) -> None:
    answers["raw"] = error
    result = engine.report(looked(), FakeHost())
    assert [(finding.check, finding.status) for finding in result.findings] == [("database.reachable", status)]
    assert (result.changed, result.failure, result.metrics) == (False, "", [])


def look(seen: Any, **given: Any) -> Any:
    from .test_rules import look as make

    return make(seen, **given)


def finished(seen: Any) -> Any:
    before, after = {"bytes": 12 * MB, "dead": 20_000}, {"bytes": 10 * MB, "dead": 5}
    outcomes = tuple(Ended(step, DONE, "why", 0.5, "", before, after, {"mb_s": 24.0}) for step in seen.steps)
    return seen._replace(ended=outcomes)


def test_the_result_of_a_run_holds_actions_numbers_and_the_tables_with_their_fate() -> None:
    host = FakeHost()
    seen = look(cluster(view(dirty(), table("orders", may_maintain=False, modified=20_000))))
    result = engine.report(finished(seen), host)
    assert result.changed
    assert [(a.action, a.state) for a in result.actions] == [("vacuum_analyze", "done"), ("analyze", "skipped")]
    numbers = {metric.name: metric.value for metric in result.metrics}
    assert numbers["cryptobot_database_freed_bytes"] == 2 * MB
    assert numbers["cryptobot_database_vacuum_seconds"] == 0.5
    assert numbers["cryptobot_database_size_bytes"] == 24 * MB
    assert numbers["cryptobot_database_dead_rows"] == 20_000
    tables = {one["name"]: one for one in result.data["databases"][0]["tables"]}
    assert (tables["trades"]["result"], tables["trades"]["after"]["dead"]) == ("done", 5)
    assert (tables["orders"]["result"], "owner" in tables["orders"]["why"]) == ("skipped", True)


def test_a_plan_says_what_it_would_do_and_reports_no_change() -> None:
    result = engine.report(look(cluster(view(dirty()))), FakeHost())
    assert (result.changed, [action.state for action in result.actions]) == (False, ["planned"])
    assert result.data["databases"][0]["tables"][0]["result"] == "planned"


def test_the_holder_of_the_horizon_is_in_the_data() -> None:
    result = engine.report(look(cluster(view(), activity=(activity(),))), FakeHost())
    assert "pid 4711" in result.data["databases"][0]["oldest_xmin"]["holder"]


def test_the_forecast_appears_once_there_is_a_pace() -> None:
    host = FakeHost()
    seen = look(cluster(view()))
    assert engine.report(seen, host).data["forecast"]["days_to_freeze_trigger"] is None
    earlier = engine.history_of({"ages": [[host.now() - 10 * DAY, server().next_xid - 10_000_000]]})
    result = engine.report(seen._replace(history=earlier), host)
    assert result.data["forecast"]["days_to_freeze_trigger"] == 199.0
    assert "cryptobot_database_freeze_forecast_days" in {metric.name for metric in result.metrics}


def test_a_run_teaches_speed_and_what_was_left(answers: dict[str, Any]) -> None:
    host = FakeHost()
    seen = finished(look(cluster(view(dirty()), activity=(activity(seconds=1.0),))))
    memory = engine.memory_of(seen, {}, host)
    kept = memory["tables"]["cryptobot.public.trades"]
    assert kept["mb_s"] == {"normal": [24.0]}
    assert kept["left"] == [5, server().next_xid - 1000]


def test_a_small_table_teaches_no_speed() -> None:
    seen = finished(look(cluster(view(dirty(heap_bytes=10_000, index_bytes=0)))))
    assert engine.memory_of(seen, {}, FakeHost())["tables"]["cryptobot.public.trades"]["mb_s"] == {}


def test_a_server_that_was_not_seen_leaves_its_memory_alone() -> None:
    chosen = settings([postgresql()])
    unseen = engine.ServerContext(chosen.databases[0], chosen, unavailable=("critical", "refused"))
    assert engine.memory_of(unseen, {"ages": [[1, 2]]}, FakeHost()) == {"ages": [[1, 2]]}
    assert engine.vacuum(unseen, FakeHost(), 0.0, lambda: None) is unseen


def test_after_a_run_the_ages_are_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = look(cluster(view(dirty()), ages=recorded_ages(1_400_000_000)))
    monkeypatch.setattr(engine, "act", lambda steps, *_rest: [Ended(step, DONE, "", 0.1) for step in steps])
    monkeypatch.setattr(engine, "collect_ages", lambda *_arguments: rows_of(recorded_ages(50)))
    assert engine.vacuum(seen, FakeHost(), 0.0, lambda: None).cluster.ages[0].xid_age == 50


def test_ages_that_cannot_be_asked_again_stay_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_arguments: Any) -> Any:
        raise refused("08006")

    seen = look(cluster(view(dirty()), ages=recorded_ages(70)))
    monkeypatch.setattr(engine, "act", lambda steps, *_rest: [Ended(step, DONE, "", 0.1) for step in steps])
    monkeypatch.setattr(engine, "collect_ages", lost)
    assert engine.vacuum(seen, FakeHost(), 0.0, lambda: None).cluster.ages[0].xid_age == 70


def recorded_ages(xid_age: int) -> Any:
    from .test_rules import age

    return (age(xid_age=xid_age),)


def rows_of(ages: Any) -> Any:
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import Rows

    return Rows(type(ages[0])._fields, tuple(map(tuple, ages)))


def test_a_rewrite_asks_for_the_backup_and_for_free_space_and_nothing_else_does(
    answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(engine, "ask_gate", lambda *_arguments: asked.append("gate") or engine.Gate(False, "no"))
    monkeypatch.setattr(engine, "_free_bytes", lambda folder: asked.append(folder) or [])
    looked()
    assert asked == []
    looked(rewrite="allow", require_backup={"dir": str(tmp_path)})
    assert asked == ["gate", "/var/lib/postgresql/15/main"]
