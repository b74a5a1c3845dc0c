# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacing a database by a compact copy of itself: VACUUM INTO, prove, swap. Only while its services are down.

The old database or the new one is there at any moment. Everybody is locked out; a database in WAL mode leaves it, so
that no log is left that would be replayed into the new file; the copy is written beside, checked and flushed, and then
renamed over the old file. Nothing is removed by name after that, because somebody may have opened the new file already.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from ...host import Host
from ...publish import PARTIAL, fsync_path
from .holders import holders
from .reader import Busy, Corrupt, damage, opened, quoted

SUFFIX = f".vacuum{PARTIAL}"
_BESIDE = ("-wal", "-shm", "-journal")


def vacuum_into(path: str, host: Host, seconds: float) -> None:
    """Given a database that nobody has open, replace it by a compact copy.

    Raise Busy where somebody has it open after all, Corrupt where the copy is not what the original is; the original is
    then as it was.
    """
    draft = Path(path + SUFFIX)
    _remove(draft, "", *_BESIDE)  # of a run that was killed
    try:
        with opened(path, "rw", seconds) as connection:
            in_wal = _lock_out(connection)
            try:
                _write_copy(connection, Path(path), draft, seconds, in_wal=in_wal)
                _swap(Path(path), draft, host)
            except BaseException:
                if in_wal:
                    connection.execute("PRAGMA journal_mode = WAL").fetchall()
                raise
    finally:
        _remove(draft, "", *_BESIDE)


def _remove(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _lock_out(connection: sqlite3.Connection) -> bool:
    """Keep everybody else out until the connection ends, and leave WAL mode. Return whether it was in WAL mode.

    Set before the first look, EXCLUSIVE keeps even the readers of a database in WAL mode out
    (pragma.html#pragma_locking_mode).
    """
    connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("COMMIT")
    in_wal = bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")
    if in_wal and connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":
        raise Busy("the database did not leave WAL mode: somebody has it open")
    return in_wal


def _write_copy(connection: sqlite3.Connection, path: Path, draft: Path, seconds: float, *, in_wal: bool) -> None:
    """Write the copy and prove that it is sound and holds as many rows in each table. Raise Corrupt."""
    connection.execute("VACUUM INTO ?", (str(draft),))
    wanted = _rows(connection)
    with opened(str(draft), "rw", seconds) as copy:
        if in_wal:
            copy.execute("PRAGMA journal_mode = WAL").fetchall()
        found, rows = damage(copy, full=False), _rows(copy)
    if found or rows != wanted:
        raise Corrupt(f"{draft}: {found or 'the copy does not hold the rows of the original'}")
    _dress(path, draft)


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the number of rows of each ordinary table."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    ).fetchall()
    counts = ((name, f"SELECT count(*) FROM {quoted(name)}") for (name,) in tables)  # noqa: S608 - quoted
    return {name: connection.execute(count).fetchone()[0] for name, count in counts}


def _dress(original: Path, draft: Path) -> None:
    """Give the copy the owner, mode and extended attributes (SELinux label, ACL) of the original, and flush it."""
    status = original.stat()
    if hasattr(os, "chown"):
        os.chown(draft, status.st_uid, status.st_gid)
    shutil.copystat(original, draft)
    fsync_path(draft)


def _swap(path: Path, draft: Path, host: Host) -> None:
    if holders(str(path), host).processes:
        raise Busy(f"{path}: somebody opened it meanwhile")
    _remove(path, *_BESIDE)
    os.replace(draft, path)
    fsync_path(path.parent)
