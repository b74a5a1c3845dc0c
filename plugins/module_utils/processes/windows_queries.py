# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of Windows about its processes. Each query answers plain objects in which no language matters."""

from __future__ import annotations

from ..powershell import some

# Services that share one svchost.exe have the same ProcessId.
SERVICES = some(
    """Get-CimInstance Win32_Service -Filter 'ProcessId > 0' -Property Name, ProcessId, StartName |
    Select-Object Name, ProcessId, StartName"""
)

# KernelModeTime and UserModeTime count 100 ns. The path and the command line of others are null without elevation.
PROCESSES = some(
    """Get-CimInstance Win32_Process | ForEach-Object { [pscustomobject]@{
    ProcessId = $_.ProcessId; ParentProcessId = $_.ParentProcessId; Name = $_.Name
    ExecutablePath = $_.ExecutablePath; CommandLine = $_.CommandLine; CreationDate = Utc $_.CreationDate
    WorkingSetSize = $_.WorkingSetSize; HandleCount = $_.HandleCount; ThreadCount = $_.ThreadCount
    KernelModeTime = $_.KernelModeTime; UserModeTime = $_.UserModeTime } }"""
)

# A number that rises with each boot. The time of the boot itself moves whenever the clock is set.
BOOT = """$key = 'HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters'
    Get-ItemProperty -LiteralPath $key | Select-Object BootId"""
QUERIES: dict[str, str] = {"processes": PROCESSES, "services": SERVICES, "boot": BOOT}
