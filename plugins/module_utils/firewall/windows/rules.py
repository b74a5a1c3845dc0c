# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inbound rules of Windows Firewall, joined from the answers of the bulk queries. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple, Optional

from ...fields import Fields, fields_of
from ...powershell import Answers
from ..model.ruleset import ACCEPT, DROP, UNKNOWN, Doubt
from . import conditions as of
from .conditions import Alternatives, Tests, Words

PROFILES = ("Domain", "Private", "Public")
FILTERS = (
    "port_filters",
    "address_filters",
    "application_filters",
    "service_filters",
    "interface_filters",
    "interface_type_filters",
    "security_filters",
)
_VERDICTS = {"allow": ACCEPT, "block": DROP}
_MOST = 64  # alternatives of one rule; beyond that it is doubtful as a whole
_SHOWN = 80  # characters of a condition in the text of a rule

Filters = Mapping[str, Mapping[str, Sequence[Fields]]]


class InboundRule(NamedTuple):
    """A rule that is enabled: its id, where it comes from, profiles, verdict, and the alternatives of its conditions.

    ``first``: it goes before rules that block. ``own``: somebody on this host made it, neither Windows nor a policy.
    """

    id: str
    text: str
    source: str
    profiles: frozenset[str]
    verdict: str
    alternatives: tuple[Tests, ...]
    first: bool
    own: bool


def parse_rules(answers: Answers, around: Words) -> tuple[InboundRule, ...]:
    """Given the answers, return the inbound rules. Raise CoreError where one of the queries has no answer."""
    filters = {name: _by_id(fields_of(name, answers[name])) for name in FILTERS}
    rules = fields_of("rules", answers["rules"])
    return tuple(_rule(row, filters, around) for row in rules)


def _by_id(rows: Sequence[Fields]) -> dict[str, list[Fields]]:
    found: dict[str, list[Fields]] = {}
    for row in rows:
        found.setdefault(row.text("InstanceID"), []).append(row)
    return found


def _rule(row: Fields, filters: Filters, around: Words) -> InboundRule:
    name = row.text("InstanceID")
    filtered = {kind: _one_of(rows.get(name, ())) for kind, rows in filters.items()}
    profiles, known = _profiles(row.text("Profile"))
    alternatives = _alternatives(row, filtered, around) if known else [(Doubt(f"profiles {row.text('Profile')!r}"),)]
    security = filtered["security_filters"]
    return InboundRule(
        name,
        _text(row, filtered),
        row.text("PolicyStoreSourceType"),
        profiles,
        _VERDICTS.get(row.text("Action").lower(), UNKNOWN),
        tuple(alternatives),
        first=security is not None and security.text("OverrideBlockRules").lower() == "true",
        own=row.text("PolicyStoreSourceType") == "Local" and not row.text("Group"),
    )


def _one_of(rows: Sequence[Fields]) -> Optional[Fields]:
    """Return the conditions of a kind; none where they are missing, or where two rules of one id differ in them."""
    one = next(iter(rows), None)
    return one if one is not None and all(row.raw == one.raw for row in rows) else None


def _profiles(text: str) -> tuple[frozenset[str], bool]:
    """Given the profiles of a rule, return them, and whether all of its words were understood."""
    words = {word.strip() for word in text.split(",")}
    if "Any" in words:
        return frozenset(PROFILES), True
    return (frozenset(words), True) if words <= set(PROFILES) else (frozenset(PROFILES), False)


def _alternatives(row: Fields, filtered: Mapping[str, Optional[Fields]], around: Words) -> list[Tests]:
    """Given a rule and its conditions, return its alternatives: all that it asks for, in each combination."""
    asked = [_of_kind(kind, found, around) for kind, found in filtered.items()]
    asked.append([_of_rule(row)])
    parts = [alternatives for kind in asked for alternatives in kind]
    if math.prod(map(len, parts)) > _MOST:
        return [(Doubt("more combinations of conditions than are looked at"),)]
    return [tuple(test for tests in chosen for test in tests) for chosen in product(*parts)]


def _of_rule(row: Fields) -> Alternatives:
    words = row.text("RemoteDynamicKeywordAddresses")
    doubts = [Doubt(f"names {', '.join(of.lines(words))}")] if words else []
    if row.text("Owner"):
        doubts.append(Doubt(f"processes of {row.text('Owner')}"))
    return [tuple(doubts)]


def _of_kind(kind: str, found: Optional[Fields], around: Words) -> list[Alternatives]:
    """Given a kind of condition, return the conditions of it, each with its alternatives."""
    if found is None:
        return [[(Doubt(f"the {kind} of this rule are missing, or two rules have its id"),)]]
    return _READERS[kind](found, around)


def _ports(found: Fields, around: Words) -> list[Alternatives]:
    proto = found.text("Protocol")
    target = of.transport(found.text("DynamicTarget"), around)
    if proto.lower() not in ("tcp", "udp", "6", "17"):
        return [of.protocol(proto), target]
    ports = [of.ports("dport", found.text("LocalPort")), of.ports("sport", found.text("RemotePort"))]
    return [of.protocol(proto), target, *ports]


def _addresses(found: Fields, around: Words) -> list[Alternatives]:
    remote, local = found.text("RemoteAddress"), found.text("LocalAddress")
    return [of.addresses("saddr", remote, around), of.addresses("daddr", local, around)]


def _applications(found: Fields, around: Words) -> list[Alternatives]:
    return [of.program(found.text("Program"), around), of.package(found.text("Package"))]


def _security(found: Fields, _around: Words) -> list[Alternatives]:
    authentication = of.only_any("authentication", found.text("Authentication"), "notrequired", "0")
    accounts = [of.only_any(name, found.text(name)) for name in ("LocalUser", "RemoteUser", "RemoteMachine")]
    return [authentication, *accounts]


_READERS = {
    "port_filters": _ports,
    "address_filters": _addresses,
    "application_filters": _applications,
    "service_filters": lambda found, _around: [of.service(found.text("Service"))],
    "interface_filters": lambda found, _around: [of.interfaces(found.text("InterfaceAlias"))],
    "interface_type_filters": lambda found, _around: [of.only_any("interface type", found.text("InterfaceType"), "0")],
    "security_filters": _security,
}


def _text(row: Fields, filtered: Mapping[str, Optional[Fields]]) -> str:
    """Return a rule as a reader wants to see it: what is any is left out."""
    words = [row.text("Action").lower(), f'"{row.text("DisplayName")}"']
    asked = (
        ("port_filters", "Protocol", "{}"),
        ("port_filters", "LocalPort", "port {}"),
        ("port_filters", "RemotePort", "from port {}"),
        ("address_filters", "RemoteAddress", "from {}"),
        ("address_filters", "LocalAddress", "to {}"),
        ("application_filters", "Program", "program {}"),
        ("application_filters", "Package", "package {}"),
        ("service_filters", "Service", "service {}"),
        ("interface_filters", "InterfaceAlias", "on {}"),
    )
    for kind, name, form in asked:
        found = filtered[kind]
        value = ", ".join(of.lines(found.text(name))) if found is not None else ""
        words += [form.format(value[:_SHOWN])] if value and value.lower() != "any" else []
    edge = row.text("EdgeTraversalPolicy")
    words += [f"edge traversal {edge}"] if edge.lower() not in ("", "block", "0") else []
    words += [f"by {row.text('PolicyStoreSourceType')}"] if row.text("PolicyStoreSourceType") != "Local" else []
    return " ".join(words)
