# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules make of one connection that a known peer begins: the question that a probe's answer is held against.

An exposure says who reaches a listener, by whatever port and address is the most open. Here the port, the address and
the peer are given, and a redirect is followed to whoever listens where it leads.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ..firewall.context import Context
from ..firewall.listeners import Listener
from ..firewall.model.choices import USUAL_SOURCE_PORT
from ..firewall.model.evaluate import FILTERED, OPEN, Evaluator, Piece
from ..firewall.model.exposure import NO_ROUTE
from ..firewall.model.intervals import Intervals, contains, intersect, spanning
from ..firewall.model.packet import NOBODY_KNOWN, TCP, Packet
from ..firewall.model.ruleset import UNKNOWN


class Arrival(NamedTuple):
    """What becomes of a connection: open, filtered or unknown, by which rule, and the listener that it comes to (empty:
    nobody listens there). ``elsewhere`` is the other host that NAT leads it to, of which nothing more is known.
    """

    verdict: str
    rule: str
    listener: str = ""
    elsewhere: str = ""


class Questions:
    """A host's rules and listeners, ready to be asked about TCP connections of peers."""

    def __init__(self, context: Context) -> None:
        self._context, self._network = context, context.network
        self._evaluator = Evaluator(context.ruleset, replace(context.network.stack, local=context.network.local))

    def ask(self, address: str, port: int, source: str) -> Arrival:
        """Given an address and a port that a peer connects to and the peer's address, return what becomes of it."""
        at, peer = ipaddress.ip_address(address), ipaddress.ip_address(source)
        if not contains(self._network.local[at.version], int(at)):
            return Arrival(UNKNOWN, f"{address} is no address of this host: something on the way translates it")
        if self._network.unavailable:
            return Arrival(UNKNOWN, self._network.unavailable)
        packet = Packet(at.version, TCP, int(at), port, USUAL_SOURCE_PORT, "")
        arrivals = list(self._arrivals(packet, spanning(int(peer), int(peer))))
        for verdict in (OPEN, UNKNOWN, FILTERED):  # of several ways that it may come by the most open counts
            for arrival in arrivals:
                if arrival.verdict == verdict:
                    return arrival
        return Arrival(FILTERED, NO_ROUTE)

    def _arrivals(self, packet: Packet, peer: Intervals) -> Iterator[Arrival]:
        """Yield what becomes of it on each interface by which it may come: here, and where NAT leads it away."""
        served = self._listeners(packet, "")
        receivers = [each for listener in served for each in self._context.snapshot.receivers(listener)]
        for interface, sources in self._network.ways.get(packet.family, {}).items():
            for receiver in (receivers or [NOBODY_KNOWN]) if intersect(sources, peer) else ():
                sent = packet._replace(iif=interface).to(receiver)
                yield from (self._here(piece, interface) for piece in self._evaluator.exchange(sent, peer))
                yield from map(_elsewhere, self._evaluator.exchange(sent, peer, through=True))

    def _here(self, piece: Piece, interface: str) -> Arrival:
        if piece.verdict != OPEN:
            return Arrival(piece.verdict, piece.rule)
        listeners = self._listeners(piece.packet, interface)
        if not listeners and self._context.unread("tcp"):
            return Arrival(UNKNOWN, f"who listens cannot be seen: {self._context.unread('tcp')}")
        return Arrival(OPEN, piece.rule, ", ".join(map(str, listeners)))

    def _listeners(self, packet: Packet, interface: str) -> list[Listener]:
        """Given a packet as it arrives by an interface (empty: by any), return who gets it.

        A redirect may leave open which address of the host it is.
        """
        family, address = packet.family, packet.daddr
        return [
            listener
            for listener in (reach.listener for reach in self._context.reaches)
            if (listener.proto, listener.port) == ("tcp", packet.dport)
            and (not interface or listener.device in ("", interface))
            and (
                (family in listener.bound and (address is None or listener.bound[family] in (None, address)))
                or (address is not None and listener.inside.get(family) == address)
            )
        ]


def _elsewhere(piece: Piece) -> Arrival:
    """Given what becomes of a connection on its way to another host, return it so: whether that one listens is open."""
    kind = ipaddress.IPv4Address if piece.packet.family == 4 else ipaddress.IPv6Address
    at = piece.packet.daddr
    return Arrival(
        piece.verdict, piece.rule, "", f"{kind(at) if isinstance(at, int) else at} port {piece.packet.dport}"
    )
