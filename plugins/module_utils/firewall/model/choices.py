# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sender may choose (its own port, which address of the host), as few representatives as the rules allow.

Values that no rule tells apart are one choice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import reduce
from typing import Optional

from .index import PortIndex, concerns
from .intervals import Intervals, complement, intersect
from .network import LINK_LOCAL
from .packet import Packet, Receiver, is_among
from .ruleset import DIVERT, Match, Rule, Ruleset, Values

USUAL_SOURCE_PORT = 40000  # what the kernel gives to clients: see net.ipv4.ip_local_port_range
_OF_RECEIVER = ("program", "services", "package")
_MAX_ENTRIES = 16  # parts of a redirect's ports that are tried


class Choices:
    """The values at which rules begin or cease to hold."""

    def __init__(self, ruleset: Ruleset) -> None:
        rules = [rule for table in ruleset.tables for chain in table.chains.values() for rule in chain.rules]
        self._diverts = [rule for rule in rules if rule.verdict is not None and rule.verdict.kind == DIVERT]
        targets = {rule.verdict.port for rule in self._diverts if rule.verdict and rule.verdict.port is not None}
        self._ports = sorted(
            {*_bounds(rules, "dport"), *_bounds(rules, "sport"), *targets, *(port + 1 for port in targets)}
        )
        self._named = _named_receivers(rules)
        self._choosy = PortIndex(rule for rule in rules if _bounds([rule], "sport") or _bounds([rule], "daddr"))

    def port_class(self, port: int) -> int:
        """Given a port, return the number that it shares with all ports which no rule tells apart from it."""
        return bisect_right(self._ports, port)

    def receiver_class(self, receiver: Receiver) -> tuple[Optional[bool], ...]:
        """Given a process, return what it shares with all processes which no rule tells apart from it."""
        values = [(getattr(receiver, field), names) for field, names in self._named]
        return tuple(None if value is None else is_among(value, names) for value, names in values)

    def widest(self) -> int:
        """Return the first port of the largest class: how the rules treat a port that they do not think of."""
        edges = [1, *(bound for bound in self._ports if 1 < bound <= 65535), 65536]
        return max(zip(edges, edges[1:]), key=lambda span: span[1] - span[0])[0]

    def redirected_to(self, proto: int, port: int) -> list[int]:
        """Given a port, return ports from which a rule redirects to it."""
        entries: list[int] = []
        for rule in self._diverts:
            if rule.verdict is not None and rule.verdict.port == port and _speaks_of(rule, proto):
                entries += [first for first in _ports_of(rule)[::2] if first != port]
        return sorted(set(entries))[:_MAX_ENTRIES]

    def packets(self, packet: Packet, addresses: Iterable[int]) -> Iterator[Packet]:
        """Given a packet and the addresses that it may be for, return it with each choice that rules tell apart."""
        rules = self._choosy.rules(packet)
        bounds = sorted({*_bounds(rules, "daddr"), *LINK_LOCAL})  # whose sources are others than those of the rest
        by_class = {bisect_right(bounds, address): address for address in addresses}
        ports = _source_ports(sorted(_bounds(rules, "sport")))
        return (replace(packet, daddr=address, sport=port) for address in by_class.values() for port in ports)


def _bounds(rules: Iterable[Rule], field: str) -> set[int]:
    """Given rules, return where the sets of numbers that they compare a field with begin and end."""
    return {
        bound
        for rule in rules
        for test in rule.tests
        if isinstance(test, Match) and field in test.fields
        for row in test.rows
        for bound in row[test.fields.index(field)]
        if isinstance(bound, int)
    }


def _named_receivers(rules: Iterable[Rule]) -> list[tuple[str, Values]]:
    """Given rules, return the tests that tell processes apart: field and names, each once."""
    tests = {
        (test.fields[0], test.rows[0][0])
        for rule in rules
        for test in rule.tests
        if isinstance(test, Match) and test.fields[0] in _OF_RECEIVER
    }
    return list(tests)


def _source_ports(bounds: list[int]) -> list[int]:
    """Given where rules tell source ports apart, return one of each kind; the usual one stands for its kind."""
    usual = bisect_right(bounds, USUAL_SOURCE_PORT)
    firsts = [1, *(bound for bound in bounds if 1 < bound < 65536)]
    kinds = {bisect_right(bounds, first): first for first in firsts}
    return list({**kinds, usual: USUAL_SOURCE_PORT}.values())


def _speaks_of(rule: Rule, proto: int) -> bool:
    return concerns(
        Rule("", "", tuple(test for test in rule.tests if _is_of(test, "proto"))), Packet(4, proto, 0, 0, 0, "")
    )


def _is_of(test: object, field: str) -> bool:
    return isinstance(test, Match) and test.fields == (field,)


def _ports_of(rule: Rule) -> Intervals:
    """Given a rule, return the destination ports that its tests let through."""
    allowed = [_allowed(test) for test in rule.tests if isinstance(test, Match) and test.fields == ("dport",)]
    return reduce(intersect, allowed, (1, 65536))


def _allowed(test: Match) -> Intervals:
    numbers = tuple(bound for bound in test.rows[0][0] if isinstance(bound, int))
    return complement(numbers) if test.negated else numbers
