# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A packet at one place of its way, and what a rule's tests say of it there.

The peer's address is not one number but a set: a rule's tests cut out of it the part that they fit. Every other field
has a number or a set of possible ones, or is MISSING there (a test of it holds in neither form), or is None: unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple, Optional, Union

from . import ruleset as to
from .intervals import BITS, EVERYTHING, NOTHING, Intervals, complement, contains, few, intersect, merge, under_mask
from .network import LINK_LOCAL, LOOPBACK_SOURCES, Stack
from .ruleset import Effect, Fixed, Match, Test, Values

LOOPBACK = "lo"
TCP, UDP = to.PROTOCOLS["tcp"], to.PROTOCOLS["udp"]
SYN, PSH, ACK, ECN = 0x02, 0x08, 0x10, 0xC0
INVALID, ESTABLISHED = to.CONNECTION_STATES["invalid"], to.CONNECTION_STATES["established"]
NEW, UNTRACKED = to.CONNECTION_STATES["new"], to.CONNECTION_STATES["untracked"]
# The kernel's own bits of a connection (nf_conntrack_common.h).
REPLIED, ASSURED, CONFIRMED, SNAT, DNAT, SNAT_DONE, DNAT_DONE = 2, 4, 8, 0x10, 0x20, 0x80, 0x100


class Odd(Enum):
    """What a field may have instead of a number: nothing, so that no test of it holds, or the set of peers."""

    MISSING = "missing"
    PEER = "peer"


MISSING, PEER = Odd.MISSING, Odd.PEER
HEADER = "header"  # what a rule writes that rewrites DSCP, TTL or options; none of them is modelled as a field
Value = Union[int, str, frozenset[str], Intervals, Odd, None]
Place = tuple[Value, Value]  # an address and a port


class Receiver(NamedTuple):
    """The process that a packet is for, as far as rules tell processes apart. None: that is not known.

    ``program`` is the path of its executable, ``services`` the Windows services that it hosts, ``package`` the app
    package that it runs in; each in the spelling of the rules, and empty where it has none.
    """

    program: Optional[str] = ""
    services: Optional[frozenset[str]] = frozenset()
    package: Optional[str] = ""


NOBODY_KNOWN = Receiver()  # a process that no rule names


class Connection(NamedTuple):
    """What is remembered between the packets of a connection.

    ``followed``: of each packet so far, whether it was tracked. ``asked`` is the place that the sender named where NAT
    gave it another one (``given``); ``masked``: NAT gave the sender another one. ``done``: bits of NAT in its status.
    """

    mark: Value = 0
    followed: tuple[Optional[bool], ...] = ()
    asked: Optional[Place] = None
    given: Optional[Place] = None
    masked: bool = False
    done: int = 0


