# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that can never decide, because an earlier rule of the same chain takes all their packets and says the opposite.

Only what is certain is reported: the earlier rule has no test that is not modelled and none that depends on rates. To
stay fast with thousands of rules, an earlier rule is looked up by its sources and its port instead of compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple, Optional

from .intervals import EVERYTHING, NOTHING, Intervals, count, few, intersect, subtract
from .ruleset import ACCEPT, DROP, HOOKS, REJECT, Chain, FilterRule, Match, Ruleset

ANYWHERE: Intervals = ()  # stands for a source that is not one network
_SADDR, _DPORT = ("saddr",), ("dport",)
_OPPOSITES = {ACCEPT: (DROP, REJECT), DROP: (ACCEPT,), REJECT: (ACCEPT,)}


class Shadow(NamedTuple):
    """A rule and the earlier one that takes its packets."""

    rule: FilterRule
    by: FilterRule


def find_shadows(ruleset: Ruleset) -> list[Shadow]:
    """Given a ruleset, return the rules on the way to this host's sockets that an earlier one makes void."""
    found: list[Shadow] = []
    for table in ruleset.tables:
        begins = [name for name, chain in table.chains.items() if chain.hook in HOOKS]
        found += [shadow for chain in table.reached_from(*begins) for shadow in _shadows_in(chain)]
    return found


def _shadows_in(chain: Chain) -> list[Shadow]:
    """Given a chain, return its rules that an earlier one makes void."""
    earlier, found = _Earlier(), []
    for rule in chain.rules:
        kind = "" if rule.verdict is None else rule.verdict.kind
        if kind not in _OPPOSITES:
            continue
        scope = _scope(rule)
        by = earlier.covering(scope, _OPPOSITES[kind])
        if by is not None:
            found.append(Shadow(rule, by))
        elif all(isinstance(test, Match) for test in rule.tests):
            earlier.add(rule, scope, kind)
    return found


# The numbers that a rule asks of each field; a test of another kind (names, several fields, a mask) stands for itself.
Scope = dict[object, Intervals]


def _scope(rule: FilterRule) -> Scope:
    scope: Scope = {}
    for test in rule.tests:
        if isinstance(test, Match):
            numbers = test.numbers()
            if numbers is None:
                scope[test.fields, test.rows, test.negated, test.mask] = EVERYTHING
            else:
                scope[test.fields] = intersect(scope.get(test.fields, EVERYTHING), numbers)
    return scope


def _lies_in(scope: Scope, wider: Scope) -> bool:
    """Return whether all that one rule asks for is asked for by another."""
    return all(key in scope and not subtract(scope[key], wider[key]) for key in wider)


class _Earlier:
    """The rules of a chain so far, by one of their ports and by their source network, so that few are compared."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, Intervals, Optional[int]], list[tuple[FilterRule, Scope]]] = {}
        self._sizes: set[int] = set()

    def add(self, rule: FilterRule, scope: Scope, verdict: str) -> None:
        """Remember a rule that later ones may lie behind."""
        source = _network(scope.get(_SADDR, NOTHING))
        self._sizes.update([count(source)] if source else [])
        for port in few(scope.get(_DPORT, NOTHING)) or (None,):
            self._by.setdefault((verdict, source, port), []).append((rule, scope))

    def covering(self, scope: Scope, verdicts: tuple[str, ...]) -> Optional[FilterRule]:
        """Given what a rule asks for, return an earlier one with one of the verdicts that takes all its packets."""
        sources = (ANYWHERE, *self._networks_at(scope.get(_SADDR, NOTHING)))
        ports = (None, min(scope.get(_DPORT, NOTHING), default=None))
        for place in product(verdicts, sources, ports):
            for other, wider in self._by.get(place, ()):
                if _lies_in(scope, wider):
                    return other
        return None

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
