# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Windows: what its rules are compared with, and the script that takes a change back, run by PowerShell's engine.

The stand-in for netsh writes down what it was told and ends with 0, as the real one does where it took the file.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply import SPEC, windows
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.declared import Opening, Refused
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.windows_queries import SCRIPT
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed

WINRM = Opening("tcp", 5986, 5986, "")
POLICY = [{"port": "5986", "proto": "tcp", "from": ["any"]}]
PROFILES = [{"Name": name, "Enabled": "True", "DefaultInboundAction": "Block"} for name in ("Domain", "Public")]
DEFAULTS = {name: option.get("default") for name, option in SPEC.items()}


class WindowsHost(FakeHost):
    """A host whose PowerShell answers from a table by the name of a query; ``asked`` has the queries."""

    def __init__(self, **answers: Any) -> None:
        super().__init__("windows", commands={"powershell.exe": ""})
        peers = [{"RemoteAddress": "10.0.0.9", "RemotePort": 50000}]
        self.answers = {"rules": [], "profiles": PROFILES, "peers": peers, "export": [0], "arm": ["x"], "disarm": ["x"]}
        self.answers.update(answers)
        self.asked = ""

    def run(self, argv: Any, *, stdin: Any = None, **more: Any) -> Completed:
        self.asked = base64.b64decode(stdin or "").decode()
        named = {name: {"value": value} for name, value in self.answers.items() if f"Ask '{name}'" in self.asked}
        return Completed(tuple(argv), 0, json.dumps(named), "")


def rule(name: str, works: bool = True) -> dict[str, Any]:
    return {"DisplayName": name, "Works": works}


@pytest.mark.parametrize(
    ("there", "steps"),
    [
        ({"rules": [rule("cryptobot tcp/5986 from any")]}, []),
        ({}, ["allow tcp/5986 from any"]),
        ({"rules": [rule("cryptobot tcp/5986 from any", works=False)]}, ["allow tcp/5986 from any"]),
        (
            {"rules": [rule("cryptobot tcp/5986 from any"), rule("cryptobot tcp/80 from any")]},
            ["remove cryptobot tcp/80 from any"],
        ),
        (
            {
                "rules": [rule("cryptobot tcp/5986 from any")],
                "profiles": [*PROFILES, {"Name": "Private", "Enabled": "True", "DefaultInboundAction": "Allow"}],
            },
            ["deny incoming"],
        ),
    ],
)
def test_windows_is_told_the_difference(there: dict[str, Any], steps: list[str]) -> None:
    found, _peers = windows.collect(WindowsHost(**there), 5986)
    assert [f"{step.action} {step.subject}" for step in windows.make_plan(found, [WINRM]).steps] == steps


def test_whoever_is_not_seen_to_be_connected_is_not_locked_out_but_refused() -> None:
    with pytest.raises(Refused, match="nobody is connected to port 5986"):
        windows.collect(WindowsHost(peers=[]), 5986)


def told(host: WindowsHost, folder: Path, state: str, **more: Any) -> Any:
    params = {**DEFAULTS, "state_dir": str(folder), "policy": POLICY, "state": state, **more}
    return run(params, host, False)


def test_a_change_is_confirmed_by_a_new_connection_when_all_is_done(tmp_path: Path) -> None:
    host = WindowsHost()
    params = {**DEFAULTS, "state_dir": str(tmp_path), "policy": POLICY, "state": "armed"}
    planned = run(params, host, True)
    assert planned.changed
    assert planned.diff == {"before": "", "after": "allow: tcp/5986 from any\n"}
    assert list(tmp_path.iterdir()) == []
    change_id = told(host, tmp_path, "armed").data["firewall_commit"]["id"]
    assert "S-1-5-18" in host.asked
    assert f"cryptobot-firewall-rollback-{change_id}" in host.asked
    host.answers["rules"] = [rule("cryptobot tcp/5986 from any")]
    with pytest.raises(Refused, match="expected a new one"):
        told(host, tmp_path, "confirmed", commit=change_id)
    host.answers["peers"] = [{"RemoteAddress": "10.0.0.9", "RemotePort": 50001}]
    host.answers["rules"] = []
    with pytest.raises(Refused, match="not all that was planned is done"):
        told(host, tmp_path, "confirmed", commit=change_id)
    host.answers["rules"] = [rule("cryptobot tcp/5986 from any")]
    done = told(host, tmp_path, "confirmed", commit=change_id)
    assert [(action.action, action.subject, action.reason) for action in done.actions] == [
        (action.action, action.subject, action.reason) for action in planned.actions
    ]
    assert [action.state for action in (*planned.actions, *done.actions)] == ["planned", "done"]
    assert [path.name for path in tmp_path.iterdir()] == ["firewall-rollback.ps1"]


def test_a_second_run_arms_nothing(tmp_path: Path) -> None:
    host = WindowsHost(rules=[rule("cryptobot tcp/5986 from any")])
    result = told(host, tmp_path, "armed")
    assert not result.changed
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_armed_where_netsh_kept_nothing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="netsh could not keep"):
        told(WindowsHost(export=[1]), tmp_path, "armed")
    assert not list(tmp_path.glob("firewall-armed*"))


def script(folder: Path, how: str, code: int = 0) -> subprocess.Popen[bytes]:
    pwsh = shutil.which("pwsh")
    if pwsh is None:
        pytest.skip("pwsh is not on PATH")
    tools = folder.parent / "tools"
    tools.mkdir()
    (tools / "netsh.exe").write_text(f'#!/bin/sh\necho "$@" >> {folder}/told\nexit {code}\n')
    (tools / "netsh.exe").chmod(0o755)
    (folder / "rollback.ps1").write_text(SCRIPT)
    argv = [pwsh, "-NoProfile", "-File", str(folder / "rollback.ps1"), str(folder), "a1", how]
    return subprocess.Popen(argv, env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"})


@pytest.fixture
def armed(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "firewall-armed-a1.json").write_text('{"manager": "windows", "peers": [], "steps": []}')
    (folder / "firewall-deadline-a1.txt").write_text("0")
    return folder


@pytest.mark.parametrize(("code", "verified"), [(0, "restored"), (1, "different")])
@pytest.mark.parametrize("how", ["timer", "run"])
def test_the_script_restores_what_is_not_confirmed(armed: Path, how: str, code: int, verified: str) -> None:
    assert script(armed, how, code).wait(60) == 0
    assert (armed / "told").read_text() == f"advfirewall import {armed}/firewall-before-a1.wfw\n"
    (change,) = windows.find_changes(FakeHost("windows"), armed)
    assert (change.state, change.how, change.verified) == ("rolled_back", how, verified)


def test_the_script_waits_for_a_deadline_that_is_moved_and_leaves_what_is_confirmed(armed: Path) -> None:
    (armed / "firewall-deadline-a1.txt").write_text(str(int(time.time()) + 3600))
    running = script(armed, "timer")
    time.sleep(2)
    assert running.poll() is None
    (armed / "firewall-armed-a1.json").rename(armed / "firewall-confirmed-a1.json")
    assert running.wait(60) == 0
    assert not (armed / "told").exists()
