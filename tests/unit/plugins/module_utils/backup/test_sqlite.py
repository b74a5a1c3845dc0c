# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A SQLite source: consistent under writers, checked before and after, and never changed by us."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Source
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import CannotJudge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import SourceCopy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.kinds import back_up as back_up_any
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench, Workshop
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.sqlite import snapshot as copying
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.sqlite.back_up import (
    back_up,
    measure,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.sqlite.examine import (
    examine,
    open_copy,
    schema_sha256,
    sqlite_uri,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.sqlite.verify import verify
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.streams import COMPRESSIONS, Codec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import Holder, Holders
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    ActionFailed,
    SourceMissing,
    ToolTimeout,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .examples import database, tree

PLAIN = Codec(COMPRESSIONS["none"], 0)


def workshop(folder: Path, budget: float = 60.0) -> Workshop:
    target = folder / "set" / "main"
    target.mkdir(parents=True)
    return Workshop(target, choose_host(budget), PLAIN)


def taken(folder: Path, path: Path) -> SourceCopy:
    return back_up(Source("main", "sqlite", paths=(str(path),)), workshop(folder))


def packed(folder: Path) -> Path:
    return folder / "set" / "main" / "database.sqlite"


def verified(folder: Path, made: SourceCopy, **facts) -> list[str]:
    entry = SourceCopy("main", "sqlite", "none", made.payloads, made.things, 0, 0, {**made.facts, **facts})
    return verify(entry, Bench(folder / "set", folder, choose_host()))


def no_pulse() -> None:
    pass


def snapshot(path: str, target: Path, pulse: Callable[[], object]) -> str:
    return copying.snapshot(path, target, 60.0, pulse, choose_host())


def test_rows_schema_and_attributes_are_in_the_manifest(tmp_path):
    path = database(tmp_path / "app.db", rows=42)
    path.chmod(0o640)
    made = taken(tmp_path, path)
    assert made.facts["rows"] == {"trades": 42}
    assert (made.things, made.facts["mode"], made.facts["quick_check"]) == (42, 0o640, "ok")
    assert made.facts["size"] == path.stat().st_size == packed(tmp_path).stat().st_size
    assert made.facts["path"] == str(path)
    assert verified(tmp_path, made) == []


def test_what_is_still_in_the_log_is_taken_too(tmp_path, monkeypatch):
    monkeypatch.setattr(copying, "holders", lambda *_of: Holders((Holder(1, "app"),), complete=True))
    path = database(tmp_path / "app.db", rows=1)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("PRAGMA wal_autocheckpoint=0")
        writer.execute("INSERT INTO trades (symbol) VALUES ('in the log')")
        size = os.path.getsize(f"{path}-wal")
        made = taken(tmp_path, path)
        assert (made.facts["rows"], made.facts["copied"]) == ({"trades": 2}, "log")
        assert os.path.getsize(f"{path}-wal") == size  # nothing was folded into the database by us


def test_the_log_of_a_crashed_application_is_left_as_it_is(tmp_path):
    path = database(tmp_path / "app.db", rows=1)
    crashed = tmp_path / "crashed.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO trades (symbol) VALUES ('in the log')")
        for end in ("", "-wal"):
            Path(f"{crashed}{end}").write_bytes(Path(f"{path}{end}").read_bytes())
    before = [Path(f"{crashed}{end}").read_bytes() for end in ("", "-wal")]
    assert taken(tmp_path, crashed).facts["rows"] == {"trades": 2}
    assert [Path(f"{crashed}{end}").read_bytes() for end in ("", "-wal")] == before


def test_the_copy_needs_no_log_beside_it(tmp_path):
    path = database(tmp_path / "app.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    taken(tmp_path, path)
    with closing(sqlite3.connect(packed(tmp_path))) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_nothing_is_left_beside_the_source(tmp_path, mode):
    (tmp_path / "data").mkdir()
    path = database(tmp_path / "data" / "app.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
    before = tree(tmp_path / "data")
    taken(tmp_path, path)
    assert tree(tmp_path / "data") == before


class Writer:
    """Writes pairs of rows in one transaction each, as fast as it may, in a process's own connection."""

    def __init__(self, path: Path, pause: float) -> None:
        self.path, self.pause, self.stop, self.waits = path, pause, threading.Event(), 0.0
        self.wrote = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self) -> None:
        with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=OFF")  # the test is about locks, not about the disk
            while not self.stop.is_set():
                begun = time.monotonic()
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO trades (symbol) VALUES ('left')")
                connection.execute("INSERT INTO trades (symbol) VALUES ('right')")
                connection.execute("COMMIT")
                self.wrote.set()
                self.waits = max(self.waits, time.monotonic() - begun)
                time.sleep(self.pause)

    def __enter__(self) -> Writer:
        self.thread.start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self.stop.set()
        self.thread.join()


def filled(path: Path, mode: str, rows: int = 5000) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT)")
        connection.execute("CREATE TABLE bulk (content BLOB)")
        connection.executemany("INSERT INTO bulk VALUES (?)", [(os.urandom(4000),)] * rows)
        connection.commit()
    return path


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_copy_under_writers_is_whole_transactions(tmp_path, mode):
    path = filled(tmp_path / "app.db", mode)
    with Writer(path, 0.002) as writer:
        assert writer.wrote.wait(60)  # a loaded machine may let it wait for its first turn
        made = taken(tmp_path, path)
    with open_copy(packed(tmp_path)) as copy:
        sides = dict(copy.execute("SELECT symbol, count(*) FROM trades GROUP BY symbol"))
    assert sides["left"] == sides["right"] > 0
    assert verified(tmp_path, made) == []


class WriterBetweenSteps:
    """Another process that writes whenever the copy pauses; ``refused`` counts how often it was held up."""

    def __init__(self, path: Path, statement: str = "INSERT INTO trades (symbol) VALUES ('meanwhile')") -> None:
        self.statement = statement
        self.connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        self.connection.execute("PRAGMA synchronous=OFF")
        self.steps = self.refused = 0

    def __call__(self) -> None:
        self.steps += 1
        try:
            self.connection.execute(self.statement)
        except sqlite3.OperationalError as error:
            assert "locked" in str(error)  # noqa: PT017 - anything else is an error of the test
            self.refused += 1


def test_with_a_log_writers_never_wait_and_the_copy_never_begins_again(tmp_path):
    path = filled(tmp_path / "app.db", "WAL")
    writer = WriterBetweenSteps(path)
    assert snapshot(str(path), tmp_path / "copy", writer) == "log"
    pages = (tmp_path / "copy").stat().st_size // 4096
    assert writer.steps == -(-pages // copying.PAGES)  # each page once
    assert writer.refused == 0
    with open_copy(tmp_path / "copy") as copy:
        assert copy.execute("SELECT count(*) FROM trades").fetchone() == (0,)  # the state it began with


def test_without_a_log_busy_writers_are_held_after_some_restarts(tmp_path, monkeypatch):
    monkeypatch.setattr(copying, "PAGES", 200)
    path = filled(tmp_path / "app.db", "DELETE", 2000)
    writer = WriterBetweenSteps(path)
    assert snapshot(str(path), tmp_path / "copy", writer) == "held"
    assert writer.refused > 0
    with open_copy(tmp_path / "copy") as copy:
        assert copy.execute("SELECT count(*) FROM bulk").fetchone() == (2000,)
        assert copy.execute("SELECT count(*) FROM trades").fetchone() == (writer.steps - writer.refused,)


def test_without_writers_the_copy_is_made_in_steps(tmp_path):
    assert snapshot(str(filled(tmp_path / "app.db", "DELETE")), tmp_path / "copy", no_pulse) == "steps"


def test_a_crashed_writers_journal_is_rolled_back(tmp_path):
    path = filled(tmp_path / "app.db", "DELETE", 200)
    crashed = tmp_path / "crashed.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA synchronous=OFF")
        writer.execute("PRAGMA cache_size=1")
        writer.execute("BEGIN")
        writer.execute("UPDATE bulk SET content = zeroblob(4000)")
        crashed.write_bytes(path.read_bytes())
        Path(f"{crashed}-journal").write_bytes(Path(f"{path}-journal").read_bytes())
        writer.execute("ROLLBACK")
    made = taken(tmp_path, crashed)
    with open_copy(packed(tmp_path)) as copy:
        assert copy.execute("SELECT count(*) FROM bulk WHERE content = zeroblob(4000)").fetchone() == (0,)
    assert made.facts["quick_check"] == "ok"


def test_a_missing_database_is_named_and_not_made(tmp_path):
    with pytest.raises(SourceMissing, match=r"gone\.db"):
        taken(tmp_path, tmp_path / "gone.db")
    with pytest.raises(SourceMissing, match=r"gone\.db"):
        measure(Source("main", "sqlite", paths=(str(tmp_path / "gone.db"),)), frozenset(), choose_host())
    assert not (tmp_path / "gone.db").exists()


def test_a_damaged_database_is_no_backup(tmp_path):
    path = filled(tmp_path / "app.db", "DELETE")
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 5] = os.urandom(8192)
    path.write_bytes(content)
    with pytest.raises(ActionFailed, match=r"app.db is damaged, quick_check says|SQLite says"):
        back_up_any(Source("main", "sqlite", paths=(str(path),)), workshop(tmp_path))


