# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why the SQLite of this Python cannot read a database that may be sound.

A schema is text which is parsed anew by whoever opens the file. A syntax that is younger than our library looks to it
like damage ("malformed database schema"), and a collation, a function or a module that the application brings along is
not there. Neither is damage, and neither proves that there is none.
"""

from __future__ import annotations

import re
import sqlite3
import struct
from typing import NamedTuple, Optional

from .reading import regular

_MALFORMED = re.compile(r"malformed database schema \((?P<name>.*)\) - (?P<why>.*)", re.DOTALL)
# What SQLite says where an application's own part is missing, and what is missing then.
_MISSING = (
    (re.compile(r"no such collation sequence: (.+)"), "the collation {}"),
    (re.compile(r"(?:no such function: |unknown function: )([^()]+)"), "the function {}()"),
    (re.compile(r"no such module: (.+)"), "the module {}"),
)
_NOT_UNDERSTOOD = re.compile(
    r"syntax error|unknown table option|unrecognized token|unsupported|not currently supported"
)
_WRITER = 96  # offset of the number of the library that wrote last (fileformat2.html, 1.3.17)


class Feature(NamedTuple):
    """A syntax of the schema: the release that began to know it (sqlite.org/changes.html), how to see it, its name."""

    since: tuple[int, int]
    complaint: re.Pattern[str]
    syntax: re.Pattern[str]
    name: str


def _feature(since: tuple[int, int], complaint: str, syntax: str, name: str) -> Feature:
    return Feature(since, re.compile(complaint), re.compile(syntax, re.IGNORECASE), name)


FEATURES = (
    _feature((3, 46), r"unrecognized token|near \"_", r"\d_\d", "digits in groups"),
    _feature(
        (3, 44),
        r'near "ORDER"',
        r"\w\s*\((?!\s*(?:SELECT|WITH|PARTITION)\b)[^()]*\bORDER\s+BY",
        "ORDER BY in an aggregate",
    ),
    _feature(
        (3, 39), r"RIGHT and FULL|near \"(?:FULL|RIGHT|JOIN)\"", r"\b(?:RIGHT|FULL)\s+(?:OUTER\s+)?JOIN", "FULL JOIN"
    ),
    _feature((3, 39), r'near "(?:DISTINCT|FROM)"', r"\bIS\s+(?:NOT\s+)?DISTINCT\s+FROM\b", "IS DISTINCT FROM"),
    _feature((3, 38), r'near ">', r"->", "the operator ->"),
    _feature((3, 37), r'unknown table option|near "STRICT"', r"\)[^()]*\bSTRICT\b", "a STRICT table"),
    _feature((3, 35), r'near "(?:NOT|MATERIALIZED)"', r"\bAS\s+(?:NOT\s+)?MATERIALIZED\b", "AS MATERIALIZED"),
    _feature((3, 33), r'near "FROM"', r"\bUPDATE\b.*\bSET\b.*\bFROM\b", "UPDATE FROM"),
    _feature((3, 31), r'near "(?:AS|GENERATED|ALWAYS|\()"', r"\bAS\s*\(", "a generated column"),
    _feature(
        (3, 30), r'near "(?:NULLS|FIRST|LAST|FILTER|\()"', r"\bNULLS\s+(?:FIRST|LAST)\b|\bFILTER\s*\(", "NULLS FIRST"
    ),
    _feature((3, 25), r'near "(?:OVER|\()"', r"\bOVER\b", "a window function"),
    _feature((3, 24), r'near "ON"', r"\bON\s+CONFLICT\b.*\bDO\b", "an upsert"),
)


def what_it_needs(error: sqlite3.Error, connection: sqlite3.Connection, path: str) -> str:
    """Given the error by which SQLite refuses a database, return what is needed to read it, or an empty text where
    nothing says that this is more than damage.

    The connection, which must be read-only, goes on with what can be understood of the schema.
    """
    text = str(error)
    for pattern, words in _MISSING:
        found = pattern.search(text)
        if found:
            return f"it needs {words.format(found.group(1).strip())}, which the application brings along"
    malformed = _MALFORMED.search(text)
    if malformed is None or not _NOT_UNDERSTOOD.search(malformed.group("why")):
        return ""
    connection.execute("PRAGMA writable_schema = ON")  # what is not understood is passed over from here on
    return _newer(malformed.group("name"), malformed.group("why"), _objects(connection), path)


def _objects(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """Return kind and text of each object of the schema, by name; nothing where even that cannot be read."""
    try:
        rows = connection.execute("SELECT name, type, coalesce(sql, '') FROM sqlite_master").fetchall()
    except sqlite3.Error:
        return {}
    return {str(name): (str(kind), str(sql)) for name, kind, sql in rows}


def _newer(name: str, why: str, objects: dict[str, tuple[str, str]], path: str) -> str:
    kind, sql = objects.get(name, ("object", ""))
    here = sqlite3.sqlite_version_info[:2]
    for feature in FEATURES:
        if feature.since > here and feature.complaint.search(why) and feature.syntax.search(sql):
            needed = ".".join(map(str, feature.since))
            return f"it needs SQLite {needed} ({kind} {name}: {feature.name}), here is {sqlite3.sqlite_version}"
    writer = _writer(path)
    if writer is None or writer <= sqlite3.sqlite_version_info:
        return ""
    newer = ".".join(map(str, writer))
    return (
        f"it was last written by SQLite {newer}, here is {sqlite3.sqlite_version}, "
        f"which does not understand its schema ({kind} {name}: {why})"
    )


def _writer(path: str) -> Optional[tuple[int, int, int]]:
    """Return the version of the library that wrote a database last, or None where the file does not say."""
    try:
        with open(path, "rb", opener=regular) as stream:
            number: int = struct.unpack(">I", stream.read(100)[_WRITER:])[0]
    except (OSError, struct.error):
        return None
    return number // 1_000_000, number // 1000 % 1000, number % 1000
