# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a table needs work: one small function per reason, listed in REASONS. Pure.

How much of a table is empty is estimated honestly, or withheld with the reason. The estimate compares the table's size
with the size that its rows would need. It is within 2 points of pgstattuple with fresh statistics and 82 points off
with stale ones, so it is only given where they are fresh and complete.
"""

from __future__ import annotations

import re
from typing import Callable, NamedTuple, Optional

from ...units import human_bytes
from ..declared import Thresholds
from .features import has
from .horizon import Horizon
from .model import Server, Table

WRAP_AT = 2**31  # a transaction id is compared with the 2 billion before it
BLOAT_DEAD_RATIO = 0.01  # a plain vacuum helps a bloated table only by what is dead in it
# ANALYZE writes these itself, and of pg_statistic it takes no statistics (do_analyze_rel).
WRITTEN_BY_ANALYZE = frozenset({"pg_statistic", "pg_statistic_ext_data"})
SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema"})

VACUUM_CODES = frozenset({"dead_rows", "freeze", "bloat", "inserts", "never_vacuumed"})
ANALYZE_CODES = frozenset({"statistics", "never_analyzed"})

STALE_RATIO = 0.20  # of the rows changed since the last analyze
PAGE_HEADER = 24  # sizeof(PageHeaderData), storage-page-layout.html
LINE_POINTER = 4
TUPLE_HEADER = 23
ALIGNMENT = 8
MINIMUM_BYTES = 1


class Reason(NamedTuple):
    """One reason: a code for programs and a sentence for people."""

    code: str
    text: str


class Bloat(NamedTuple):
    """``ratio`` of the table that is empty and the ``bytes`` of it, or None with the reason in ``withheld``."""

    ratio: Optional[float]
    bytes: int
    withheld: str = ""


class TableContext(NamedTuple):
    """A table and all that its reasons depend on. ``reclaimable`` are its dead rows without those known to be stuck."""

    table: Table
    server: Server
    limits: Thresholds
    horizon: Horizon
    reclaimable: int
    bloat: Bloat


def dead_rows(context: TableContext) -> Optional[Reason]:
    """(a) More removable dead rows than the larger of a fixed number and a share of the live rows, TOAST included."""
    table = context.table
    limit = dead_limit(table.live, context.limits)
    if context.reclaimable > limit:
        return Reason("dead_rows", f"{context.reclaimable:,} dead rows, more than {limit:,.0f}")
    limit = dead_limit(table.toast_live, context.limits)
    if table.toast_dead > limit:
        return Reason("dead_rows", f"{table.toast_dead:,} dead rows in its TOAST table, more than {limit:,.0f}")
    return None


def dead_limit(live: int, limits: Thresholds) -> float:
    """Given live rows, return the dead rows from which on a vacuum is worth it."""
    return max(float(limits.dead_rows), limits.dead_ratio * live)


def freeze(context: TableContext) -> Optional[Reason]:
    """(b) Its oldest transaction or multixact id is older than a share of what forces autovacuum to freeze."""
    for age, limit, what in _ages(context):
        if age > context.limits.xid_ratio * limit:
            return Reason("freeze", f"{what} age {age:,}, more than {context.limits.xid_ratio:.0%} of {limit:,}")
    return None


def _ages(context: TableContext) -> tuple[tuple[int, int, str], ...]:
    table, server = context.table, context.server
    return (
        (table.xid_age, server.freeze_max_age, "transaction id"),
        (table.mxid_age, server.multixact_freeze_max_age, "multixact id"),
    )


def bloat(context: TableContext) -> Optional[Reason]:
    """(c) Estimated to be bloated, with dead rows in it whose space a vacuum makes usable again."""
    if not is_bloated(context.bloat, context.limits) or context.reclaimable <= BLOAT_DEAD_RATIO * context.table.live:
        return None
    size = human_bytes(context.bloat.bytes)
    return Reason("bloat", f"{context.bloat.ratio:.0%} bloat ({size}) with {context.reclaimable:,} dead rows in it")


def is_bloated(found: Bloat, limits: Thresholds) -> bool:
    """Given an estimate, return whether it is above both thresholds; a withheld one is not."""
    return found.ratio is not None and found.ratio > limits.bloat_ratio and found.bytes > limits.bloat_bytes


def inserts(context: TableContext) -> Optional[Reason]:
    """(f) More rows inserted since the last vacuum than the server lets pass (13 and later): until a vacuum has seen
    them they are not in the visibility map, so that index-only scans read the table, and they are frozen all at once.
    """
    table, limit = context.table, insert_limit(context.table, context.server)
    if limit is None or table.inserted is None or table.inserted <= limit:
        return None
    pages = table.heap_bytes // context.server.block_size
    return Reason(
        "inserts",
        f"{table.inserted:,} rows inserted since the last vacuum, more than {limit:,.0f}; "
        f"{table.all_visible:,} of {pages:,} pages were all-visible",
    )


def parent_statistics(context: TableContext) -> Optional[Reason]:
    """(g) More rows changed in its partitions or heirs since it was analyzed than a base for each of them plus a share
    of them all. Autovacuum never looks at a parent for what happens in its children.
    """
    table = context.table
    changed, limit = parent_changed(table, context.server), parent_limit(table, context.limits)
    if not table.children or changed <= limit:
        return None
    text = f"{changed:,} rows changed in its {table.children:,} children since it was analyzed, more than {limit:,.0f}"
    return Reason("statistics", text)


def statistics(context: TableContext) -> Optional[Reason]:
    """(d) More rows changed since the last analyze than a base plus a share of the table."""
    table, limit = context.table, stale_limit(context.table, context.limits)
    if stale_share(table, context.limits) <= 1:
        return None
    return Reason("statistics", f"{table.modified:,} rows changed since the last analyze, more than {limit:,.0f}")


def stale_limit(table: Table, limits: Thresholds) -> float:
    """Given a table, return the changed rows from which on its statistics are stale: a base plus a share of its rows.

    The rows are those that pg_class knows, as in autovacuum's formula (relation_needs_vacanalyze), so that both agree;
    ANALYZE sets them, so a second run finds nothing. The counter of live rows serves where pg_class knows none.
    """
    rows = table.reltuples if table.reltuples >= 0 else table.live
    return limits.analyze_rows + limits.analyze_ratio * rows


def stale_share(table: Table, limits: Thresholds) -> float:
    """Given a table, return its changed rows as a share of what makes its statistics stale."""
    if table.name in WRITTEN_BY_ANALYZE:
        return 0.0
    return _share(table.modified, stale_limit(table, limits))


def _share(rows: int, limit: float) -> float:
    return rows / max(1.0, limit)  # a limit may be 0 rows


def never_vacuumed(context: TableContext) -> Optional[Reason]:
    """(e) It has rows, no vacuum is on record, and none shows in its visibility map.

    What pg_class knows of the visibility map is as old as the last vacuum or analyze, so it does not count where much
    has changed since. A crash loses all counters; how much has changed is then unknown, and a vacuum tells.
    """
    table = context.table
    if counters_lost(table):
        return Reason("never_vacuumed", "its counters were lost, in a crash or a restore of the files")
    if table.last_vacuum is not None or not _has_rows(table):
        return None
    if table.all_visible > 0 and stale_share(table, context.limits) <= 1:
        return None
    return Reason("never_vacuumed", "no vacuum is on record")


def counters_lost(table: Table) -> bool:
    """Return whether a table holds rows by its last vacuum or analyze and nothing has been counted of it since.

    The system catalogs of a new database are so too, without having lost anything.
    """
    counted = table.live or table.dead or table.modified or table.last_vacuum or table.last_analyze
    return table.reltuples > 0 and table.heap_bytes > 0 and not counted and table.schema not in SYSTEM_SCHEMAS


def never_analyzed(context: TableContext) -> Optional[Reason]:
    """(e) It has rows and the planner knows nothing of it."""
    table = context.table
    unknown = (
        table.reltuples < 0 if has(context.server.version, "never_analyzed_is_minus_one") else table.reltuples == 0
    )
    filled = _has_rows(table) or table.child_rows > 0
    if not unknown or table.last_analyze is not None or not filled or table.name in WRITTEN_BY_ANALYZE:
        return None
    return Reason("never_analyzed", "never analyzed")


def _has_rows(table: Table) -> bool:
    return table.heap_bytes > 0 and table.live + table.dead > 0


REASONS: tuple[Callable[[TableContext], Optional[Reason]], ...] = (
    freeze,
    dead_rows,
    bloat,
    never_vacuumed,
    inserts,
    statistics,
    parent_statistics,
    never_analyzed,
)


def reasons(context: TableContext) -> tuple[Reason, ...]:
    """Return all reasons that a table has, one of each code. A partitioned table holds no rows of its own."""
    rules = (never_analyzed, parent_statistics) if context.table.kind == "p" else REASONS
    found: dict[str, Reason] = {}
    for reason in (rule(context) for rule in rules):
        if reason:
            found.setdefault(reason.code, reason)
    return tuple(found.values())


def is_critical(oldest: int, limits: Thresholds) -> bool:
    """Given the age of the oldest transaction or multixact id, return whether the server will soon refuse writes."""
    return oldest > limits.wraparound_critical_age or WRAP_AT - oldest < limits.wraparound_critical_left


def is_emergency(table: Table, limits: Thresholds) -> bool:
    """Given a table, return whether it must be vacuumed whatever the window says."""
    return table.kind != "p" and is_critical(max(table.xid_age, table.mxid_age), limits)


def nearness(context: TableContext) -> float:
    """Given a table with its context, return how close it is to needing work: 1 is at a threshold, 0 far from all."""
    table, limits = context.table, context.limits
    shares = [
        _share(context.reclaimable, dead_limit(table.live, limits)),
        stale_share(table, limits),
        *(age / (limits.xid_ratio * limit) for age, limit, _what in _ages(context)),
    ]
    insertable = insert_limit(table, context.server)
    if insertable is not None and table.inserted is not None:
        shares.append(_share(table.inserted, insertable))
    if table.children:
        shares.append(_share(parent_changed(table, context.server), parent_limit(table, limits)))
    return max(shares)


def insert_limit(table: Table, server: Server) -> Optional[float]:
    """Given a table, return the inserted rows that call for a vacuum, as the server and its own options say it; None
    where they never do.
    """
    base = _option(table, "autovacuum_vacuum_insert_threshold", server.insert_threshold)
    scale = _option(table, "autovacuum_vacuum_insert_scale_factor", server.insert_scale)
    if base is None or scale is None or base < 0:
        return None
    return base + scale * max(0.0, table.reltuples)


def _option(table: Table, name: str, default: Optional[float]) -> Optional[float]:
    found = re.search(rf"(?:^|,){name}=(-?[0-9.]+)", table.options or "")
    return float(found.group(1)) if found else default


def parent_changed(table: Table, server: Server) -> int:
    """Return the rows that changed below a parent since its last analyze, as far as that can be told.

    ANALYZE of a partitioned table takes its partitions along and (14 and later) notes how many rows they had, so that
    what came since shows even where the partitions were analyzed meanwhile. That of another parent does neither.
    """
    if table.kind != "p":
        return table.modified + table.child_since
    noted = table.reltuples >= 0 and has(server.version, "never_analyzed_is_minus_one")
    return max(table.child_modified, int(abs(table.child_rows - table.reltuples)) if noted else 0)


def parent_limit(table: Table, limits: Thresholds) -> float:
    """Given a parent, return the changed rows from which on its statistics are stale. No child below its own limit can
    reach it, so that a second run finds nothing.
    """
    own = 0.0 if table.kind == "p" else max(0.0, table.reltuples)
    return limits.analyze_rows * (1 + table.children) + limits.analyze_ratio * (own + table.child_rows)


def estimate(table: Table, server: Server, floor: int) -> Bloat:
    """Given a table, return its bloat; tables below ``floor`` bytes are too small for bloat to matter."""
    if table.kind == "p" or table.heap_bytes < max(floor, MINIMUM_BYTES):
        return Bloat(None, 0)
    if table.exact_bloat is not None:
        return _bloat_of(table, table.exact_bloat)
    reason = _distrust(table)
    if reason:
        return Bloat(None, 0, reason)
    return _bloat_of(table, 1 - expected_bytes(table, server) / table.heap_bytes)


def _bloat_of(table: Table, ratio: float) -> Bloat:
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
