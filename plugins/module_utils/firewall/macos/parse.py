# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was read on a macOS host to the records that are judged. Pure: no I/O."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import CoreError, ParseError
from ..model.intervals import BITS, Intervals, merge, network, spanning
from ..model.network import Address, Network, Route
from ..model.ruleset import Ruleset, Table
from ..reading import Reading
from ..snapshot import Manager, Snapshot, network_of, unknown_network
from . import alf, pf
from .collect import PfReadings
from .pf_line import PfNames

_CLIENT_PORTS = (49152, 65535)  # net.inet.ip.portrange.first and last, as macOS sets them
_PF = "pf"
_INTERFACE = re.compile(r"^(\S+): flags=")
_ADDRESS = re.compile(r"^\s+inet6? (\S+)(?: --> \S+)?(?: (?:netmask|prefixlen) (\S+))?(.*)$")
_NOT_IN_USE = ("tentative", "duplicated", "detached")

NEVER_SEEN = (
    "content filters of security products (network extensions) and launchd's own limits are not read",
    "packets that are routed or bridged through this host (Internet sharing, virtual machines) are not judged",
    "what the application firewall makes of a program that is not in its list depends on a signature that is not read",
)


@dataclass
class _Parsed:
    """What could be parsed, and what could not."""

    tables: list[Table] = field(default_factory=list)
    managers: list[Manager] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def parse(readings: PfReadings) -> Snapshot:
    """Given what was read, return the facts. What could not be read, or not be understood, is named in them."""
    parsed = _Parsed()
    addresses, network = _network(readings, parsed)
    _read_alf(readings, parsed)
    _read_pf(readings, addresses, parsed)
    return Snapshot(
        Ruleset(tuple(parsed.tables), {family: tuple(parsed.unread) for family in BITS}),
        network,
        tuple(parsed.managers),
        _client_ports(readings.ephemeral),
        parsed.unavailable,
        receivers=alf.receivers,
        never_seen=NEVER_SEEN,
        system="darwin",
        notes=parsed.notes,
    )


def _network(readings: PfReadings, parsed: _Parsed) -> tuple[list[Address], Network]:
    try:
        addresses = parse_ifconfig(readings.interfaces.sure())
        routes = {family: parse_routes(family, reading.sure()) for family, reading in readings.routes.items()}
        return addresses, network_of(outer(addresses), routes)
    except CoreError as error:
        parsed.unavailable["routes"] = str(error)
        return [], unknown_network(str(error))


def _read_alf(readings: PfReadings, parsed: _Parsed) -> None:
    parsed.notes["stealth mode"] = alf.stealth(readings.alf)
    try:
        settings = alf.parse_settings(readings.alf)
    except CoreError as error:
        parsed.unread.append(str(error))
        return
    parsed.tables += alf.app_table(settings)
    off = "the application firewall is off: no program is kept from taking connections"
    parsed.managers.append(Manager(alf.NAME, settings.on, loaded=True, off=off))


def _read_pf(readings: PfReadings, addresses: list[Address], parsed: _Parsed) -> None:
    try:
        enabled = pf.is_enabled(readings.info.sure())
        parsed.tables += [_pf_table(readings, addresses, parsed)] if enabled else []
    except CoreError as error:
        parsed.unread.append(str(error))
        return
    parsed.notes[_PF] = "on" if enabled else "off"
    alone = "the application firewall alone filters, by program" if parsed.tables else "nothing filters by port"
    parsed.managers.append(Manager(_PF, enabled, loaded=True, off=f"pf is off: its rules do not count, and {alone}"))


def _pf_table(readings: PfReadings, addresses: list[Address], parsed: _Parsed) -> Table:
    readings.anchors.sure()
    names = PfNames(
        {},
        by_interface(addresses, networks=False),
        by_interface(addresses, networks=True),
        pf.parse_services(readings.services.text),
    )
    tables = _tables(readings.tables, parsed)
    rules = pf.PfSources(readings.rules, names, tables)
    return pf.filter_table(
        rules, pf.PfSources(readings.translations, names, tables), pf.parse_skipped(readings.skipped.sure())
    )


def _tables(
    readings: Mapping[tuple[str, str], Reading], parsed: _Parsed
) -> dict[tuple[str, str], Mapping[int, Intervals]]:
    """Return the tables that could be read; a name that stands for none stays doubtful, and is reported."""
    found: dict[tuple[str, str], Mapping[int, Intervals]] = {}
    reasons: dict[str, str] = {}
    for (anchor, table), reading in readings.items():
        try:
            found[anchor, table] = pf.parse_table(reading.sure())
        except CoreError as error:
            reasons[table] = str(error)
    for table in sorted(set(reasons) - {name for _anchor, name in found}):
        parsed.unavailable[f"table <{table}> of pf"] = reasons[table]
    return found


def _client_ports(reading: Reading) -> tuple[int, int]:
    words = reading.text.split()
    if len(words) == 2 and all(word.isdigit() for word in words):
        return (int(words[0]), int(words[1]))
    return _CLIENT_PORTS


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


def outer(addresses: list[Address]) -> list[Address]:
    """Given addresses, return those beyond loopback, whose interface has link-local ones, too."""
    return [each for each in addresses if not each.loopback and not each.interface.startswith("lo")]


def by_interface(addresses: list[Address], *, networks: bool) -> dict[str, dict[int, Intervals]]:
    """Given addresses, return them, or the networks around them, by interface and family."""
    found: dict[str, dict[int, Intervals]] = {}
    for each in addresses:
        numbers = each.subnet if networks else spanning(each.number, each.number)
        known = found.setdefault(each.interface, {})
        known[each.family] = merge([known.get(each.family, ()), numbers])
    return found
