# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database whose owner lays traps: whatever we do in it as the superuser, his code runs as nobody but himself.

Each trap writes who it ran as into the server's log, where neither a read-only transaction nor a rollback can hide it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugins.module_utils.backup.examples import act

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result

from .conftest import Vacuum, need_binaries, steps
from .postgres_server import Server, running_server

FIXTURES = Path(__file__).parents[2] / "fixtures" / "cases"
SPRUNG = re.compile(r"TRAP (\S+) ran as (\S+) in a session of (\S+)")

LAY = """
CREATE FUNCTION public.spring(what text) RETURNS void LANGUAGE plpgsql VOLATILE AS
$f$ BEGIN RAISE LOG 'TRAP % ran as % in a session of %', what, current_user, session_user; END $f$
"""
# What is not volatile may run while a query is only planned; what it calls is not looked into.
INDEXED = """
CREATE FUNCTION public.indexed(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$f$ BEGIN PERFORM public.spring('indexed'); RETURN x; END $f$
"""
# Each stands for one of pg_catalog's: in a path that leads to them first they are called instead.
SHADOWS = (
    "format(a text, VARIADIC b text[]) RETURNS text",
    "pg_export_snapshot() RETURNS text",
    "pg_database_size(a name) RETURNS bigint",
    "json_build_array(VARIADIC x text[]) RETURNS json",
    "json_build_array(x name) RETURNS json",
    "age(x xid) RETURNS int",
    "mxid_age(x xid) RETURNS int",
    "same(x oid, y oid) RETURNS bool",
    "same(x name, y name) RETURNS bool",
)


def shadows() -> Iterator[str]:
    for head in SHADOWS:
        name, kind = head.split("(", maxsplit=1)[0], head.rsplit(" ", 1)[1]
        yield (
            f"CREATE FUNCTION evil.{head} LANGUAGE plpgsql AS "
            f"$f$ BEGIN PERFORM public.spring('{name}'); RETURN NULL::{kind}; END $f$"
        )
    yield "CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.same)"
    yield "CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.same)"


@pytest.fixture(scope="module")
def trapped() -> Iterator[Server]:
    with running_server(need_binaries()) as server:
        server.sql("postgres", "CREATE ROLE bot LOGIN", "CREATE DATABASE bot OWNER bot")
        server.sql(
            "bot",
            "SET ROLE bot",
            "CREATE TABLE public.trades (id int PRIMARY KEY, note text)",
            LAY,
            INDEXED,
            "INSERT INTO public.trades SELECT n, 'x' FROM generate_series(1, 20000) n",
            # the call with a constant is worked out by whoever plans a query on the table, even SELECT count(*)
            "CREATE INDEX trap ON public.trades ((id + public.indexed(1)), public.indexed(id))",
        )
        server.sql("bot", (FIXTURES / "13-search-path-of-the-owner.sql").read_text())
        server.sql("bot", "SET ROLE bot", "SET search_path = pg_catalog", *shadows())
        server.sql("bot", "SET search_path = pg_catalog", "DELETE FROM public.trades WHERE id <= 15000")
        yield server


@pytest.fixture(autouse=True)
def harmless(trapped: Server) -> None:
    """Each test begins with an owner who is no superuser, and with no trap sprung."""
    trapped.sql("postgres", "ALTER ROLE bot NOSUPERUSER")
    sprung(trapped)


def sprung(server: Server) -> list[tuple[str, str, str]]:
    """Return each trap that sprang since the last look: its name, the role it ran as, the session's role."""
    log = server.folder / "log"
    found = SPRUNG.findall(log.read_text(errors="replace"))
    log.write_text("")
    return list(found)


def superusers(server: Server) -> list[str]:
    return [row[0] for row in server.sql("postgres", "SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY 1")]


def backed_up(server: Server, folder: Path, **more: object) -> Result:
    given = {
        "name": "pg",
        "type": "postgresql",
        "database": "bot",
        "login_unix_socket": str(server.folder),
        "login_port": server.port,
        "system_user": server.account,
        "bin_dir": str(server.bin),
        **more,
    }
    return act(folder, sources=[given], compression="gzip")


