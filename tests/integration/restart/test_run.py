# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_restart and service_check on real processes with pid files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import LockHeld
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.lock import host_lock
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import record
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.record import NAME
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run as check

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

ORDER = ["stop trade", "stop b", "stop a", "start a", "start b", "start trade"]


def _run(installation, check_mode=False, **options):
    return run(installation.params(**options), LinuxHost(120), check_mode)


def _steps(result, state):
    return [f"{action.action} {action.subject}" for action in result.actions if action.state == state]


def _finding(result, check, subject):
    (found,) = [f for f in result.findings if (f.check, f.subject) == (check, subject)]
    return found


def test_everything_is_restarted_in_the_order_of_dependencies(installation):
    installation.start_all()
    before = installation.pids()
    result = _run(installation, when="always")
    after = installation.pids()
    assert result.failure == ""
    assert _steps(result, "done") == ORDER
    assert result.changed is True
    assert all(after[name] and after[name] != before[name] for name in after)
    assert not (installation.state_dir / NAME).exists()
    assert _finding(result, "restart.left", "services").status == "ok"


@pytest.mark.parametrize("is_removed", [True, False], ids=["it was removed", "another is declared, and is not there"])
def test_a_service_that_could_not_be_started_in_its_folder_is_not_stopped(installation, tmp_path, *, is_removed):
    folder = tmp_path / "releases" / "5"
    folder.mkdir(parents=True)
    for name in installation.NAMES:
        installation.start(name, cwd=folder)
    if is_removed:
        folder.rmdir()
    else:
        installation.services["a"]["chdir"] = str(tmp_path / "no-such-folder")
    before = installation.pids()
    plan, result = _run(installation, check_mode=True, when="always"), _run(installation, when="always")
    assert installation.pid("a") == before["a"]
    assert _steps(result, "done") == _steps(plan, "planned")
    assert not [step for step in _steps(plan, "planned") if step.endswith(" a")]
    said = _finding(result, "restart.refused", "a").message
    assert ("was removed" if is_removed else "No such file or directory") in said
    assert "declare services[a].chdir" in said


def test_check_mode_plans_exactly_what_a_run_does_and_touches_nothing(installation):
    installation.start_all()
    before = installation.pids()
    planned = _run(installation, True, when="always")
    assert installation.pids() == before
    assert not installation.state_dir.exists()
    done = _run(installation, when="always")
    assert _steps(planned, "planned") == _steps(done, "done") == ORDER
    assert planned.changed is done.changed is True


def test_a_second_run_finds_no_reason(installation):
    config = installation.root / "config.yaml"
    config.write_text("old")
    installation.start("trade")
    service = {**installation.services["trade"], "config_files": [str(config)]}
    assert _steps(_run(installation, trade=service), "done") == []
    time.sleep(1.5)  # files of the second in which a service began do not count as newer
    config.write_text("new")
    first, second = _run(installation, trade=service), _run(installation, trade=service)
    assert _steps(first, "done") == ["stop trade", "start trade"]
    assert "config.yaml has changed since it was started" in _finding(first, "restart.needed", "trade").message
    assert (_steps(second, "done"), second.changed) == ([], False)


def test_what_does_not_run_is_not_started(installation):
    installation.start("a")
    installation.start("b")
    result = _run(installation, when="always")
    assert _steps(result, "done") == ["stop b", "stop a", "start a", "start b"]
    assert installation.pid("trade") == 0
    assert "it did not run before" in _finding(result, "restart.needed", "trade").message


def test_memory_before_and_after_is_told(installation):
    installation.start("trade")
    result = _run(installation, when="always", only=["trade"])
    numbers = {metric.name: metric.value for metric in result.metrics}
    assert numbers["cryptobot_restart_memory_before_bytes"] > 1 << 20
    assert numbers["cryptobot_restart_memory_after_bytes"] > 1 << 20
    assert _finding(result, "restart.memory", "trade").status == "ok"


