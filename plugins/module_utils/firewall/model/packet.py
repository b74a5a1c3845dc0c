# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A packet that opens a connection, and what a rule's tests say of it.

The source address is not one number but a set: a rule's tests cut out of it the part that they fit. Everything else of
the packet is one value, or None where it is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Optional, Union

from .intervals import EVERYTHING, NOTHING, Intervals, complement, contains, intersect, merge
from .ruleset import ADDRESS_TYPES, CONNECTION_STATES, PACKET_TYPES, PROTOCOLS, Effect, Fixed, Match, Test, Values

LOOPBACK = "lo"
TCP, UDP = PROTOCOLS["tcp"], PROTOCOLS["udp"]
SYN, ACK = 0x02, 0x10
INVALID, ESTABLISHED = CONNECTION_STATES["invalid"], CONNECTION_STATES["established"]


Value = Union[int, str, frozenset[str], None]


class Receiver(NamedTuple):
    """The process that a packet is for, as far as rules tell processes apart. None: that is not known.

    ``program`` is the path of its executable, ``services`` the Windows services that it hosts, ``package`` the app
    package that it runs in; each in the spelling of the rules, and empty where it has none.
    """

    program: Optional[str] = ""
    services: Optional[frozenset[str]] = frozenset()
    package: Optional[str] = ""


NOBODY_KNOWN = Receiver()  # a process that no rule names


class Packet(NamedTuple):
    """The first packet of a connection, as one base chain hands it to the next.

    Addresses are numbers; ``mark``, ``ct_mark`` and ``ct_state`` are None once a rule may have changed them.
    ``program``, ``services`` and ``package`` are of the process that it is for: see Receiver.
    """

    family: int
    proto: int
    daddr: Optional[int]
    dport: int
    sport: int
    iif: str
    mark: Optional[int] = 0
    ct_mark: Optional[int] = 0
    ct_state: Optional[int] = CONNECTION_STATES["new"]
    ct_status: int = 0
    ct_direction: int = 0
    tcp_flags: int = SYN
    program: Optional[str] = ""
    services: Optional[frozenset[str]] = frozenset()
    package: Optional[str] = ""

    @property
    def opens(self) -> bool:
        """Whether it is the first of its connection."""
        return self.ct_state != ESTABLISHED

    def answer(self, peer: int) -> Packet:
        """Given the address that it came from, return what the answer to it looks like on the same interface."""
        swapped = self._replace(daddr=peer, dport=self.sport, sport=self.dport)
        return swapped._replace(ct_state=ESTABLISHED, ct_direction=1, tcp_flags=SYN | ACK)

    def next(self) -> Packet:
        """Return the sender's next packet: the mark of the connection stays, that of the packet does not."""
        return self._replace(mark=0, ct_state=ESTABLISHED, tcp_flags=ACK)

    def to(self, receiver: Receiver) -> Packet:
        """Given a process, return the packet as one for it."""
        return self._replace(program=receiver.program, services=receiver.services, package=receiver.package)

    def diverted(self, address: Optional[int], port: Optional[int]) -> Packet:
        """Given what a DNAT or redirect names, return the packet after it.

        A redirect leaves open which address of the host it is.
        """
        port = self.dport if port is None else port
        return self._replace(daddr=address, dport=port, ct_status=CONNECTION_STATES["dnat"])

    def value(self, field: str) -> Value:
        """Given the name of a field, return its value. None: not known."""
        if field in _CONSTANT:
            return _CONSTANT[field]
        if field == "saddr_type":
            return ADDRESS_TYPES["local" if self.iif == LOOPBACK else "unicast"]
        return getattr(self, field)  # type: ignore[no-any-return]

    def changed(self, effects: tuple[Effect, ...]) -> Packet:
        """Given what a rule changes, return the packet after it."""
        packet = self
        for effect in effects:
            change: dict[str, Any] = {effect.field: _overwrite(getattr(packet, effect.field), effect)}
            packet = packet._replace(**change)
        return packet

    def blurred(self, fields: Iterable[str]) -> Packet:
        """Given the names of fields that may have been changed, return the packet with them not known."""
        change: dict[str, Any] = dict.fromkeys(fields)
        return self._replace(**change)


# What holds for every packet that is looked at: sent to one host, which is this one.
_CONSTANT = {"daddr_type": ADDRESS_TYPES["local"], "packet_type": PACKET_TYPES["host"]}
_WHOLE = {"saddr", "daddr", "sport", "dport"}  # of what a sender chooses, some bits alone (nft: ``&``) are not modelled


def _overwrite(old: Optional[int], effect: Effect) -> Optional[int]:
    if effect.value is None or effect.mask is None:
        return effect.value
    return None if old is None else (old & ~effect.mask) | effect.value


def fitting_sources(test: Test, packet: Packet) -> Optional[Intervals]:
    """Given a test and a packet, return the sources for which it holds. None: that is not known."""
    if isinstance(test, Match):
        return _match(test, packet)
    if isinstance(test, Fixed):
        return EVERYTHING if test.holds else NOTHING
    return None


def _match(match: Match, packet: Packet) -> Optional[Intervals]:
    if match.mask is not None and not _WHOLE.isdisjoint(match.fields):
        return None
    fitting = []
    for row in match.rows:
        sources = _row_sources(match, row, packet)
        if sources is None:
            return None
        if sources:
            fitting.append(sources)
    found = merge(fitting)
    return complement(found) if match.negated else found


def _row_sources(match: Match, row: tuple[Values, ...], packet: Packet) -> Optional[Intervals]:
    sources, known = EVERYTHING, True
    for field, allowed in zip(match.fields, row):
        if field == "saddr":
            sources = intersect(sources, allowed)  # type: ignore[arg-type]
            continue
        value = packet.value(field)
        if value is None:
            known = False
        elif not is_among(value, allowed, match.mask):
            return NOTHING
    return sources if known else None


def is_among(value: Union[int, str, frozenset[str]], allowed: Values, mask: Optional[int] = None) -> bool:
    """Return whether a field's value, or one of several names, is one that a test asks for (``*`` ends any name)."""
    if isinstance(allowed, frozenset):
        return any(_is_named(name, allowed) for name in (value if isinstance(value, frozenset) else (str(value),)))
    number = int(value)  # type: ignore[arg-type]
    return contains(allowed, number if mask is None else number & mask)


def _is_named(value: str, allowed: frozenset[str]) -> bool:
    return value in allowed or any(name[-1:] == "*" and value.startswith(name[:-1]) for name in allowed)
