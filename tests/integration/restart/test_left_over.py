# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pid file that its service has left behind, and whose pid is by now that of another account's process."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run as check

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc"),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="files of several accounts"),
]
EVE = 65534
SLEEP = os.path.realpath("/bin/sleep")
HOUR = 3600.0


@pytest.fixture
def eve():
    """Return a process of another account that runs the command of the service, and the pid file of root's."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        account = {"user": EVE, "group": EVE, "extra_groups": []}
        child = subprocess.Popen([SLEEP, "611"], env={"HERS": "1"}, cwd="/", start_new_session=True, **account)
        pid_file = Path(folder, "trade.pid")
        pid_file.write_text(f"{child.pid}\n")
        pid_file.chmod(0o644)
        yield child, pid_file
        named = int(pid_file.read_text())
        if named != child.pid:
            os.kill(named, signal.SIGKILL)
        child.kill()
        child.wait()


def _service(pid_file, **fields):
    return {"name": "trade", "pid_file": str(pid_file), "command": [SLEEP, "611"], "start_grace": "0.1s", **fields}


def _run(installation, service, check_mode=False):
    options = {"when": "always", "only": ["trade"], "trading": {"when_unknown": "proceed"}}
    return run(installation.params(trade=service, **options), LinuxHost(60), check_mode)


@pytest.mark.parametrize("check_mode", [True, False], ids=["check", "run"])
def test_whoever_got_the_pid_of_a_file_that_was_left_over_is_not_restarted(installation, eve, check_mode):
    child, pid_file = eve
    os.utime(pid_file, (0.0, time.time() - HOUR))
    result = _run(installation, _service(pid_file), check_mode)
    (refused,) = [f for f in result.findings if f.check == "restart.refused"]
    words = f"nothing proves that process {child.pid} is it: {pid_file} was last written 1.0 h before it began"
    assert (refused.subject, refused.status, words in refused.message) == ("trade", "warning", True)
    assert "declare services[trade].user, or remove the file" in refused.message
    assert (result.changed, result.failure) == (False, "")
    assert child.poll() is None
    assert (pid_file.stat().st_uid, pid_file.read_text()) == (0, f"{child.pid}\n")


@pytest.mark.parametrize(("age", "fields"), [(0.0, {}), (50.0, {}), (HOUR, {"user": pwd.getpwuid(EVE).pw_name})])
def test_a_file_as_old_as_its_process_or_of_the_declared_account_names_it(installation, eve, age, fields):
    child, pid_file = eve
    os.utime(pid_file, (0.0, time.time() - age))
    result = _run(installation, _service(pid_file, **fields))
    assert (result.failure, [f for f in result.findings if f.check == "restart.refused"]) == ("", [])
    assert child.wait(timeout=10) == -signal.SIGTERM
    assert int(pid_file.read_text()) != child.pid


def test_the_state_of_a_service_says_whose_process_it_is(installation, eve):
    child, pid_file = eve
    defaults = {name: option["default"] for name, option in SPEC.items() if "default" in option}
    given = {"state_dir": str(installation.state_dir), "services": [_service(pid_file)], "retries": 0}
    found = check({**defaults, **given}, LinuxHost(60)).findings
    (state,) = [f for f in found if f.check == "services.state"]
    assert state.message.startswith(f"trade runs as pid {child.pid} of {pwd.getpwuid(EVE).pw_name} for ")
