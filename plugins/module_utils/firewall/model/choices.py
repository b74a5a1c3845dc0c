# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sender may choose (its own port, which address of the host), as few representatives as the rules allow.

Values that no rule tells apart are one choice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Optional

from .index import PortIndex, concerns, guards_of
from .intervals import contains, spanning
from .network import LINK_LOCAL
from .packet import ECN, SYN, TCP, Packet, Receiver, Value, fit, is_among
from .ruleset import AWAY, DIVERT, EGRESS, OUTPUT, POSTROUTING, FilterRule, Match, Ruleset, Test, Values
from .walk import rewrites

USUAL_SOURCE_PORT = 40000  # what the kernel gives to clients: see net.ipv4.ip_local_port_range
PORTS = spanning(1, 65535)
_ON_THE_WAY_OUT = (OUTPUT, POSTROUTING, EGRESS)
_OF_RECEIVER = ("program", "services", "package")
_SPORT, _DPORT, _SADDR, _DADDR = ((name, f"ct_original_{name}") for name in ("sport", "dport", "saddr", "daddr"))
_PORT_FIELDS, _SENT, _ANSWERED = frozenset(_SPORT + _DPORT), frozenset(_SPORT + _DADDR), frozenset(_DPORT + _SADDR)


class Choices:
    """The values at which rules begin or cease to hold."""

    def __init__(self, ruleset: Ruleset) -> None:
        tables = [table for table in ruleset.tables if not table.dormant]
        rules = [rule for table in tables for chain in table.chains.values() for rule in chain.rules]
        self._diverts: dict[Value, list[FilterRule]] = defaultdict(list)  # by the port that they lead to
        self.marks = [effect for rule in rules for effect in rule.effects if effect.field == "mark"]
        self._away = [rule for rule in rules if rewrites(rule) or (rule.verdict and rule.verdict.kind == AWAY)]
        self._guarded: dict[tuple[Test, ...], set[int]] = defaultdict(set)  # bounds of ports by what else is asked
        self._classes: dict[tuple[int, int], list[int]] = {}
        self._flags = False
        choosy = []
        for rule in rules:
            asked = _asked_by(rule)
            bounds = set() if _PORT_FIELDS.isdisjoint(asked) else _bounds((rule,), _PORT_FIELDS)
            if rule.verdict is not None and rule.verdict.kind == DIVERT:
                self._diverts[rule.verdict.port].append(rule)
                bounds |= set() if rule.verdict.port is None else {*spanning(rule.verdict.port, rule.verdict.port)}
            if bounds:
                self._guarded[guards_of(rule)] |= bounds
            choosy += [] if _SENT.isdisjoint(asked) else [rule]
            self._flags = self._flags or "tcp_flags" in asked
        self._ports = sorted(set[int]().union(*self._guarded.values()))
        self._named = _named_receivers(rules)
        self._choosy = PortIndex(choosy)
        answering = [
            rule
            for table in tables
            for chain in table.reached_from(
                *(name for name, each in table.chains.items() if each.hook in _ON_THE_WAY_OUT)
            )
            for rule in chain.rules
        ]
        self._answers = PortIndex((rule for rule in answering if not _ANSWERED.isdisjoint(_asked_by(rule))), "sport")

    def port_class(self, packet: Packet) -> int:
        """Given a packet, return the number that its port shares with all that no rule for its family and protocol
        tells apart from it.
        """
        key = (packet.family, packet.proto)
        if key not in self._classes:
            bounds = [bounds for tests, bounds in self._guarded.items() if all(fit(test, packet)[0] for test in tests)]
            self._classes[key] = sorted(set[int]().union(*bounds))
        return bisect_right(self._classes[key], packet.dport)  # type: ignore[type-var]

    def receiver_class(self, receiver: Receiver) -> tuple[Optional[bool], ...]:
        """Given a process, return what it shares with all processes which no rule tells apart from it."""
        values = [(getattr(receiver, field), names) for field, names in self._named]
        return tuple(None if value is None else is_among(value, names) for value, names in values)

    def widest(self) -> int:
        """Return the first port of the largest class: how the rules treat a port that they do not think of."""
        edges = sorted({*PORTS, *self._within()})
        return max(zip(edges, edges[1:]), key=lambda span: span[1] - span[0])[0]

    def _within(self) -> list[int]:
        return [bound for bound in self._ports if contains(PORTS, bound)]

    @property
    def diverts(self) -> list[FilterRule]:
        """The rules of DNAT and redirect."""
        return [rule for rules in self._diverts.values() for rule in rules]

    def entries(self, packet: Packet, addresses: Iterable[int]) -> list[int]:
        """Given a packet and the addresses that it may be for, return the ports from which rules redirect to its port.

        Of those that no rule tells apart it is the first. A rule that leads nobody knows where may lead there.
        """
        own = {None, *addresses}
        diverts = [rule for rule in self._diverts.get(packet.dport, ()) if rule.verdict and rule.verdict.address in own]
        diverts += self._away
        firsts = (PORTS[0], *self._within()) if diverts else ()
        return [first for first in firsts if any(concerns(rule, packet._replace(dport=first)) for rule in diverts)]

    def leads_to(self, packet: Packet, addresses: Iterable[int]) -> bool:
        """Return whether a rule may lead what is sent to another address of the host to one of these."""
        own = set(addresses)
        rules = [*self._diverts.get(packet.dport, ()), *self._diverts.get(None, ())]
        return any(rule.verdict is not None and rule.verdict.address in {None, *own} for rule in rules)

    def packets(
        self, packet: Packet, addresses: Iterable[int], port: int, apart: Iterable[int] = ()
    ) -> Iterator[Packet]:
        """Given a packet, the addresses that it may be for and the port at which it may arrive (redirected perhaps),
        return it with each choice of source port, address and flags that rules tell apart.

        ``apart`` are addresses that are told apart from the others in any case.
        """
        rules = [*self._choosy.rules(packet), *self._choosy.rules(packet._replace(dport=port))]
        answers = [
            rule
            for own in dict.fromkeys((packet.dport, port))
            for rule in self._answers.rules(packet._replace(sport=own, turn=1))
        ]
        alone = set(apart)
        bounds = sorted({*_bounds(rules, _DADDR), *_bounds(answers, _SADDR), *LINK_LOCAL})
        by_class = {(bisect_right(bounds, address), address in alone and address): address for address in addresses}
        ports = _source_ports(sorted(_bounds(rules, _SPORT) | _bounds(answers, _DPORT)))
        flags = (SYN, SYN | ECN) if self._flags and packet.proto == TCP else (SYN,)
        return (
            packet._replace(daddr=address, sport=own, tcp_flags=bits)
            for address in by_class.values()
            for own in ports
            for bits in flags
        )


