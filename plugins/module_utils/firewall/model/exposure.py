# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who can reach a listener: the join of sockets, rules and routes.

What a sender may choose (its port, which of the host's addresses, which port a redirect begins at) counts at its most
open: what one choice opens is open. Only unicast packets are looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from ..listeners import Listener
from .choices import USUAL_SOURCE_PORT, Choices
from .evaluate import FILTERED, OPEN, Evaluator, Piece
from .index import concerns
from .intervals import BITS, Intervals, contains, count, few, intersect, merge, networks, spanning, subtract
from .network import ANY_SOURCE, LINK_LOCAL, LOOPBACK_ADDRESS, LOOPBACK_SOURCES, Network
from .packet import LOOPBACK, NOBODY_KNOWN, TCP, UDP, Packet, Receiver, Value
from .ruleset import UNKNOWN, FilterRule, Match, Ruleset

LIMITED = "limited"  # open to a part of the sources that were asked for
PROTOCOL_NUMBERS = {"tcp": TCP, "udp": UDP}
# Banned addresses (fail2ban, a blocklist) and private networks that come from nowhere do not make a port closed: up to
# one 64th of the sources that are asked for. All private networks of IPv4 are one 200th of its addresses.
_BLOCKLIST_SHARE = 64
_MANY_PUBLISHED = 256  # ports of other hosts that are looked at
NO_ROUTE = "no route of this host leads to them"
SOME_ADDRESS = "to which address of this host it leads is not known"
OTHER_SOURCE = "a socket of all addresses may answer from another one"
NO_SUCH_DEVICE = "it is bound to {}, of which nothing is known"
ONE_WAY = "a datagram may arrive, but no route leads back, so no answer leaves"


@dataclass(frozen=True)
class Exposure:
    """What becomes of the packets of one family for one listener: which sources get through, which may.

    ``own`` are the host's addresses: nobody outside has them, so they are none of the sources that are asked about.
    """

    family: int
    pieces: tuple[Piece, ...] = ()
    why_none: str = ""
    own: Intervals = ()

    @cached_property
    def open(self) -> Intervals:
        """The sources that get through."""
        return self._part(OPEN)

    @cached_property
    def unknown(self) -> Intervals:
        """The sources of which it is not known."""
        return subtract(self._part(UNKNOWN), self.open)

    @cached_property
    def through(self) -> Intervals:
        """Who gets through, with the host's own addresses: one that it gives up is no news of somebody else's."""
        return merge([self.open, self.own]) if self.open else ()

    @cached_property
    def words(self) -> list[str]:
        """Words for who gets through."""
        return describe(self.family, self.open, self.own)

    def _part(self, verdict: str) -> Intervals:
        return merge(piece.sources for piece in self.pieces if piece.verdict == verdict)

    @cached_property
    def _answers(self) -> dict[Intervals, tuple[str, str, bool]]:
        return {}  # many listeners share an exposure, and the same sources are asked about for each

    def verdict(self, sources: Intervals) -> str:
        """Given sources, return open (all get through), limited (some do), unknown (some may) or filtered (none)."""
        return self._answer(sources)[0]

    def decided_by(self, sources: Intervals) -> str:
        """Return the rule that decides for most of the sources, of those that make the verdict what it is."""
        return self._answer(sources)[1]

    def nearly_open(self, sources: Intervals) -> bool:
        """Return whether all but a blocklist's worth of the sources get through."""
        return self._answer(sources)[2]

    def _answer(self, sources: Intervals) -> tuple[str, str, bool]:
        if sources not in self._answers:
            asked, stopped = subtract(sources, self.own), subtract(sources, self.open)
            verdict = self._verdict(asked)
            nearly = count(stopped) * _BLOCKLIST_SHARE <= count(sources) and stopped != sources
            self._answers[sources] = (verdict, self._decider(asked, OPEN if verdict == LIMITED else verdict), nearly)
        return self._answers[sources]

    def _verdict(self, sources: Intervals) -> str:
        through = intersect(self.open, sources)
        if through:
            return OPEN if through == sources else LIMITED
        return UNKNOWN if intersect(self.unknown, sources) else FILTERED

    def _decider(self, sources: Intervals, verdict: str) -> str:
        pieces = [each for each in self.pieces if each.verdict == verdict and intersect(each.sources, sources)]
        if not pieces:
            return self.why_none or NO_ROUTE
        return max(pieces, key=lambda piece: count(intersect(piece.sources, sources))).rule


def describe(family: int, sources: Intervals, own: Intervals = ()) -> list[str]:
    """Given sources, return words for them: any where all of a family are meant, but for a few.

    Nobody outside has one of the host's ``own`` addresses: one that lies among the sources is no hole.
    """
    single = [first for first, end in zip(own[::2], own[1::2]) if end == first + 1]
    beside = [spanning(at, at) for at in single if contains(sources, at - 1) or contains(sources, at + 1)]
    sources = merge([sources, *beside])
    missing = subtract(ANY_SOURCE[family], sources)
    if not missing:
        return ["any"]
    if count(missing) < count(sources):
        return [f"any but {' '.join(networks(family, missing))}"]
    return networks(family, sources)


Receivers = Callable[[Listener], tuple[Receiver, ...]]


def same_for_all(_listener: Listener) -> tuple[Receiver, ...]:
    """Return who gets the packets of a listener where no rule tells processes apart."""
    return (NOBODY_KNOWN,)


class Published(NamedTuple):
    """A port that rules lead to another host (a container): where to, who gets through to it, and the rule."""

    family: int
    proto: str
    port: int
    address: int
    target: int
    exposure: Exposure
    rule: str


class Exposer:
    """Rules and routes ready to be asked about listeners; what was asked before is remembered.

    ``receivers`` says which processes a listener stands for. Of several the most open one counts.
    """

    def __init__(self, ruleset: Ruleset, network: Network, receivers: Receivers = same_for_all) -> None:
        self._network = network
        self._receivers = receivers
        self._choices = Choices(ruleset)
        set_bits = [effect.value if effect.value is not None else effect.mask or ~0 for effect in self._choices.marks]
        marked = [text for bits, text in network.stack.marks if any(bits & each for each in set_bits)]
        doubts = (*network.stack.doubts, *marked)
        self._stack = replace(network.stack, local=network.local, doubts=doubts)
        self._evaluator = Evaluator(ruleset, self._stack)
        self._known: dict[tuple[object, ...], Exposure] = {}

    def outside(self, listener: Listener, family: int) -> Exposure:
        """Given a listener, return its exposure to what comes by the host's interfaces beside loopback."""
        why = self._network.unavailable
        if listener.device not in ("", LOOPBACK, *self._network.ways.get(family, {})):
            why = why or NO_SUCH_DEVICE.format(listener.device)
        if why and family in listener.bound:
            packet = Packet(family, PROTOCOL_NUMBERS[listener.proto], None, listener.port, USUAL_SOURCE_PORT, "")
            return Exposure(family, (Piece(ANY_SOURCE[family], UNKNOWN, why, packet),))
        addresses = listener.addresses(family, self._network)
        if not addresses and family in listener.inside and family not in listener.bound:
            addresses = (listener.inside[family],)  # loopback, to which a rule or a setting may lead
        if not addresses:
            return Exposure(family, (), _nowhere(listener, family))
        exposure = _most_open(
            self.port(listener.proto, listener.port, family, addresses, receiver, listener.device)
            for receiver in self._receivers(listener)
        )
        return exposure if family in listener.bound else replace(exposure, why_none=_nowhere(listener, family))

    def port(
        self,
        proto: str,
        port: int,
        family: int,
        addresses: tuple[int, ...],
        receiver: Receiver = NOBODY_KNOWN,
        device: str = "",
    ) -> Exposure:
        """Given a port and the host's addresses at which it is served, return its exposure to the outside.

        Ports and processes that no rule tells apart share one answer.
        """
        begin = Packet(family, PROTOCOL_NUMBERS[proto], None, port, USUAL_SOURCE_PORT, "").to(receiver)
        key = (*self._alike(begin, receiver), addresses, device)
        if key not in self._known:
            pieces = tuple(self._pieces(begin, addresses, device))
            self._known[key] = Exposure(family, pieces, own=self._stack.local[family])
        return self._known[key]

    def _alike(self, packet: Packet, receiver: Receiver) -> tuple[object, ...]:
        """Return what a packet shares with all for ports and processes that no rule tells apart."""
        return packet.family, packet.proto, self._choices.port_class(packet), self._choices.receiver_class(receiver)

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
        asked, shown = address, spanning(address, address)
        served: tuple[int, ...] = (address,)
        if not listener.device and listener.bound.get(family, address) is None:
            served = (address, *self._network.addresses.get(family, ()))  # NAT may lead to any of them
        if listener.device not in ("", LOOPBACK) and address == LOOPBACK_ADDRESS[family]:
            mine = self._stack.owned.get(listener.device, {}).get(family, ())
            if not self._stack.owned:
                why = f"it is bound to {listener.device}, whose addresses are not known"
                return Exposure(family, (Piece(shown, UNKNOWN, why, Packet(family, number, asked, 0, 0, LOOPBACK)),))
            if not mine:
                return Exposure(family, (), f"it is bound to {listener.device}, which has no IPv{family} address")
            asked, served = mine[0], mine
        begin = Packet(family, number, asked, listener.port, USUAL_SOURCE_PORT, LOOPBACK).to(receiver)
        key = (*self._alike(begin, receiver), (LOOPBACK, asked, address, *served))
        if key not in self._known:
            entries = dict.fromkeys((listener.port, *self._choices.entries(begin, served)))
            found = [
                piece._replace(sources=shown)
                for entry in entries
                for piece in self._landing(begin._replace(dport=entry), spanning(asked, asked), listener.port, served)
            ]
            self._known[key] = Exposure(family, tuple(found))
        return self._known[key]

    def published(self) -> tuple[tuple[Published, ...], tuple[str, ...]]:
        """Return the ports that rules lead to other hosts, each with who gets through to there, and the rules of which
        not all ports were looked at.
        """
        led = list(islice(_led_away(self._choices, self._stack.local), _MANY_PUBLISHED + 1))
        partly = [str(rule) for rule, _family, _number, port, all_of_it in led if not all_of_it]
        found = []
        for rule, family, number, port, _all_of_it in led[:_MANY_PUBLISHED]:
            verdict = rule.verdict
            if verdict is None or verdict.address is None:
                continue
            begin = Packet(family, number, None, port, USUAL_SOURCE_PORT, "")
            target = port if verdict.port is None else verdict.port
            pieces = [
                piece
                for sent in self._choices.packets(begin, self._network.addresses.get(family, ()), target)
                for interface, sources in self._network.ways.get(family, {}).items()
                for piece in self._evaluator.exchange(sent._replace(iif=interface), sources, through=True)
                if piece.packet.connection.given in ((verdict.address, target), None)
            ]
            name = next(word for word, each in PROTOCOL_NUMBERS.items() if each == number)
            exposure = Exposure(family, tuple(pieces))
            found.append(Published(family, name, port, verdict.address, target, exposure, str(rule)))
        partly += [f"{led[-1][0]}, and what comes after it"] if len(led) > _MANY_PUBLISHED else []
        return tuple(found), tuple(dict.fromkeys(partly))

    def _pieces(self, begin: Packet, addresses: tuple[int, ...], device: str) -> Iterator[Piece]:
        # To a neighbour without a route, the kernel answers from a socket that is bound to a device, by this device
        # (ip_route_output_key: "routing tables are wrong"). IPv6 does not.
        answered = bool(device) and begin.family == 4
        stray = self._stack.stray.get(begin.family, ()) if answered or begin.proto == UDP else ()
        for interface, sources in self._network.ways.get(begin.family, {}).items():
            if device not in ("", interface):
                continue
            yield from self._by(begin._replace(iif=interface), sources, addresses)
            if stray and interface not in self._stack.strict:
                for piece in self._by(begin._replace(iif=interface, way_back=0), stray, addresses):
                    yield (
                        piece
                        if answered or piece.verdict == FILTERED
                        else piece._replace(verdict=UNKNOWN, rule=ONE_WAY)
                    )

    def _by(self, begin: Packet, sources: Intervals, addresses: tuple[int, ...]) -> Iterator[Piece]:
        """Given a packet that comes by an interface, return what becomes of it from these sources."""
        sent_to, interface = self._own(begin, addresses), begin.iif
        served = self._served(begin.family, addresses)
        primary = self._stack.owned.get(interface, {}).get(begin.family, ())[:1]
        ordered = tuple(sorted(sent_to, key=lambda address: address in primary))  # it stands for those like it
        for sent in self._sent(begin, ordered, addresses):
            for piece in self._landing(sent, self._possible(sent, interface, sources), begin.dport, served):
                yield _from_another(piece, primary) if begin.proto == UDP and len(addresses) > 1 else piece

    def _sent(self, begin: Packet, sent_to: tuple[int, ...], addresses: tuple[int, ...]) -> Iterator[Packet]:
        """Return what may be sent to arrive at a port: to which port and address, with which choices of the sender."""
        for entry in dict.fromkeys((begin.dport, *self._choices.entries(begin, addresses))):
            yield from self._choices.packets(begin._replace(dport=entry), sent_to, begin.dport, addresses)  # type: ignore[arg-type]

    def _own(self, begin: Packet, addresses: tuple[int, ...]) -> tuple[int, ...]:
        """Return the addresses that a sender may name: the listener's, and all where NAT may lead there."""
        mine = self._network.addresses.get(begin.family, ())
        served = self._served(begin.family, addresses)
        known = [each for each in served if self._stack.localnet or each in addresses or each != LOOPBACK_ADDRESS[4]]
        if self._choices.leads_to(begin, addresses) or self._choices.entries(begin, addresses):
            known += mine
            known += [LOOPBACK_ADDRESS[4]] if begin.family == 4 else []  # NAT comes before what is martian is dropped
        return tuple(dict.fromkeys(known))

    def _served(self, family: int, addresses: tuple[int, ...]) -> tuple[int, ...]:
        """Given the addresses that a listener is bound to, return those at which packets from outside may reach it: of
        what is bound to all, what is local by a route alone and, where a rule or a setting leads there, loopback.
        """
        if not set(self._network.addresses.get(family, ())) <= set(addresses):
            return addresses
        loopback = (LOOPBACK_ADDRESS[4],) if family == 4 else ()
        return (*addresses, *loopback, *self._network.ranges.get(family, ())[::2])

    def _possible(self, packet: Packet, interface: str, sources: Intervals) -> Intervals:
        """Given a packet, return the sources that can send it: to a link-local or loopback address only neighbours."""
        address, family = packet.daddr, packet.family
        if not isinstance(address, int):
            return sources
        near = self._stack.near.get(family, {}).get(interface, ())
        if contains(LINK_LOCAL, address):
            owners = [name for name, owned in self._stack.owned.items() if address in owned.get(6, ())]
            return intersect(sources, merge([LINK_LOCAL, near])) if not owners or interface in owners else ()
        if contains(LOOPBACK_SOURCES[family], address):
            return intersect(sources, near)  # who is no neighbour has a router between, which passes no such packet on
        return sources

    def _landing(self, sent: Packet, sources: Intervals, port: Value, addresses: tuple[int, ...]) -> Iterator[Piece]:
        """Given a packet, return what becomes of it as far as that concerns what listens on ``port``."""
        for piece in self._evaluator.exchange(sent, sources) if sources else ():
            final = piece.packet
            served = sent.daddr in addresses or sent.daddr is None or not addresses
            if final.dport == port and final.daddr in addresses:
                yield piece
            elif final.dport == port and final.daddr is None:
                anywhere = piece.verdict != OPEN or set(self._network.addresses[sent.family]) <= set(addresses)
                yield piece if anywhere else piece._replace(verdict=UNKNOWN, rule=f"{piece.rule} ({SOME_ADDRESS})")
            elif piece.verdict == UNKNOWN and (served or sent.dport != port) and not final.connection.given:
                yield piece  # it may have been redirected here
            elif sent.dport == port and served:
                yield Piece(piece.sources, FILTERED, f"port {port} is redirected to {_place(final)}", final)


def _led_away(choices: Choices, local: Mapping[int, Intervals]) -> Iterator[tuple[FilterRule, int, int, int, bool]]:
    """Return the rules that lead to other hosts, with family, protocol and port of what they lead there, and
    whether that is one of few: of more only one is looked at.
    """
    for rule in choices.diverts:
        address = rule.verdict.address if rule.verdict else None
        family = 6 if address is not None and address >= 1 << BITS[4] else 4
        if address is None or contains(local[family], address):
            continue
        numbers = [test.numbers() for test in rule.tests if isinstance(test, Match) and test.fields == ("dport",)]
        asked = numbers[0] if numbers and numbers[0] else spanning(1, 65535)
        for number in PROTOCOL_NUMBERS.values():
            for port in few(asked) or [each for each in (choices.widest(), asked[0]) if contains(asked, each)][:1]:
                if concerns(rule, Packet(family, number, None, port, USUAL_SOURCE_PORT, "")):
                    yield rule, family, number, port, bool(few(asked))


def _most_open(exposures: Iterator[Exposure]) -> Exposure:
    """Given the exposures of the processes of one listener, return what all of them let in together."""
    first, *others = exposures
    if not others:
        return first
    return replace(first, pieces=tuple(piece for each in (first, *others) for piece in each.pieces))


def _from_another(piece: Piece, primary: tuple[int, ...]) -> Piece:
    """Given what becomes of a datagram for a socket of all addresses, return it as unknown where it is not for the
    address that answers leave from.
    """
    if piece.verdict != OPEN or not primary or piece.packet.daddr in (*primary, None):
        return piece
    return piece._replace(verdict=UNKNOWN, rule=f"{piece.rule} ({OTHER_SOURCE})")


def _place(packet: Packet) -> str:
    """Given a packet behind a redirect, return where it goes, as far as the redirect names it."""
    kind = ipaddress.IPv4Address if packet.family == 4 else ipaddress.IPv6Address
    return f"port {packet.dport}" + ("" if packet.daddr is None else f" of {kind(packet.daddr)}")


def _nowhere(listener: Listener, family: int) -> str:
    if family in listener.bound:
        if listener.device:
            return f"it is bound to {listener.device}"
        return f"this host has no IPv{family} address beyond loopback"
    return f"it serves no IPv{family}" if family not in listener.inside else "it is bound to loopback"
