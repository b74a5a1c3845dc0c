# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the catalogs: five queries for a server, two for each of its databases, and their rows as records."""

from __future__ import annotations

from contextlib import closing
from typing import Any, NamedTuple, Optional, TypeVar

from ...errors import CoreError, ParseError
from ...postgres.connection import Rows, Session, connect
from ...postgres.opening import Limits
from ..settings import Database, Settings
from . import queries
from .features import OLDEST, has
from .model import Activity, Cluster, DatabaseAge, Lock, Server, Table, View

EVERY = "*"
FALLBACK = "template1"  # as vacuumdb: where the database postgres was dropped
LOCK_TIMEOUT = "55P03"
APPLICATION = "cryptobot db_vacuum"  # by which our own sessions are told apart from other clients
LOOK_TIMEOUT_S = 60.0  # for a catalog query; a vacuum gets a bound of its own

Record = TypeVar("Record", bound=Any)


class Seen(NamedTuple):
    """The raw answers of one database, or why there are none."""

    database: str
    tables: Optional[Rows]
    locks: Optional[Rows]
    extensions: Optional[Rows]
    error: str = ""


class Raw(NamedTuple):
    """The raw answers of one server. ``seen`` is empty where it is a standby."""

    server: Rows
    ages: Rows
    activity: Rows
    seen: tuple[Seen, ...]


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


def gather(entry: Database, settings: Settings) -> Raw:
    """Given an entry of the inventory, return what its server's catalogs say.

    Raise DriverMissing, or CoreError where the server cannot be reached; a single database that cannot is in its Seen.
    """
    with closing(_first(entry, settings)) as session:
        server = session.rows(queries.SERVER)
        version, in_recovery = server.values[0][0], server.values[0][1]
        if version < OLDEST:
            raise CoreError(f"{session.where}: the server's version is {version}, expected {OLDEST} (11) or later")
        ages = session.rows(queries.databases(version))
        activity = session.rows(queries.ACTIVITY)
        first = _look(session, entry, settings, version) if entry.database != EVERY and not in_recovery else None
    if in_recovery:
        return Raw(server, ages, activity, ())
    if first is not None:
        return Raw(server, ages, activity, (first,))
    return Raw(server, ages, activity, tuple(_visit(entry, settings, name, version) for name in _names(ages)))


def _first(entry: Database, settings: Settings) -> Session:
    """Return a session for the questions about the whole server."""
    if entry.database != EVERY:
        return opened(entry, entry.database, settings)
    try:
        return opened(entry, entry.login.database, settings)
    except CoreError as error:
        if getattr(error, "code", None) is None or entry.login.database == FALLBACK:
            raise
        try:
            return opened(entry, FALLBACK, settings)
        except CoreError:
            raise error from None


def opened(entry: Database, name: str, settings: Settings) -> Session:
    """Return a session on a database with our settings. Raise CoreError."""
    session = connect(entry.login, name, APPLICATION, Limits(LOOK_TIMEOUT_S, settings.lock_timeout_s))
    session.execute("SET jit = off")  # compiling the catalog query took 1.4 s, running it 0.1 s
    return session


def prepare_worker(session: Session, version: int, is_superuser: bool) -> None:
    """Given a session that will vacuum, let the server notice when we die, and have its reports in English."""
    if has(version, "client_check"):
        session.execute("SET client_connection_check_interval = '10s'")
    if is_superuser:
        session.execute("SET lc_messages = 'C'")


def gather_ages(entry: Database, settings: Settings, version: int) -> Rows:
    """Return the ages of all databases as they are now. Raise CoreError."""
    with closing(_first(entry, settings)) as session:
        return session.rows(queries.databases(version))


def gather_again(entry: Database, settings: Settings, name: str, version: int) -> Seen:
    """Return what one database says now."""
    return _visit(entry, settings, name, version)


def _names(ages: Rows) -> list[str]:
    """Return the databases that '*' means: those that allow connections and are no templates."""
    return [row[0] for row in ages.values if row[1] and not row[2]]


def _visit(entry: Database, settings: Settings, name: str, version: int) -> Seen:
    try:
        with closing(opened(entry, name, settings)) as session:
            return _look(session, entry, settings, version)
    except CoreError as error:
        return Seen(name, None, None, None, str(error))


def _look(session: Session, entry: Database, settings: Settings, version: int) -> Seen:
    name = session.rows("SELECT pg_catalog.current_database()::text AS name").values[0][0]
    extensions = session.rows(queries.EXTENSIONS)
    locks = session.rows(queries.LOCKS)
    return Seen(name, _tables(session, entry, settings, version, extensions), locks, extensions)


def _tables(session: Session, entry: Database, settings: Settings, version: int, extensions: Rows) -> Rows:
    """Return all tables of the database; with the sizes of the last vacuum where asking the files met a lock."""
    values = {"bloat_bytes": entry.thresholds.bloat_bytes}
    schema = dict(extensions.values).get("pgstattuple") if settings.exact else None
    quoted = '"{}"'.format(schema.replace('"', '""')) if schema else ""
    try:
        return session.rows(queries.tables(version, exact_sizes=True, pgstattuple=quoted), values)
    except CoreError as error:
        if getattr(error, "code", "") != LOCK_TIMEOUT:
            raise
        return session.rows(queries.tables(version, exact_sizes=False), values)
