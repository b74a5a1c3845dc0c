# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole of db_vacuum on real SQLite files: plan and run agree, memory, lock, one result for all databases."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres import run as postgres
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import act as acting
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.reader import Full
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError, LockHeld
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.lock import host_lock

from .options import options, postgresql, sqlite
from .sqlite.builders import make

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs the core of this host, which must be Linux")

SMALL = {"freelist_bytes": "100K"}
EMPTIED = "DELETE FROM trades WHERE id >= 20"


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """A database worth a vacuum, and db_vacuum on it."""

    class World:
        path = make(tmp_path / "demo.db", EMPTIED)
        state = tmp_path / "state"

        def run(self, *, check_mode: bool = False, databases: Any = None, **given: Any) -> Any:
            chosen = [sqlite(path=str(self.path), thresholds=SMALL)] if databases is None else databases
            given = {"backup_expected": True, "state_dir": str(self.state), **given}
            return run(options(chosen, **given), LinuxHost(600.0), check_mode)

    return World()


def verbs(result: Any, state: str) -> list[str]:
    return [action.action for action in result.actions if action.state == state]


def test_check_mode_plans_what_the_run_does_and_the_second_run_nothing(world: Any) -> None:
    before = world.path.read_bytes()
    planned = world.run(check_mode=True)
    assert (planned.changed, world.path.read_bytes(), world.state.exists()) == (True, before, False)
    done = world.run()
    assert verbs(planned, "planned") == verbs(done, "done") == ["vacuum", "analyze"]
    assert (done.changed, done.failure, done.data["freed_bytes"] > 300_000) == (True, "", True)
    again = world.run()
    assert (again.changed, again.actions, again.status) == (False, [], "ok")


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_plan_never_writes_and_never_reports_a_change(world: Any, check_mode: bool) -> None:
    before = world.path.read_bytes()
    result = world.run(mode="plan", check_mode=check_mode)
    assert (result.changed, verbs(result, "planned")) == (False, ["vacuum", "analyze"])
    assert (world.path.read_bytes(), world.state.exists(), "remembered" in result.data) == (before, False, False)


def test_a_run_remembers_its_speed(world: Any) -> None:
    assert world.run().data["remembered"] is True
    kept = json.loads((world.state / "database.json").read_text())
    assert kept["demo"]["mb_s"]["in_place"][0] > 0


def test_a_memory_that_is_broken_is_no_obstacle(world: Any) -> None:
    world.state.mkdir()
    (world.state / "database.json").write_text('{"demo": {"mb_s": {"in_place": ["fast", -1], "x": 5}}, "other": [1]}')
    assert world.run().changed


def test_while_another_run_works_nothing_is_touched(world: Any) -> None:
    before = world.path.read_bytes()
    with host_lock(str(world.state), "B1.1 backup_archive", LinuxHost(60.0)), pytest.raises(LockHeld, match=r"B1\.1"):
        world.run()
    assert world.path.read_bytes() == before


def test_a_run_that_has_nothing_to_do_needs_no_lock(world: Any) -> None:
    world.run()
    with host_lock(str(world.state), "B1.1 backup_archive", LinuxHost(60.0)):
        assert world.run().changed is False


def test_a_wrong_option_is_raised_before_anything_is_looked_at(world: Any) -> None:
    with pytest.raises(InputError, match="window_minutes"):
        world.run(window_minutes=0)


def test_without_any_database_there_is_one_skipped_finding(world: Any) -> None:
    result = world.run(databases=[])
    assert [(finding.check, finding.status) for finding in result.findings] == [("database.reachable", "skipped")]
    assert (result.data["databases"], result.changed) == ([], False)


def test_a_database_that_is_missing_does_not_stop_the_others(world: Any, tmp_path: Path) -> None:
    gone = sqlite("gone", str(tmp_path / "gone.db"))
    result = world.run(databases=[gone, sqlite(path=str(world.path), thresholds=SMALL)])
    assert verbs(result, "done") == ["vacuum", "analyze"]
    assert result.status == "critical"


def test_a_failure_of_one_database_is_the_failure_of_the_run_and_the_other_is_still_done(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make(tmp_path / "other.db", EMPTIED)
    real = acting._VERBS["vacuum"]

    def full_once(task: Any) -> Any:
        if task.step.subject == "other":
            raise Full("database or disk is full")
        return real(task)

    monkeypatch.setitem(acting._VERBS, "vacuum", full_once)
    both = [sqlite("other", str(other), thresholds=SMALL), sqlite(path=str(world.path), thresholds=SMALL)]
    result = world.run(databases=both)
    assert result.failure.startswith("vacuum of other failed: database or disk is full")
    assert [(a.subject, a.state) for a in result.actions] == [
        ("other", "failed"), ("other", "skipped"), ("demo", "done"), ("demo", "done"),
    ]  # fmt: skip
    assert result.changed


def test_the_window_is_shared_by_the_databases_in_their_order(world: Any, tmp_path: Path) -> None:
    world.state.mkdir()
    crawl = {"mb_s": {"in_place": [0.016]}}  # about 50 s for this file
    (world.state / "database.json").write_text(json.dumps({"demo": crawl, "other": crawl}))
    other = make(tmp_path / "other.db", EMPTIED)
    both = [sqlite(path=str(world.path), thresholds=SMALL), sqlite("other", str(other), thresholds=SMALL)]
    result = world.run(databases=both, window_minutes=1, analyze="never", mode="plan")
    assert [(a.subject, a.state) for a in result.actions] == [("demo", "planned"), ("other", "skipped")]


def test_without_the_driver_an_audit_still_looks_at_the_sqlite_files(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    both = [postgresql(), sqlite(path=str(world.path), thresholds=SMALL)]
    result = world.run(databases=both, mode="plan")
    found = {finding.subject: finding.status for finding in result.findings if finding.check == "database.reachable"}
    assert found == {"main": "unknown", "demo": "ok"}
    before = world.path.read_bytes()
    with pytest.raises(postgres.DriverMissing):
        world.run(databases=both)
    assert world.path.read_bytes() == before, "a run does nothing where it could not do all"


def test_the_result_is_plain_json_and_holds_the_numbers_of_the_file(world: Any) -> None:
    answer = json.loads(json.dumps(world.run(mode="plan").as_dict()))
    [database] = answer["databases"]
    with closing(sqlite3.connect(world.path)) as connection:
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    assert (database["engine"], database["freelist_count"], database["auto_vacuum"]) == ("sqlite", free, "none")
    names = {metric["name"] for metric in answer["metrics"]}
    assert {"cryptobot_database_size_bytes", "cryptobot_database_free_bytes"} <= names


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may open a file of somebody else for writing")
def test_what_root_leaves_behind_belongs_to_the_owner(world: Any) -> None:
    os.chown(world.path, 12345, 54321)
    with closing(sqlite3.connect(world.path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    world.run()
    left = {(entry.stat().st_uid, entry.stat().st_gid) for entry in world.path.parent.glob("demo.db*")}
    assert left == {(12345, 54321)}
