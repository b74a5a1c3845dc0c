# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sending a first packet through all base chains that lie between the network and a socket of this host.

The kernel's order (https://wiki.nftables.org/wiki-nftables/index.php/Configuring_chains): base chains by hook, then by
priority. A drop is final. An accept ends that base chain only, and the next one judges anew. The end of a base chain
is its policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .intervals import Intervals, contains, intersect, spanning, subtract
from .packet import INVALID, TCP, Packet
from .ruleset import (
    ACCEPT,
    AWAY,
    CONNECTION_STATES,
    DIVERT,
    DROP,
    INGRESS,
    PREROUTING,
    REJECT,
    RETURN,
    UNKNOWN,
    Chain,
    Ruleset,
    Table,
    Verdict,
)
from .walk import FINAL, ChainEnd, Flow, Walker, join

OPEN, FILTERED = "open", "filtered"  # beside UNKNOWN, what becomes of a packet
NO_RULE = "no rule of the kernel stops it"
_CONNTRACK = -200  # NF_IP_PRI_CONNTRACK: from there on packets belong to connections
LEADS_AWAY = "it leads away from the sockets of this host, and what filters on that way is not judged"


class Piece(NamedTuple):
    """What becomes of the packet from some sources: open, filtered or unknown, and which rule decided.

    ``packet`` is how it looks in the end: a redirect has given it another port.
    """

    sources: Intervals
    verdict: str
    rule: str
    packet: Packet


class Evaluator:
    """A ruleset ready to be asked. ``local`` are this host's own addresses of IPv4 (4) and IPv6 (6)."""

    def __init__(self, ruleset: Ruleset, local: Mapping[int, Intervals]) -> None:
        self._paths = {family: ruleset.base_chains(family) for family in (4, 6)}
        self._unavailable = {family: ruleset.why_unavailable(family) for family in (4, 6)}
        self._local = local
        self._walker = Walker()

    def send(self, packet: Packet, sources: Intervals) -> list[Piece]:
        """Given a packet for this host and its sources, return what becomes of it, in pieces that cover the sources."""
        pieces: list[Piece] = []
        passed: list[ChainEnd] = []
        flows = [Flow(sources, packet)]
        for table, chain in self._paths[packet.family]:
            if chain.devices and packet.iif not in chain.devices:
                continue
            if chain.nat and not packet.opens:
                continue
            ends = [end for flow in flows for end in self._through(table, chain, flow)]
            pieces += [_ended(end) for end in ends if not self._goes_on(end)]
            onward = [end for end in ends if self._goes_on(end)]
            passed += onward
            flows = join([_next_flow(end) for end in onward])
        return pieces + [piece for flow in flows for piece in self._arrived(flow, passed)]

    def exchange(self, packet: Packet, address: int) -> Piece:
        """Given a packet of the host to itself, from an address to the same, return what becomes of it.

        Its answer comes in as well.
        """
        itself = spanning(address, address)
        (there,), (back,) = self.connect(packet, itself), self.send(packet.answer(address), itself)
        return there if there.verdict != OPEN or back.verdict == OPEN else back

    def connect(self, packet: Packet, sources: Intervals) -> list[Piece]:
        """Given a first packet and its sources, return who can connect: TCP needs the packet after it as well.

        After a redirect that one is taken to pass, because how it is translated is not modelled.
        """
        pieces = self.send(packet, sources)
        if packet.proto != TCP:
            return pieces
        return [part for piece in pieces for part in self._established(piece)]

    def _established(self, piece: Piece) -> list[Piece]:
        if piece.verdict != OPEN or piece.packet.ct_status:
            return [piece]
        return [
            after._replace(rule=piece.rule, packet=piece.packet) if after.verdict == OPEN else after
            for after in self.send(piece.packet.next(), piece.sources)
        ]

    def _through(self, table: Table, chain: Chain, flow: Flow) -> list[ChainEnd]:
        """Given a base chain, return its verdicts on a flow: accept, drop, reject, divert or unknown."""
        policy = f"{table.family} {table.name} {chain.name}: policy {chain.policy}"
        if chain.nat and flow.packet.ct_status:
            return [ChainEnd(flow, Verdict(ACCEPT), policy, by_policy=True)]
        ended = []
        for end in self._walker.walk(table, chain, _as_far_as_known(chain, flow)):
            at_end = ChainEnd(end.flow, Verdict(chain.policy), policy, by_policy=True)
            settled = _settle(at_end if end.verdict.kind == RETURN else end)
            ended.append(settled._replace(flow=_as_tracked(settled.flow, flow.packet)))
        return ended

    def _goes_on(self, end: ChainEnd) -> bool:
        """Return whether a packet goes on to the next base chain towards the sockets of this host."""
        verdict = end.verdict
        if verdict.kind != DIVERT or verdict.address is None:
            return verdict.kind not in (DROP, REJECT, AWAY)
        return contains(self._local[end.flow.packet.family], verdict.address)

    def _arrived(self, flow: Flow, passed: list[ChainEnd]) -> list[Piece]:
        """Given what nothing stopped, return it in pieces by the rule that let it through; the last one counts."""
        doubt = flow.unsure or self._unavailable[flow.packet.family]
        if doubt:
            return [Piece(flow.sources, UNKNOWN, doubt, flow.packet)]
        pieces, rest = [], flow.sources
        for end in _latest_first(passed):
            share = intersect(rest, end.flow.sources)
            if share:
                pieces.append(Piece(share, OPEN, end.rule, flow.packet))
                rest = subtract(rest, share)
        return pieces + ([Piece(rest, OPEN, NO_RULE, flow.packet)] if rest else [])


