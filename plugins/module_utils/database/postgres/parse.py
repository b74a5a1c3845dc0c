# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of the catalogs and lines of a vacuum's report -> frozen records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional, TypeVar

from ...errors import ParseError
from ...postgres.connection import Rows
from ..settings import Database
from .answers import Raw, Seen
from .records import Activity, Cluster, DatabaseAge, Lock, Server, Table, View

Record = TypeVar("Record", bound=Any)


def records(rows: Rows, kind: type[Record], what: str) -> tuple[Record, ...]:
    """Given rows and the record that they are, return the records. Raise ParseError where the columns differ."""
    if rows.columns != kind._fields:
        raise ParseError(what, 0, ", ".join(rows.columns), f"expected the columns {', '.join(kind._fields)}")
    return tuple(map(kind._make, rows.values))


def parse(raw: Raw, entry: Database) -> Cluster:
    """Given the raw answers of a server, return it as one record."""
    return Cluster(
        entry=entry,
        server=records(raw.server, Server, "the server query")[0],
        ages=parse_ages(raw.ages),
        activity=records(raw.activity, Activity, "the activity query"),
        views=tuple(parse_view(seen) for seen in raw.seen),
        installed={seen.database: _extensions(seen) for seen in raw.seen},
    )


def parse_ages(rows: Rows) -> tuple[DatabaseAge, ...]:
    """Given the rows of the databases query, return them as records."""
    return records(rows, DatabaseAge, "the databases query")


def parse_view(seen: Seen) -> View:
    """Given the raw answers of one database, return it as a record."""
    if seen.tables is None or seen.locks is None:
        return View(seen.database, error=seen.error)
    tables = records(seen.tables, Table, f"the tables query in {seen.database}")
    return View(seen.database, tables, records(seen.locks, Lock, f"the locks query in {seen.database}"))


def _extensions(seen: Seen) -> frozenset[str]:
    return frozenset(row[0] for row in seen.extensions.values) if seen.extensions else frozenset()


class Report(NamedTuple):
    """What VACUUM (VERBOSE) says of one table and its TOAST table together; None where it does not say it.

    ``index_scans`` is the larger number of the two, because more than one means that the memory was too small for one.
    ``removed`` are rows; ``dead_items`` are the places in pages that became free, also of rows that a read had removed
    before.
    """

    removed: Optional[int] = None
    dead_items: Optional[int] = None
    not_removable: Optional[int] = None
    index_scans: Optional[int] = None
    pages_scanned: Optional[int] = None
    wal_bytes: Optional[int] = None

    def as_dict(self) -> dict[str, int]:
        """Return what the report says, without what it does not."""
        return {name: value for name, value in self._asdict().items() if value is not None}


# The report that VACUUM (VERBOSE) prints from PostgreSQL 15 on, in the C locale (heap_vacuum_rel in vacuumlazy.c).
_REPORT = {
    "removed": re.compile(r"^tuples: (\d+) removed", re.MULTILINE),
    "dead_items": re.compile(r"had (\d+) dead item identifiers removed$", re.MULTILINE),
    "not_removable": re.compile(r"^tuples: .*?(\d+) are dead but not yet removable", re.MULTILINE),
    "index_scans": re.compile(r"^(?:INFO:  )?finished vacuuming .*: index scans: (\d+)", re.MULTILINE),
    "pages_scanned": re.compile(r"^pages: .*?(\d+) scanned", re.MULTILINE),
    "wal_bytes": re.compile(r"^WAL usage: .*?(\d+) bytes", re.MULTILINE),
}


def vacuum_report(notices: Sequence[str]) -> Report:
    """Given the notices of a VACUUM (VERBOSE), return its figures; older servers and other locales give none."""
    text = "\n".join(notices)
    found: Mapping[str, list[str]] = {name: pattern.findall(text) for name, pattern in _REPORT.items()}
    together = {"index_scans": max}
    return Report(**{name: together.get(name, sum)(map(int, values)) for name, values in found.items() if values})
