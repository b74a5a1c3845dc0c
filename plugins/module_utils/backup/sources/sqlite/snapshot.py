# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A consistent copy of a SQLite database that is in use, through SQLite's own backup interface.

Copying the file itself misses what is still in the write-ahead log and may mix two states. The interface copies pages
in steps (https://www.sqlite.org/backup.html), and begins again whenever another process writes. So:

- with a write-ahead log the copy is made inside a read transaction: it stays on one state, never begins again, and
  writers are never held up;
- with a rollback journal a read transaction would hold writers up, so the copy is made in small steps with pauses, and
  only after MAX_RESTARTS beginnings inside a read transaction, for the second or two that it takes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Optional

from .uri import sqlite_uri

BUSY_SECONDS = 5.0
PAGES = 1000  # a step: 4 MB of the usual pages
PAUSE = 0.005  # seconds between two steps, in which a writer gets its turn
MAX_RESTARTS = 5


class _BeginsAgain(Exception):
    """Writers are so busy that a copy in steps does not come to its end."""


class _Progress:
    """Watches the steps of one copy: the time left, the pauses, and whether it began again."""

    def __init__(self, pulse: Callable[[], None], pause: float) -> None:
        self._pulse, self._pause = pulse, pause
        self._remaining: Optional[int] = None
        self.restarts = 0

    def __call__(self, _status: int, remaining: int, _total: int) -> None:
        if self._remaining is not None and remaining > self._remaining:
            self.restarts += 1
        self._remaining = remaining
        self._pulse()
        if self.restarts > MAX_RESTARTS:
            raise _BeginsAgain
        if self._pause and remaining:
            time.sleep(self._pause)


@contextmanager
def open_source(path: str) -> Iterator[sqlite3.Connection]:
    """Given a database's path, yield a connection that reads it; it never makes a file of that name.

    Where a write-ahead log lies beside the database the connection is read-only, so that the log is not folded into it
    by us; without one it is not, because a read-only connection would leave a new log behind.
    """
    mode = "ro" if Path(f"{path}-wal").exists() else "rw"
    uri = sqlite_uri(path, mode=mode)
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        yield connection


def snapshot(path: str, target: Path, pulse: Callable[[], None]) -> str:
    """Given a live database and a path for its copy, make the copy and return how: ``log``, ``steps`` or ``held``.

    The copy needs no write-ahead log beside it: its journal mode is DELETE.
    """
    with open_source(path) as source, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous=OFF")  # the copy is packed and flushed later; this one is only a stage
        how = "log" if source.execute("PRAGMA journal_mode").fetchone()[0] == "wal" else "steps"
        if how == "steps" and not _copied_in_steps(source, copy, pulse):
            how = "held"
        if how != "steps":
            _copy_held(source, copy, pulse)
        copy.execute("PRAGMA journal_mode=DELETE").fetchone()
    target.chmod(0o600)
    return how


def _copied_in_steps(source: sqlite3.Connection, copy: sqlite3.Connection, pulse: Callable[[], None]) -> bool:
    try:
        source.backup(copy, pages=PAGES, progress=_Progress(pulse, PAUSE))
    except _BeginsAgain:
        return False
    return True


def _copy_held(source: sqlite3.Connection, copy: sqlite3.Connection, pulse: Callable[[], None]) -> None:
    source.execute("BEGIN")
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the transaction begins with its first read
    source.backup(copy, pages=PAGES, progress=_Progress(pulse, 0))
    source.execute("COMMIT")
