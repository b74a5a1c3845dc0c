# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows is asked and told about a change of its firewall, and the script that takes one back: for Windows
PowerShell 5.1, no text of any language is read.
"""

from __future__ import annotations

from ..powershell import literal, some

_GROUP = "cryptobot.maintenance"

RULES = f"""Get-NetFirewallRule -PolicyStore PersistentStore -ErrorAction Stop |
    Where-Object {{ [string]$_.Group -eq {literal(_GROUP)} -and [string]$_.Direction -eq 'Inbound' }} |
    Select-Object DisplayName, @{{n='Works';e={{[string]$_.Enabled -eq 'True' -and [string]$_.Action -eq 'Allow'}}}}"""

PROFILES = some(
    """Get-NetFirewallProfile -PolicyStore ActiveStore -ErrorAction Stop | Select-Object Name,
    @{n='Enabled';e={[string]$_.Enabled}}, @{n='DefaultInboundAction';e={[string]$_.DefaultInboundAction}}"""
)

# Who is connected to the port of WinRM: this connection is among them.
_PEERS = """Get-NetTCPConnection -State Established -LocalPort %s -ErrorAction Stop |
    Select-Object RemoteAddress, RemotePort"""

# The time of the deadline may be moved while it waits. Whoever renames the record first has the change: this, or the
# confirmation. At the start of the system it comes as well, and waits no longer than the deadline says.
SCRIPT = r"""param([string]$Folder, [string]$Id, [string]$How)
$ErrorActionPreference = 'Stop'
$armed = Join-Path $Folder "firewall-armed-$Id.json"
$going = Join-Path $Folder "firewall-going-$Id.json"
$done = Join-Path $Folder "firewall-rolled_back-$Id.json"
while ($How -eq 'timer' -and (Test-Path -LiteralPath $armed)) {
    $deadline = 0
    try { $deadline = [long](Get-Content -LiteralPath (Join-Path $Folder "firewall-deadline-$Id.txt") -Raw) } catch { }
    $now = ([DateTime]::UtcNow - [DateTime]'1970-01-01').TotalSeconds
    if ($now -ge $deadline) { break }
    Start-Sleep -Milliseconds 500
}
try { Move-Item -LiteralPath $armed -Destination $going } catch { }
if (Test-Path -LiteralPath $going) {
    & netsh.exe advfirewall import (Join-Path $Folder "firewall-before-$Id.wfw") | Out-Null
    $verified = if ($LASTEXITCODE -eq 0) { 'restored' } else { 'different' }
    $when = [DateTime]::UtcNow.ToString('yyyy-MM-ddTHH:mm:ssZ')
    Set-Content -LiteralPath (Join-Path $Folder "firewall-rolled-$Id.txt") -Value "$How $when $verified"
    Move-Item -LiteralPath $going -Destination $done
}
"""

_EXPORT = "& netsh.exe advfirewall export {path} | Out-Null; $LASTEXITCODE"
_ARM = """
$words = '-NoProfile -NonInteractive -ExecutionPolicy Bypass -File "{{0}}" "{{1}}" {{2}} timer'
$words = $words -f {script}, {folder}, {id}
$action = New-ScheduledTaskAction -Execute powershell.exe -Argument $words -ErrorAction Stop
$then = [DateTime]::Now.AddSeconds({seconds})
$when = @((New-ScheduledTaskTrigger -Once -At $then -ErrorAction Stop),
    (New-ScheduledTaskTrigger -AtStartup -ErrorAction Stop))
$settings = New-ScheduledTaskSettingsSet -ErrorAction Stop -StartWhenAvailable -AllowStartIfOnBatteries `
    -DontStopIfGoingOnBatteries
$who = New-ScheduledTaskPrincipal -UserId S-1-5-18 -LogonType ServiceAccount -RunLevel Highest -ErrorAction Stop
$made = Register-ScheduledTask -ErrorAction Stop -TaskName {task} -Action $action -Trigger $when `
    -Settings $settings -Principal $who
[string]$made.TaskName
"""
_DISARM = "Unregister-ScheduledTask -TaskName {task} -Confirm:$false -ErrorAction Stop; 'gone'"


def peers(port: int) -> str:
    """Return the query for the connections to a port."""
    return _PEERS % literal(port)


def export(path: str) -> str:
    """Return the query that writes all of the firewall into a file, and answers netsh's exit code."""
    return _EXPORT.format(path=literal(path))


def arm(task: str, script: str, folder: str, change_id: str, seconds: float) -> str:
    """Return the query that has the task scheduler start the script by itself, as SYSTEM."""
    words = {"task": task, "script": script, "folder": folder, "id": change_id}
    return _ARM.format(**{name: literal(word) for name, word in words.items()}, seconds=literal(seconds))


def disarm(task: str) -> str:
    """Return the query that ends that."""
    return _DISARM.format(task=literal(task))
