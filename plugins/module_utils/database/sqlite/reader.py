# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a SQLite database without leaving a trace, as far as SQLite allows it.

An audit never opens a database for writing. A database in WAL mode that nobody has open and whose log is empty is read
as immutable, because even a read-only connection would leave a -wal and a -shm file beside it; that is only right while
the file stands still, so it is compared before and after. Everything else is opened read-only with the usual locks.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Optional
from urllib.parse import quote

from ...errors import CoreError
from ...sqlite_place import connect
from ...sqlite_schema import what_it_needs
from .model import Content
from .windows import plain_path

BUSY_S = 5.0
PROGRESS_STEPS = 200_000  # virtual machine steps between two looks at the clock: some milliseconds
ORPHANS_COUNTED = 1000
Fingerprint = tuple[tuple[int, ...], ...]
GROWTH = 25  # pragma.html#pragma_optimize, as SQLite did it until 3.45


class Busy(CoreError):
    """Somebody has the database locked."""


class Corrupt(CoreError):
    """SQLite says that the content is damaged."""


class Beyond(CoreError):
    """The SQLite here cannot read a database that may be sound: it needs a newer one, or the application's own part."""


class Interrupted(CoreError):
    """The time that a statement may take was used up; SQLite has undone it."""


class Full(CoreError):
    """There was no room; SQLite has undone what it had begun."""


class Unreadable(CoreError):
    """SQLite cannot read the database for another reason."""


def translated(path: str, error: sqlite3.Error) -> CoreError:
    """Given an error of SQLite, return ours. Python before 3.11 offers no error codes, so the message decides."""
    text = str(error)
    kinds: tuple[tuple[type[CoreError], tuple[str, ...]], ...] = (
        (Interrupted, ("interrupted",)),
        (Busy, ("database is locked", "database table is locked", "database schema is locked")),
        (Full, ("database or disk is full",)),
        (Corrupt, ("malformed", "file is not a database", "corrupt")),
    )
    kind = next((kind for kind, signs in kinds if any(sign in text for sign in signs)), Unreadable)
    if "readonly database" in text:
        text += " (an interrupted transaction waits in its journal: a writer must open it once)"
    return kind(f"{path}: {text}")


@contextmanager
def opened(path: str, mode: str, seconds: float) -> Iterator[sqlite3.Connection]:
    """Have a connection for a block, whose statements together may take ``seconds``. Raise our errors for SQLite's.

    ``mode`` is ``ro`` or ``rw``, to which ``&immutable=1`` may be added; a missing file is never made.
    """
    until = time.monotonic() + seconds
    try:
        with closing(connect(path, f"{file_uri(path)}?mode={mode}", timeout=BUSY_S)) as connection:
            connection.isolation_level = None
            connection.text_factory = _text
            connection.set_progress_handler(lambda: time.monotonic() > until, PROGRESS_STEPS)
            yield connection
    except sqlite3.Error as error:
        raise translated(path, error) from error


def file_uri(path: str, windows: bool = os.sep == "\\") -> str:
    """Given an absolute path, return it as a URI of SQLite (uri.html, 3.1 and 3.3).

    Path.as_uri names the server of a UNC path as the URI's authority, which SQLite refuses: it wants four slashes.
    """
    plain = plain_path(path).replace("\\", "/") if windows else path
    rooted = plain if plain.startswith("/") else f"/{plain}"  # a drive letter
    return f"file://{quote(os.fsencode(rooted), safe='/:' if windows else '/')}"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def read_content(path: str, *, standing_still: bool, full: bool, seconds: float) -> Content:
    """Given a database, return what it says of itself, the integrity check included.

    ``standing_still`` is whether nobody has it open and its log is empty. Raise Busy, Corrupt, Interrupted, Unreadable.
    """
    if standing_still:
        before = fingerprint(path)
        content = _read(path, "ro&immutable=1", full, seconds)
        if before == fingerprint(path):
            return content
    return _read(path, "ro", full, seconds)


def fingerprint(path: str) -> Fingerprint:
    """Return what changes when somebody writes to the database or opens it."""
    found: list[tuple[int, ...]] = []
    for name in (path, f"{path}-wal", f"{path}-shm"):
        try:
            status = os.stat(name)
        except OSError:
            found.append((0,))
        else:
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _read(path: str, mode: str, full: bool, seconds: float) -> Content:
    with opened(path, mode, seconds) as connection:
        try:
            return _content(connection, full)
        except sqlite3.Error as error:
            needs = what_it_needs(error, connection, path)
            if needs:
                raise Beyond(f"{path}: {needs}") from error
            raise


