# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a SQLite file says of itself: whether it is sound, its tables with their rows, its schema."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.parse import quote

from ....sqlite_schema import what_it_needs

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def sqlite_uri(path: str, **options: object) -> str:
    """Given an absolute path and options such as ``mode="ro"``, return the URI.

    A path with a drive has slashes and one before the drive there; any other is quoted as it is.
    """
    if _DRIVE.match(path):
        path = "/" + path.replace("\\", "/")
    words = "&".join(f"{name}={value}" for name, value in options.items())
    return f"file:{quote(path)}?{words}"


_NEVER_USED = "never used"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
SCHEMA = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name, tbl_name"


class Examined(NamedTuple):
    """A copy that was looked at. ``rows`` is None for a table that this SQLite cannot count (a missing extension)."""

    rows: dict[str, Optional[int]]
    schema_sha256: str
    live_bytes: int
    user_version: int


@contextmanager
def open_copy(path: Path) -> Iterator[sqlite3.Connection]:
    """Given a copy that nobody else has open, yield a connection that writes nothing beside it."""
    uri = sqlite_uri(str(path), mode="ro", immutable=1)
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        yield connection


class Checked(NamedTuple):
    """What SQLite finds wrong in a database's structure, nothing where it is sound. ``unread`` is what this SQLite
    would need to look at all of it; what it could look at is judged even so.
    """

    wrong: list[str]
    unread: str = ""


def check(connection: sqlite3.Connection, path: str, *, thorough: bool = False) -> Checked:
    """Given a read-only connection to a copy, return what a quick check says of it, or a thorough one, which compares
    each index with the rows of its table as well.

    ``path`` is the database that it is a copy of, whose header still says who wrote it.
    """
    unread = ""
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        unread = what_it_needs(error, connection, path)
        if not unread:
            return Checked([str(error)])
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma(thorough)}(5)")]
    except sqlite3.DatabaseError as error:
        needs = what_it_needs(error, connection, path)
        return Checked([], needs) if needs else Checked([str(error)], unread)
    # the pages of a table whose declaration is not understood belong to nobody as far as this SQLite can see
    wrong = [line for line in found if line != "ok" and not (unread and _NEVER_USED in line)]
    return Checked(wrong, unread)


def pragma(thorough: bool) -> str:
    """Return the name of the check that looks so far."""
    return "integrity_check" if thorough else "quick_check"


def schema_sha256(connection: sqlite3.Connection) -> str:
    """Return the checksum of a database's schema, which is equal for equal schemas whatever rows there are."""
    lines = "\n".join("\t".join(map(str, row)) for row in connection.execute(SCHEMA))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def examine(connection: sqlite3.Connection) -> Examined:
    """Given a sound copy, count its rows and describe it."""
    tables = [str(row[0]) for row in connection.execute(TABLES)]
    return Examined(
        rows={table: _count(connection, table) for table in tables},
        schema_sha256=schema_sha256(connection),
        live_bytes=(_pragma(connection, "page_count") - _pragma(connection, "freelist_count"))
        * _pragma(connection, "page_size"),
        user_version=_pragma(connection, "user_version"),
    )


def _count(connection: sqlite3.Connection, table: str) -> Optional[int]:
    quoted = table.replace('"', '""')
    try:
        return int(connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])  # noqa: S608 - quoted above
    except sqlite3.OperationalError:
        return None


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: Any = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return int(value)
