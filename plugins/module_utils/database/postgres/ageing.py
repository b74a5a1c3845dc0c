# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes a table need work though none of its rows changed: inserts, and what happens below it. Pure."""

from __future__ import annotations

import re
from typing import Optional

from ..settings import Thresholds
from .features import has
from .records import Server, Table


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
