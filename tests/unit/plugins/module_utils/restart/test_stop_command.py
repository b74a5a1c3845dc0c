# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As whom the declared stop command of a script-started service runs: real processes of several accounts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import managers
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.gate import glance
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="files of several accounts"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a process is seen through /proc"),
]
TRADER, OTHER = 65534, 65533
SLEEP = os.path.realpath("/bin/sleep")
# Tells as whom, where, and with what it was run, and ends the service.
STOP = '#!/bin/sh\necho "$(id -u) $(id -G) $PWD $SETTING $OF_ROOT" > "$1/said"\nkill "$(cat "$1/pid")"\n'


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may write into and nobody but an owner may change, as /tmp is."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o1777)
        yield Path(name)


@pytest.fixture
def running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Start a service as an account, with a stop command that another one wrote."""
    monkeypatch.setenv("OF_ROOT", "a secret of root's")
    started = []

    def start(uid: int, writer: int) -> Service:
        stop = folder / "stop.sh"
        stop.write_text(STOP)
        stop.chmod(0o755)
        os.chown(stop, writer, writer)
        surroundings = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "SETTING": "its own"}}
        started.append(
            subprocess.Popen(
                [SLEEP, "300"], user=uid, group=uid, extra_groups=[], start_new_session=True, **surroundings
            )
        )
        (folder / "pid").write_text(f"{started[0].pid}\n")
        command = ("sh", str(stop), str(folder))
        return Service("bot", pid_file=str(folder / "pid"), command=(SLEEP, "300"), stop_command=command)

    yield start
    for process in started:
        process.kill()
        process.wait()


def stop(service: Service) -> None:
    host = choose_host(30.0)
    managers.stop(host, glance(host, service), 5.0, service.stop_command)


@pytest.mark.parametrize("writer", [0, TRADER, OTHER])
def test_it_runs_as_the_service_does_whoever_wrote_it(running, folder: Path, writer: int) -> None:
    stop(running(TRADER, writer))
    assert (folder / "said").read_text() == f"{TRADER} {TRADER} {folder} its own \n"


def test_a_service_of_roots_is_ended_by_what_only_root_may_write(running, folder: Path) -> None:
    stop(running(0, 0))
    assert (folder / "said").read_text().startswith("0 ")


def test_root_does_not_run_what_another_account_may_have_written(running, folder: Path) -> None:
    service = running(0, OTHER)
    said = f"is not run: it would run as root, and others could have written {folder}/stop.sh"
    with pytest.raises(ActionFailed, match=said):
        stop(service)
    assert not (folder / "said").exists()
    assert glance(choose_host(30.0), service).alive
