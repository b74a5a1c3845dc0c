# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps db_vacuum from a table of a real PostgreSQL server: locks, old transactions, rights, the window."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.declared import VacuumSettings
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres import run as engine
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.memory import remember

from .conftest import Vacuum, finding, settings_of, steps
from .postgres_server import Server
from .test_postgres_tables import fill


class Other(NamedTuple):
    """Somebody else's session."""

    cursor: Any
    pid: int

    def is_alive(self) -> bool:
        self.cursor.execute("SELECT 1")
        return bool(self.cursor.fetchone() == (1,))


@contextmanager
def session(server: Server, database: str, *statements: str) -> Iterator[Other]:
    """Have somebody else at work on the database for a block."""
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        yield Other(cursor, connection.get_backend_pid())


def options(server: Server, database: str, **more: Any) -> VacuumSettings:
    return settings_of(databases=[server.entry(database)], **more)


def test_a_locked_table_is_skipped_without_waiting_and_its_holder_is_named(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    fill(server, database, "sessions", 30_000, 12_000)
    with session(server, database, "BEGIN", "LOCK TABLE trades IN ACCESS EXCLUSIVE MODE") as other:
        begun = time.monotonic()
        result = vacuum(databases=[server.entry(database)], lock_timeout="30s")
        assert time.monotonic() - begun < 20
        assert other.is_alive(), "nobody is ever cancelled"
    assert [subject.rsplit(".", 1)[1] for _action, subject in steps(result, "done")] == ["sessions"]
    refused = next(action for action in result.actions if action.state == "skipped")
    assert refused.subject.endswith("public.trades")
    found = finding(result, "database.locked")
    assert found.status == "warning"
    assert f"pid {other.pid}" in found.message and "LOCK TABLE trades" in found.message
    assert not result.failure
    assert steps(vacuum(databases=[server.entry(database)]), "done") == [
        ("vacuum_analyze", f"main:{database}.public.trades")
    ]


def test_a_table_that_is_locked_between_plan_and_run_is_skipped_as_well(server: Server, database: str) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    settings, host = options(server, database), choose_host(60)
    seen = engine.prepare(settings.databases[0], settings, host, {}, 600)
    with session(server, database, "BEGIN", "LOCK TABLE trades IN SHARE MODE") as other:
        after = engine.vacuum(seen, host, host.now() + 600, lambda: None)
        assert other.is_alive()
    outcome = after.ended[0]
    assert (outcome.state, outcome.rule) == ("skipped", "database.locked")
    assert f"pid {other.pid}" in outcome.reason


def test_a_table_that_is_gone_before_its_turn_is_no_failure(server: Server, database: str) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    settings, host = options(server, database), choose_host(60)
    seen = engine.prepare(settings.databases[0], settings, host, {}, 600)
    server.sql(database, "DROP TABLE trades")
    result = engine.report(engine.vacuum(seen, host, host.now() + 600, lambda: None), host)
    assert (result.changed, result.failure, result.actions[0].state) == (False, "", "skipped")


def test_an_idle_transaction_that_holds_the_horizon_is_named_and_left_alone(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
    with session(server, database, begin, "SELECT 'api_key=secret', count(*) FROM trades") as other:
        time.sleep(1.2)
        result = vacuum(databases=[server.entry(database)], max_txn_age="1s")
        assert other.is_alive()
    assert steps(result, "done") == [("analyze", f"main:{database}.public.trades")]
    refused = next(action for action in result.actions if action.state == "skipped")
    assert "a vacuum could remove nothing" in refused.reason
    found = finding(result, "database.xmin_horizon")
    assert (found.status, found.subject) == ("warning", f"main:{database}")
    assert f"pid {other.pid}" in found.message and "idle in transaction" in found.message
    assert "secret" not in found.message
    assert finding(result, "database.long_transaction").status == "warning"
    freed = vacuum(databases=[server.entry(database)], max_txn_age="1s")
    assert finding(freed, "database.xmin_horizon").status == "ok"
    assert steps(freed, "done") == [("vacuum", f"main:{database}.public.trades")]


def test_a_transaction_in_another_database_holds_nothing_back_here(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    with session(server, "postgres", "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM pg_class"):
        time.sleep(1.2)
        result = vacuum(databases=[server.entry(database)], max_txn_age="1s")
    assert len(steps(result, "done")) == 1
    assert finding(result, "database.dead_rows").status == "ok"


def test_a_prepared_transaction_that_holds_the_horizon_is_named(server: Server, database: str, vacuum: Vacuum) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    server.sql(database, "BEGIN", "INSERT INTO trades VALUES (999999, '')", "PREPARE TRANSACTION 'forgotten'")
    try:
        time.sleep(1.2)
        result = vacuum(databases=[server.entry(database)], max_txn_age="1s")
    finally:
        server.sql(database, "ROLLBACK PREPARED 'forgotten'")
    assert "prepared transaction 'forgotten'" in finding(result, "database.xmin_horizon").message


def test_dead_rows_that_a_vacuum_could_not_remove_do_not_make_the_table_a_candidate_again(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    server.sql(database, "CREATE TABLE trades (id int PRIMARY KEY, note text)")
    server.sql(database, "INSERT INTO trades SELECT n, '' FROM generate_series(1, 30000) n")
    server.sql(database, "VACUUM ANALYZE trades")
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
    with session(server, database, begin, "SELECT count(*) FROM trades"):
        server.sql(database, "UPDATE trades SET note = 'x' WHERE id <= 12000")
        first = vacuum(databases=[server.entry(database)])
        assert len(steps(first, "done")) == 1
        found = finding(first, "database.dead_rows")
        assert found.status == "warning" and "12,000 cannot be removed yet" in found.message
        second = vacuum(databases=[server.entry(database)])
        assert (second.changed, steps(second, "done")) == (False, [])
    third = vacuum(databases=[server.entry(database)])
    assert steps(third, "done") == [("vacuum", f"main:{database}.public.trades")]
    assert finding(third, "database.dead_rows").status == "ok"


@pytest.fixture
def stranger(server: Server, database: str) -> Iterator[dict[str, Any]]:
    """A login over TCP with a password and no right to anything but connecting."""
    server.sql(database, "CREATE ROLE stranger LOGIN PASSWORD 'a secret of mine'")
    yield {
        "name": "main",
        "engine": "postgresql",
        "database": database,
        "login_host": "127.0.0.1",
        "login_port": server.port,
        "login_user": "stranger",
        "login_password": "a secret of mine",
        "include": [r"\.public\."],
        "thresholds": {"bloat_bytes": "1M"},
    }
    server.sql(database, "DROP OWNED BY stranger", "DROP ROLE stranger")


def test_a_login_without_rights_is_told_what_it_cannot_do_and_see(
    server: Server, database: str, vacuum: Vacuum, stranger: dict[str, Any]
) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    server.sql(database, "ANALYZE trades")
    result = vacuum(databases=[stranger])
    assert (result.changed, result.failure) == (False, "")
    permission = finding(result, "database.permission")
    assert permission.status == "warning" and "public.trades" in permission.message
    assert finding(result, "database.xmin_horizon").status == "unknown"
    assert finding(result, "database.long_transaction").status == "unknown"
    bloat = finding(result, "database.bloat")
    assert bloat.status == "unknown" and "sees no row of pg_stats" in bloat.message


def test_the_owner_of_a_table_needs_no_more_rights(
    server: Server, database: str, vacuum: Vacuum, stranger: dict[str, Any]
) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    server.sql(database, "ALTER TABLE trades OWNER TO stranger")
    result = vacuum(databases=[stranger])
    assert steps(result, "done") == [("vacuum_analyze", f"main:{database}.public.trades")]
    assert finding(result, "database.permission").status == "ok"


def test_a_wrong_password_is_one_critical_finding_that_does_not_repeat_it(
    vacuum: Vacuum, stranger: dict[str, Any]
) -> None:
    result = vacuum(databases=[{**stranger, "login_password": "a wrong guess"}])
    found = finding(result, "database.reachable")
    assert found.status == "critical" and "authentication failed" in found.message
    assert "wrong guess" not in str(result.as_dict())


def test_a_password_file_serves_as_well(
    server: Server, database: str, vacuum: Vacuum, stranger: dict[str, Any], tmp_path: Any
) -> None:
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"127.0.0.1:{server.port}:*:stranger:a secret of mine\n")
    passfile.chmod(0o600)
    entry = {name: value for name, value in stranger.items() if name != "login_password"}
    result = vacuum(databases=[{**entry, "login_passfile": str(passfile)}], mode="plan")
    assert finding(result, "database.reachable").status == "ok"


def test_a_server_that_is_not_there_and_a_database_that_is_not_there(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    gone = {**server.entry(database), "login_port": 1}
    missing = {**server.entry("no_such_database"), "name": "other"}
    result = vacuum(databases=[gone, missing, {**server.entry(database), "name": "third"}])
    assert [f.status for f in result.findings if f.check == "database.reachable"] == ["critical", "critical", "ok"]


def test_what_does_not_fit_into_the_window_is_left_and_named(server: Server, database: str, vacuum: Vacuum) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    slow = {"mb_s": {"normal": [0.001]}, "at": time.time()}
    remember(str(vacuum.state), "database", {"main": {"tables": {f"{database}.public.trades": slow}}})
    result = vacuum(databases=[server.entry(database)], window_minutes=1)
    assert steps(result, "done") == []
    found = finding(result, "database.window")
    assert found.status == "warning" and "longer than the whole window" in found.message


def test_a_vacuum_that_outlasts_the_window_is_stopped_by_the_server(server: Server, database: str) -> None:
    server.sql(
        database,
        "CREATE TABLE trades (id int, note text) WITH (autovacuum_enabled = off)",
        "INSERT INTO trades SELECT n, repeat('x', 900) FROM generate_series(1, 40000) n",
    )
    server.sql(database, "VACUUM ANALYZE trades")
    server.sql(database, "UPDATE trades SET note = 'y'", "CHECKPOINT")  # a page that is dirty already costs nothing
    settings, host = options(server, database, profile="gentle"), choose_host(60)
    seen = engine.prepare(settings.databases[0], settings, host, {}, 600)
    steps = tuple(step._replace(task=step.task._replace(predicted_s=0.0)) for step in seen.plan.steps)
    hurried = seen._replace(plan=seen.plan._replace(steps=steps))
    begun = time.monotonic()
    after = engine.vacuum(hurried, host, host.now() + 0.3, lambda: None)
    assert time.monotonic() - begun < 5
    assert (after.ended[0].state, after.ended[0].rule) == ("skipped", "database.window")
    assert engine.report(after, host).failure == ""


def test_the_progress_of_a_long_vacuum_is_watched(server: Server, database: str, vacuum: Vacuum) -> None:
    server.sql(
        database,
        "CREATE TABLE trades (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off)",
        "INSERT INTO trades SELECT n, repeat('x', 400) FROM generate_series(1, 150000) n",
    )
    server.sql(database, "VACUUM ANALYZE trades")
    server.sql(database, "UPDATE trades SET note = repeat('y', 400)", "CHECKPOINT")
    result = vacuum(databases=[server.entry(database)], profile="gentle")
    done = next(action for action in result.actions if action.state == "done")
    assert done.details["seconds"] > 1.5, "the table is too small for the watcher to see it"
    assert done.details["heap_percent"] > 0
    assert finding(result, "database.maintenance").status == "ok"
