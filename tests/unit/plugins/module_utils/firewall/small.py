# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small rulesets for tests, written as iptables-save prints them, and hosts to put them on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.iptables import Dump, parse_save
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.evaluate import Evaluator, Piece
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import Intervals, network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import ANY_SOURCE, Network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import Packet
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import XTABLES, Ruleset

OWN4, OWN6 = 0xCB00710A, (0x20010DB8 << 96) + 0x10  # 203.0.113.10, 2001:db8::10
HOST = Network({4: (OWN4,), 6: (OWN6,)}, {family: {"eth0": ANY_SOURCE[family]} for family in (4, 6)})

RULES = json.dumps(
    [{"priority": at, "src": "all", "table": name} for at, name in ((0, "local"), (32766, "main"), (32767, "default"))]
)
STACK = {"ip -j address": "[]", "ip -j -4 rule": RULES, "ip -j -6 rule": RULES}  # what a plain stack answers


def numbers(text: str) -> Intervals:
    """Return the addresses of a network."""
    return network(text)[1]


def filter_table(*lines: str, policy: str = "DROP", chains: str = "") -> str:
    """Return a filter table with rules; ``chains`` are the names of further chains."""
    named = "".join(f":{name} - [0:0]\n" for name in chains.split())
    return f"*filter\n:INPUT {policy} [0:0]\n{named}" + "".join(f"{line}\n" for line in lines) + "COMMIT\n"


def ruleset(
    ipv4: str = "", ipv6: str = "", *, unavailable: Optional[dict[int, tuple[str, ...]]] = None, backend: str = XTABLES
) -> Ruleset:
    """Return the rules of both families."""
    tables = [table for family, text in ((4, ipv4), (6, ipv6)) for table in parse_save(Dump(backend, family, text, {}))]
    return Ruleset(tuple(tables), unavailable or {4: (), 6: ()})


def ask(rules: Ruleset, packet: Packet, sources: Intervals, network: Network = HOST) -> list[Piece]:
    """Return what becomes of an exchange that a packet begins."""
    return Evaluator(rules, replace(network.stack, local=network.local)).exchange(packet, sources)
