# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What iptables-save and its relatives print, as tables; also the rule files that ufw hands to iptables-restore.

The same text comes from the nft and the legacy back end, for IPv4 and IPv6. Format: iptables-save(8), iptables(8),
iptables-extensions(8).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from ...errors import ParseError
from ..model.ruleset import ACCEPT, DROP, Chain, FilterRule, Table
from .ipset import IpSets
from .iptables_options import Part, split_parts
from .iptables_targets import read_target
from .iptables_tests import read_tests

# Hook and priority of the built-in chains (linux/netfilter_ipv4.h, enum nf_ip_hook_priorities).
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_NAT_INPUT = 100
_FAMILIES = {4: "ip", 6: "ip6"}
_POLICIES = {"ACCEPT": ACCEPT, "DROP": DROP}


class Dump(NamedTuple):
    """The text of one run of a save command: which back end and family (4 or 6) it is of, and the sets it may name."""

    backend: str
    family: int
    text: str
    ipsets: IpSets
    source: str = "iptables-save"


def parse_save(dump: Dump) -> tuple[Table, ...]:
    """Given the output of a save command, return its tables. Raise ParseError naming the line of another form."""
    tables: list[Table] = []
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(dump.text.splitlines(), start=1):
        if line == "COMMIT":
            tables.append(_table(dump, lines))
            lines = []
        elif line and not line.startswith("#"):
            lines.append((number, line))
    if lines:
        raise ParseError(dump.source, lines[-1][0], lines[-1][1], "the table does not end with COMMIT")
    return tuple(tables)


def _table(dump: Dump, lines: list[tuple[int, str]]) -> Table:
    if not lines or not lines[0][1].startswith("*"):
        number, line = lines[0] if lines else (1, "COMMIT")
        raise ParseError(dump.source, number, line, "a table does not begin with *NAME")
    name = lines[0][1][1:]
    policies = dict(_declared(dump, entry) for entry in lines[1:] if entry[1].startswith(":"))
    rules: dict[str, list[FilterRule]] = {chain: [] for chain in policies}
    for number, line in lines[1:]:
        if not line.startswith(":"):
            _add_rule(dump, name, rules, (number, line))
    chains = {chain: _chain(name, chain, policy, rules[chain]) for chain, policy in policies.items()}
    return Table(dump.backend, _FAMILIES[dump.family], name, chains)


def _declared(dump: Dump, entry: tuple[int, str]) -> tuple[str, str]:
    """Given a line that declares a chain (``:INPUT DROP [0:0]``), return its name and policy."""
    words = entry[1][1:].split()
    if len(words) < 2:
        raise ParseError(dump.source, entry[0], entry[1], "a chain without a policy")
    return words[0], words[1]


def _chain(table: str, name: str, policy: str, rules: list[FilterRule]) -> Chain:
    if policy == "-":
        return Chain(name, tuple(rules))
    priority = _NAT_INPUT if (table, name) == ("nat", "INPUT") else _PRIORITIES.get(table, 0)
    return Chain(name, tuple(rules), name.lower(), priority, _POLICIES.get(policy, ACCEPT), nat=table == "nat")


def _add_rule(dump: Dump, table: str, rules: dict[str, list[FilterRule]], entry: tuple[int, str]) -> None:
    number, line = entry
    try:
        words = shlex.split(line) if '"' in line else line.split()
        begin = 1 if words[0].startswith("[") else 0  # with counters: [packets:bytes] -A CHAIN ...
        action, chain = words[begin], words[begin + 1]
        place = len(rules[chain]) if action == "-A" else {"-I": 0}[action]
        where = f"{_FAMILIES[dump.family]} {table} {chain} rule {place + 1}"
        rule = _rule(dump, where, " ".join(words[begin + 2 :]), list(split_parts(words[begin + 2 :])), set(rules))
    except (ValueError, KeyError, IndexError) as error:
        raise ParseError(dump.source, number, line, f"a rule of another form ({error!r})") from error
    rules[chain].insert(place, rule)


def _rule(dump: Dump, where: str, text: str, parts: list[Part], chains: set[str]) -> FilterRule:
    tests = [test for part in parts for test in read_tests(part, dump.family, dump.ipsets)]
    effects, verdict = read_target(parts, chains)
    return FilterRule(where, text, tuple(tests), effects, verdict)


def rules_of(tables: tuple[Table, ...], chain: str) -> Iterator[FilterRule]:
    """Given tables, return the rules of the filter table's chain of that name."""
    for table in tables:
        if table.name == "filter" and chain in table.chains:
            yield from table.chains[chain].rules
