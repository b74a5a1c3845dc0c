# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What PostgreSQL's tools print, to numbers and names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from ....errors import ParseError

PG_CLASS = "1259"  # the catalog's own object id, the same in every PostgreSQL: tables, views, sequences, indexes
# "pg_dump (PostgreSQL) 15.18 (Debian ...)", "pg_dump (EnterpriseDB) 15.4.0", "psql (PostgreSQL) 16beta1"
_VERSION = re.compile(r"\S+ \([^()]*\) (\d+)(?!\d)")
_ENTRIES = re.compile(r";\s+TOC Entries: (\d+)")
_ENTRY = re.compile(r"\d+; (\d+) (\d+) \S")


class Contents(NamedTuple):
    """A dump's table of contents: how many entries, and the object ids of the relations among them."""

    entries: int
    relations: frozenset[int]


class Relation(NamedTuple):
    """A relation of the database that a dump has to hold."""

    id: int
    name: str


class Database(NamedTuple):
    """A database of the server; ``trouble`` is what keeps it from being dumped, or empty."""

    name: str
    trouble: str = ""


def parse_tool_version(text: str) -> int:
    """Given what ``pg_dump --version`` prints, return the major version. Raise ParseError where there is none."""
    found = _VERSION.match(text)
    if found is None:
        raise ParseError("pg_dump --version", 1, text, "it names no version")
    return int(found.group(1))


def parse_contents(text: str, source: str) -> Contents:
    """Given what ``pg_restore --list`` prints, return it. Raise ParseError where it names no number of entries."""
    count = _ENTRIES.search(text)
    if count is None:
        raise ParseError(source, 1, text[:80], "it names no number of entries")
    entries = (_ENTRY.match(line) for line in text.splitlines())
    relations = frozenset(int(entry.group(2)) for entry in entries if entry and entry.group(1) == PG_CLASS)
    return Contents(int(count.group(1)), relations)


def parse_relations(lines: Iterable[str]) -> list[Relation]:
    """Given lines of ``[id, name]`` in JSON, return the relations. Raise ParseError where a line is another."""
    return [Relation(int(row[0]), str(row[1])) for row in _json_rows(lines, 2)]


def parse_rows(lines: Iterable[str]) -> dict[str, int]:
    """Given lines of ``[table, rows]`` in JSON, return rows by table. Raise ParseError where a line is another."""
    return {str(row[0]): int(row[1]) for row in _json_rows(lines, 2)}


def parse_copies(lines: Iterable[str]) -> dict[str, str]:
    """Given lines of ``[table, statement]`` in JSON, return statements by table. Raise ParseError as ``parse_rows``."""
    return {str(row[0]): str(row[1]) for row in _json_rows(lines, 2)}


def parse_databases(lines: Iterable[str]) -> list[Database]:
    """Given lines of ``[name, trouble]`` in JSON, return the databases. Raise ParseError as ``parse_rows``."""
    return [Database(str(row[0]), str(row[1])) for row in _json_rows(lines, 2)]


def parse_names(lines: Iterable[str]) -> list[str]:
    """Given lines of ``[name]`` in JSON, return the names. Raise ParseError where a line is another."""
    return [str(row[0]) for row in _json_rows(lines, 1)]


def _json_rows(lines: Iterable[str], width: int) -> list[list[Any]]:
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ParseError("psql", number, line, "it is no JSON") from error
        if not isinstance(row, list) or len(row) != width:
            raise ParseError("psql", number, line, f"it has not {width} values")
        rows.append(row)
    return rows
