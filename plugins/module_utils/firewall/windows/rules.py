# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inbound rules of Windows Firewall, joined from the answers of the bulk queries, and their conditions as tests of
the model. Pure.

Words of Windows for ports and addresses: INetFwRule and [MS-FASP] 2.2 (FW_RULE). A condition is a list of alternatives,
because a word that stands for something only Windows knows makes doubtful no more than itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import NamedTuple, Optional

from ...fields import Fields, fields_of
from ...finding import EMPTY
from ...powershell import Answers
from ..model.intervals import BITS, Intervals, merge, numbers_in, spanning
from ..model.ruleset import ACCEPT, DROP, UNKNOWN, Doubt, Match, Test, Values

PROFILES = ("Domain", "Private", "Public")
_VERDICTS = {"allow": ACCEPT, "block": DROP}
_MOST = 64  # alternatives of one rule; beyond that it is doubtful as a whole
_SHOWN = 80  # characters of a condition in the text of a rule

Tests = tuple[Test, ...]
Alternatives = list[Tests]
ANY: Alternatives = [()]
NUMBERS = {"tcp": 6, "udp": 17, "icmpv4": 1, "icmpv6": 58}
_PORTS = spanning(0, 65535)

# Ports behind words. RPC-EPMap is port 135 ([MS-RPCE] 2.1.1.1) and IP-HTTPS 443 unless it is told otherwise.
_WORD_PORTS = {"rpcepmap": (spanning(135, 135), True), "iphttpsin": (spanning(443, 443), False)}
_RPC = spanning(1024, 65535)  # dynamic, and told by the endpoint mapper only


class Words(NamedTuple):
    """What words of rules stand for on this host: folders by variable, and addresses by word and family.

    ``direct`` are the interfaces of Wi-Fi Direct; None: not known.
    """

    folders: Mapping[str, str] = EMPTY
    addresses: Mapping[str, Mapping[int, Intervals]] = EMPTY
    direct: Optional[frozenset[str]] = None


def lines(text: str) -> list[str]:
    """Given a list as a query joins it, return its parts."""
    return [part.strip() for part in text.split("\n") if part.strip()]


def _is_any(parts: list[str]) -> bool:
    """Return whether one of the parts means no condition at all."""
    return any(part.lower() in ("any", "*") for part in parts)


def _protocol(text: str, _around: Words) -> Alternatives:
    """Given the protocol of a rule (TCP, Any, 41), return its test."""
    word = text.strip().lower()
    if word == "any":
        return ANY
    number = NUMBERS.get(word, int(word) if word.isdecimal() and int(word) < 256 else None)
    if number is None:
        return [(Doubt(f"protocol {text!r}"),)]
    return [(Match(("proto",), ((spanning(number, number),),), f"protocol {text}"),)]


def _ports(name: str, text: str) -> Alternatives:
    """Given a field (dport, sport) and the ports of a rule, return its tests."""
    parts = lines(text)
    if _is_any(parts):
        return ANY
    known = merge(found for found in map(_port_numbers, parts) if found is not None)
    certain: Alternatives = [(_among(name, known, f"ports {', '.join(parts)}"),)] if known else []
    words = [_port_word(name, part) for part in parts if _port_numbers(part) is None]
    return certain + words or [(Doubt("no ports are named"),)]


def _port_numbers(part: str) -> Optional[Intervals]:
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part)
    if match:
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        return spanning(first, last) if first <= last <= _PORTS[1] else None
    found, certain = _WORD_PORTS.get(part.replace("-", "").lower(), (None, False))
    return found if certain else None


def _port_word(name: str, part: str) -> Tests:
    word = part.replace("-", "").lower()
    may_be = _RPC if word == "rpc" else _WORD_PORTS.get(word, (_PORTS, False))[0]
    return (_among(name, may_be, part), Doubt(f"the port word {part}"))


def _among(name: str, values: Values, text: str) -> Match:
    return Match((name,), ((values,),), text)


