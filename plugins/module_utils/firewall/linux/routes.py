# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``ip -j route show table all`` and ``ip -j link`` print, as the network that this host is in (ip-route(8))."""

from __future__ import annotations

from typing import Any

from ...errors import ParseError
from ..model.intervals import BITS, Intervals, count, merge, network, subtract
from ..model.network import LOOPBACK_SOURCES, Network, Route, ways_of
from ..model.packet import LOOPBACK
from .stack import NO_STACK, StackReadings, parse_json, with_stack

_NOT_A_WAY = ("local", "broadcast", "multicast", "anycast", "throw")


def parse_network(links: str, routes: dict[int, str], stack: StackReadings = NO_STACK) -> Network:
    """Given the interfaces, the routes by family and what was read of the stack, return the network.

    Raise CoreError.
    """
    found_links = parse_json("ip -j link", links)
    ports = _ports(found_links)
    interfaces = [
        name for name in (str(entry.get("ifname")) for entry in found_links) if name not in (LOOPBACK, *ports)
    ]
    found: dict[int, list[Route]] = {}
    own: dict[int, list[Intervals]] = {}
    for family in BITS:
        entries = parse_json(f"ip -j -{family} route show table all", routes.get(family, ""))
        try:
            own[family] = [_destinations(family, entry) for entry in entries if _is_own(entry)]
            found[family] = [_route(family, entry) for entry in entries if entry.get("type") not in _NOT_A_WAY]
        except (KeyError, ValueError, TypeError) as error:
            raise ParseError(
                f"ip -j -{family} route", 1, str(entries), f"a route of another form ({error!r})"
            ) from error
    beyond = {family: [each for each in own[family] if not _is_loopback(family, each)] for family in BITS}
    known = Network(
        {family: tuple(sorted({each[0] for each in beyond[family] if count(each) == 1})) for family in BITS},
        {family: _beside(ports, ways_of(family, found[family], interfaces)) for family in BITS},
        filtered=tuple(str(entry.get("ifname")) for entry in found_links if "xdp" in entry),
        ranges={family: merge(each for each in beyond[family] if count(each) > 1) for family in BITS},
    )
    return with_stack(known, stack, found)


def _ports(links: list[dict[str, Any]]) -> set[str]:
    """Return the interfaces below a bridge or a bond: what comes by them comes by the other. A VRF (it has no ARP)
    takes nothing from those below it.
    """
    whole = {entry.get("ifname") for entry in links if "NOARP" not in entry.get("flags", ())}
    return {str(entry.get("ifname")) for entry in links if entry.get("master") in whole}


def _beside(ports: set[str], ways: dict[str, Intervals]) -> dict[str, Intervals]:
    return {name: sources for name, sources in ways.items() if name not in ports}


def _is_own(entry: dict[str, Any]) -> bool:
    """Return whether a route says that the host has its destinations; other tables count only by an ip rule."""
    return entry.get("type") == "local" and entry.get("table", "main") in ("local", "main", "default")


def _destinations(family: int, entry: dict[str, Any]) -> Intervals:
    everything = "0.0.0.0/0" if family == 4 else "::/0"
    return network(everything if entry["dst"] == "default" else entry["dst"])[1]


def _is_loopback(family: int, numbers: Intervals) -> bool:
    return not subtract(numbers, LOOPBACK_SOURCES[family])


def _route(family: int, entry: dict[str, Any]) -> Route:
    destinations = _destinations(family, entry)
    hops = [entry.get("dev", ""), *(hop.get("dev", "") for hop in entry.get("nexthops", ()))]
    leads = entry.get("type", "unicast") == "unicast"
    names = tuple(sorted({name for name in hops if name and name != LOOPBACK})) if leads else ()
    direct = not any("gateway" in hop or "via" in hop for hop in (entry, *entry.get("nexthops", ())))
    return Route(destinations, names, str(entry.get("table", "main")), direct)
