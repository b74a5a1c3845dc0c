# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults in the middle of a restart: whatever ends the run, what ran before runs again, at once or next time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import act
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.record import NAME
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

RUNNER = Path(__file__).with_name("runner.py")


def _stopped(name):
    return lambda now, before: now[name] == 0


def _started(name):
    return lambda now, before: now[name] not in (0, before[name])


# When the run is struck: what is then true of the services.
MOMENTS = [
    ("while stopping", _stopped("trade")),
    ("after the last stop", _stopped("a")),
    ("after the first start", _started("a")),
    ("before the last start", _started("b")),
]


def _begin(installation):
    """Start the services and begin a run in a process of its own; the services take long enough to be struck at."""
    for name in installation.NAMES:
        installation.change(name, "--slow", "0.4")
    installation.start_all()
    before = installation.pids()
    argv = [sys.executable, str(RUNNER), "120"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdin.write(json.dumps(installation.params(when="always")))
    process.stdin.close()
    process.stdin = None
    return before, process


def _strike(installation, process, before, moment, number):
    """Send a signal as soon as the moment has come."""
    for _attempt in range(2000):
        if moment(installation.pids(), before):
            process.send_signal(number)
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("the moment did not come")


def _settled(installation):
    """Return which services run once nothing changes any more: one was just told to end, or is just coming up."""
    seen = [installation.pids()]
    while len(seen) < 5 or any(pids != seen[-1] for pids in seen[-5:]):
        time.sleep(0.3)
        seen.append(installation.pids())
    return seen[-1]


@pytest.mark.parametrize("moment", [row[1] for row in MOMENTS], ids=[row[0] for row in MOMENTS])
def test_what_a_killed_run_left_stopped_is_started_by_the_next(installation, moment):
    before, process = _begin(installation)
    _strike(installation, process, before, moment, signal.SIGKILL)
    process.communicate()
    left = _settled(installation)
    assert (installation.state_dir / NAME).exists()
    planned = run(installation.params(), LinuxHost(60), True)
    repaired = run(installation.params(), LinuxHost(60))
    assert repaired.failure == ""
    assert [a.subject for a in planned.actions if a.state == "planned"] == [n for n, pid in left.items() if not pid]
    assert [a.subject for a in repaired.actions if a.state == "done"] == [n for n, pid in left.items() if not pid]
    assert all(installation.pids().values())
    assert not (installation.state_dir / NAME).exists()
    assert [f.status for f in repaired.findings if f.check == "restart.interrupted"] == ["warning"]


def _killed_when_all_were_stopped(installation, **environment):
    """Let services that have an environment be stopped by a run that is killed before it starts one again."""
    installation.environment.update(environment)
    before, process = _begin(installation)
    _strike(installation, process, before, _stopped("a"), signal.SIGKILL)
    process.communicate()
    _settled(installation)


def _environment(installation, name):
    pairs = Path(f"/proc/{installation.pid(name)}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def test_what_is_started_after_a_kill_has_the_environment_that_it_had(installation):
    """DRY_RUN decides whether it trades for real."""
    _killed_when_all_were_stopped(installation, DRY_RUN="1")
    run(installation.params(), LinuxHost(60))
    assert {_environment(installation, name)["DRY_RUN"] for name in installation.NAMES} == {"1"}


@pytest.mark.parametrize("is_declared", [False, True])
def test_a_service_is_not_started_without_the_secrets_that_it_had(installation, *, is_declared):
    """The record keeps none of them: where nothing declares them either, it is left stopped and told."""
    _killed_when_all_were_stopped(installation, EXCHANGE_API_KEY="k-1234567890")
    assert "k-1234567890" not in (installation.state_dir / NAME).read_text()
    for name in installation.NAMES if is_declared else ():
        installation.services[name]["environment"] = {"EXCHANGE_API_KEY": "k-1234567890"}
    result = run(installation.params(), LinuxHost(60))
    told = [finding for finding in result.findings if finding.check == "restart.interrupted"]
    if is_declared:
        assert _environment(installation, "trade")["EXCHANGE_API_KEY"] == "k-1234567890"
        assert {finding.status for finding in told} == {"warning"}
    else:
        assert installation.pids() == dict.fromkeys(installation.NAMES, 0)
        lost = [finding.message for finding in told if finding.status == "critical"]
        assert len(lost) == 3
        assert all("it ran with EXCHANGE_API_KEY, which was not kept" in message for message in lost)


SIGNALS = [
    (signal.SIGTERM, _stopped("trade")),
    (signal.SIGTERM, _stopped("a")),
    (signal.SIGINT, _stopped("a")),
    (signal.SIGHUP, _started("a")),
]


@pytest.mark.parametrize(("number", "moment"), SIGNALS)
def test_a_signal_ends_the_run_only_after_everything_runs_again(installation, moment, number):
    before, process = _begin(installation)
    _strike(installation, process, before, moment, number)
    out, err = process.communicate(timeout=60)
    assert err == ""
    result = json.loads(out)
    assert all(installation.pids().values())
    assert not (installation.state_dir / NAME).exists()
    assert [f["status"] for f in result["findings"] if f["check"] == "restart.left"] == ["ok"]


def test_a_service_that_was_told_to_end_is_waited_for_and_started_again(installation):
    installation.change("trade", "--lingers", "3")
    before, process = _begin(installation)
    while not (installation.root / "trade.told").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    time.sleep(3.5)
    assert all(installation.pids().values())
    assert installation.pid("trade") != before["trade"]


def test_a_record_of_services_that_all_run_again_is_cleared(installation):
    before, process = _begin(installation)
    _strike(installation, process, before, _stopped("trade"), signal.SIGKILL)
    process.communicate()
    for name, pid in _settled(installation).items():
        if not pid:
            installation.start(name)  # by hand, before the next run
    assert run(installation.params(), LinuxHost(60), True).changed is False
    result = run(installation.params(), LinuxHost(60))
    assert (result.changed, result.failure) == (False, "")
    assert not (installation.state_dir / NAME).exists()


def test_a_run_that_is_out_of_time_still_starts_everything_again(installation):
    installation.change("a", "--stubborn")
    installation.start_all()
    before = installation.pids()
    result = run(installation.params(when="always", stop_timeout=6.0), LinuxHost(4.0))
    assert "the run was ended after 4 s" in result.failure
    assert all(installation.pids().values())
    assert installation.pids()["trade"] != before["trade"]


def test_a_defect_in_the_middle_still_starts_everything_again(installation, monkeypatch):
    installation.start_all()
    real = act.managers.start
    calls = []

    def broken(*args):
        calls.append(args)
        if len(calls) == 2:
            raise ZeroDivisionError("a defect")
        return real(*args)

    monkeypatch.setattr(act.managers, "start", broken)
    with pytest.raises(ZeroDivisionError):
        run(installation.params(when="always"), LinuxHost(60))
    assert all(installation.pids().values())


def test_a_defect_that_comes_again_with_one_service_leaves_no_other_down(installation, monkeypatch):
    installation.start_all()
    real = act.managers.start

    def broken(host, service, *more):
        if service.name == "b":
            raise ValueError("a defect")
        return real(host, service, *more)

    monkeypatch.setattr(act.managers, "start", broken)
    with pytest.raises(ValueError, match="a defect"):
        run(installation.params(when="always"), LinuxHost(60))
    assert {name for name, pid in installation.pids().items() if pid} == {"a", "trade"}


def test_a_service_that_dies_right_after_its_first_answer_has_not_passed(installation):
    installation.start("trade")
    fragile = {**installation.services["trade"]}
    words = " ".join(f"'{word}'" for word in fragile["command"])
    fragile["command"] = ["/bin/sh", "-c", f"{words} & sleep 1.5; kill -9 $!"]
    fragile["process"] = "program.py"
    options = {"only": ["trade"], "trade": fragile, "gate_settle": 2.0, "gate_timeout": 1.0}
    result = run(installation.params(when="always", **options), LinuxHost(60))
    assert "trade did not pass its health gate" in result.failure
