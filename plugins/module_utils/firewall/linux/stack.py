# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read on a Linux host, and of it the network and the settings of the IP stack that decide who reaches what.

Sources: what ``ip -j`` prints of links, addresses, routes and rules (ip-route(8), ip-rule(8)); ip-sysctl in the
kernel's documentation.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...errors import CoreError, ParseError, SourceDenied, SourceMissing
from ...finding import EMPTY
from ...host import Host
from ..model.intervals import BITS, Intervals, complement, count, intersect, merge, network, subtract
from ..model.network import ANY_SOURCE, LOOPBACK_SOURCES, Network, Route, Stack, most_specific, shares_of, ways_of
from ..model.packet import LOOPBACK
from ..reading import NOTHING_READ, Reading, command

_CONF = "/proc/sys/net/ipv{}/conf"
_SETTINGS = {4: ("route_localnet", "rp_filter", "forwarding", "accept_local"), 6: ("forwarding",)}
_SINGLE = (
    "/proc/sys/net/ipv4/fwmark_reflect",
    "/proc/sys/net/ipv4/tcp_fwmark_accept",
    "/proc/sys/net/ipv6/fwmark_reflect",
)
_MAIN = 32766  # the place of the rule that looks up the main table
_USUAL_RULES = {("local", 0), ("main", _MAIN), ("default", 32767)}
_ENDS = ("blackhole", "unreachable", "prohibit")
_NOT_A_WAY = ("local", "broadcast", "multicast", "anycast", "throw")
_OWN_KEYS = {"priority", "src", "table", "protocol"}


class StackReadings(NamedTuple):
    """What was read of the stack: addresses, ip rules by family, and sysctls by (family, interface, name)."""

    addresses: Reading = NOTHING_READ
    rules: Mapping[int, Reading] = EMPTY
    sysctls: Mapping[tuple[int, str, str], str] = EMPTY
    reflects: bool = False


NO_STACK = StackReadings()  # nothing was read


