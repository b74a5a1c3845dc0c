# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What db_vacuum does to real SQLite files, and who may be in its way."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .conftest import Vacuum, finding, steps
from .sqlite_files import content, entry, make, other_process, plant_set, traces


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("integrity", ["quick", "full"])
def test_an_audit_leaves_no_trace(mode: str, integrity: str, tmp_path: Path, vacuum: Vacuum) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    make(folder / "main.db", mode=mode)
    before = traces(folder)
    result = vacuum(databases=[entry(folder / "main.db")], mode="plan", integrity=integrity)
    assert traces(folder) == before
    assert finding(result, "database.integrity").status == "ok"
    assert finding(result, "database.freelist").status == "warning"
    assert not (vacuum.state / "database.json").exists()


@pytest.mark.parametrize(
    ("name", "options", "strategy", "verb"),
    [
        ("main", {}, "auto", "vacuum"),
        ("wal", {"mode": "wal"}, "auto", "vacuum"),
        ("sliced", {"auto_vacuum": 2}, "auto", "incremental_vacuum"),
        ("sliced", {"auto_vacuum": 2, "mode": "wal"}, "incremental", "incremental_vacuum"),
        ("main", {}, "into_swap", "vacuum_into"),
        ("wal", {"mode": "wal"}, "into_swap", "vacuum_into"),
    ],
)
def test_free_pages_are_given_back_once(
    name: str, options: dict[str, Any], strategy: str, verb: str, tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any]
) -> None:
    path = make(tmp_path / f"{name}.db", **options)
    path.chmod(0o640)
    before, size = content(path), path.stat().st_size
    # whoever is not root cannot see who has the file open, and must say that nobody has
    given = {
        "databases": [entry(path)],
        "require_backup": backup,
        "sqlite_strategy": strategy,
        "services_stopped": True,
    }
    planned = vacuum(check_mode=True, **given)
    first = vacuum(**given)
    assert steps(planned, "planned") == steps(first, "done") == [(verb, name)]
    assert planned.changed and first.changed and not first.failure
    assert finding(first, "database.freelist").status == "ok"
    assert path.stat().st_size < size / 2
    assert content(path) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (options.get("mode", "delete"),)
    second = vacuum(**given)
    assert (second.changed, steps(second, "done")) == (False, [])


def test_nothing_is_rewritten_in_place_without_a_verified_backup(
    tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any]
) -> None:
    path = make(tmp_path / "main.db")
    undeclared = vacuum(databases=[entry(path)])
    assert (undeclared.changed, undeclared.actions[0].state) == (False, "skipped")
    assert finding(undeclared, "database.backup_gate").status == "warning"
    plant_set(tmp_path / "backups", [{"type": "sqlite", "path": str(path)}], created=time.time() - 30 * 3600)
    old = vacuum(databases=[entry(path)], require_backup=backup)
    assert "30.0 h old" not in str(old.failure) and "old, expected at most" in old.actions[0].reason
    expected = vacuum(databases=[entry(path)], require_backup=backup, backup_expected=True, check_mode=True)
    assert steps(expected, "planned") == [("vacuum", "main")]


def test_statistics_are_taken_once_where_sqlite_would_take_them(tmp_path: Path, vacuum: Vacuum) -> None:
    path = make(tmp_path / "main.db", freed=0.0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT)")
        connection.execute("CREATE INDEX ix_state ON orders (state)")
        connection.execute("INSERT INTO orders (state) VALUES ('open'), ('filled')")
        connection.commit()
    result = vacuum(databases=[entry(path)])
    assert steps(result, "done") == [("analyze", "main")]
    assert finding(result, "database.statistics").status == "ok"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'orders'").fetchone() == (1,)
    assert vacuum(databases=[entry(path)]).changed is False


def damage_page(path: Path, number: int) -> None:
    with open(path, "r+b") as stream:
        stream.seek(4096 * number)
        stream.write(b"\xde\xad" * 2048)


def test_a_damaged_database_is_critical_and_is_not_written_to(
    tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any]
) -> None:
    path = make(tmp_path / "main.db")
    sound = vacuum(databases=[entry(path)], require_backup=backup, check_mode=True)
    assert finding(sound, "database.integrity").status == "ok"
    assert steps(sound, "planned") == [("vacuum", "main")], "it would be vacuumed if it were sound"
    pages = path.stat().st_size // 4096
    for page in range(pages - 300, pages - 100):
        damage_page(path, page)
    before = path.read_bytes()
    result = vacuum(databases=[entry(path)], require_backup=backup)
    assert [(action.action, action.state) for action in result.actions] == [("vacuum", "skipped")]
    assert finding(result, "database.integrity").status == "critical"
    assert (result.changed, result.failure, steps(result, "done")) == (False, "", [])
    assert path.read_bytes() == before


