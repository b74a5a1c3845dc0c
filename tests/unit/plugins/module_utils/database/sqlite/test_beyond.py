# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Databases that the SQLite of this Python cannot read though nothing is wrong with them."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import sqlite_schema
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.context import FileContext
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.run import judge, prepare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sqlite_schema import what_it_needs

from .builders import entry, settings

HERE = sqlite3.sqlite_version
NEWER = Path(__file__).resolve().parents[5] / "fixtures" / "cases" / "17-schema-of-a-newer-sqlite.db"


def look(path: Path, **options: Any) -> FileContext:
    chosen = settings([entry(path=str(path))], **options)
    return prepare(chosen.databases[0], chosen, choose_host(60.0), {}, 7200.0)


def planted(path: Path, sql: str, kind: str = "view", name: str = "v", writer: int = 3_040_001) -> Path:
    """Have a database whose schema holds what this SQLite did not write, and a header that says who did."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        connection.execute("PRAGMA writable_schema = ON")
        row = (kind, name, name, 0, sql)
        connection.execute(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, ?, ?)", row
        )
        connection.commit()
    content = bytearray(path.read_bytes())
    content[96:100] = struct.pack(">I", writer)
    path.write_bytes(content)
    return path


@pytest.mark.case("DB3")
@pytest.mark.skipif(sqlite3.sqlite_version_info >= (3, 44), reason="this SQLite understands it")
def test_a_schema_of_a_newer_sqlite_is_unknown_and_says_what_it_needs() -> None:
    [finding] = judge(look(NEWER))
    assert (finding.check, finding.status) == ("database.integrity", "unknown")
    expected = f"{NEWER}: it needs SQLite 3.44 (view v: ORDER BY in an aggregate), here is {HERE}"
    assert finding.message == expected
    assert "sqlite3.sqlite_version" in finding.remedy


def with_collation(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("by_name", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE TABLE t (a TEXT COLLATE by_name)")
        connection.execute("CREATE INDEX i ON t (a)")
        connection.execute("INSERT INTO t VALUES ('x'), ('y')")
        connection.commit()


def with_function(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("price", 1, lambda a: a, deterministic=True)
        connection.execute("CREATE TABLE t (a)")
        connection.execute("CREATE INDEX i ON t (price(a))")
        connection.execute("INSERT INTO t VALUES ('x')")
        connection.commit()


@pytest.mark.case("DB3")
@pytest.mark.parametrize(
    ("make", "needs"), [(with_collation, "the collation by_name"), (with_function, "the function price()")]
)
def test_what_only_the_application_brings_along_is_unknown(
    tmp_path: Path, make: Callable[[Path], None], needs: str
) -> None:
    make(tmp_path / "app.db")
    [finding] = judge(look(tmp_path / "app.db", integrity="full"))
    assert (finding.check, finding.status) == ("database.integrity", "unknown")
    assert f"it needs {needs}, which the application brings along" in finding.message


STRANGE = "CREATE VIEW v AS SELECT a FROM t SORTED SOMEHOW BY b"


@pytest.mark.case("DB3")
@pytest.mark.parametrize(
    ("writer", "status"), [(3_040_001, "critical"), (3_099_000, "unknown"), (4_000_000, "unknown"), (0, "critical")]
)
def test_a_schema_that_is_not_understood_is_damage_unless_a_newer_library_wrote_it(
    tmp_path: Path, writer: int, status: str
) -> None:
    [finding] = judge(look(planted(tmp_path / "app.db", STRANGE, writer=writer)))
    assert (finding.check, finding.status) == ("database.integrity", status)
    if status == "unknown":
        version = f"{writer // 1_000_000}.{writer // 1000 % 1000}.0"
        assert f"last written by SQLite {version}, here is {HERE}, which does not understand" in finding.message
    else:
        assert "malformed database schema" in finding.message


@pytest.mark.case("DB3")
def test_a_root_page_that_does_not_exist_is_damage_whoever_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET rootpage = 99")
        connection.commit()
    content = bytearray(path.read_bytes())
    content[96:100] = struct.pack(">I", 3_099_000)
    path.write_bytes(content)
    [finding] = judge(look(path))
    assert (finding.check, finding.status) == ("database.integrity", "critical")


# The words of a library that does not know a syntax yet, the object that has it, the release that began to know it.
SYNTAXES = [
    ('near "ORDER": syntax error', "CREATE VIEW v AS SELECT group_concat(a ORDER BY b) FROM t", "3.44"),
    ('near "ORDER": syntax error', "CREATE VIEW v AS SELECT a FROM t ORDER ORDER BY b", ""),
    ("RIGHT and FULL OUTER JOINs are not currently supported", "CREATE VIEW v AS SELECT 1 FROM t FULL JOIN u", "3.39"),
    ('near "FROM": syntax error', "CREATE VIEW v AS SELECT a IS NOT DISTINCT FROM b FROM t", "3.39"),
    ('near ">": syntax error', "CREATE VIEW v AS SELECT a -> '$.x' FROM t", "3.38"),
    ("unknown table option: STRICT", "CREATE TABLE v (a INT) STRICT", "3.37"),
    ("unknown table option: STRICTER", "CREATE TABLE v (a INT) NONSENSE", ""),
    ('near "MATERIALIZED": syntax error', "CREATE VIEW v AS WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x", "3.35"),
    ('near "AS": syntax error', "CREATE TABLE v (a, b AS (a + 1))", "3.31"),
    ('near "NULLS": syntax error', "CREATE VIEW v AS SELECT a FROM t ORDER BY a NULLS FIRST", "3.30"),
    ("invalid rootpage", "CREATE VIEW v AS SELECT a -> '$.x' FROM t", ""),
    ("orphan index", "CREATE VIEW v AS SELECT a -> '$.x' FROM t", ""),
]


@pytest.mark.case("DB3")
@pytest.mark.parametrize(("complaint", "sql", "since"), SYNTAXES)
def test_which_release_knows_a_syntax(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaint: str, sql: str, since: str
) -> None:
    class Old:
        """The library of a system from 2018."""

        sqlite_version, sqlite_version_info = "3.22.0", (3, 22, 0)
        Error = sqlite3.Error

    path = planted(tmp_path / "app.db", sql, "table" if "TABLE" in sql else "view", writer=3_022_000)
    monkeypatch.setattr(sqlite_schema, "sqlite3", Old)
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        error = sqlite3.DatabaseError(f"malformed database schema (v) - {complaint}")
        needs = what_it_needs(error, connection, str(path))
    assert (f"it needs SQLite {since} (" in needs and "here is 3.22.0" in needs) if since else needs == ""
