# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only file that knows psycopg2: one session, its rows, its notices, its errors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ...errors import CoreError
from ..settings import Login
from .account import acting_as
from .answers import Rows
from .features import has

APPLICATION = "cryptobot db_vacuum"
CONNECT_TIMEOUT_S = 10
LOOK_TIMEOUT_S = 60  # for a catalog query; a vacuum gets a bound of its own


class DriverMissing(CoreError):
    """psycopg2 is not installed for the Python that runs this."""

    def __init__(self) -> None:
        super().__init__(
            f"the Python library psycopg2 is not installed for {sys.executable} on this host; "
            "expected the package python3-psycopg2 (Debian, RHEL) or psycopg2-binary (pip)"
        )


class DatabaseError(CoreError):
    """The server refused a connection or a statement. ``code`` is the SQLSTATE, empty where there is none."""

    def __init__(self, where: str, code: str, text: str) -> None:
        first = (text.strip().splitlines() or ["no message"])[0]
        super().__init__(f"{where}: {first}" + (f" (SQLSTATE {code})" if code else ""))
        self.code = code


def driver() -> Any:
    """Return psycopg2. Raise DriverMissing."""
    try:
        return importlib.import_module("psycopg2")
    except ImportError:
        raise DriverMissing from None


class Session:
    """One connection in autocommit, which VACUUM demands."""

    def __init__(self, connection: Any, where: str, errors: Any) -> None:
        self._connection, self.where, self._errors = connection, where, errors

    def rows(self, sql: str, values: Optional[Mapping[str, Any]] = None) -> Rows:
        """Given a query and its values, return its rows. Raise DatabaseError."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, values or {})
                return Rows(tuple(column[0] for column in cursor.description), tuple(cursor.fetchall()))
        except self._errors as error:
            raise self._translated(error) from error

    def execute(self, sql: str) -> list[str]:
        """Given a statement without values, run it and return the server's notices. Raise DatabaseError."""
        self._connection.notices = []
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
        except self._errors as error:
            raise self._translated(error) from error
        return list(self._connection.notices)

    def pid(self) -> int:
        """Return the pid of the server process of this session."""
        return int(self._connection.get_backend_pid())

    def close(self) -> None:
        """End the session; a lost connection is no error any more."""
        try:
            self._connection.close()
        except self._errors:
            return

    def _translated(self, error: Any) -> DatabaseError:
        return DatabaseError(self.where, getattr(error, "pgcode", None) or "", str(error))


def connect(login: Login, database: str) -> Session:
    """Given a login and a database's name, return a session. Raise DriverMissing, DatabaseError or CoreError."""
    psycopg2 = driver()
    where = f"database {database!r} at {login.host or 'the local socket'}:{login.port}"
    try:
        with acting_as(login.system_user):
            connection = psycopg2.connect(**_arguments(login, database))
    except psycopg2.Error as error:
        raise DatabaseError(where, getattr(error, "pgcode", None) or "", str(error)) from error
    connection.autocommit = True
    return Session(connection, where, psycopg2.Error)


def _arguments(login: Login, database: str) -> dict[str, Any]:
    given = {
        "dbname": database,
        "host": login.host,
        "port": login.port,
        "user": login.user,
        "password": login.password,
        "passfile": login.passfile,
        "sslmode": login.sslmode,
        "sslrootcert": login.sslrootcert,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": APPLICATION,
        "client_encoding": "UTF8",
    }
    return {name: value for name, value in given.items() if value is not None}


def prepare(session: Session, lock_timeout_s: float) -> None:
    """Given a new session, give it the settings that every session of ours has. Raise DatabaseError."""
    statements: Sequence[str] = (
        "SET search_path = ''",
        f"SET lock_timeout = {int(lock_timeout_s * 1000)}",
        f"SET statement_timeout = {LOOK_TIMEOUT_S * 1000}",
        "SET jit = off",  # compiling the catalog query took 1.4 s, running it 0.1 s
    )
    session.execute("; ".join(statements))


def prepare_worker(session: Session, version: int, is_superuser: bool) -> None:
    """Given a session that will vacuum, let the server notice when we die, and have its reports in English."""
    if has(version, "client_check"):
        session.execute("SET client_connection_check_interval = '10s'")
    if is_superuser:
        session.execute("SET lc_messages = 'C'")