FLYING = '[{"id": "o-17", "status": "OPEN"}]'


def test_with_an_order_in_flight_nothing_that_trade_needs_is_touched(installation):
    installation.change("trade", "--orders", FLYING)
    installation.start_all()
    before = installation.pids()
    result = _run(installation, when="always")
    assert installation.pids() == before
    assert (result.failure, result.changed) == ("", False)
    assert _finding(result, "trading.orders_in_flight", "trade").status == "warning"
    assert "o-17" in _finding(result, "restart.refused", "a").message
    assert not (installation.state_dir / NAME).exists()


def test_with_leave_to_proceed_an_order_is_reported_and_forgotten(installation):
    installation.change("trade", "--orders", FLYING)
    installation.start_all()
    result = _run(installation, when="always", trading={"when_orders": "proceed"})
    assert _steps(result, "done") == ORDER
    assert _finding(result, "trading.orders_in_flight", "trade").status == "warning"


def test_when_trade_does_not_answer_it_is_not_stopped(installation):
    installation.start_all()
    installation.make_sick("trade")
    before = installation.pids()
    result = _run(installation, when="always")
    assert installation.pids() == before
    assert _finding(result, "trading.orders_in_flight", "trade").status == "unknown"


def test_when_trade_does_not_run_no_order_can_be_lost(installation):
    installation.start("a")
    installation.start("b")
    result = _run(installation, when="always")
    assert _steps(result, "done") == ["stop b", "stop a", "start a", "start b"]


def test_a_trade_service_elsewhere_protects_everything_here(installation):
    installation.change("trade", "--orders", FLYING)
    installation.start_all()
    url = f"http://127.0.0.1:{installation.services['trade']['port']}"
    params = installation.params(when="always", trading={"url": url})
    params["services"] = params["services"][:2]
    before = installation.pids()
    result = run(params, LinuxHost(60))
    assert installation.pids() == before
    assert "o-17" in _finding(result, "restart.refused", "a").message


def test_a_service_that_does_not_come_back_well_fails_the_run_and_everything_runs(installation):
    installation.start_all()
    installation.services["b"].update(process=r"program\.py .*b\.pid")
    installation.services["b"]["command"][-1] = str(installation.root / "always.sick")
    (installation.root / "always.sick").touch()
    result = _run(installation, when="always", gate_timeout=5.0)
    assert "b did not pass its health gate" in result.failure
    assert "answers 500" in result.failure
    assert all(installation.pids().values())
    assert _finding(result, "restart.gate", "b").status == "critical"
    assert _finding(result, "restart.left", "services").status == "ok"
    assert _steps(result, "failed") == ["start b"]
    assert "start trade" in _steps(result, "done")


def test_what_was_not_well_before_is_not_demanded_afterwards(installation):
    installation.make_sick("b")
    installation.start_all()
    result = _run(installation, when="always", gate_timeout=2.0)
    assert result.failure == ""
    assert _steps(result, "done") == ORDER


def test_a_failed_start_is_tried_again(installation):
    installation.start("trade")
    flag = installation.root / "first"
    script = f'test -e {flag} && exec "$@"; touch {flag}; exit 3'
    service = {**installation.services["trade"]}
    service["command"] = ["/bin/sh", "-c", script, "sh", *service["command"]]
    service["process"] = "program.py"
    once = _run(installation, when="always", only=["trade"], trade=service, start_retries=0)
    assert "exit code 3" in once.failure
    assert installation.pid("trade")  # the second attempt was the one that put it back
    flag.unlink()
    again = _run(installation, when="always", only=["trade"], trade=service, start_retries=1)
    assert again.failure == ""


