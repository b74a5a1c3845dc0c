# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel's packet filter consists of, whatever tool loaded it: tables, chains, rules, and what they test.

Every parser makes these records; the evaluation knows nothing else. What a parser does not understand becomes a
``Doubt`` with its text, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional, Union

from ...finding import EMPTY
from .intervals import Intervals, complement, merge

ACCEPT, DROP, REJECT, RETURN, JUMP, GOTO = "accept", "drop", "reject", "return", "jump", "goto"
DIVERT = "divert"  # the packet goes on with another address or port (DNAT, redirect)
SAME = "same"  # the target of a divert that keeps the address
TRANSLATE = "translate"  # the packet goes on with another source (SNAT, masquerade)
AWAY = "away"  # the packet leaves the way to this host's sockets for one that is not modelled
UNKNOWN = "unknown"  # something decides that is not modelled: a program (queue), an unknown target
INGRESS, PREROUTING, INPUT, FORWARD = "ingress", "prerouting", "input", "forward"
OUTPUT, POSTROUTING, EGRESS = "output", "postrouting", "egress"
HOOKS = (INGRESS, PREROUTING, INPUT)  # what a packet for this host passes, in this order
LEGACY, XTABLES, NFT = "iptables-legacy", "iptables-nft", "nft"

# The numbers of linux/rtnetlink.h, linux/if_packet.h and nf_conntrack_common.h that rules name.
_ADDRESS_TYPES = "unspec unicast local broadcast anycast multicast blackhole unreachable prohibit"
ADDRESS_TYPES = {name: number for number, name in enumerate(_ADDRESS_TYPES.split())}
PACKET_TYPES = {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3}
CONNECTION_STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64, "snat": 128, "dnat": 256}
PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "comp": 108,
    "sctp": 132,
    "udplite": 136,
}

Values = Union[Intervals, frozenset[str]]


class Match(NamedTuple):
    """One test of a rule: the named fields of a packet, taken together, are one of the rows.

    A row holds a set of numbers per field, or interface names (a ``*`` at the end stands for any rest). ``mask`` is put
    over the field first. ``negated``: the test holds where no row fits. Where the packet lacks a field at that hook
    (``ct_mark`` without a connection) the test does not hold in either form, as in the kernel.
    """

    fields: tuple[str, ...]
    rows: tuple[tuple[Values, ...], ...]
    text: str
    negated: bool = False
    mask: Optional[int] = None

    def numbers(self) -> Optional[Intervals]:
        """Return the numbers that this test asks its one field to be among.

        None: it asks for several fields together, for names, or for a part of the bits.
        """
        if len(self.fields) != 1 or self.mask is not None:
            return None
        columns = [row[0] for row in self.rows if isinstance(row[0], tuple)]
        if len(columns) < len(self.rows):
            return None
        return complement(merge(columns)) if self.negated else merge(columns)


class Fixed(NamedTuple):
    """A test whose outcome is the same for every first packet of a quiet sender: rate limits, reverse-path checks.

    ``chosen``: a sender that is not quiet may have it otherwise.
    """

    holds: bool
    text: str
    chosen: bool = False


class Doubt(NamedTuple):
    """A test that is not modelled: it may hold or not. ``chosen``: as the sender likes (options, headers)."""

    text: str
    chosen: bool = False


Test = Union[Match, Fixed, Doubt]


class Effect(NamedTuple):
    """What a rule changes of a packet: ``field`` (mark, ct_mark, ct_state, a port) gets ``value`` in ``mask``'s bits.

    ``value`` None: it gets something that cannot be foretold.
    """

    field: str
    value: Optional[int]
    mask: Optional[int] = None


class Verdict(NamedTuple):
    """Where a rule sends the packet. ``target`` is the chain of a jump or goto, ``address`` and ``port`` of a divert.

    A divert without a port keeps the port. One without an address leads to the incoming interface's own (redirect), or,
    with ``target`` SAME, keeps the address (``dnat to :8080``).
    """

    kind: str
    target: str = ""
    address: Optional[int] = None
    port: Optional[int] = None


