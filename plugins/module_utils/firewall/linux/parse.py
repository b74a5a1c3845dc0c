# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was read on a Linux host to the records that are judged. Pure: no I/O."""

from __future__ import annotations

from ...errors import CoreError
from ..model.intervals import BITS
from ..model.network import Network
from ..model.ruleset import XTABLES, Ruleset, Table
from ..reading import Reading
from ..snapshot import Boot, Manager, Snapshot
from .ipset import IpSets, parse_ipsets
from .iptables import Dump, parse_save
from .managers import read_managers
from .nft import parse_nft
from .readings import Readings
from .routes import parse_network

NEVER_SEEN = (
    "eBPF programs (XDP, tc, cgroup: for one systemd's IPAddressDeny=) are not read",
    "packets that are routed or bridged through this host (containers, virtual machines) are not judged",
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
    unseen: dict[int, list[str]] = {family: [] for family in BITS}
    tables = _read_nft(readings.nft, unseen)
    for (backend, family), reading in readings.saves.items():
        try:
            saved = parse_save(Dump(backend, family, reading.sure(), ipsets, f"{backend} of IPv{family}"))
        except CoreError as error:
            unseen[family].append(str(error))
            continue
        tables = _replaced(tables, saved) if backend == XTABLES else [*tables, *saved]
    return Ruleset(tuple(tables), {family: tuple(reasons) for family, reasons in unseen.items()})


def _read_nft(reading: Reading, unseen: dict[int, list[str]]) -> list[Table]:
    try:
        return list(parse_nft(reading.sure()))
    except CoreError as error:
        for reasons in unseen.values():
            reasons.append(str(error))
        return []


def _ipsets(readings: Readings, unavailable: dict[str, str]) -> IpSets:
    try:
        return parse_ipsets(readings.ipsets.sure())
    except CoreError as error:
        unavailable["ipsets"] = f"rules name ipsets, and those could not be read: {error}"
        return {}


def _replaced(tables: list[Table], saved: tuple[Table, ...]) -> list[Table]:
    """Given tables as nft lists them and as iptables-nft-save spells them out, return the latter where both are."""
    spelled = {(table.family, table.name) for table in saved}
    return [table for table in tables if (table.family, table.name) not in spelled] + list(saved)


def _network(readings: Readings, unavailable: dict[str, str]) -> Network:
    try:
        routes = {family: reading.sure() for family, reading in readings.routes.items()}
        return parse_network(readings.links.sure(), routes)
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
