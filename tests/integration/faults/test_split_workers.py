# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One of the two workers of the demo's trade service trades for real: each look finds it, whichever worker answers.

Of looks that ask eight times, whoever answers, one in thirteen heard only one of the two and called it well.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.guard import observer_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.declared import read_endpoint
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.guard import collect_trading
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.rules_trading import RULES, TradingContext

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sockets of /proc")
DEMO = Path(__file__).resolve().parents[2] / "demo"
FLAG = "/api/v1/settings/dry_run"


@pytest.fixture
def trade(tmp_path):
    """Return the port and pid file of a trade service with two workers, which ends with the test."""
    folder, pid_file = tmp_path / "cryptobot", tmp_path / "trade.pid"
    manage = [sys.executable, str(DEMO / "manage.py"), "install", "--rows", "small"]
    subprocess.run([*manage, "--install-dir", str(folder)], check=True, stdout=subprocess.DEVNULL)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["--install-dir", str(folder), "--port", str(port), "--pid-file", str(pid_file), "--quiet"]
    process = subprocess.Popen([sys.executable, str(DEMO / "service.py"), "trade", *words], start_new_session=True)
    _await(port)
    yield port, pid_file
    process.terminate()
    process.wait(10)


def _await(port):
    for _attempt in range(200):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("trade does not listen")


def _split(port):
    """Turn the flag off by one request, which one of the workers takes."""
    body = json.dumps({"dry_run": False}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{FLAG}", method="PUT", data=body)
    urllib.request.urlopen(request, timeout=5).close()


def _looks(port, pid_file, rounds):
    given = {name: option.get("default") for name, option in OPTIONS.items()}
    endpoint = read_endpoint({**given, "dry_run": True}, f"http://127.0.0.1:{port}")
    services = declare([{"name": "trade", "pid_file": str(pid_file), "process": "service.py", "port": port}], "linux")
    host = LinuxHost(600)
    observe = observer_of(host, SimpleNamespace(situation=SimpleNamespace(services=services)), endpoint)
    found = (collect_trading(host, endpoint, observe, stopped=False) for _round in range(rounds))
    flags = (RULES.judge(TradingContext(trading, endpoint))[-1] for trading in found)
    return Counter((finding.status, "disagree" in finding.message) for finding in flags)


@pytest.mark.case("SV20")
@pytest.mark.parametrize("rounds", [30, pytest.param(300, marks=pytest.mark.long)])
def test_a_worker_that_trades_for_real_is_found_at_each_look(trade, rounds):
    port, pid_file = trade
    assert _looks(port, pid_file, 5) == {("ok", False): 5}
    _split(port)
    assert _looks(port, pid_file, rounds) == {("critical", True): rounds}
