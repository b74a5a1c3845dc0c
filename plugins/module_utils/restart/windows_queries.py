# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows is asked and told of services and scripts: Windows PowerShell 5.1, no text of any language is read.

A service is named to the cmdlets as a pattern, so each name is escaped. A wait is a loop within one powershell.exe,
because starting one costs a second.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from ..powershell import literal

_NAMED = "$name = [Management.Automation.WildcardPattern]::Escape({name})"
_UNTIL = "$until = [DateTime]::UtcNow.AddSeconds({seconds})"
_STATE = "$state = [string](Get-Service -Name $name).Status"
_ANSWER = "[pscustomobject]@{ Status = $state }"

# Stop-Service without -Force refuses where something that runs depends on the service. While it is pending it takes no
# order: then it is waited for first.
_STOP = f"""
{_NAMED}
{_UNTIL}
$told = $false
while ($true) {{{{
    {_STATE}
    if ($state -eq 'Stopped' -or [DateTime]::UtcNow -ge $until) {{{{ break }}}}
    if (-not $told -and $state -notlike '*Pending') {{{{
        Stop-Service -Name $name -NoWait -WarningAction SilentlyContinue
        $told = $true
    }}}}
    Start-Sleep -Milliseconds 250
}}}}
"""
_START = f"""
{_NAMED}
{_UNTIL}
$told = $false
while ($true) {{{{
    {_STATE}
    if ($state -eq 'Running' -or [DateTime]::UtcNow -ge $until) {{{{ break }}}}
    if ($told -and $state -eq 'Stopped') {{{{ break }}}}
    if (-not $told -and $state -notlike '*Pending') {{{{
        Start-Service -Name $name -WarningAction SilentlyContinue
        $told = $true
    }}}}
    Start-Sleep -Milliseconds 250
}}}}
"""
_TIES = """
%s | ForEach-Object {
    $name = [Management.Automation.WildcardPattern]::Escape($_)
    Get-Service -Name $name -ErrorAction SilentlyContinue
} | ForEach-Object {
    [pscustomobject]@{
        Name = [string]$_.Name
        StartType = [string]$_.StartType
        CanStop = [bool]$_.CanStop
        Status = [string]$_.Status
        Dependents = @($_.DependentServices | Where-Object { [string]$_.Status -ne 'Stopped' } |
            ForEach-Object { [string]$_.Name })
    }
}
"""
# Made by the service of WMI, a process does not end with the connection that this one came over.
_CREATE = """
$made = Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments @{ CommandLine = %s%s }
[pscustomobject]@{ ReturnValue = [int]$made.ReturnValue; ProcessId = [int]$made.ProcessId }
"""


def stop(name: str, seconds: float) -> str:
    """Return the query that stops a service and tells its ``Status`` at the end of the wait."""
    return _STOP.format(name=literal(name), seconds=literal(float(seconds))) + _ANSWER


def start(name: str, seconds: float) -> str:
    """Return the query that starts a service and tells its ``Status`` at the end of the wait."""
    return _START.format(name=literal(name), seconds=literal(float(seconds))) + _ANSWER


def ties(names: Sequence[str]) -> str:
    """Return the query for services' start type, whether each takes a stop, and what runs and depends on it."""
    return _TIES % literal(names)


def create(command: Sequence[str], folder: str) -> str:
    """Return the query that starts a process on its own feet."""
    where = f"; CurrentDirectory = {literal(folder)}" if folder else ""
    return _CREATE % (literal(subprocess.list2cmdline(command)), where)
