# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that can never decide, because an earlier rule of the same chain takes all their packets and says the opposite.

Only what is certain is reported: the earlier rule has no test that is not modelled and none that depends on rates. To
stay fast with thousands of rules, an earlier rule is looked up by its sources and its port instead of compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from .intervals import EVERYTHING, Intervals, complement, count, intersect, subtract
from .ruleset import ACCEPT, DROP, HOOKS, REJECT, Chain, Match, Rule, Ruleset, Values

ANYWHERE: Intervals = ()  # stands for a source that is not one network
_ANY_PORT = -1  # stands for ports that are not a few
_FEW_PORTS = 64
_SADDR, _DPORT = ("saddr", None), ("dport", None)


@dataclass(frozen=True)
class Shadow:
    """A rule and the earlier one that takes its packets."""

    rule: Rule
    by: Rule


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
        if rule.verdict is None or rule.verdict.kind not in (ACCEPT, DROP, REJECT):
            continue
        scope = _scope(rule)
        by = earlier.covering(rule, scope)
        if by is not None:
            found.append(Shadow(rule, by))
        elif all(isinstance(test, Match) for test in rule.tests):
            earlier.add(rule, scope)
    return found


Scope = dict[object, Values]  # what a rule asks of each field; tests over several fields stand for themselves


def _scope(rule: Rule) -> Scope:
    scope: Scope = {}
    for test in rule.tests:
        if not isinstance(test, Match):
            continue
        key: object = (test.fields[0], test.mask) if len(test.fields) == 1 else (test.fields, test.rows, test.negated)
        scope[key] = _narrowed(scope.get(key, EVERYTHING), test) if len(test.fields) == 1 else EVERYTHING
    return scope


def _narrowed(before: Values, test: Match) -> Values:
    allowed = test.rows[0][0]
    if isinstance(allowed, frozenset) or isinstance(before, frozenset):
        return frozenset([("!" if test.negated else "") + " ".join(sorted(map(str, allowed)))])
    return intersect(before, complement(allowed) if test.negated else allowed)


def _within(inner: Optional[Values], outer: Values) -> bool:
    """Return whether all that one rule asks for of a field is asked for by another; names only when they are equal."""
    if inner is None or isinstance(inner, frozenset) or isinstance(outer, frozenset):
        return inner == outer
    return not subtract(inner, outer)


class _Earlier:
    """The rules of a chain so far, by one of their ports and by their source network, so that few are compared."""

    def __init__(self) -> None:
        self._by: dict[tuple[Intervals, int], list[tuple[Rule, Scope]]] = {}
        self._sizes: set[int] = set()

    def add(self, rule: Rule, scope: Scope) -> None:
        """Remember a rule that later ones may lie behind."""
        source = _single(scope.get(_SADDR))
        self._sizes.update([count(source)] if source else [])
        for port in _few(scope.get(_DPORT)) or (_ANY_PORT,):
            self._by.setdefault((source, port), []).append((rule, scope))

    def covering(self, rule: Rule, scope: Scope) -> Optional[Rule]:
        """Given a rule, return an earlier one that takes all its packets and says the opposite, or None."""
        for source in (ANYWHERE, *self._networks_around(_single(scope.get(_SADDR)))):
            for port in (_ANY_PORT, *_first(scope.get(_DPORT))):
                for other, wider in self._by.get((source, port), ()):
                    if _opposite(rule, other) and all(_within(scope.get(key), wider[key]) for key in wider):
                        return other
        return None

    def _networks_around(self, source: Intervals) -> Iterator[Intervals]:
        """Given a source network, return those of the sizes met so far that it lies in."""
        for size in self._sizes if source else ():
            first = source[0] // size * size
            if source[1] <= first + size:
                yield (first, first + size)


def _opposite(rule: Rule, other: Rule) -> bool:
    if rule.verdict is None or other.verdict is None:
        return False
    return (rule.verdict.kind == ACCEPT) != (other.verdict.kind == ACCEPT)


def _single(values: Optional[Values]) -> Intervals:
    """Return a set that is one range, or nothing."""
    return values if isinstance(values, tuple) and len(values) == 2 else ANYWHERE


def _few(values: Optional[Values]) -> list[int]:
    """Return the numbers of a small set, or none."""
    if not isinstance(values, tuple) or not 0 < count(values) <= _FEW_PORTS:
        return []
    return [port for at in range(0, len(values), 2) for port in range(values[at], values[at + 1])]


def _first(values: Optional[Values]) -> list[int]:
    return [values[0]] if isinstance(values, tuple) and values else []
