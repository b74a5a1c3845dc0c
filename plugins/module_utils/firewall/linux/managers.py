# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs that manage rules (ufw, firewalld, nftables.service) and whether the kernel holds what they should load.

They are views only: what is open is judged from the kernel's rules alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ..model.ruleset import Doubt, FilterRule, Fixed, Match, Ruleset, Test
from ..reading import Reading
from ..snapshot import Manager
from .iptables import Dump, parse_save, rules_of
from .readings import FIREWALLD_RUNNING, FIREWALLD_STORED, SERVICES, UFW_FILES

_CONF, _DEFAULTS = UFW_FILES[:2]
_USER_CHAINS = {4: (UFW_FILES[2], "ufw-user-input"), 6: (UFW_FILES[3], "ufw6-user-input")}
_FAMILIES = {4: "ip", 6: "ip6"}


def read_managers(managers: Mapping[str, Reading], ruleset: Ruleset) -> tuple[Manager, ...]:
    """Given what the managers' files and commands say and the kernel's rules, return a view per manager that is there.

    Raise ParseError where ufw's rule files are of another form.
    """
    found = [_ufw(managers, ruleset), _firewalld(managers, ruleset), _nftables(managers, ruleset)]
    return tuple(manager for manager in found if manager is not None)


def setting(text: str, name: str) -> str:
    """Given a file of NAME=value lines, return a value, unquoted and in lower case; empty where it is not there."""
    lines = [line.partition("=")[2] for line in text.splitlines() if line.partition("=")[0].strip() == name]
    return lines[-1].strip().strip("\"'").lower() if lines else ""


def _ufw(managers: Mapping[str, Reading], ruleset: Ruleset) -> Optional[Manager]:
    conf = managers[_CONF]
    if conf.unavailable:
        return None
    if setting(conf.text, "ENABLED") != "yes":
        return Manager("ufw", enabled=False)
    families = [4, 6] if setting(managers[_DEFAULTS].text, "IPV6") == "yes" else [4]
    loaded = {family: _hooked(ruleset, family, _USER_CHAINS[family][1]) for family in families}
    differences = [line for family in families if loaded[family] for line in _differences(managers, ruleset, family)]
    stored = [managers[_USER_CHAINS[family][0]].unavailable for family in families]
    why = "; ".join(filter(None, stored))
    return Manager("ufw", enabled=True, loaded=all(loaded.values()), differences=tuple(differences), unavailable=why)


def _hooked(ruleset: Ruleset, family: int, chain: str) -> bool:
    """Return whether the kernel has ufw's chain for that family, and its INPUT chain leads to ufw's chains."""
    return any(
        chain in table.chains and any("ufw" in rule.text for rule in table.chains["INPUT"].rules)
        for table in ruleset.tables
        if table.family == _FAMILIES[family] and "INPUT" in table.chains
    )


def _differences(managers: Mapping[str, Reading], ruleset: Ruleset, family: int) -> list[str]:
    """Given a family, return the rules that ufw's file and the kernel do not both have."""
    path, chain = _USER_CHAINS[family]
    if managers[path].unavailable:
        return []
    stored = list(rules_of(parse_save(Dump("ufw", family, managers[path].text, {}, path)), chain))
    running = list(rules_of(tuple(table for table in ruleset.tables if table.family == _FAMILIES[family]), chain))
    there, here = set(map(_meaning, stored)), set(map(_meaning, running))
    missing = [f"only in {path}: {rule.text}" for rule in stored if _meaning(rule) not in here]
    return missing + [f"only in the kernel: {rule}" for rule in running if _meaning(rule) not in there]


def _meaning(rule: FilterRule) -> tuple[object, ...]:
    """Given a rule, return what two spellings of it have in common."""
    return (frozenset(map(_test_meaning, rule.tests)), rule.effects, rule.verdict)


def _test_meaning(test: Test) -> object:
    if isinstance(test, Match):
        return (test.fields, test.rows, test.negated, test.mask)
    return test.holds if isinstance(test, Fixed) else test.text if isinstance(test, Doubt) else None


def _enabled(managers: Mapping[str, Reading], service: str) -> bool:
    return service in managers and managers[service].text.strip() == "enabled"


def _firewalld(managers: Mapping[str, Reading], ruleset: Ruleset) -> Optional[Manager]:
    if not _enabled(managers, SERVICES[0]):
        return None
    loaded = any(table.name == "firewalld" or "IN_public" in table.chains for table in ruleset.tables)
    running, stored = managers.get(FIREWALLD_RUNNING, Reading()), managers.get(FIREWALLD_STORED, Reading())
    unavailable = running.unavailable or stored.unavailable
    lines = set() if unavailable else _zone_lines(running.text) ^ _zone_lines(stored.text)
    return Manager(
        "firewalld",
        enabled=True,
        loaded=loaded,
        differences=tuple(sorted(lines)),
        unavailable=unavailable if loaded else "",
    )


def _zone_lines(text: str) -> set[str]:
    """Given ``firewall-cmd --list-all-zones``, return its settings, but for the interfaces of the moment."""
    zone, lines = "", set()
    for line in text.splitlines():
        if line and not line[0].isspace():
            zone = line.split()[0]
        elif line.strip() and not line.strip().startswith(("interfaces:", "icmp-block-inversion:")):
            lines.add(f"{zone} {line.strip()}")
    return lines


def _nftables(managers: Mapping[str, Reading], ruleset: Ruleset) -> Optional[Manager]:
    if not _enabled(managers, SERVICES[1]):
        return None
    return Manager("nftables.service", enabled=True, loaded=any(table.holds_rules for table in ruleset.tables))
