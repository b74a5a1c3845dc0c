# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only file that knows psycopg2: one session with our settings, its rows, its notices, its errors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ..errors import CoreError
from .account import acting_as
from .opening import CONNECT_S, LATER, PROOF, Limits, first_statements, options, prove

# What a pooler says that does not pass on what a client asks of the server at the beginning (PgBouncer).
_NOT_PASSED_ON = "startup parameter"


class Login(NamedTuple):
    """How to reach a PostgreSQL server. ``host`` is a name, an address or the folder of its socket."""

    host: Optional[str]
    port: int
    user: Optional[str]
    password: Optional[str]
    passfile: Optional[str]
    sslmode: str
    sslrootcert: Optional[str]
    system_user: Optional[str]
    database: str

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items() if name != "password")
        return f"{type(self).__name__}({shown})"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this host: reached through a socket or the loopback address."""
        return self.host in (None, "localhost", "127.0.0.1", "::1") or str(self.host).startswith("/")


class Rows(NamedTuple):
    """What a query answered: the names of its columns and its rows."""

    columns: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]


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


def connect(login: Login, database: str, application: str, limits: Limits) -> Session:
    """Given a login and a database's name, return a session with our settings (opening.py).

    Raise DriverMissing, DatabaseError, NotOurs or another CoreError.
    """
    psycopg2 = driver()
    where = f"database {database!r} at {login.host or 'the local socket'}:{login.port}"
    arguments = _arguments(login, database, application)
    try:
        with acting_as(login.system_user):
            connection = _connected(psycopg2, arguments, limits)
    except psycopg2.Error as error:
        raise DatabaseError(where, getattr(error, "pgcode", None) or "", str(error)) from error
    connection.autocommit = True
    session = Session(connection, where, psycopg2.Error)
    try:
        _set_up(session, limits)
    except CoreError:
        session.close()
        raise
    return session


def _connected(psycopg2: Any, arguments: Mapping[str, Any], limits: Limits) -> Any:
    try:
        return psycopg2.connect(**arguments, options=options(limits))
    except psycopg2.Error as error:
        if _NOT_PASSED_ON not in str(error):
            raise
        return psycopg2.connect(**arguments)  # our first statements say the same


def _set_up(session: Session, limits: Limits) -> None:
    """Give a session our settings, and prove that it keeps them."""
    session.execute(first_statements(limits))
    prove(session.where, (str(row[0]) for row in session.rows(PROOF).values))
    session.rows(LATER)


def _arguments(login: Login, database: str, application: str) -> dict[str, Any]:
    given = {
        "dbname": database,
        "host": login.host,
        "port": login.port,
        "user": login.user,
        "password": login.password,
        "passfile": login.passfile,
        "sslmode": login.sslmode,
        "sslrootcert": login.sslrootcert,
        "connect_timeout": CONNECT_S,
        "application_name": application,
        "client_encoding": "UTF8",
    }
    return {name: value for name, value in given.items() if value is not None}
