# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of Windows hosts, from recorded answers and from hostile ones."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError, SourceDenied
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import (
    collect_census,
    process_table,
    read_process,
    uptime,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import tree_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.windows import split_command
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.windows_queries import QUERIES

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "powershell" / "services"
SYSTEMS = ("windows-server-2019", "windows-server-2022", "windows-11", "windows-server-2019-de")
NOW = 1795348800.0  # 2026-11-22T12:00:00Z
REFUSED = {"error": "Access is denied.", "kind": "PermissionDenied", "missing": ""}


def _recorded(system="windows-server-2022"):
    return {name: {"value": json.loads((FIXTURES / system / f"{name}.json").read_text("utf-8"))} for name in QUERIES}


def _host(answers):
    return FakeHost("windows", commands={"powershell.exe": json.dumps(answers)}, now=NOW)


def _census(system="windows-server-2022", **changes):
    return collect_census(_host({**_recorded(system), **changes}))


@pytest.mark.parametrize("system", SYSTEMS)
def test_begins_count_from_the_oldest_process_and_the_idle_process_is_none(system):
    census = _census(system)
    assert 0 not in census.processes
    assert min(process.began for process in census.processes.values()) == 0.0
    assert census.uptime == pytest.approx(NOW - 1795151523.101)  # 2026-11-20T05:12:03.101Z
    assert census.hidden == ""


def test_a_process_is_read_with_all_that_windows_tells():
    census = _census()
    python = census.processes[3012]
    assert python.command[-2:] == ("--port", "8000")
    assert (python.parent, python.session, python.state, python.threads) == (2860, 0, "", 12)
    assert (python.cpu, python.exe) == (pytest.approx(21.71875), "C:\\Python39\\python.exe")
    details = census.details(3012)
    assert (details.rss, details.open_files, details.open_files_limit, details.denied) == (96 << 20, 420, 0, "")


def test_descendants_belong_to_the_service_of_their_forebear():
    processes = _census().processes
    assert {pid: processes[pid].unit for pid in (2860, 3012, 3100, 3104)} == dict.fromkeys(
        (2860, 3012, 3100, 3104), "CryptobotAuth"
    )
    assert [process.pid for process in tree_of(2860, processes)] == [2860, 3012, 3100, 3104]


def test_a_process_that_hosts_several_services_belongs_to_none_of_them():
    assert _census().processes[1180].unit == ""


def test_the_boot_number_tells_one_boot_from_the_next():
    assert _census().boot_id == "boot 41"
    assert _census(boot=REFUSED).boot_id == "begun 1795151523.101"
    assert _census("windows-11").boot_id == "begun 1795151523.101"  # it has no such number


def test_the_pid_of_a_parent_that_ended_may_belong_to_a_younger_process():
    rows = [
        {"ProcessId": 10, "ParentProcessId": 20, "CreationDate": "2026-11-20T05:00:00.000Z"},
        {"ProcessId": 20, "ParentProcessId": 4, "CreationDate": "2026-11-21T05:00:00.000Z"},
    ]
    assert _census(processes={"value": rows}).processes[10].parent == 0


def test_without_elevation_a_process_has_its_name():
    census = _census("windows-11")
    assert (census.processes[5100].command, census.processes[5100].exe) == (("python.exe",), "")
    assert census.processes[5200].cpu == 0.0
    assert census.details(5200).rss == 2**62


def test_processes_that_are_refused_are_an_error_and_no_empty_table():
    with pytest.raises(SourceDenied, match="Access is denied"):
        _census(processes=REFUSED)


def test_single_questions_are_answered_from_the_whole_table():
    host = _host(_recorded())
    assert read_process(host, 3012) == process_table(host)[3012]
    assert read_process(host, 99999) is None
    assert uptime(host) == collect_census(host).uptime


COMMANDS = [
    ("a path with spaces", r'"C:\Program Files\nssm\nssm.exe" run', ("C:\\Program Files\\nssm\\nssm.exe", "run")),
    ("quoted quotes", r'python -c "a \"b\" c" d', ("python", "-c", 'a "b" c', "d")),
    ("a folder at the end", r'"C:\x\\" next', ("C:\\x\\", "next")),
    ("backslashes that mean nothing", r"a\b \\server\share", ("a\\b", "\\\\server\\share")),
    ("quotes in the middle", 'a"b c"d', ("ab cd",)),
    ("a quote that is never closed", '"a b', ("a b",)),
    ("nothing", "", ()),
]


@pytest.mark.parametrize(("why", "line", "words"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_a_command_line_is_split_as_windows_does(why, line, words):
    assert split_command(line) == words


@given(st.lists(st.text(alphabet='ab \\"', min_size=1).filter(str.strip), min_size=1))
def test_what_is_quoted_as_windows_wants_it_comes_back(words):
    from subprocess import list2cmdline

    assert split_command(list2cmdline(words)) == tuple(words)


BAD = [
    ("a date of another form", {"ProcessId": 1, "CreationDate": "/Date(1705559214000)/"}, "CreationDate"),
    ("a pid that is none", {"ProcessId": "x"}, "ProcessId"),
    ("no pid", {"Name": "a"}, "ProcessId"),
]


@pytest.mark.parametrize(("why", "row", "named"), BAD, ids=[row[0] for row in BAD])
def test_a_row_of_another_form_is_named(why, row, named):
    with pytest.raises(ParseError, match=named):
        _census(processes={"value": [row]})


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just("2026-11-20T05:12:03.101Z")
ROWS = st.lists(
    st.dictionaries(st.sampled_from(["ProcessId", "ParentProcessId", "CreationDate", "CommandLine", "BootId"]), VALUES)
)


@given(ROWS)
def test_whatever_is_answered_there_is_a_census_or_one_clear_error(rows):
    with suppress(CoreError):
        assert _census(processes={"value": rows}, boot={"value": rows}).uptime >= 0
