# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Windows host is asked about its resources: expressions of Windows PowerShell 5.1, in one call.

Classes and properties of CIM, service names, registry values and event ids are the same in every language of Windows;
counter paths and messages are not, so none is used.
"""

from __future__ import annotations

from ..event_log import found, reach
from ..powershell import some
from .model import OF_CPU

# Event ids of the time service: 35 synchronising with a source, 37 valid data received; 36 not synchronised for a day,
# 47 no answer of a peer, 29 and 129 no source, 134 the source's name cannot be resolved.
TIME_GOOD, TIME_BAD = (35, 37), (29, 36, 47, 129, 134)

# A volume without a letter is named by the folder that it is mounted in; what is no local disk is sorted out later.
VOLUMES = some(
    """
Get-CimInstance Win32_Volume |
    Select-Object Name, DeviceID, DriveLetter, DriveType, FileSystem, Capacity, FreeSpace, SystemVolume
"""
)

# What an account that may not see volumes is still told: the disks that have a letter.
DISKS = some(
    """
Get-CimInstance Win32_LogicalDisk -Filter 'DriveType = 3' |
    Select-Object DeviceID, FileSystem, Size, FreeSpace
"""
)

# Kilobytes. FreePhysicalMemory counts the standby list too, whose pages are given away at once.
SYSTEM = some(
    """
Get-CimInstance Win32_OperatingSystem | ForEach-Object { [pscustomobject]@{
    TotalVisibleMemorySize = $_.TotalVisibleMemorySize; FreePhysicalMemory = $_.FreePhysicalMemory
    TotalVirtualMemorySize = $_.TotalVirtualMemorySize; FreeVirtualMemory = $_.FreeVirtualMemory } }
"""
)

# Megabytes.
PAGE_FILES = "Get-CimInstance Win32_PageFileUsage | Select-Object Name, AllocatedBaseSize, CurrentUsage"

QUEUE = some(
    """
$processors = (Get-CimInstance Win32_ComputerSystem).NumberOfLogicalProcessors
Get-CimInstance Win32_PerfRawData_PerfOS_System | ForEach-Object { [pscustomobject]@{
    ProcessorQueueLength = $_.ProcessorQueueLength; Processors = $processors } }
"""
)

HANDLES = some(
    """
Get-Process | Sort-Object HandleCount -Descending | Select-Object -First 1 |
    ForEach-Object { [pscustomobject]@{ Name = $_.ProcessName; Id = $_.Id; Handles = $_.HandleCount } }
"""
)

TIME_SERVICE = """
$settings = Get-ItemProperty -LiteralPath 'HKLM:\\SYSTEM\\CurrentControlSet\\Services\\W32Time\\Parameters'
Get-CimInstance Win32_Service -Filter "Name = 'W32Time'" | ForEach-Object { [pscustomobject]@{
    State = [string]$_.State; StartMode = [string]$_.StartMode
    Type = [string]$settings.Type; NtpServer = [string]$settings.NtpServer } }
"""

# Its words are translated, its lines and numbers are not: parse.py reads them by their place.
TIME_STATUS = "& w32tm.exe /query /status /verbose | ForEach-Object { [string]$_ }"
LOG = "System"  # where both are noted: what ran out, and what the time service says


def exhaustions(window: float) -> str:
    """Return the query for event 2004: Windows ran out of virtual memory, and names who held most of it."""
    body = """
    $most = ([xml]$_.ToXml()).Event.UserData.MemoryExhaustionInfo.ProcessInfo.Process_1
    [pscustomobject]@{ When = Utc $_.TimeCreated; Name = [string]$most.Name; Id = [string]$most.ID
        CommitCharge = [string]$most.CommitCharge }"""
    return found(LOG, "Microsoft-Windows-Resource-Exhaustion-Detector", (2004,), window, 50, body)


# How far back the log goes in which events 2004 are: without this, none of them means nothing.
LOG_REACH = reach((LOG,))


def time_events() -> str:
    """Return the query for the last word of the time service: 35 and 37 that it has a source, the others that not."""
    body = "[pscustomobject]@{ Id = $_.Id; When = Utc $_.TimeCreated }"
    return found(LOG, "Microsoft-Windows-Time-Service", (*TIME_GOOD, *TIME_BAD), 30 * 86400.0, 1, body)


def cpu(sample: float) -> str:
    """Return the query for two readings of each processor's idle time, in units of 100 ns, so many seconds apart."""
    return f"""
foreach ($reading in 1, 2) {{
    Get-CimInstance Win32_PerfRawData_PerfOS_Processor -Filter "Name <> '_Total'" |
        ForEach-Object {{ [pscustomobject]@{{ Reading = $reading; Name = $_.Name
            Idle = $_.PercentProcessorTime; At = $_.Timestamp_Sys100NS }} }}
    if ($reading -eq 1) {{ Start-Sleep -Milliseconds {max(1, int(sample * 1000))} }}
}}
"""


def queries(sample: float, window: float, skip: frozenset[str]) -> dict[str, str]:
    """Return what is asked, by name: without what only checks that are left out need. The sample comes last."""
    asked = {"volumes": VOLUMES, "disks": DISKS, "system": SYSTEM}
    optional = {
        "page_files": (PAGE_FILES, "swap"),
        "queue": (QUEUE, "load"),
        "handles": (HANDLES, "open_files"),
        "time_service": (TIME_SERVICE, "clock"),
        "time_status": (TIME_STATUS, "clock"),
        "time_events": (time_events(), "clock"),
        "exhaustions": (exhaustions(window), "oom_kills"),
        "log_reach": (LOG_REACH, "oom_kills"),
    }
    asked.update({name: query for name, (query, check) in optional.items() if check not in skip})
    return asked if sample <= 0 or skip >= OF_CPU else {**asked, "cpu": cpu(sample)}
