# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Walking one chain, and the chains that it jumps to, with a packet from all its possible sources at once.

A rule that may or may not match (a ``Doubt``) leaves two ways open. The packet goes on as if it had not matched and
carries along the verdict that it may have met already; where both ways end alike, the doubt did not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ...errors import CoreError
from . import ruleset as to
from .index import PortIndex, bunched
from .intervals import NOTHING, Intervals, intersect, merge, rest_of
from .packet import ALL, HEADER, MISSING, PEER, Fit, Packet, fit
from .ruleset import Chain, FilterRule, Fixed, Match, Table, Test, Values, Verdict

_MARKS = ("mark", "ct_mark", "ct_state", HEADER)  # what rules may write without leading the packet elsewhere
_ASKING = 24  # rules that are as much work as a packet's way past none
_DOUBTING = 3  # rules that are as much work as to go on both ways
_ROWS = 8  # so many rows of a test are as much work as a rule
_FEW_ROWS = 32  # rows of a test that are looked at one by one
_PIECES = 4  # so many boundaries of the smaller of two sets are as much work as a rule
_LARGE = 256  # boundaries of sets from which on what was cut is remembered
_KEPT_WALKS = 4096  # so many walks through chains are remembered
_MANY = 64  # flows through one chain that are told apart by the rules of their doubts
MAX_DEPTH = 64  # the kernel itself allows 16 nested jumps (NFT_JUMP_STACK_SIZE)

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


class Spent(Exception):
    """The work that a question, or all of them together, may take is done."""


Row = tuple[Values, ...]
Cut = Callable[[Intervals, Intervals], Intervals]


def _rows_by_number(match: Match, at: int) -> tuple[dict[object, list[Row]], list[Row]]:
    """Return the rows of a test that ask for one number of a field, by it, and all others."""
    single: dict[object, list[Row]] = {}
    others = []
    for row in match.rows:
        asked = row[at]
        if isinstance(asked, tuple) and len(asked) == 2 and asked[0] + 1 == asked[1]:
            single.setdefault(asked[0], []).append(row)
        else:
            others.append(row)
    return single, others


class Budget:
    """How much work may be done: applications of rules and pieces of sets, so a run ends alike each time."""

    def __init__(self, total: int = 1_000_000, question: int = 300_000) -> None:
        self._total, self._question = total, question
        self._left = 0

    def ask(self) -> None:
        """Begin another question. Raise Spent where all work is done."""
        self._left = self._question
        self.spend(_ASKING)

    def spend(self, work: int) -> None:
        """Note work that is done. Raise Spent where it was the last."""
        self._left -= work
        self._total -= work
        if self._left < 0 or self._total < 0:
            raise Spent


