# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows is asked, evaluated by the real engine of PowerShell over classes that are a few functions."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import powershell
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.event_log import parse_reach
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import Answers, ask
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import windows
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import Memory, Queue, kill
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.windows_queries import queries

WINEVENT = Path(__file__).resolve().parents[4] / "integration/windows/host/modules/Recorded/Get-WinEvent.ps1"
WINDOWS = r"""
$classes = @{
    Win32_Volume = @{ Name = 'C:\'; DeviceID = 'd'; DriveLetter = 'C:'; FileSystem = 'NTFS'; Capacity = [uint64]1000
        FreeSpace = [uint64]250; SystemVolume = $false; DirtyBitSet = $null }
    Win32_LogicalDisk = @{ DeviceID = 'C:'; FileSystem = 'NTFS'; Size = [uint64]1000; FreeSpace = [uint64]250 }
    Win32_OperatingSystem = @{ TotalVisibleMemorySize = [uint64]1000; FreePhysicalMemory = [uint64]400
        TotalVirtualMemorySize = [uint64]2000; FreeVirtualMemory = [uint64]1900 }
    Win32_PageFileUsage = @{ Name = 'C:\pagefile.sys'; AllocatedBaseSize = [uint32]10; CurrentUsage = [uint32]1 }
    Win32_ComputerSystem = @{ NumberOfLogicalProcessors = [uint32]4 }
    Win32_PerfRawData_PerfOS_System = @{ ProcessorQueueLength = [uint32]3 }
    Win32_Service = @{ Name = 'W32Time'; State = 'Running'; StartMode = 'Auto' }
}
$script:readings = 0
function Get-CimInstance {
    [CmdletBinding()] param([Parameter(Position = 0)][string]$ClassName, [string]$Filter)
    if ($ClassName -eq 'Win32_PerfRawData_PerfOS_Processor') {
        $script:readings++
        [pscustomobject]@{ Name = '0'; PercentProcessorTime = [uint64](100 * $script:readings)
            Timestamp_Sys100NS = [uint64](1000 * $script:readings) }
    } else { [pscustomobject]$classes[$ClassName] }
}
function Get-ItemProperty { param($LiteralPath) [pscustomobject]@{ Type = 'NTP'; NtpServer = 'time.windows.com,0x9' } }
function Get-Process { [pscustomobject]@{ ProcessName = 'few'; Id = 1; HandleCount = 5 }
    [pscustomobject]@{ ProcessName = 'many'; Id = 2; HandleCount = 50 } }
function w32tm.exe { 'line 1'; ''; "$args" }
function Read-Log([string]$name) {
    $most = '<Process_1><Name>a b.exe</Name><ID>7</ID><CommitCharge>1073741824</CommitCharge></Process_1>'
    $xml = "<Event xmlns='urn:e'><UserData><MemoryExhaustionInfo xmlns='urn:m'><ProcessInfo>$most</ProcessInfo>" +
        '</MemoryExhaustionInfo></UserData></Event>'
    $when = ([datetimeoffset]'2026-11-21T00:00:00Z').LocalDateTime
    $event = [pscustomobject]@{ Id = 2004; ProviderName = 'Microsoft-Windows-Resource-Exhaustion-Detector'
        TimeCreated = $when; Xml = $xml }
    $event | Add-Member -MemberType ScriptMethod -Name ToXml -Value { $this.Xml }
    $first = ([datetimeoffset]'2026-11-01T04:00:00+02:00').LocalDateTime
    $oldest = [pscustomobject]@{ Id = 6005; ProviderName = 'EventLog'; TimeCreated = $first }
    @{ Events = @($event, $oldest); Enabled = $true; Mode = 'Circular'; Full = $false; Ageless = $true
        Fails = '{fails}' }
}
"""


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("pwsh") is None:
        reason = "PowerShell is needed: no `pwsh` on PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    monkeypatch.setattr(powershell, "ARGV", ("pwsh", *powershell.ARGV[1:]))


def answered(monkeypatch: pytest.MonkeyPatch, fails: str = "") -> Answers:
    """Return what all queries answer, where reading the System log fails so."""
    windows = WINDOWS.replace("{fails}", fails) + WINEVENT.read_text("utf-8")
    monkeypatch.setattr(powershell, "_BEGIN", powershell._BEGIN + windows)
    return ask(choose_host(60.0), queries(0.01, 86400.0, frozenset()))


def test_every_query_answers_what_its_parser_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = answered(monkeypatch)
    seen: dict[str, Any] = {
        "volumes": [mount.path for mount in windows.parse_volumes(answers["volumes"])],
        "disks": [mount.path for mount in windows.parse_disks(answers["disks"])],
        "memory": windows.parse_memory(answers["system"]),
        "log_reach": parse_reach("log_reach", answers["log_reach"], ("System",)),
        "swap": windows.parse_page_files(answers["page_files"]).used,  # type: ignore[union-attr]
        "queue": windows.parse_queue(answers["queue"]),
        "handles": windows.parse_handles(answers["handles"]).used,
        "cpu": windows.parse_cpu(answers["cpu"]).busy,
        "exhaustions": windows.parse_exhaustions(answers["exhaustions"]),
        "service": windows.parse_service(answers["time_service"]).state,
        "status": answers["time_status"],
        "last_word": windows.parse_last_word(answers["time_events"]),
    }
    assert seen == {
        "volumes": ["C:\\"],
        "disks": ["C:\\"],
        "memory": Memory(1000 * 1024, 400 * 1024),
        "log_reach": (1793498400.0, ()),
        "swap": 1 << 20,
        "queue": Queue(3, 4),
        "handles": 50,
        "cpu": 0.9,
        "exhaustions": ((kill(1795219200.0, "a b.exe (pid 7, 1.0 GiB)"),), ()),
        "service": "Running",
        "status": ["line 1", "", "/query /status /verbose"],
        "last_word": None,
    }


@pytest.mark.case("WN1")
@pytest.mark.parametrize(("fails", "reason"), [("refused", "unauthorized"), ("down", "RPC server is unavailable")])
def test_a_log_that_does_not_answer_is_no_quiet_one(monkeypatch: pytest.MonkeyPatch, fails: str, reason: str) -> None:
    answers = answered(monkeypatch, fails)
    for query in ("exhaustions", "log_reach", "time_events"):
        with pytest.raises(CoreError, match=reason):
            answers[query]