def test_damage_that_no_query_meets_is_found_all_the_same(tmp_path):
    path = database(tmp_path / "app.db")
    content = bytearray(path.read_bytes() + bytes(4096))  # a page that belongs to nothing ...
    content[28:32] = (len(content) // 4096).to_bytes(4, "big")  # ... and the header counts it
    path.write_bytes(content)
    with pytest.raises(ActionFailed, match=r"(?s)quick_check says: .*never used"):
        taken(tmp_path, path)


def test_something_else_is_no_database(tmp_path):
    (tmp_path / "app.db").write_bytes(b"not a database at all" * 999)
    with pytest.raises(ActionFailed, match="not a database"):
        back_up_any(Source("main", "sqlite", paths=(str(tmp_path / "app.db"),)), workshop(tmp_path))


def test_an_empty_file_is_a_database_without_rows(tmp_path):
    (tmp_path / "app.db").touch()
    assert taken(tmp_path, tmp_path / "app.db").things == 0  # which the set then counts as an anomaly


def test_time_that_is_up_ends_a_copy(tmp_path):
    path = filled(tmp_path / "app.db", "DELETE")
    host = choose_host(0.05)
    time.sleep(0.06)
    with pytest.raises(ToolTimeout):
        snapshot(str(path), tmp_path / "copy", host.remaining)


ODD_TABLES = ['with "quotes"', "with space", "umlaut-ä", "select", "new\nline", "100%"]


def test_tables_of_any_name_are_counted(tmp_path):
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        for name in ODD_TABLES:
            quoted = name.replace('"', '""')
            connection.execute(f'CREATE TABLE "{quoted}" (a)')
            connection.execute(f'INSERT INTO "{quoted}" VALUES (1)')
        connection.execute("CREATE VIRTUAL TABLE searched USING fts5(text)")
        connection.commit()
    with open_copy(tmp_path / "app.db") as copy:
        rows = examine(copy).rows
    assert {name: rows[name] for name in ODD_TABLES} == dict.fromkeys(ODD_TABLES, 1)
    assert rows["searched"] == 0


def test_a_schema_has_one_checksum_whatever_the_rows(tmp_path):
    with open_copy(database(tmp_path / "a.db", 1)) as one, open_copy(database(tmp_path / "b.db", 9)) as two:
        assert schema_sha256(one) == schema_sha256(two)
    with closing(sqlite3.connect(tmp_path / "b.db")) as connection:
        connection.execute("CREATE INDEX by_symbol ON trades (symbol)")
    with open_copy(tmp_path / "a.db") as one, open_copy(tmp_path / "b.db") as two:
        assert schema_sha256(one) != schema_sha256(two)


def test_free_pages_are_no_data(tmp_path):
    path = filled(tmp_path / "app.db", "DELETE")
    full = taken(tmp_path, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM bulk")
        connection.commit()
    (tmp_path / "again").mkdir()
    emptied = taken(tmp_path / "again", path)
    assert emptied.raw_bytes == full.raw_bytes
    assert emptied.live_bytes < full.live_bytes / 100


DAMAGE = [
    ("a byte of a page", lambda path: flip(path, 5000)),
    ("the header", lambda path: flip(path, 3)),
    ("the tail", lambda path: flip(path, -1)),
    ("cut", lambda path: os.truncate(path, 8192)),
    ("emptied", lambda path: os.truncate(path, 0)),
]


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(("why", "damage"), DAMAGE, ids=[case[0] for case in DAMAGE])
def test_damage_of_a_packed_database_is_noticed(tmp_path, why, damage):
    made = taken(tmp_path, database(tmp_path / "app.db", 2000))
    damage(packed(tmp_path))
    assert verified(tmp_path, made) == ["main/database.sqlite unpacks to something else than was packed"]


def test_a_database_that_was_packed_damaged_is_noticed(tmp_path):
    made = taken(tmp_path, filled(tmp_path / "app.db", "DELETE"))
    content = bytearray(packed(tmp_path).read_bytes())
    content[4096 * 3 : 4096 * 5] = os.urandom(8192)
    packed(tmp_path).write_bytes(content)
    found = verified(tmp_path, made, sha256=hashlib.sha256(content).hexdigest())
    assert "quick_check says" in found[0]


def test_another_schema_than_was_taken_is_noticed(tmp_path):
    made = taken(tmp_path, database(tmp_path / "app.db"))
    found = verified(tmp_path, made, schema_sha256="0" * 64)
    assert found == ["main/database.sqlite: its schema is another than when it was taken"]


def test_without_room_to_unpack_nothing_is_claimed(tmp_path):
    made = taken(tmp_path, database(tmp_path / "app.db"))
    with pytest.raises(CannotJudge, match="unpacks to"):
        verified(tmp_path, made, size=1 << 60)


def test_what_was_unpacked_is_removed_again(tmp_path):
    made = taken(tmp_path, database(tmp_path / "app.db"))
    before = set(tmp_path.rglob("*"))
    verified(tmp_path, made)
    assert set(tmp_path.rglob("*")) == before


URIS = [
    ("/opt/a b/c?d#e%.db", "file:/opt/a%20b/c%3Fd%23e%25.db?mode=ro"),
    ("C:\\Crypto Bot\\app.db", "file:/C%3A/Crypto%20Bot/app.db?mode=ro"),
    ("\\\\?\\C:\\x.db", "file:%5C%5C%3F%5CC%3A%5Cx.db?mode=ro"),
]


@pytest.mark.parametrize(("path", "uri"), URIS)
def test_a_path_of_any_system_is_a_name_for_sqlite(path, uri):
    assert sqlite_uri(path, mode="ro") == uri
