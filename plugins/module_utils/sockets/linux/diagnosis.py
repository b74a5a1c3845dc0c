# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's socket diagnosis (sock_diag(7)): the one place that says whether an IPv6 socket also takes IPv4 peers.

Pure: the request that Host.ask_kernel sends, and the reading of what comes back.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from ...netlink import HEADER, messages

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
INET_DIAG_SKV6ONLY = 11
_PROTOCOLS = {"tcp": (socket.IPPROTO_TCP, 1 << 10), "udp": (socket.IPPROTO_UDP, 1 << 7)}  # with the bit of the state
_REQUEST = struct.Struct("=BBBxI48x")  # family, protocol, extensions, states, any socket
_MESSAGE = struct.Struct("=4x48x16xI")  # inet_diag_msg of linux/inet_diag.h: of it only the inode, its last field
_ATTRIBUTE = struct.Struct("=HH")


def listeners_request(proto: str) -> bytes:
    """Given tcp or udp, return the request for all its IPv6 sockets that wait for peers."""
    protocol, states = _PROTOCOLS[proto]
    body = _REQUEST.pack(socket.AF_INET6, protocol, 0, states)
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body


def parse_v6only(dump: bytes) -> dict[int, bool]:
    """Given the kernel's answer, return by inode whether the socket takes IPv6 peers only."""
    answer = {}
    for kind, payload in messages(dump):
        if kind == SOCK_DIAG_BY_FAMILY and len(payload) >= _MESSAGE.size:
            inode = _MESSAGE.unpack_from(payload)[0]
            values = [value for name, value in _attributes(payload) if name == INET_DIAG_SKV6ONLY]
            if values:
                answer[inode] = bool(values[0][0])
    return answer


def _attributes(payload: bytes) -> Iterator[tuple[int, bytes]]:
    place = _MESSAGE.size
    while place + _ATTRIBUTE.size < len(payload):
        length, name = _ATTRIBUTE.unpack_from(payload, place)
        if length <= _ATTRIBUTE.size:
            return
        yield name, payload[place + _ATTRIBUTE.size : place + length]
        place += (length + 3) & ~3
