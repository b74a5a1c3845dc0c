# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much of a table is empty: estimated honestly, or withheld with the reason.

The estimate compares the table's size with the size that its rows would need. It is within 2 points of pgstattuple with
fresh statistics and 82 points off with stale ones, so it is only given where they are fresh and complete.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from .records import Server, Table

STALE_RATIO = 0.20  # of the rows changed since the last analyze
PAGE_HEADER = 24  # sizeof(PageHeaderData), storage-page-layout.html
LINE_POINTER = 4
TUPLE_HEADER = 23
ALIGNMENT = 8
MINIMUM_BYTES = 1


class Bloat(NamedTuple):
    """``ratio`` of the table that is empty and the ``bytes`` of it, or None with the reason in ``withheld``."""

    ratio: Optional[float]
    bytes: int
    withheld: str = ""


def estimate(table: Table, server: Server, floor: int) -> Bloat:
    """Given a table, return its bloat; tables below ``floor`` bytes are too small for bloat to matter."""
    if table.kind == "p" or table.heap_bytes < max(floor, MINIMUM_BYTES):
        return Bloat(None, 0)
    if table.exact_bloat is not None:
        return _bloat(table, table.exact_bloat)
    reason = _distrust(table)
    if reason:
        return Bloat(None, 0, reason)
    return _bloat(table, 1 - expected_bytes(table, server) / table.heap_bytes)


def _bloat(table: Table, ratio: float) -> Bloat:
    bounded = min(1.0, max(0.0, ratio))
    return Bloat(bounded, int(bounded * table.heap_bytes))


def _distrust(table: Table) -> str:
    """Return why the statistics of a table cannot carry an estimate, or an empty text."""
    if table.reltuples < 0 or table.last_analyze is None:
        return "no analyze is on record"
    if table.modified > STALE_RATIO * max(1, table.live):
        return f"{table.modified:,} of {table.live:,} rows changed since the last analyze"
    if not table.columns_seen:
        return "this login sees no row of pg_stats for it (it needs SELECT on the table)"
    if table.columns_seen != table.columns:
        return f"pg_stats covers {table.columns_seen} of its {table.columns} columns"
    return ""


def expected_bytes(table: Table, server: Server) -> int:
    """Given a table with trustworthy statistics, return the bytes that its rows need when packed.

    A row is a line pointer, an aligned header (with a bitmap where a column has nulls) and aligned data; a page loses
    its header and what fillfactor keeps free (storage-page-layout.html).
    """
    bitmap = ((table.columns or 0) + 7) // 8 if table.has_nulls else 0
    row = LINE_POINTER + _aligned(TUPLE_HEADER + bitmap) + _aligned(table.row_width or 0)
    usable = (server.block_size - PAGE_HEADER) * fillfactor(table) / 100
    rows_per_page = max(1, int(usable // row))
    return -int(-table.reltuples // rows_per_page) * server.block_size


def fillfactor(table: Table) -> int:
    """Return the table's fillfactor in percent; 100 unless its options say otherwise."""
    match = re.search(r"(?:^|,)fillfactor=(\d+)", table.options or "")
    return int(match.group(1)) if match else 100


def _aligned(size: float) -> int:
    return -int(-size // ALIGNMENT) * ALIGNMENT
