# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of a real PostgreSQL server: what is dumped can be restored, and whatever fails leaves no set."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import act, found, status

from ..database.postgres_server import Server, binaries, running_server
from .backup_lab import leftovers, visible_sets

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
ODD = "a=b ä"  # a name that libpq would take for a connection string
SCHEMA = (
    "CREATE TABLE trades (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, side text)",
    "INSERT INTO trades (side) SELECT 'left' FROM generate_series(1, 500)",
    'CREATE TABLE "odd ""name\n" (a serial)',
    "CREATE VIEW seen AS SELECT * FROM trades",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM trades",
    "CREATE TABLE parted (a int) PARTITION BY RANGE (a)",
    "CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9)",
    "INSERT INTO parted VALUES (1), (2)",
    "CREATE SCHEMA other",
    "CREATE TABLE other.empty (a int)",
    "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
)


def need_binaries() -> Path:
    folder = binaries()
    if folder is not None:
        return folder
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail("no PostgreSQL server binaries (initdb) on this machine")
    return pytest.skip("no PostgreSQL server binaries (initdb) on this machine: install postgresql-15")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(need_binaries()) as running:
        running.sql("postgres", "CREATE DATABASE main")
        running.sql("postgres", f'CREATE DATABASE "{ODD}"')
        running.sql("postgres", "CREATE ROLE trader LOGIN PASSWORD 'tr4der-secret'")
        running.sql("main", *SCHEMA)
        running.sql(ODD, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (7)")
        yield running


def source(server: Server, **more) -> dict:
    return {
        "name": "pg",
        "type": "postgresql",
        "database": "main",
        "login_unix_socket": str(server.folder),
        "login_port": server.port,
        "system_user": server.account,
        "bin_dir": str(server.bin),
        **more,
    }


def manifest(result) -> dict:
    return json.loads((Path(result.data["set"]["path"]) / "manifest.json").read_text())


def unpacked(result, name: str) -> bytes:
    path = Path(result.data["set"]["path"]) / "pg" / f"{name}.gz"
    return subprocess.run(["gzip", "-dc", path], capture_output=True, check=True).stdout


def restored(server: Server, dump: bytes, database: str) -> None:
    """Restore a dump as an operator would, with the server's own tool alone."""
    server.sql("postgres", f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database}")
    prefix = ["runuser", "-u", server.account, "--"] if server.account else []
    argv = [
        *prefix,
        str(server.bin / "pg_restore"),
        "--exit-on-error",
        "-h",
        str(server.folder),
        "-p",
        str(server.port),
    ]
    subprocess.run([*argv, "-d", database], input=dump, check=True, capture_output=True, cwd="/")


def test_a_set_of_all_databases_and_roles_can_be_restored(server, tmp_path):
    result = act(tmp_path, sources=[source(server, database="*")], compression="gzip")
    assert (result.failure, result.data["set"]["verified"]) == ("", "L2")
    facts = manifest(result)["sources"][0]
    assert set(facts["databases"]) == {"main", ODD, "postgres"}
    assert facts["databases"]["main"]["rows"] == {
        "public.trades": 500, 'public."odd ""name\n"': 0, "public.part": 2, "other.empty": 0,
    }  # fmt: skip
    assert facts["databases"][ODD]["rows"] == {"public.t": 1}
    assert b"CREATE ROLE trader" in unpacked(result, "globals.sql")
    restored(server, unpacked(result, "main.dump"), "restored")
    assert server.sql("restored", "SELECT count(*) FROM trades") == [(500,)]
    assert server.sql("restored", "SELECT count FROM counted") == [(500,)]
    assert [one.status for one in found(result, "backup.source")] == ["ok"]


def test_rows_in_the_manifest_are_the_rows_in_the_dump_under_writers(server, tmp_path):
    server.sql("main", "CREATE TABLE busy (a int)")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            # by psql: a connection of ours would switch this whole process to the server's account
            insert = "INSERT INTO busy SELECT 1 FROM generate_series(1, 100)"
            server.run("psql", "-h", str(server.folder), "-p", str(server.port), "-d", "main", "-qc", insert)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.3)
        result = act(tmp_path, sources=[source(server)], compression="gzip")
    finally:
        stop.set()
        writer.join()
    counted = manifest(result)["sources"][0]["databases"]["main"]["rows"]["public.busy"]
    restored(server, unpacked(result, "main.dump"), "restored")
    assert server.sql("restored", "SELECT count(*) FROM busy") == [(counted,)]
    assert 0 < counted < server.sql("main", "SELECT count(*) FROM busy")[0][0]
    server.sql("main", "DROP TABLE busy")


