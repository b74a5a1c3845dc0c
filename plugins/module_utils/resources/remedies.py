# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do on systems that lack the commands of the catalogue, which are those of Linux. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..finding import Finding
from .checks import CHECKS

_WINDOWS = {
    "mounts": "See what is there (`Get-Volume`, `Get-Partition`), bring the disk online, or correct "
    "cryptobot_thresholds.mounts.",
    "disk_space": "See what uses it (`Get-ChildItem -Recurse -File | Sort-Object Length | Select-Object -Last "
    "20`), run disk_cleanup, or enlarge the volume.",
    "memory": "See who uses it (`Get-Process | Sort-Object PrivateMemorySize64 | Select-Object -Last 10`), "
    "restart what leaks, add memory or enlarge the page file.",
    "swap": "See who uses memory (`Get-Process | Sort-Object PrivateMemorySize64 | Select-Object -Last 10`), or "
    "enlarge the page file.",
    "load": "See what runs (`Get-Process | Sort-Object CPU | Select-Object -Last 10`); move work, or add processors.",
    "cpu": "See what runs (`Get-Process | Sort-Object CPU | Select-Object -Last 10`); move work, or add processors.",
    "open_files": "Restart the process that is named: it does not give its handles back.",
    "oom_kills": "See event 2004 in the System log; bound the process that is named, add memory or enlarge the "
    "page file.",
    "clock": "Start the time service (`Set-Service W32Time -StartupType Automatic -Status Running`, then `w32tm "
    "/resync`) and see what it says (`w32tm /query /status /verbose`).",
    "inodes": "Unlock the volume or bring it online, and run it again.",
    "iowait": "See who writes (`perfmon /res`), and whether the disk is ill (`Get-PhysicalDisk`).",
    "steal": "The machine below is overbooked: ask its provider, or move the host.",
    "disk_forecast": "Find what grows, rotate or clean it, or enlarge the volume in time.",
}
_MACOS = {
    "mounts": "See what is there (`diskutil list`), mount it (`diskutil mount`), or correct "
    "cryptobot_thresholds.mounts.",
    "disk_space": "See what uses it (`du -xh -d 1 PATH | sort -h`), delete local snapshots (`tmutil "
    "listlocalsnapshots /`), run disk_cleanup, or enlarge the container.",
    "inodes": "Find the folder with too many small files and clean it.",
    "memory": "See who uses it (`top -o mem -l 1 -n 10`), restart what leaks, or add memory.",
    "swap": "See who uses memory (`top -o mem -l 1 -n 10`), or free disk space for swap files.",
    "load": "See what runs and what waits (`top -o cpu`).",
    "open_files": "See who holds them (`lsof | awk '{print $1}' | sort | uniq -c | sort -n`), or raise kern.maxfiles.",
    "connections": "See who opens them (`pfctl -s states`), or raise the limit of states in pf.conf.",
    "oom_kills": "Read the report (`ls -t /Library/Logs/DiagnosticReports/JetsamEvent*`); bound the process or "
    "add memory.",
    "clock": "Let macOS keep it (`systemsetup -setusingnetworktime on`) and see what the server says (`sntp "
    "time.apple.com`).",
    "iowait": "See who writes (`fs_usage -w`), and whether the disk is ill (`diskutil verifyVolume /`).",
}
REMEDIES: Mapping[str, Mapping[str, str]] = {"windows": _WINDOWS, "darwin": _MACOS}


def in_words_of(platform: str, findings: Iterable[Finding]) -> list[Finding]:
    """Given the platform of a host, return its findings with the remedies of that system, where they have one."""
    own = {f"resources.{name}": text for name, text in REMEDIES.get(platform, {}).items()}
    return [_in_words(finding, own.get(finding.check, "")) for finding in findings]


def _in_words(finding: Finding, remedy: str) -> Finding:
    """Return a finding with another remedy, where it has that of the catalogue."""
    usual = finding.remedy == CHECKS[finding.check].remedy
    return replace(finding, remedy=remedy) if remedy and usual else finding
