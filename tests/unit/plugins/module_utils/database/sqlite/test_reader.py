# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading real databases: what they say of themselves, and errors in our own words."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import reader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.reader import (
    Busy,
    Corrupt,
    Full,
    Interrupted,
    Unreadable,
    opened,
    quoted,
    read_content,
    translated,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceMissing

from .builders import make, unprivileged


def read(path: Path, *, still: bool = False, full: bool = False) -> Any:
    return read_content(str(path), standing_still=still, full=full, seconds=60.0)


def beside(path: Path) -> list[str]:
    return sorted(other.name for other in path.parent.iterdir() if other != path)


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("full", [False, True])
def test_a_sound_database_tells_its_numbers(mode: str, full: bool, tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", "DELETE FROM trades WHERE id < 100", "PRAGMA user_version = 7", mode=mode)
    content = read(path, still=mode == "wal", full=full)
    with closing(sqlite3.connect(path)) as connection:
        asked = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count")]
    assert [content.pages, content.free_pages] == asked and content.free_pages > 50
    assert (content.damage, content.user_version, content.auto_vacuum) == ("", 7, 0)
    assert content.orphans == (0 if full else None)


def test_a_database_in_wal_mode_that_stands_still_is_read_without_a_trace(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", mode="wal")
    read(path, still=True)
    assert beside(path) == []


def test_a_database_that_changes_while_it_is_read_as_immutable_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "demo.db", mode="wal")
    real, modes = reader._read, []

    def read_and_write(name: str, mode: str, full: bool, seconds: float) -> Any:
        modes.append(mode)
        answer = real(name, mode, full, seconds)
        if "immutable" in mode:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("DELETE FROM trades")
                connection.commit()
        return answer

    monkeypatch.setattr(reader, "_read", read_and_write)
    content = read(path, still=True)
    assert modes == ["ro&immutable=1", "ro"]
    assert content.free_pages > 100, "what was read first is not what it says now"


def test_the_schema_has_a_hash_that_data_do_not_change(tmp_path: Path) -> None:
    first = read(make(tmp_path / "a.db"))
    more_rows = read(make(tmp_path / "b.db", rows=300))
    altered = read(make(tmp_path / "c.db", "ALTER TABLE trades ADD COLUMN extra INT"))
    assert first.schema_hash == more_rows.schema_hash != altered.schema_hash


def test_rows_that_refer_to_nothing_are_counted_by_the_full_check(tmp_path: Path) -> None:
    orders = "CREATE TABLE orders (id INTEGER PRIMARY KEY, trade INTEGER REFERENCES trades (id))"
    path = make(tmp_path / "demo.db", orders, "INSERT INTO orders (trade) VALUES (1), (9999), (8888)")
    content = read(path, full=True)
    assert content.orphans == 2
    assert content.first_orphan == "orders row 2 refers to a missing row of trades"


STALE: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    ((), ("trades",)),
    (("ANALYZE",), ()),
    (("CREATE TABLE plain (a)", "INSERT INTO plain VALUES (1)", "ANALYZE"), ()),
    (("ANALYZE", "CREATE TABLE empty (a)", "CREATE INDEX ie ON empty (a)"), ()),
    (("CREATE VIRTUAL TABLE words USING fts5(word)", "ANALYZE"), ()),
    (
        (
            "ANALYZE",
            'CREATE TABLE "odd ""name" (a, "a b")',
            'CREATE INDEX io ON "odd ""name" ("a b")',
            'INSERT INTO "odd ""name" VALUES (1, 2)',
        ),
        ('odd "name',),
    ),
    (("CREATE INDEX ie ON trades (lower(pair))", "ANALYZE"), ()),
    (("ANALYZE", "CREATE INDEX late ON trades (body)"), ("trades",)),
    (("ANALYZE", "CREATE INDEX part ON trades (pair) WHERE id < 0"), ()),  # a partial index may be empty
    (("CREATE TABLE k (a PRIMARY KEY, b) WITHOUT ROWID", "INSERT INTO k VALUES (1, 2)", "ANALYZE"), ()),
    (("ANALYZE", "CREATE TABLE k (a PRIMARY KEY, b) WITHOUT ROWID", "INSERT INTO k VALUES (1, 2)"), ("k",)),
    (("ANALYZE", "CREATE TABLE u (a UNIQUE)", "INSERT INTO u VALUES (1)"), ("u",)),
    (("ANALYZE", "UPDATE sqlite_stat1 SET stat = '8 1'"), ()),  # 200 rows are 25 times as many
    (("ANALYZE", "UPDATE sqlite_stat1 SET stat = '7 1'"), ("trades",)),
    (("ANALYZE", "UPDATE sqlite_stat1 SET stat = 'odd'"), ("trades",)),
    (("ANALYZE", "DELETE FROM trades WHERE id > 3"), ()),
]