def test_a_service_that_cannot_be_started_leaves_a_record_for_the_next_run(installation):
    installation.start_all()
    broken = {**installation.services["trade"], "command": [*installation.services["trade"]["command"], "--exit", "3"]}
    broken["process"] = "program.py"
    result = _run(installation, when="always", trade=broken)
    assert "trade" in result.failure
    assert _finding(result, "restart.left", "trade").status == "critical"
    assert (installation.pid("a") and installation.pid("b"), installation.pid("trade")) != (0, 0)
    assert (installation.state_dir / NAME).exists()
    planned = _run(installation, True)
    repaired = _run(installation)
    assert _steps(planned, "planned") == _steps(repaired, "done") == ["start trade"]
    assert _finding(repaired, "restart.interrupted", "service_restart").status == "warning"
    assert installation.pid("trade")
    assert not (installation.state_dir / NAME).exists()


def test_a_stubborn_service_is_killed_with_its_workers_after_the_timeout(installation):
    installation.change("trade", "--stubborn", "--children", "2")
    installation.start("trade")
    old = [p for p in os.listdir("/proc") if p.isdigit() and _is(installation, p, "--stubborn")]
    assert len(old) == 3
    result = _run(installation, when="always", only=["trade"], stop_timeout=0.5)
    assert result.failure == ""
    assert not [pid for pid in old if _is(installation, pid, "--stubborn")]
    installation.await_running("trade")


def _is(installation, pid, word):
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return word.encode() in command and str(installation.root).encode() in command


