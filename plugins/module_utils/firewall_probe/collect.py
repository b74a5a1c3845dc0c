# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Knocking: one TCP connection at a time is begun, at a bounded rate, and closed as soon as it opens."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Optional

from ..host import Host
from .declared import Pair

OPEN, REFUSED, TIMEOUT, UNREACHABLE, ERROR = ANSWERS = ("open", "refused", "timeout", "unreachable", "error")
# EACCES is how Linux tells an ICMPv6 message "administratively prohibited" (net/ipv6/icmp.c, tab_unreach).
_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EACCES, getattr(errno, "EHOSTDOWN", -1)}
_DISCARD = 9  # connecting a UDP socket sends nothing, whatever the port


class Reply(NamedTuple):
    """What came of a connection: one of ANSWERS, after how many milliseconds, and what the system said."""

    answer: str
    ms: float
    why: str = ""


class Knock(NamedTuple):
    """A pair, the address of this host from which it was knocked at (empty: no route leads there), and the reply."""

    pair: Pair
    source: str
    reply: Reply

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        _host, address, port = self.pair
        return {"address": address, "port": port, "proto": "tcp", "source": self.source, **self.reply._asdict()}


def source_of(address: str) -> str:
    """Given a peer's address, return the address of this host that packets to it leave with. Raise OSError."""
    with socket.socket(_family(address), socket.SOCK_DGRAM) as unsent:
        unsent.connect((address, _DISCARD))
        return str(unsent.getsockname()[0])


def connect(address: str, port: int, wait: float) -> Reply:
    """Given a peer, begin a TCP connection and close it, and return what came of it. Nothing is sent over it."""
    begun = time.monotonic()
    try:
        with socket.socket(_family(address), socket.SOCK_STREAM) as tried:
            tried.settimeout(wait)
            tried.connect((address, port))
            answer, why = OPEN, ""
    except OSError as error:
        answer, why = name_of(error)
    return Reply(answer, round((time.monotonic() - begun) * 1000, 1), why)


def name_of(error: OSError) -> tuple[str, str]:
    """Given what ended a connection, return which answer that is and what the system said."""
    if isinstance(error, (socket.timeout, TimeoutError)) or error.errno == errno.ETIMEDOUT:
        return TIMEOUT, ""
    if isinstance(error, ConnectionRefusedError):
        return REFUSED, ""
    said = error.strerror or str(error)
    return (UNREACHABLE if error.errno in _UNREACHABLE else ERROR), said


class Door(NamedTuple):
    """What there is of the network: what a test puts something else in place of."""

    source: Callable[[str], str] = source_of
    connect: Callable[[str, int, float], Reply] = connect


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def knock_all(host: Host, pairs: Sequence[Pair], rate: int, wait: float, door: Door) -> list[Knock]:
    """Given pairs, knock at each, and return what came of it in the same order.

    No more than ``rate`` are begun a second, by this host in all; one that hangs holds up no other.
    """
    begun: list[tuple[Pair, str, str, Optional[Future[Reply]]]] = []
    with ThreadPoolExecutor(int(rate * wait) + 1) as pool:
        for pair in pairs:
            source, why = _source(door, pair.address)
            if source and any(future for *_pair, future in begun):
                host.pause(1 / rate)
            begun.append((pair, source, why, pool.submit(door.connect, *pair[1:], wait) if source else None))
    return [
        Knock(pair, source, future.result() if future else Reply(UNREACHABLE, 0.0, why))
        for pair, source, why, future in begun
    ]


def _source(door: Door, address: str) -> tuple[str, str]:
    try:
        return door.source(address), ""
    except OSError as error:
        return "", error.strerror or str(error)
