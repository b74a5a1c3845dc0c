# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses and routes of a macOS host, from ``ifconfig -a`` and ``netstat -rn``. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from ...errors import ParseError
from ..model.intervals import BITS, Intervals, merge, network, spanning
from ..model.network import Address, Network, Route, ways_of

_INTERFACE = re.compile(r"^(\S+): flags=")
_ADDRESS = re.compile(r"^\s+inet6? (\S+)(?: --> \S+)?(?: (?:netmask|prefixlen) (\S+))?(.*)$")
_NOT_IN_USE = ("tentative", "duplicated", "detached")


def parse_ifconfig(text: str) -> list[Address]:
    """Given ``ifconfig -a``, return the addresses that are in use. Raise ParseError naming the line that is wrong, and
    where there is none, not even of loopback.
    """
    found, interface = [], ""
    for number, line in enumerate(text.splitlines(), start=1):
        begins, address = _INTERFACE.match(line), _ADDRESS.match(line)
        interface = begins.group(1) if begins else interface
        if address and not any(word in address.group(3).split() for word in _NOT_IN_USE):
            try:
                found.append(_address(interface, address.group(1), address.group(2)))
            except ValueError as error:
                raise ParseError("ifconfig -a", number, line, str(error)) from None
    if not found:
        raise ParseError("ifconfig -a", 1, text, "expected at least the address of loopback")
    return found


def _address(interface: str, text: str, around: str) -> Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    size = around or str(address.max_prefixlen)
    if size.startswith("0x"):
        size = str(ipaddress.IPv4Address(int(size, 16)))
    family, subnet = network(str(ipaddress.ip_interface(f"{address}/{size}").network))
    return Address(interface, family, int(address), subnet, address.is_loopback)


def parse_routes(family: int, text: str) -> list[Route]:
    """Given ``netstat -rn`` of a family, return its routes. Raise ParseError where it has no table or a wrong line."""
    column, routes = -1, []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if "Netif" in words:
            column = words.index("Netif")
        elif column > 0 and len(words) > column:
            try:
                routes.append(Route(_destination(family, words[0]), (words[column],), "main"))
            except ValueError as error:
                raise ParseError("netstat -rn", number, line, str(error)) from None
    if column < 0:
        raise ParseError("netstat -rn", 1, text, "expected a table with the column Netif")
    return routes


def _destination(family: int, word: str) -> Intervals:
    """Given a destination as BSD writes it (default, 192.168.1, 10.0/16, fe80::%en0/64), return its addresses."""
    if word == "default":
        return (0, 1 << BITS[family])
    plain, _slash, size = re.sub(r"%[^/]*", "", word).partition("/")
    if family == 4:
        parts = plain.split(".")
        size = size or str(8 * len(parts))
        plain = ".".join([*parts, *["0"] * (4 - len(parts))])
    return network(str(ipaddress.ip_interface(f"{plain}/{size}" if size else plain).network))[1]


def network_of(addresses: list[Address], routes: Mapping[int, list[Route]]) -> Network:
    """Given addresses and routes, return the host's network."""
    outside = [each for each in addresses if not each.loopback and not each.interface.startswith("lo")]
    interfaces = sorted({each.interface for each in outside})
    numbers = {family: tuple(sorted({each.number for each in outside if each.family == family})) for family in BITS}
    leading = {
        family: [route for route in routes[family] if set(route.interfaces) <= set(interfaces)] for family in BITS
    }
    return Network(numbers, {family: ways_of(family, leading[family], interfaces) for family in BITS})


def by_interface(addresses: list[Address], *, networks: bool) -> dict[str, dict[int, Intervals]]:
    """Given addresses, return them, or the networks around them, by interface and family."""
    found: dict[str, dict[int, Intervals]] = {}
    for each in addresses:
        numbers = each.subnet if networks else spanning(each.number, each.number)
        known = found.setdefault(each.interface, {})
        known[each.family] = merge([known.get(each.family, ()), numbers])
    return found
