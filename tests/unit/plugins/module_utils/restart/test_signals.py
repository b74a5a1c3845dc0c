# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom a restart signals, and what signals do to a restart."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes import identity
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.collect import not_ours
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.ending import end_tree
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.interruption import (
    Interrupted,
    interruptible,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service

from ..services.builders import make_observed, make_snapshot

STAT = "{pid} (x) {state} 1 {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0 0"
MAIN = Process(41, 1, 41, "S", 10.0, 0.0, 1, ("x",))
WORKER = Process(42, 41, 41, "S", 11.0, 0.0, 1, ("x",))


def _files(process, state="S"):
    ticks = int(process.began * 100)
    return {
        f"/proc/{process.pid}/stat": STAT.format(pid=process.pid, state=state, ticks=ticks),
        f"/proc/{process.pid}/cmdline": b"x\0",
        f"/proc/{process.pid}/cgroup": "0::/\n",
    }


class Table(FakeHost):
    """A host with processes that end at a signal, unless they ignore it; ``sent`` lists the signals."""

    def __init__(self, *processes, ignore=()):
        super().__init__()
        self.ignore, self.sent = set(ignore), []
        for process in processes:
            self.files.update(_files(process))

    def take(self, pid, number):
        self.sent.append((pid, signal.Signals(number).name))
        if (pid, number) not in self.ignore:
            for path in [path for path in self.files if path.startswith(f"/proc/{pid}/")]:
                del self.files[path]


@pytest.fixture
def table(monkeypatch):
    """Return a way to make a table whose processes are signalled through os.kill."""

    def make(*processes, ignore=()):
        host = Table(*processes, ignore=ignore)
        monkeypatch.setattr(identity.os, "kill", host.take)
        monkeypatch.setattr(identity, "_open", lambda _pid: -1)
        return host

    return make


def test_the_main_process_is_told_first_and_workers_only_if_they_outlive_it(table):
    host = table(MAIN, WORKER)
    end_tree(host, "auth", MAIN, (MAIN, WORKER), 5.0)
    assert host.sent == [(41, "SIGTERM"), (42, "SIGTERM")]


def test_what_ignores_the_first_signal_is_killed_after_the_timeout(table):
    host = table(MAIN, WORKER, ignore=[(41, signal.SIGTERM), (42, signal.SIGTERM)])
    end_tree(host, "auth", MAIN, (MAIN, WORKER), 5.0)
    assert host.sent == [(41, "SIGTERM"), (41, "SIGKILL"), (42, "SIGKILL")]
    assert 5.0 <= sum(host.paused) < 6.0


def test_workers_that_ignore_the_signal_are_killed_too(table):
    host = table(MAIN, WORKER, ignore=[(42, signal.SIGTERM)])
    end_tree(host, "auth", MAIN, (MAIN, WORKER), 5.0)
    assert host.sent == [(41, "SIGTERM"), (42, "SIGTERM"), (42, "SIGKILL")]


def test_what_survives_everything_is_named(table):
    host = table(MAIN, ignore=[(41, signal.SIGTERM), (41, signal.SIGKILL)])
    with pytest.raises(ActionFailed, match=r"processes \[41\] of auth cannot be ended"):
        end_tree(host, "auth", MAIN, (MAIN,), 1.0)


def test_a_process_that_may_not_be_signalled_is_an_error(table, monkeypatch):
    host = table(MAIN)

    def refuse(_pid, _number):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(identity.os, "kill", refuse)
    with pytest.raises(ActionFailed, match="may not be signalled"):
        end_tree(host, "auth", MAIN, (MAIN,), 1.0)


SCRIPTS = [Service("a", pid_file="/run/a.pid"), Service("b", pid_file="/run/b.pid")]
OF_AUTH = "Id=auth.service\nMainPID=41\n"
# The main processes of two services, what systemd says; what stands against ending each.
NOT_OURS = [
    ("nothing", (41, 42), "", {}),
    ("systemd looks after one", (41, 42), OF_AUTH, {"a": "it is the main process of auth.service"}),
    ("one process of two services", (41, 41), "", {"a": "name the same process 41", "b": "name the same process 41"}),
    ("both at once", (41, 41), OF_AUTH, {"a": "main process of auth.service", "b": "main process of auth.service"}),
    ("systemd is silent", (41, 42), (1, "", "timed out"), {"a": "nothing tells whose", "b": "nothing tells whose"}),
]


@pytest.mark.case("SV1")
@pytest.mark.parametrize(("pids", "said", "why"), [row[1:] for row in NOT_OURS], ids=[row[0] for row in NOT_OURS])
def test_the_plan_promises_no_end_of_what_is_not_ours(pids, said, why):
    mains = [Process(pid, 1, pid, "S", 10.0, 0.0, 1, ("x",)) for pid in pids]
    seen = [make_observed(service, unit=None, main=main) for service, main in zip(SCRIPTS, mains)]
    host = FakeHost(commands={"systemctl show": said}, files={"/run/systemd/system/x": ""})
    found = not_ours(host, make_snapshot(*seen))
    assert set(found) == set(why)
    assert all(words in found[name] for name, words in why.items())


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_interrupts_until_it_is_deferred(number):
    with pytest.raises(Interrupted, match=number.name), interruptible():
        os.kill(os.getpid(), number)
    with interruptible() as interruption:
        interruption.defer()
        os.kill(os.getpid(), number)
        assert interruption.name == number.name


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_afterwards_signals_do_what_they_did_before():
    before = signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
