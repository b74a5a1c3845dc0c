# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole exchange through a host's packet filter: the way in, the answer's way out, and the packets after them.

The kernel passes a packet through the base chains of each hook. A drop is final. An accept ends that base chain only,
and the next one judges anew. The end of a base chain is its policy. Open is only what both ways let through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

from . import ruleset as to
from .intervals import Intervals, contains, intersect, merge, rest_of
from .network import LOOPBACK_SOURCES, Stack
from .order import NAT, TRACK, Base, Orders, Path, Station, orders_of
from .packet import CONFIRMED, DNAT_DONE, HEADER, LOOPBACK, NEW, SNAT_DONE, TCP, Packet, is_named
from .ruleset import Ruleset, Verdict
from .walk import Budget, ChainEnd, Flow, Spent, Walker, blurred_to, join

OPEN, FILTERED = "open", "filtered"  # beside UNKNOWN, what becomes of a packet
NO_RULE = "no rule of the kernel stops it"
LEADS_AWAY = "it leads away from the sockets of this host, and what filters on that way is not judged"
TOO_MUCH = "these rules take more work to evaluate than this audit spends on them"
UNTRACKED_NAT = "whether connections are tracked, without which no chain of NAT is passed, cannot be seen"

_COMPARED = 20  # comparisons of pieces that cost as much as a rule that is applied
_IN, _OUT = (to.INGRESS, to.PREROUTING, to.INPUT), (to.OUTPUT, to.POSTROUTING, to.EGRESS)
_ITSELF, _THROUGH = (*_OUT, *_IN), (to.INGRESS, to.PREROUTING, to.FORWARD, to.POSTROUTING, to.EGRESS)
_LOCAL = {4: 0x7F000001, 6: 1}  # where a redirect leads what the host itself sends


class Piece(NamedTuple):
    """What becomes of the packet from some sources: open, filtered or unknown, and which rule decided.

    ``packet`` is how it looks where it arrives: a redirect has given it another port.
    """

    sources: Intervals
    verdict: str
    rule: str
    packet: Packet


