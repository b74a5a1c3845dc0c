# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real SQLite files for the tests, other processes that use them, and backups of them."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

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
