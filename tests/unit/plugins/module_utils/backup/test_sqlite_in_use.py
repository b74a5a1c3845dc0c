# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SQLite databases that others have locked, that a crash left, or that this SQLite cannot read. All of them real."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.sqlite import snapshot as copying
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import Holder, Holders
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host, choose_host

from .examples import act, database, found, sqlite, status
from .test_run import At
from .test_sqlite import WriterBetweenSteps, filled, packed, taken, verified

NEWER = Path(__file__).resolve().parents[4] / "fixtures" / "cases" / "17-schema-of-a-newer-sqlite.db"

# Another process: transactions of two rows, as fast as they come, until its standard input closes.
WRITER = """
import sqlite3, sys, threading
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
connection.execute("PRAGMA synchronous=OFF")
print("ready", flush=True)
while not stop.is_set():
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO trades (symbol) VALUES ('left')")
    connection.execute("INSERT INTO trades (symbol) VALUES ('right')")
    connection.execute("COMMIT")
"""


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite waits a tenth of what it is told to, or of the five seconds that it waits by itself. The tests that hold a
    database do so for a tenth of what it would take to outlast it.
    """
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *of, timeout=5.0, **more: real(*of, timeout=timeout / 10, **more))


@contextmanager
def writers(path: Path, number: int) -> Iterator[None]:
    argv = [sys.executable, "-c", WRITER, str(path)]
    running = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _each in range(number)]
    try:
        for one in running:
            assert one.stdout is not None
            one.stdout.readline()
        yield
    finally:
        for one in running:
            one.communicate()


@pytest.mark.case("BK10")
@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("mode", ["DELETE", "TRUNCATE", "WAL"])
def test_four_writers_do_not_keep_a_copy_from_being_made(tmp_path: Path, mode: str) -> None:
    path = filled(tmp_path / "app.db", mode, 500)
    with writers(path, 4):
        for number in range(3):
            made = taken(tmp_path / str(number), path)
            with closing(sqlite3.connect(packed(tmp_path / str(number)))) as copy:
                sides = dict(copy.execute("SELECT symbol, count(*) FROM trades GROUP BY symbol"))
            assert sides.get("left") == sides.get("right")
            assert verified(tmp_path / str(number), made) == []


class Stranger:
    """Another connection that locks a database for a while, whenever the copy has got on for the first few times."""

    def __init__(self, path: Path, seconds: float, times: int) -> None:
        self.path, self.seconds, self.times = path, seconds, times
        self.holding, self.enough = threading.Event(), threading.Event()
        self.threads: list[threading.Thread] = []

    def __call__(self) -> None:
        if self.holding.is_set() or len(self.threads) >= self.times:
            return
        self.threads.append(threading.Thread(target=self.hold))
        self.threads[-1].start()
        self.holding.wait(5)

    def hold(self) -> None:
        with closing(sqlite3.connect(self.path, timeout=5, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            self.holding.set()
            self.enough.wait(self.seconds)
            connection.execute("ROLLBACK")
        self.holding.clear()

    def end(self) -> None:
        """Have it let go, and wait until it has."""
        self.enough.set()
        for thread in self.threads:
            thread.join()


def copied(path: Path, target: Path, wait: float, pulse: Callable[[], object]) -> str:
    return copying.snapshot(str(path), target, wait, pulse, choose_host(60.0))


@pytest.mark.case("BK10")
def test_writers_that_let_the_database_grow_no_larger_begin_it_again_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A price that is kept up to date: each step begins again, and as many pages as before are left after it."""
    monkeypatch.setattr(copying, "PAGES", 200)
    path = filled(tmp_path / "app.db", "DELETE", 1000)
    writer = WriterBetweenSteps(path, "UPDATE bulk SET content = randomblob(4000) WHERE rowid = 1")
    assert (
        copied(path, tmp_path / "copy", 60.0, lambda: writer() if writer.steps < 50 else pytest.fail("no end"))
        == "held"
    )
    assert writer.steps == 1 + 6 + 6, "a beginning, six restarts, and the 1005 pages held at last"


@pytest.mark.case("BK9")
def test_a_database_that_is_locked_after_the_copy_began_is_waited_for_as_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES", 50)
    path = filled(tmp_path / "app.db", "DELETE", 200)
    stranger, begun = Stranger(path, 6.0, 1), time.monotonic()
    with pytest.raises(ActionFailed, match=r"locked by others for \d s, longer than lock_wait_timeout \(1 s\)"):
        copied(path, tmp_path / "copy", 1.0, stranger)
    assert 1.0 <= time.monotonic() - begun < 5.0
    stranger.end()


