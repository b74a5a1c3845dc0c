# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Windows host is asked about a SQLite file: expressions of Windows PowerShell 5.1."""

from __future__ import annotations

from ...powershell import literal

# Kilobytes.
MEMORY = "Get-CimInstance Win32_OperatingSystem | Select-Object FreePhysicalMemory"


def drive(letter: str) -> str:
    """Given a drive such as ``C:``, return the query for what kind of drive it is and its file system."""
    return f"""
Get-CimInstance Win32_LogicalDisk | Where-Object {{ $_.DeviceID -eq {literal(letter)} }} |
    Select-Object DeviceID, DriveType, FileSystem
"""


def copy_rights(original: str, copy: str) -> str:
    """Given two files, return the query that gives the second one owner and access rights of the first."""
    return f"""
$rights = Get-Acl -LiteralPath {literal(original)}
Set-Acl -LiteralPath {literal(copy)} -AclObject $rights
'copied'
"""
