# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who can reach a listener: the join of sockets, rules and routes.

What a sender may choose (its port, which of the host's addresses, which port a redirect begins at) counts at its most
open: what one choice opens is open. Only unicast packets are looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from ..listeners import Listener
from .choices import USUAL_SOURCE_PORT, Choices
from .evaluate import FILTERED, OPEN, Evaluator, Piece
from .intervals import Intervals, contains, count, intersect, merge, subtract
from .network import ANY_SOURCE, LINK_LOCAL, Network
from .packet import LOOPBACK, NOBODY_KNOWN, TCP, UDP, Packet, Receiver
from .ruleset import UNKNOWN, Ruleset

LIMITED = "limited"  # open to a part of the sources that were asked for
PROTOCOL_NUMBERS = {"tcp": TCP, "udp": UDP}
# Banned addresses (fail2ban, a blocklist) and private networks that come from nowhere do not make a port closed: up to
# one 64th of the sources that are asked for. All private networks of IPv4 are one 200th of its addresses.
_BLOCKLIST_SHARE = 64
NO_ROUTE = "no route of this host leads to them"


@dataclass(frozen=True)
class Exposure:
    """What becomes of the first packets of one family for one listener: which sources get through, which may."""

    family: int
    pieces: tuple[Piece, ...] = ()
    why_none: str = ""

    @cached_property
    def open(self) -> Intervals:
        """The sources that get through."""
        return self._part(OPEN)

    @cached_property
    def unknown(self) -> Intervals:
        """The sources of which it is not known."""
        return subtract(self._part(UNKNOWN), self.open)

    def _part(self, verdict: str) -> Intervals:
        return merge(piece.sources for piece in self.pieces if piece.verdict == verdict)

    @cached_property
    def _answers(self) -> dict[Intervals, tuple[str, str]]:
        return {}  # many listeners share an exposure, and the same sources are asked about for each

    def verdict(self, sources: Intervals) -> str:
        """Given sources, return open (all get through), limited (some do), unknown (some may) or filtered (none)."""
        return self._answer(sources)[0]

    def decided_by(self, sources: Intervals) -> str:
        """Return the rule that decides for most of the sources, of those that make the verdict what it is."""
        return self._answer(sources)[1]

    def _answer(self, sources: Intervals) -> tuple[str, str]:
        if sources not in self._answers:
            verdict = self._verdict(sources)
            self._answers[sources] = (verdict, self._decider(sources, OPEN if verdict == LIMITED else verdict))
        return self._answers[sources]

    def _verdict(self, sources: Intervals) -> str:
        through = intersect(self.open, sources)
        if through:
            return OPEN if through == sources else LIMITED
        return UNKNOWN if intersect(self.unknown, sources) else FILTERED

    def nearly_open(self, sources: Intervals) -> bool:
        """Return whether all but a blocklist's worth of the sources get through."""
        stopped = subtract(sources, self.open)
        return count(stopped) * _BLOCKLIST_SHARE <= count(sources) and stopped != sources

    def _decider(self, sources: Intervals, verdict: str) -> str:
        pieces = [each for each in self.pieces if each.verdict == verdict and intersect(each.sources, sources)]
        if not pieces:
            return self.why_none or NO_ROUTE
        return max(pieces, key=lambda piece: count(intersect(piece.sources, sources))).rule


Receivers = Callable[[Listener], tuple[Receiver, ...]]


def same_for_all(_listener: Listener) -> tuple[Receiver, ...]:
    """Return who gets the packets of a listener where no rule tells processes apart."""
    return (NOBODY_KNOWN,)


class Exposer:
    """Rules and routes ready to be asked about listeners; what was asked before is remembered.

    ``receivers`` says which processes a listener stands for. Of several the most open one counts.
    """

    def __init__(self, ruleset: Ruleset, network: Network, receivers: Receivers = same_for_all) -> None:
        self._network = network
        self._receivers = receivers
        self._evaluator = Evaluator(ruleset, network.local)
        self._choices = Choices(ruleset)
        self._known: dict[tuple[object, ...], Exposure] = {}

    def outside(self, listener: Listener, family: int) -> Exposure:
        """Given a listener, return its exposure to what comes by the host's interfaces beside loopback."""
        if self._network.unavailable and family in listener.bound:
            packet = Packet(family, PROTOCOL_NUMBERS[listener.proto], None, listener.port, USUAL_SOURCE_PORT, "")
            return Exposure(family, (Piece(ANY_SOURCE[family], UNKNOWN, self._network.unavailable, packet),))
        addresses = listener.addresses(family, self._network)
        if not addresses:
            return Exposure(family, (), _nowhere(listener, family))
        return _most_open(
            self.port(listener.proto, listener.port, family, addresses, receiver)
            for receiver in self._receivers(listener)
        )

    def port(
        self, proto: str, port: int, family: int, addresses: tuple[int, ...], receiver: Receiver = NOBODY_KNOWN
    ) -> Exposure:
        """Given a port and the host's addresses at which it is served, return its exposure to the outside.

        Ports and processes that no rule tells apart share one answer.
        """
        number = PROTOCOL_NUMBERS[proto]
        key = (number, self._choices.port_class(port), family, addresses, self._choices.receiver_class(receiver))
        if key not in self._known:
            begin = Packet(family, number, None, port, USUAL_SOURCE_PORT, "").to(receiver)
            self._known[key] = Exposure(family, tuple(self._pieces(begin, addresses)))
        return self._known[key]

    def unthought(self, proto: str, family: int, addresses: tuple[int, ...]) -> Exposure:
        """Return the exposure of a port that no rule thinks of: of the widest range that all rules treat alike."""
        return self.port(proto, self._choices.widest(), family, addresses)

    def inside(self, listener: Listener, family: int) -> Exposure:
        """Given a listener, return its exposure to what runs on the host itself."""
        if family not in listener.inside:
            return Exposure(family, (), _nowhere(listener, family))
        return _most_open(self._inside(listener, family, receiver) for receiver in self._receivers(listener))

    def _inside(self, listener: Listener, family: int, receiver: Receiver) -> Exposure:
        address, number = listener.inside[family], PROTOCOL_NUMBERS[listener.proto]
        same = (self._choices.port_class(listener.port), self._choices.receiver_class(receiver))
        key = (number, same, family, (LOOPBACK, address))
        if key not in self._known:
            packet = Packet(family, number, address, listener.port, USUAL_SOURCE_PORT, LOOPBACK).to(receiver)
            self._known[key] = Exposure(family, (self._evaluator.exchange(packet, address),))
        return self._known[key]

    def _pieces(self, begin: Packet, addresses: tuple[int, ...]) -> Iterator[Piece]:
        for entry in dict.fromkeys((begin.dport, *self._choices.entries(begin, addresses))):
            for packet in self._choices.packets(begin._replace(dport=entry), addresses, begin.dport):
                for interface, sources in self._network.ways[begin.family].items():
                    sent = packet._replace(iif=interface)
                    yield from self._landing(sent, _possible(sent, sources), begin.dport, addresses)

    def _landing(self, sent: Packet, sources: Intervals, port: int, addresses: tuple[int, ...]) -> Iterator[Piece]:
        """Given a packet, return what becomes of it as far as that concerns what listens on ``port``."""
        for piece in self._evaluator.connect(sent, sources) if sources else ():
            final = piece.packet
            if final.dport == port and (final.daddr is None or final.daddr in addresses):
                yield piece
            elif sent.dport == port:
                yield Piece(piece.sources, FILTERED, f"port {port} is redirected to {_place(final)}", final)
            elif piece.verdict == UNKNOWN and not final.ct_status:
                yield piece  # it may have been redirected here


def _most_open(exposures: Iterator[Exposure]) -> Exposure:
    """Given the exposures of the processes of one listener, return what all of them let in together."""
    first, *others = exposures
    if not others:
        return first
    return replace(first, pieces=tuple(piece for each in (first, *others) for piece in each.pieces))


def _place(packet: Packet) -> str:
    """Given a packet behind a redirect, return where it goes, as far as the redirect names it."""
    kind = ipaddress.IPv4Address if packet.family == 4 else ipaddress.IPv6Address
    return f"port {packet.dport}" + ("" if packet.daddr is None else f" of {kind(packet.daddr)}")


def _possible(packet: Packet, sources: Intervals) -> Intervals:
    """Given a packet, return the sources that can send it: a link-local address is reached from its link only."""
    if packet.daddr is None or not contains(LINK_LOCAL, packet.daddr):
        return sources
    return intersect(sources, LINK_LOCAL)


def _nowhere(listener: Listener, family: int) -> str:
    if family in listener.bound:
        return f"this host has no IPv{family} address beyond loopback"
    return f"it serves no IPv{family}" if family not in listener.inside else "it is bound to loopback"
