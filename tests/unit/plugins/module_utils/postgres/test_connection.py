# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rim around psycopg2: what it is given, what its errors become, and one clear error where it is missing."""

from __future__ import annotations

import os
import sys
import types
from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.collect import prepare_worker
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres import account
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import (
    DatabaseError,
    DriverMissing,
    Session,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import connect as connect_as
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.opening import Limits, NotOurs

from ..database.options import postgresql, settings
from ..database.postgres.fakes import FakeSession


class DriverError(Exception):
    pgcode: Optional[str] = None


class Cursor:
    description = (("one", 23), ("two", 25))

    def __init__(self, server: Any) -> None:
        self.server = server

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_ended: Any) -> None:
        self.server.cursors_closed += 1

    def execute(self, sql: str, values: Any = None) -> None:
        self.server.executed.append((sql, values))
        if self.server.error:
            raise self.server.error

    def fetchall(self) -> list[Any]:
        return [(self.server.path,)] if self.server.executed[-1][0] == "SHOW search_path" else [(1, "a")]


class Driver(types.ModuleType):
    """Stands in for psycopg2, and is its connection as well."""

    Error = DriverError

    def __init__(self) -> None:
        super().__init__("psycopg2")
        self.arguments: dict[str, Any] = {}
        self.executed: list[Any] = []
        self.error: Optional[Exception] = None
        self.refusal: Optional[Exception] = None
        self.refused_words = ""
        self.path = ""
        self.cursors_closed = 0
        self.notices = ["old"]
        self.autocommit = False
        self.user_at_connect: Optional[int] = None

    def connect(self, **arguments: Any) -> Driver:
        self.arguments, self.user_at_connect = arguments, os.geteuid()
        if self.refusal and self.refused_words in arguments.get("options", ""):
            raise self.refusal  # pylint: disable=raising-bad-type
        return self

    def cursor(self) -> Cursor:
        return Cursor(self)

    def close(self) -> None:
        raise DriverError("already closed")

    def get_backend_pid(self) -> int:
        return 42


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    module = Driver()
    monkeypatch.setitem(sys.modules, "psycopg2", module)
    return module


LIMITS = Limits(statement_s=60, lock_s=2)


def connect(given: Any, database: str) -> Session:
    return connect_as(given, database, "cryptobot test", LIMITS)


def login(**given: Any) -> Any:
    return settings([postgresql(**given)]).databases[0].login


def test_a_missing_driver_is_one_error_that_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(DriverMissing) as caught:
        connect(login(), "cryptobot")
    assert "psycopg2 is not installed" in str(caught.value)
    assert "python3-psycopg2" in str(caught.value) and sys.executable in str(caught.value)


def test_only_what_is_given_is_handed_to_the_driver(driver: Driver) -> None:
    connect(login(), "cryptobot")
    options = driver.arguments.pop("options")
    assert "-c search_path= -c role=none" in options
    assert driver.arguments == {
        "dbname": "cryptobot",
        "port": 5432,
        "sslmode": "prefer",
        "connect_timeout": 10,
        "application_name": "cryptobot test",
        "client_encoding": "UTF8",
    }
    assert driver.autocommit is True
    given = login(login_host="db1", login_user="bot", login_password="p", ssl_mode="verify-full", ssl_rootcert="/ca")
    connect(given, "x")
    assert {"host": "db1", "user": "bot", "password": "p", "sslmode": "verify-full", "sslrootcert": "/ca"}.items() <= (
        driver.arguments.items()
    )
    connect(login(login_unix_socket="/run/pg", login_passfile="/p"), "x")
    assert (driver.arguments["host"], driver.arguments["passfile"]) == ("/run/pg", "/p")


def test_a_refused_connection_names_the_server_and_its_first_line(driver: Driver) -> None:
    driver.refusal = DriverError("connection refused\n\tIs the server running?")
    with pytest.raises(DatabaseError) as caught:
        connect(login(login_host="db1", login_port=5433), "cryptobot")
    assert str(caught.value) == "database 'cryptobot' at db1:5433: connection refused"
    assert caught.value.code == ""


def test_a_refused_statement_carries_its_code_and_the_cursor_is_closed(driver: Driver) -> None:
    session = connect(login(), "cryptobot")
    driver.cursors_closed = 0
    driver.error = DriverError("deadlock")
    driver.error.pgcode = "40P01"  # type: ignore[attr-defined]
    for statement in (session.rows, session.execute):
        with pytest.raises(DatabaseError) as caught:
            statement("SELECT 1")
        assert caught.value.code == "40P01"
    assert driver.cursors_closed == 2


