# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listening sockets of a host with their owners: what service_check and firewall_audit both look at."""

from __future__ import annotations

from dataclasses import replace

from ..errors import CoreError
from ..host import Host
from .gather import GATHERERS
from .parse import SocketTable


def listening(host: Host) -> SocketTable:
    """Given a host, return its listening TCP and unconnected UDP sockets, by protocol, port, family and address.

    ``blind`` of the answer says why owners could not be seen, ``unread`` why sockets themselves could not. Raise
    CoreError where no sockets can be read at all, and ParseError where an answer is of another form than documented.
    """
    gather = GATHERERS.get(host.platform)
    if gather is None:
        raise CoreError(f"the listening sockets of a {host.platform} host cannot be read by this release")
    table = gather(host)
    ordered = sorted(table.sockets, key=lambda entry: (entry.proto, entry.port, entry.family, entry.address))
    return replace(table, sockets=tuple(ordered))
