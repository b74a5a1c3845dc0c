# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers and tables as the catalogs would show them, healthy unless a test says otherwise."""

from __future__ import annotations

from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.decide import Scope, scope_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.history import History
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import (
    Activity,
    DatabaseAge,
    DatabaseSnapshot,
    Lock,
    Server,
    ServerSnapshot,
    Table,
)

from ..options import postgresql, settings

MB = 1_000_000


def server(**more: Any) -> Server:
    healthy = Server(
        version=150_018,
        in_recovery=False,
        block_size=8192,
        freeze_max_age=200_000_000,
        multixact_freeze_max_age=400_000_000,
        max_parallel=2,
        maintenance_work_mem=64 << 20,
        is_superuser=True,
        sees_sessions=True,
        data_directory="/var/lib/postgresql/15/main",
        next_xid=5_000_000_000,
        standbys=0,
        replica_lag_s=None,
        insert_threshold=1000.0,
        insert_scale=0.2,
    )
    return healthy._replace(**more)


def table(name: str = "trades", **more: Any) -> Table:
    """A table of 100,000 rows in 10 MB, vacuumed and analyzed yesterday."""
    healthy = Table(
        oid=more.pop("oid", sum(map(ord, name)) * 1000),
        schema="public",
        name=name,
        kind="r",
        shared=False,
        reltuples=100_000.0,
        all_visible=1000,
        heap_bytes=10 * MB,
        index_bytes=2 * MB,
        toast_bytes=0,
        live=100_000,
        dead=0,
        modified=0,
        toast_live=0,
        toast_dead=0,
        last_vacuum=1_799_900_000.0,
        last_analyze=1_799_900_000.0,
        xid_age=1_000_000,
        mxid_age=0,
        may_maintain=True,
        children=0,
        child_rows=0,
        child_modified=0,
        child_since=0,
        inserted=0,
        options=None,
        location="",
        columns=3,
        columns_seen=3,
        row_width=60.0,
        has_nulls=False,
        exact_bloat=None,
    )
    return healthy._replace(**more)


def dirty(name: str = "trades", **more: Any) -> Table:
    """A table with twice as many dead rows as it may have, and stale statistics."""
    return table(name, **{"dead": 20_000, "modified": 20_000, **more})


def activity(**more: Any) -> Activity:
    """An idle transaction that has held the horizon for an hour."""
    idle = Activity(
        kind="session",
        pid=4711,
        name="psql",
        user="bot",
        database="cryptobot",
        state="idle in transaction",
        seconds=3600.0,
        xmin_age=1000,
        query="SELECT * FROM trades WHERE note = 'private'",
    )
    return idle._replace(**more)


def lock(of: Table, **more: Any) -> Lock:
    held = Lock(of.oid, 815, "AccessExclusiveLock", "bot", "client backend", "active", 12.0, "ALTER TABLE trades ...")
    return held._replace(**more)


def view(*tables: Table, database: str = "cryptobot", locks: tuple[Lock, ...] = ()) -> DatabaseSnapshot:
    return DatabaseSnapshot(database, tuple(tables), locks)


def cluster(
    *views: DatabaseSnapshot, entry: Any = None, on: Any = None, activity: tuple[Activity, ...] = (), **more: Any
) -> ServerSnapshot:
    ages = tuple(DatabaseAge(one.name, True, False, 1_000_000, 0, 0) for one in views)
    return ServerSnapshot(
        entry=entry or settings([postgresql()]).databases[0],
        server=on or server(),
        ages=more.pop("ages", ages),
        activity=activity,
        databases=views,
        installed=more.pop("installed", {}),
    )


NO_HISTORY = History()


def scope(*tables: Table, history: History = NO_HISTORY, **given: Any) -> Scope:
    """The scope of decisions in a database with these tables, under options given."""
    seen = given.pop("cluster", None) or cluster(view(*tables, locks=given.pop("locks", ())), on=given.pop("on", None),
                                                 activity=given.pop("activity", ()))  # fmt: skip
    chosen = settings([postgresql()], **given)
    return scope_of(seen, seen.databases[0], chosen, history)