class Evaluator:
    """A ruleset ready to be asked on a host."""

    def __init__(self, ruleset: Ruleset, stack: Stack, budget: Optional[Budget] = None) -> None:
        self._orders: dict[int, Orders] = {family: orders_of(ruleset, family) for family in (4, 6)}
        self._unavailable = {family: ruleset.why_unavailable(family) for family in (4, 6)}
        self._gaps = ruleset.gaps
        self._stack = stack
        self._budget = budget or Budget()
        written = any(effect.field == HEADER for rule in ruleset.rules for effect in rule.effects)
        self._walker = Walker(self._budget, written)

    def exchange(self, packet: Packet, sources: Intervals, *, through: bool = False) -> list[Piece]:
        """Given a first packet and its sources, return what becomes of the exchange, in pieces that cover the sources.

        ``through``: it is looked at on its way to another host, that NAT names.
        """
        device = packet.iif
        begin = packet._replace(comes=device, leaves=LOOPBACK if device == LOOPBACK else "", stack=self._stack).begun()
        orders = self._orders[packet.family]
        try:
            self._budget.ask()
            first, *others = (_Exchange(self, path, orders).run(begin, sources, through) for path in orders.paths)
            pieces = self._alike(first, others, orders.why)
        except Spent:
            return [Piece(sources, to.UNKNOWN, TOO_MUCH, packet)]
        return [self._with_doubts(piece, device, orders) for piece in pieces]

    def _alike(self, pieces: list[Piece], others: list[list[Piece]], why: str) -> list[Piece]:
        """Given what comes of an exchange in one order and in the others, return it as unknown where they differ.

        Pieces overlap where a sender chooses, so what is alike is put together each time. Raise Spent.
        """
        for other in others:
            self._budget.spend(len(pieces) * len(other) // _COMPARED)
            pieces = _joined(part for piece in pieces for part in _compared(piece, other, why))
        return pieces

    def walk(self, base: Base, flow: Flow) -> list[ChainEnd]:
        """Given a base chain, return its verdicts on a flow: accept, drop, reject, divert, translate or unknown."""
        table, chain = base
        policy = f"{table} {chain.name}: policy {chain.policy}"
        ended = []
        for end in self._walker.walk(table, chain, flow):
            at_end = ChainEnd(end.flow, Verdict(chain.policy), policy, by_policy=True)
            ended.append(_settle(at_end if end.verdict.kind == to.RETURN else end))
        return ended

    def _with_doubts(self, piece: Piece, device: str, orders: Orders) -> Piece:
        """Given a piece, return it as unknown where it is open as far as is known, and not all is known."""
        if piece.verdict != OPEN:
            return piece
        family = piece.packet.family
        doubts = [self._unavailable[family], "" if orders.complete else orders.why, *self._stack.doubts]
        for gap in self._gaps:
            devices = gap.devices or ((device,) if device != LOOPBACK else ())
            here = is_named(device, devices) or any(
                is_named(part, devices) for part in self._stack.below.get(device, ())
            )
            doubts += [gap.text] if family in gap.families and here else []
        doubt = next((text for text in doubts if text), "")
        return piece._replace(verdict=to.UNKNOWN, rule=doubt) if doubt else piece


class _Exchange:
    """One exchange in one of the possible orders."""

    def __init__(self, evaluator: Evaluator, path: Path, orders: Orders) -> None:
        self._evaluator = evaluator
        self._path = path
        self._orders = orders
        self._pieces: list[Piece] = []
        self._passed: list[ChainEnd] = []

    def run(self, packet: Packet, sources: Intervals, through: bool) -> list[Piece]:
        flows = [Flow(sources, packet)]
        credit: list[ChainEnd] = []
        for turn in range(4 if packet.proto == TCP else 2):
            if turn:
                flows = join([flow._replace(packet=flow.packet.answered()) for flow in flows])
            flows = self._way(flows, _hooks(packet, turn, through), through and turn == 0)
            if turn == 0:
                credit = list(self._passed)
        return self._pieces + [piece for flow in flows for piece in _arrived(flow, credit)]

    def _way(self, flows: list[Flow], hooks: tuple[str, ...], through: bool) -> list[Flow]:
        """Given packets, return those that come through these hooks; of the others the end is noted."""
        for hook in hooks:
            flows = [flow._replace(packet=flow.packet.at(hook)) for flow in flows]
            for station in self._path.get(hook, ()):
                flows = self._station(station, flows, hook)
            if hook == to.PREROUTING:
                flows = [sent for flow in flows for sent in self._routed(flow, through)]
            if hook == to.POSTROUTING:
                flows = [_confirmed(flow) for flow in flows]
        return flows

    def _station(self, station: Station, flows: list[Flow], hook: str) -> list[Flow]:
        if station.kind == TRACK:
            tracks = self._orders.tracks or self._orders.nat
            return [flow._replace(packet=flow.packet.tracked()) if tracks else flow for flow in flows]
        if station.kind == NAT:
            return join([onward for flow in flows for onward in self._nat(station.nat, flow, hook)])
        return join([onward for flow in flows for onward in self._chain(station.base, flow)]) if station.base else flows

    def _chain(self, base: Base, flow: Flow) -> list[Flow]:
        """Given a base chain that is not of NAT, return what goes on behind it."""
        sits = _sits_on(base, flow.packet)
        if sits is False:
            return [flow]
        ends = self._evaluator.walk(base, flow)
        if sits is None:
            ends = [_perhaps_there(end, flow) for end in ends]
        return self._sorted_out(ends)

    def _sorted_out(self, ends: list[ChainEnd]) -> list[Flow]:
        """Given the ends of a base chain, return what goes on to the next one, and note what does not."""
        flows = []
        for end in ends:
            if end.verdict.kind in (to.ACCEPT, to.UNKNOWN):
                self._passed.append(end)
                unsure = end.flow.unsure or (end.rule if end.verdict.kind == to.UNKNOWN else "")
                flows.append(Flow(end.flow.sources, end.flow.packet, (), unsure))
            elif end.verdict.kind in (to.DROP, to.REJECT):
                self._end(end.flow, FILTERED, end.rule)
            else:
                self._end(end.flow, to.UNKNOWN, f"{end.rule} ({LEADS_AWAY})")
        return flows

    def _end(self, flow: Flow, verdict: str, rule: str) -> None:
        self._pieces.append(Piece(flow.sources, verdict, rule, _landed(flow.packet)))

    def _nat(self, bases: tuple[Base, ...], flow: Flow, hook: str) -> list[Flow]:
        """Given a packet at the place of NAT, return it as it goes on."""
        packet, done = flow.packet, DNAT_DONE if hook in (to.PREROUTING, to.OUTPUT) else SNAT_DONE
        known = packet.connection
        if not packet.has_entry or packet.ct_state is None:
            if packet.turn and (known.given or known.masked):
                self._end(flow, to.UNKNOWN, "its connection is translated, and this packet is not seen as part of it")
                return []
            return [flow]
        if packet.ct_state != NEW:
            return [flow._replace(packet=packet.translated())]
        flows = [flow]
        for base in bases:
            flows = [onward for each in flows for onward in self._nat_chain(base, each, hook, done)]
        return [_nat_done(each, done) for each in flows]

    def _nat_chain(self, base: Base, flow: Flow, hook: str, done: int) -> list[Flow]:
        """Given a chain of NAT, return what goes on behind it; those before it may have chosen already."""
        if flow.packet.connection.done & done:
            return [flow]
        onward = []
        for end in self._evaluator.walk(base, flow):
            kind = end.verdict.kind
            if kind == to.DIVERT and done == DNAT_DONE and flow.packet.turn == 0:
                self._passed.append(end)
                onward.append(_nat_done(_diverted(end, hook), done))
            elif kind == to.TRANSLATE or any(met == to.TRANSLATE for met, _rule in end.flow.doubts):
                if hook == to.INPUT or flow.packet.turn:
                    self._end(end.flow, to.UNKNOWN, f"{end.rule} ({LEADS_AWAY})")
                    continue
                # Without a connection of its own what answers may be another; and what a host sends itself as somebody
                # else is answered by way of that one's route: from 127.0.0.1 there may be none.
                doubtful = flow.packet.proto != TCP or flow.packet.itself
                unsure = end.flow.unsure or (end.rule if doubtful else "")
                known = end.flow.packet.connection._replace(masked=True)
                masked = end.flow.packet._replace(saddr=None, ct_status=None, connection=known)
                onward.append(_nat_done(Flow(end.flow.sources, masked, (), unsure), done))
            elif kind in (to.DROP, to.REJECT) and not self._orders.tracks:
                self._passed.append(end)
                onward.append(Flow(end.flow.sources, end.flow.packet, (), f"{end.rule} ({UNTRACKED_NAT})"))
            elif kind == to.ACCEPT:
                onward.append(end.flow._replace(doubts=()))
            else:
                onward += self._sorted_out([end])
        return onward

    def _routed(self, flow: Flow, through: bool) -> list[Flow]:
        """Given a packet behind prerouting, return it as it is routed; where that is not the way asked for, it ends."""
        packet = flow.packet
        address, stack = packet.daddr, packet.stack
        here = address is None or packet.itself or _is_local(packet, address)
        if packet.turn % 2 or (packet.turn and not here) or packet.itself:
            return [flow]
        if here:
            if _is_martian(packet, address):
                self._end(
                    flow, FILTERED, "packets for 127.0.0.0/8 that come from outside are martian (route_localnet=0)"
                )
                return []
            return [] if through else [flow]
        if not through:
            self._end(flow, FILTERED, self._why_elsewhere(flow))
            return []
        leaves = stack.way_to(packet.family, address) if isinstance(address, int) else ""
        if not leaves or packet.comes not in stack.forwards.get(packet.family, ()):
            self._end(flow, FILTERED, "this host passes no packets on from there (ip_forward), or no route leads there")
            return []
        return [flow._replace(packet=packet._replace(leaves=leaves))]

    def _why_elsewhere(self, flow: Flow) -> str:
        rules = [end.rule for end in self._passed if end.verdict.kind == to.DIVERT]
        return f"{rules[-1] if rules else 'NAT'} (it leads to another host)"


def _hooks(packet: Packet, turn: int, through: bool) -> tuple[str, ...]:
    if packet.itself:
        return _ITSELF
    return _THROUGH if through else _OUT if turn % 2 else _IN


def _is_local(packet: Packet, address: object) -> bool:
    own = packet.stack.local.get(packet.family)
    return own is None or (isinstance(address, int) and contains(own, address))


def _is_martian(packet: Packet, address: object) -> bool:
    """Return whether a packet from outside for the loopback network is thrown away."""
    if packet.itself or not isinstance(address, int) or not contains(LOOPBACK_SOURCES[packet.family], address):
        return False
    allowed = packet.stack.localnet
    return allowed is not None and (packet.family == 6 or packet.comes not in allowed)


def _sits_on(base: Base, packet: Packet) -> Optional[bool]:
    """Return whether a base chain sees what passes a device; None where it may, for one: it sits on a part of it."""
    device = packet.leaves if base.chain.hook == to.EGRESS else packet.comes
    if not base.chain.devices:
        return None if base.chain.hook in (to.INGRESS, to.EGRESS) else True
    if is_named(device, base.chain.devices):
        return True
    parts = packet.stack.below.get(device, ())
    return None if any(is_named(part, base.chain.devices) for part in parts) else False


def _perhaps_there(end: ChainEnd, before: Flow) -> ChainEnd:
    """Given the end of a base chain that may not see a packet, return it so: nothing that it does is certain."""
    flow = end.flow._replace(packet=blurred_to(end.flow.packet, before.packet))
    return end._replace(flow=flow, verdict=end.verdict if end.verdict.kind == to.ACCEPT else Verdict(to.UNKNOWN))


def _confirmed(flow: Flow) -> Flow:
    status = flow.packet.ct_status
    return flow._replace(packet=flow.packet._replace(ct_status=status | CONFIRMED)) if isinstance(status, int) else flow


def _nat_done(flow: Flow, done: int) -> Flow:
    packet = flow.packet
    status = packet.ct_status | done if isinstance(packet.ct_status, int) else packet.ct_status
    known = packet.connection._replace(done=packet.connection.done | done)
    return flow._replace(packet=packet._replace(ct_status=status, connection=known))


def _diverted(end: ChainEnd, hook: str) -> Flow:
    """Given the end of a NAT chain that leads elsewhere, return the flow as it goes on there."""
    packet, verdict = end.flow.packet, end.verdict
    address: object = verdict.address
    if address is None and verdict.target == to.SAME:
        address = packet.daddr
    elif address is None:
        address = (
            _LOCAL[packet.family]
            if hook == to.OUTPUT
            else (
                packet.stack.primary(packet.comes, packet.family, packet.daddr)
                if isinstance(packet.daddr, int)
                else None
            )
        )
    return Flow(end.flow.sources, packet.diverted(address, verdict.port), (), end.flow.unsure)  # type: ignore[arg-type]


def _landed(packet: Packet) -> Packet:
    """Given a packet of the exchange, return one as the first of it arrives."""
    known = packet.connection
    if packet.turn == 0:
        return packet
    if packet.turn % 2:
        packet = packet._replace(daddr=packet.saddr, saddr=packet.daddr, dport=packet.sport, sport=packet.dport)
    return packet._replace(daddr=known.given[0], dport=known.given[1]) if known.given else packet


def _arrived(flow: Flow, passed: list[ChainEnd]) -> list[Piece]:
    """Given an exchange that nothing stopped, return it in pieces by the rule that let it in; the last one counts."""
    landed = _landed(flow.packet)
    if flow.unsure:
        return [Piece(flow.sources, to.UNKNOWN, flow.unsure, landed)]
    pieces, rest = [], flow.sources
    latest = passed[::-1]
    for end in [*(each for each in latest if not each.by_policy), *(each for each in latest if each.by_policy)]:
        share = intersect(rest, end.flow.sources)
        if share:
            pieces.append(Piece(share, OPEN, end.rule, landed))
            rest = rest_of(rest, share)
    return pieces + ([Piece(rest, OPEN, NO_RULE, landed)] if rest else [])


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Given pieces, return them with those put together that differ by nothing but their sources."""
    sources: dict[Piece, list[Intervals]] = {}
    for piece in pieces:
        sources.setdefault(piece._replace(sources=()), []).append(piece.sources)
    return [piece._replace(sources=merge(parts)) for piece, parts in sources.items()]


def _compared(piece: Piece, others: list[Piece], why: str) -> list[Piece]:
    """Given a piece and those of another order, return it as unknown where the verdicts differ."""
    parts = []
    for other in others:
        common = intersect(piece.sources, other.sources)
        same = (piece.verdict, piece.packet.daddr, piece.packet.dport) == (
            other.verdict,
            other.packet.daddr,
            other.packet.dport,
        )
        if common:
            parts.append(piece._replace(sources=common) if same else Piece(common, to.UNKNOWN, why, piece.packet))
    return parts


def _settle(end: ChainEnd) -> ChainEnd:
    """Given the end of a base chain, return it as unknown where a rule that may have matched says otherwise.

    Where that rule gives the packet another port or address, what stops it as it is says nothing: it ends here.
    """
    for kind, rule in end.flow.doubts:
        if kind in (to.DIVERT, to.AWAY):
            return ChainEnd(end.flow, Verdict(to.AWAY), rule)
    stops, passes = (to.DROP, to.REJECT), (to.ACCEPT, to.TRANSLATE)
    for kind, rule in end.flow.doubts:
        if not any(kind in group and end.verdict.kind in group for group in (stops, passes)):
            return ChainEnd(end.flow, Verdict(to.UNKNOWN), rule)
    return end
