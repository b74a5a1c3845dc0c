# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemctl and journalctl print, recorded on Debian 12 and 13, and what it means."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.exits import describe_exit, exit_record
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.linux import parse_names, parse_show

from .builders import FIXTURES, SYSTEMS, recorded_units

STATES = [
    ("auth", "loaded", "active/running", 0),
    ("data", "loaded", "active/running", 4),
    ("strategy", "loaded", "activating/auto-restart", None),
    ("backtest", "masked", "inactive/dead", 0),
    ("trade", "loaded", "failed/failed", 0),
    ("limit", "loaded", "failed/failed", 3),
    ("setup", "loaded", "active/exited", 0),
    ("job", "loaded", "inactive/dead", 0),
    ("worker@1", "loaded", "active/running", 0),
    ("slow", "loaded", "activating/start", 0),
    ("broken", "bad-setting", "inactive/dead", 0),
    ("missing", "not-found", "inactive/dead", 0),
]

EXITS = [
    ("auth", ""),
    ("strategy", "exit code 3"),
    ("trade", "exit code 203 (EXEC: its program cannot be run"),
    ("signal", "killed by signal 11 (SIGSEGV)"),
    ("timeout", "took too long to start or stop; killed by signal 15 (SIGTERM)"),
    ("setup", ""),
]

BROKEN_SHOWS = [
    ("no property\nId=a.service\n", "line 1"),
    ("Id=a.service\nNames=a.service\n\n", "LoadState"),
    ("Id=a.service\nNames=a\nLoadState=loaded\nActiveState=active\nSubState=x\nMainPID=many\n", "many"),
]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("name", "load", "state", "restarts"), STATES, ids=[row[0] for row in STATES])
def test_each_recorded_state_is_read(system, name, load, state, restarts):
    unit = recorded_units(system)[name]
    assert (unit.load, f"{unit.active}/{unit.sub}") == (load, state)
    assert restarts is None or unit.restarts == restarts


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_details_of_a_unit_are_read(system):
    auth = recorded_units(system)["auth"]
    assert auth.exec_start == "/usr/bin/python3 /opt/cryptobot/serve.py --port 8000"
    assert auth.environment_files == ("/opt/cryptobot/.env",)
    assert auth.files == ("/etc/systemd/system/cryptobot-auth.service",)
    assert auth.stops_with == ("cryptobot-data.service",)
    assert auth.main_pid > 0
    assert 2000 < auth.active_since < 3000


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_alias_leads_to_the_same_unit(system):
    units = recorded_units(system)
    assert units["alias"] is units["auth"]


def test_only_a_changed_unit_needs_a_reload():
    assert [name for name, unit in recorded_units().items() if unit.need_reload] == ["changed"]


def test_the_environment_of_a_unit_is_not_shown():
    assert "WORKERS" in recorded_units()["auth"].environment
    assert "WORKERS" not in repr(recorded_units()["auth"])


def test_several_environment_files_and_commands_are_all_read():
    text = (FIXTURES / "systemctl" / "debian-12" / "show.txt").read_text().split("\n\n", 1)[0]
    text += "\nEnvironmentFiles=/etc/default/auth (ignore_errors=yes)\n"
    text += "ExecStart={ path=/bin/b ; argv[]=/bin/b --x ; ignore_errors=no ; start_time=[n/a] }\n"
    (unit,) = parse_show(text)
    assert unit.environment_files == ("/opt/cryptobot/.env", "/etc/default/auth")
    assert unit.exec_start.endswith("--port 8000 ; /bin/b --x")


@pytest.mark.parametrize(("text", "named"), BROKEN_SHOWS, ids=[row[1] for row in BROKEN_SHOWS])
def test_a_broken_answer_of_systemctl_is_named(text, named):
    with pytest.raises(ParseError, match=named):
        parse_show(text)


@pytest.mark.parametrize("system", SYSTEMS)
def test_listings_give_units_but_no_templates(system):
    loaded = parse_names((FIXTURES / "systemctl" / system / "list_units.txt").read_text())
    installed = parse_names((FIXTURES / "systemctl" / system / "list_unit_files.txt").read_text())
    assert "cryptobot-worker@1.service" in loaded
    assert "cryptobot-backtest.service" in installed
    assert not [name for name in (*loaded, *installed) if "@." in name]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("name", "words"), EXITS, ids=[row[0] for row in EXITS])
def test_an_exit_is_told_in_words(system, name, words):
    text = describe_exit(recorded_units(system)[name])
    assert words in text if words else text == ""


def test_an_out_of_memory_kill_is_told_as_such():
    unit = recorded_units()["signal"]._replace(result="oom-kill", exit_code=2, exit_status=9)
    assert describe_exit(unit) == "killed by the kernel because memory ran out; killed by signal 9 (SIGKILL)"
    assert exit_record(unit) == {"code": None, "signal": "9 (SIGKILL)", "oom": True, "result": "oom-kill"}
