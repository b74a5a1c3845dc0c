# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order the kernel passes a packet through base chains, connection tracking and NAT at each hook.

Priorities say so, but for chains of type nat: those run at the place of NAT, whatever their priority, which only orders
them among each other. Chains of one priority run by when they were registered, which no listing tells: where they do
not commute, every order is a possible one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, permutations, product
from typing import NamedTuple, Optional

from . import ruleset as to
from .ruleset import Chain, FilterRule, Match, Ruleset, Table

EVERY_HOOK = (to.INGRESS, to.PREROUTING, to.INPUT, to.FORWARD, to.OUTPUT, to.POSTROUTING, to.EGRESS)
TRACK, NAT = "track", "nat"
_BUILT_IN = {  # NF_IP_PRI_CONNTRACK, NF_IP_PRI_NAT_DST, NF_IP_PRI_NAT_SRC
    to.PREROUTING: ((-200, TRACK), (-100, NAT)),
    to.OUTPUT: ((-200, TRACK), (-100, NAT)),
    to.INPUT: ((100, NAT),),
    to.POSTROUTING: ((100, NAT),),
}
_ORIGINAL = ("ct_original_saddr", "ct_original_daddr", "ct_original_sport", "ct_original_dport")
_OF_CONNECTION = frozenset(["ct_state", "ct_mark", "ct_status", "ct_direction", *_ORIGINAL])
_OF_PLACE = frozenset(["saddr", "daddr", "sport", "dport", "ct_status", "daddr_type", "daddr_type_iif"])
_MANY = 24  # orders that are tried


class Base(NamedTuple):
    """A base chain and its table."""

    table: Table
    chain: Chain

    def __str__(self) -> str:
        return f"{self.table} {self.chain.name}"


class Station(NamedTuple):
    """What a packet passes at a hook: a base chain, or what the kernel does by itself (``kind`` TRACK or NAT)."""

    kind: str = ""
    base: Optional[Base] = None
    nat: tuple[Base, ...] = ()

    def __str__(self) -> str:
        return str(self.base or " and ".join(map(str, self.nat)) or "connection tracking")


Path = dict[str, tuple[Station, ...]]


class Orders(NamedTuple):
    """The paths that a family's packets may take, one for each order; ``why`` says which chains may run first.

    ``tracks``: something is seen to need connection tracking. ``nat``: its hooks are there. ``complete``: no further
    order is possible.
    """

    paths: tuple[Path, ...]
    why: str
    tracks: bool
    nat: bool
    complete: bool = True


def orders_of(ruleset: Ruleset, family: int) -> Orders:
    """Given rules, return the orders in which packets of a family may pass them."""
    tables = [table for table in ruleset.tables if table.serves(family) and not table.dormant]
    bases = [Base(table, chain) for table in tables for chain in table.chains.values() if chain.hook]
    rules = [rule for table in tables for chain in table.chains.values() for rule in chain.rules]
    choices: list[list[tuple[Station, ...]]] = []
    hooks: list[str] = []
    clashes: list[str] = []
    for hook in EVERY_HOOK:
        for group in _groups([base for base in bases if base.chain.hook == hook], hook, bases):
            clashing = _clashing(group)
            if clashing:
                clashes.append(" and ".join(map(str, clashing)))
            choices.append([tuple(each for each in group if each not in clashing)])
            choices.append(list(islice(permutations(clashing), _MANY + 1)))
            hooks += [hook, hook]
    found = list(islice(product(*choices), _MANY + 1))
    paths = tuple(_path(hooks, order) for order in found[:_MANY])
    why = f"{'; '.join(clashes)}: of the same priority, and which runs first cannot be read" if clashes else ""
    nat = any(base.chain.nat for base in bases)
    return Orders(paths, why, any(map(_needs_tracking, rules)), nat, len(found) <= _MANY)


def _path(hooks: list[str], order: Iterable[tuple[Station, ...]]) -> Path:
    path: Path = {}
    for hook, group in zip(hooks, order):
        path[hook] = path.get(hook, ()) + group
    return path


def _groups(bases: list[Base], hook: str, everywhere: list[Base]) -> Iterator[list[Station]]:
    """Given the base chains of a hook, return what is passed there in groups of one priority."""
    by_priority: dict[int, list[Station]] = {}
    for priority, kind in _BUILT_IN.get(hook, ()):
        if kind == TRACK:
            by_priority.setdefault(priority, []).append(Station(TRACK))
            continue
        own = sorted((base for base in bases if base.chain.nat), key=lambda base: base.chain.priority)
        if own or any(base.chain.nat and base.table.backend in (to.NFT, to.XTABLES, to.LEGACY) for base in everywhere):
            by_priority.setdefault(priority, []).append(Station(NAT, nat=tuple(own)))
    for base in bases:
        if not base.chain.nat:
            by_priority.setdefault(base.chain.priority, []).append(Station(base=base))
    for _priority, group in sorted(by_priority.items()):
        yield group


def _needs_tracking(rule: FilterRule) -> bool:
    fields = {field for test in rule.tests if isinstance(test, Match) for field in test.fields}
    kind = rule.verdict.kind if rule.verdict else ""
    changed = {effect.field for effect in rule.effects}
    return bool((fields | changed) & _OF_CONNECTION) or kind in (to.DIVERT, to.TRANSLATE)


def _clashing(group: list[Station]) -> list[Station]:
    """Given what is passed at one priority, return what does not commute with others: the order of it matters."""
    touched = [(station, *_touched(station)) for station in group] if len(group) > 1 else []
    return [
        station
        for station, reads, writes in touched
        if any(
            writes & (others | changed) or changed & reads for other, others, changed in touched if other is not station
        )
    ]


def _touched(station: Station) -> tuple[frozenset[str], frozenset[str]]:
    """Given what is passed, return the fields that it looks at, and those that it may change."""
    if station.kind == TRACK:
        return frozenset(["ct_state"]), _OF_CONNECTION
    if station.kind == NAT:
        return _OF_PLACE, _OF_PLACE if station.nat else frozenset()
    base = station.base
    rules = [rule for chain in base.table.reached_from(base.chain.name) for rule in chain.rules] if base else []
    reads = {field for rule in rules for test in rule.tests if isinstance(test, Match) for field in test.fields}
    writes = {effect.field for rule in rules for effect in rule.effects}
    return frozenset(reads), frozenset(writes)
