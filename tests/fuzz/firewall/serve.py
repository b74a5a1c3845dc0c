# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server of the lab, in its namespace: each socket answers whoever asks with its own name.

A line of JSON on stdin is a list of sockets (proto, address, port, device, v6only, scope, uid) to serve instead of
those before, connections included; the answer is a line ``[]``, or the names of those that could not be made.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

QUESTION = b"?"  # what knock.py sends
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
SO_RCVBUFFORCE, IP_PKTINFO, IPV6_RECVPKTINFO, IPV6_PKTINFO = 33, 8, 49, 50
LINGER = struct.pack("ii", 1, 0)  # a connection that is closed leaves nothing behind


def open_socket(proto: str, address: str, port: int, device: str, v6only: bool, scope: str, uid: int) -> socket.socket:
    """Return a socket that waits as it is described."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    os.seteuid(uid)
    try:
        waiting = socket.socket(family, KINDS[proto])
    finally:
        os.seteuid(0)
    waiting.setblocking(False)
    waiting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        waiting.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
    if device:
        waiting.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    place = (address, port, 0, socket.if_nametoindex(scope) if scope else 0)
    waiting.bind(place if family == socket.AF_INET6 else place[:2])
    if proto == "tcp":
        waiting.listen(4096)
    else:
        waiting.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
        if family == socket.AF_INET6:
            waiting.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        with suppress(OSError):
            waiting.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    return waiting


def answer_datagrams(waiting: socket.socket, name: bytes) -> None:
    """Answer all that ask, each from the address that it was sent to.

    An answer is not answered: NAT may make two sockets of this process, or one and itself, talk for ever.
    """
    with suppress(OSError):
        while True:
            data, around, _flags, peer = waiting.recvmsg(64, 256)
            if data != QUESTION:
                continue
            with suppress(OSError):
                waiting.sendmsg(
                    [name], [_back(item) for item in around if item[1] in (IP_PKTINFO, IPV6_PKTINFO)], 0, peer
                )


def _back(item: tuple[int, int, bytes]) -> tuple[int, int, bytes]:
    level, kind, data = item
    if kind == IP_PKTINFO:  # index, address to answer from, address that was asked
        return level, kind, struct.pack("i", 0) + data[8:12] + data[8:12]
    address, index = data[:16], data[16:]
    link_local = address[0] == 0xFE and address[1] & 0xC0 == 0x80
    return level, kind, address + (index if link_local else struct.pack("i", 0))


class Server:
    """The sockets and the connections that came."""

    def __init__(self) -> None:
        self.poll = select.epoll()
        self.waiting: dict[int, tuple[socket.socket, bytes]] = {}
        self.connections: dict[int, tuple[socket.socket, bytes]] = {}

    def serve(self, sockets: list[list[Any]]) -> list[str]:
        """Serve these sockets instead of those before, return what could not be made."""
        failed = []
        for one, _name in (*self.waiting.values(), *self.connections.values()):
            one.close()
        self.waiting, self.connections = {}, {}
        for name, *how in sockets:
            try:
                made = open_socket(*how)
            except OSError as error:
                failed.append(f"{name}: {error}")
                continue
            self.waiting[made.fileno()] = (made, name.encode())
            self.poll.register(made, select.EPOLLIN)
        return failed

    def handle(self, number: int) -> None:
        """Do what a socket asks for."""
        if number in self.waiting:
            one, name = self.waiting[number]
            if one.type == socket.SOCK_DGRAM:
                answer_datagrams(one, name)
            else:
                self._accept(one, name)
        elif number in self.connections:
            self._reply(number)

    def _accept(self, one: socket.socket, name: bytes) -> None:
        with suppress(OSError):
            while True:
                made, _peer = one.accept()
                made.setblocking(False)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
                self.connections[made.fileno()] = (made, name)
                self.poll.register(made, select.EPOLLIN)

    def _reply(self, number: int) -> None:
        one, name = self.connections[number]
        try:
            if one.recv(64):
                one.send(name)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        del self.connections[number]
        one.close()


def main() -> None:
    """Serve until stdin ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server()
    server.poll.register(sys.stdin, select.EPOLLIN)
    while True:
        for number, _events in server.poll.poll():
            if number == sys.stdin.fileno():
                line = sys.stdin.readline()
                if not line:
                    return
                print(json.dumps(server.serve(json.loads(line))), flush=True)
            else:
                server.handle(number)


if __name__ == "__main__":
    main()
