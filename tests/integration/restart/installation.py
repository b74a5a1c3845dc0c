# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real services for the tests of restart: processes with pid files in a temporary folder, ended with the test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import read_process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS

PROGRAM = str(Path(__file__).with_name("program.py"))
QUICK = {"gate_timeout": 8.0, "gate_delay": 0.1, "gate_settle": 0.1, "stop_timeout": 5.0, "start_retries": 0}
TRADING = {name: option.get("default") for name, option in OPTIONS.items()}
TRADING["orders_path"] = "/api/trades/orders?status=open"


def free_ports(count):
    """Return ports that nobody listens on at the moment."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _unused in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


class Installation:
    """Services that depend on one another in a row: ``a``, ``b`` that needs a, ``trade`` that needs b."""

    NAMES = ("a", "b", "trade")

    def __init__(self, root):
        self.root = root
        self.state_dir = root / "state"
        self.services = {name: self._service(name, port) for name, port in zip(self.NAMES, free_ports(len(self.NAMES)))}
        for name, need in (("b", "a"), ("trade", "b")):
            self.services[name]["depends_on"] = [need]
        self.seen = set()
        self.environment = {"PATH": os.environ["PATH"]}  # that of the tests may hold what looks like a secret

    def _service(self, name, port):
        pid_file = str(self.root / f"{name}.pid")
        return {
            "name": name,
            "pid_file": pid_file,
            "command": [
                sys.executable,
                PROGRAM,
                str(port),
                "--pid-file",
                pid_file,
                "--sick",
                str(self.root / f"{name}.sick"),
            ],
            "port": port,
            "bind": "127.0.0.1",
            "start_grace": "0.1s",
            "health": {"path": "/", "samples": 1},
        }

    def change(self, name, *words):
        """Let a service be started with further words from now on."""
        self.services[name]["command"] += list(words)

    def start(self, name, **popen):
        """Start a service as a start script would, and wait until it listens."""
        given = {"env": self.environment, **popen}
        subprocess.Popen(self.services[name]["command"], start_new_session=True, **given)
        self.await_running(name)

    def start_all(self):
        for name in self.NAMES:
            self.start(name)

    def await_running(self, name):
        for _attempt in range(200):
            if self.listens(name) and self.pid(name):
                return
            time.sleep(0.05)
        raise AssertionError(f"{name} does not run")

    def listens(self, name):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.services[name]["port"])) == 0

    def pid(self, name):
        """Return the pid of a service that runs, or 0."""
        try:
            pid = int(Path(self.services[name]["pid_file"]).read_text())
        except (FileNotFoundError, ValueError):
            return 0
        process = read_process(LinuxHost(30), pid)
        self.seen.add(pid)
        return pid if process is not None and process.state != "Z" else 0

    def pids(self):
        return {name: self.pid(name) for name in self.NAMES}

    def make_sick(self, name):
        (self.root / f"{name}.sick").touch()

    def params(self, **options):
        """Return the options of a run on these services."""
        defaults = {name: option["default"] for name, option in SPEC.items() if "default" in option}
        trading = {**TRADING, "asks": 1, **options.pop("trading", {})}
        services = [options.pop(name, self.services[name]) for name in self.NAMES]
        given = {"state_dir": str(self.state_dir), "services": services, "trading": trading}
        return {**defaults, **QUICK, **given, **options}

    def end(self):
        """End every process of these services, whatever a test has left."""
        self.pids()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._is_mine(entry):
                os.kill(int(entry.name), signal.SIGKILL)

    def _is_mine(self, entry):
        try:
            return str(self.root).encode() in (entry / "cmdline").read_bytes()
        except OSError:
            return False


@pytest.fixture
def installation(tmp_path):
    """Return services that can be started; they end with the test."""
    made = Installation(tmp_path)
    yield made
    made.end()