HEADERS = [
    (b"", "empty"),
    (b"<html>not a database</html>" * 10, "no SQLite header"),
    (b"SQLite format 3\x00" + b"\x00" * 84, "page size"),
]


@pytest.mark.parametrize(("raw", "reason"), HEADERS)
def test_what_is_no_database_is_critical(raw: bytes, reason: str, tmp_path: Path, vacuum: Vacuum) -> None:
    path = tmp_path / "main.db"
    path.write_bytes(raw)
    found = finding(vacuum(databases=[entry(path)]), "database.integrity")
    assert found.status == "critical" and reason in found.message
    assert path.read_bytes() == raw


def test_a_database_that_is_missing_is_critical_and_is_not_made(tmp_path: Path, vacuum: Vacuum) -> None:
    found = finding(vacuum(databases=[entry(tmp_path / "main.db")]), "database.reachable")
    assert found.status == "critical" and "does not exist" in found.message
    assert not (tmp_path / "main.db").exists()


def test_rows_that_refer_to_nothing_are_told_by_the_full_check_only(tmp_path: Path, vacuum: Vacuum) -> None:
    path = make(tmp_path / "main.db", freed=0.0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, trade INTEGER REFERENCES trades (id))")
        connection.execute("INSERT INTO orders (trade) VALUES (1), (999999)")
        connection.commit()
    quick = vacuum(databases=[entry(path)], mode="plan")
    assert [f for f in quick.findings if f.check == "database.foreign_keys"] == []
    found = finding(vacuum(databases=[entry(path)], mode="plan", integrity="full"), "database.foreign_keys")
    assert (found.status, found.actual) == ("warning", 1)


def test_a_reader_in_the_way_is_named_and_the_database_left_as_it_was(
    tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any]
) -> None:
    path = make(tmp_path / "main.db")
    before, size = content(path), path.stat().st_size
    with other_process(path, "BEGIN", "SELECT count(*) FROM trades") as pid:
        result = vacuum(databases=[entry(path)], require_backup=backup)
    assert (result.changed, result.failure) == (False, "")
    found = finding(result, "database.locked")
    assert found.status == "warning" and (f"pid {pid}" in found.message or os.geteuid() != 0)
    assert (content(path), path.stat().st_size) == (before, size)


def test_a_long_log_is_moved_and_cut_off(tmp_path: Path, vacuum: Vacuum) -> None:
    path = make(tmp_path / "wal.db", mode="wal", freed=0.0)
    grow = ("PRAGMA wal_autocheckpoint = 0", "UPDATE trades SET body = zeroblob(3000)")
    with other_process(path, *grow):
        log = Path(f"{path}-wal")
        assert log.stat().st_size > 4 << 20
        before = vacuum(databases=[entry(path)], mode="plan")
        assert finding(before, "database.wal").status == "warning"
        result = vacuum(databases=[entry(path)])
        assert steps(result, "done") == [("checkpoint", "wal")]
        assert finding(result, "database.wal").status == "ok"
        assert log.stat().st_size == 0
        assert vacuum(databases=[entry(path)]).changed is False


def test_a_log_that_a_reader_still_needs_is_moved_but_not_cut_off(tmp_path: Path, vacuum: Vacuum) -> None:
    path = make(tmp_path / "wal.db", mode="wal", freed=0.0)
    with other_process(path, "BEGIN", "SELECT count(*) FROM trades") as pid:
        grow = ("PRAGMA wal_autocheckpoint = 0", "UPDATE trades SET body = zeroblob(3000)")
        with other_process(path, *grow):
            begun = time.monotonic()
            result = vacuum(databases=[entry(path)])
            assert time.monotonic() - begun < 10, "it must not wait for the reader"
            assert Path(f"{path}-wal").stat().st_size > 4 << 20
            found = finding(result, "database.wal")
            assert found.status == "warning"
            assert f"pid {pid}" in found.message or os.geteuid() != 0
            again = vacuum(databases=[entry(path)])
            assert again.changed is False


def test_a_file_that_somebody_has_open_is_not_swapped_whatever_is_claimed(tmp_path: Path, vacuum: Vacuum) -> None:
    path = make(tmp_path / "wal.db", mode="wal")
    inode = path.stat().st_ino
    with other_process(path, "SELECT count(*) FROM trades") as pid:
        result = vacuum(databases=[entry(path)], sqlite_strategy="into_swap", services_stopped=True)
    assert (result.changed, path.stat().st_ino) == (False, inode)
    found = finding(result, "database.locked")
    assert found.status == "warning" and f"pid {pid}" in found.message


def test_litestream_is_seen_and_its_database_not_rewritten(
    tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any]
) -> None:
    path = make(tmp_path / "main.db", mode="wal")
    (tmp_path / ".main.db-litestream").mkdir()
    result = vacuum(databases=[entry(path)], require_backup=backup)
    assert result.changed is False
    found = finding(result, "database.litestream")
    assert found.status == "warning" and "VACUUM INTO" in found.message
