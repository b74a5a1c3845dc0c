# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of Windows about its services. Each query answers plain objects in which no language matters."""

from __future__ import annotations

from ..event_log import found, reach
from ..powershell import some
from ..processes.windows_queries import BOOT, PROCESSES
from ..sockets.windows_queries import TCP, UDP, USERS

# State and StartMode are English words on every Windows.
SERVICES = some(
    """Get-CimInstance Win32_Service | Select-Object Name, DisplayName, State, StartMode, DelayedAutoStart,
    ExitCode, ServiceSpecificExitCode, ProcessId, PathName, StartName"""
)

# What NSSM runs. Of the environment only ports leave the host: the rest may be secrets.
NSSM = """Get-CimInstance Win32_Service | Where-Object { $_.PathName -match 'nssm' } | ForEach-Object {
    $key = "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\$($_.Name)\\Parameters"
    $set = Get-ItemProperty -LiteralPath $key -ErrorAction SilentlyContinue
    $lines = @($set.AppEnvironment) + @($set.AppEnvironmentExtra)
    [pscustomobject]@{ Name = $_.Name; Application = $set.Application; AppParameters = $set.AppParameters
        AppDirectory = $set.AppDirectory
        Environment = @($lines | Where-Object { $_ -match '^\\w*PORT=\\d{1,5}$' }) } }"""

# Windows stops these together with a service, or refuses to stop it.
DEPENDENTS = f"""{some("Get-Service -ErrorAction SilentlyContinue")} |
    Where-Object {{ $_.DependentServices }} | ForEach-Object {{
    [pscustomobject]@{{ Name = $_.Name; Dependents = @($_.DependentServices | ForEach-Object {{ $_.Name }}) }} }}"""

# The values of an event, not its message: that is in the language of the host. The last value of what the service
# manager logs is binary: the name of the service.
_VALUES = """
    $values = $_.Properties | ForEach-Object {
        if ($_.Value -is [byte[]]) { [Text.Encoding]::Unicode.GetString($_.Value) } else { [string]$_.Value } }
    [pscustomobject]@{ Id = $_.Id; TimeCreated = Utc $_.TimeCreated; Values = @($values) }"""

# Of the service manager itself, and the one that NSSM writes to.
LOGS = ("System", "Application")
MAX_EVENTS = 5000

TERMINATED = (7031, 7034)  # a service ended unexpectedly, with and without a recovery action
NSSM_RESTART = (1014,)  # messages.mc of NSSM: the program ended, it is restarted

STATE: dict[str, str] = {"services": SERVICES, "processes": PROCESSES, "boot": BOOT, "nssm": NSSM}
MORE: dict[str, str] = {"dependents": DEPENDENTS, "tcp": TCP, "udp": UDP, "users": USERS}


def events(window: float) -> dict[str, str]:
    """Given a window in seconds, return the queries for services that ended unexpectedly or were restarted in it."""
    return {
        "restarts": found("System", "Service Control Manager", TERMINATED, window, MAX_EVENTS, _VALUES),
        "reach": reach(LOGS),
        "nssm_restarts": found("Application", "nssm", NSSM_RESTART, window, MAX_EVENTS, _VALUES),
    }


def queries(window: float, *, everything: bool) -> dict[str, str]:
    """Return what to ask: the state of the services, and where ``everything`` is wished the rest too."""
    return {**STATE, **(MORE if everything else {}), **(events(window) if window else {})}
