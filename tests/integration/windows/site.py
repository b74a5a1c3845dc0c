# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cryptobot on a "Windows" host: real files and a real database in the host's folder, services that answer on loopback.

What Windows tells of services, processes, sockets, disks and firewall is recorded (host/machine.py); the files are
those of the demo, so that backup, cleanup and database really act.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .controller import CHECKOUT
from .host.machine import CLOCK, SERVICES, machine
from .host.windows import WindowsHost

MANAGE = CHECKOUT / "tests" / "demo" / "manage.py"
DAY = 86400


class Well(BaseHTTPRequestHandler):
    """Answers every GET with 200, as a service that is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


class WindowsSite:
    """An installation on a host: its folder, its services' ports, the variables that describe it."""

    def __init__(self, host: WindowsHost, reports: Path) -> None:
        self.host, self.reports = host, reports
        self.install_dir = host.root / "Crypto bot"
        self.backups = host.root / "Backups"
        self.services = [ThreadingHTTPServer(("127.0.0.1", 0), Well) for _name in SERVICES]
        for service in self.services:
            threading.Thread(target=service.serve_forever, daemon=True).start()
        self.ports = [int(service.server_address[1]) for service in self.services]
        self._install()

    def close(self) -> None:
        """Have the services answer no longer."""
        for service in self.services:
            service.shutdown()
            service.server_close()

    def _install(self) -> None:
        argv = [sys.executable, str(MANAGE), "install", "--install-dir", str(self.install_dir), "--rows", "small"]
        subprocess.run(argv, check=True, capture_output=True)
        self.host.record(machine(self.ports))
        clock = self.host.root / "bin" / "w32tm.exe"
        clock.write_text(f"#!/bin/sh\ncat <<'END'\n{CLOCK}END\n", encoding="utf-8")
        clock.chmod(0o755)

    def old_logs(self) -> list[Path]:
        """Return the rotated logs that the rules let go: older than 35 days."""
        logs = (self.install_dir / "logs").glob("*.log.[0-9]*")
        newest = max(path.stat().st_mtime for path in self.install_dir.rglob("*"))
        return sorted(path for path in logs if newest - path.stat().st_mtime > 35 * DAY)

    def variables(self) -> dict[str, Any]:
        """Return the variables of an inventory that are not the role's defaults."""
        state, logs = self.host.root / "ProgramData" / "state", self.install_dir / "logs"
        names = [{"name": name, "service": f"Cryptobot{name.capitalize()}"} for name in SERVICES]
        services = [
            {**name, "unit": "", "label": "", "port": port, "bind": "127.0.0.1", "health": {"path": "/health"}}
            for name, port in zip(names, self.ports)
        ]
        return {
            **self.host.variables(),
            # A cleanup takes paths with a drive only; the drive of this host is the whole machine (host/drive.py).
            "cryptobot_install_dir": "C:" + str(self.install_dir).replace("/", "\\"),
            "cryptobot_cleanup_rules": [
                {"name": "rotated logs", "path": f"C:{logs}", "patterns": ["*.log.[0-9]*"], "age": "35d"}
            ],
            "cryptobot_state_dir": str(state),
            "cryptobot_report_dir": str(self.reports),
            "cryptobot_services": services,
            "cryptobot_databases": [
                {
                    "name": "cryptobot",
                    "engine": "sqlite",
                    # The validation asks for a path of Windows; the host resolves this one to its own kind.
                    "path": f"$SystemDrive/{self.install_dir.name}/database/cryptobot.db",
                    "thresholds": {"freelist_bytes": "100K"},  # the demo's file is small
                }
            ],
            "cryptobot_backup": {"dir": str(self.backups), "sources": self._sources()},
            "cryptobot_firewall_policy": [
                {"port": 5986, "from": ["10.0.0.0/8"], "why": "WinRM over HTTPS"},
                *({"port": port, "from": ["loopback"], "why": "asked by each other"} for port in self.ports),
            ],
        }

    def _sources(self) -> list[dict[str, Any]]:
        home = self.install_dir
        return [
            {"name": "config", "type": "files", "paths": [str(home / "config"), str(home / ".env")]},
            {"name": "data", "type": "files", "path": str(home / "data")},
            {"name": "database", "type": "sqlite", "path": str(home / "database" / "cryptobot.db")},
        ]


def play(
    *inventories: str, words: tuple[str, ...] = (), environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the weekly maintenance over inventories to its end."""
    argv = [str(Path(sys.executable).with_name("ansible-playbook"))]
    argv += [word for inventory in inventories for word in ("-i", inventory)]
    argv += [str(CHECKOUT / "playbooks" / "weekly.yml"), *words]
    pipes: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 900}
    return subprocess.run(argv, env={**os.environ, **environment}, cwd=CHECKOUT, check=False, **pipes)
