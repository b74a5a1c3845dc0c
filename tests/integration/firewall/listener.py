# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Listen on ports given as ``tcp:22 udp:53``, at all addresses of both families; answer each peer with one byte."""

from __future__ import annotations

import contextlib
import select
import socket
import sys

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def open_socket(family: socket.AddressFamily, proto: str, port: int) -> socket.socket:
    """Return a socket that waits on a port at all addresses of one family."""
    waiting = socket.socket(family, KINDS[proto])
    if proto == "tcp":
        waiting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        waiting.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    waiting.bind(("", port))
    if proto == "tcp":
        waiting.listen(128)
    return waiting


def greet(waiting: socket.socket) -> None:
    """Take a TCP connection and say a word, so that the peer knows that its packets arrive."""
    with contextlib.suppress(OSError), waiting.accept()[0] as connection:
        connection.sendall(b"!")


def main() -> None:
    """Wait for peers until somebody ends this process."""
    ports = [(word.split(":")[0], int(word.split(":")[1])) for word in sys.argv[1:]]
    waiting = [open_socket(family, *port) for port in ports for family in (socket.AF_INET, socket.AF_INET6)]
    print("ready", flush=True)
    while True:
        for one in select.select(waiting, [], [])[0]:
            if one.type == socket.SOCK_STREAM:
                greet(one)
            else:
                _data, peer = one.recvfrom(64)
                one.sendto(b"!", peer)


if __name__ == "__main__":
    main()
