# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a session, and the proof that no other place of the core opens one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql import (
    session as backup_queries,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres import (
    queries as database_queries,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.opening import (
    LATER,
    LONGEST_MS,
    Limits,
    NotOurs,
    environment,
    first_statements,
    options,
    prove,
    settings,
)

PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
OPENER = "module_utils/postgres/"
# Programs that open a session on a server, whatever suffix they have.
PROGRAMS = re.compile(
    r"(psql|pg_dump|pg_dumpall|vacuumdb|reindexdb|clusterdb|createdb|dropdb|createuser|dropuser|pgbench|pg_amcheck|"
    r"pg_basebackup|pg_receivewal|pg_isready|pgcli)(\.exe)?"
)
# What opens a session in Python.
DRIVERS = frozenset({"psycopg2", "psycopg", "asyncpg", "pg8000", "sqlalchemy"})
VARIABLES = re.compile(r"PG(HOST|PORT|USER|DATABASE|PASSWORD|OPTIONS|APPNAME)")

TIMEOUTS = [(0.0, "0"), (0.0004, "1"), (0.001, "1"), (60.0, "60000"), (LONGEST_MS / 1000 + 1, str(LONGEST_MS))]


@pytest.mark.parametrize(("seconds", "expected"), TIMEOUTS)
def test_a_timeout_is_never_rounded_to_none(seconds: float, expected: str) -> None:
    found = settings(Limits(statement_s=seconds, lock_s=seconds))
    assert (found["statement_timeout"], found["lock_timeout"]) == (expected, expected)


@pytest.mark.case("BK5")
def test_the_settings_go_with_the_connection_and_are_the_first_statements() -> None:
    limits = Limits(60, 2, read_only=True)
    words = options(limits)
    assert words.startswith("-c search_path= -c role=none -c row_security=off -c standard_conforming_strings=on")
    assert r"-c default_transaction_isolation=read\ committed" in words
    assert "-c default_transaction_read_only=on" in words
    for name, value in settings(limits).items():
        assert f"SET {name} = '{value}'" in first_statements(limits)
    assert first_statements(limits).startswith("SET search_path = ''; ")


@pytest.mark.case("BK5")
def test_tools_get_the_settings_by_their_environment_and_nothing_overrides_them() -> None:
    found = environment({"PGHOST": "db", "PGUSER": "", "PGOPTIONS": "-c search_path=evil"}, Limits(lock_s=1))
    assert found["PGOPTIONS"] == options(Limits(lock_s=1))
    assert (found["PGHOST"], found["PGAPPNAME"], "PGUSER" in found) == ("db", "cryptobot.maintenance", False)


@pytest.mark.parametrize("path", ["", '""'])
def test_an_empty_path_is_proof(path: str) -> None:
    prove("here", [path])


@pytest.mark.parametrize("answer", [["public"], ['"$user", public'], ["pg_catalog"], ["", "evil"], ['""', '""']])
def test_any_other_answer_is_none(answer: list[str]) -> None:
    with pytest.raises(NotOurs):
        prove("here", answer)


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PLUGINS.rglob("*.py")):
        yield path.relative_to(PLUGINS).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def constants(tree: ast.AST) -> Iterator[ast.Constant]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def by_the_opener(tree: ast.AST) -> set[int]:
    """Return the constants that are words of Server.command, which gives every tool the opener's environment, and those
    that only name a tool: the source of a ParseError, a key, a choice of names.
    """
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = {id(word) for call in calls if called(call) in ("command", "ParseError") for word in call.args}
    named |= {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    return named | {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}


def called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def strangers(name: str, tree: ast.AST) -> list[str]:
    """Return where a file opens a session on a server otherwise than through the opener."""
    allowed = by_the_opener(tree)
    found = [
        f"{name}:{node.lineno}: {node.value}"
        for node in constants(tree)
        if (PROGRAMS.fullmatch(node.value) and id(node) not in allowed)
        or (not name.startswith(OPENER) and (node.value in DRIVERS or VARIABLES.fullmatch(node.value)))
    ]
    imported = (
        name_of
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name_of in ([alias.name for alias in node.names] + [getattr(node, "module", None) or ""])
    )
    return found + [f"{name}: imports {one}" for one in imported if one.split(".")[0] in DRIVERS]


# The places that name libpq's variables and its programs besides the opener hand them to it: the environment of each
# session is the opener's (Server.command, Cluster.environment), and pitr's psql proves that it has its settings.
HANDS_OVER = (
    "module_utils/backup/sources/postgresql/server.py",
    "module_utils/pitr/commands.py",
    "module_utils/pitr/declared.py",
    "module_utils/pitr_restore/act.py",
)


@pytest.mark.case("BK5")
def test_no_other_place_opens_a_session_on_a_postgresql_server() -> None:
    found = [one for name, tree in trees() for one in strangers(name, tree) if not name.startswith(HANDS_OVER)]
    assert found == []


@pytest.mark.case("BK5")
@pytest.mark.parametrize(
    "planted",
    [
        'host.run(["psql", "-c", "SELECT 1"])',
        'host.run(["vacuumdb", "--all"])',
        'importlib.import_module("psycopg2")',
        "import psycopg2",
        "from psycopg import connect",
        'env = {"PGOPTIONS": ""}',
    ],
)
def test_a_place_that_does_is_seen(planted: str) -> None:
    assert strangers("module_utils/other.py", ast.parse(planted))


def test_a_tool_by_the_servers_command_is_the_openers() -> None:
    assert strangers("module_utils/x.py", ast.parse('server.command(host, "psql", "-X")')) == []


SYNTAX = {"coalesce", "greatest", "least", "extract", "any", "exists", "in", "and", "or", "not", "from", "where", "as",
          "then", "else", "when", "select", "values", "on", "case", "block", "recursive", "lateral", "with", "union",
          "all", "v", "copy", "join", "operator"}  # fmt: skip
CALL = re.compile(r"(?<![\w.%\"])(\w+)\s*\(")
RELATION = re.compile(r"\b(?:FROM|JOIN)\s+(pg_\w+)\b(?!\.)")


def questions() -> Iterator[tuple[str, str]]:
    yield "opening.LATER", LATER
    for module in (database_queries, backup_queries):
        for name, value in vars(module).items():
            if isinstance(value, str) and not name.startswith("__") and value.count(" ") > 2:
                yield f"{module.__name__.rsplit('.', 2)[1]}.{name}", value


@pytest.mark.case("BK5")
@pytest.mark.parametrize(("name", "sql"), [pytest.param(*one, id=one[0]) for one in questions()])
def test_functions_and_tables_of_every_question_are_pg_catalogs_by_name(name: str, sql: str) -> None:
    plain = re.sub(r"'[^']*'", "''", sql)
    assert {call for call in CALL.findall(plain) if call.lower() not in SYNTAX} == set()
    assert RELATION.findall(plain) == []
