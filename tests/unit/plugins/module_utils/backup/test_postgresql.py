# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What PostgreSQL's tools are asked and what they say. Real servers are in tests/integration/faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.dump import (
    dump_command,
    file_name,
    globals_command,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.parse import (
    parse_contents,
    parse_names,
    parse_relations,
    parse_rows,
    parse_tool_version,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.server import server_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.spec import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError

from .examples import filled

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "pg_restore"
LOGIN = {"login_user": "backup", "login_password": "s3cret", "login_host": "db.example"}


def server(**options):
    return server_of(filled(SPEC["sources"]["options"], {"name": "main", "type": "postgresql", **options}))


def test_the_contents_of_a_real_dump():
    contents = parse_contents((FIXTURES / "debian-12" / "list.txt").read_text(), "list.txt")
    assert contents.entries == 29
    assert contents.relations == {16446, 16386, 16404, 16408, 16411, 16385, 16450, 16400, 16394, 16393}


def test_contents_that_name_no_number_are_an_error():
    with pytest.raises(ParseError, match="no number of entries"):
        parse_contents("pg_restore: error", "dump")


VERSIONS = [
    ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
    ("pg_dump (PostgreSQL) 17beta1", 17),
    ("pg_dump (PostgreSQL) 9.6.24", 9),
]


@pytest.mark.parametrize(("text", "major"), VERSIONS)
def test_the_version_of_a_tool(text, major):
    assert parse_tool_version(text) == major


def test_a_tool_that_names_no_version_is_an_error():
    with pytest.raises(ParseError, match="names no version"):
        parse_tool_version("command not found")


def test_answers_in_json_survive_any_name():
    assert parse_rows(['["public.\\"new\\nline\\"", 7]']) == {'public."new\nline"': 7}
    assert [relation.id for relation in parse_relations(['[16384, "public.t"]'])] == [16384]
    assert parse_names(['["a=b"]', '["ä"]']) == ["a=b", "ä"]


@pytest.mark.parametrize("line", ["", "ERROR", "[]", "[1, 2, 3]", "{}"])
def test_another_answer_is_an_error_that_names_its_line(line):
    with pytest.raises(ParseError, match="psql, line 2"):
        parse_rows(['["t", 1]', line])


def test_a_password_travels_in_the_environment_alone():
    reached = server(**LOGIN)
    environment = reached.environment("trade=1")
    assert environment["PGPASSWORD"] == "s3cret"
    assert environment["PGDATABASE"] == "trade=1"
    host = FakeHost()
    commands = [
        dump_command(reached, host, "trade=1", "1-2", 60),
        globals_command(reached, host, role_passwords=True),
        reached.command(host, "psql"),
    ]
    assert not any("s3cret" in word or "trade=1" in word for command in commands for word in command.argv)
    assert all("--no-password" in command.argv for command in commands[:2])
    assert commands[0].environment["PGDATABASE"] == "trade=1"


def test_a_dump_stands_on_the_snapshot_and_does_not_wait_for_locks_for_ever():
    command = dump_command(server(), FakeHost(), "main", "00000003-1", 60).argv
    assert command[0] == "pg_dump"
    assert {"--format=custom", "--snapshot=00000003-1", "--lock-wait-timeout=60000"} <= set(command)


def test_roles_without_passwords_need_no_superuser():
    assert "--no-role-passwords" in globals_command(server(), FakeHost(), role_passwords=False).argv
    assert "--no-role-passwords" not in globals_command(server(), FakeHost(), role_passwords=True).argv


ACCOUNTS = [
    ("linux", ("runuser", "-u", "postgres", "--", "psql")),
    ("windows", ("psql",)),
]


@pytest.mark.parametrize(("platform", "expected"), ACCOUNTS)
def test_another_account_is_taken_on_as_the_system_does_it(platform, expected):
    assert server(system_user="postgres").command(FakeHost(platform), "psql").argv == expected


def test_an_unprivileged_run_stays_the_account_that_it_is():
    assert server(system_user="postgres").command(FakeHost(admin=False), "psql").argv == ("psql",)


def test_macos_hands_the_connection_through_sudo():
    command = server(system_user="postgres").command(FakeHost("darwin"), "psql").argv
    assert command[:2] == ("sudo", "-n")
    assert command[-4:] == ("-u", "postgres", "--", "psql")
    assert set(server(**LOGIN).environment("x")) <= {*command[2].split("=")[1].split(","), "LC_ALL"}


def test_tools_of_a_declared_folder_are_used():
    assert server(bin_dir="/usr/pgsql-15/bin").command(FakeHost(), "psql").argv == ("/usr/pgsql-15/bin/psql",)


NAMES = [
    ("main", "main.dump.zst"),
    ("a/b", "a%2Fb.dump.zst"),
    ("..", "%2E%2E.dump.zst"),
    ("ä b", "%C3%A4%20b.dump.zst"),
]


@pytest.mark.parametrize(("database", "expected"), NAMES)
def test_a_database_of_any_name_has_a_file_of_its_own(database, expected):
    assert file_name(database, ".zst") == expected
