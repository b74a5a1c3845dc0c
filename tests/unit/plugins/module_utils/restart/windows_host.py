# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose service control manager is a table: it answers what powershell.exe is asked and does what is ordered."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed

from .systemd_host import DRY_RUN, ORDERS

ASKED = re.compile(r"^Ask '([^']+)' \{", re.MULTILINE)
NAMED = re.compile(r"\[Management\.Automation\.WildcardPattern\]::Escape\('((?:[^']|'')*)'\)")
EPOCH = 1_700_000_000


@dataclass
class Service:
    """One service: what it ``requires`` as the manager knows, how it misbehaves, and the pid of its process."""

    requires: tuple[str, ...] = ()
    state: str = "Running"
    mode: str = "Auto"
    path: str = "C:\\Python39\\python.exe main.py"
    broken: int = 0  # how many starts fail
    stuck: bool = False  # it stays "Stop Pending"
    can_stop: bool = True
    pid: int = 0


class WindowsHost(FakeHost):
    """``log`` lists what was done: -service, +service. ``refused`` names queries that get an error."""

    def __init__(self, **services: Service) -> None:
        super().__init__("windows", now=EPOCH + 864000.0)
        self.services = services
        self.log: list[str] = []
        self.refused: dict[str, str] = {}
        self.broken_powershell: Exception | None = None
        self.replies = {ORDERS: (200, "[]"), DRY_RUN: (200, '{"dry_run": true}')}
        self.began: dict[int, float] = {4: 0.0}
        self.next_pid = 1000
        for service in services.values():
            self._begin(service)

    def _begin(self, service: Service) -> None:
        self.next_pid += 4
        self.clock += 1.0
        service.pid = self.next_pid
        self.began[service.pid] = self.clock - EPOCH

    def run(self, argv: Any, *, timeout: float = 60.0, stdin: Any = None, env: Any = None, expect: Any = (0,)) -> Any:
        self.remaining()
        assert argv[0] == "powershell.exe", argv
        if self.broken_powershell:
            raise self.broken_powershell
        script = base64.b64decode(stdin).decode()
        answers = {name: self._answer(name, script) for name in ASKED.findall(script)}
        self.ran.append(" ".join(answers))
        return Completed(tuple(argv), 0, json.dumps(answers), "")

    def _answer(self, name: str, script: str) -> dict[str, Any]:
        if name in self.refused:
            return {"error": self.refused[name], "kind": "PermissionDenied"}
        try:
            return {"value": getattr(self, f"_{name}", lambda _script: [])(script)}
        except ToolFailed as error:
            return {"error": error.stderr, "kind": "NotSpecified"}

    def _services(self, _script: str) -> list[dict[str, Any]]:
        shown = {"Running": "Running", "Stopped": "Stopped", "StopPending": "Stop Pending", "Paused": "Paused"}
        return [
            {
                "Name": name,
                "State": shown[its.state],
                "StartMode": its.mode,
                "ExitCode": 0,
                "ServiceSpecificExitCode": 0,
                "ProcessId": its.pid if its.state != "Stopped" else 0,
                "PathName": its.path,
                "StartName": "LocalSystem",
            }
            for name, its in self.services.items()
        ]

    def _processes(self, _script: str) -> list[dict[str, Any]]:
        alive = [(4, "System", 0, "")] + [
            (its.pid, "python.exe", 4, its.path) for its in self.services.values() if its.state != "Stopped"
        ]
        return [
            {
                "ProcessId": pid,
                "ParentProcessId": parent,
                "Name": name,
                "CommandLine": command,
                "CreationDate": _utc(EPOCH + self.began[pid]),
                "WorkingSetSize": 1 << 20,
                "HandleCount": 5,
                "ThreadCount": 2,
                "KernelModeTime": 0,
                "UserModeTime": 0,
            }
            for pid, name, parent, command in alive
        ]

    def _ties(self, script: str) -> list[dict[str, Any]]:
        quoted = {name: "'" + name.replace("'", "''").lower() + "'" for name in self.services}
        asked = [name for name in self.services if quoted[name] in script.lower()]
        running = [name for name, its in self.services.items() if its.state != "Stopped"]
        return [
            {
                "Name": name,
                "StartType": {"Auto": "Automatic"}.get(self.services[name].mode, self.services[name].mode),
                "CanStop": self.services[name].can_stop,
                "Status": self.services[name].state,
                "Dependents": [other for other in running if name in self.services[other].requires],
            }
            for name in asked
        ]

    def _target(self, script: str) -> tuple[str, Service]:
        wanted = NAMED.findall(script)[0].replace("''", "'")
        return next((name, its) for name, its in self.services.items() if name.lower() == wanted.lower())

    def _stop(self, script: str) -> list[dict[str, Any]]:
        name, service = self._target(script)
        if any(name in its.requires and its.state != "Stopped" for its in self.services.values()):
            raise ToolFailed(["Stop-Service"], 1, f"Der Dienst {name} hat abhängige Dienste.")
        self.log.append(f"-{name}")
        service.state = "StopPending" if service.stuck else "Stopped"
        return [{"Status": service.state}]

    def _start(self, script: str) -> list[dict[str, Any]]:
        name, service = self._target(script)
        self.log.append(f"+{name}")
        if service.broken or service.mode == "Disabled":
            service.broken = max(0, service.broken - 1)
            raise ToolFailed(["Start-Service"], 1, f"Der Dienst {name} kann nicht gestartet werden.")
        service.state = "Running"
        self._begin(service)
        return [{"Status": "Running"}]

    @property
    def running(self) -> set[str]:
        return {name for name, service in self.services.items() if service.state == "Running"}


def _utc(seconds: float) -> str:

    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
