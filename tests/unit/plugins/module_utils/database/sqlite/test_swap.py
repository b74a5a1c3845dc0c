# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacing a file by its compact copy: the old one stays until the new one is proved."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import reader, swap
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import Holder, Holders
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.reader import Busy, Corrupt
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.swap import SUFFIX, vacuum_into
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost

from .builders import make

EMPTIED = "DELETE FROM trades WHERE id >= 20"


def swapped(path: Path) -> None:
    vacuum_into(str(path), LinuxHost(60.0), 60.0)


def state(path: Path) -> tuple[Any, ...]:
    with closing(sqlite3.connect(path)) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        return mode, connection.execute("SELECT count(*), sum(id) FROM trades").fetchone()


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_was_only_in_the_log_is_in_the_new_file(mode: str, tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode=mode)
    before = state(path)
    inode = path.stat().st_ino
    swapped(path)
    assert state(path) == before
    assert path.stat().st_ino != inode


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_copy_that_lost_a_row_is_not_put_in_place(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode=mode)
    before, inode = state(path), path.stat().st_ino
    real = swap._rows
    counts = iter([0, 1])

    def one_more(connection: sqlite3.Connection) -> dict[str, int]:
        return {**real(connection), "trades": next(counts)}

    monkeypatch.setattr(swap, "_rows", one_more)
    with pytest.raises(Corrupt, match="does not hold the rows of the original"):
        swapped(path)
    assert (state(path), path.stat().st_ino) == (before, inode)
    assert [other.name for other in tmp_path.iterdir()] == ["demo.db"]


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_copy_that_is_not_sound_is_not_put_in_place(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode=mode)
    before, inode = state(path), path.stat().st_ino
    monkeypatch.setattr(swap, "damage", lambda _connection, full: "Page 3: never used")
    with pytest.raises(Corrupt, match="Page 3"):
        swapped(path)
    assert (state(path), path.stat().st_ino) == (before, inode)


def test_somebody_who_opens_it_at_the_last_moment_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode="wal")
    before, inode = state(path), path.stat().st_ino
    monkeypatch.setattr(swap, "holders", lambda *_arguments: Holders((Holder(7, "late"),), complete=True))
    with pytest.raises(Busy, match="somebody opened it meanwhile"):
        swapped(path)
    assert (state(path), path.stat().st_ino) == (before, inode)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_an_open_connection_of_anybody_is_in_the_way(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "BUSY_S", 0.1)
    path = make(tmp_path / "demo.db", EMPTIED, mode=mode)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        if mode == "delete":
            other.execute("BEGIN")
        other.execute("SELECT * FROM trades").fetchone()
        with pytest.raises(Busy):
            swapped(path)
        assert other.execute("SELECT count(*) FROM trades").fetchone() == (20,)


def test_what_a_killed_run_left_behind_is_swept(tmp_path: Path) -> None:
    path = make(tmp_path / "demo.db", EMPTIED)
    Path(f"{path}{SUFFIX}").write_bytes(b"half a copy")
    Path(f"{path}{SUFFIX}-journal").write_bytes(b"x")
    swapped(path)
    assert [other.name for other in tmp_path.iterdir()] == ["demo.db"]


def test_while_it_is_swapped_nobody_can_write_to_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "demo.db", EMPTIED, mode="wal")
    real, refused = swap._swap, []

    def try_first(*arguments: Any) -> None:
        with closing(sqlite3.connect(path, timeout=0.0)) as intruder:
            try:
                intruder.execute("INSERT INTO trades VALUES (777, 'late', '')")
            except sqlite3.OperationalError as error:
                refused.append(str(error))
        real(*arguments)

    monkeypatch.setattr(swap, "_swap", try_first)
    swapped(path)
    assert refused == ["database is locked"]
