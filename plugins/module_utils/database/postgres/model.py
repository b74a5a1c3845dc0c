# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the catalogs say: records whose fields are the columns of their query, in that order; and the task of a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ...steps import Step
from ..declared import Database

UNPREDICTED_S = math.nan  # of a task while it is made: a prediction needs the whole task


class Server(NamedTuple):
    """The server as a whole. ``next_xid`` is the next transaction id with its epoch, so it only ever grows.

    The last two say how many inserted rows call for a vacuum; None before PostgreSQL 13.
    """

    version: int
    in_recovery: bool
    block_size: int
    freeze_max_age: int
    multixact_freeze_max_age: int
    max_parallel: int
    maintenance_work_mem: int
    is_superuser: bool
    sees_sessions: bool
    data_directory: Optional[str]
    next_xid: int
    standbys: int
    replica_lag_s: Optional[float]
    insert_threshold: Optional[float]
    insert_scale: Optional[float]


class DatabaseAge(NamedTuple):
    """One database of the server: ages in transactions, pages that failed their checksum since statistics began."""

    name: str
    allows_connections: bool
    is_template: bool
    xid_age: int
    mxid_age: int
    checksum_failures: Optional[int]


class Activity(NamedTuple):
    """Somebody who has a transaction open or holds the xmin horizon: a session, prepared transaction or slot.

    ``database`` is None where it holds for all. ``xmin_age`` is in transactions, None where it holds no horizon.
    """

    kind: str
    pid: Optional[int]
    name: Optional[str]
    user: Optional[str]
    database: Optional[str]
    state: Optional[str]
    seconds: Optional[float]
    xmin_age: Optional[int]
    query: Optional[str]


class Lock(NamedTuple):
    """A lock, held or waited for, that keeps a vacuum out of a table."""

    relation: int
    pid: int
    mode: str
    user: Optional[str]
    kind: Optional[str]
    state: Optional[str]
    seconds: Optional[float]
    query: Optional[str]


class Table(NamedTuple):
    """One table, materialized view or partitioned table with its TOAST table and indexes; sizes in bytes.

    ``reltuples`` and ``all_visible`` are as of the last vacuum or analyze; ``live``, ``dead`` and ``modified`` are
    counters. ``location`` is the folder of its tablespace, empty for the default one. The last five columns serve the
    bloat estimate and are only filled for tables large enough for it.

    ``children`` are all tables below it (partitions, heirs), ``child_rows`` their live rows and ``child_modified`` the
    rows changed since each of them was analyzed. ``child_since`` counts all rows of a child that was analyzed after its
    parent was, because its changes from before that are forgotten. ``inserted`` is since the last vacuum, None where it
    is not counted.
    """

    oid: int
    schema: str
    name: str
    kind: str
    shared: bool
    reltuples: float
    all_visible: int
    heap_bytes: int
    index_bytes: int
    toast_bytes: int
    live: int
    dead: int
    modified: int
    toast_live: int
    toast_dead: int
    last_vacuum: Optional[float]
    last_analyze: Optional[float]
    xid_age: int
    mxid_age: int
    may_maintain: bool
    children: int
    child_rows: int
    child_modified: int
    child_since: int
    inserted: Optional[int]
    options: Optional[str]
    location: str
    columns: Optional[int]
    columns_seen: Optional[int]
    row_width: Optional[float]
    has_nulls: Optional[bool]
    exact_bloat: Optional[float]

    @property
    def bytes(self) -> int:
        """Table, TOAST and indexes together: what a vacuum has to look through."""
        return self.heap_bytes + self.index_bytes + self.toast_bytes

    @property
    def dead_bytes(self) -> int:
        """The bytes that dead rows take in the table, as its share of dead rows says."""
        return self.heap_bytes * self.dead // max(1, self.live + self.dead)


class State(NamedTuple):
    """A table right before and right after a step."""

    vacuums: int
    analyzes: int
    live: int
    dead: int
    bytes: int
    xid_age: int


class DatabaseSnapshot(NamedTuple):
    """One database of the server: its tables and the locks on them, or why it could not be seen."""

    name: str
    tables: tuple[Table, ...] = ()
    locks: tuple[Lock, ...] = ()
    error: str = ""


class ServerSnapshot(NamedTuple):
    """Everything that was read for one entry of the inventory."""

    entry: Database
    server: Server
    ages: tuple[DatabaseAge, ...]
    activity: tuple[Activity, ...]
    databases: tuple[DatabaseSnapshot, ...]
    installed: Mapping[str, frozenset[str]]

    @property
    def answered(self) -> tuple[DatabaseSnapshot, ...]:
        """The databases that could be seen."""
        return tuple(database for database in self.databases if not database.error)


class TableTask(NamedTuple):
    """What a step on one table needs. ``target`` is a statistics target of its own for a stage of analyze."""

    database: str
    table: Table
    vacuum: bool
    analyze: bool
    predicted_s: float = UNPREDICTED_S
    freeze: bool = False
    emergency: bool = False
    truncate: bool = True
    rewrite: bool = False
    target: Optional[int] = None
    codes: tuple[str, ...] = ()

    def step(self, action: str, subject: str, reason: str) -> Step:
        """Return the step that does it, with what an operator may want to know of it beforehand."""
        known: dict[str, Any] = {"predicted_seconds": round(self.predicted_s, 1), "bytes": self.table.bytes}
        flags = {"freeze": self.freeze, "emergency": self.emergency}
        return Step(action, subject, reason, self, {**known, **{name: True for name, value in flags.items() if value}})
