# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One dump request to the Linux kernel over netlink, and its messages (netlink(7))."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

NLMSG_ERROR, NLMSG_DONE = 2, 3
HEADER = struct.Struct("=IHHII")  # length with this header, type, flags, sequence number, port id


def messages(dump: bytes) -> Iterator[tuple[int, bytes]]:
    """Given what the kernel sent, return the type and payload of each message. What is cut off is left out."""
    place = 0
    while place + HEADER.size <= len(dump):
        length, kind = HEADER.unpack_from(dump, place)[:2]
        if length < HEADER.size or place + length > len(dump):
            return
        yield kind, dump[place + HEADER.size : place + length]
        place += (length + 3) & ~3  # messages begin at multiples of four bytes


def dump(family: int, request: bytes, *, timeout: float) -> bytes:
    """Given a netlink family and a dump request, return all messages of the answer. Raise OSError."""
    answer = bytearray()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family) as channel:
        channel.settimeout(timeout)
        channel.send(request)
        while True:
            datagram = channel.recv(1 << 16)
            answer += datagram
            if not datagram or any(kind in (NLMSG_ERROR, NLMSG_DONE) for kind, _payload in messages(datagram)):
                return bytes(answer)
