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
from typing import NamedTuple

from .intervals import BITS, Intervals, contains, count, intersect, merge, network, spanning, subtract

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
    """A route: its destinations, the interfaces it leaves by (none: it leads nowhere), and its table's name."""

    destinations: Intervals
    interfaces: tuple[str, ...]
    table: str


class Network(NamedTuple):
    """The host's own addresses beyond loopback, and the sources by interface, each for IPv4 (4) and IPv6 (6).

    ``unavailable`` says why routes could not be read; then nothing is known of what comes from outside.
    ``filtered`` are interfaces on which a program (XDP) sees packets before any rule does.
    """

    addresses: Mapping[int, tuple[int, ...]]
    ways: Mapping[int, Mapping[str, Intervals]]
    unavailable: str = ""
    filtered: tuple[str, ...] = ()

    def only_link_local(self, family: int) -> bool:
        """Return whether nobody but the neighbours on its links can reach this host by that family."""
        return family == 6 and all(contains(LINK_LOCAL, number) for number in self.addresses[family])

    @property
    def local(self) -> dict[int, Intervals]:
        """All addresses of this host, loopback included."""
        return {
            family: merge([LOOPBACK_SOURCES[family], *(spanning(number, number) for number in self.addresses[family])])
            for family in BITS
        }


def ways_of(family: int, routes: Iterable[Route], interfaces: Iterable[str]) -> dict[str, Intervals]:
    """Given routes and the interfaces beside loopback, return by interface the sources that are looked at there."""
    tables: dict[str, dict[Intervals, set[str]]] = {}
    for route in routes:
        tables.setdefault(route.table, {}).setdefault(route.destinations, set()).update(route.interfaces)
    shares: dict[str, list[Intervals]] = {name: [] for name in interfaces}
    routed: list[Intervals] = []
    for table in tables.values():
        for destinations, share in _most_specific(table):
            routed.append(share)
            for name in table[destinations]:
                shares.setdefault(name, []).append(share)
    stray = subtract(ANY_SOURCE[family], merge(routed))
    return {name: intersect(ANY_SOURCE[family], merge([*parts, stray])) for name, parts in shares.items()}


def _most_specific(table: Iterable[Intervals]) -> Iterable[tuple[Intervals, Intervals]]:
    """Given the destinations of one table, return each with the part of it that no narrower one takes."""
    taken: Intervals = ()
    for destinations in sorted(table, key=count):
        yield destinations, subtract(destinations, taken)
        taken = merge([taken, destinations])