def _as_far_as_known(chain: Chain, flow: Flow) -> Flow:
    """Given a base chain, return a flow as it looks there: before connections are tracked they all look invalid."""
    untracked_yet = chain.hook == INGRESS or (chain.hook == PREROUTING and chain.priority < _CONNTRACK)
    if not untracked_yet or flow.packet.ct_state == CONNECTION_STATES["untracked"]:
        return flow
    return flow._replace(packet=flow.packet._replace(ct_state=INVALID))


def _as_tracked(flow: Flow, before: Packet) -> Flow:
    """Given a flow behind a base chain, return it with the state of its connection that it has from now on."""
    if flow.packet.ct_state != INVALID:
        return flow
    return flow._replace(packet=flow.packet._replace(ct_state=before.ct_state))


def _latest_first(passed: list[ChainEnd]) -> list[ChainEnd]:
    """Given what let a packet through, in order, return it with rules before policies and the last first."""
    latest = passed[::-1]
    return [end for end in latest if not end.by_policy] + [out for out in latest if out.by_policy]


def _settle(end: ChainEnd) -> ChainEnd:
    """Given the end of a base chain, return it as unknown where a rule that may have matched says otherwise.

    Where that rule gives the packet another port or address, what stops it as it is says nothing: it ends here.
    """
    for kind, rule in end.flow.doubts:
        if kind in (DIVERT, AWAY):
            return ChainEnd(end.flow, Verdict(AWAY), rule)
    stopped = end.verdict.kind in (DROP, REJECT)
    for kind, rule in end.flow.doubts:
        if kind not in FINAL or end.verdict.kind not in FINAL or (kind in (DROP, REJECT)) != stopped:
            return ChainEnd(end.flow, Verdict(UNKNOWN), rule)
    return end


def _ended(end: ChainEnd) -> Piece:
    """Given an outcome that does not go on to a socket of this host, return it as a piece."""
    flow, rule = end.flow, end.rule
    if end.verdict.kind in (DIVERT, AWAY):
        return Piece(flow.sources, UNKNOWN, f"{rule} ({LEADS_AWAY})", flow.packet)
    return Piece(flow.sources, FILTERED, rule, flow.packet)


def _next_flow(end: ChainEnd) -> Flow:
    """Given an outcome that goes on, return the flow as the next base chain gets it."""
    flow, verdict = end.flow, end.verdict
    if verdict.kind == DIVERT:
        return Flow(flow.sources, flow.packet.diverted(verdict.address, verdict.port), (), flow.unsure)
    return Flow(flow.sources, flow.packet, (), flow.unsure or (end.rule if verdict.kind == UNKNOWN else ""))
