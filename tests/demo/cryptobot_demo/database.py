# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's SQLite database: the real tables, and an audit log that was purged but never vacuumed."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from . import rows

FILES = Path(__file__).resolve().parent.parent / "files"

# Audit rows before the purge.  "normal" makes a file of about 16 MB, "small" one for tests.
AUDIT_ROWS = {"small": 4000, "normal": 30000}
# The purge leaves the newest rows; what the others took stays in the file as free pages.
KEPT_SHARE = 0.5

MAKERS = {
    "users": rows.user_rows,
    "roles": rows.role_rows,
    "user_roles": rows.user_role_rows,
    "api_keys": rows.api_key_rows,
    "sessions": rows.session_rows,
    "suspicious_activities": rows.suspicious_rows,
    "strategies": rows.strategy_rows,
    "strategy_versions": rows.strategy_version_rows,
    "backtests": rows.backtest_rows,
}


def create_database(path: Path, *, seed: int, now: datetime, size: str) -> None:
    """Given where, a seed, the time that the rows lead up to and a size, publish the database there.

    The file is made beside and renamed, so that a half-made one is never seen.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with closing(sqlite3.connect(partial, isolation_level=None)) as connection:
        # The shipped database has these two settings; they also keep the freed pages in the file.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA auto_vacuum = 0")
        connection.execute("PRAGMA synchronous = OFF")
        _fill(connection, random.Random(seed), now, AUDIT_ROWS[size])
        _purge(connection, AUDIT_ROWS[size])
    os.replace(partial, path)


def _fill(connection: sqlite3.Connection, rng: random.Random, now: datetime, audit_count: int) -> None:
    connection.executescript(_script("sqlite.sql"))
    connection.execute("BEGIN")
    for table, make in MAKERS.items():
        _insert(connection, table, make(rng, now))
    _insert(connection, "audit_logs", list(rows.audit_rows(rng, now, audit_count)))
    connection.execute("COMMIT")
    connection.executescript(_script("audit_indexes.sql"))


def _insert(connection: sqlite3.Connection, table: str, values: list[rows.Row]) -> None:
    """Given a table's name (ours, never a user's) and its rows, insert them."""
    marks = ", ".join("?" * len(values[0]))
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)


def _purge(connection: sqlite3.Connection, audit_count: int) -> None:
    """Delete the older audit rows, as a retention job does, and leave the freed pages in the file."""
    connection.execute("DELETE FROM audit_logs WHERE id <= ?", (audit_count - int(audit_count * KEPT_SHARE),))


def _script(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def free_page_share(path: Path) -> float:
    """Given a database, return which share of its pages is free (0 to 1)."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        return float(free / connection.execute("PRAGMA page_count").fetchone()[0])
