# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Walking one chain, and the chains that it jumps to, with a packet from all its possible sources at once.

A rule that may or may not match (a ``Doubt``) leaves two ways open. The packet goes on as if it had not matched and
carries along the verdict that it may have met already; where both ways end alike, the doubt did not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...errors import CoreError
from .index import PortIndex
from .intervals import EVERYTHING, Intervals, intersect, merge, subtract
from .packet import Packet, fitting_sources
from .ruleset import ACCEPT, DROP, GOTO, JUMP, REJECT, RETURN, UNKNOWN, Chain, FilterRule, Table, Verdict

_MANY = 64  # flows through one chain that are told apart by the rules of their doubts
MAX_DEPTH = 64  # the kernel itself allows 16 nested jumps (NFT_JUMP_STACK_SIZE)
FINAL = (ACCEPT, DROP, REJECT)

Doubts = tuple[tuple[str, str], ...]  # verdicts that may have been met already, each with its rule


class Flow(NamedTuple):
    """The packet from some sources on its way, with the doubts of this base chain.

    ``unsure``: the rule that made its passing of an earlier base chain unknown.
    """

    sources: Intervals
    packet: Packet
    doubts: Doubts = ()
    unsure: str = ""


class ChainEnd(NamedTuple):
    """What a chain does with a part of the flow, and the rule that says so (empty: the end of the chain)."""

    flow: Flow
    verdict: Verdict
    rule: str = ""
    by_policy: bool = False


def join(flows: Sequence[Flow]) -> list[Flow]:
    """Given flows, return them with those put together that differ by nothing but their sources.

    Of many flows those are put together, too, whose doubts differ by nothing but the rules they name.
    """
    if not flows:
        return []
    first, *others = flows
    if not others:
        return [first]
    alike: dict[tuple[object, ...], list[Flow]] = {}
    for flow in flows:
        doubts = flow.doubts if len(flows) <= _MANY else tuple(kind for kind, _rule in flow.doubts)
        alike.setdefault((flow.packet, doubts, flow.unsure), []).append(flow)
    return [group[0]._replace(sources=merge(flow.sources for flow in group)) for group in alike.values()]


class Walker:
    """Chains whose rules are indexed once, so that no packet has to pass the rules of other ports."""

    def __init__(self) -> None:
        self._indexes: dict[int, PortIndex] = {}

    def walk(self, table: Table, chain: Chain, flow: Flow, depth: int = 0) -> list[ChainEnd]:
        """Given a chain, return its verdicts on a flow, in parts that cover it; at the chain's end that is ``return``.

        Raise CoreError where chains jump in a circle, which the kernel does not load.
        """
        if depth > MAX_DEPTH:
            raise CoreError(f"the chain {chain.name} of the table {table.family} {table.name} jumps in a circle")
        pending, ends = [flow], []
        for rule in self._rules(chain, flow.packet):
            ahead: list[Flow] = []
            for current in pending:
                more, verdicts = self._apply(table, rule, current, depth)
                ahead += more
                ends += verdicts
            pending = join(ahead)
            if not pending:
                break
        return ends + [ChainEnd(left, Verdict(RETURN)) for left in pending]

    def _rules(self, chain: Chain, packet: Packet) -> list[FilterRule]:
        key = id(chain)  # the ruleset outlives this object, so an id stays one chain's
        if key not in self._indexes:
            self._indexes[key] = PortIndex(chain.rules)
        return self._indexes[key].rules(packet)

    def _apply(self, table: Table, rule: FilterRule, flow: Flow, depth: int) -> tuple[list[Flow], list[ChainEnd]]:
        """Given a rule, return what of a flow goes on to the next rule, and the verdicts on what does not."""
        hit, certain = _hit(rule, flow)
        if not hit:
            return [flow], []
        rest = subtract(flow.sources, hit)
        beside = [flow._replace(sources=rest)] if rest else []
        taken = flow._replace(sources=hit)
        if not certain:
            return beside + self._perhaps(table, rule, taken, depth), []
        if rule.effects:
            taken = taken._replace(packet=taken.packet.changed(rule.effects))
        if rule.verdict is None:
            return [*beside, taken], []
        ends = self._follow(table, rule, rule.verdict, taken, depth)
        if rule.verdict.kind != JUMP:
            return beside, ends
        back = [end.flow for end in ends if end.verdict.kind == RETURN]
        return beside + back, [end for end in ends if end.verdict.kind != RETURN]

    def _follow(self, table: Table, rule: FilterRule, verdict: Verdict, flow: Flow, depth: int) -> list[ChainEnd]:
        """Given a rule that matches, return the verdicts that it leads to."""
        if verdict.kind not in (JUMP, GOTO):
            return [ChainEnd(flow, verdict, str(rule))]
        chain = table.chains.get(verdict.target)
        if chain is None:
            return [ChainEnd(flow, Verdict(UNKNOWN), str(rule))]
        return self.walk(table, chain, flow, depth + 1)

    def _perhaps(self, table: Table, rule: FilterRule, flow: Flow, depth: int) -> list[Flow]:
        """Given a rule that may match, return the flow as it goes on, with the verdicts that it may have met."""
        if rule.effects:
            flow = flow._replace(packet=flow.packet.blurred({effect.field for effect in rule.effects}))
        if rule.verdict is None:
            return [flow]
        ends = self._follow(table, rule, rule.verdict, flow, depth)
        return [_doubting(end, rule, flow.packet) for end in ends]


def _doubting(end: ChainEnd, rule: FilterRule, before: Packet) -> Flow:
    """Given where a flow may have ended by a rule that may match, return it as it goes on instead."""
    flow = end.flow
    changed = {name for name, value in flow.packet._asdict().items() if value != getattr(before, name)}
    flow = flow._replace(packet=before.blurred(changed))
    if end.verdict.kind == RETURN and rule.verdict is not None and rule.verdict.kind == JUMP:
        return flow
    met = UNKNOWN if end.verdict.kind == RETURN else end.verdict.kind
    if met in (kind for kind, _rule in flow.doubts):
        return flow  # one rule is enough to name
    return flow._replace(doubts=(*flow.doubts, (met, str(rule))))


def _hit(rule: FilterRule, flow: Flow) -> tuple[Intervals, bool]:
    """Given a rule, return the sources of a flow that fit its tests, and whether that is certain."""
    sources, certain = flow.sources, True
    for test in rule.tests:
        fitting = fitting_sources(test, flow.packet)
        if fitting is None:
            certain = False
        elif fitting is not EVERYTHING:
            sources = intersect(sources, fitting)
            if not sources:
                break
    return sources, certain
