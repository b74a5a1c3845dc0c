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
from ..declared import Database, VacuumSettings
from . import queries
from .features import OLDEST, has
from .model import Activity, DatabaseAge, DatabaseSnapshot, Lock, Server, ServerSnapshot, Table

EVERY = "*"
FALLBACK = "template1"  # as vacuumdb: where the database postgres was dropped
LOCK_TIMEOUT = "55P03"
APPLICATION = "cryptobot db_vacuum"  # by which our own sessions are told apart from other clients
QUERY_TIMEOUT_S = 60.0  # for a catalog query; a vacuum gets a bound of its own

Record = TypeVar("Record", bound=Any)


class DatabaseAnswers(NamedTuple):
    """The raw answers of one database, or why there are none."""

    database: str
    tables: Optional[Rows]
    locks: Optional[Rows]
    extensions: Optional[Rows]
    error: str = ""


class ServerAnswers(NamedTuple):
    """The raw answers of one server. ``databases`` is empty where it is a standby."""

    server: Rows
    ages: Rows
    activity: Rows
    databases: tuple[DatabaseAnswers, ...]


def parse_records(rows: Rows, kind: type[Record], what: str) -> tuple[Record, ...]:
    """Given rows and the record that they are, return the records. Raise ParseError where the columns differ."""
    if rows.columns != kind._fields:
        raise ParseError(what, 0, ", ".join(rows.columns), f"expected the columns {', '.join(kind._fields)}")
    return tuple(map(kind._make, rows.values))


def parse_server(raw: ServerAnswers, entry: Database) -> ServerSnapshot:
    """Given the raw answers of a server, return it as one record."""
    return ServerSnapshot(
        entry=entry,
        server=parse_records(raw.server, Server, "the server query")[0],
        ages=parse_ages(raw.ages),
        activity=parse_records(raw.activity, Activity, "the activity query"),
        databases=tuple(parse_database(answers) for answers in raw.databases),
        installed={answers.database: _extensions(answers) for answers in raw.databases},
    )


def parse_ages(rows: Rows) -> tuple[DatabaseAge, ...]:
    """Given the rows of the databases query, return them as records."""
    return parse_records(rows, DatabaseAge, "the databases query")


def parse_database(answers: DatabaseAnswers) -> DatabaseSnapshot:
    """Given the raw answers of one database, return it as a record."""
    if answers.tables is None or answers.locks is None:
        return DatabaseSnapshot(answers.database, error=answers.error)
    tables = parse_records(answers.tables, Table, f"the tables query in {answers.database}")
    return DatabaseSnapshot(
        answers.database, tables, parse_records(answers.locks, Lock, f"the locks query in {answers.database}")
    )


def _extensions(answers: DatabaseAnswers) -> frozenset[str]:
    return frozenset(row[0] for row in answers.extensions.values) if answers.extensions else frozenset()


def collect(entry: Database, settings: VacuumSettings) -> ServerAnswers:
    """Given an entry of the inventory, return what its server's catalogs say.

    Raise DriverMissing, or CoreError where the server cannot be reached; the answers of a single database say it.
    """
    with closing(_first(entry, settings)) as session:
        server = session.rows(queries.SERVER)
        version, in_recovery = server.values[0][0], server.values[0][1]
        if version < OLDEST:
            raise CoreError(f"{session.where}: the server's version is {version}, expected {OLDEST} (11) or later")
        ages = session.rows(queries.databases(version))
        activity = session.rows(queries.ACTIVITY)
        first = _ask(session, entry, settings, version) if entry.database != EVERY and not in_recovery else None
    if in_recovery:
        return ServerAnswers(server, ages, activity, ())
    if first is not None:
        return ServerAnswers(server, ages, activity, (first,))
    return ServerAnswers(server, ages, activity, tuple(_visit(entry, settings, name, version) for name in _names(ages)))


def _first(entry: Database, settings: VacuumSettings) -> Session:
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


def opened(entry: Database, name: str, settings: VacuumSettings) -> Session:
    """Return a session on a database with our settings. Raise CoreError."""
    session = connect(entry.login, name, APPLICATION, Limits(QUERY_TIMEOUT_S, settings.lock_timeout_s))
    session.execute("SET jit = off")  # compiling the catalog query took 1.4 s, running it 0.1 s
    return session


def prepare_worker(session: Session, version: int, is_superuser: bool) -> None:
    """Given a session that will vacuum, let the server notice when we die, and have its reports in English."""
    if has(version, "client_check"):
        session.execute("SET client_connection_check_interval = '10s'")
    if is_superuser:
        session.execute("SET lc_messages = 'C'")


def collect_ages(entry: Database, settings: VacuumSettings, version: int) -> Rows:
    """Return the ages of all databases as they are now. Raise CoreError."""
    with closing(_first(entry, settings)) as session:
        return session.rows(queries.databases(version))


def collect_again(entry: Database, settings: VacuumSettings, name: str, version: int) -> DatabaseAnswers:
    """Return what one database says now."""
    return _visit(entry, settings, name, version)


def _names(ages: Rows) -> list[str]:
    """Return the databases that '*' means: those that allow connections and are no templates."""
    return [row[0] for row in ages.values if row[1] and not row[2]]


def _visit(entry: Database, settings: VacuumSettings, name: str, version: int) -> DatabaseAnswers:
    try:
        with closing(opened(entry, name, settings)) as session:
            return _ask(session, entry, settings, version)
    except CoreError as error:
        return DatabaseAnswers(name, None, None, None, str(error))


def _ask(session: Session, entry: Database, settings: VacuumSettings, version: int) -> DatabaseAnswers:
    name = session.rows("SELECT pg_catalog.current_database()::text AS name").values[0][0]
    extensions = session.rows(queries.EXTENSIONS)
    locks = session.rows(queries.LOCKS)
    return DatabaseAnswers(name, _tables(session, entry, settings, version, extensions), locks, extensions)


def _tables(session: Session, entry: Database, settings: VacuumSettings, version: int, extensions: Rows) -> Rows:
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
