# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packets that record_expressions.py sent, field by field, and what the tests of a rule say of one.

A second route beside the model: it knows the records of model/ruleset.py and nothing of how they are evaluated.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from typing import Any, NamedTuple, Optional, Union

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.nft import parse_nft
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    Doubt,
    FilterRule,
    Fixed,
    Match,
    Ruleset,
    Test,
)

from .recorded import FIXTURES

Fields = dict[str, Union[int, str]]
# A SYN has no skuid on input: neither form of such a test holds (pitfalls-firewall 1.5).
_NUMBERS = """
proto 6, sport 40000, dport 8000, tcp_flags 2, mark 0, packet_type 0, iif_index 2, oif_index 0,
ct_state 8, ct_status 0, ct_mark 0, ct_direction 0, ether_saddr 0x020000000002,
daddr_type 2, daddr_type_iif 2, saddr_type 1, saddr_route 1, saddr_route_any 1,
ct_original_sport 40000, ct_original_dport 8000
"""
_SYN: Fields = {name: int(number, 0) for name, number in (pair.split() for pair in _NUMBERS.split(","))}


def _packet(family: int, source: str, own: str) -> Fields:
    addresses = {"saddr": int(ipaddress.ip_address(source)), "daddr": int(ipaddress.ip_address(own))}
    asked = {f"ct_original_{field}": address for field, address in addresses.items()}
    return {**_SYN, **addresses, **asked, "family": family, "iif": "va", "oif": ""}


PACKETS = {4: _packet(4, "10.1.0.2", "10.1.0.1"), 6: _packet(6, "fd01::2", "fd01::1")}


class Recorded(NamedTuple):
    """A test of a rule: its text, how nft prints it, and whether the kernel let the SYN of each family pass it."""

    text: str
    statements: list[dict[str, Any]]
    passed: dict[int, bool]


def recorded() -> tuple[list[dict[str, Any]], list[Recorded]]:
    """Return the sets that the rules name, and the rules."""
    found = json.loads((FIXTURES / "nft/linux-6.18/expressions.json").read_text(encoding="utf-8"))
    return found["sets"], [Recorded(text, parts, {4: four, 6: six}) for text, parts, four, six in found["rules"]]


def ruleset_of(*statements: dict[str, Any], beside: Iterable[Any] = (), version: str = "1.0.6") -> Ruleset:
    """Return a ruleset of one rule, in an inet table ``t`` with what else is given."""
    place = {"family": "inet", "table": "t"}
    entries = [
        {"metainfo": {"version": version}},
        {"table": {"family": "inet", "name": "t"}},
        *beside,
        {"chain": {**place, "name": "c"}},
        {"rule": {**place, "chain": "c", "handle": 7, "expr": list(statements)}},
    ]
    return parse_nft(json.dumps({"nftables": entries}), links={"lo": 1, "va": 2})


def rules_of(*statements: dict[str, Any], beside: Iterable[Any] = (), version: str = "1.0.6") -> tuple[FilterRule, ...]:
    """Return what the model makes of one rule."""
    (table,) = ruleset_of(*statements, beside=beside, version=version).tables
    return table.chains["c"].rules


def holds(tests: Iterable[Test], packet: Fields) -> Optional[bool]:
    """Return whether all tests hold for a packet; None where that is not known."""
    outcomes = [_holds(test, packet) for test in tests]
    return False if False in outcomes else None if None in outcomes else True


def _holds(test: Test, packet: Fields) -> Optional[bool]:
    if isinstance(test, Doubt):
        return None
    if isinstance(test, Fixed):
        return test.holds
    if not all(field in packet for field in test.fields):
        return False
    return any(_fits(test, row, packet) for row in test.rows) != test.negated


def _fits(test: Match, row: tuple[Any, ...], packet: Fields) -> bool:
    return all(_among(packet[field], values, test.mask) for field, values in zip(test.fields, row))


def _among(value: Union[int, str], values: Any, mask: Optional[int]) -> bool:
    if isinstance(value, str):
        return any(value == name or (name[-1] == "*" and value.startswith(name[:-1])) for name in values)
    number = value if mask is None else value & mask
    return any(values[at] <= number < values[at + 1] for at in range(0, len(values), 2))