def made(path: Path, *statements: str) -> Path:
    """Make a database, or skip where this SQLite lacks the module that it needs."""
    try:
        return make(path, *statements)
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):
            pytest.skip(f"this SQLite: {error}")
        raise


@pytest.mark.parametrize(("statements", "expected"), STALE)
def test_the_tables_that_sqlite_would_analyze_are_named(
    statements: tuple[str, ...], expected: tuple[str, ...], tmp_path: Path
) -> None:
    assert read(made(tmp_path / "demo.db", *statements)).stale == expected


@pytest.mark.parametrize(("statements", "_expected"), STALE)
def test_what_was_just_analyzed_is_not_due_again(
    statements: tuple[str, ...], _expected: tuple[str, ...], tmp_path: Path
) -> None:
    path = made(tmp_path / "demo.db", *statements)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA analysis_limit = 400")
        for table in read(path).stale:
            connection.execute(reader.analyze_statement(table))
    assert read(path).stale == ()


def test_litestream_is_known_by_its_tables(tmp_path: Path) -> None:
    assert read(make(tmp_path / "demo.db", "CREATE TABLE _litestream_seq (id, seq)")).litestream_tables
    assert not read(make(tmp_path / "other.db")).litestream_tables


def test_a_damaged_page_is_told_by_its_first_complaint(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db")
    with open(path, "r+b") as stream:
        stream.seek(4096 * 50)
        stream.write(b"\xff" * 8192)
    assert read(path).damage


def test_a_damaged_schema_is_corrupt(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db")
    with open(path, "r+b") as stream:
        stream.seek(100)
        stream.write(b"\xff" * 3996)
    with pytest.raises(Corrupt, match=r"demo\.db: .*(malformed|corrupt)"):
        read(path)


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing), opened(str(tmp_path / "none.db"), "rw", 1.0) as connection:
        connection.execute("SELECT 1")
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_signs_of_a_uri_is_that_file(tmp_path: Path) -> None:
    path = make(tmp_path / "odd ?mode=rwc#%41.db")
    assert read(path).pages > 1


def test_a_lock_of_another_process_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "BUSY_S", 0.1)
    path = make(tmp_path / "demo.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Busy):
            read(path)


def test_a_statement_is_interrupted_when_its_time_is_used_up(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db")
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(Interrupted), opened(str(path), "ro", 0.05) as connection:
        connection.execute(endless)


CRASH = """
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA cache_size = 5")
c.execute("BEGIN")
c.execute("UPDATE trades SET pair = 'crashed', body = randomblob(3000)")
os._exit(1)
"""


def test_a_transaction_that_a_crash_left_behind_is_told_and_not_rolled_back_by_an_audit(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", rows=2000)
    subprocess.run([sys.executable, "-c", CRASH, str(path)], check=False)
    journal = Path(f"{path}-journal")
    before = (path.read_bytes(), journal.read_bytes())
    with pytest.raises(Unreadable, match="an interrupted transaction waits in its journal"):
        read(path)
    assert (path.read_bytes(), journal.read_bytes()) == before


MESSAGES = [
    ("database is locked", Busy),
    ("database table is locked: t", Busy),
    ("database or disk is full", Full),
    ("database disk image is malformed", Corrupt),
    ("file is not a database", Corrupt),
    ("interrupted", Interrupted),
    ("disk I/O error", Unreadable),
    ("unable to open database file", Unreadable),
]


@pytest.mark.parametrize(("message", "kind"), MESSAGES)
def test_each_message_of_sqlite_has_its_kind_and_keeps_the_path(message: str, kind: type) -> None:
    error = translated("/data/demo.db", sqlite3.OperationalError(message))
    assert error.__class__ is kind
    assert str(error).startswith(f"/data/demo.db: {message}")


@pytest.mark.parametrize(("name", "expected"), [("a", '"a"'), ('a"b', '"a""b"'), ("a b;--", '"a b;--"')])
def test_a_name_is_quoted_whatever_is_in_it(name: str, expected: str) -> None:
    assert quoted(name) == expected


def test_a_file_that_may_not_be_read_is_unreadable() -> None:
    with unprivileged() as folder:
        path = make(folder / "demo.db")
        path.chmod(0)
        with pytest.raises(Unreadable):
            read(path)
