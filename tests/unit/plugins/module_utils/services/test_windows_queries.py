# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The queries to Windows, evaluated by the real engine of PowerShell over recorded objects, and read for 5.1."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import powershell
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import ask, script_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes import windows_queries as processes
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.windows_queries import queries
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets import windows_queries as sockets

from .builders import FIXTURES

RECORDED = FIXTURES / "powershell"
WINEVENT = Path(__file__).resolve().parents[4] / "integration/windows/host/modules/Recorded/Get-WinEvent.ps1"
CHECK = Path(__file__).resolve().parents[5] / "scripts" / "lint" / "powershell51.ps1"
SYSTEMS = ("windows-server-2019", "windows-server-2022", "windows-11", "windows-server-2019-de")
# The commands of Windows, which answer with the recorded objects. An event has its values as objects of their own.
STAND_INS = r"""
function Recorded([string]$name) {
    Get-Content -LiteralPath "$folder/$name.json" -Raw -Encoding UTF8 | ConvertFrom-Json
}
function Get-CimInstance {
    param($ClassName, $Filter, $Property)
    $rows = Recorded @{ Win32_Process = 'processes'; Win32_Service = 'services' }[$ClassName]
    if ($Filter -eq 'ProcessId > 0') { $rows | Where-Object { $_.ProcessId -gt 0 } } else { $rows }
}
function Get-NetTCPConnection { param($State) Recorded tcp }
function Get-NetUDPEndpoint { Recorded udp }
function Get-Process { param([switch]$IncludeUserName) Recorded users }
function Get-Service {
    [CmdletBinding()] param()
    [pscustomobject]@{ Name = 'EventLog'; DependentServices = @() }  # no Windows is without any service
    foreach ($row in Recorded dependents) {
        $names = @($row.Dependents | ForEach-Object { [pscustomobject]@{ Name = $_ } })
        [pscustomobject]@{ Name = $row.Name; DependentServices = $names }
    }
}
function Get-ItemProperty {
    [CmdletBinding()] param($LiteralPath)
    if ($LiteralPath -like '*\PrefetchParameters') { return Recorded boot }
    $name = $LiteralPath.Split('\')[-2]
    $row = Recorded nssm | Where-Object { $_.Name -eq $name }
    if (-not $row) { return }
    [pscustomobject]@{ Application = $row.Application; AppParameters = $row.AppParameters
        AppDirectory = $row.AppDirectory; AppEnvironment = $null
        AppEnvironmentExtra = @('PASSWORD=hunter2', 'AUTH_PORT=9000') }
}
# The oldest event of each log is one that nothing else is asked of.
function Read-Log([string]$name) {
    $told = Recorded reach | Where-Object { $_.Log -eq $name }
    $file, $provider = 'nssm_restarts', 'nssm'
    if ($name -eq 'System') { $file, $provider = 'restarts', 'Service Control Manager' }
    $events = @([pscustomobject]@{ Id = 6005; ProviderName = 'EventLog'; TimeCreated = [datetime]$told.Oldest })
    foreach ($row in Recorded $file) {
        $values = foreach ($value in $row.Values) {
            $binary = "$value".EndsWith([char]0)
            $found = if ($binary) { , [Text.Encoding]::Unicode.GetBytes($value) } else { $value }
            [pscustomobject]@{ Value = $found }
        }
        $events += [pscustomobject]@{ Id = $row.Id; ProviderName = $provider; TimeCreated = [datetime]$row.TimeCreated
            Properties = $values }
    }
    @{ Events = $events; Enabled = $told.Enabled; Mode = $told.Mode; Full = $told.Full; Ageless = $true }
}
"""


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    if shutil.which("pwsh") is None:
        reason = "PowerShell is needed: no `pwsh` on PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    monkeypatch.setattr(powershell, "ARGV", ("pwsh", *powershell.ARGV[1:]))


def _rows(noun, system, name):
    return json.loads((RECORDED / noun / system / f"{name}.json").read_text("utf-8"))


def _answers(monkeypatch, noun, system, asked):
    folder = f"$folder = '{RECORDED / noun / system}'\n"
    monkeypatch.setattr(powershell, "_BEGIN", powershell._BEGIN + folder + STAND_INS + WINEVENT.read_text("utf-8"))
    return ask(choose_host(60.0), asked)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_queries_about_services_answer_what_is_recorded(system, monkeypatch):
    asked = queries(3600, everything=True)
    answers = _answers(monkeypatch, "services", system, asked)
    for name in set(asked) - {"nssm", "processes", "services"}:
        assert answers[name] == _rows("services", system, name), name
    # A property that an object lacks is null in the answer.
    for name in ("processes", "services"):
        kept = [{key: value for key, value in row.items() if value is not None} for row in answers[name]]
        wanted = [{k: v for k, v in row.items() if v is not None} for row in _rows("services", system, name)]
        assert kept == [{k: v for k, v in row.items() if k in answers[name][0]} for row in wanted], name


def test_of_the_environment_of_a_program_only_ports_leave_the_host(monkeypatch):
    answers = _answers(monkeypatch, "services", "windows-server-2022", queries(0, everything=False))
    assert {tuple(row["Environment"]) for row in answers["nssm"]} == {("AUTH_PORT=9000",)}
    assert "hunter2" not in json.dumps(answers.raw)
    assert [row["Name"] for row in answers["nssm"]] == [
        row["Name"] for row in _rows("services", "windows-server-2022", "nssm")
    ]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_queries_about_sockets_answer_what_is_recorded(system, monkeypatch):
    answers = _answers(monkeypatch, "sockets", system, sockets.QUERIES)
    for name in sockets.QUERIES:
        assert answers[name] == _rows("sockets", system, name), name


def test_windows_powershell_5_1_understands_every_query(tmp_path):
    asked = {**queries(3600, everything=True), **processes.QUERIES, **sockets.QUERIES}
    script = tmp_path / "script.ps1"
    script.write_text(script_of(asked), encoding="utf-8")
    argv = ["pwsh", "-NoProfile", "-File", str(CHECK), str(script)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")
