# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of macOS hosts, as ps prints them."""

import time
from pathlib import Path

import pytest
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError, ToolMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import (
    collect_census,
    read_process,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.macos import parse_census, parse_cpu
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import ZOMBIE, tree_of

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures"
LAUNCHD_BEGAN = time.mktime(time.strptime("2026-11-20 05:12:01", "%Y-%m-%d %H:%M:%S"))


def _text(name):
    return (FIXTURES / name).read_text("utf-8")


def _host(**changes):
    commands = {
        "ps -axww": _text("ps/macos-14/census.txt"),
        "ps -axo pid=,comm=": _text("ps/macos-14/programs.txt"),
        "launchctl list": _text("launchctl-list/macos-14/system.txt"),
        **changes,
    }
    return FakeHost("darwin", commands=commands, now=LAUNCHD_BEGAN + 1000)


def test_begins_count_from_that_of_launchd():
    census = collect_census(_host())
    assert (census.uptime, census.boot_id, census.hidden) == (1000.0, "boot-1", "")
    assert (census.processes[1].began, census.processes[512].began) == (0.0, 39.0)


def test_a_process_is_read_with_all_that_ps_tells():
    census = collect_census(_host())
    auth = census.processes[512]
    assert (auth.parent, auth.session, auth.state, auth.threads) == (1, 512, "S", 0)
    assert (auth.cpu, auth.exe, auth.unit) == (754.56, "/opt/cryptobot/venv/bin/python", "com.cryptobot.auth")
    assert auth.command[-2:] == ("--port", "8000")
    assert (census.details(512).uid, census.details(512).rss) == (0, 98304 * 1024)


def test_workers_belong_to_the_job_that_started_them():
    processes = collect_census(_host()).processes
    assert processes[514].unit == "com.cryptobot.auth"
    assert [process.pid for process in tree_of(777, processes)] == [777, 801]


def test_a_zombie_is_one():
    assert read_process(_host(), 801).state == ZOMBIE
    assert read_process(_host(), 4242) is None


LESS = [
    ("programs", {"ps -axo pid=,comm=": ToolMissing("ps")}, ("", "com.cryptobot.auth")),
    ("labels", {"launchctl list": ToolMissing("launchctl")}, ("/opt/cryptobot/venv/bin/python", "")),
]


@pytest.mark.parametrize(("why", "changes", "left"), LESS, ids=[row[0] for row in LESS])
def test_what_cannot_be_asked_is_left_out_and_nothing_else(why, changes, left):
    auth = collect_census(_host(**changes)).processes[512]
    assert (auth.exe, auth.unit) == left


def test_a_host_without_ps_has_no_census_and_not_an_empty_one():
    with pytest.raises(ToolMissing):
        collect_census(_host(**{"ps -axww": ToolMissing("ps")}))


def test_names_and_numbers_of_any_kind_stay_what_they_are():
    rows, _began = parse_census(_text("ps/macos-15/hostile.txt"), {}, {})
    process, details = rows[1]
    assert process.title == '/bin/größe ✓ "quoted" $(x) it\'s Fri Nov 20 05:12:01 2026'
    assert (details.uid, details.rss, process.cpu) == (-2, 99999999999 * 1024, 176523.0)


TIMES = [("0:00.21", 0.21), ("12:34.56", 754.56), ("1:02:03.45", 3723.45), ("2-01:02:03", 176523.0)]


@pytest.mark.parametrize(("text", "seconds"), TIMES)
def test_processor_time_is_read_in_each_of_its_forms(text, seconds):
    assert parse_cpu(text) == pytest.approx(seconds)


BAD = [
    ("nothing", "", "at least one"),
    ("cut short", "1 0 1\n", "line 1"),
    ("no date", "1 0 1 0 S 1 0:00 a b c d e f", "line 1"),
]


@pytest.mark.parametrize(("why", "text", "named"), BAD, ids=[row[0] for row in BAD])
def test_what_is_of_another_form_is_named(why, text, named):
    with pytest.raises(ParseError, match=named):
        parse_census(text, {}, {})


@given(st.text(alphabet="0123 \n:.SZFriNov", max_size=100))
def test_whatever_ps_prints_is_read_or_named(text):
    try:
        parsed = parse_census(text, {}, {})
    except CoreError:
        parsed = ([], 0.0)
    assert isinstance(parsed[0], list)