def _processes():
    """Return all processes of this machine by pid, with when each began, read without the code under test."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = (entry / "stat").read_text().rsplit(")", 1)[1].split()[19]
            except OSError:
                continue
    return found


def _touched(before, pids):
    """Return which of these processes are gone, or are others by now."""
    now = _processes()
    return [pid for pid in pids if now.get(pid) != before[pid]]


@pytest.fixture
def stranger():
    """Return a process that is no service: the leader of a session, with a child in it."""
    child = subprocess.Popen(["/bin/sh", "-c", "sleep 600 & wait"], start_new_session=True)
    yield child
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


PROOFS = [("command", {}), ("pattern", {"process": r"program\.py .*trade\.pid"})]


@pytest.mark.case("SV1")
@pytest.mark.parametrize("fields", [row[1] for row in PROOFS], ids=[row[0] for row in PROOFS])
@pytest.mark.parametrize("check_mode", [True, False], ids=["check", "run"])
def test_a_pid_file_that_names_the_first_process_ends_nothing(installation, stranger, fields, check_mode):
    installation.start_all()
    Path(installation.services["trade"]["pid_file"]).write_text("1\n")
    before, mine = _processes(), [installation.pid("a"), installation.pid("b"), stranger.pid, 1, os.getpid()]
    service = {**installation.services["trade"], **fields}
    result = _run(installation, check_mode, when="always", only=["trade"], trade=service)
    assert _touched(before, mine) == []
    assert (result.changed, _steps(result, "done"), _steps(result, "planned")) == (False, [], [])
    left = _finding(result, "restart.needed", "trade")
    assert left.status == "unknown"
    assert "trade.pid names pid 1, which is not it, and pid " in left.message


def test_where_the_pid_file_of_a_service_that_runs_is_gone_it_is_not_said_to_be_stopped(installation):
    installation.start("trade")
    pid, pid_file = installation.pid("trade"), Path(installation.services["trade"]["pid_file"])
    pid_file.unlink()
    left = _finding(_run(installation, when="always", only=["trade"]), "restart.needed", "trade")
    assert (left.status, f"does not exist, and pid {pid} runs its command" in left.message) == ("unknown", True)
    pid_file.mkdir()
    left = _finding(_run(installation, when="always", only=["trade"]), "restart.needed", "trade")
    assert (left.status, "it is a folder, expected a file" in left.message) == ("unknown", True)
    assert "this account may not see" not in left.message
    pid_file.rmdir()


@pytest.mark.case("SV2")
@pytest.mark.parametrize("fields", [*(row[1] for row in PROOFS), {"command": None}])
def test_a_fresh_pid_file_that_names_a_stranger_ends_nobody(installation, stranger, fields):
    installation.start("a")
    pid_file = Path(installation.services["trade"]["pid_file"])
    pid_file.write_text(f"{stranger.pid}\n")
    os.utime(pid_file)
    before = _processes()
    family = [pid for pid in before if pid == stranger.pid or _parent(pid) == stranger.pid]
    service = {**installation.services["trade"], **fields}
    result = _run(installation, when="always", only=["trade"], trade=service)
    assert len(family) == 2
    assert _touched(before, [*family, installation.pid("a")]) == []
    assert result.changed is False
    assert _finding(result, "restart.needed", "trade").status == ("ok" if service["command"] else "unknown")


def _parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


@pytest.mark.case("SV2")
def test_a_service_in_the_session_of_another_is_not_ended_with_it(installation):
    installation.start("a")
    leader = subprocess.Popen(
        ["/bin/sh", "-c", '"$@" & wait', "sh", *installation.services["b"]["command"]], start_new_session=True
    )
    installation.await_running("b")
    Path(installation.services["trade"]["pid_file"]).write_text(f"{leader.pid}\n")
    service = {**installation.services["trade"], "command": ["/bin/true"], "process": r"^/bin/sh -c"}
    before, other = _processes(), installation.pid("b")
    options = {"stop_timeout": 1.0, "gate_timeout": 0.5, "trading": {"when_unknown": "proceed"}}
    _run(installation, when="always", only=["trade"], trade=service, **options)
    leader.wait(timeout=10)
    assert _touched(before, [other, installation.pid("a")]) == []


def test_only_the_service_itself_is_ever_signalled(installation):
    installation.start_all()
    bystander = installation.pid("a")
    Path(installation.services["trade"]["pid_file"]).write_text(f"{bystander}\n")
    service = {**installation.services["trade"], "process": r"trade\.pid"}
    result = _run(installation, when="always", only=["trade"], trade=service)
    assert installation.pid("a") == bystander
    assert "which is not it" in _finding(result, "restart.needed", "trade").message


@pytest.mark.case("SV1")
def test_two_pid_files_of_one_process_end_nobody(installation):
    installation.start("a")
    pid = installation.pid("a")
    Path(installation.services["b"]["pid_file"]).write_text(f"{pid}\n")
    services = {name: {**installation.services[name], "process": "program"} for name in ("a", "b")}
    result = _run(installation, when="always", only=["b"], **services)
    assert installation.pid("a") == pid
    assert "name the same process" in _finding(result, "restart.refused", "b").message


def test_a_service_without_a_command_is_said_to_be_lost_before_it_is(installation):
    installation.start("trade")
    service = {**installation.services["trade"], "command": None, "process": "program.py"}
    result = _run(installation, when="always", only=["trade"], trade=service)
    assert "command" in _finding(result, "restart.refused", "trade").message
    assert installation.pid("trade")


def test_a_pid_file_is_written_for_a_service_that_writes_none(installation):
    service = installation.services["trade"]
    place = service["command"].index("--pid-file")
    del service["command"][place : place + 2]
    child = subprocess.Popen(service["command"], start_new_session=True)
    Path(service["pid_file"]).write_text(f"{child.pid}\n")
    installation.await_running("trade")
    result = _run(installation, when="always", only=["trade"])
    child.wait(timeout=10)
    assert result.failure == ""
    assert installation.pid("trade") not in (0, child.pid)


def test_a_service_that_makes_a_daemon_of_itself_is_known_by_its_pid_file(installation):
    installation.change("trade", "--daemon")
    installation.start("trade")
    before = installation.pid("trade")
    result = _run(installation, when="always", only=["trade"])
    assert result.failure == ""
    assert installation.pid("trade") not in (0, before)


def test_a_service_comes_back_with_the_environment_folder_and_account_it_had(installation):
    report, folder = installation.root / "report", installation.root / "folder"
    folder.mkdir()
    installation.change("trade", "--report", str(report))
    installation.start("trade", cwd=folder, env={"GREETING": "hello", "PATH": os.environ["PATH"]})
    before = report.read_text()
    report.unlink()
    service = {**installation.services["trade"], "environment": {"MORE": "please"}}
    assert _run(installation, when="always", only=["trade"], trade=service).failure == ""
    assert report.read_text() == before.replace("'MORE': None", "'MORE': 'please'")
    assert "'GREETING': 'hello'" in before
    assert str(folder) in before


@pytest.fixture
def open_folder():
    """Return a folder of the account ``nobody`` that every account can enter, which a folder of pytest is not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.chown(folder, 65534, 65534)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process as another account")
