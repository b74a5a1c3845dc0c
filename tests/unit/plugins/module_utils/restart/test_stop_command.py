# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As whom the declared stop command of a script-started service runs: real processes of several accounts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import run_process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import managers
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.gate import glance
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.launch import (
    OBSERVERS,
    _surroundings,
    capture,
    require_proof,
    start_detached,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import Launch
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.proof import doubt_for_root
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="files of several accounts"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a process is seen through /proc"),
]
TRADER, OTHER = 65534, 65533
OBSERVED = OBSERVERS["linux"]
PATIENCE = 30.0  # seconds: more than a loaded machine needs for a line of shell
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

    def start(uid: int, writer: int, text: str = STOP, place: str = ".") -> Service:
        stop = folder / "stop.sh"
        stop.write_text(text)
        stop.chmod(0o755)
        os.chown(stop, writer, writer)
        environment = {"PATH": os.environ["PATH"], "SETTING": "its own", "DB_PASSWORD": "pgPlain-998877"}
        given = {"cwd": folder / place, "env": environment, "start_new_session": True}
        started.append(subprocess.Popen([SLEEP, "300"], user=uid, group=uid, extra_groups=[], **given))
        (folder / "pid").write_text(f"{started[0].pid}\n")
        command = ("sh", str(stop), str(folder))
        return Service("bot", pid_file=str(folder / "pid"), command=(SLEEP, "300"), stop_command=command)

    yield start
    for process in started:
        process.kill()
        process.wait()


def stop(service: Service) -> None:
    host = choose_host(30.0)
    managers.stop(host, glance(host, service), PATIENCE, service.stop_command)


@pytest.mark.parametrize("writer", [0, TRADER, OTHER])
def test_it_runs_as_the_service_does_whoever_wrote_it(running, folder: Path, writer: int) -> None:
    stop(running(TRADER, writer))
    assert (folder / "said").read_text() == f"{TRADER} {TRADER} {folder} its own \n"


def test_a_service_of_roots_is_ended_by_what_only_root_may_write(running, folder: Path) -> None:
    stop(running(0, 0))
    assert (folder / "said").read_text().startswith("0 ")


# (the stop command of a service of root's; why it is not run, or empty: nobody but root has a say in it)
OF_ROOT = [
    (["{folder}/stop.sh", "a"], "others could have written {folder}/stop.sh"),
    (["sh", "{folder}/stop.sh"], "others could have written {folder}/stop.sh"),
    (["sh", "-e", "stop.sh"], "others could have written {folder}/stop.sh"),
    (["timeout", "5", "{folder}/stop.sh"], "others could have written {folder}/stop.sh"),
    (["/bin/true", "--file={folder}/stop.sh"], "others could have written {folder}/stop.sh"),
    (["{folder}/link"], "others could have written {folder}/link"),
    (["/bin/sh", "-c", "{folder}/stop.sh b"], "where '/bin/sh -c' leads cannot be seen"),
    (["/bin/sh", "-x", "-ec", "cd {folder} && ./stop.sh c"], "where '/bin/sh -ec' leads cannot be seen"),
    (["env", "A=1", "bash", "-s"], "where 'bash -s' leads cannot be seen"),
    (["python3", "-W", "ignore", "-m", "stopmod"], "where 'python3 -m' leads cannot be seen"),
    (["/usr/bin/python3.11", "-cimport stopmod"], "where '/usr/bin/python3.11 -cimport' leads cannot be seen"),
    (["perl", "-we", "1"], "where 'perl -we' leads cannot be seen"),
    (["env", "-S", "python3 -m stopmod"], "where 'python3 -m' leads cannot be seen"),
    (["su", "bot", "-c", "./stop.sh"], "where 'su -c' leads cannot be seen"),
    (["run-parts", "{folder}/stop.d"], "others could have written {folder}/stop.d"),
    (["run-parts", "{roots}"], ""),
    (["/bin/true"], ""),
    (["sh", "-e", "{roots}/stop.sh", "-c", "now"], ""),
    (["/bin/kill", "-s", "TERM", "1"], ""),
]


@pytest.mark.parametrize(("command", "why"), OF_ROOT)
def test_what_root_may_run_to_end_a_service_of_its_own(folder: Path, command: list[str], why: str) -> None:
    (folder / "stop.sh").touch()
    os.chown(folder / "stop.sh", OTHER, OTHER)
    (folder / "stop.d").mkdir()
    os.chown(folder / "stop.d", OTHER, OTHER)
    (folder / "link").symlink_to("/bin/true")
    os.lchown(folder / "link", OTHER, OTHER)
    roots = folder / "roots"
    roots.mkdir(mode=0o755)
    (roots / "stop.sh").touch(mode=0o755)
    words = [word.format(folder=folder, roots=roots) for word in command]
    said = doubt_for_root(choose_host(30.0), words, str(folder), {"PATH": "/usr/bin:/bin"})
    assert why.format(folder=folder) in said
    assert bool(said) is bool(why)


