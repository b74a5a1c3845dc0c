# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the catalogs say, as frozen records. The fields of each are the columns of its query, in that order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Optional

from ..settings import Database


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


@dataclass(frozen=True)
class View:
    """One database of the server, as seen: its tables and the locks on them, or why it could not be seen."""

    database: str
    tables: tuple[Table, ...] = ()
    locks: tuple[Lock, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Cluster:
    """Everything that was read for one entry of the inventory."""

    entry: Database
    server: Server
    ages: tuple[DatabaseAge, ...]
    activity: tuple[Activity, ...]
    views: tuple[View, ...]
    installed: Mapping[str, frozenset[str]]

    @property
    def answered(self) -> tuple[View, ...]:
        """The databases that could be seen."""
        return tuple(view for view in self.views if not view.error)