@pytest.mark.case("BK5")
@pytest.mark.parametrize("rows", ["exact", "estimated", "none"])
def test_a_backup_as_the_superuser_runs_no_code_of_the_owner(trapped: Server, tmp_path: Path, rows: str) -> None:
    result = backed_up(trapped, tmp_path, rows=rows)
    assert (result.failure, result.data["set"]["verified"]) == ("", "L2")
    assert sprung(trapped) == []
    assert superusers(trapped) == [trapped.user]


@pytest.mark.case("BK5")
def test_a_look_as_the_superuser_runs_no_code_of_the_owner(trapped: Server, vacuum: Vacuum) -> None:
    result = vacuum(databases=[trapped.entry("bot")], mode="plan")
    assert ("vacuum_analyze", "main:bot.public.trades") in steps(result, "planned")
    assert sprung(trapped) == []
    assert superusers(trapped) == [trapped.user]


@pytest.mark.case("BK5")
def test_a_vacuum_as_the_superuser_runs_functions_of_an_index_as_their_owner_only(
    trapped: Server, vacuum: Vacuum
) -> None:
    result = vacuum(databases=[trapped.entry("bot")])
    assert ("vacuum_analyze", "main:bot.public.trades") in steps(result, "done")
    ran = sprung(trapped)
    assert {who for _what, who, _session in ran} == {"bot"}, "ANALYZE works them out, as the table's owner"
    assert superusers(trapped) == [trapped.user]


@pytest.mark.case("BK5")
def test_an_extension_is_called_and_not_what_its_neighbour_made_to_look_like_it(
    trapped: Server, vacuum: Vacuum
) -> None:
    names = [row[0] for row in trapped.sql("bot", "SELECT name::text FROM pg_available_extensions")]
    if "pgstattuple" not in names:
        pytest.skip("pgstattuple is not installed (postgresql-contrib)")
    trapped.sql("bot", "SET search_path = pg_catalog", "CREATE EXTENSION IF NOT EXISTS pgstattuple SCHEMA public")
    trapped.sql(
        "bot",
        "SET ROLE bot",
        "CREATE OR REPLACE FUNCTION public.pgstattuple_approx(x oid, OUT approx_free_percent float8, "
        "OUT dead_tuple_percent float8) LANGUAGE plpgsql AS $f$ BEGIN PERFORM public.spring('approx'); END $f$",
    )
    sprung(trapped)
    vacuum(databases=[trapped.entry("bot", thresholds={"bloat_bytes": "1K"})], mode="plan", exact=True)
    assert [what for what, who, _session in sprung(trapped) if who != "bot"] == []


SETTINGS_OF_THE_OWNER = [
    "role = bot",
    "standard_conforming_strings = off",
    "default_transaction_read_only = on",
    "statement_timeout = '1ms'",
    "lock_timeout = '1ms'",
    "quote_all_identifiers = on",
    "idle_in_transaction_session_timeout = '1ms'",
    "default_transaction_isolation = serializable",
]


@pytest.mark.case("BK5")
@pytest.mark.parametrize("setting", SETTINGS_OF_THE_OWNER)
def test_a_setting_of_the_owner_changes_nothing_of_a_backup(trapped: Server, tmp_path: Path, setting: str) -> None:
    trapped.sql("bot", "SET ROLE bot", f"ALTER DATABASE bot SET {setting}")
    try:
        result = backed_up(trapped, tmp_path)
        assert result.failure == ""
        assert superusers(trapped) == [trapped.user]
    finally:
        trapped.sql("postgres", f"ALTER DATABASE bot RESET {setting.partition(' ')[0]}")


@pytest.mark.case("BK5")
def test_a_timeout_of_our_own_role_does_not_end_a_dump(trapped: Server, tmp_path: Path) -> None:
    statement = (FIXTURES / "16-role-statement-timeout.sql").read_text()
    trapped.sql("postgres", statement.replace("postgres", f'"{trapped.user}"').replace("50ms", "1ms"))
    try:
        assert backed_up(trapped, tmp_path).failure == ""
    finally:
        trapped.sql("postgres", f'SET statement_timeout = 0; ALTER ROLE "{trapped.user}" RESET ALL')
