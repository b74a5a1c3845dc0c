# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps on real SQLite files: done, or undone with the reason."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import act as acting
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import reader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.act import (
    MOST_PAGES,
    SLICE_S,
    FileRun,
    next_slice,
    perform,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import FileTask
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.reader import (
    Corrupt,
    Full,
    Interrupted,
    Unreadable,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost

from .builders import make

EMPTIED = "DELETE FROM trades WHERE id >= 20"


class QuickHost(LinuxHost):
    """A real host that does not really wait."""

    def __init__(self) -> None:
        super().__init__(3600.0)
        self.paused = 0.0

    def pause(self, seconds: float) -> None:
        self.paused += seconds


def task(
    path: Path, verb: str, *, window: float = 600.0, predicted: float = 0.1, tables: tuple[str, ...] = ()
) -> FileRun:
    host = QuickHost()
    step = FileTask(str(path), path.stat().st_size, predicted, tables).step(verb, "demo", "why")
    return FileRun(step, host, host.now() + window, replicated=False, heartbeat=lambda: None)


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(connection.execute("SELECT count(*) FROM trades").fetchone()[0])


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("verb", ["vacuum", "vacuum_into"])
def test_a_rewrite_gives_the_space_back_and_keeps_the_rows_and_the_mode(verb: str, mode: str, tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode=mode)
    path.chmod(0o604)
    outcome = perform(task(path, verb))
    assert (outcome.state, outcome.reason) == ("done", "why")
    assert outcome.freed_bytes > 300_000
    assert outcome.after["free_bytes"] == 0
    assert rows(path) == 20
    assert path.stat().st_mode & 0o777 == 0o604
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
    assert [other.name for other in tmp_path.iterdir()] == ["demo.db"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.parametrize("verb", ["vacuum", "vacuum_into"])
def test_a_rewrite_keeps_the_owner(verb: str, tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode="wal")
    os.chown(path, 12345, 54321)
    assert perform(task(path, verb)).state == "done"
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def sliced(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA auto_vacuum = 2")
        connection.commit()
    return make(path, EMPTIED, rows=2000)


def test_slices_free_every_page_and_leave_time_to_the_writers(tmp_path: Path) -> None:
    path = sliced(tmp_path / "demo.db")
    slices: list[int] = []
    job = task(path, "incremental_vacuum")._replace(heartbeat=lambda: slices.append(1))
    outcome = perform(job)
    assert 1 < len(slices) < 200, "a slice is many pages"
    assert (outcome.state, outcome.after["free_bytes"]) == ("done", 0)
    assert outcome.freed_bytes > 7_000_000
    assert job.host.paused > 0  # type: ignore[attr-defined]
    assert rows(path) == 20


def test_slices_end_with_the_window_and_say_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sliced(tmp_path / "demo.db")
    left = iter([600.0, 600.0, 600.0])
    monkeypatch.setattr(FileRun, "left", lambda _self: next(left, 0.0))
    outcome = perform(task(path, "incremental_vacuum"))
    assert outcome.state == "done"
    assert "free pages are left for the next run" in outcome.reason
    assert outcome.after["free_bytes"] > 0


@given(st.integers(1, MOST_PAGES), st.floats(0.0, 60.0))
def test_the_next_slice_stays_below_the_limit_at_the_pace_of_the_last(pages: int, took: float) -> None:
    following = next_slice(pages, took)
    assert 1 <= following <= max(1, 2 * pages)
    assert following == 1 or following * took / pages <= SLICE_S


def test_statistics_are_taken_of_the_named_tables_only(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", "CREATE TABLE o (a)", "CREATE INDEX io ON o (a)", "INSERT INTO o VALUES (1)")
    outcome = perform(task(path, "analyze", tables=("trades",)))
    assert outcome.state == "done"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT DISTINCT tbl FROM sqlite_stat1").fetchall() == [("trades",)]


@contextmanager
def holding(path: Path, *statements: str) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement).fetchone()
        yield


@pytest.mark.parametrize("verb", ["vacuum", "vacuum_into"])
def test_somebody_in_the_way_is_no_failure_and_nothing_changes(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "BUSY_S", 0.1)
    path = make(tmp_path / "demo.db", EMPTIED)
    before = path.read_bytes()
    with holding(path, "BEGIN", "SELECT * FROM trades"):
        outcome = perform(task(path, verb))
    assert (outcome.state, outcome.rule) == ("skipped", "database.locked")
    assert path.read_bytes() == before
    assert [other.name for other in tmp_path.iterdir()] == ["demo.db"]


def test_a_database_that_is_locked_for_writing_is_no_failure_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "BUSY_S", 0.1)
    path = make(tmp_path / "demo.db", EMPTIED)
    with holding(path, "BEGIN EXCLUSIVE"):
        outcome = perform(task(path, "vacuum"))
    assert (outcome.state, outcome.rule) == ("skipped", "database.locked")


def test_a_step_that_cannot_end_in_the_window_is_not_begun(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    before = path.read_bytes()
    outcome = perform(task(path, "vacuum", window=5.0, predicted=50.0))
    assert (outcome.state, outcome.rule) == ("skipped", "database.window")
    assert path.read_bytes() == before


ERRORS = [
    (Interrupted("x"), "skipped", "database.window"),
    (Full("database or disk is full"), "failed", "database.space"),
    (Corrupt("malformed"), "failed", "database.integrity"),
    (Unreadable("disk I/O error"), "failed", "database.maintenance"),
]


@pytest.mark.parametrize(("error", "state", "rule"), ERRORS)
def test_each_error_has_its_meaning_and_a_failure_tells_the_state_that_was_left(
    error: Exception, state: str, rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_task: Any) -> Any:
        raise error

    monkeypatch.setitem(acting._VERBS, "vacuum", fail)
    outcome = perform(task(make(tmp_path / "demo.db"), "vacuum"))
    assert (outcome.state, outcome.rule) == (state, rule)
    assert ("the database is intact (quick_check)" in outcome.reason) is (state == "failed")


def test_a_rewrite_whose_result_is_not_sound_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    monkeypatch.setattr(acting, "damage", lambda _connection, full: "row 5 missing from index")
    outcome = perform(task(path, "vacuum"))
    assert (outcome.state, outcome.rule) == ("failed", "database.integrity")
    assert "row 5 missing" in outcome.reason
