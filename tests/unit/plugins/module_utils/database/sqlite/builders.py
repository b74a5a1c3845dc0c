# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SQLite databases as they would be seen, and small real ones."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.backup_gate import Gate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import (
    Content,
    FileSnapshot,
    Header,
    Holders,
    Space,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.plan import DEFAULT_MB_S, FileInputs

from ..options import settings
from ..options import sqlite as entry

MB = 1 << 20
PAGE = 4096
OPEN = Gate(True, "backup set-1 is verified and 1.0 h old", "set-1")
SHUT = Gate(False, "no backup set holds it")


def content(**more: Any) -> Content:
    """A sound database of 400 MB in WAL mode, 10 % of it free."""
    sound = Content(
        page_size=PAGE,
        pages=100_000,
        free_pages=10_000,
        auto_vacuum=0,
        journal_mode="wal",
        user_version=0,
        schema_hash="0" * 64,
        damage="",
        orphans=None,
        first_orphan="",
        stale=(),
        litestream_tables=False,
        temp_in_memory=False,
    )
    return sound._replace(**more)


def seen(**more: Any) -> FileSnapshot:
    """That database, on a local disk with room, open in no process. Fields of its content may be given too."""
    inner = {name: more.pop(name) for name in list(more) if name in Content._fields}
    sound: dict[str, Any] = {
        "path": "/data/demo.db",
        "header": Header(PAGE, True, 100_000, 10_000, 0),
        "content": content(**inner),
        "file_bytes": 100_000 * PAGE,
        "wal_bytes": 0,
        "filesystem": "ext4",
        "holders": Holders((), complete=True),
        "temp": Space("/var/tmp", 1, 2000 * MB),
        "home": Space("/data", 2, 2000 * MB),
        "memory_free": 8000 * MB,
        "litestream_folder": False,
        "left_shm": False,
        "sqlite_version": (3, 40, 1),
    }
    return FileSnapshot(**{**sound, **more})


def case(gate: Gate = OPEN, window: float = 7200.0, options: Any = None, **more: Any) -> FileInputs:
    chosen = settings([entry()], **(options or {}))
    return FileInputs(chosen.databases[0], chosen, seen(**more), gate, DEFAULT_MB_S, window)


@contextmanager
def unprivileged() -> Iterator[Path]:
    """Be an account that may not see everything for a block, with a folder of its own; root takes on another."""
    folder = Path(tempfile.mkdtemp())
    before = os.geteuid()
    if before == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        os.seteuid(nobody.pw_uid)
    try:
        yield folder
    finally:
        os.seteuid(before)
        shutil.rmtree(folder)


def make(path: Path, *statements: str, mode: str = "delete", rows: int = 200) -> Path:
    """Have a real database with a table of that many rows of 3 kB and an index."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY, pair TEXT, body BLOB)")
        connection.execute("CREATE INDEX ix_pair ON trades (pair)")
        connection.executemany(
            "INSERT INTO trades VALUES (?, ?, zeroblob(3000))", ((n, f"p{n % 9}") for n in range(rows))
        )
        connection.commit()
        for statement in statements:
            connection.execute(statement)
            connection.commit()
    return path
