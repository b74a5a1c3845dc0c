# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs that manage rules (ufw, firewalld, nftables.service) and whether the kernel holds what they have stored.

They are views only: what is open is judged from the kernel's rules alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Optional

from ..model.ruleset import Ruleset, Table
from ..reading import NOTHING_READ, Reading
from ..snapshot import Boot, Manager
from . import boot, nft_stored, ufw
from .boot import DAEMONS, Units, units_of
from .collect_managers import FIREWALLD, FIREWALLD_ASKED, FIREWALLD_CONF, NFT_CONF, NFT_RUNS, NFTABLES
from .stack import Readings

_FIREWALLD_FIRST = 10  # the priority of its chains of type filter
_PERMANENT = "--permanent "
_LISTS = {*("services", "ports", "protocols", "sources", "source-ports", "icmp-blocks", "interfaces")}
_LISTS |= {"ingress-zones", "egress-zones"}
_KEEP_FIREWALLD = (
    "To keep what runs: firewall-cmd --runtime-to-permanent. To load what is stored: firewall-cmd --reload"
)


def read_managers(readings: Readings, ruleset: Ruleset) -> tuple[tuple[Manager, ...], tuple[Boot, ...]]:
    """Given what was read and the kernel's rules, return a view per manager that is there, and what the next boot does.

    Raise ParseError where ufw's rule files are of another form.
    """
    read, units = readings.managers, units_of(readings.managers)
    found = [
        ufw.read_ufw(read, readings.saves, ruleset, DAEMONS),
        _firewalld(read, ruleset, units),
        _nftables(read, ruleset, units),
    ]
    return tuple(filter(None, found)), tuple(boot.next_boot(readings, ruleset, units))


def is_firewalld(table: Table) -> bool:
    """Return whether a table is firewalld's, or one of iptables that holds its chains."""
    return table.name == "firewalld" or "INPUT_ZONES" in table.chains or "IN_public" in table.chains


def _firewalld(read: Mapping[str, Reading], ruleset: Ruleset, units: Units) -> Optional[Manager]:
    if FIREWALLD not in units.enabled | units.active:
        return None
    tables = [table for table in ruleset.tables if is_firewalld(table)]
    heads = [table.chains[name] for table in tables for name in ("filter_INPUT", "INPUT") if name in table.chains]
    loaded = any(chain.rules for chain in heads)
    asked = [read.get(f"{side}{question}", NOTHING_READ) for side in ("", _PERMANENT) for question in FIREWALLD_ASKED]
    unavailable = "; ".join(sorted({reading.unavailable for reading in asked} - {""})) if loaded else ""
    zone = ufw.setting(read.get(FIREWALLD_CONF, NOTHING_READ).text, "DefaultZone") or "public"
    found = [] if unavailable else list(_apart(read, zone))
    return Manager(
        "firewalld",
        enabled=True,
        loaded=loaded,
        differences=(*found, *_earlier(ruleset, tables)),
        unavailable=unavailable,
        stored="its permanent configuration",
        remedy=_KEEP_FIREWALLD if found else "" if loaded else "systemctl restart firewalld",
    )


def _apart(read: Mapping[str, Reading], default: str) -> Iterator[str]:
    """Return what runs and is not permanent, and the other way round."""
    runs, stored = (
        {item for asked in FIREWALLD_ASKED for item in _items(read.get(f"{side}{asked}", NOTHING_READ).text, default)}
        for side in ("", _PERMANENT)
    )
    for item in sorted(runs - stored):
        yield f"{item} runs and is not permanent: gone at the next reload or boot"
    for item in sorted(stored - runs):
        yield f"{item} is permanent and does not run: it comes at the next reload or boot"


def _items(text: str, default: str) -> Iterator[str]:
    """Given what firewall-cmd lists, return its settings one by one.

    Which interfaces are in the default zone is of the moment; that one is in another zone is not.
    """
    zone = ""
    for line in text.splitlines():
        name, _colon, value = line.strip().partition(":")
        if line.startswith(("ipv4 ", "ipv6 ", "eb ")):
            yield f"direct rule {line}"
        elif line and not line[0].isspace():
            zone = line.split()[0]
        elif name in _LISTS:
            yield from (f"{zone}: {name} {word}" for word in value.split() if (name, zone) != ("interfaces", default))
        elif name.startswith("rule ") or (value.strip() and name != "icmp-block-inversion"):
            yield f"{zone}: {line.strip()}"


def _earlier(ruleset: Ruleset, own: list[Table]) -> Iterator[str]:
    """Return the chains that decide before firewalld's and are nobody's: what they drop no zone can open."""
    for table in ruleset.tables if any(table.name == "firewalld" for table in own) else ():
        for chain in table.chains.values():
            if table in own or table.dormant or chain.hook != "input" or chain.priority >= _FIREWALLD_FIRST:
                continue
            rules = [rule for rule in chain.rules if not DAEMONS.search(f"{table.name} {rule.text}")]
            if rules or chain.policy != "accept":
                shown = f", first: {rules[0].text}" if rules else ""
                name = f"{table} {chain.name}"
                text = f"{name} (priority {chain.priority}, policy {chain.policy}{shown}) decides before firewalld"
                yield f"{text} (priority {_FIREWALLD_FIRST}), which does not know of it"


def _nftables(read: Mapping[str, Reading], ruleset: Ruleset, units: Units) -> Optional[Manager]:
    if NFTABLES not in units.enabled | units.active:
        return None
    conf, runs = read.get(NFT_CONF, NOTHING_READ), read.get(NFT_RUNS, NOTHING_READ)
    stored = nft_stored.parse(conf.text)
    wanted = [name for name in stored if name]
    there = {f"{table}" for table in ruleset.tables}
    loaded = not wanted or not there.isdisjoint(wanted)
    found, doubts = nft_stored.differences(stored, nft_stored.parse(runs.text)) if runs.text else ([], [])
    return Manager(
        NFTABLES,
        enabled=True,
        loaded=loaded,
        differences=tuple(found),
        unavailable="; ".join(filter(None, (conf.unavailable, runs.unavailable, *doubts))),
        stored="nftables.conf",
        remedy=(
            f"To load what is stored: systemctl reload nftables. To keep what runs: {boot.KEEP_NFT}"
            if loaded
            else "systemctl restart nftables"
        ),
    )
