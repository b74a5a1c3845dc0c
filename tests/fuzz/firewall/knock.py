# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the lab: tries connections, all at once, and says which socket answered each.

A line of JSON on stdin is {"knocks": [[proto, family, source, device, target, port, options], ...], "patience": s}. The
answer is a list: a socket's name, "" where nothing came, "half" where a connection came about and no data came back.
``options`` are what a sender may choose: sport, ttl, tos; "ecn" beside the knocks asks for it on all of them.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
IPV6_UNICAST_HOPS, IPV6_TCLASS = 16, 67
LINGER = struct.pack("ii", 1, 0)
ECN = Path("/proc/sys/net/ipv4/tcp_ecn")


class Attempt:
    """One knock on its way."""

    def __init__(
        self, proto: str, family: int, source: str, device: str, target: str, port: int, options: dict[str, int]
    ) -> None:
        self.proto, self.answer = proto, ""
        self.one = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, KINDS[proto])
        self.one.setblocking(False)
        scope = socket.if_nametoindex(device) if device and family == 6 else 0
        if device and source:
            self.one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        self._choose(family, options)
        if source or options.get("sport"):
            self.one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.one.bind(_place(family, source, options.get("sport", 0), scope))
        with suppress(BlockingIOError):
            self.one.connect(_place(family, target, port, scope if target.startswith("fe80") else 0))
        if proto == "udp":
            self.one.send(b"?")

    def _choose(self, family: int, options: dict[str, int]) -> None:
        level = socket.IPPROTO_IP if family == 4 else socket.IPPROTO_IPV6
        if "ttl" in options:
            self.one.setsockopt(level, socket.IP_TTL if family == 4 else IPV6_UNICAST_HOPS, options["ttl"])
        if "tos" in options:
            self.one.setsockopt(level, socket.IP_TOS if family == 4 else IPV6_TCLASS, options["tos"])

    @property
    def wants(self) -> int:
        """What to wait for first."""
        return select.EPOLLOUT if self.proto == "tcp" else select.EPOLLIN

    def go_on(self, events: int, poll: select.epoll) -> bool:
        """Do what comes next, return whether it is over."""
        if self.proto == "tcp" and not self.answer and events & select.EPOLLOUT:
            if self.one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return True
            self.answer = "half"
            with suppress(OSError):
                self.one.send(b"?")
            poll.modify(self.one, select.EPOLLIN)
            return False
        try:
            said = self.one.recv(64).decode()
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.answer = said or self.answer
        return True

    def close(self) -> None:
        """Leave nothing behind."""
        self.one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        self.one.close()


def _place(family: int, address: str, port: int, scope: int) -> Any:
    return (address, port) if family == 4 else (address or "::", port, 0, scope if address.startswith("fe80") else 0)


def begin(knock: list[Any]) -> Optional[Attempt]:
    """Given a knock, return its attempt; None where it failed at once."""
    try:
        return Attempt(*knock)
    except OSError:
        return None


def try_all(knocks: list[list[Any]], patience: float) -> list[str]:
    """Given knocks, return who answered each."""
    poll = select.epoll()
    attempts = [begin(knock) for knock in knocks]
    running = {attempt.one.fileno(): attempt for attempt in attempts if attempt is not None}
    for number, attempt in running.items():
        poll.register(number, attempt.wants)
    until = time.monotonic() + patience
    while running and time.monotonic() < until:
        for number, events in poll.poll(max(0.0, until - time.monotonic())):
            if running[number].go_on(events, poll):
                poll.unregister(number)
                del running[number]
    for attempt in attempts:
        if attempt is not None:
            attempt.close()
    poll.close()
    return ["" if attempt is None else attempt.answer for attempt in attempts]


def main() -> None:
    """Answer until stdin ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["ecn"]:
            ECN.write_text("1", encoding="ascii")
        print(json.dumps(try_all(asked["knocks"], asked["patience"])), flush=True)
        if asked["ecn"]:
            ECN.write_text("2", encoding="ascii")


if __name__ == "__main__":
    main()
