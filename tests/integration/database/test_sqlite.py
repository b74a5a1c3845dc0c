# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SQLite files in trouble: damage, readers in the way, a full disk, kill -9 in the middle."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

import pytest

from .conftest import Vacuum, finding, steps

SMALL = {"freelist_bytes": "1M", "wal_bytes": "1M"}
ROW = 3000


def plant_set(folder: Path, sources: list[dict[str, Any]], created: float, level: str = "L2") -> None:
    """Have one backup set as backup_archive leaves it, verified."""
    place = folder / "set-1"
    place.mkdir(parents=True, exist_ok=True)
    at = datetime.fromtimestamp(created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    (place / "manifest.json").write_text(json.dumps({"id": "set-1", "created": at, "sources": sources}))
    verified = {"set": "set-1", "level": level, "ok": True, "at": created + 1}
    (place / "verified.json").write_text(json.dumps(verified))


def make(path: Path, *, mode: str = "delete", rows: int = 3000, freed: float = 0.6, auto_vacuum: int = 0) -> Path:
    """Have a database of about 10 MB of which a share is free."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA auto_vacuum = {auto_vacuum}")
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY, pair TEXT, body BLOB)")
        connection.execute("CREATE INDEX ix_pair ON trades (pair)")
        random = ((n, f"pair{n % 50}", os.urandom(ROW)) for n in range(rows))
        connection.executemany("INSERT INTO trades VALUES (?, ?, ?)", random)
        connection.execute("DELETE FROM trades WHERE id < ?", (int(rows * freed),))
        connection.execute("ANALYZE")
        connection.commit()
    return path


def entry(path: Path, **more: Any) -> dict[str, Any]:
    return {"name": path.stem, "engine": "sqlite", "path": str(path), "thresholds": SMALL, **more}


@pytest.fixture
def backup(tmp_path: Path) -> dict[str, Any]:
    """A verified backup of every database that a test makes."""
    names = ("cryptobot", "main", "wal", "sliced")
    sources = [{"name": name, "type": "sqlite", "path": str(tmp_path / f"{name}.db")} for name in names]
    plant_set(tmp_path / "backups", sources, created=time.time() - 3600)
    return {"dir": str(tmp_path / "backups")}


def content(path: Path) -> str:
    """Return a hash of every row, and fail unless the database is sound."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for row in connection.execute("SELECT id, pair, body FROM trades ORDER BY id"):
            digest.update(repr(row).encode())
    return digest.hexdigest()


def traces(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what an audit must leave as it was: every file with its size, time and inode."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino)
        for path in found
    }


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


@contextmanager
def other_process(path: Path, *statements: str) -> Iterator[int]:
    """Have a process of its own that has run statements on the database and holds what they hold."""
    program = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for s in sys.argv[2:]: c.execute(s).fetchone()\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path), *statements],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout and process.stdout.readline().strip() == "ready"
        yield process.pid
    finally:
        process.communicate("")


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


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Have a file system of that size for a block."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {mounted.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any]) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        path = make(disk / "main.db", rows=2500)
        plant_set(Path(backup["dir"]), [{"type": "sqlite", "path": str(path)}], created=time.time())
        (disk / "ballast").write_bytes(b"\0" * (4 << 20))
        before = traces(disk)
        result = vacuum(databases=[entry(path)], require_backup=backup)
        assert traces(disk) == before
        found = finding(result, "database.space")
        assert found.status == "warning" and "are free in" in found.message
        assert result.changed is False


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_disk_that_fills_up_in_the_middle_leaves_the_database_intact(
    mode: str, tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        path = make(disk / "main.db", rows=2500, mode=mode)
        plant_set(Path(backup["dir"]), [{"type": "sqlite", "path": str(path)}], created=time.time())
        before = content(path)
        real = os.statvfs
        monkeypatch.setattr(os, "statvfs", lambda _folder: real(tmp_path))  # the space gate is told of another disk
        # what was free at the time of the gate is taken by somebody else a moment later
        (disk / "ballast").write_bytes(b"\0" * (real(disk).f_bavail * real(disk).f_frsize - (1 << 20)))
        result = vacuum(databases=[entry(path)], require_backup=backup)
        assert result.failure and "the database is intact" in result.failure
        assert finding(result, "database.space").status == "warning"
        assert [action.state for action in result.actions] == ["failed"]
        assert content(path) == before


VACUUM_IN_THE_OPEN = """
import json, sys
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.spec import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
checked = ArgumentSpecValidator(SPEC).validate(json.loads(sys.argv[2]))
run(checked.validated_parameters, choose_host(300))
"""


def killed_after(seconds: float, options: dict[str, Any]) -> Optional[int]:
    """Run db_vacuum in a process of its own, kill it after so many seconds, and return its exit code."""
    tests = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen([sys.executable, "-c", VACUUM_IN_THE_OPEN, tests, json.dumps(options)])
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait()


def moments(options: dict[str, Any], shares: Sequence[float]) -> list[float]:
    """Return moments within a run, as shares of what such a run takes here."""
    begun = time.monotonic()
    assert killed_after(120.0, options) == 0
    whole = time.monotonic() - begun
    return [share * whole for share in shares]


@pytest.mark.parametrize(
    ("strategy", "mode"),
    [
        ("in_place", "delete"),
        ("in_place", "wal"),
        ("into_swap", "delete"),
        ("into_swap", "wal"),
        ("incremental", "wal"),
    ],
)
def test_a_run_that_is_killed_leaves_the_database_intact_and_the_next_run_succeeds(
    strategy: str, mode: str, tmp_path: Path, vacuum: Vacuum, backup: dict[str, Any]
) -> None:
    path = tmp_path / "main.db"
    options = {
        "databases": [entry(path)],
        "require_backup": backup,
        "sqlite_strategy": strategy,
        "services_stopped": True,
    }
    form = {"mode": mode, "auto_vacuum": 2 if strategy == "incremental" else 0, "rows": 12_000}
    make(path, **form)
    endings = set()
    killed = {**options, "state_dir": str(vacuum.state)}
    for moment in moments(killed, (0.55, 0.7, 0.82, 0.92)):
        for leftover in tmp_path.glob("main.db*"):
            leftover.unlink()
        before = content(make(path, **form))
        endings.add(killed_after(moment, killed))
        assert content(path) == before
        after = vacuum(**options)
        assert not after.failure and finding(after, "database.freelist").status == "ok"
        assert content(path) == before
        assert [file.name for file in tmp_path.glob("main.db*partial*")] == []
    assert -signal.SIGKILL in endings, "no run was caught in the middle"