@pytest.mark.parametrize(("with_passwords", "expected"), [(True, True), (False, False)])
def test_roles_with_and_without_their_passwords(server, tmp_path, with_passwords, expected):
    result = act(tmp_path, sources=[source(server, role_passwords=with_passwords)], compression="gzip")
    assert (b"SCRAM-SHA-256$" in unpacked(result, "globals.sql")) is expected
    assert b"tr4der-secret" not in unpacked(result, "globals.sql")


@pytest.mark.parametrize(("rows", "counted"), [("exact", 500), ("estimated", None), ("none", None)])
def test_how_rows_are_counted(server, tmp_path, rows, counted):
    result = act(tmp_path, sources=[source(server, rows=rows)])
    facts = manifest(result)["sources"][0]
    assert facts["rows_counted"] == rows
    assert facts["databases"]["main"]["rows"].get("public.trades") in (counted, 0) or counted is None
    assert (facts["databases"]["main"]["rows"] == {}) is (rows == "none")


def test_an_empty_database_is_kept_and_does_not_count(server, tmp_path):
    server.sql("postgres", "DROP DATABASE IF EXISTS bare", "CREATE DATABASE bare")
    result = act(tmp_path, sources=[source(server, database="bare")])
    assert status(result, "backup.size_anomaly") == "critical"
    assert result.data["set"]["good"] is False


def failing(place: Path, given: dict, **options) -> str:
    """Run into a failure beside a good set, prove that nothing came of it, and return its reason."""
    before = visible_sets(place / "backups")
    result = act(place, sources=[given], **options)
    assert result.failure
    assert status(result, "backup.taken") == "critical"
    assert visible_sets(place / "backups") == before
    assert not (place / "backups").exists() or leftovers(place / "backups") == []
    return result.failure


