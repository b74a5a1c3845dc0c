# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a process is proved to be a script-started service: its rights, who could have named it, its program."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, ParseError, ToolFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import read_process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.linux import parse_accounts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Accounts, Process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.ending import Refused
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.launch import capture, require_proof
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import Launch
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.proof import (
    RunningProcess,
    _doubt_of_age,
    doubt,
    programs_of,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Observation, PidFile
from ansible_collections.cryptobot.maintenance.plugins.module_utils.writers import ANYBODY, writers_of

pytestmark = [
    pytest.mark.case("SV1"),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="files of several accounts"),
    pytest.mark.skipif(sys.platform == "win32", reason="the accounts of POSIX"),
]
TRADER, OTHER = 65534, 65533
PYTHON = os.path.realpath(sys.executable)
SHELL = os.path.realpath("/bin/sh")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder below a sticky one, with a pid file in it; both are root's."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        Path(name, "trade.pid").write_text("41\n")
        os.chmod(f"{name}/trade.pid", 0o644)
        yield Path(name)


def _sight(
    uid: int, exe: str = SHELL, *, saved: Optional[int] = None, gid: int = 0, set_id: bool = False
) -> RunningProcess:
    uids = (uid, uid, uid if saved is None else saved, uid)
    return RunningProcess(Launch("/"), Accounts(uids, (0, gid, gid, gid)), exe, set_id)


def _doubt(folder: Path, sight: RunningProcess, user: Optional[int] = None, **declared: Any) -> str:
    fields = {"command": ("/bin/sh", "svc"), **declared}
    service = Service("trade", pid_file=str(folder / "trade.pid"), user="" if user is None else "someone", **fields)
    return doubt(choose_host(5.0), service, sight, user)


# The uid of the process, whose the pid file's folder is, the uid that is declared; what is doubted (empty: nothing).
ACCOUNTS = [
    ("root, named by root", 0, 0, None, ""),
    ("another account, named by root", TRADER, 0, None, ""),
    ("an account that names itself", TRADER, TRADER, None, ""),
    ("root, named by another account", 0, TRADER, None, "only root can write to"),
    ("root, declared and named by another account", 0, TRADER, 0, "only root can write to"),
    ("an account, named by another", TRADER, OTHER, None, "declare services[trade].user"),
    ("the declared account, named by another", TRADER, OTHER, TRADER, ""),
    ("another than the declared account", OTHER, TRADER, TRADER, "not as the declared someone"),
    ("root, another is declared", 0, 0, TRADER, "it runs as root, not as the declared someone"),
]


@pytest.mark.parametrize(("uid", "owner", "declared", "why"), [r[1:] for r in ACCOUNTS], ids=[r[0] for r in ACCOUNTS])
def test_whom_the_pid_file_belongs_to_may_name_no_process_of_another(
    uid: int, owner: int, declared: Optional[int], why: str, folder: Path
) -> None:
    os.chown(folder, owner, owner)
    found = _doubt(folder, _sight(uid), declared)
    assert why in found if why else found == ""


@pytest.mark.parametrize("sight", [_sight(TRADER, saved=0), _sight(0, saved=TRADER), _sight(TRADER, gid=42)])
@pytest.mark.parametrize("user", [None, TRADER])
@pytest.mark.case("L4a")
def test_a_process_with_the_rights_of_several_accounts_is_nobody_s(
    sight: RunningProcess, user: Optional[int], folder: Path
) -> None:
    os.chown(folder, TRADER, TRADER)
    assert "it has the rights of several accounts" in _doubt(folder, sight, user)


def test_a_folder_that_a_group_may_write_to_is_nobody_s_word(folder: Path) -> None:
    os.chown(folder, TRADER, TRADER)
    os.chmod(folder, 0o775)
    assert "others could have written" in _doubt(folder, _sight(TRADER))
    assert _doubt(folder, _sight(TRADER), TRADER) == ""


BEGAN = 1_800_000_000.0
# When the process began, by how much its pid file was written later, the uid that is declared; what is doubted.
AGES = [
    ("written after it began", BEGAN, 5.0, None, ""),
    ("written as much earlier as clocks may differ", BEGAN, -60.0, None, ""),
    (
        "left over",
        BEGAN,
        -61.0,
        None,
        "was last written 1.0 min before it began: declare services[trade].user",
    ),
    ("left over for long", BEGAN, -7200.0, None, "2.0 h before it began: declare services[trade].user, or remove the"),
    ("older, and of the declared account", BEGAN, -7200.0, TRADER, ""),
    ("nothing tells when it began", None, 0.0, None, "nothing tells when it began, so "),
    ("nothing tells, and of the declared account", None, 0.0, TRADER, ""),
]


