# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a Linux host's IP stack that decide who reaches a socket: addresses by interface, sysctls, ip rules.

Sources: ip-sysctl in the kernel's documentation, ip-rule(8), ``ip -j address``.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...errors import CoreError, ParseError, SourceDenied, SourceMissing
from ...finding import EMPTY
from ...host import Host
from ..model.intervals import BITS, Intervals, complement, intersect, merge, subtract
from ..model.network import ANY_SOURCE, Network, Route, Stack, most_specific
from ..reading import NOTHING_READ, Reading, command

_CONF = "/proc/sys/net/ipv{}/conf"
_SETTINGS = {4: ("route_localnet", "rp_filter", "forwarding", "accept_local"), 6: ("forwarding",)}
_SINGLE = (
    "/proc/sys/net/ipv4/fwmark_reflect",
    "/proc/sys/net/ipv4/tcp_fwmark_accept",
    "/proc/sys/net/ipv6/fwmark_reflect",
)
_USUAL_RULES = {("local", 0), ("main", 32766), ("default", 32767)}
_OWN_KEYS = {"priority", "src", "table", "protocol"}


class StackReadings(NamedTuple):
    """What was read of the stack: addresses, ip rules by family, and sysctls by (family, interface, name)."""

    addresses: Reading = NOTHING_READ
    rules: Mapping[int, Reading] = EMPTY
    sysctls: Mapping[tuple[int, str, str], str] = EMPTY
    reflects: bool = False


NO_STACK = StackReadings()  # nothing was read


def parse_json(source: str, text: str) -> list[dict[str, Any]]:
    """Given what an ``ip -j`` command printed, return its entries. Raise ParseError."""
    try:
        return [dict(entry) for entry in json.loads(text or "[]") if entry]
    except (ValueError, TypeError, RecursionError) as error:
        raise ParseError(source, 1, text, f"not a JSON list of records ({error})") from error


def collect_stack(host: Host) -> StackReadings:
    """Return what is known of a host's stack. Raise ToolTimeout when the time is used up."""
    sysctls = {
        (family, name, setting): text
        for family, settings in _SETTINGS.items()
        for name in _entries(host, _CONF.format(family))
        for setting in settings
        if (text := _read(host, f"{_CONF.format(family)}/{name}/{setting}"))
    }
    return StackReadings(
        command(host, ["ip", "-j", "address", "show"]),
        {family: command(host, ["ip", "-j", f"-{family}", "rule", "show"]) for family in BITS},
        sysctls,
        any(_read(host, path) not in ("", "0") for path in _SINGLE),
    )


def _entries(host: Host, path: str) -> list[str]:
    try:
        return sorted(host.entries(path))
    except (SourceMissing, SourceDenied):
        return []


def _read(host: Host, path: str) -> str:
    try:
        return host.read(path).strip()
    except (SourceMissing, SourceDenied):
        return ""


def with_stack(known: Network, readings: StackReadings, routes: Mapping[int, list[Route]]) -> Network:
    """Given a network, its routes by family and what was read of the stack, return the network with all of it.

    Raise ParseError where the addresses are of another form.
    """
    if readings is NO_STACK:
        return known
    links = parse_json("ip -j address", readings.addresses.sure())
    names = {str(link.get("ifname")) for link in links}
    owned = _owned(links)
    stray = {family: _stray(family, routes.get(family, ())) for family in BITS}
    own = known.local
    gone = {family: merge([stray[family], own[family]]) for family in BITS}
    ports = {str(link.get("ifname")) for link in links if link.get("master")}  # what they take in comes by their master
    ways = {
        family: {
            name: subtract(numbers, stray[family] if _accepts_own(readings, family, name) else gone[family])
            for name, numbers in known.ways[family].items()
            if name not in ports
        }
        for family in known.ways
    }
    stack = Stack(
        local=own,
        owned=owned,
        indexes={str(link.get("ifname")): int(link["ifindex"]) for link in links if "ifindex" in link},
        near={family: _near(routes.get(family, ()), own[family]) for family in BITS},
        localnet=frozenset(name for name in names if _is_set(readings, 4, name, "route_localnet")),
        forwards=_forwarding(readings, names),
        routes={family: _leaving(routes.get(family, ())) for family in BITS},
        below=_below(links),
        strict=frozenset(name for name in names if _is_set(readings, 4, name, "rp_filter")),
        stray=stray,
        reflects=readings.reflects,
        doubts=tuple(doubt for family, reading in readings.rules.items() for doubt in _odd_rules(family, reading)),
    )
    return known._replace(ways=ways, stack=stack)