def tools(server: Server, folder: Path, **scripts: str) -> str:
    """Return a folder of PostgreSQL's tools, some of them scripts of ours; ``REAL`` in one is the real tool."""
    folder.mkdir()
    folder.chmod(0o755)
    for name in ("psql", "pg_dump", "pg_dumpall", "pg_restore"):
        real = str(server.bin / name)
        script = scripts.get(name)
        if script is None:
            (folder / name).symlink_to(real)
        else:
            version = f'case "$*" in *--version*) exec {real} --version;; esac\n'
            (folder / name).write_text(f"#!/bin/sh\n{version}{script.replace('REAL', real)}\n")
            (folder / name).chmod(0o755)
    return str(folder)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that the server's account may enter, because it runs the scripts in it."""
    folder = Path(tempfile.mkdtemp(prefix="cryptobot-faults-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


BROKEN_TOOLS = [
    ("pg_dump fails at once", {"pg_dump": "echo 'pg_dump: error: out of memory' >&2; exit 1"}, "out of memory"),
    ("pg_dump writes all and then fails", {"pg_dump": "REAL \"$@\"; exit 1"}, "exit code 1"),
    ("pg_dump is killed", {"pg_dump": "REAL \"$@\" | head -c 3000; kill -9 $$"}, "exit code"),
    ("pg_dump is cut off, content with itself", {"pg_dump": "REAL \"$@\" | head -c -2000"}, "could not be read back"),
    ("pg_dump is cut off within its contents", {"pg_dump": "REAL \"$@\" | head -c 900"}, "'.*pg_restore' ended with"),
    ("pg_dump says nothing and is content", {"pg_dump": "exit 0"}, "pg_restore' ended with exit code 1"),
    ("pg_dump says something else", {"pg_dump": "echo hello"}, "not appear to be a valid archive"),
    ("pg_dump leaves out a table", {"pg_dump": "REAL \"$@\" --exclude-table=public.trades"}, "lacks 2 of 9 relations"),
    ("pg_dump dumps another database", {"pg_dump": "PGDATABASE=postgres REAL -Fc"}, "the dump of main lacks"),
    ("pg_dumpall fails", {"pg_dumpall": "echo 'error: permission denied' >&2; exit 1"}, "permission denied"),
    ("pg_dumpall is cut off", {"pg_dumpall": "REAL \"$@\" | head -c 500"}, "before pg_dumpall's end mark"),
    ("psql fails in the middle", {"psql": "head -n 1 >/dev/null; echo 'FATAL: terminated' >&2; exit 2"}, "terminated"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "scripts", "message"), BROKEN_TOOLS, ids=[case[0] for case in BROKEN_TOOLS])
def test_a_tool_that_fails_leaves_no_set(server, open_place, why, scripts, message):
    act(open_place, sources=[source(server)])
    reason = failing(open_place, source(server, bin_dir=tools(server, open_place / "bin", **scripts)))
    assert re.search(message, reason), reason


def test_a_pg_dump_older_than_the_server_is_refused(server, open_place):
    folder = tools(server, open_place / "bin")
    (open_place / "bin" / "pg_dump").unlink()
    (open_place / "bin" / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    (open_place / "bin" / "pg_dump").chmod(0o755)
    assert "pg_dump is of version 9, expected" in failing(open_place, source(server, bin_dir=folder))


def test_a_pg_dump_that_is_not_there_is_named(server, open_place):
    folder = tools(server, open_place / "bin")
    (open_place / "bin" / "pg_dump").unlink()
    assert "pg_dump" in failing(open_place, source(server, bin_dir=folder))


def test_a_wrong_password_is_an_error_without_the_password(server, tmp_path):
    login = {
        "login_unix_socket": None,
        "login_host": "127.0.0.1",
        "login_user": "trader",
        "login_password": "wr0ng-one",
    }
    reason = failing(tmp_path, source(server, system_user=None, **login))
    assert "password authentication failed" in reason
    assert "wr0ng-one" not in reason


def test_a_role_that_may_not_read_everything_is_refused(server, tmp_path):
    login = {"login_unix_socket": None, "login_host": "127.0.0.1", "login_user": "trader"}
    reason = failing(tmp_path, source(server, system_user=None, login_password="tr4der-secret", **login))
    assert "permission denied" in reason


@contextmanager
def locked(server: Server) -> Iterator[Any]:
    """Hold a table so that nobody may even read it."""
    holder = server.connect("main")
    holder.autocommit = False
    try:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE trades IN ACCESS EXCLUSIVE MODE")
        yield holder
    finally:
        holder.close()


@pytest.mark.parametrize("rows", ["none", "exact"], ids=["the dump waits", "the counting waits"])
def test_a_table_that_stays_locked_ends_the_run_in_time(server, tmp_path, rows):
    begun = time.monotonic()
    with locked(server):
        reason = failing(tmp_path, source(server, lock_wait_timeout=1, rows=rows))
    assert "canceling statement due to" in reason
    assert time.monotonic() - begun < 60


def test_a_server_that_goes_away_in_the_middle_leaves_no_set(tmp_path):
    with running_server(need_binaries()) as own:
        own.sql("postgres", "CREATE DATABASE main")
        own.sql("main", *SCHEMA[:2])
        act(tmp_path, sources=[source(own)])
        with locked(own):  # so that pg_dump is certainly still at work
            stopping = threading.Timer(1.5, own.stop, ["immediate"])
            stopping.start()
            reason = failing(tmp_path, source(own, rows="none"))
            stopping.join()
        assert "terminating connection" in reason or "server closed the connection" in reason, reason
        assert "failed" in failing(tmp_path, source(own))


def test_without_pg_restore_nothing_is_claimed_of_a_dump(server, open_place, monkeypatch):
    folder = tools(server, open_place / "bin")
    act(open_place, sources=[source(server, bin_dir=folder)])
    (open_place / "bin" / "pg_restore").unlink()
    (open_place / "path").mkdir()
    (open_place / "path" / "zstd").symlink_to(shutil.which("zstd") or "/nowhere")
    monkeypatch.setenv("PATH", str(open_place / "path"))  # of another host, the one on PATH would do
    looked = act(open_place, state="verified")
    assert status(looked, "backup.checksum") == "ok"
    assert status(looked, "backup.readable") == "unknown"
    assert act(open_place, state="listed").data["sets"][0]["verified"] == "L2"  # the evidence so far stands


@pytest.fixture
def odd_databases(server) -> Iterator[None]:
    """Beside the others a database whose drop was interrupted, one without CONNECT, one that nobody may enter, and a
    site's own template.
    """
    for name in ("broken", "private", "closed", "model"):
        server.sql("postgres", f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    server.sql("private", "CREATE TABLE t (a int)")
    server.sql("postgres", "CREATE ROLE watcher LOGIN PASSWORD 'w4tcher-secret'", "GRANT pg_read_all_data TO watcher")
    server.sql("postgres", "REVOKE CONNECT ON DATABASE private FROM PUBLIC")
    server.sql("postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false", "ALTER DATABASE model IS_TEMPLATE true")
    server.sql("postgres", (CASES / "14-invalid-database.sql").read_text())
    yield
    server.sql("postgres", "UPDATE pg_database SET datconnlimit = -1, datallowconn = true")
    server.sql("postgres", "ALTER DATABASE model IS_TEMPLATE false")
    for name in ("broken", "private", "closed", "model"):
        server.sql("postgres", f"DROP DATABASE {name}")
    server.sql("postgres", "REVOKE ALL ON SCHEMA public FROM watcher", "DROP ROLE watcher")


def databases_of(result) -> set[str]:
    return set(manifest(result)["sources"][0]["databases"])


@pytest.mark.case("BK14")
def test_a_database_that_cannot_be_entered_costs_itself_alone(server, tmp_path, odd_databases):
    as_watcher = {"login_unix_socket": None, "login_host": "127.0.0.1", "login_user": "watcher", "system_user": None}
    login = {**as_watcher, "login_password": "w4tcher-secret", "globals": False}
    result = act(tmp_path, sources=[source(server, database="*", **login)])
    assert result.failure == ""
    assert databases_of(result) == {"main", ODD, "postgres"} | others(server)
    [told] = found(result, "backup.databases")
    assert told.status == "warning"
    assert "broken (its DROP DATABASE was interrupted" in told.message
    assert "private (the login has no CONNECT on it)" in told.message
    assert "closed (it allows no connections)" in told.message
    assert "model (it is a template)" in told.message
    assert set(manifest(result)["sources"][0]["left_out"]) == {"broken", "private", "closed", "model"}


@pytest.mark.case("BK14")
def test_databases_that_are_excluded_are_named_and_no_trouble(server, tmp_path, odd_databases):
    exclude = ["broken", "clos*", "private", "model", "postgres"]
    result = act(tmp_path, sources=[source(server, database="*", exclude=exclude)])
    assert result.failure == ""
    assert databases_of(result) == {"main", ODD} | others(server)
    [told] = found(result, "backup.databases")
    assert (told.status, told.actual) == ("ok", 0)
    assert "closed (excluded by clos*)" in told.message


def others(server) -> set[str]:
    """Return the databases that earlier tests left."""
    return {"restored", "bare"} & {row[0] for row in server.sql("postgres", "SELECT datname FROM pg_database")}


@pytest.mark.case("BK14")
def test_a_database_that_is_dropped_meanwhile_costs_itself_alone(server, open_place):
    server.sql("postgres", "CREATE DATABASE passing")
    statement = f"REAL -h {server.folder} -p {server.port} -d postgres -qc 'DROP DATABASE IF EXISTS passing'"
    drop = f'case "$PGDATABASE" in passing) PGOPTIONS= {statement};; esac'
    folder = tools(server, open_place / "bin", psql=f'{drop}\nexec REAL "$@"')
    result = act(open_place, sources=[source(server, database="*", bin_dir=folder)])
    assert result.failure == ""
    left = manifest(result)["sources"][0]["left_out"]
    assert left["passing"]["reason"] == "it was dropped while the others were dumped"


@pytest.mark.case("BK9")
def test_a_table_that_is_locked_for_less_than_declared_is_waited_for(server, tmp_path):
    with locked(server) as holder:
        threading.Timer(2.0, holder.close).start()
        result = act(tmp_path, sources=[source(server, lock_wait_timeout=20)])
    assert result.failure == ""


@pytest.mark.case("BK5")
def test_rows_of_any_table_are_counted_as_a_dump_reads_them(server, tmp_path):
    server.sql("postgres", "DROP DATABASE IF EXISTS shapes", "CREATE DATABASE shapes")
    server.sql(
        "shapes",
        "CREATE TABLE nothing ()",
        "INSERT INTO nothing SELECT FROM generate_series(1, 7)",
        "CREATE TABLE computed (a text, b text GENERATED ALWAYS AS (a || 'x') STORED)",
        "INSERT INTO computed VALUES (NULL), ('two\nlines'), ('end-0'), ('\\.')",
        "CREATE TABLE parent (a int)",
        "CREATE TABLE child (b text) INHERITS (parent)",
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO child VALUES (2, 'x'), (3, 'y')",
        "CREATE TABLE wide (a text, b bigint, c smallint)",
        "INSERT INTO wide SELECT 'x', n, 1 FROM generate_series(1, 300000) n",
    )
    result = act(tmp_path, sources=[source(server, database="shapes")])
    assert manifest(result)["sources"][0]["databases"]["shapes"]["rows"] == {
        "public.nothing": 7, "public.computed": 4, "public.parent": 1, "public.child": 2, "public.wide": 300_000,
    }  # fmt: skip
    server.sql("postgres", "DROP DATABASE shapes")
