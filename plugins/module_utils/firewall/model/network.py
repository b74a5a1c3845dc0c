# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where packets for this host come from: its own addresses, and which sources arrive by which interface.

A source is looked at on the interface by which the host would answer it. An answer that leaves by another interface is
what reverse-path checks and stateful filters on the way exist to stop; sources that no route leads to are looked at on
every interface, so that nothing is called closed for want of a route.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from ...finding import EMPTY
from .intervals import BITS, NOTHING, Intervals, contains, count, intersect, merge, network, spanning, subtract

LOOPBACK_SOURCES = {4: network("127.0.0.0/8")[1], 6: network("::1")[1]}
LOOPBACK_ADDRESS = {4: 0x7F000001, 6: 1}
LINK_LOCAL = network("fe80::/10")[1]

# Every address that a sender can have: not "this host", loopback, multicast or the reserved block above it (RFC 6890).
ANY_SOURCE: dict[int, Intervals] = {
    4: merge([(1 << 24, 127 << 24), (128 << 24, 224 << 24)]),
    6: (2, 0xFF << 120),
}


class Address(NamedTuple):
    """An address of this host, and the network around it."""

    interface: str
    family: int
    number: int
    subnet: Intervals
    loopback: bool = False


class Route(NamedTuple):
    """A route: its destinations, the interfaces it leaves by (none: it leads nowhere), and its table's name.

    ``direct``: what it leads to is on the link, not behind a gateway.
    """

    destinations: Intervals
    interfaces: tuple[str, ...]
    table: str
    direct: bool = False


@dataclass(frozen=True, eq=False)
class Stack:
    """How the host's own settings treat packets, as far as that is known.

    ``local`` are its addresses by family, loopback included; ``owned`` those of each interface, the primary one first,
    and ``indexes`` the interfaces' numbers. ``near`` are by family and interface the neighbours on its link.
    ``localnet`` are the interfaces by which packets for 127.0.0.0/8 may come in (route_localnet); None: those that a
    redirect leads there may by all. ``forwards`` are by family the interfaces from which packets are passed on,
    ``routes`` by family where to. ``below`` are the devices that an interface is made of: ports of a bridge, of a bond.
    ``strict`` are interfaces that take nothing from where no route leads back (rp_filter), ``stray`` such sources.
    ``reflects``: answers may carry the mark of what they answer. ``doubts`` is what may send packets another way,
    ``marks`` what does so with packets that have these bits in their mark.
    """

    local: Mapping[int, Intervals] = field(default_factory=dict)
    owned: Mapping[str, Mapping[int, tuple[int, ...]]] = field(default_factory=dict)
    indexes: Mapping[str, int] = field(default_factory=dict)
    near: Mapping[int, Mapping[str, Intervals]] = field(default_factory=dict)
    localnet: Optional[frozenset[str]] = None
    forwards: Mapping[int, frozenset[str]] = field(default_factory=dict)
    routes: Mapping[int, Mapping[str, Intervals]] = field(default_factory=dict)
    below: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strict: frozenset[str] = frozenset()
    stray: Mapping[int, Intervals] = field(default_factory=dict)
    reflects: bool = False
    doubts: tuple[str, ...] = ()
    marks: tuple[tuple[int, str], ...] = ()

    def primary(self, interface: str, family: int, asked: int) -> Optional[int]:
        """Return the address of an interface that a redirect leads to; None where that is not certain.

        It is the first one; for what was sent to a link-local address of IPv6 the first such (nf_nat_redirect_ipv6).
        """
        mine = self.owned.get(interface, EMPTY).get(family, ())
        near = family == 6 and contains(LINK_LOCAL, asked)
        return next((each for each in mine if not near or contains(LINK_LOCAL, each)), None)

    def way_to(self, family: int, address: int) -> str:
        """Return the interface by which packets for an address leave; empty where no route leads there."""
        ways = self.routes.get(family, EMPTY)
        return next((name for name, numbers in ways.items() if contains(numbers, address)), "")


class Network(NamedTuple):
    """The host's own addresses beyond loopback, and the sources by interface, each for IPv4 (4) and IPv6 (6).

    ``unavailable`` says why routes could not be read; then nothing is known of what comes from outside.
    ``filtered`` are interfaces on which a program (XDP) sees packets before any rule does. ``ranges`` are networks of
    which every address is the host's own.
    """

    addresses: Mapping[int, tuple[int, ...]]
    ways: Mapping[int, Mapping[str, Intervals]]
    unavailable: str = ""
    filtered: tuple[str, ...] = ()
    ranges: Mapping[int, Intervals] = EMPTY
    stack: Stack = Stack()

    def only_link_local(self, family: int) -> bool:
        """Return whether nobody but the neighbours on its links can reach this host by that family."""
        return family == 6 and all(contains(LINK_LOCAL, number) for number in self.addresses[family])

    @property
    def local(self) -> dict[int, Intervals]:
        """All addresses of this host, loopback included."""
        return {
            family: merge(
                [
                    LOOPBACK_SOURCES[family],
                    self.ranges.get(family, NOTHING),
                    *(spanning(number, number) for number in self.addresses.get(family, ())),
                ]
            )
            for family in BITS
        }


def ways_of(family: int, routes: Iterable[Route], interfaces: Iterable[str]) -> dict[str, Intervals]:
    """Given routes and the interfaces beside loopback, return by interface the sources that are looked at there."""
    shares = shares_of(routes)
    stray = subtract(ANY_SOURCE[family], merge(part for parts in shares.values() for part in parts))
    names = dict.fromkeys([*interfaces, *shares])
    return {name: intersect(ANY_SOURCE[family], merge([*shares.get(name, ()), stray])) for name in names if name}


def shares_of(routes: Iterable[Route]) -> dict[str, list[Intervals]]:
    """Given routes, return by interface whom some table of them leads to; by an empty name whom one leads nowhere."""
    tables: dict[str, dict[Intervals, set[str]]] = {}
    for route in routes:
        tables.setdefault(route.table, {}).setdefault(route.destinations, set()).update(route.interfaces)
    shares: dict[str, list[Intervals]] = {}
    for table in tables.values():
        for destinations, share in most_specific(table):
            for name in table[destinations] or ("",):
                shares.setdefault(name, []).append(share)
    return shares


def most_specific(table: Iterable[Intervals]) -> Iterable[tuple[Intervals, Intervals]]:
    """Given the destinations of one table, return each with the part of it that no narrower one takes."""
    taken: Intervals = ()
    for destinations in sorted(table, key=count):
        yield destinations, subtract(destinations, taken)
        taken = merge([taken, destinations])