class Packet(NamedTuple):
    """A packet, as one base chain hands it to the next.

    ``turn`` counts the packets of the exchange: odd ones are the host's answers. ``comes`` and ``leaves`` are the
    devices of its whole way, ``iif`` and ``oif`` what is known of them at this ``hook``.
    ``program``, ``services`` and ``package`` are of the process that it is for: see Receiver. ``way_back``: whether a
    route leads to its sender by the interface it came by.
    """

    family: int
    proto: int
    daddr: Value
    dport: Value
    sport: Value
    iif: str
    mark: Value = 0
    ct_mark: Value = 0
    ct_state: Value = NEW
    ct_status: Value = 0
    ct_direction: Value = 0
    tcp_flags: Value = SYN
    program: Optional[str] = ""
    services: Optional[frozenset[str]] = frozenset()
    package: Optional[str] = ""
    saddr: Value = PEER
    oif: str = ""
    hook: str = to.INPUT
    comes: str = ""
    leaves: str = ""
    turn: int = 0
    way_back: int = 1
    connection: Connection = Connection()
    stack: Stack = Stack()

    def to(self, receiver: Receiver) -> Packet:
        """Given a process, return the packet as one for it."""
        return self._replace(program=receiver.program, services=receiver.services, package=receiver.package)

    def value(self, field: str) -> Value:
        """Given the name of a field, return its value at this hook. None: not known."""
        if field in _AT_HOOK:
            return _AT_HOOK[field](self)
        if field in _FIELDS:
            return getattr(self, field)  # type: ignore[no-any-return]
        return MISSING if field.startswith("ct_") and not self.has_entry else None

    @property
    def itself(self) -> bool:
        """Whether the host sends it to itself."""
        return self.comes == self.leaves == LOOPBACK

    @property
    def has_entry(self) -> bool:
        """Whether connection tracking knows it here, or may do so."""
        return self.ct_direction is not MISSING

    def at(self, hook: str) -> Packet:
        """Given a hook, return the packet with what is known of its devices there: an outgoing one has no incoming."""
        forwarded = self.comes and self.leaves and not self.itself
        shows_in = hook in (to.INGRESS, to.PREROUTING, to.INPUT, to.FORWARD) or (hook == to.POSTROUTING and forwarded)
        shows_out = hook in (to.OUTPUT, to.FORWARD, to.POSTROUTING, to.EGRESS)
        return self._replace(hook=hook, iif=self.comes if shows_in else "", oif=self.leaves if shows_out else "")

    def begun(self) -> Packet:
        """Return the packet as it looks before connections are tracked."""
        return self._replace(ct_state=INVALID, ct_status=MISSING, ct_direction=MISSING, ct_mark=MISSING)

    def tracked(self) -> Packet:
        """Return the packet behind connection tracking; what has an entry already, or shall have none, stays."""
        if self.has_entry or self.ct_state == UNTRACKED:
            return self
        state = _state(self)
        if state == INVALID:
            return self
        if state is None:
            return self._replace(ct_state=None, ct_status=None, ct_direction=None, ct_mark=None)
        known = self.connection
        bits = (0, REPLIED | CONFIRMED)[self.turn] if self.turn < 2 else REPLIED | ASSURED | CONFIRMED
        if state == NEW:
            return self._replace(ct_state=NEW, ct_status=known.done, ct_direction=0, ct_mark=known.mark)
        status, side = bits | known.done, self.turn % 2
        return self._replace(ct_state=state, ct_status=status, ct_direction=side, ct_mark=known.mark)

    def answered(self) -> Packet:
        """Return the next packet of the exchange: from where this one arrived to where it came from.

        The mark of the connection stays, that of the packet does not.
        """
        turn = self.turn + 1
        tracked = None if self.ct_state is None else self.has_entry
        known = self.connection._replace(followed=(*self.connection.followed, tracked))
        if self.has_entry:
            known = known._replace(mark=self.ct_mark)
        if turn == 1:
            flags: Value = merge([(SYN | ACK, (SYN | ACK) + 1), *([(0x52, 0x53)] if self.tcp_flags != SYN else [])])
        else:
            flags = (ACK, ACK + 1, ACK | PSH, (ACK | PSH) + 1)
        back = self._replace(daddr=self.saddr, saddr=self.daddr, dport=self.sport, sport=self.dport, turn=turn)
        mark = None if self.stack.reflects else 0
        back = back._replace(comes=self.leaves, leaves=self.comes, tcp_flags=flags, mark=mark, connection=known)
        return back.begun()

    def translated(self) -> Packet:
        """Return a later packet of a connection behind the place of NAT at this hook: as NAT chose for the first."""
        known, to_there = self.connection, self.hook in (to.PREROUTING, to.OUTPUT)
        packet = self
        if known.given and known.asked:
            if self.turn % 2 == 0 and to_there:
                packet = packet._replace(daddr=known.given[0], dport=known.given[1])
            elif self.turn % 2 and not to_there:
                packet = packet._replace(saddr=known.asked[0], sport=known.asked[1])
        if known.masked and self.turn % 2 == 0 and not to_there:
            packet = packet._replace(saddr=None)
        elif known.masked and self.turn % 2 and to_there:
            packet = packet._replace(daddr=PEER)
        return packet

    def diverted(self, address: Value, port: Optional[int]) -> Packet:
        """Given where a DNAT or redirect leads (address None: to one of the host's, not known which), return it so."""
        asked = (self.daddr, self.dport)
        given = (address, self.dport if port is None else port)
        known = self.connection
        if given != asked:
            known = known._replace(asked=asked, given=given, done=known.done | DNAT)
        status = None if address is None and given[1] == asked[1] else DNAT if given != asked else 0
        old = self.ct_status if isinstance(self.ct_status, int) else None
        return self._replace(
            daddr=given[0],
            dport=given[1],
            connection=known,
            ct_status=None if old is None or status is None else old | status,
        )

    def changed(self, effects: tuple[Effect, ...]) -> Packet:
        """Given what a rule changes, return the packet after it."""
        packet = self
        for effect in effects:
            change: dict[str, Any] = {effect.field: _overwrite(getattr(packet, effect.field), effect)}
            packet = packet._replace(**change)
        return packet

    def counting(self, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        """Return those effects that take place: without an entry there is no connection to mark, and with one
        notrack comes too late. Those on headers change no field: see Walker.
        """
        void = (HEADER, "ct_state" if self.has_entry else "ct_mark")
        return tuple(effect for effect in effects if effect.field not in void)

    def blurred(self, fields: Iterable[str]) -> Packet:
        """Given the names of fields that may have been changed, return the packet with them not known."""
        change: dict[str, Any] = dict.fromkeys(fields)
        return self._replace(**change)


def _state(packet: Packet) -> Optional[int]:
    """Return the state in which connection tracking finds a packet, by which of those before it tracked."""
    before = packet.connection.followed
    if not before:
        return NEW
    if all(before):
        return ESTABLISHED
    if before == (False,):  # an answer to what was not tracked
        return INVALID if packet.proto == TCP else NEW
    return INVALID if before == (True, False) else None


def _overwrite(old: Value, effect: Effect) -> Value:
    if effect.value is None or effect.mask is None:
        return effect.value
    return (old & ~effect.mask) | effect.value if isinstance(old, int) else None


def _owner(packet: Packet) -> Value:
    """Packets that come in have no socket yet, but established ones find theirs early; own ones have an unknown one."""
    if packet.hook in (to.OUTPUT, to.POSTROUTING, to.EGRESS):
        return MISSING if packet.comes and not packet.itself else None
    first = packet.proto == TCP and packet.turn == 0
    return None if packet.hook == to.INPUT and not first else MISSING


def _sender_mac(packet: Packet) -> Value:
    own = packet.hook in (to.OUTPUT, to.POSTROUTING) and not packet.comes
    return MISSING if own or LOOPBACK in (packet.comes, packet.leaves) else None


def _type_of(packet: Packet, address: Value) -> Value:
    if packet.itself and any(
        isinstance(each, int) and contains(LINK_LOCAL, each) for each in (packet.saddr, packet.daddr)
    ):
        return None  # looked up on the loopback device, where it is not local
    if address is PEER:
        return to.ADDRESS_TYPES["local" if LOOPBACK in (packet.iif, packet.oif) else "unicast"]
    if not isinstance(address, int):
        return None if packet.hook in (to.FORWARD, to.POSTROUTING, to.EGRESS) else to.ADDRESS_TYPES["local"]
    own = packet.stack.local.get(packet.family)
    return to.ADDRESS_TYPES["local" if own is None or contains(own, address) else "unicast"]


def _type_on_device(packet: Packet) -> Value:
    owned = packet.stack.owned.get(packet.iif)
    address = packet.saddr if packet.itself and packet.daddr is PEER else packet.daddr  # both ends are one address
    if owned is None or not isinstance(address, int):
        return None
    on_loopback = packet.iif == LOOPBACK and contains(LOOPBACK_SOURCES[packet.family], address)
    mine = address in owned.get(packet.family, ()) or on_loopback
    return to.ADDRESS_TYPES["local" if mine else "unicast"]


def _way_back(packet: Packet) -> Value:
    """The sources of each interface are those that a route leads to by it: see Network."""
    known = packet.saddr is PEER and packet.hook in (to.INGRESS, to.PREROUTING, to.INPUT, to.FORWARD)
    return packet.way_back if known or packet.itself else None


def _original(packet: Packet, at: int) -> Value:
    """What the first packet named as its destination, before NAT: the address (0) or port (1) of the connection."""
    if packet.ct_direction in (None, MISSING):
        return packet.ct_direction
    forth = (packet.daddr, packet.dport) if packet.turn % 2 == 0 else (packet.saddr, packet.sport)
    return (packet.connection.asked or forth)[at]


_FIELDS = frozenset(Packet._fields)
_AT_HOOK: dict[str, Callable[[Packet], Value]] = {
    "skuid": _owner,
    "skgid": _owner,
    "ether_saddr": _sender_mac,
    "daddr_type": lambda packet: _type_of(packet, packet.daddr),
    "saddr_type": lambda packet: _type_of(packet, packet.saddr),
    "daddr_type_iif": _type_on_device,
    "saddr_route": _way_back,
    "saddr_route_any": _way_back,
    "ct_original_saddr": lambda packet: packet.ct_direction if packet.ct_direction in (None, MISSING) else PEER,
    "ct_original_daddr": lambda packet: _original(packet, 0),
    "ct_original_dport": lambda packet: _original(packet, 1),
    "packet_type": lambda _packet: to.PACKET_TYPES["host"],
    "tcp_flags": lambda packet: packet.tcp_flags if packet.proto == TCP else MISSING,
    "iif_index": lambda packet: packet.stack.indexes.get(packet.iif) if packet.iif else 0,
    "oif_index": lambda packet: packet.stack.indexes.get(packet.oif) if packet.oif else 0,
}

Fit = tuple[Intervals, Intervals]  # the peers for which a test may hold, and those for which it surely does
ALL, NONE, PERHAPS = (EVERYTHING, EVERYTHING), (NOTHING, NOTHING), (EVERYTHING, NOTHING)


def fit(test: Test, packet: Packet) -> Fit:
    """Given a test and a packet, return the peers for which it may hold, and those for which it surely does."""
    if isinstance(test, Match):
        return _match(test, packet)
    return PERHAPS if not isinstance(test, Fixed) else ALL if test.holds else NONE


def fitting_sources(test: Test, packet: Packet) -> Optional[Intervals]:
    """Given a test and a packet, return the peers for which it holds. None: that is not known."""
    may, must = fit(test, packet)
    return may if may == must else None


def _match(match: Match, packet: Packet) -> Fit:
    values = [packet.value(field) for field in match.fields]
    if MISSING in values and any(
        value is MISSING and all(row[at] != EVERYTHING for row in match.rows) for at, value in enumerate(values)
    ):
        return NONE
    if len(match.rows) == 1 and len(values) == 1:
        may, must = found = _column(values[0], match.rows[0][0], match.mask, packet)
    else:
        rows = [_row(match, row, values, packet) for row in match.rows]
        may, must = found = merge(row[0] for row in rows), merge(row[1] for row in rows)
    return (complement(must), complement(may)) if match.negated else found


def _row(match: Match, row: tuple[Values, ...], values: list[Value], packet: Packet) -> Fit:
    may, must = ALL
    for value, allowed in zip(values, row):
        here = _column(value, allowed, match.mask, packet)
        if here is NONE:
            return NONE
        may, must = intersect(may, here[0]), intersect(must, here[1])
    return may, must


def _column(value: Value, allowed: Values, mask: Optional[int], packet: Packet) -> Fit:
    """Given what a field has and what a test allows, return for which peers that fits."""
    if value is MISSING:
        return ALL if allowed == EVERYTHING else NONE
    if value is None:
        return PERHAPS
    if value is PEER:
        found = allowed if mask is None else under_mask(allowed, mask, BITS[packet.family])  # type: ignore[arg-type]
        return PERHAPS if found is None else (found, found)  # type: ignore[return-value]
    if isinstance(value, tuple):
        held = {is_among(number, allowed, mask) for number in few(value)}
        return PERHAPS if len(held) != 1 else ALL if held == {True} else NONE
    return ALL if is_among(value, allowed, mask) else NONE  # type: ignore[arg-type]


def is_among(value: Union[int, str, frozenset[str]], allowed: Values, mask: Optional[int] = None) -> bool:
    """Return whether a field's value, or one of several names, is one that a test asks for (``*`` ends any name)."""
    if isinstance(allowed, frozenset):
        return any(is_named(name, allowed) for name in (value if isinstance(value, frozenset) else (str(value),)))
    number = int(value)  # type: ignore[arg-type]
    return contains(allowed, number if mask is None else number & mask)


def is_named(value: str, allowed: Iterable[str]) -> bool:
    """Return whether a name is one of those, of which a ``*`` at the end stands for any rest."""
    return any(value == name or (name[-1:] == "*" and value.startswith(name[:-1])) for name in allowed)
