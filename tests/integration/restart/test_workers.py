# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real workers of one service, each with a memory of its own: which of them answers is the kernel's choice."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import process_table
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.guard import observer_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.declared import read_endpoint
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.guard import guard
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.rules_trading import RULES, TradingContext

from .installation import free_ports

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc"),
    pytest.mark.case("SV20"),
]
PROGRAM = str(Path(__file__).with_name("many.py"))
TRADING = {name: option.get("default") for name, option in OPTIONS.items()}


class Trade:
    """A trade service that runs, with what is declared of it."""

    def __init__(self, root, *words):
        (self.port,) = free_ports(1)
        self.pid_file = root / "trade.pid"
        self.command = [sys.executable, PROGRAM, str(self.port), "--pid-file", str(self.pid_file), *words]
        self.process = subprocess.Popen(self.command, start_new_session=True)
        self.host = LinuxHost(120)
        self._await()

    def _await(self):
        for _attempt in range(200):
            with socket.socket() as client:
                if self.pid_file.exists() and client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("it does not run")

    @property
    def children(self):
        return sorted(p.pid for p in process_table(self.host).values() if p.parent == self.process.pid)

    def look(self, **options):
        """Return the finding about the flag, and why the service must not be stopped."""
        raw = {"name": "trade", "pid_file": str(self.pid_file), "process": "many.py", "port": self.port}
        situation = SimpleNamespace(services=declare([raw], "linux"))
        endpoint = read_endpoint({**TRADING, "dry_run": True, **options}, f"http://127.0.0.1:{self.port}")
        observe = observer_of(self.host, SimpleNamespace(situation=situation), endpoint)
        trading, obstacle = guard(self.host, endpoint, observe, stopped=False)
        _orders, flag = RULES.judge(TradingContext(trading, endpoint))
        return flag, obstacle

    def end(self):
        for pid in self.children:
            os.kill(pid, signal.SIGCONT)
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def start(tmp_path):
    """Return what starts a service; it ends with the test."""
    started = []

    def make(*words):
        started.append(Trade(tmp_path, *words))
        return started[-1]

    yield make
    for trade in started:
        trade.end()


LOOKS = 20
SHAPES = [
    ("2 workers", ("--workers", "2"), 2),
    ("4 workers", ("--workers", "4"), 4),
    ("4 workers with a socket each", ("--workers", "4", "--reuse-port"), 4),
]


@pytest.mark.parametrize(("words", "count"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_one_worker_that_trades_for_real_is_found_each_time(start, words, count):
    trade = start(*words, "--live", "1")
    found = [trade.look() for _look in range(LOOKS)]
    assert [(finding.status, bool(obstacle)) for finding, obstacle in found] == [("critical", True)] * LOOKS
    assert {"disagree" in finding.message for finding, _obstacle in found} == {True}


@pytest.mark.parametrize(("words", "count"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_workers_that_agree_are_all_heard(start, words, count):
    trade = start(*words)
    for _look in range(5):
        finding, obstacle = trade.look()
        assert (finding.status, obstacle) == ("ok", "")
        assert f"answers from {count} of {count} workers" in finding.message


def test_a_service_of_one_process_is_heard_by_its_answer(start):
    finding, obstacle = start().look(asks=1)
    assert (finding.status, obstacle) == ("ok", "")
    assert finding.message.endswith("as declared: 1 answer from 1 of 1 worker")


@pytest.mark.parametrize(("words", "count"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_a_worker_that_takes_no_connection_makes_it_unknown(start, words, count):
    trade = start(*words, "--live", "1")
    stopped = trade.children[1]
    os.kill(stopped, signal.SIGSTOP)
    begun = time.monotonic()
    finding, obstacle = trade.look(timeout=1.0)
    assert time.monotonic() - begun < 10
    assert finding.status == "unknown"
    assert f"from {count - 1} of {count} workers: pid {stopped} holds the port and took none of" in obstacle
    os.kill(stopped, signal.SIGCONT)
    assert trade.look()[0].status == "critical"


def test_children_that_hold_the_port_and_take_nothing_are_vouched_for_by_the_operator(start):
    trade = start("--pool", "2")
    finding, _obstacle = trade.look(timeout=1.0)
    assert (finding.status, "from 1 of 3 workers" in finding.message) == ("unknown", True)
    finding, obstacle = trade.look(timeout=1.0, workers=1)
    assert (finding.status, obstacle) == ("ok", "")
    assert "as many as trading.workers declares" in finding.message
