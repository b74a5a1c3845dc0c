# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of Windows about its sockets. Each query answers plain objects in which no language matters."""

from __future__ import annotations

TCP = "Get-NetTCPConnection -State Listen | Select-Object LocalAddress, LocalPort, OwningProcess"

# UDP has no states; an endpoint that is connected to one peer is listed like any other.
UDP = "Get-NetUDPEndpoint | Select-Object LocalAddress, LocalPort, OwningProcess"

PROCESSES = """Get-CimInstance Win32_Process -Property ProcessId, Name, ExecutablePath |
    Select-Object ProcessId, Name, ExecutablePath"""

# Services that share one svchost.exe have the same ProcessId.
SERVICES = """Get-CimInstance Win32_Service -Filter 'ProcessId > 0' -Property Name, ProcessId, StartName |
    Select-Object Name, ProcessId, StartName"""

# It needs an elevated account; without one only the accounts of services are known.
USERS = "Get-Process -IncludeUserName | Select-Object Id, UserName"

QUERIES: dict[str, str] = {
    "tcp": TCP,
    "udp": UDP,
    "processes": PROCESSES,
    "services": SERVICES,
    "users": USERS,
}
