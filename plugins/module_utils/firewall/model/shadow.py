# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that can never decide, because an earlier rule of the same chain takes all their packets.

Only what is certain is reported: the earlier rule has no test that is not modelled and none that depends on rates, and
nothing between the two changes what it tests. To stay fast with thousands of rules, an earlier rule is looked up by its
sources and its port instead of compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple, Optional

from .intervals import BITS, EVERYTHING, NOTHING, Intervals, count, few, intersect, subtract
from .ruleset import ACCEPT, DROP, GOTO, HOOKS, JUMP, REJECT, Chain, FilterRule, Match, Ruleset, Table

ANYWHERE: Intervals = ()  # stands for a source that is not one network
_MOST = 256  # rules without a network, or of one network and port, that a rule is compared with: the time is bounded
_SADDR, _DPORT = ("saddr",), ("dport",)


class Shadow(NamedTuple):
    """A rule, in the parts that the model has of it, and the earlier one that takes its packets.

    ``opposite``: one lets in what the other stops. ``families`` are those that their table serves.
    """

    parts: tuple[FilterRule, ...]
    by: FilterRule
    opposite: bool
    families: tuple[int, ...]

    @property
    def rule(self) -> FilterRule:
        """The rule that never decides: its parts have one name."""
        return self.parts[0]


def find_shadows(ruleset: Ruleset) -> list[Shadow]:
    """Given a ruleset, return the rules on the way to this host's sockets that an earlier one makes void."""
    return [shadow for table, chains in on_the_way(ruleset) for chain in chains for shadow in _shadows_in(table, chain)]


def on_the_way(ruleset: Ruleset) -> list[tuple[Table, list[Chain]]]:
    """Given a ruleset, return the tables that count with their chains that packets for this host's sockets pass."""
    found = []
    for table in ruleset.tables:
        begins = [name for name, chain in table.chains.items() if chain.hook in HOOKS and not table.dormant]
        found.append((table, table.reached_from(*begins)))
    return found


def _shadows_in(table: Table, chain: Chain) -> Iterator[Shadow]:
    """Given a chain, return its rules that earlier ones make void: with all parts that the model has of a rule."""
    families = tuple(family for family in BITS if table.serves(family))
    earlier, void, whole = _Earlier(), dict[str, list[tuple[FilterRule, FilterRule]]](), dict[str, int]()
    for rule in chain.rules:
        earlier.changed(_changes(table, rule))
        whole[rule.where] = whole.get(rule.where, 0) + 1
        if _kind(rule) not in (ACCEPT, DROP, REJECT):
            continue
        scope = scope_of(rule)
        by = earlier.covering(scope)
        if by is not None:
            void.setdefault(rule.where, []).append((rule, by))
        elif all(isinstance(test, Match) for test in rule.tests):
            earlier.add(rule, scope)
    for where, pairs in void.items():
        others = [(rule, by) for rule, by in pairs if by.where != where]
        if others and len(pairs) == whole[where]:
            opposite = [pair for pair in others if (_kind(pair[0]) == ACCEPT) != (_kind(pair[1]) == ACCEPT)]
            yield Shadow(tuple(rule for rule, _by in pairs), (opposite or others)[0][1], bool(opposite), families)


def _kind(rule: FilterRule) -> str:
    return "" if rule.verdict is None else rule.verdict.kind


def _changes(table: Table, rule: FilterRule) -> set[str]:
    """Return the fields of a packet that a rule, or the chains that it leads to, may change."""
    leads = rule.verdict is not None and rule.verdict.kind in (JUMP, GOTO)
    within = table.reached_from(rule.verdict.target) if leads and rule.verdict else ()
    rules = (rule, *(each for chain in within for each in chain.rules))
    return {effect.field for each in rules for effect in each.effects}


# The numbers that a rule asks of each field; a test of another kind (names, several fields, a mask) stands for itself.
Scope = dict[object, Intervals]


def scope_of(rule: FilterRule) -> Scope:
    """Given a rule, return what it asks for by field."""
    scope: Scope = {}
    for test in rule.tests:
        if isinstance(test, Match):
            numbers, before = test.numbers(), scope.get(test.fields)
            if numbers is None:
                scope[test.fields, test.rows, test.negated, test.mask] = EVERYTHING
            else:
                scope[test.fields] = numbers if before is None else intersect(before, numbers)
    return scope


def _lies_in(scope: Scope, wider: Scope) -> bool:
    """Return whether all that one rule asks for is asked for by another."""
    return wider.keys() <= scope.keys() and not any(subtract(scope[key], wider[key]) for key in wider)


class _Placed(NamedTuple):
    """A rule at its place in a chain, with what it asks for."""

    place: int
    rule: FilterRule
    scope: Scope


class _Earlier:
    """The rules of a chain so far, by one of their ports and by their source network, so that few are compared."""

    def __init__(self) -> None:
        self._by: dict[tuple[Intervals, Optional[int]], list[_Placed]] = {}
        self._sizes: set[int] = set()
        self._changed: dict[str, int] = {}
        self._place = 0

    def changed(self, fields: set[str]) -> None:
        """Remember that from the next rule on these fields may be others: what tested them before says nothing now."""
        self._place += 1
        self._changed.update(dict.fromkeys(fields, self._place))

    def add(self, rule: FilterRule, scope: Scope) -> None:
        """Remember a rule that later ones may lie behind."""
        source = _network(scope.get(_SADDR, NOTHING))
        self._sizes.update([count(source)] if source else [])
        for port in few(scope.get(_DPORT, NOTHING)) or (None,):
            self._by.setdefault((source, port), []).append(_Placed(self._place, rule, scope))

    def covering(self, scope: Scope) -> Optional[FilterRule]:
        """Given what a rule asks for, return the first of the earlier ones that take all its packets."""
        sources = (ANYWHERE, *self._networks_at(scope.get(_SADDR, NOTHING)))
        ports = (None, min(scope.get(_DPORT, NOTHING), default=None))
        found = [self._first(self._by.get(place, []), scope) for place in product(sources, ports)]
        first = min((placed for placed in found if placed), default=None)
        return None if first is None else first.rule

    def _first(self, candidates: list[_Placed], scope: Scope) -> Optional[_Placed]:
        some = candidates[:_MOST]
        return next((each for each in some if _lies_in(scope, each.scope) and self._holds(each)), None)

    def _holds(self, placed: _Placed) -> bool:
        """Return whether nothing since that rule may have changed what it tests."""
        tested = (field for test in placed.rule.tests if isinstance(test, Match) for field in test.fields)
        return all(self._changed.get(field, 0) <= placed.place for field in tested)

    def _networks_at(self, sources: Intervals) -> Iterator[Intervals]:
        """Given sources, return the networks of the sizes met so far in which the first of them lies."""
        for size in self._sizes if sources else ():
            first = sources[0] - sources[0] % size
            yield (first, first + size)


def _network(sources: Intervals) -> Intervals:
    """Return a set that is one range which begins at a multiple of its size, as networks do."""
    if len(sources) != 2:
        return ANYWHERE
    first, end = sources
    return ANYWHERE if first % (end - first) else sources