class FilterRule(NamedTuple):
    """A rule: where it stands (``inet filter input handle 7``), its text, tests, effects, and verdict if it has one.

    ``implied``: nobody wrote it, the filter does so by itself. ``packets`` is its counter, None where it has none.
    """

    where: str
    text: str
    tests: tuple[Test, ...] = ()
    effects: tuple[Effect, ...] = ()
    verdict: Optional[Verdict] = None
    implied: bool = False
    packets: Optional[int] = None
    comment: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class Chain(NamedTuple):
    """A chain; a base chain has a hook, a priority and a policy, and at ingress the devices that it sits on.

    A chain of type ``nat`` sees the first packet of a connection only, until an address was chosen.
    """

    name: str
    rules: tuple[FilterRule, ...] = ()
    hook: str = ""
    priority: int = 0
    policy: str = ACCEPT
    devices: tuple[str, ...] = ()
    nat: bool = False


class Table(NamedTuple):
    """A table of one backend. ``family`` is ip, ip6, inet, netdev, bridge or arp. The chains of a ``dormant`` one are
    not registered: it decides nothing.
    """

    backend: str
    family: str
    name: str
    chains: Mapping[str, Chain] = EMPTY
    dormant: bool = False

    def serves(self, family: int) -> bool:
        """Return whether packets of IPv4 (4) or IPv6 (6) for this host pass this table."""
        return self.family in ("inet", "netdev", "ip" if family == 4 else "ip6")

    def reached_from(self, *names: str) -> list[Chain]:
        """Given the names of chains, return them and all chains that packets come to from there, each once."""
        waiting, found = list(names), dict[str, Chain]()
        while waiting:
            name = waiting.pop()
            if name in self.chains and name not in found:
                found[name] = self.chains[name]
                verdicts = [rule.verdict for rule in self.chains[name].rules if rule.verdict is not None]
                waiting += [verdict.target for verdict in verdicts if verdict.kind in (JUMP, GOTO)]
        return list(found.values())

    @property
    def holds_rules(self) -> bool:
        """Whether the table decides anything: a rule, or a policy other than accept."""
        return any(chain.rules or chain.policy != ACCEPT for chain in self.chains.values())


class Gap(NamedTuple):
    """Something that may stop or let in packets and is not modelled: a bridge table, rules of arp, an unknown hook.

    It counts for those ``families`` on those ``devices`` (none named: on all but loopback).
    """

    text: str
    families: tuple[int, ...] = (4, 6)
    devices: tuple[str, ...] = ()


class Ruleset(NamedTuple):
    """All tables of a host, for IPv4 (4) and IPv6 (6) why some could not be seen, and what is not modelled of them."""

    tables: tuple[Table, ...] = ()
    unavailable: Mapping[int, tuple[str, ...]] = EMPTY
    gaps: tuple[Gap, ...] = ()

    def base_chains(self, family: int, hooks: tuple[str, ...] = HOOKS) -> list[tuple[Table, Chain]]:
        """Return what a packet of that family passes at some hooks (those for this host), by hook, then priority."""
        passed = [
            (table, chain)
            for table in self.tables
            if table.serves(family) and not table.dormant
            for chain in table.chains.values()
            if chain.hook in hooks
        ]
        return sorted(passed, key=lambda pair: (hooks.index(pair[1].hook), pair[1].priority))

    @property
    def rule_count(self) -> int:
        """How many rules somebody wrote."""
        chains = [chain for table in self.tables for chain in table.chains.values()]
        return len([rule for chain in chains for rule in chain.rules if not rule.implied])

    def why_unavailable(self, family: int) -> str:
        """Return why rules of that family could not be seen; empty where all could."""
        return "; ".join(self.unavailable.get(family, ()))
