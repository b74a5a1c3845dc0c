# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A log is moved without making anybody wait, and cut off only when nobody needs it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.act import (
    CALM_S,
    checkpoint,
    shrink_log,
)

from .builders import make


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        yield connection


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that has left a long log."""
    with connected(make(tmp_path / "demo.db", mode="wal")) as connection:
        connection.execute("UPDATE trades SET pair = 'x'")
        yield connection


def log(folder: Path) -> int:
    return (folder / "demo.db-wal").stat().st_size


def test_a_log_that_nobody_needs_is_cut_off_after_two_calm_seconds(logged: sqlite3.Connection, tmp_path: Path) -> None:
    host = FakeHost()
    assert log(tmp_path) > 0
    assert checkpoint(logged, str(tmp_path / "demo.db"), host) == (True, "")
    assert log(tmp_path) == 0
    assert sum(host.paused) == CALM_S


def test_a_reader_keeps_the_log_but_not_us(logged: sqlite3.Connection, tmp_path: Path) -> None:
    host, path = FakeHost(), str(tmp_path / "demo.db")
    with connected(tmp_path / "demo.db") as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM trades").fetchone()
        logged.execute("UPDATE trades SET pair = 'y'")
        before = log(tmp_path)
        moved, why = checkpoint(logged, path, host)
        assert (moved, "a reader keeps the log" in why) == (True, True)
        assert (log(tmp_path), host.paused) == (before, [])
        assert checkpoint(logged, path, host)[0] is False, "the second time there is nothing left to move"
        assert other.execute("SELECT count(*) FROM trades").fetchone() == (200,)


def test_a_reader_that_comes_during_the_calm_is_respected(
    logged: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    with connected(tmp_path / "demo.db") as other:

        def arrive(_seconds: float) -> None:
            if not other.in_transaction:
                other.execute("BEGIN")
                other.execute("SELECT count(*) FROM trades").fetchone()
                logged.execute("UPDATE trades SET pair = 'z'")

        monkeypatch.setattr(host, "pause", arrive)
        assert shrink_log(logged, host) is False
    assert log(tmp_path) > 0


def test_a_database_without_a_log_has_nothing_to_cut_off(tmp_path: Path) -> None:
    with connected(make(tmp_path / "demo.db")) as connection:
        assert shrink_log(connection, FakeHost()) is True