def _content(connection: sqlite3.Connection, full: bool) -> Content:
    schema = _schema_rows(connection)
    found = damage(connection, full=full)
    orphans, first = _orphans(connection) if full and not found else (None, "")
    return Content(
        page_size=int(_pragma(connection, "page_size")),
        pages=int(_pragma(connection, "page_count")),
        free_pages=int(_pragma(connection, "freelist_count")),
        auto_vacuum=int(_pragma(connection, "auto_vacuum")),
        journal_mode=str(_pragma(connection, "journal_mode")),
        user_version=int(_pragma(connection, "user_version")),
        schema_hash=hashlib.sha256(repr(schema).encode()).hexdigest(),
        damage=found,
        orphans=orphans,
        first_orphan=first,
        stale=() if found else stale_tables(connection, schema),  # damaged pages are not read for less
        litestream_tables=any(name.startswith("_litestream_") for _kind, name, _sql in schema),
        temp_in_memory=_temp_in_memory(connection),
    )


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    row = connection.execute(f"PRAGMA {name}").fetchone()
    return row[0] if row else 0


def _schema_rows(connection: sqlite3.Connection) -> list[tuple[str, str, Optional[str]]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def damage(connection: sqlite3.Connection, *, full: bool) -> str:
    """Return the first complaint of integrity_check or, ten times faster, quick_check; an empty text when sound."""
    row = connection.execute(f"PRAGMA {'integrity_check' if full else 'quick_check'}(1)").fetchone()
    answer = str(row[0]) if row else "the check gave no answer"
    return "" if answer == "ok" else answer


def _orphans(connection: sqlite3.Connection) -> tuple[int, str]:
    """Return how many rows refer to nothing (at most ORPHANS_COUNTED are counted) and the first of them."""
    rows = connection.execute("PRAGMA foreign_key_check").fetchmany(ORPHANS_COUNTED)
    first = f"{rows[0][0]} row {rows[0][1]} refers to a missing row of {rows[0][2]}" if rows else ""
    return len(rows), first


def stale_tables(connection: sqlite3.Connection, schema: list[tuple[str, str, Optional[str]]]) -> tuple[str, ...]:
    """Return the tables that PRAGMA optimize would run ANALYZE on, in the words of its documentation: those with an
    index that was never analyzed, and those that have grown to 25 times what their statistics say.

    PRAGMA optimize can tell them itself, but from 3.46 on not on a read-only connection. Empty tables are left out:
    ANALYZE stores nothing for them and would be due again at once.
    """
    analyzed = _analyzed(connection) if any(name == "sqlite_stat1" for _kind, name, _sql in schema) else {}
    tables = [name for kind, name, sql in schema if kind == "table" and not str(sql).startswith("CREATE VIRTUAL")]
    own = (table for table in tables if not table.startswith("sqlite_"))
    return tuple(table for table in own if _is_stale(connection, table, analyzed.get(table, {})))


def _analyzed(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """Return how many rows each table had when it was analyzed, by table and index (fileformat2.html, 2.6.3)."""
    found: dict[str, dict[str, int]] = {}
    for table, index, stat in connection.execute("SELECT tbl, idx, stat FROM sqlite_stat1"):
        rows = str(stat).split(" ", 1)[0]
        found.setdefault(str(table), {})[str(index)] = int(rows) if rows.isdigit() else 0
    return found


def _is_stale(connection: sqlite3.Connection, table: str, analyzed: dict[str, int]) -> bool:
    indexes = connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall()
    # the primary key of a WITHOUT ROWID table is analyzed under the table's name, an empty partial index not at all
    names = {
        table if origin == "pk" and table in analyzed else name
        for _number, name, _unique, origin, partial in indexes
        if not partial
    }
    if not indexes or not connection.execute(_up_to(table, 1)).fetchone()[0]:
        return False
    if not analyzed or names - set(analyzed):
        return True
    limit = GROWTH * max(1, *analyzed.values())
    return bool(connection.execute(_up_to(table, limit + 1)).fetchone()[0] > limit)


def _up_to(table: str, limit: int) -> str:
    """Return the query that counts a table's rows, but no further than a limit."""
    return f"SELECT count(*) FROM (SELECT 1 FROM {quoted(table)} LIMIT {limit})"  # noqa: S608 - the name is quoted


def analyze_statement(table: str) -> str:
    """Given a table, return its ANALYZE."""
    return f'ANALYZE "main".{quoted(table)}'


def quoted(name: str) -> str:
    """Given a name, return it as a quoted SQL identifier."""
    return '"{}"'.format(name.replace('"', '""'))


def _temp_in_memory(connection: sqlite3.Connection) -> bool:
    """Return whether this build of SQLite keeps temporary databases in memory (tempfiles.html, 3)."""
    options = {str(row[0]) for row in connection.execute("PRAGMA compile_options")}
    return bool(options & {"TEMP_STORE=2", "TEMP_STORE=3"})
