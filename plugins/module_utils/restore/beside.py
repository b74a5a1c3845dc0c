# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring beside: each source into an empty folder of ours, compared with the manifest there (L3)."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from ..backup.model import SourceCopy
from ..backup.sources.kinds import KINDS
from ..backup.sources.model import Bench, Reader, Restored, Selection
from ..database.sqlite.reader import quoted
from ..errors import ActionFailed, CoreError
from ..host import Host
from ..publish import fsync_path, fsync_tree
from .model import Unit
from .targets import identity_of

NEW, OLD = "new", "old"
_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"


def make_folder(path: str) -> None:
    """Make a folder of ours, closed to others, where it is not there. Raise ActionFailed or OSError."""
    for folder in (Path(path), Path(path, NEW), Path(path, OLD)):
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if folder.is_symlink() or (hasattr(os, "geteuid") and status.st_uid != os.geteuid()):
            raise ActionFailed(f"{folder} is not ours; look who made it")
    fsync_path(Path(path).parent)


def restore_entry(
    entry: SourceCopy, reader: Reader, into: Path, bench: Bench, patterns: Sequence[str] = ()
) -> Restored:
    """Write what a source holds into a folder that is made anew, and compare it. Raise CoreError or OSError."""
    if into.exists():
        shutil.rmtree(into)  # of a run that was ended while it wrote it; it is in a folder of ours alone
    into.mkdir(mode=0o700)
    selection = Selection(paths=tuple(pattern.lstrip("/") for pattern in patterns))
    restored = KINDS[entry.type].restore(entry, reader, into, bench._replace(selection=selection))
    fsync_tree(into)
    return restored


def with_tables(unit: Unit, restored: Path, tables: Sequence[str], host: Host) -> Path:
    """Given a restored database and the names of tables, return a copy of the one that is there with the rows that
    these tables have in the restored one.

    Raise ActionFailed where a table has other columns, or where the result is not sound.
    """
    draft = restored.with_name("with-tables.sqlite")
    for end in ("", "-wal", "-shm", "-journal"):
        Path(f"{draft}{end}").unlink(missing_ok=True)
    with sqlite3.connect(f"file:{unit.target}?mode=ro", uri=True) as source, sqlite3.connect(draft) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("ATTACH ? AS restored", (str(restored),))
        connection.execute("BEGIN IMMEDIATE")
        for table in tables:
            _copy_rows(connection, table)
        connection.execute("COMMIT")
        connection.execute("DETACH restored")
        _require_sound(connection, tables)
    except sqlite3.Error as error:
        raise ActionFailed(f"the rows of {', '.join(tables)} could not be taken over: {error}") from error
    finally:
        connection.close()
    host.remaining()
    return draft


def _copy_rows(connection: sqlite3.Connection, table: str) -> None:
    def columns(schema: str) -> list[tuple[str, str]]:
        rows = connection.execute("SELECT name, type FROM pragma_table_info(?, ?)", (table, schema))
        return [(str(name), str(kind)) for name, kind in rows]

    there, wanted = columns("main"), columns("restored")
    if not wanted:
        raise ActionFailed(f"the set has no table {table}")
    if sorted(there) != sorted(wanted):
        raise ActionFailed(f"the table {table} has other columns than in the set: restore the whole database")
    trigger = connection.execute(_TRIGGERS, (table,)).fetchone()
    if trigger is not None:
        raise ActionFailed(
            f"the table {table} has a trigger ({trigger[0]}), which would run: restore the whole database"
        )
    names = ", ".join(quoted(name) for name, _kind in wanted)
    own = quoted(table)
    connection.execute(f"DELETE FROM main.{own}")  # noqa: S608 - quoted above
    connection.execute(f"INSERT INTO main.{own} ({names}) SELECT {names} FROM restored.{own}")  # noqa: S608


def _require_sound(connection: sqlite3.Connection, tables: Sequence[str]) -> None:
    said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    if said != ["ok"]:
        raise ActionFailed(f"with the rows of {', '.join(tables)} the database is not sound: {said[0]}")
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise ActionFailed(
            f"with the rows of {', '.join(tables)} a row of {broken[0]} has no {broken[2]} that it refers to: restore "
            "these tables together"
        )


def with_identities(units: Sequence[Unit]) -> list[Unit]:
    """Return units with what lies now where they were restored. Raise CoreError where something is not there."""
    found = [unit._replace(got=identity_of(unit.new)) for unit in units]
    missing = next((unit for unit in found if unit.got is None), None)
    if missing is not None:
        raise CoreError(f"{missing.new} is not there although {missing.source} was restored")
    return found
