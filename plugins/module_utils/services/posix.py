# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Linux and macOS are asked alike: their processes and the sockets that listen."""

from __future__ import annotations

from typing import Optional

from ..errors import CoreError
from ..host import Host
from ..processes.collect import collect_census
from ..processes.model import Census
from ..sockets.collect import listening
from ..sockets.model import SocketTable
from .model import NOT_ASKED, Request, no_details


def collect_processes(host: Host) -> Census:
    """Return the processes of a host; where they cannot be listed, none, and why."""
    try:
        return collect_census(host)
    except CoreError as error:
        return Census(0.0, "", {}, no_details, f"the processes cannot be listed: {error}")


def listening_sockets(host: Host, request: Request) -> tuple[Optional[SocketTable], str]:
    """Return the listening sockets if they are wished for; where there are none to see, why."""
    if not request.sockets:
        return None, NOT_ASKED
    try:
        return listening(host), ""
    except CoreError as error:
        return None, f"the listening sockets cannot be read: {error}"