@pytest.mark.parametrize(("began", "later", "user", "why"), [r[1:] for r in AGES], ids=[r[0] for r in AGES])
def test_a_pid_file_that_is_older_than_the_process_names_whoever_got_its_pid(
    began: Optional[float], later: float, user: Optional[int], why: str, folder: Path
) -> None:
    os.utime(folder / "trade.pid", (BEGAN, BEGAN + later))
    found = _doubt(folder, _sight(TRADER)._replace(began=began), user)
    assert why in found if why else found == ""


def test_a_pid_file_that_is_gone_has_no_age(folder: Path) -> None:
    (folder / "trade.pid").unlink()
    os.chown(folder, TRADER, TRADER)
    found = _doubt_of_age(choose_host(5.0), Service("trade", pid_file=str(folder / "trade.pid")), 5.0)
    assert found == f"nothing tells how old its pid file is: {folder}/trade.pid does not exist"


# The program of the process, what is declared, whose the pid file is; whether it is proved.
PROGRAMS = [
    ("the declared program", SHELL, {}, 0, False, True),
    ("a declared program that was updated", f"{SHELL} (deleted)", {}, 0, False, True),
    ("another program", PYTHON, {}, 0, False, False),
    ("not known", "", {}, 0, False, False),
    ("behind a start script", "/usr/bin/env", {"process": "svc"}, 0, False, True),
    ("a set-user-ID program behind a start script", "/usr/bin/env", {"process": "svc"}, 0, True, False),
    ("behind a start script, named by others", "/usr/bin/env", {"process": "svc"}, OTHER, False, False),
    ("a program of others as root", "/tmp/nobody-s", {"process": "svc"}, 0, False, False),
]


@pytest.mark.parametrize(
    ("exe", "declared", "owner", "set_id", "proved"), [r[1:] for r in PROGRAMS], ids=[r[0] for r in PROGRAMS]
)
def test_the_program_is_the_declared_one_or_behind_a_start_script_that_nobody_else_named(
    exe: str, declared: dict[str, Any], owner: int, set_id: bool, proved: bool, folder: Path
) -> None:
    os.chown(folder, owner, owner)
    uid = 0 if owner == 0 else TRADER
    found = _doubt(folder, _sight(uid, exe, set_id=set_id), uid, **declared)
    assert ("services[trade].command" in found) is not proved
    assert (found == "") is proved


def test_what_could_not_be_seen_is_the_doubt(folder: Path) -> None:
    assert _doubt(folder, RunningProcess(Launch("/"), unavailable="it ended")) == "it ended"


SCRIPTS = [
    ("#!{python} -u\n", {SHELL: False, PYTHON: True}),
    ("#!/usr/bin/env -S A=1 python-of-trade -u\n", {PYTHON: True}),
    ("no script\n", {PYTHON: False}),
]


@pytest.mark.parametrize(("first", "wanted"), SCRIPTS)
def test_the_interpreter_of_a_script_is_its_program(first: str, wanted: dict[str, bool], folder: Path) -> None:
    script = folder / "svc"
    script.write_text(first.format(python=sys.executable))
    script.chmod(0o755)
    (folder / "python-of-trade").symlink_to(sys.executable)
    launch = Launch(str(folder), environment={"PATH": str(folder)})
    for command in (("./svc",), ("svc", "trade"), ("/usr/bin/env", "B=2", "svc")):
        found = programs_of(choose_host(5.0), Service("trade", command=command), launch)
        assert str(script) in found
        assert {program: program in found for program in wanted} == wanted


def test_a_command_that_is_nowhere_proves_nothing() -> None:
    host = FakeHost()
    assert programs_of(host, Service("trade", command=("no-such-program",)), Launch("/")) == set()
    assert programs_of(host, Service("trade"), Launch("/")) == set()
    assert programs_of(host, Service("trade", command=("env", "A=1")), Launch("/")) == set()


def test_who_could_have_written_a_file_is_told_by_all_that_leads_to_it(folder: Path) -> None:
    pid_file, link = folder / "trade.pid", folder / "link"
    assert writers_of(str(pid_file)) == frozenset()
    link.symlink_to("trade.pid")
    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    assert writers_of(str(link)) == {OTHER}
    os.chown(pid_file, TRADER, TRADER)
    assert writers_of(str(link)) == {TRADER, OTHER}
    pid_file.chmod(0o664)
    assert writers_of(str(pid_file)) == {TRADER, ANYBODY}
    assert writers_of(str(folder / "missing")) == {ANYBODY}
    (folder / "circle").symlink_to("circle")
    assert ANYBODY in writers_of(str(folder / "circle"))


