# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Databases of a real PostgreSQL server come back beside, on that server and on a bare one; what differs is refused."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import act, filled

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import CannotJudge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.foreign import ForeignReader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.manifest import parse_manifest
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Manifest
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.kinds import restore
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench, Selection
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.restore import drop
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.reader import ArchiveReader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from ..database.postgres_server import Server, running_server
from ..faults.test_backup_postgresql import ODD, SCHEMA, need_binaries, source

HOST = choose_host(86_400.0)  # made when the tests are collected, which may be long before they run
RELATED = (
    "CREATE TABLE parents (id int PRIMARY KEY, name text)",
    "CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents)",
    "CREATE INDEX children_parent ON children (parent)",
    "INSERT INTO parents SELECT n, 'x' FROM generate_series(1, 30) n",
    "INSERT INTO children SELECT n, n FROM generate_series(1, 20) n",
    "CREATE ROLE \"odd; 'role\" LOGIN PASSWORD 'tr4der-secret'",
    "COMMENT ON ROLE \"odd; 'role\" IS 'first; DROP DATABASE main; -- \\ '",
    'ALTER TABLE parents OWNER TO "odd; \'role"',
    'GRANT pg_monitor TO "odd; \'role"',
    "ALTER DATABASE main SET work_mem = '7MB'",
    'GRANT CONNECT ON DATABASE main TO "odd; \'role"',
    "REVOKE CONNECT ON DATABASE main FROM PUBLIC",
    "COMMENT ON DATABASE main IS 'it''s; ours'",
    "ALTER ROLE \"odd; 'role\" IN DATABASE main SET work_mem = '3MB'",
)
AS_A_WHOLE = """
SELECT (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),
       shobj_description(d.oid, 'pg_database'), setrole::regrole::text, setconfig
  FROM pg_database d JOIN pg_db_role_setting s ON s.setdatabase = d.oid WHERE datname = '{}' ORDER BY 3
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(need_binaries()) as running:
        running.sql("postgres", f'CREATE DATABASE "{ODD}"')
        running.sql("postgres", "CREATE DATABASE main TEMPLATE template0 LC_COLLATE 'C.UTF-8'")
        running.sql("main", *SCHEMA, *RELATED)
        running.sql(ODD, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (7)")
        yield running


@pytest.fixture(scope="module")
def bare() -> Iterator[Server]:
    with running_server(need_binaries()) as running:
        yield running


@pytest.fixture(scope="module")
def taken(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    result = act(tmp_path_factory.mktemp("set"), sources=[source(server, database="*", rows="exact")])
    assert result.failure == ""
    path = Path(result.data["set"]["path"])
    return parse_manifest((path / "manifest.json").read_bytes(), "manifest.json", path.name), path


def options(server: Server) -> dict[str, Any]:
    return filled(SPEC["sources"]["options"], source(server))


def restored(taken: tuple[Manifest, Path], server: Server, folder: Path, **more: Any) -> Any:
    manifest, path = taken
    bench = Bench(path, folder, HOST, platform=manifest.platform, server=options(server), **more)
    return restore(manifest.sources[0], ArchiveReader(manifest, path, HOST), folder, bench)


def databases(server: Server) -> set[str]:
    return {row[0] for row in server.sql("postgres", "SELECT datname FROM pg_database")}


def test_all_databases_of_a_server_come_back_on_a_bare_one_with_their_roles(taken, server, bare, tmp_path):
    before = databases(bare)
    done = restored(taken, bare, tmp_path, create_roles=True, tag="whole")
    scratch = {name: one["scratch"] for name, one in done.proof["databases"].items()}
    assert databases(bare) - before == set(scratch.values())
    assert sorted(scratch) == sorted(["main", ODD, "postgres"])
    main = scratch["main"]
    assert bare.sql(main, "SELECT count(*) FROM trades") == [(500,)]
    assert bare.sql(main, "SELECT count FROM counted") == [(500,)]
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'parents'"
    assert bare.sql(main, owner) == [("odd; 'role",)]
    made = f"SELECT datcollate FROM pg_database WHERE datname = '{main}'"
    assert bare.sql(main, made) == [("C.UTF-8",)]
    assert bare.sql(main, "SHOW work_mem") == [("7MB",)]
    assert bare.sql("postgres", AS_A_WHOLE.format(main)) == server.sql("postgres", AS_A_WHOLE.format("main"))
    assert bare.sql(main, "SELECT has_database_privilege('odd; ''role', current_database(), 'CONNECT')") == [(True,)]
    assert bare.sql(main, "SELECT pg_has_role('odd; ''role', 'pg_monitor', 'MEMBER')") == [(True,)]
    passwords = "SELECT rolpassword FROM pg_authid WHERE rolname = 'odd; ''role'"
    assert bare.sql("postgres", passwords) == server.sql("postgres", passwords) != [(None,)]
    told = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'odd; ''role'"
    assert bare.sql("postgres", told) == [("first; DROP DATABASE main; -- \\ ",)]
    facts = taken[0].sources[0].facts["databases"]
    assert {name: one["rows"] for name, one in done.proof["databases"].items()} == {
        name: one["rows"] for name, one in facts.items()
    }
    assert done.things == taken[0].sources[0].things
    drop(options(bare), list(scratch.values()), HOST)
    assert databases(bare) == before


def test_one_database_comes_back_beside_the_live_one(taken, server, tmp_path):
    done = restored(taken, server, tmp_path, selection=Selection(databases=(ODD,)), tag="one")
    assert done.proof["databases"] == {
        ODD: {
            "scratch": "cryptobot_restore_one_1",
            "rows": {"public.t": 1},
            "relations": 1,
            "extensions": [],
            "rows_compared": True,
        }
    }
    assert server.sql("cryptobot_restore_one_1", "SELECT a FROM t") == [(7,)]
    with pytest.raises(ActionFailed, match="cryptobot_restore_one_1 is there already: it is not touched"):
        restored(taken, server, tmp_path, selection=Selection(databases=(ODD,)), tag="one")
    assert server.sql("cryptobot_restore_one_1", "SELECT a FROM t") == [(7,)]
    drop(options(server), ["cryptobot_restore_one_1"], HOST)


def test_the_rows_of_one_table_come_back_without_those_it_refers_to(taken, server, tmp_path):
    chosen = Selection(databases=("main",), tables=("public.children",))
    done = restored(taken, server, tmp_path, selection=chosen, tag="table")
    scratch = "cryptobot_restore_table_1"
    assert done.proof["databases"]["main"]["rows"] == {"public.children": 20}
    assert server.sql(scratch, "SELECT count(*) FROM children") == [(20,)]
    assert server.sql(scratch, "SELECT count(*) FROM parents") == [(0,)]
    assert server.sql(scratch, "SELECT indexname FROM pg_indexes WHERE tablename = 'children' ORDER BY 1") == [
        ("children_parent",), ("children_pkey",),
    ]  # fmt: skip
    drop(options(server), [scratch], HOST)


def test_missing_roles_are_made_only_where_that_was_asked_for(taken, tmp_path):
    with running_server(need_binaries()) as empty:
        with pytest.raises(CannotJudge, match="lacks the roles odd; 'role of pg"):
            restored(taken, empty, tmp_path)
        assert databases(empty) == {"postgres", "template0", "template1"}


def lying(taken: tuple[Manifest, Path], **more: Any) -> tuple[Manifest, Path]:
    manifest, path = taken
    entry = manifest.sources[0]
    return manifest._replace(sources=(entry._replace(facts={**entry.facts, **more}),)), path


def with_rows(taken: tuple[Manifest, Path], **rows: int) -> tuple[Manifest, Path]:
    known = taken[0].sources[0].facts["databases"]
    main = {**known["main"], "rows": {**known["main"]["rows"], **{f"public.{name}": n for name, n in rows.items()}}}
    return lying(taken, databases={**known, "main": main})


def with_bytes(taken: tuple[Manifest, Path], size: int) -> tuple[Manifest, Path]:
    manifest, path = taken
    return manifest._replace(sources=(manifest.sources[0]._replace(raw_bytes=size),)), path


REFUSED = [
    (lambda taken: lying(taken, pg_dump=99), "the server is of version 15 and pg was dumped by pg_dump 99"),
    (lambda taken: with_rows(taken, trades=501), "public.trades has 500 rows, expected 501"),
    (lambda taken: with_rows(taken, gone=0), "public.gone has None rows, expected 0"),
    (lambda taken: with_bytes(taken, 1000), "unpacks to more than the 1000 bytes declared"),
]


@pytest.mark.parametrize(("lie", "words"), REFUSED)
def test_what_is_not_as_the_manifest_says_is_refused_and_nothing_is_left(taken, server, tmp_path, lie, words):
    before = databases(server)
    with pytest.raises(ActionFailed, match=words):
        restored(lie(taken), server, tmp_path, tag="lie")
    assert databases(server) == before


def test_an_extension_that_the_server_does_not_have_is_named_before_anything_is_made(
    taken, server, tmp_path, monkeypatch
):
    path = f"{restore.__module__.rpartition('.')[0]}.postgresql.restore._EXTENSIONS"
    monkeypatch.setattr(path, "SELECT pg_catalog.json_build_array('plpgsql')")
    before = databases(server)
    with pytest.raises(ActionFailed, match="needs the extensions pg_stat_statements"):
        restored(taken, server, tmp_path, tag="extension")
    assert databases(server) == before


def test_the_dump_in_an_archive_of_the_application_comes_back(server, tmp_path):
    stage = tmp_path / "nightly"
    (stage / "config").mkdir(parents=True)
    (stage / "config" / "app.yml").write_text("x")
    (stage / "metadata.json").write_text('{"backupName": "nightly", "timestamp": "2026-11-28 02:00:05"}')
    login = ("-h", str(server.folder), "-p", str(server.port))
    server.run("pg_dump", *login, "--format=custom", f"--file={server.folder}/database.sql", "main")
    shutil.move(server.folder / "database.sql", stage / "database.sql")
    with tarfile.open(tmp_path / "nightly.tar.gz", "w:gz") as archive:
        archive.add(stage, arcname="nightly")
    reader = ForeignReader(tmp_path / "nightly.tar.gz", tmp_path, HOST)
    [entry] = [one for one in reader.manifest.sources if one.type == "postgresql"]
    done = restore(entry, reader, tmp_path, Bench(tmp_path, tmp_path, HOST, server=options(server)))
    found = done.proof["databases"]["main"]
    assert (found["rows"]["public.trades"], found["rows_compared"]) == (500, False)
    assert sorted(done.notes.counts) == ["globals", "rows"]
    assert any("no roles" in words for words in reader.lacks)
    drop(options(server), [found["scratch"]], HOST)


def test_only_what_a_restore_made_is_dropped(server):
    for name in ("main", "cryptobot_restore_x; DROP DATABASE main", "postgres"):
        with pytest.raises(ActionFailed, match="no database that a restore made"):
            drop(options(server), [name], HOST)
    assert "main" in databases(server)
