# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole PostgreSQL server in trouble: near wraparound, a standby, killed under the vacuum, bloated tables."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Vacuum, finding, need_binaries, steps
from .postgres_server import Server, running_server
from .sqlite_files import plant_set
from .test_postgres_tables import fill

NEAR_WRAPAROUND = 1_400_000_000
PAGE = 8192
XIDS_PER_PAGE = PAGE * 4  # two bits each
PAGES_PER_SEGMENT = 32


@pytest.fixture
def private() -> Iterator[Server]:
    """A server that the test may break."""
    with running_server(need_binaries(), autovacuum_freeze_max_age="2000000000") as server:
        yield server


def age_by(server: Server, xid: int) -> None:
    """Have the server's next transaction id be ``xid``, rounded down to a segment of the commit log."""
    per_segment = XIDS_PER_PAGE * PAGES_PER_SEGMENT
    segment = xid // per_segment
    server.stop()
    commit_log = server.data / "pg_xact" / f"{segment:04X}"
    commit_log.write_bytes(b"\0" * PAGE * PAGES_PER_SEGMENT)
    shutil.chown(commit_log, server.user)
    server.run("pg_resetwal", "-x", str(segment * per_segment), "-D", str(server.data))
    server.start()


def test_a_server_near_wraparound_gets_its_emergency_vacuum_whatever_the_window_says(
    private: Server, vacuum: Vacuum
) -> None:
    fill(private, "postgres", "trades", 1_000, 0)
    age_by(private, NEAR_WRAPAROUND)
    entry = private.entry("postgres", exclude=[])
    audit = vacuum(databases=[entry], mode="plan")
    assert finding(audit, "database.wraparound", ":postgres").status == "critical"
    result = vacuum(databases=[entry], window_minutes=1, profile="gentle")
    verbs = {action for action, _subject in steps(result, "done")}
    assert verbs == {"vacuum"} and not result.failure
    assert all(action.details["emergency"] for action in result.actions if action.state == "done")
    assert finding(result, "database.wraparound", ":postgres").status == "ok"
    # Whether autovacuum has analyzed the table by now is a matter of its turn; what was urgent is done.
    assert {action for action, _subject in steps(vacuum(databases=[entry]), "done")} <= {"analyze"}
    settled = vacuum(databases=[entry])
    assert (settled.changed, steps(settled, "done")) == (False, [])


def test_old_tables_are_frozen_before_autovacuum_is_forced_to(vacuum: Vacuum) -> None:
    with running_server(need_binaries(), autovacuum_freeze_max_age="100000", vacuum_freeze_min_age="0") as server:
        fill(server, "postgres", "trades", 1_000, 0)
        burn = "DO $$ BEGIN FOR i IN 1..55000 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$"
        server.sql("postgres", burn)
        entry = server.entry("postgres")
        result = vacuum(databases=[entry])
        assert steps(result, "done") == [("vacuum", "main:postgres.public.trades")]
        done = next(action for action in result.actions if action.state == "done")
        assert done.details["freeze"] and "transaction id age" in done.reason
        assert vacuum(databases=[entry]).changed is False


def test_a_standby_is_skipped_and_says_so(server: Server, database: str, vacuum: Vacuum) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    folder = Path(tempfile.mkdtemp(prefix="cryptobot-pg-standby-"))
    standby = Server(server.bin, folder, {})
    try:
        shutil.chown(folder, server.user)
        source = f"host={server.folder} port={server.port} user={server.user}"
        server.run("pg_basebackup", "-D", str(standby.data), "-R", "-X", "stream", "-c", "fast", "-d", source)
        with open(standby.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"port = {standby.port}\nunix_socket_directories = '{folder}'\nhot_standby_feedback = on\n")
        standby.start()
        result = vacuum(databases=[standby.entry(database)])
        assert (result.changed, [f.check for f in result.findings]) == (False, ["database.standby"])
        assert result.findings[0].status == "skipped"
        primary = vacuum(databases=[server.entry(database)], mode="plan")
        assert finding(primary, "database.replica_lag").status == "ok"
    finally:
        if (standby.data / "postmaster.pid").exists():
            standby.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def test_a_server_that_dies_under_the_vacuum_is_a_failure_and_nothing_else_is_tried(
    private: Server, vacuum: Vacuum
) -> None:
    for number in range(3):
        private.sql(
            "postgres",
            f"CREATE TABLE t{number} (id int PRIMARY KEY, note text)",
            f"INSERT INTO t{number} SELECT n, repeat('x', 900) FROM generate_series(1, 60000) n",
        )
        private.sql("postgres", f"VACUUM ANALYZE t{number}")
        private.sql("postgres", f"UPDATE t{number} SET note = 'y'")
    killer = threading.Timer(1.0, private.stop, ["immediate"])
    killer.start()
    result = vacuum(databases=[private.entry("postgres")], profile="gentle")
    killer.join()
    states = [action.state for action in result.actions]
    assert states[0] == "failed" and set(states[1:]) == {"skipped"}
    assert result.failure.count("failed") == 1
    assert finding(result, "database.maintenance").status == "critical"
    private.start()
    recovered = vacuum(databases=[private.entry("postgres")])
    assert len(steps(recovered, "done")) == 3, "the counters were lost with the server, so each table is looked at"
    assert "counters were lost" in recovered.actions[0].reason
    assert vacuum(databases=[private.entry("postgres")]).changed is False