def _addresses(name: str, text: str, around: Words) -> Alternatives:
    """Given a field (saddr, daddr) and the addresses of a rule, return its tests."""
    parts = lines(text)
    if _is_any(parts):
        return ANY
    known: dict[int, list[Intervals]] = {family: [] for family in BITS}
    words: Alternatives = []
    for part in parts:
        found = around.addresses.get(part.lower()) or numbers_in(part)
        if found is None:
            words.append((Doubt(f"the address word {part}"),))
        for family, numbers in (found or {}).items():
            known[family].append(numbers)
    named = {family: merge(spans) for family, spans in known.items() if merge(spans)}
    if not named and not words:  # a word that stands for no address of this host, or no address at all
        return [(Match((name,), (((),),), "no address"),)] if parts else [(Doubt("no addresses are named"),)]
    return ([_of_families(name, named, parts)] if named else []) + words


def _of_families(name: str, named: Mapping[int, Intervals], parts: list[str]) -> Tests:
    """Given addresses by family, return the test for them: numbers of one family mean others in the other."""
    text = f"addresses {', '.join(parts)}"
    if len(named) == 1:
        ((family, numbers),) = named.items()
        return (_among("family", spanning(family, family), f"IPv{family}"), _among(name, numbers, text))
    rows = tuple((spanning(family, family), numbers) for family, numbers in sorted(named.items()))
    return (Match(("family", name), rows, text),)


def _program(text: str, around: Words) -> Alternatives:
    """Given the program of a rule, return its test: variables are replaced, and case does not matter."""
    if _is_any([text]):
        return ANY
    path = re.sub(r"%([^%]+)%", lambda found: around.folders.get(found.group(1).lower(), found.group(0)), text)
    if not re.fullmatch(r"system|[a-z]:\\(?:[^%~]|~(?!\d))+", path, re.I):  # a short name (8.3) stands for another
        return [(Doubt(f"the program {text!r}"),)]
    return [(_among("program", frozenset([path.lower()]), f"program {text}"),)]


def _service(text: str, _around: Words) -> Alternatives:
    """Given the service of a rule, return its test; ``*`` means any service, but nothing that is none."""
    if text.lower() == "any":
        return ANY
    if not text:
        return [(Doubt("no service is named"),)]
    return [(_among("services", frozenset([text.lower()]), f"service {text}"),)]


def _package(text: str, _around: Words) -> Alternatives:
    """Given the package of a rule (a SID, or nothing), return its test; ``*`` means any package."""
    if text.lower() in ("", "any"):
        return ANY
    if text == "*":
        return [(Match(("package",), ((frozenset([""]),),), "any app package", negated=True),)]
    return [(_among("package", frozenset([text.lower()]), f"app package {text}"),)]


def _interfaces(text: str, _around: Words) -> Alternatives:
    """Given the interfaces of a rule, return its test."""
    parts = lines(text)
    if _is_any(parts):
        return ANY
    if not parts or any(set("?*[") & set(part) for part in parts):
        return [(Doubt(f"the interfaces {', '.join(parts)}"),)]
    return [(_among("iif", frozenset(parts), f"interfaces {', '.join(parts)}"),)]


def _transport(text: str, around: Words) -> Alternatives:
    """Given the dynamic target of a rule, return its test: all but Any are connections over Wi-Fi Direct."""
    if text.lower() in ("", "any", "0"):
        return ANY
    doubt = Doubt(f"the transport {text}")
    return [(doubt,) if around.direct is None else (_among("iif", around.direct, "Wi-Fi Direct"), doubt)]


def _only_any(name: str, *others: str) -> Callable[[str, Words], Alternatives]:
    """Given a condition that is not modelled, return what makes a doubt of it unless it is none, as ``others`` are."""
    return lambda text, _around: ANY if text.lower() in ("any", *others) else [(Doubt(f"{name} {text}"),)]


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
    filters = {
        name: _by_id(fields_of(name, answers[name])) for name in dict.fromkeys(each.kind for each in _CONDITIONS)
    }
    rules = fields_of("rules", answers["rules"])
    return tuple(_rule(row, filters, around) for row in rules)


