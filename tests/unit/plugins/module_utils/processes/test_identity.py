# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of a process's identity: who is signalled, who never, and what else may have its pid by now."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, ToolFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes import identity
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import process_table, read_process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.identity import (
    Handle,
    Identity,
    holding,
    is_alive,
    is_same,
    send,
    untouchable,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.main_pids import parse_main_pids
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Process, tree_of

pytestmark = [pytest.mark.case("SV1"), pytest.mark.case("SV2")]
STAT = "{pid} (x) {state} {parent} {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0 0"
SEEN = Identity(41, 10.0, ("x",), "/usr/bin/x")
BOTH = {"systemctl show": "Id=auth.service\nMainPID=41\nControlPID=42\n\nId=idle.service\nMainPID=0\nControlPID=0\n"}


def _files(pid=41, *, parent=1, state="S", began=10.0, command=b"x\0"):
    return {
        f"/proc/{pid}/stat": STAT.format(pid=pid, state=state, parent=parent, ticks=int(began * 100)),
        f"/proc/{pid}/cmdline": command,
        f"/proc/{pid}/cgroup": "0::/\n",
    }


# What has the pid at the moment of the signal, and whether that is what was seen.
NOW = [
    ("the same", _files(), "/usr/bin/x", True),
    ("its title has changed", _files(command=b"x: idle\0"), "/usr/bin/x", True),
    ("its program was replaced on the disk", _files(), "/usr/bin/x (deleted)", True),
    ("it has become another program", _files(command=b"y\0"), "/usr/bin/y", False),
    ("it began later", _files(began=10.01), "/usr/bin/x", False),
    ("it began earlier", _files(began=9.99), "/usr/bin/x", False),
    ("gone", {}, "", False),
    ("zombie", _files(state="Z", command=b""), "", False),
]


@pytest.mark.parametrize(("files", "exe", "same"), [row[1:] for row in NOW], ids=[row[0] for row in NOW])
def test_only_the_very_process_that_was_seen_is_signalled(files, exe, same, monkeypatch):
    host, sent = FakeHost(files=files, links={"/proc/41/exe": exe} if exe else {}), []
    monkeypatch.setattr(identity.os, "kill", lambda pid, number: sent.append(pid))
    send(host, Handle(SEEN), signal.SIGTERM)
    assert sent == ([41] if same else [])
    assert is_same(host, SEEN, read_process(host, 41)) is same


def test_a_process_that_cannot_be_looked_at_is_not_signalled(monkeypatch):
    monkeypatch.setattr(
        identity, "read_process", lambda host, pid: (each for each in ()).throw(ToolFailed(["ps"], 1, "no"))
    )
    monkeypatch.setattr(identity.os, "kill", lambda pid, number: pytest.fail(f"{pid} was signalled"))
    send(FakeHost("darwin"), Handle(SEEN), signal.SIGTERM)


@pytest.mark.parametrize("which", ["the kernel", "the first", "this run", "its parent"])
def test_the_first_process_and_this_run_are_never_signalled(which, monkeypatch):
    pid = {"the kernel": 0, "the first": 1, "this run": os.getpid(), "its parent": os.getppid()}[which]
    monkeypatch.setattr(identity.os, "kill", lambda pid, number: pytest.fail(f"{pid} was signalled"))
    with pytest.raises(ActionFailed, match="never signalled"):
        send(FakeHost(files=_files(pid)), Handle(SEEN._replace(pid=pid)), 0)


def _table(*rows):
    return {pid: Process(pid, parent, pid, "S", 10.0, 0.0, 1, command) for pid, parent, command in rows}


def test_untouchable_are_init_the_kernel_this_run_and_what_systemd_looks_after(monkeypatch):
    monkeypatch.setattr(identity.os, "getpid", lambda: 900)
    monkeypatch.setattr(identity.os, "getppid", lambda: 800)
    table = _table(
        (1, 0, ("init",)),
        (2, 0, ()),
        (7, 2, ()),
        (41, 1, ("x",)),
        (42, 1, ("y",)),
        (50, 1, ("z",)),
        (700, 1, ("sshd",)),
        (800, 700, ("sh",)),
        (900, 800, ("python",)),
    )
    barred = untouchable(FakeHost(commands=BOTH), table)
    assert set(barred) == {0, 1, 2, 7, 41, 42, 700, 800, 900}
    assert barred[41] == "it is the main process of auth.service"


def test_where_systemd_runs_and_does_not_answer_nothing_is_signalled():
    host = FakeHost(commands={"systemctl": (1, "", "Connection timed out")}, files={"/run/systemd/system/x": ""})
    with pytest.raises(ActionFailed, match="systemd does not say"):
        untouchable(host, {})


@pytest.mark.parametrize("commands", [{}, {"systemctl": (1, "", "System has not been booted with systemd")}])
def test_without_systemd_no_process_is_its(commands):
    assert set(untouchable(FakeHost(commands=commands), {})) == {0, 1, os.getpid(), os.getppid()}


def test_a_job_of_launchd_is_untouchable_by_a_signal():
    host = FakeHost(
        "darwin", commands={"launchctl list": "PID\tStatus\tLabel\n41\t0\tcom.cryptobot.auth\n-\t0\tidle\n"}
    )
    assert untouchable(host, {})[41] == "it is the main process of com.cryptobot.auth"


@pytest.mark.parametrize("text", ["", "\n\n", "Id=a.service\nMainPID=0\n", "Id=a.service\nMainPID=x\n"])
def test_units_without_a_process_have_none(text):
    assert parse_main_pids(text) == {}


@pytest.mark.parametrize("main", [0, 1])
def test_the_first_process_has_no_tree(main):
    assert tree_of(main, _table((1, 0, ("init",)), (41, 1, ("x",)))) == ()


MAIN = Process(41, 1, 41, "S", 10.0, 0.0, 1, ("x",))
HELD = [
    ("the same", _files(), {}, [41]),
    ("gone", {}, {}, []),
    ("zombie", _files(state="Z", command=b""), {}, []),
]


@pytest.mark.parametrize(("files", "commands", "pids"), [row[1:] for row in HELD], ids=[row[0] for row in HELD])
def test_what_has_ended_needs_no_signal(files, commands, pids):
    with holding(FakeHost(files=files or {"/proc/x": ""}, commands=commands), MAIN, [MAIN]) as handles:
        assert [handle.identity.pid for handle in handles] == pids


REFUSED = [
    ("another has its pid", _files(began=11.0, command=b"y\0"), {}, "not the one that was seen"),
    ("systemd looks after it", _files(), BOTH, "main process of auth.service"),
]


@pytest.mark.parametrize(("files", "commands", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_main_process_that_is_not_ours_to_end_is_an_error(files, commands, words):
    with pytest.raises(ActionFailed, match=words), holding(FakeHost(files=files, commands=commands), MAIN, [MAIN]):
        pytest.fail("it was held")


def test_a_worker_that_is_not_ours_to_end_is_left_out():
    files = {**_files(), **_files(42, parent=41)}
    only = {"systemctl show": "Id=other.service\nMainPID=42\n"}
    tree = [MAIN, MAIN._replace(pid=42, parent=41)]
    with holding(FakeHost(files=files, commands=only), MAIN, tree) as handles:
        assert [handle.identity.pid for handle in handles] == [41]


def test_all_that_may_be_signalled_is_held_and_let_go_again(monkeypatch):
    opened, closed = [], []

    def pidfd_open(pid):
        opened.append(pid)
        return len(opened) - 1  # 0 is a descriptor like any other

    monkeypatch.setattr(identity.os, "pidfd_open", pidfd_open, raising=False)
    monkeypatch.setattr(identity.os, "close", closed.append)
    tree = [MAIN, *(MAIN._replace(pid=pid, parent=41) for pid in (2, 1, 0))]
    with holding(FakeHost(files={**_files(), **_files(2)}), MAIN, tree) as handles:
        assert [(handle.identity.pid, handle.descriptor) for handle in handles] == [(41, 0), (2, 1)]
        assert (opened, closed) == ([41, 2], [])
    monkeypatch.undo()
    assert closed == [0, 1]


@pytest.mark.parametrize("refused", [OSError(3, "No such process"), OSError(38, "Function not implemented"), None])
def test_where_there_is_no_pidfd_a_process_is_proved_by_what_it_is(refused, monkeypatch):
    def pidfd_open(pid):
        raise refused

    monkeypatch.setattr(identity.os, "pidfd_open", pidfd_open, raising=False)
    if refused is None:
        monkeypatch.delattr(identity.os, "pidfd_open")  # macOS
    with holding(FakeHost(files=_files()), MAIN, [MAIN]) as handles:
        assert [(handle.identity.pid, handle.descriptor) for handle in handles] == [(41, -1)]


@pytest.mark.parametrize(("handle", "by"), [(Handle(SEEN), "pid 41"), (Handle(SEEN, 0), "descriptor 0")])
def test_a_process_that_is_held_is_signalled_by_its_descriptor(handle, by, monkeypatch):
    sent = []
    monkeypatch.setattr(identity.os, "kill", lambda pid, number: sent.append((f"pid {pid}", number)))
    monkeypatch.setattr(
        identity.signal, "pidfd_send_signal", lambda held, number: sent.append((f"descriptor {held}", number)), False
    )
    send(FakeHost(files=_files()), handle, signal.SIGTERM)
    assert sent == [(by, signal.SIGTERM)]
    assert Handle(SEEN).descriptor == -1


def test_the_second_process_of_a_container_is_a_process_like_any_other(monkeypatch):
    sent = []
    monkeypatch.setattr(identity.os, "kill", lambda pid, number: sent.append(pid))
    send(FakeHost(files=_files(2)), Handle(SEEN._replace(pid=2)), signal.SIGTERM)
    assert sent == [2]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs a pidfd")
def test_a_real_process_is_held_by_its_descriptor_and_signalled_by_it():
    host, child = LinuxHost(60), subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    while not (seen := read_process(host, child.pid)) or b"sleep" not in " ".join(seen.command).encode():
        time.sleep(0.01)
    with holding(host, seen, [seen]) as (handle,):
        assert handle.descriptor >= 0
        assert is_alive(host, handle)
        send(host, handle, signal.SIGTERM)
        assert child.wait(timeout=10) == -signal.SIGTERM
        assert not is_alive(host, handle)
        send(host, handle, signal.SIGTERM)  # its pid is free: the descriptor signals nobody else


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_this_run_and_all_it_came_from_are_untouchable_on_a_real_host():
    host = LinuxHost(60)
    table = process_table(host)
    barred = untouchable(host, table)
    pid = os.getpid()
    while pid > 1 and pid in table:
        assert pid in barred
        pid = table[pid].parent