def test_rows_come_with_their_columns_and_notices_are_those_of_the_statement(driver: Driver) -> None:
    session = connect(login(), "cryptobot")
    driver.executed.clear()
    found = session.rows("SELECT %(a)s", {"a": 1})
    assert (found.columns, found.values) == (("one", "two"), ((1, "a"),))
    assert driver.executed == [("SELECT %(a)s", {"a": 1})]
    assert session.execute("VACUUM t") == []
    assert session.pid() == 42


def test_closing_a_lost_connection_is_no_error(driver: Driver) -> None:
    connect(login(), "cryptobot").close()


@pytest.mark.case("BK5")
def test_a_session_has_our_settings_before_anything_is_asked(driver: Driver) -> None:
    connect(login(), "cryptobot")
    assert driver.arguments["options"].startswith("-c search_path= ")
    first, proof, later = (sql for sql, _values in driver.executed)
    assert first.startswith("SET search_path = ''; ") and "SET row_security = 'off'" in first
    assert "SET statement_timeout = '60000'" in first and "SET lock_timeout = '2000'" in first
    assert proof == "SHOW search_path" and "restrict_nonsystem_relation_kind" in later


@pytest.mark.case("BK5")
@pytest.mark.parametrize("path", ["", '""'])
def test_an_empty_path_is_told_in_two_ways(driver: Driver, path: str) -> None:
    driver.path = path
    connect(login(), "cryptobot")


@pytest.mark.case("BK5")
@pytest.mark.parametrize("path", ['"$user", public', "evil, pg_catalog", "pg_catalog", " "])
def test_a_session_that_keeps_the_path_of_somebody_else_is_not_used(driver: Driver, path: str) -> None:
    driver.path = path
    with pytest.raises(NotOurs, match="expected an empty one: a pooler"):
        connect(login(), "cryptobot")
    assert driver.executed[-1][0] == "SHOW search_path", "nothing is asked any more"


@pytest.mark.case("BK5")
def test_a_pooler_that_passes_no_settings_on_gets_them_as_the_first_statement(driver: Driver) -> None:
    driver.refusal = DriverError("FATAL: unsupported startup parameter: options")
    driver.refused_words = "-c"
    connect(login(), "cryptobot")
    assert "options" not in driver.arguments
    assert driver.executed[0][0].startswith("SET search_path = ''")


WORKERS = [(130_000, False, 0), (140_000, False, 1), (130_000, True, 1), (150_000, True, 2)]


@pytest.mark.parametrize(("version", "superuser", "statements"), WORKERS)
def test_a_worker_is_prepared_as_far_as_release_and_rights_allow(
    version: int, superuser: bool, statements: int
) -> None:
    session = FakeSession({"SET": []})
    prepare_worker(session, version, superuser)  # type: ignore[arg-type]
    assert len(session.asked) == statements


def test_an_account_that_does_not_exist_is_an_error_that_names_it(driver: Driver) -> None:
    with pytest.raises(CoreError, match="system_user is 'no-such-account', expected an account of this host"):
        connect(login(system_user="no-such-account"), "cryptobot")


def test_without_accounts_of_unix_there_is_no_peer_authentication(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def windows(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(account.importlib, "import_module", windows)
    peerless = pytest.raises(CoreError, match="Windows knows no peer authentication: expected no system_user")
    with peerless, account.acting_as("postgres"):
        driver.user_at_connect = 0  # never reached
    with account.acting_as(None):  # no account of Unix is asked for
        assert driver.user_at_connect is None


def own_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def test_ones_own_account_needs_no_change(driver: Driver) -> None:
    connect(login(system_user=own_name()), "cryptobot")
    assert driver.user_at_connect == os.geteuid()


def test_another_account_needs_root(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account.os, "geteuid", lambda: 1000)
    with pytest.raises(CoreError, match="this run is not root: expected become"):
        connect(login(system_user="root"), "cryptobot")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take on another account")
@pytest.mark.parametrize("refuse", [False, True])
def test_root_is_another_account_for_the_moment_of_connecting_only(driver: Driver, refuse: bool) -> None:
    import pwd

    before = (os.geteuid(), os.getegid(), os.getgroups())
    driver.refusal = DriverError("no") if refuse else None
    try:
        connect(login(system_user="nobody"), "cryptobot")
    except DatabaseError:
        assert refuse
    assert driver.user_at_connect == pwd.getpwnam("nobody").pw_uid
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take on another account")
def test_an_account_whose_rights_cannot_be_taken_does_not_connect(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pwd

    nobody = pwd.getpwnam("nobody")
    refused = pwd.struct_passwd((*nobody[:2], -1, *nobody[3:]))  # a uid that the C library refuses
    monkeypatch.setattr(account, "_known_account", lambda _name: refused)
    with pytest.raises(CoreError, match=r"the rights of uid -1, .* cannot be taken: Invalid argument; expected"):
        connect(login(system_user="nobody"), "cryptobot")
    assert driver.user_at_connect is None