@pytest.mark.case("BK9")
@pytest.mark.usefixtures("hurried")
def test_the_wait_begins_anew_whenever_the_copy_gets_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PAGES", 50)
    path = filled(tmp_path / "app.db", "DELETE", 200)
    stranger, begun = Stranger(path, 0.8, 2), time.monotonic()
    assert copied(path, tmp_path / "copy", 1.5, stranger) == "steps"
    assert time.monotonic() - begun > 1.5, "both waits together were longer than one may be"
    stranger.end()


@pytest.mark.case("BK9")
@pytest.mark.usefixtures("hurried")
def test_a_database_that_is_locked_from_the_beginning_is_waited_for_as_declared(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        with pytest.raises(ActionFailed, match="lock_wait_timeout"):
            copied(path, tmp_path / "copy", 0.5, lambda: None)
        assert time.monotonic() - begun < 4.0
        result = act(tmp_path, sources=[sqlite("main", path, lock_wait_timeout=1)])
    assert "longer than lock_wait_timeout (1 s)" in result.failure
    assert act(tmp_path, sources=[sqlite("main", path, lock_wait_timeout=1)]).failure == ""


def left_by_a_crash(folder: Path, mode: str) -> Path:
    """Return a database as a killed writer leaves it: its log holds a row, or its journal has to be rolled back."""
    folder.mkdir()
    path, crashed = database(folder / "live.db", rows=500), folder / "crashed.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute(f"PRAGMA journal_mode={mode}")
        writer.execute("PRAGMA cache_size=1")
        writer.execute("BEGIN")
        writer.execute("UPDATE trades SET symbol = hex(randomblob(200))")
        if mode == "WAL":
            writer.execute("INSERT INTO trades (symbol) VALUES ('in the log')")
            writer.execute("COMMIT")
        end = "-wal" if mode == "WAL" else "-journal"
        for suffix in ("", end):
            shutil.copyfile(f"{path}{suffix}", f"{crashed}{suffix}")
    for name in folder.glob("live.db*"):
        name.unlink()
    return crashed


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.case("BK18")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can see that nobody has the file open")
@pytest.mark.parametrize(("mode", "rows"), [("WAL", 501), ("DELETE", 500)])
@pytest.mark.parametrize("by_link", [True, False], ids=["by a link", "itself"])
def test_what_a_crash_left_is_read_and_nothing_of_it_is_changed(
    tmp_path: Path, mode: str, rows: int, by_link: bool
) -> None:
    crashed = left_by_a_crash(tmp_path / "data", mode)
    link = tmp_path / "link.db"
    link.symlink_to(crashed)
    before = contents(tmp_path / "data")
    made = taken(tmp_path, link if by_link else crashed)
    assert (made.facts["rows"], made.facts["copied"]) == ({"trades": rows}, "left")
    assert contents(tmp_path / "data") == before
    assert sorted(path.name for path in packed(tmp_path).parent.iterdir()) == ["database.sqlite"]
    with closing(sqlite3.connect(packed(tmp_path))) as copy:
        assert (copy.execute("SELECT max(length(symbol)) FROM trades").fetchone()[0] > 9) is (mode == "WAL")


@pytest.mark.case("BK18")
def test_a_link_to_a_database_in_use_is_read_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "holders", lambda *_of: Holders((Holder(1, "app"),), complete=True))
    path, link = database(tmp_path / "app.db", rows=1), tmp_path / "link.db"
    link.symlink_to(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO trades (symbol) VALUES ('in the log')")
        log = Path(f"{path}-wal").read_bytes()
        made = taken(tmp_path, link)
        assert Path(f"{path}-wal").read_bytes() == log
    assert (made.facts["rows"], made.facts["copied"], made.facts["path"]) == ({"trades": 2}, "log", str(link))


def pages(path: Path) -> bytes:
    """Return a database without what every writer counts up in its header: changes to content and schema, the library
    that wrote last.
    """
    content = path.read_bytes()
    return content[:24] + content[28:40] + content[44:92] + content[100:]


def backed_up(folder: Path, path: Path, host: Optional[Host] = None) -> Any:
    return act(folder, sources=[sqlite("main", path)], compression="none", host=host)


@pytest.mark.case("DB3")
@pytest.mark.skipif(sqlite3.sqlite_version_info >= (3, 44), reason="this SQLite understands it")
def test_a_database_of_a_newer_sqlite_is_copied_to_the_byte_and_told_as_unknown(tmp_path: Path) -> None:
    result = backed_up(tmp_path, NEWER)
    assert result.failure == ""
    [told] = found(result, "backup.source")
    needs = f"it needs SQLite 3.44 (view v: ORDER BY in an aggregate), here is {sqlite3.sqlite_version}"
    assert told.status == "unknown" and needs in told.message
    copy = Path(result.data["set"]["path"]) / "main" / "database.sqlite"
    assert pages(copy) == pages(NEWER)
    assert status(result, "backup.taken") == "ok"


@pytest.mark.case("DB3")
def test_a_collation_of_the_applications_own_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("by_name", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE TABLE t (a TEXT COLLATE by_name)")
        connection.execute("CREATE INDEX i ON t (a)")
        connection.execute("INSERT INTO t VALUES ('x'), ('y')")
        connection.commit()
    result = backed_up(tmp_path, path)
    [told] = found(result, "backup.source")
    assert (result.failure, told.status) == ("", "unknown")
    assert "it needs the collation by_name, which the application brings along" in told.message
    assert pages(Path(result.data["set"]["path"]) / "main" / "database.sqlite") == pages(path)


@pytest.mark.case("DB3")
def test_a_schema_that_is_damaged_and_not_newer_is_damage(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db")
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE TXBLE"))
    result = backed_up(tmp_path, path)
    assert "is damaged, quick_check says: malformed database schema" in result.failure


@pytest.mark.case("DB3")
def test_damage_is_seen_in_a_database_of_a_newer_sqlite_too(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    path.write_bytes(NEWER.read_bytes())
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\x0d\xff\xff\xff\xff\xff\xff")
    assert "is damaged" in backed_up(tmp_path, path).failure


@pytest.mark.case("BK15")
def test_a_database_with_the_empty_tables_that_the_application_ships_is_backed_up(tmp_path: Path) -> None:
    path, now = database(tmp_path / "app.db", rows=0), choose_host().now()
    for age in (9, 8):
        result = backed_up(tmp_path, path, At(now - age))
        assert (result.failure, result.data["set"]["good"]) == ("", True)
    database(path, rows=3)
    assert backed_up(tmp_path, path, At(now - 7)).data["set"]["good"]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM trades")
        connection.commit()
    emptied = backed_up(tmp_path, path)
    [told] = found(emptied, "backup.size_anomaly")
    assert (told.status, emptied.data["set"]["good"]) == ("critical", False)
    assert "declare may_be_empty: true" in told.message and "may_be_empty: true" in told.remedy


@pytest.fixture
def poor_index(tmp_path: Path) -> Path:
    """A database whose index lacks the rows of its table, as a crash of the disk or a bug leaves it."""
    path = database(tmp_path / "app.db", rows=50)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE INDEX by_symbol ON trades (symbol)")
        connection.commit()
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'by_symbol'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as stream:
        stream.seek((root - 1) * size)
        stream.write(b"\x0a\x00\x00\x00\x00" + size.to_bytes(2, "big") + b"\x00")  # a leaf without cells
    return path


@pytest.mark.case("BK19")
@pytest.mark.parametrize(
    ("level", "failure"), [("L2", ""), ("L3", "integrity_check says row 1 missing from index by_symbol")]
)
def test_an_index_without_its_rows_is_seen_by_the_thorough_level(
    tmp_path: Path, poor_index: Path, level: str, failure: str
) -> None:
    result = act(tmp_path, sources=[sqlite("main", poor_index)], verify_level=level)
    assert failure in result.failure and bool(result.failure) is bool(failure)


@pytest.mark.case("BK19")
def test_a_set_that_held_at_a_lower_level_is_looked_at_again(tmp_path: Path, poor_index: Path) -> None:
    act(tmp_path, sources=[sqlite("main", poor_index)])
    looked = act(tmp_path, state="verified", verify_level="L3")
    assert status(looked, "backup.readable") == "critical"
    sound = act(tmp_path, sources=[sqlite("main", database(tmp_path / "sound.db"))], verify_level="L3")
    assert sound.data["set"]["verified"] == "L3"


@pytest.mark.case("BK10")
@pytest.mark.usefixtures("hurried")
def test_a_database_that_is_locked_for_longer_than_sqlite_waits_is_taken_all_the_same(tmp_path: Path) -> None:
    path = database(tmp_path / "app.db")
    stranger, begun = Stranger(path, 0.8, 1), time.monotonic()
    stranger()
    assert act(tmp_path, sources=[sqlite("main", path)]).failure == ""
    assert time.monotonic() - begun > 0.8
    stranger.threads[0].join()
