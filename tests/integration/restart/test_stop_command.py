# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stop command that is not run, or that fails: what was not touched runs on and is said to, all else runs again."""

from __future__ import annotations

import os
import sys
import time

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import act
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.record import NAME
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run

OTHER = 65534
pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc"),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="files of several accounts"),
]
UNTOUCHED = "a is not restarted: it was not stopped, and runs on as before: "
DOUBT = "the stop_command of a is not run: it would run as root, and others could have written "


@pytest.fixture
def installed(installation):
    """Return services of root that run: ``a``, and ``b`` and ``trade`` that depend on it."""
    installation.start_all()
    return installation


def _stop_by(installation, name, *lines):
    """Declare the stop command of a service: a script of root's with these lines. Return its path."""
    script = installation.root / f"stop-{name}"
    script.write_text("\n".join(["#!/bin/sh", f"pid=$(cat {installation.root}/{name}.pid)", *lines, ""]))
    script.chmod(0o755)
    installation.services[name]["stop_command"] = [str(script)]
    return script


def _run(installation, check_mode=False, **options):
    return run(installation.params(**{"when": "always", "stop_timeout": 1.5, **options}), LinuxHost(120), check_mode)


def _steps(result, state):
    return [f"{action.action} {action.subject}" for action in result.actions if action.state == state]


def _said(result, check):
    return {f.subject: (f.status, f.message) for f in result.findings if f.check == check}


def _is_whole(installation, before, result):
    """Whether only ``a`` is the process that it was, all run, and nothing tells of an interrupted restart."""
    after = installation.pids()
    assert [name for name in after if after[name] == before[name]] == ["a"]
    assert all(after.values())
    assert {status for status, _text in _said(result, "restart.left").values()} == {"ok"}
    assert not (installation.state_dir / NAME).exists()
    again = _run(installation, True)
    return not _said(again, "restart.interrupted")


@pytest.mark.parametrize("when", ["always", "needed"])
def test_a_stop_command_that_would_be_refused_is_known_to_the_plan(when, installed):
    script = _stop_by(installed, "a", "kill $pid")
    os.chown(script, OTHER, OTHER)
    before = installed.pids()
    needed = {"when": when, **({} if when == "always" else {"only": ["a"], "max_uptime": "0.001s"})}
    planned, done = _run(installed, True, **needed), _run(installed, **needed)
    assert installed.pids() == before
    wanted = ["a", "b", "trade"] if when == "always" else ["a"]
    for result in (planned, done):
        said = _said(result, "restart.refused")
        assert sorted(said) == wanted
        assert {(status, DOUBT in text) for status, text in said.values()} == {("warning", True)}
        assert (result.failure, result.changed, _said(result, "restart.left")) == ("", False, {})
        assert {action.action for action in result.actions} == {"restart"}
    assert not (installed.state_dir / NAME).exists()


def test_what_the_stop_command_would_end_is_stopped_by_it_where_only_root_may_write_it(installed):
    _stop_by(installed, "a", f"touch {installed.root}/ran", "kill $pid")
    before = installed.pids()
    result = _run(installed)
    assert (result.failure, _said(result, "restart.refused")) == ("", {})
    assert (installed.root / "ran").exists()
    assert all(pid not in (0, before[name]) for name, pid in installed.pids().items())


def test_a_stop_command_that_was_changed_since_the_plan_stops_nothing_of_its_group(installed, monkeypatch):
    script = _stop_by(installed, "a", "kill $pid")
    before, begin = installed.pids(), act.begin_watch

    def change(*given):
        os.chown(script, OTHER, OTHER)
        return begin(*given)

    monkeypatch.setattr(act, "begin_watch", change)
    result = _run(installed)
    assert installed.pids() == before
    assert _steps(result, "done") == []
    assert sorted(_said(result, "restart.refused")) == ["a", "b", "trade"]
    assert all(DOUBT in text for _status, text in _said(result, "restart.refused").values())
    assert not (installed.state_dir / NAME).exists()


def test_a_service_whose_stop_command_is_refused_at_the_last_moment_runs_on(installed):
    script = _stop_by(installed, "a", "kill $pid")
    _stop_by(installed, "b", f"chown {OTHER} {script}", "kill $pid")
    before, begun = installed.pids(), time.monotonic()
    result = _run(installed, stop_timeout=60.0)
    assert time.monotonic() - begun < 30.0  # nothing waits for an end that was not begun
    assert _said(result, "restart.refused")["a"][1].startswith(UNTOUCHED + DOUBT)
    assert DOUBT in result.failure
    assert (_steps(result, "failed"), "start a" in _steps(result, "done")) == (["stop a"], False)
    assert list(_said(result, "restart.refused")) == ["a"]
    assert "a" not in _said(result, "restart.needed")
    script.unlink()
    del installed.services["a"]["stop_command"]
    assert _is_whole(installed, before, result)


def test_a_service_whose_stop_command_fails_runs_on(installed):
    _stop_by(installed, "a", f"echo x >> {installed.root}/ran", "exit 3")
    before = installed.pids()
    result = _run(installed)
    status, text = _said(result, "restart.refused")["a"]
    assert (status, text.startswith(UNTOUCHED), "ended with exit code 3" in text) == ("warning", True, True)
    assert "ended with exit code 3" in result.failure
    assert (installed.root / "ran").read_text() == "x\n"  # what failed is not tried again
    assert _is_whole(installed, before, result)


def test_a_stop_that_is_interrupted_and_then_fails_leaves_its_service_running(installed):
    _stop_by(installed, "a", f"echo x >> {installed.root}/ran", "kill -TERM $PPID", "sleep 0.5", "exit 3")
    before = installed.pids()
    result = _run(installed)
    assert "interrupted by SIGTERM" in result.failure
    assert (installed.root / "ran").read_text() == "x\nx\n"  # what was cut off is brought to its end
    assert _said(result, "restart.refused")["a"][1].startswith(UNTOUCHED)
    assert _is_whole(installed, before, result)


LATE = "setsid sh -c 'sleep 0.7; kill '$pid >/dev/null 2>&1 &"


def test_a_service_that_ends_after_its_stop_command_has_failed_is_started_again(installed):
    _stop_by(installed, "a", LATE, "exit 3")
    before = installed.pids()
    result = _run(installed)
    assert "ended with exit code 3" in result.failure
    assert all(pid not in (0, before[name]) for name, pid in installed.pids().items())
    assert _said(result, "restart.refused") == {}
    assert {status for status, _text in _said(result, "restart.left").values()} == {"ok"}


def test_a_service_that_is_gone_after_its_stop_command_has_failed_stays_critical(installed):
    _stop_by(installed, "a", LATE, "exit 3")
    broken = {**installed.services["a"], "process": "program.py"}
    broken["command"] = [*broken["command"], "--exit", "3"]
    result = _run(installed, a=broken)
    assert installed.pid("a") == 0
    status, text = _said(result, "restart.left")["a"]
    assert (status, "ran before the restart and does not run now" in text) == ("critical", True)
    assert (installed.state_dir / NAME).exists()
