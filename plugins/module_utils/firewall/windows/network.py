# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The network of a Windows host, and what words in its rules stand for there. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Optional

from ...errors import CoreError
from ...fields import Fields, fields_of
from ...powershell import Answers
from ..model.intervals import BITS, Intervals, merge, network, spanning
from ..model.network import Address, Network, Route
from ..snapshot import network_of
from .rules import Words, lines

_IN_USE = ("preferred", "deprecated", "")  # other states: not yet, no longer, or somebody else's as well
_WIFI_DIRECT = "wi-fi direct"
_FOLDERS = {"programfilesx86": "programfiles(x86)"}


def own_addresses(answers: Answers) -> list[Address]:
    """Given the answers, return the host's addresses that are in use, beyond loopback. Raise CoreError."""
    rows = fields_of("own_addresses", answers["own_addresses"])
    return [address for address in map(_address, rows) if address is not None]


def _address(row: Fields) -> Optional[Address]:
    try:
        address = ipaddress.ip_address(row.text("IPAddress").partition("%")[0])
        family, subnet = network(str(ipaddress.ip_interface(f"{address}/{row.whole('PrefixLength')}").network))
    except ValueError as error:
        raise row.wrong("IPAddress", str(error)) from None
    if address.is_loopback or row.text("AddressState").lower() not in _IN_USE:
        return None
    return Address(row.text("InterfaceAlias"), family, int(address), subnet)


def parse_network(answers: Answers) -> Network:
    """Given the answers, return addresses and the ways on which sources arrive. Raise CoreError."""
    routes: dict[int, list[Route]] = {family: [] for family in BITS}
    for row in fields_of("routes", answers["routes"]):
        try:
            family, destinations = network(row.text("DestinationPrefix"))
        except ValueError as error:
            raise row.wrong("DestinationPrefix", str(error)) from None
        routes[family].append(Route(destinations, (row.text("InterfaceAlias"),), "main"))
    return network_of(own_addresses(answers), routes)


def surroundings(answers: Answers) -> Words:
    """Given the answers, return what words stand for. What could not be read is left out, so that it stays doubtful."""
    words: dict[str, dict[int, Intervals]] = {}
    for word, read in (("localsubnet", _subnets), ("dns", _resolvers), ("defaultgateway", _gateways)):
        try:
            words[word] = read(answers)
        except CoreError:
            continue
    if "localsubnet" in words:
        words.update({f"localsubnet{family}": {family: words["localsubnet"].get(family, ())} for family in BITS})
    return Words(_folders(answers), words, _direct(answers))


def _subnets(answers: Answers) -> dict[int, Intervals]:
    addresses = own_addresses(answers)
    return {family: merge(each.subnet for each in addresses if each.family == family) for family in BITS}


def _resolvers(answers: Answers) -> dict[int, Intervals]:
    rows = fields_of("resolvers", answers["resolvers"])
    return _single(part for row in rows for part in lines(row.text("ServerAddresses")))


def _gateways(answers: Answers) -> dict[int, Intervals]:
    rows = [row for row in fields_of("routes", answers["routes"]) if row.text("DestinationPrefix").endswith("/0")]
    return _single(row.text("NextHop") for row in rows)


def _single(addresses: Iterable[str]) -> dict[int, Intervals]:
    """Given addresses, return them by family. Raise CoreError where one is none."""
    found: dict[int, list[Intervals]] = {family: [] for family in BITS}
    for text in addresses:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            raise CoreError(f"{text!r} is no address") from None
        found[address.version].append(spanning(int(address), int(address)))
    return {family: merge(parts) for family, parts in found.items()}


def _folders(answers: Answers) -> dict[str, str]:
    """Return the folders that variables in paths stand for, in lower case; none where they could not be read.

    A 32-bit PowerShell says of %ProgramFiles% where 32-bit programs lie; %ProgramW6432% is right in both.
    """
    try:
        row = next(iter(fields_of("folders", answers["folders"])))
    except (CoreError, StopIteration):
        return {}
    found = {_FOLDERS.get(name.lower(), name.lower()): row.text(name) for name in row.raw if row.text(name)}
    found["programfiles"] = found.get("programw6432", found.get("programfiles", ""))
    found["windir"] = found.get("systemroot", "")
    return {name: folder for name, folder in found.items() if folder}


def _direct(answers: Answers) -> Optional[frozenset[str]]:
    try:
        rows = fields_of("adapters", answers["adapters"])
    except CoreError:
        return None
    return frozenset(row.text("Name") for row in rows if _WIFI_DIRECT in row.text("InterfaceDescription").lower())