def test_root_starts_a_service_as_the_account_it_ran_as(installation, open_folder):
    report, pid_file = open_folder / "report", open_folder / "trade.pid"
    script = f"(id -u; id -g; id -G) > {report}; sleep 600"
    command = ["/bin/sh", "-c", script]
    child = subprocess.Popen(command, user=65534, group=65534, extra_groups=[65533], cwd="/", start_new_session=True)
    pid_file.write_text(f"{child.pid}\n")
    while not report.exists() or report.read_text().count("\n") < 3:
        time.sleep(0.05)
    before = report.read_text()
    report.unlink()
    service = {"name": "trade", "pid_file": str(pid_file), "command": command}
    trading = {"when_unknown": "proceed"}
    result = _run(installation, when="always", only=["trade"], trade=service, trading=trading)
    child.wait(timeout=10)
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert result.failure == ""
    assert before.split()[:2] == ["65534", "65534"]
    assert report.read_text() == before
    assert pid_file.stat().st_uid == 65534


def test_while_another_run_is_at_work_nothing_is_done(installation):
    installation.start("trade")
    before = installation.pids()
    host = LinuxHost(60)
    with host_lock(str(installation.state_dir), "another", host), pytest.raises(LockHeld):
        _run(installation, when="always")
    assert installation.pids() == before


def test_without_a_place_for_its_record_nothing_is_stopped(installation, monkeypatch):
    installation.start("trade")
    before = installation.pids()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record, "publish_file", full)
    with pytest.raises(Exception, match="without it nothing is stopped"):
        _run(installation, when="always")
    assert installation.pids() == before


def test_a_record_that_cannot_be_read_is_an_error_and_not_forgotten(installation):
    installation.state_dir.mkdir()
    (installation.state_dir / NAME).write_text("{")
    with pytest.raises(Exception, match="cannot be read"):
        _run(installation)
    assert (installation.state_dir / NAME).exists()


def test_service_check_does_not_take_a_restart_for_a_crash(installation):
    defaults = {name: option["default"] for name, option in SPEC.items() if "default" in option}
    installation.start_all()
    params = installation.params(when="always")
    look = {**defaults, "state_dir": params["state_dir"], "services": params["services"], "retries": 0}
    check(look, LinuxHost(60))
    run(params, LinuxHost(60))
    found = [f for f in check(look, LinuxHost(60)).findings if f.check == "services.restarts"]
    # no crash was seen; that there was none in the hour before, these two looks cannot know
    assert {f.subject: (f.status, f.actual) for f in found} == dict.fromkeys(("a", "b", "trade"), ("skipped", 0))
    installation.end()
    installation.start_all()
    found = [f for f in check(look, LinuxHost(60)).findings if f.check == "services.restarts"]
    assert {f.subject: f.status for f in found} == {"a": "warning", "b": "warning", "trade": "warning"}


@pytest.mark.parametrize("platform", ["aix", "sunos"])
def test_a_platform_without_a_way_is_one_unknown_finding(platform, installation):
    (finding,) = run(installation.params(), FakeHost(platform)).findings
    assert (finding.check, finding.status) == ("restart.platform", "unknown")