def _asked_by(rule: FilterRule) -> set[str]:
    """Return the fields that a rule tests."""
    return {field for test in rule.tests if isinstance(test, Match) for field in test.fields}


def _bounds(rules: Iterable[FilterRule], fields: Collection[str]) -> set[int]:
    """Given rules, return where the sets of numbers that they compare these fields with begin and end."""
    return {
        bound
        for rule in rules
        for test in rule.tests
        if isinstance(test, Match)
        for at, field in enumerate(test.fields)
        if field in fields
        for row in test.rows
        for bound in row[at]
        if isinstance(bound, int)
    }


def _named_receivers(rules: Iterable[FilterRule]) -> list[tuple[str, Values]]:
    """Given rules, return the tests that tell processes apart: field and names, each once."""
    tests = {
        (field, names)
        for rule in rules
        for test in rule.tests
        if isinstance(test, Match)
        for row in test.rows
        for field, names in zip(test.fields, row)
        if field in _OF_RECEIVER
    }
    return list(tests)


def _source_ports(bounds: list[int]) -> list[int]:
    """Given where rules tell source ports apart, return one of each kind; the usual one stands for its kind."""
    ports = [port for port in (PORTS[0], *bounds, USUAL_SOURCE_PORT) if contains(PORTS, port)]
    return list({bisect_right(bounds, port): port for port in ports}.values())