def _forwarding(readings: StackReadings, names: set[str]) -> dict[int, frozenset[str]]:
    """Return by family from which interfaces packets are passed on: IPv6 has one switch for all."""
    sysctls = readings.sysctls
    four = frozenset(name for name in names if sysctls.get((4, name, "forwarding"), "0") != "0")
    return {4: four, 6: frozenset(names if sysctls.get((6, "all", "forwarding"), "0") != "0" else ())}


def _is_set(readings: StackReadings, family: int, name: str, setting: str) -> bool:
    """Return whether a setting is on for an interface: of ``all`` and its own the larger counts."""
    return any(readings.sysctls.get((family, each, setting), "0") != "0" for each in ("all", name))


def _accepts_own(readings: StackReadings, family: int, name: str) -> bool:
    return family == 4 and _is_set(readings, 4, name, "accept_local")


def _owned(links: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, tuple[int, ...]]]:
    """Given interfaces with their addresses, return these by interface and family, the primary one first."""
    owned: dict[str, dict[int, tuple[int, ...]]] = {}
    for link in links:
        mine = owned.setdefault(str(link.get("ifname")), {})
        for entry in sorted(link.get("addr_info", ()), key=lambda each: bool(each.get("secondary"))):
            address = ipaddress.ip_address(str(entry["local"]))
            mine[address.version] = (*mine.get(address.version, ()), int(address))
    return owned


def _below(links: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Given interfaces, return by name of what others they are made: ports of a bridge or bond, a VLAN's device."""
    below: dict[str, tuple[str, ...]] = {}
    for link in links:
        name = str(link.get("ifname"))
        for upper, lower in ((link.get("master"), name), (name, link.get("link"))):
            if upper and lower:
                below[str(upper)] = (*below.get(str(upper), ()), str(lower))
    return below


def _near(routes: Iterable[Route], own: Intervals) -> dict[str, Intervals]:
    """Given routes and the host's addresses, return by interface whom it reaches without a gateway."""
    found: dict[str, list[Intervals]] = {}
    for route in routes:
        for name in route.interfaces if route.direct else ():
            found.setdefault(name, []).append(route.destinations)
    return {name: subtract(merge(parts), own) for name, parts in found.items()}


def _leaving(routes: Iterable[Route]) -> dict[str, Intervals]:
    """Given routes, return by interface which destinations the main table sends by it."""
    main: dict[Intervals, Route] = {}
    for route in routes:
        if route.table == "main":
            main.setdefault(route.destinations, route)
    found: dict[str, list[Intervals]] = {}
    for destinations, share in most_specific(main):
        for name in main[destinations].interfaces[:1]:
            found.setdefault(name, []).append(share)
    return {name: merge(parts) for name, parts in found.items()}


def _stray(family: int, routes: Iterable[Route]) -> Intervals:
    """Given routes, return the sources to which none of them leads."""
    return intersect(ANY_SOURCE[family], complement(merge(route.destinations for route in routes if route.interfaces)))


def _odd_rules(family: int, reading: Reading) -> Iterable[str]:
    """Given the ip rules of a family, return those that may send packets for this host another way."""
    try:
        rules = parse_json("ip -j rule", reading.sure())
    except CoreError as error:
        yield f"ip rules of IPv{family} could not be read: {error}"
        return
    places = [rule.get("priority", 0) for rule in rules if rule.get("table") == "local"]
    first = min(places, default=-1)
    for rule in rules:
        place, table = rule.get("priority", 0), rule.get("table")
        plain = set(rule) <= _OWN_KEYS and rule.get("src") == "all"
        if (plain and (table, place) in _USUAL_RULES) or (table and place > first >= 0 and not rule.get("action")):
            continue
        yield f"ip rule {place} of IPv{family} ({rule.get('action') or f'table {table}'}) may lead packets another way"
    if not places:
        yield f"no ip rule of IPv{family} looks up the host's own addresses"
