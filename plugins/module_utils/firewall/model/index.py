# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules found by the protocol and port that they speak of, so that with thousands of them a packet meets a few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Optional

from .intervals import EVERYTHING, NOTHING, few, merge
from .packet import Packet, fit
from .ruleset import FilterRule, Match, Test

Placed = tuple[int, FilterRule]
_BUNCH = 32  # rules that differ by an address alone, one behind the other, from which on they are one with a set


def bunched(rules: Iterable[FilterRule]) -> Iterator[FilterRule]:
    """Given rules in their order, return them with those of a list of addresses (as fail2ban keeps one) as one rule.

    Rules that stand one behind the other, do the same, and ask the same but for one address, are one set.
    """
    for shape, group in groupby(rules, _shape):
        alike = list(group)
        if shape is None or len(alike) < _BUNCH:
            yield from alike
        else:
            yield _as_one(alike)


def _shape(rule: FilterRule) -> Optional[tuple[object, ...]]:
    """Return what rules of a list of addresses have in common; None: it is of no such list."""
    lists = [test for test in rule.tests if isinstance(test, Match) and _is_address(test)]
    if len(lists) != 1 or rule.effects or rule.verdict is None:
        return None
    (listed,) = lists
    return (listed.fields, rule.tests.index(listed), rule.verdict, *(test for test in rule.tests if test is not listed))


def _is_address(test: Test) -> bool:
    if not isinstance(test, Match) or test.negated or test.mask is not None:
        return False
    return test.fields in (("saddr",), ("daddr",)) and len(test.rows) == 1


def _as_one(alike: list[FilterRule]) -> FilterRule:
    """Given rules that differ by an address alone, return the one that all of them are together."""
    first = alike[0]
    listed = [test for rule in alike for test in rule.tests if isinstance(test, Match) and _is_address(test)]
    union = listed[0]._replace(rows=((merge(test.rows[0][0] for test in listed),),))  # type: ignore[misc]
    text = f"{first.text} (or one of {len(alike) - 1} rules behind it, which differ by the address alone)"
    return first._replace(tests=tuple(union if _is_address(test) else test for test in first.tests), text=text)


class PortIndex:
    """Rules in their order. Those of a few ports are noted by port; those of many ports, or of any, are kept apart."""

    def __init__(self, rules: Iterable[FilterRule], field: str = "dport") -> None:
        self._field = field
        self._of_port: dict[int, list[Placed]] = {}
        self._of_many: list[Placed] = []
        self._of_any: list[Placed] = []
        self._of_any_by_proto: dict[tuple[int, int], list[Placed]] = {}
        self._known: dict[tuple[int, int, int], list[FilterRule]] = {}
        for placed in enumerate(rules):
            for notes in self._notes_for(placed[1]):
                notes.append(placed)

    def _notes_for(self, rule: FilterRule) -> list[list[Placed]]:
        asked = [test for test in rule.tests if isinstance(test, Match) and test.fields == (self._field,)]
        if not asked:
            return [self._of_any]
        ports = next((found for found in (few(test.numbers() or NOTHING) for test in asked) if found), [])
        return [self._of_port.setdefault(port, []) for port in ports] or [self._of_many]

    def rules(self, packet: Packet) -> list[FilterRule]:
        """Given a packet, return the rules that can match its protocol and destination port, in their order.

        What they ask of these alone is answered, and left out.
        """
        port = getattr(packet, self._field)
        key = (packet.family, packet.proto, port)
        if key not in self._known:
            placed = [*self._left([*self._of_port.get(port, ()), *self._of_many], packet), *self._any_port(packet)]
            self._known[key] = [rule for _place, rule in sorted(placed, key=itemgetter(0))]
        return self._known[key]

    def _any_port(self, packet: Packet) -> list[Placed]:
        """Return the rules that ask for no port and can match the protocol of a packet."""
        key = (packet.family, packet.proto)
        if key not in self._of_any_by_proto:
            self._of_any_by_proto[key] = list(self._left(self._of_any, packet))
        return self._of_any_by_proto[key]

    def _left(self, entries: Iterable[Placed], packet: Packet) -> Iterator[Placed]:
        for place, rule in entries:
            left = left_to_ask(rule, packet, self._field)
            if left is not None:
                yield place, left


def left_to_ask(rule: FilterRule, packet: Packet, field: str = "dport") -> Optional[FilterRule]:
    """Given a rule, return it without what it asks of family, protocol and port alone, where a packet has these; None
    where it cannot match them. What else the packet is does not matter here.
    """
    left: list[Test] = []
    for test in rule.tests:
        if isinstance(test, Match) and test.fields in (("family",), ("proto",), (field,)):
            may, must = fit(test, packet)
            if not may:
                return None
            if must == EVERYTHING:
                continue
        left.append(test)
    return rule if len(left) == len(rule.tests) else rule._replace(tests=tuple(left))


def concerns(rule: FilterRule, packet: Packet) -> bool:
    """Return whether a rule can match a packet's family, protocol and destination port at all."""
    return left_to_ask(rule, packet) is not None


def guards_of(rule: FilterRule) -> tuple[Test, ...]:
    """Return what a rule asks of the family and the protocol alone."""
    return tuple(test for test in rule.tests if isinstance(test, Match) and test.fields in (("family",), ("proto",)))
