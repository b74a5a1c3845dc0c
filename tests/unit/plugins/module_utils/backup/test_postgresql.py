# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What PostgreSQL's tools are asked and what they say. Real servers are in tests/integration/faults."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import CannotJudge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql import dump as dumping
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.back_up import choose
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.dump import (
    dump_command,
    file_name,
    globals_command,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.parse import (
    Database,
    parse_contents,
    parse_names,
    parse_relations,
    parse_rows,
    parse_tool_version,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.server import server_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.postgresql.session import Session
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    InputError,
    ParseError,
    ToolFailed,
    ToolMissing,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.opening import Limits

from .examples import filled

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "pg_restore"
CASES = Path(__file__).resolve().parents[4] / "fixtures" / "cases"
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
    ((CASES / "15-edb-pg_dump-version.txt").read_text(), 15),
    ("pg_dump (EnterpriseDB) 16.4.1", 16),
    ("psql (PostgreSQL) 16beta1", 16),
    ("pg_dump (PostgreSQL) 17rc1", 17),
    ("pg_dump (PostgreSQL) 18devel", 18),
    ("pg_dump (PostgreSQL) 15.4 - Percona Distribution", 15),
    ("pg_dump (PostgreSQL) 14.12 (Ubuntu 14.12-0ubuntu0.22.04.1)", 14),
    ("pg_dump (Postgres Pro Enterprise) 15.7.1", 15),
    ("pg_dump.exe (PostgreSQL) 16.3", 16),
    ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
    ("pg_dump (PostgreSQL) 17beta1", 17),
    ("pg_dump (PostgreSQL) 9.6.24", 9),
]


@pytest.mark.case("BK16")
@pytest.mark.parametrize(("text", "major"), VERSIONS)
def test_the_version_of_a_tool(text, major):
    assert parse_tool_version(text) == major


@pytest.mark.parametrize("text", ["command not found", "", "pg_dump (PostgreSQL)", "pg_dump (PostgreSQL) unknown 15"])
def test_a_tool_that_names_no_version_is_an_error(text):
    with pytest.raises(ParseError, match="names no version"):
        parse_tool_version(text)


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
    environment = reached.environment("trade=1", Limits())
    assert environment["PGPASSWORD"] == "s3cret"
    assert environment["PGDATABASE"] == "trade=1"
    host = FakeHost()
    commands = [
        dump_command(reached, host, "trade=1", "1-2"),
        globals_command(reached, host, role_passwords=True),
        reached.command(host, "psql"),
    ]
    assert not any("s3cret" in word or "trade=1" in word for command in commands for word in command.argv)
    assert all("--no-password" in command.argv for command in commands[:2])
    assert commands[0].environment["PGDATABASE"] == "trade=1"


def test_a_dump_stands_on_the_snapshot_and_does_not_wait_for_locks_for_ever():
    command = dump_command(server(lock_wait_timeout=60), FakeHost(), "main", "00000003-1").argv
    assert command[0] == "pg_dump"
    assert {"--format=custom", "--snapshot=00000003-1", "--lock-wait-timeout=60000"} <= set(command)


def test_roles_without_passwords_need_no_superuser():
    assert "--no-role-passwords" in globals_command(server(), FakeHost(), role_passwords=False).argv
    assert "--no-role-passwords" not in globals_command(server(), FakeHost(), role_passwords=True).argv


def test_another_account_is_taken_on_as_the_system_does_it():
    expected = ("runuser", "-u", "postgres", "--", "psql")
    assert server(system_user="postgres").command(FakeHost("linux"), "psql").argv == expected


def test_windows_has_no_account_to_take_on_and_says_so():
    with pytest.raises(InputError, match="system_user is 'postgres', expected no account on windows"):
        server(system_user="postgres").command(FakeHost("windows"), "psql")


def test_windows_runs_the_program_and_nothing_of_a_like_name():
    host = FakeHost("windows")
    assert server().command(host, "pg_dump").argv == ("pg_dump.exe",)
    assert server(bin_dir="D:/pgsql/bin").command(host, "pg_dump").argv == ("D:/pgsql/bin/pg_dump.exe",)
    secret = server(**LOGIN).command(host, "pg_dump", "--no-password", database="main")
    assert LOGIN["login_password"] not in " ".join(secret.argv)
    assert secret.environment["PGPASSWORD"] == LOGIN["login_password"]


def test_an_unprivileged_run_stays_the_account_that_it_is():
    assert server(system_user="postgres").command(FakeHost(admin=False), "psql").argv == ("psql",)


def test_macos_hands_the_connection_through_sudo():
    command = server(system_user="postgres").command(FakeHost("darwin"), "psql").argv
    assert command[:2] == ("sudo", "-n")
    assert command[-4:] == ("-u", "postgres", "--", "psql")
    assert set(server(**LOGIN).environment("x", Limits())) <= {*command[2].split("=")[1].split(","), "LC_ALL"}


def test_tools_of_a_declared_folder_are_used():
    assert server(bin_dir="/usr/pgsql-15/bin").command(FakeHost(), "psql").argv == ("/usr/pgsql-15/bin/psql",)


NAMES = [
    ("main", "main.dump.zst"),
    ("a/b", "a%2Fb.dump.zst"),
    ("..", "%2E%2E.dump.zst"),
    ("ä b", "%C3%A4%20b.dump.zst"),
    ("Main", "%4Dain.dump.zst"),
    ("MAIN", "%4D%41%49%4E.dump.zst"),
    ("CON%C3", "%43%4F%4E%25%433.dump.zst"),
    ("con", "%63on.dump.zst"),
    ("lpt1", "%6Cpt1.dump.zst"),
]


@pytest.mark.parametrize(("database", "expected"), NAMES)
def test_a_database_of_any_name_has_a_file_of_its_own(database, expected):
    assert file_name(database, ".zst") == expected


class Stage:
    """A psql that has been asked already: its answer in lines as its system ends them."""

    name = "psql"

    def __init__(self, ending: bytes) -> None:
        self._ending, self.give = ending, io.BytesIO()

    def put(self, data: bytes) -> None:
        end = data.decode().split("\\echo ")[1].strip().encode()
        self.give = io.BytesIO(self._ending.join([b'["trades"]', b'["a b"]', end, b""]))

    def flush(self) -> None:
        pass

    def finish(self) -> None:
        raise ToolFailed(("psql",), 1, "it hung up")


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["posix", "windows"])
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_lines_are_counted_without_being_kept_however_they_arrive(ending, piece):
    stage, beats = Stage(ending), []
    session = Session(stage)
    plain = stage.put
    stage.put = lambda data: (plain(data), setattr(stage, "give", Slowly(stage.give, piece)))
    assert session.count("COPY t TO STDOUT", lambda: beats.append(1)) == 2
    assert beats