def test_root_does_not_run_what_another_account_may_have_written(running, folder: Path) -> None:
    service = running(0, OTHER)
    said = f"is not run: it would run as root, and others could have written {folder}/stop.sh"
    with pytest.raises(ActionFailed, match=said):
        stop(service)
    assert not (folder / "said").exists()
    assert glance(choose_host(30.0), service).alive


def test_what_it_says_of_its_secrets_is_not_passed_on(running) -> None:
    service = running(TRADER, TRADER, '#!/bin/sh\necho "no: $DB_PASSWORD" >&2\nexit 3\n')
    with pytest.raises(ActionFailed) as told:
        stop(service)
    assert str(told.value).endswith("ended with exit code 3: no: ********")


ENTERED = {
    "start": lambda service, launch: start_detached(choose_host(30.0), service, launch, 1.0),
    "stop_command": lambda service, launch: run_process(
        service.stop_command, timeout=5.0, surroundings=_surroundings(launch)
    ),
}


@pytest.mark.parametrize("enter", ENTERED.values(), ids=ENTERED.keys())
def test_the_folder_is_entered_with_the_rights_of_the_account(running, folder: Path, enter: Callable) -> None:
    """Between the look and the act the account may put a link in its place, to where only root may go."""
    (folder / "closed" / "open").mkdir(parents=True)
    (folder / "closed").chmod(0o700)
    (folder / "own").mkdir()
    service = running(TRADER, TRADER, place="own")
    (folder / "own").rename(folder / "away")
    (folder / "own").symlink_to(folder / "closed" / "open")
    launch = Launch(str(folder / "own"), (TRADER, TRADER, ()), {"PATH": os.environ["PATH"]})
    with pytest.raises(CoreError, match="Permission denied"):
        enter(service, launch)


def test_what_it_leaves_running_is_not_waited_for(running) -> None:
    service = running(TRADER, TRADER, 'sleep 60 &\nkill "$(cat "$1/pid")"\n')
    begun = time.monotonic()
    stop(service)
    assert time.monotonic() - begun < PATIENCE / 2


def test_how_it_runs_is_observed_once_for_its_proof_and_its_command(running, monkeypatch: pytest.MonkeyPatch) -> None:
    service, host, observed = running(TRADER, TRADER), choose_host(30.0), []

    def observe(host, process):
        observed.append(process.pid)
        return OBSERVED(host, process)

    monkeypatch.setitem(OBSERVERS, "linux", observe)
    require_proof(host, glance(host, service))
    assert observed == [glance(host, service).main.pid]


def test_we_are_back_in_our_folder_afterwards(running, folder: Path) -> None:
    before = os.getcwd()
    stop(running(TRADER, TRADER))
    assert os.getcwd() == before


# (what a killed run wrote down of a service, what is declared of its environment now; what of it nobody knows any more)
LOST = [
    ("it was not recorded", {}, {}, ""),
    ("all is kept", {"environment": {"DRY_RUN": "1"}, "withheld": []}, {}, ""),
    ("it was empty", {"environment": {}, "withheld": []}, {}, ""),
    ("a secret", {"environment": {"A": "1"}, "withheld": ["API_KEY"]}, {}, "it ran with API_KEY, which was not kept"),
    ("nothing but one", {"environment": {}, "withheld": ["API_KEY"]}, {"B": "1"}, "it ran with API_KEY, which was not"),
    ("one that is declared", {"environment": {}, "withheld": ["API_KEY"]}, {"API_KEY": "k"}, ""),
    ("one of two is", {"environment": {}, "withheld": ["KEY_A", "KEY_B"]}, {"KEY_A": "k"}, "it ran with KEY_B, which"),
    ("it was not seen", {"folder": "/opt"}, {}, "it ran with an environment that could not be seen"),
    ("it was not seen, and is declared", {"folder": "/opt"}, {"A": "1"}, ""),
]


@pytest.mark.parametrize(("recorded", "declared", "lost"), [row[1:] for row in LOST], ids=[row[0] for row in LOST])
def test_what_nobody_knows_of_an_environment_any_more_is_said(recorded: dict, declared: dict, lost: str) -> None:
    launch = capture(choose_host(5.0), Service("bot", environment=declared), None, recorded)
    assert launch.lost.startswith(lost)
    assert bool(launch.lost) is bool(lost)


def test_the_record_of_a_start_holds_no_secret_and_nothing_of_what_was_not_seen() -> None:
    seen = Launch("/opt", (1, 2, (3,)), {"DRY_RUN": "1", "EXCHANGE_API_KEY": "k-123", "DSN": "postgresql://u:pw@h/d"})
    place = {"folder": "/opt", "ids": (1, 2, (3,))}
    assert seen.as_record() == {**place, "environment": {"DRY_RUN": "1"}, "withheld": ["DSN", "EXCHANGE_API_KEY"]}
    assert replace(seen, unavailable="ps does not show it").as_record() == place
