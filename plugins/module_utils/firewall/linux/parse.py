# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was read on a Linux host to the records that are judged. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import CoreError
from ..model.intervals import BITS
from ..model.network import Network
from ..model.ruleset import XTABLES, FilterRule, Gap, Ruleset
from ..reading import Reading
from ..snapshot import Boot, Manager, Snapshot
from .ipset import IpSets, parse_ipsets
from .iptables import Dump, parse_lines, parse_save
from .managers import read_managers
from .nft import Place, parse_nft
from .stack import Readings, parse_json, parse_network

FAMILIES = {4: "ip", 6: "ip6"}
NEVER_SEEN = (
    "eBPF programs (XDP, tc, cgroup: for one systemd's IPAddressDeny=) are not read",
    "packets that pass through this host are judged only where NAT leads them on (published ports of containers)",
    "sockets and rules of other network namespaces are not looked at",
)
_DEFAULT_EPHEMERAL = (32768, 60999)  # the kernel's own default of net.ipv4.ip_local_port_range


def parse(readings: Readings) -> Snapshot:
    """Given what was read, return the facts. What could not be read, or not be understood, is named in them."""
    unavailable: dict[str, str] = {}
    ruleset = parse_ruleset(readings, unavailable)
    network = _network(readings, unavailable)
    managers, boot = _managers(readings, ruleset, unavailable)
    for name in network.filtered:
        unavailable[f"XDP on {name}"] = f"a program on {name} sees packets before any rule, and is not read"
    ephemeral = _ephemeral(readings.ephemeral)
    return Snapshot(ruleset, network, managers, ephemeral, unavailable, never_seen=NEVER_SEEN, boot=boot)


def parse_ruleset(readings: Readings, unavailable: dict[str, str]) -> Ruleset:
    """Given what was read, return the rules of all back ends. What else cannot be seen is added to ``unavailable``."""
    ipsets = _ipsets(readings, unavailable)
    if readings.listing.unavailable:
        unavailable["flags and devices of nf_tables"] = readings.listing.unavailable
    listed = _listed(readings, ipsets, unavailable)
    tables, unseen = list(listed.tables), {family: list(listed.unavailable.get(family, ())) for family in BITS}
    for (backend, family), reading in readings.saves.items():
        if backend == XTABLES and any(table.family == FAMILIES[family] for table in listed.tables):
            continue  # nft lists them itself
        try:
            tables += parse_save(_dump(backend, family, reading, ipsets))
        except CoreError as error:
            unseen[family].append(str(error))
    gaps = _on_bridges(listed.gaps, readings.links)
    return Ruleset(tuple(tables), {family: tuple(reasons) for family, reasons in unseen.items()}, gaps)


def _on_bridges(gaps: Iterable[Gap], links: Reading) -> tuple[Gap, ...]:
    """Given gaps, return them with those of the family bridge where they count: on what other interfaces belong to."""
    masters = tuple(sorted({str(entry["master"]) for entry in _entries(links) if "master" in entry}))
    found = [gap._replace(devices=masters) if gap.text.startswith("bridge ") else gap for gap in gaps]
    return tuple(gap for gap in found if gap.devices or not gap.text.startswith("bridge ") or not links.text)


def _listed(readings: Readings, ipsets: IpSets, unavailable: dict[str, str]) -> Ruleset:
    """Return what nft lists, with the extensions of iptables-nft as its own save command spells them out."""
    spelled: dict[Place, list[tuple[FilterRule, ...]]] = {}
    for (backend, family), reading in readings.saves.items():
        if backend == XTABLES:
            try:
                lines = parse_lines(_dump(backend, family, reading, ipsets))
                spelled.update({(FAMILIES[family], *place): rules for place, rules in lines.items()})
            except CoreError as error:
                unavailable[f"extensions of {backend} of IPv{family}"] = str(error)
    try:
        return parse_nft(readings.nft.sure(), readings.listing.text, spelled, _links(readings.links), readings.tables)
    except CoreError as error:
        return Ruleset(unavailable=dict.fromkeys(BITS, (str(error),)))


def _dump(backend: str, family: int, reading: Reading, ipsets: IpSets) -> Dump:
    return Dump(backend, family, reading.sure(), ipsets, f"{backend} of IPv{family}")


def _links(reading: Reading) -> dict[str, int]:
    """Return the numbers of the interfaces by name."""
    return {
        entry["ifname"]: entry["ifindex"] for entry in _entries(reading) if "ifname" in entry and "ifindex" in entry
    }


def _entries(links: Reading) -> list[dict[str, Any]]:
    """Return the interfaces; none where they could not be read, which is told elsewhere."""
    try:
        return parse_json("ip -j link", links.text)
    except CoreError:
        return []


def _ipsets(readings: Readings, unavailable: dict[str, str]) -> IpSets:
    try:
        return parse_ipsets(readings.ipsets.sure())
    except CoreError as error:
        unavailable["ipsets"] = f"rules name ipsets, and those could not be read: {error}"
        return {}


def _network(readings: Readings, unavailable: dict[str, str]) -> Network:
    try:
        routes = {family: reading.sure() for family, reading in readings.routes.items()}
        return parse_network(readings.links.sure(), routes, readings.stack)
    except CoreError as error:
        unavailable["routes"] = str(error)
        return Network({4: (), 6: ()}, {4: {}, 6: {}}, unavailable=str(error))


def _managers(
    readings: Readings, ruleset: Ruleset, unavailable: dict[str, str]
) -> tuple[tuple[Manager, ...], tuple[Boot, ...]]:
    try:
        return read_managers(readings, ruleset)
    except CoreError as error:
        unavailable["managers"] = str(error)
        return (), ()


def _ephemeral(reading: Reading) -> tuple[int, int]:
    words = reading.text.split()
    if len(words) == len(_DEFAULT_EPHEMERAL) and all(word.isdigit() for word in words):
        return (int(words[0]), int(words[1]))
    return _DEFAULT_EPHEMERAL
