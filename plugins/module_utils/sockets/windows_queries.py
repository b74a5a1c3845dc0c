# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of Windows about its sockets. Each query answers plain objects in which no language matters.

Every Windows listens on TCP (135) and UDP, runs processes and services: an empty answer is none.
"""

from __future__ import annotations

from ..powershell import some
from ..processes.windows_queries import SERVICES

TCP = some(
    "Get-NetTCPConnection -ErrorAction Stop -State Listen | Select-Object LocalAddress, LocalPort, OwningProcess"
)

# UDP has no states; an endpoint that is connected to one peer is listed like any other.
UDP = some("Get-NetUDPEndpoint -ErrorAction Stop | Select-Object LocalAddress, LocalPort, OwningProcess")

PROCESSES = some(
    """Get-CimInstance Win32_Process -Property ProcessId, Name, ExecutablePath |
    Select-Object ProcessId, Name, ExecutablePath"""
)

# It needs an elevated account; without one only the accounts of services are known.
USERS = some("Get-Process -IncludeUserName | Select-Object Id, UserName")

QUERIES: dict[str, str] = {
    "tcp": TCP,
    "udp": UDP,
    "processes": PROCESSES,
    "services": SERVICES,
    "users": USERS,
}