def test_accounts_are_read_or_refused() -> None:
    text = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t5\t5\t5\nGroups:\t7 8 \n"
    accounts = parse_accounts(text)
    assert (accounts.uids, accounts.gids, accounts.groups) == ((1, 2, 3, 4), (5, 5, 5, 5), (7, 8))
    assert accounts.several == "uids 1, 2, 3, 4"
    assert parse_accounts(text.replace("7 8 ", "")).groups == ()
    for broken in (text.replace("Gid", "gid"), text.replace("\t4", ""), ""):
        with pytest.raises(ParseError):
            parse_accounts(broken)


@pytest.fixture
def child() -> Iterator[Process]:
    """Return a process of this run that has a variable of its own in its environment."""
    started = subprocess.Popen(["/bin/sleep", "600"], env={"PYTHONPATH": "/evil"}, start_new_session=True)
    host = choose_host(5.0)
    process = read_process(host, started.pid)
    while process is None or process.command[:1] != ("/bin/sleep",):
        process = read_process(host, started.pid)
    yield process
    started.kill()
    started.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("program", "proved"), [("/bin/sleep", True), ("/bin/sh", False)])
def test_of_a_process_that_is_not_proved_nothing_is_taken_and_it_is_not_ended(
    program: str, proved: bool, child: Process, folder: Path
) -> None:
    service = Service("trade", pid_file=str(folder / "trade.pid"), command=(program, "600"))
    seen = Observation(service, pid_file=PidFile(service.pid_file, child.pid, 5.0), main=child, processes=(child,))
    way = capture(choose_host(5.0), service, child, {})
    assert (way.doubt == "", "PYTHONPATH" in way.environment, way.ids is not None) == (proved, proved, proved)
    if proved:
        require_proof(choose_host(5.0), seen)
    else:
        with pytest.raises(ActionFailed, match=r"its program is .*sleep, not that of its command"):
            require_proof(choose_host(5.0), seen)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_process_that_began_after_its_pid_file_was_written_is_not_ended(child: Process, folder: Path) -> None:
    service = Service("trade", pid_file=str(folder / "trade.pid"), command=("/bin/sleep", "600"))
    seen = Observation(service, pid_file=PidFile(service.pid_file, child.pid, 5.0), main=child, processes=(child,))
    require_proof(choose_host(5.0), seen)
    os.utime(service.pid_file, (5.0, time.time() - 90.0))
    way = capture(choose_host(5.0), service, child, {})
    assert ("trade.pid was last written 1.5 min before it began" in way.doubt, way.ids) == (True, None)
    assert "PYTHONPATH" not in way.environment
    with pytest.raises(Refused, match=r"is not ended: .* before it began"):
        require_proof(choose_host(5.0), seen)
    declared = service._replace(user="root")
    assert capture(choose_host(5.0), declared, child, {}).doubt == ""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_where_no_clock_tells_when_a_process_began_it_is_not_ended(child: Process, folder: Path) -> None:
    class Mute(type(choose_host(5.0))):  # type: ignore[misc]
        def since_boot(self) -> float:
            raise ToolFailed(["sysctl"], 1, "no such clock")

    service = Service("trade", pid_file=str(folder / "trade.pid"), command=("/bin/sleep", "600"))
    assert "nothing tells when it began" in capture(Mute(5.0), service, child, {}).doubt


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.case("L5b")
def test_another_process_of_the_same_pid_is_not_the_one_that_was_seen(child: Process, folder: Path) -> None:
    service = Service("trade", pid_file=str(folder / "trade.pid"), command=("/bin/sleep", "600"))
    earlier = child._replace(began=child.began - 1)
    assert "became another program" in capture(choose_host(5.0), service, earlier, {}).doubt


def test_what_cannot_be_seen_at_that_moment_is_not_ended() -> None:
    pid_file = PidFile("/run/trade.pid", denied=True, unavailable="it is a pipe")
    with pytest.raises(ActionFailed, match="trade is not ended: it is a pipe"):
        require_proof(choose_host(5.0), Observation(Service("trade", pid_file="/run/trade.pid"), pid_file=pid_file))
