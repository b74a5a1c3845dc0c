# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows is asked: a command that is a function of a CDXML module says itself that a refusal stops it."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts" / "lint"
# The modules of Windows that are made of CDXML files: NetTCPIP, NetSecurity, NetAdapter, NetConnection, DnsClient,
# Storage, ScheduledTasks, SmbShare, Defender (Microsoft's documentation of each; *.cdxml in their folders).
CDXML = re.compile(
    r"\b(?:Get|Set|New|Remove|Enable|Disable|Start|Stop|Find|Test)-"
    r"(?:Net[A-Z]|Dns|Disk\b|Partition|Volume|PhysicalDisk|StoragePool|ScheduledTask|Smb|Mp[A-Z])\w*"
)
PLANTED = [
    ("Get-NetRoute | Select-Object NextHop", ["Get-NetRoute"]),
    ("Get-NetRoute -ErrorAction SilentlyContinue", ["Get-NetRoute"]),
    ("Get-Disk; Get-NetAdapter -ErrorAction Stop", ["Get-Disk"]),
    ("Some { Get-ScheduledTask }", ["Get-ScheduledTask"]),
    ("Get-NetUDPEndpoint -LocalPort 53 -ErrorAction Stop | Sort-Object", []),
    ("Get-Process | Get-Service", []),
]


def unstopped(script: str) -> list[str]:
    """Given a script, return the CDXML commands in it that a refusal does not stop."""
    found = CDXML.finditer(script)
    calls = [(match.group(), re.split(r"[|;}\n]", script[match.end() :], maxsplit=1)[0]) for match in found]
    return [name for name, words in calls if "-ErrorAction Stop" not in words]


def scripts() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every script that the core sends to a Windows host."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield from importlib.import_module("queries").scripts()
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.mark.case("WN1")
def test_every_cdxml_command_stops_at_a_refusal() -> None:
    asked = dict(scripts())
    assert [(name, commands) for name, text in asked.items() if (commands := unstopped(text))] == []
    assert sum(len(CDXML.findall(text)) for text in asked.values()) > 15  # the firewall's and the sockets'


@pytest.mark.case("WN1")
@pytest.mark.parametrize(("script", "expected"), PLANTED)
def test_one_that_does_not_is_found(script: str, expected: list[str]) -> None:
    assert unstopped(script) == expected


@pytest.mark.case("WN1")
def test_the_script_around_them_sets_the_preferences_that_functions_see() -> None:
    text = dict(scripts())["powershell.script_of"]
    assert "$global:ErrorActionPreference = 'Stop'" in text
    assert "$global:PSDefaultParameterValues = @{ '*:ErrorAction' = 'Stop' }" in text


# Get-WinEvent passes over a log that it may not read where it is asked by a hash table, by more than one log or by
# provider (TolerateQueryErrors in GetEventCommand.cs of PowerShell's sources), and then says that there were no events.
LENIENT = re.compile(r"Get-WinEvent\b(?![^|\n]*-(?:LogName|ListLog) (?:'\w+'|\$\w+)[^|\n,]*-ErrorAction Stop)[^|\n]*")
LENIENTLY_ASKED = [
    ("Get-WinEvent -FilterHashtable @{ LogName = 'System' } -ErrorAction Stop", 1),
    ("Get-WinEvent -LogName System", 1),
    ("Get-WinEvent -LogName 'System', 'Application' -ErrorAction Stop", 1),
    ("Get-WinEvent -ProviderName nssm -ErrorAction Stop | Select-Object Id", 1),
    ("Get-WinEvent -LogName 'System' -FilterXPath '*' -MaxEvents 5 -ErrorAction Stop | Select-Object Id", 0),
    ("$one = Get-WinEvent -ListLog $log -ErrorAction Stop", 0),
]


@pytest.mark.case("WN1", "L12a")
def test_event_logs_are_asked_so_that_a_refusal_is_an_error() -> None:
    asked = dict(scripts())
    assert [(name, LENIENT.findall(text)) for name, text in asked.items() if LENIENT.search(text)] == []
    assert sum(text.count("Get-WinEvent") for text in asked.values()) > 5


@pytest.mark.case("WN1")
@pytest.mark.parametrize(("script", "count"), LENIENTLY_ASKED)
def test_a_lenient_question_is_found(script: str, count: int) -> None:
    assert len(LENIENT.findall(script)) == count