class Readings(NamedTuple):
    """All that was read: rules by back end and family (4, 6), routes, interfaces, and what manages the rules.

    ``listing`` is the text of the rules without sets' elements, where the JSON leaves something out. ``tables`` are the
    families and names of all nf_tables tables, as the kernel itself tells them.
    """

    nft: Reading
    saves: Mapping[tuple[str, int], Reading] = EMPTY
    ipsets: Reading = NOTHING_READ
    links: Reading = NOTHING_READ
    routes: Mapping[int, Reading] = EMPTY
    ephemeral: Reading = NOTHING_READ
    managers: Mapping[str, Reading] = EMPTY
    listing: Reading = NOTHING_READ
    tables: tuple[tuple[str, str], ...] = ()
    stack: StackReadings = NO_STACK


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
    beyond = {family: [each for each in own[family] if subtract(each, LOOPBACK_SOURCES[family])] for family in BITS}
    ways = {family: ways_of(family, found[family], interfaces) for family in BITS}
    known = Network(
        {family: tuple(sorted({each[0] for each in beyond[family] if count(each) == 1})) for family in BITS},
        {family: {name: part for name, part in ways[family].items() if name not in ports} for family in BITS},
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


def _is_own(entry: dict[str, Any]) -> bool:
    """Return whether a route says that the host has its destinations; other tables count only by an ip rule."""
    return entry.get("type") == "local" and entry.get("table", "main") in ("local", "main", "default")


def _destinations(family: int, entry: dict[str, Any]) -> Intervals:
    everything = "0.0.0.0/0" if family == 4 else "::/0"
    return network(everything if entry["dst"] == "default" else entry["dst"])[1]


def _route(family: int, entry: dict[str, Any]) -> Route:
    destinations = _destinations(family, entry)
    hops = [entry.get("dev", ""), *(hop.get("dev", "") for hop in entry.get("nexthops", ()))]
    leads = entry.get("type", "unicast") == "unicast"
    names = tuple(sorted({name for name in hops if name and name != LOOPBACK})) if leads else ()
    direct = not any("gateway" in hop or "via" in hop for hop in (entry, *entry.get("nexthops", ())))
    return Route(destinations, names, str(entry.get("table", "main")), direct)


def with_stack(known: Network, readings: StackReadings, routes: Mapping[int, list[Route]]) -> Network:
    """Given a network, its routes by family and what was read of the stack, return the network with all of it.

    Raise ParseError where the addresses are of another form.
    """
    if readings is NO_STACK:
        return known
    links = parse_json("ip -j address", readings.addresses.sure())
    names = {str(link.get("ifname")) for link in links}
    owned = _owned(links)
    own, forwards = known.local, _forwarding(readings, names)
    rules = {
        family: _odd_rules(family, reading, own[family], bool(forwards[family]))
        for family, reading in readings.rules.items()
    }
    stray = {family: _stray(family, routes.get(family, ()), rules.get(family, _Odd()).closed) for family in BITS}
    gone = {family: merge([stray[family], own[family]]) for family in BITS}
    ports = {str(link.get("ifname")) for link in links if link.get("master")}  # what they take in comes by their master
    ways = {
        family: {
            name: subtract(
                numbers, (stray if family == 4 and _is_set(readings, 4, name, "accept_local") else gone)[family]
            )
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
        forwards=forwards,
        routes={family: _leaving(routes.get(family, ())) for family in BITS},
        below=_below(links),
        strict=frozenset(name for name in names if _is_set(readings, 4, name, "rp_filter")),
        stray=stray,
        reflects=readings.reflects,
        doubts=tuple(doubt for odd in rules.values() for doubt in odd.doubts),
        marks=tuple(mark for odd in rules.values() for mark in odd.marks),
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


def _owned(links: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, tuple[int, ...]]]:
    """Given interfaces with their addresses, return these by interface and family, the primary one first."""
    owned: dict[str, dict[int, tuple[int, ...]]] = {}
    for link in links:
        mine = owned.setdefault(str(link.get("ifname")), {})
        for entry in sorted(link.get("addr_info", ()), key=lambda each: bool(each.get("secondary"))):
            address = ipaddress.ip_address(str(entry["local"]))
            if entry.get("tentative"):
                continue  # not in use yet, or a double
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


def _stray(family: int, routes: Iterable[Route], closed: Intervals) -> Intervals:
    """Given routes, and whom an ip rule shuts out of them, return the sources to which none of them leads."""
    led = merge(part for name, parts in shares_of(routes).items() if name for part in parts)
    return intersect(ANY_SOURCE[family], merge([complement(led), closed]))


class _Odd(NamedTuple):
    """What ip rules do beside the usual: what is not followed, for which bits of a mark; and to whom none leads."""

    doubts: tuple[str, ...] = ()
    marks: tuple[tuple[int, str], ...] = ()
    closed: Intervals = ()


def _odd_rules(family: int, reading: Reading, own: Intervals, forwards: bool) -> _Odd:
    """Given the ip rules of a family, the host's addresses and whether it passes packets on, return what is odd."""
    try:
        rules = parse_json("ip -j rule", reading.sure())
    except CoreError as error:
        return _Odd((f"ip rules of IPv{family} could not be read: {error}",))
    places = [rule.get("priority", 0) for rule in rules if rule.get("table") == "local"]
    if not places:
        return _Odd((f"no ip rule of IPv{family} looks up the host's own addresses",))
    unusual = [rule for rule in rules if not _is_usual(rule)]
    alone = not any(rule.get("table") for rule in unusual)
    found = []
    for rule in unusual:
        place, action, table = rule.get("priority", 0), rule.get("action"), rule.get("table")
        text = f"ip rule {place} of IPv{family} ({action or f'table {table}'}) may lead packets another way"
        if place > min(places) and action in _ENDS:
            found.append(_ending(family, rule, text, own, forwards, alone))
        elif place <= min(places) or action or not table:
            found.append(_Odd((text,)))
    return _Odd(
        tuple(doubt for odd in found for doubt in odd.doubts),
        tuple(mark for odd in found for mark in odd.marks),
        merge(odd.closed for odd in found),
    )


def _is_usual(rule: Mapping[str, Any]) -> bool:
    plain = set(rule) <= _OWN_KEYS and rule.get("src") == "all"
    return plain and (rule.get("table"), rule.get("priority", 0)) in _USUAL_RULES


def _ending(family: int, rule: Mapping[str, Any], text: str, own: Intervals, forwards: bool, alone: bool) -> _Odd:
    """Given an ip rule that throws packets away, behind that of the own addresses, return what is odd with it.

    It concerns answers only, which come from one of the host's own addresses and by no interface. ``alone``: no other
    rule sends them by another table first.
    """
    asks = set(rule) - {"priority", "protocol", "action", "srclen", "dstlen", "fwmask"}
    from_own = intersect(_selected(family, rule, "src"), own)
    wanted = int(rule.get("fwmark", "0"), 0) & int(rule.get("fwmask", "0xffffffff"), 0)
    if not asks <= {"src", "dst", "iif", "fwmark"} or (forwards and not wanted):
        return _Odd((text,))
    if wanted:
        return _Odd(marks=((wanted, text),))
    if not from_own or rule.get("iif", LOOPBACK) != LOOPBACK:
        return _Odd()
    if asks == {"src", "dst"} and from_own == own and alone and rule.get("priority", 0) < _MAIN:
        return _Odd(closed=_selected(family, rule, "dst"))
    return _Odd((text,))


def _selected(family: int, rule: Mapping[str, Any], end: str) -> Intervals:
    """Given an ip rule, return the addresses that it names as source (``src``) or destination (``dst``)."""
    name = rule.get(end, "all")
    length = rule.get(f"{end}len", BITS[family])
    return network(f"{name}/{length}" if name != "all" else "0.0.0.0/0" if family == 4 else "::/0")[1]