class Walker:
    """Chains whose rules are indexed once, so that no packet has to pass the rules of other ports.

    ``written``: a rule writes headers, so that the sender does not choose what they hold.
    """

    def __init__(self, budget: Budget, written: bool = False) -> None:
        self._budget = budget
        self._written = written
        self._indexes: dict[tuple[int, bool], PortIndex] = {}
        self._fits: dict[tuple[int, int], Fit] = {}
        self._rows: dict[tuple[int, int], tuple[dict[object, list[Row]], list[Row]]] = {}
        self._cuts: dict[tuple[Cut, int, int], tuple[Intervals, Intervals, Intervals]] = {}
        self._walked: dict[tuple[int, Flow], list[ChainEnd]] = {}

    def walk(self, table: Table, chain: Chain, flow: Flow, depth: int = 0) -> list[ChainEnd]:
        """Given a chain, return its verdicts on a flow, in parts that cover it; at the chain's end that is ``return``.

        Raise CoreError where chains jump in a circle, which the kernel does not load.
        """
        if depth > MAX_DEPTH:
            raise CoreError(f"the chain {chain.name} of the table {table} jumps in a circle")
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
        return ends + [ChainEnd(left, Verdict(to.RETURN)) for left in pending]

    def _rules(self, chain: Chain, packet: Packet) -> Iterable[FilterRule]:
        """Return the rules that can match: those of the port of this host, which an answer comes from."""
        answers = packet.turn % 2 == 1
        if not isinstance(packet.sport if answers else packet.dport, int):
            return chain.rules
        key = (id(chain), answers)  # the ruleset outlives this object, so an id stays one chain's
        if key not in self._indexes:
            self._indexes[key] = PortIndex(bunched(chain.rules), "sport" if answers else "dport")
        return self._indexes[key].rules(packet)

    def _apply(self, table: Table, rule: FilterRule, flow: Flow, depth: int) -> tuple[list[Flow], list[ChainEnd]]:
        """Given a rule, return what of a flow goes on to the next rule, and the verdicts on what does not."""
        may, must = self._hit(rule, flow)
        if not may:
            return [flow], []
        chosen = any(self._is_chosen(test, flow.packet) for test in rule.tests)
        rest, perhaps = flow.sources if chosen else self._rest(flow.sources, may), self._rest(may, must)
        onward = [flow._replace(sources=rest)] if rest else []
        if perhaps:
            onward += self._perhaps(table, rule, flow._replace(sources=perhaps), depth)
        if not must:
            return onward, []
        more, ends = self._taken(table, rule, flow._replace(sources=must), depth)
        return onward + more, ends

    def _taken(self, table: Table, rule: FilterRule, flow: Flow, depth: int) -> tuple[list[Flow], list[ChainEnd]]:
        """Given a rule that matches, return what goes on behind it, and the verdicts on the rest."""
        if rule.effects:
            flow = flow._replace(packet=flow.packet.changed(flow.packet.counting(rule.effects)))
        if rule.verdict is None and not rewrites(rule):
            return [flow], []
        ends = self._follow(table, rule, flow, depth)
        if rule.verdict is None or rule.verdict.kind != to.JUMP:
            return [], ends
        back = [end.flow for end in ends if end.verdict.kind == to.RETURN]
        return back, [end for end in ends if end.verdict.kind != to.RETURN]

    def _hit(self, rule: FilterRule, flow: Flow) -> Fit:
        """Given a rule, return the sources of a flow that may fit its tests, and those that surely do."""
        self._budget.spend(1)
        may = must = flow.sources
        for test in rule.tests:
            here = self._fit(test, flow.packet)
            if here is ALL:
                continue
            same = may is must and here[0] is here[1]
            may = self._cut(intersect, may, here[0])
            must = may if same else self._cut(intersect, must, here[1])
            if not may:
                break
        return may, must

    def _fit(self, test: Test, packet: Packet) -> Fit:
        """Return whom a test fits; where it asks for the peer alone, that is always the same set."""
        if not isinstance(test, Match) or len(test.fields) > 1 or getattr(packet, test.fields[0], None) is not PEER:
            if isinstance(test, Match) and len(test.rows) > 1:
                self._budget.spend(min(len(test.rows), _FEW_ROWS) // _ROWS)
            return ALL if self._is_chosen(test, packet) else fit(self._narrowed(test, packet), packet)
        key = (id(test), packet.family)
        if key not in self._fits:
            self._fits[key] = fit(test, packet)
        return self._fits[key]

    def _narrowed(self, test: Test, packet: Packet) -> Test:
        """Return a test of many rows with those alone that a number of the packet may be among.

        They are found by that number; rows that ask for a range of it stay.
        """
        if not isinstance(test, Match) or len(test.rows) <= _FEW_ROWS or test.mask is not None:
            return test
        values = [packet.value(name) for name in test.fields]
        at = next((at for at, value in enumerate(values) if isinstance(value, int)), None)
        if at is None or MISSING in values:
            return test
        key = (id(test), at)
        if key not in self._rows:
            self._rows[key] = _rows_by_number(test, at)
        single, others = self._rows[key]
        return test._replace(rows=(*single.get(values[at], ()), *others))

    def _is_chosen(self, test: Test, packet: Packet) -> bool:
        """Return whether the sender may have a test hold or not, as it likes: of its own packets, and where it is how
        many that count, of the answers.
        """
        if isinstance(test, Match) or not test.chosen:
            return False
        return isinstance(test, Fixed) or (packet.turn % 2 == 0 and not self._written)

    def _rest(self, sources: Intervals, part: Intervals) -> Intervals:
        return NOTHING if sources is part else self._cut(rest_of, sources, part)

    def _cut(self, how: Cut, sources: Intervals, part: Intervals) -> Intervals:
        """Return what of the sources lies in a part, or does not; what large sets give is remembered by identity."""
        size = len(sources) + len(part)
        if size < _LARGE:
            self._budget.spend(min(len(sources), len(part)) // _PIECES)
            return how(sources, part)
        key = (how, id(sources), id(part))
        if key not in self._cuts:
            self._budget.spend(size // _LARGE)
            self._cuts[key] = (how(sources, part), sources, part)
        return self._cuts[key][0]

    def _follow(self, table: Table, rule: FilterRule, flow: Flow, depth: int) -> list[ChainEnd]:
        """Given a rule that matches, return the verdicts that it leads to."""
        verdict = Verdict(to.AWAY) if rule.verdict is None or rewrites(rule) else rule.verdict
        if verdict.kind not in (to.JUMP, to.GOTO):
            return [ChainEnd(flow, verdict, str(rule))]
        chain = table.chains.get(verdict.target)
        if chain is None:
            return [ChainEnd(flow, Verdict(to.UNKNOWN), str(rule))]
        if len(flow.sources) >= _LARGE:
            return self.walk(table, chain, flow, depth + 1)
        key = (id(chain), flow)  # chains that jump to each other lead the same flow to one chain over and over
        if key not in self._walked:
            if len(self._walked) >= _KEPT_WALKS:
                self._walked.clear()
            self._walked[key] = self.walk(table, chain, flow, depth + 1)
        return self._walked[key]

    def _perhaps(self, table: Table, rule: FilterRule, flow: Flow, depth: int) -> list[Flow]:
        """Given a rule that may match, return the flow as it goes on, with the verdicts that it may have met."""
        self._budget.spend(_DOUBTING)
        if rule.effects and not rewrites(rule):
            flow = flow._replace(
                packet=flow.packet.blurred({effect.field for effect in flow.packet.counting(rule.effects)})
            )
        if rule.verdict is None and not rewrites(rule):
            return [flow]
        return [_doubting(end, rule, flow.packet) for end in self._follow(table, rule, flow, depth)]


def _doubting(end: ChainEnd, rule: FilterRule, before: Packet) -> Flow:
    """Given where a flow may have ended by a rule that may match, return it as it goes on instead."""
    flow = end.flow._replace(packet=blurred_to(end.flow.packet, before))
    if end.verdict.kind == to.RETURN and rule.verdict is not None and rule.verdict.kind == to.JUMP:
        return flow
    met = to.UNKNOWN if end.verdict.kind == to.RETURN else end.verdict.kind
    if met in (kind for kind, _rule in flow.doubts):
        return flow  # one rule is enough to name
    return flow._replace(doubts=(*flow.doubts, (met, str(rule))))


def blurred_to(after: Packet, before: Packet) -> Packet:
    """Given a packet as it may have become, return the one before with what differs not known."""
    if after is before:
        return before
    return before.blurred(name for name, new, old in zip(Packet._fields, after, before) if new != old)


def rewrites(rule: FilterRule) -> bool:
    """Return whether a rule writes into the packet itself: what becomes of it then is not modelled."""
    return any(effect.field not in _MARKS for effect in rule.effects)