def _by_id(rows: Sequence[Fields]) -> dict[str, list[Fields]]:
    found: dict[str, list[Fields]] = {}
    for row in rows:
        found.setdefault(row.text("InstanceID"), []).append(row)
    return found


def _rule(row: Fields, filters: Mapping[str, Mapping[str, Sequence[Fields]]], around: Words) -> InboundRule:
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


class _Condition(NamedTuple):
    """A property of a kind of condition: how it is read as tests, and how it is written for a reader (empty: not)."""

    kind: str
    name: str
    read: Callable[[str, Words], Alternatives]
    form: str = ""


_PORTS_NAMED = ("LocalPort", "RemotePort")  # of protocols without ports they say nothing
_CONDITIONS = (
    _Condition("port_filters", "Protocol", _protocol, "{}"),
    _Condition("port_filters", "DynamicTarget", _transport),
    _Condition("port_filters", "LocalPort", lambda text, _around: _ports("dport", text), "port {}"),
    _Condition("port_filters", "RemotePort", lambda text, _around: _ports("sport", text), "from port {}"),
    _Condition("address_filters", "RemoteAddress", lambda text, around: _addresses("saddr", text, around), "from {}"),
    _Condition("address_filters", "LocalAddress", lambda text, around: _addresses("daddr", text, around), "to {}"),
    _Condition("application_filters", "Program", _program, "program {}"),
    _Condition("application_filters", "Package", _package, "package {}"),
    _Condition("service_filters", "Service", _service, "service {}"),
    _Condition("interface_filters", "InterfaceAlias", _interfaces, "on {}"),
    _Condition("interface_type_filters", "InterfaceType", _only_any("interface type", "0")),
    _Condition("security_filters", "Authentication", _only_any("authentication", "notrequired", "0")),
    *(_Condition("security_filters", name, _only_any(name)) for name in ("LocalUser", "RemoteUser", "RemoteMachine")),
)


def _alternatives(row: Fields, filtered: Mapping[str, Optional[Fields]], around: Words) -> list[Tests]:
    """Given a rule and its conditions, return its alternatives: all that it asks for, in each combination."""
    missing = [kind for kind, found in filtered.items() if found is None]
    doubts = [Doubt(f"the {kind} of this rule are missing, or two rules have its id") for kind in missing]
    keywords, ports = row.text("RemoteDynamicKeywordAddresses"), filtered["port_filters"]
    doubts += [Doubt(f"names {', '.join(lines(keywords))}")] if keywords else []
    doubts += [Doubt(f"processes of {row.text('Owner')}")] if row.text("Owner") else []
    has_ports = ports is not None and ports.text("Protocol").lower() in ("tcp", "udp", "6", "17")
    parts: list[Alternatives] = [[tuple(doubts)]]
    for each in _CONDITIONS:
        found = filtered[each.kind]
        if found is not None and (has_ports or each.name not in _PORTS_NAMED):
            parts.append(each.read(found.text(each.name), around))
    if math.prod(map(len, parts)) > _MOST:
        return [(Doubt("more combinations of conditions than are looked at"),)]
    return [tuple(test for tests in chosen for test in tests) for chosen in product(*parts)]


def _text(row: Fields, filtered: Mapping[str, Optional[Fields]]) -> str:
    """Return a rule as a reader wants to see it: what is any is left out."""
    words = [row.text("Action").lower(), f'"{row.text("DisplayName")}"']
    for each in (each for each in _CONDITIONS if each.form):
        found = filtered[each.kind]
        value = ", ".join(lines(found.text(each.name))) if found is not None else ""
        words += [each.form.format(value[:_SHOWN])] if value and value.lower() != "any" else []
    edge = row.text("EdgeTraversalPolicy")
    words += [f"edge traversal {edge}"] if edge.lower() not in ("", "block", "0") else []
    words += [f"by {row.text('PolicyStoreSourceType')}"] if row.text("PolicyStoreSourceType") != "Local" else []
    return " ".join(words)
