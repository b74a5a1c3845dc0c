# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was read on a Linux host to the records that are judged. Pure: no I/O."""

from __future__ import annotations

from ...errors import CoreError
from ..facts import Facts
from ..model.intervals import BITS
from ..model.network import Network
from ..model.ruleset import XTABLES, Ruleset, Table
from ..reading import Reading
from ..views import View
from .evidence import Evidence
from .ipset import IpSets, parse_ipsets
from .iptables import Dump, parse_save
from .managers import read_views
from .nft import parse_nft
from .routes import parse_network

NEVER_SEEN = (
    "eBPF programs (XDP, tc, cgroup: for one systemd's IPAddressDeny=) are not read",
    "packets that are routed or bridged through this host (containers, virtual machines) are not judged",
    "sockets and rules of other network namespaces are not looked at",
)
_DEFAULT_EPHEMERAL = (32768, 60999)  # the kernel's own default of net.ipv4.ip_local_port_range


def parse(evidence: Evidence) -> Facts:
    """Given what was read, return the facts. What could not be read, or not be understood, is named in them."""
    blind: dict[str, str] = {}
    ruleset = parse_ruleset(evidence, blind)
    network = _network(evidence, blind)
    views = _views(evidence, ruleset, blind)
    for name in network.filtered:
        blind[f"XDP on {name}"] = f"a program on {name} sees packets before any rule, and is not read"
    ephemeral = _ephemeral(evidence.ephemeral)
    return Facts(ruleset, network, views, ephemeral, blind, never_seen=NEVER_SEEN)


def parse_ruleset(evidence: Evidence, blind: dict[str, str]) -> Ruleset:
    """Given what was read, return the rules of all back ends. What else cannot be seen is added to ``blind``."""
    ipsets = _ipsets(evidence, blind)
    unseen: dict[int, list[str]] = {family: [] for family in BITS}
    tables = _read_nft(evidence.nft, unseen)
    for (backend, family), reading in evidence.saves.items():
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


def _ipsets(evidence: Evidence, blind: dict[str, str]) -> IpSets:
    try:
        return parse_ipsets(evidence.ipsets.sure())
    except CoreError as error:
        blind["ipsets"] = f"rules name ipsets, and those could not be read: {error}"
        return {}


def _replaced(tables: list[Table], saved: tuple[Table, ...]) -> list[Table]:
    """Given tables as nft lists them and as iptables-nft-save spells them out, return the latter where both are."""
    spelled = {(table.family, table.name) for table in saved}
    return [table for table in tables if (table.family, table.name) not in spelled] + list(saved)


def _network(evidence: Evidence, blind: dict[str, str]) -> Network:
    try:
        routes = {family: reading.sure() for family, reading in evidence.routes.items()}
        return parse_network(evidence.links.sure(), routes)
    except CoreError as error:
        blind["routes"] = str(error)
        return Network({4: (), 6: ()}, {4: {}, 6: {}}, blind=str(error))


def _views(evidence: Evidence, ruleset: Ruleset, blind: dict[str, str]) -> tuple[View, ...]:
    try:
        return read_views(evidence.managers, ruleset)
    except CoreError as error:
        blind["ufw"] = str(error)
        return ()


def _ephemeral(reading: Reading) -> tuple[int, int]:
    words = reading.text.split()
    if len(words) == len(_DEFAULT_EPHEMERAL) and all(word.isdigit() for word in words):
        return (int(words[0]), int(words[1]))
    return _DEFAULT_EPHEMERAL