class Slowly:
    """A pipe that gives a few bytes at a time."""

    def __init__(self, stream, piece):
        self._stream, self._piece = stream, piece

    def read1(self, _size):
        return self._stream.read(self._piece)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["posix", "windows"])
def test_an_answer_ends_where_it_ends_on_every_system(ending):
    assert Session(Stage(ending)).ask("SELECT 1") == ['["trades"]', '["a b"]']


def test_an_answer_that_breaks_off_is_an_error():
    stage = Stage(b"\n")
    stage.put = lambda _data: None
    with pytest.raises(ToolFailed, match="hung up"):
        Session(stage).ask("SELECT 1")
    with pytest.raises(ToolFailed, match="hung up"):
        Session(stage).count("COPY t TO STDOUT", lambda: None)


def test_a_dump_of_another_system_is_read_by_the_tools_of_this_one(tmp_path, monkeypatch):
    ran = []

    def stage(argv, host, **more):
        ran.append(argv[0])
        raise ToolMissing(argv[0])

    monkeypatch.setattr(dumping, "Stage", stage)
    (tmp_path / "pg_restore").touch()
    for folder in ("C:\\Program Files\\PostgreSQL\\16\\bin", str(tmp_path), ""):
        with pytest.raises(CannotJudge):
            dumping.contents(tmp_path / "main.dump", "none", folder, FakeHost())
    assert ran == ["pg_restore", f"{tmp_path}/pg_restore", "pg_restore"]


OF_A_RESTORE = "cryptobot_old_20261130t003451z_e175f1_1"
OTHERS = {"cloudsqladmin", "rdsadmin", OF_A_RESTORE}
FOUND = [
    Database("app"),
    Database("broken", "it is invalid"),
    Database("cloudsqladmin", "the login has no CONNECT on it"),
    Database("rdsadmin"),
    Database("scratch_1"),
    Database("scratch_2", "it is invalid"),
    Database("Scratch"),
    Database(OF_A_RESTORE, "it allows no connections"),
    Database("cryptobot_old_rows"),
]
CHOICES = [
    ([], ["app", "scratch_1", "Scratch", "cryptobot_old_rows"], {"broken", "scratch_2"}, OTHERS),
    (["scratch_*"], ["app", "Scratch", "cryptobot_old_rows"], {"broken"}, {*OTHERS, "scratch_1", "scratch_2"}),
    (
        ["app", "b*", "S*", "c*"],
        ["scratch_1"],
        {"scratch_2"},
        {"app", "broken", "Scratch", "cryptobot_old_rows", *OTHERS},
    ),
    (["*"], [], set(), {one.name for one in FOUND}),
]


@pytest.mark.case("BK14")
@pytest.mark.parametrize(("exclude", "names", "troubled", "declared"), CHOICES)
def test_which_databases_are_dumped_and_why_the_others_are_not(exclude, names, troubled, declared):
    choice = choose(FOUND, exclude)
    assert choice.names == names
    assert {name for name, one in choice.left_out.items() if not one["as_declared"]} == troubled
    assert {name for name, one in choice.left_out.items() if one["as_declared"]} == declared
    assert len(choice.names) + len(choice.left_out) == len(FOUND)
    assert all(one["reason"] for one in choice.left_out.values())