def bloated(server: Server, database: str) -> None:
    """Have a table of which more than half is empty, with fresh statistics."""
    server.sql(
        database,
        "CREATE TABLE audit_logs (id int PRIMARY KEY, note text, extra int)",
        "INSERT INTO audit_logs SELECT n, repeat('x', 100), NULL FROM generate_series(1, 60000) n",
    )
    server.sql(database, "DELETE FROM audit_logs WHERE id % 5 > 1")
    server.sql(database, "VACUUM ANALYZE audit_logs")


SMALL = {"bloat_bytes": "1M"}


def test_bloat_is_estimated_as_pgstattuple_measures_it(server: Server, database: str, vacuum: Vacuum) -> None:
    bloated(server, database)
    server.sql(database, "CREATE EXTENSION pgstattuple")
    measured = server.sql(database, "SELECT free_percent FROM pgstattuple('audit_logs')")[0][0] / 100
    entry = server.entry(database, thresholds=SMALL)
    estimated = finding(vacuum(databases=[entry], mode="plan"), "database.bloat")
    exact = finding(vacuum(databases=[entry], mode="plan", exact=True), "database.bloat")
    assert estimated.status == exact.status == "warning"
    assert estimated.actual == pytest.approx(measured, abs=0.03)
    assert exact.actual == pytest.approx(measured, abs=0.01)
    assert "VACUUM FULL would give back" in estimated.message and "advice only" in estimated.message


def test_the_bloat_estimate_is_withheld_while_statistics_are_stale(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    bloated(server, database)
    server.sql(database, "DELETE FROM audit_logs WHERE id % 5 = 1")
    found = finding(vacuum(databases=[server.entry(database, thresholds=SMALL)], mode="plan"), "database.bloat")
    assert found.status == "unknown" and "changed since the last analyze" in found.message


def test_a_rewrite_needs_every_gate_and_then_gives_the_space_back(
    server: Server, database: str, vacuum: Vacuum, tmp_path: Path
) -> None:
    bloated(server, database)
    entry = server.entry(database, thresholds=SMALL)
    backups = tmp_path / "backups"
    allowed = {"rewrite": "allow", "require_backup": {"dir": str(backups)}}
    running = vacuum(databases=[entry], **allowed)
    assert "services_stopped" in running.actions[0].reason and running.actions[0].state == "skipped"
    unproved = vacuum(databases=[entry], services_stopped=True, **allowed)
    assert "no backup set" in unproved.actions[0].reason
    plant_set(backups, [{"name": "main", "type": "postgresql", "database": database}], created=time.time() - 60)
    with_client = server.connect(database)
    busy = vacuum(databases=[entry], services_stopped=True, **allowed)
    with_client.close()
    assert busy.actions[0].state == "skipped" and "other clients are connected" in busy.actions[0].reason
    planned = vacuum(databases=[entry], services_stopped=True, check_mode=True, **allowed)
    done = vacuum(databases=[entry], services_stopped=True, **allowed)
    assert steps(planned, "planned") == steps(done, "done") == [("rewrite", f"main:{database}.public.audit_logs")]
    assert done.data["freed_bytes"] > 4 << 20
    assert finding(done, "database.bloat").status == "ok"
    assert server.sql(database, "SELECT count(*) FROM audit_logs") == [(24_000,)]
    assert vacuum(databases=[entry], services_stopped=True, **allowed).changed is False
