# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of other systems, made of recorded and constructed answers: whole, or with one source changed or taken away."""

from __future__ import annotations

import json
from typing import Any

from fake_host import FakeHost

from .examples import FIXTURES, fixture

WINDOWS = ("windows-server-2019", "windows-server-2022", "windows-11", "windows-server-2019-de")
POWERSHELL = "powershell/resources"
REPORT = "/Library/Logs/DiagnosticReports/JetsamEvent-2026-11-21-201500.ips"


def answer(system: str, query: str) -> Any:
    """Return the objects that a query gives on a system."""
    return json.loads(fixture(f"{POWERSHELL}/{system}/{query}.json"))


def answers(system: str) -> dict[str, Any]:
    """Return all answers of a system, as the bridge to PowerShell prints them."""
    files = sorted((FIXTURES / POWERSHELL / system).glob("*.json"))
    return {file.stem: {"value": answer(system, file.stem)} for file in files}


def windows(release: str = WINDOWS[0], /, **changes: Any) -> FakeHost:
    """Return a Windows host; a change replaces the whole answer of one query."""
    return FakeHost(
        "windows", commands={"powershell.exe": json.dumps({**answers(release), **changes})}, now=1_795_320_000.0
    )


MAC: dict[str, Any] = {
    "sysctl": fixture("sysctl/macos-14/resources.txt"),
    "vm_stat": fixture("vm_stat/macos-14/swapping.txt"),
    "mount": fixture("mount/macos-14/apple-silicon.txt"),
    "df -ki /System/Volumes/Data": fixture("df/macos-14/data.txt"),
    "top -l 2 -n 0 -s 1": fixture("top/macos-14/two-samples.txt"),
    "pfctl -s info": fixture("pfctl-state/macos-14/info.txt"),
    "pfctl -s memory": fixture("pfctl-state/macos-14/memory.txt"),
    "systemsetup -getusingnetworktime": fixture("systemsetup/macos-14/on.txt"),
    "systemsetup -getnetworktimeserver": fixture("systemsetup/macos-14/server.txt"),
    "sntp time.apple.com": fixture("sntp/macos-12/offset.txt"),
    "lsof -nP +L1 -FpcftDisn": fixture("lsof-deleted/macos-14/held.txt"),
}
MAC_FILES = {REPORT.rpartition("/")[0]: "", REPORT: fixture("jetsam/macos-15/JetsamEvent-2026-11-21-201500.ips")}


def mac(files: Any = None, admin: bool = True, without: str = "", **changes: Any) -> FakeHost:
    """Return a macOS host; a change replaces what one command prints, ``without`` takes one command away."""
    commands = {name: text for name, text in {**MAC, **changes}.items() if name != without}
    files = MAC_FILES if files is None else files
    return FakeHost("darwin", commands=commands, files=files, admin=admin, now=1_795_320_000.0)
