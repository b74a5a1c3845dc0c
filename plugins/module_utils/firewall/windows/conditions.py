# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The conditions of a rule of Windows Firewall as tests of the model. Pure.

Words of Windows for ports and addresses: INetFwRule and [MS-FASP] 2.2 (FW_RULE). A condition is a list of alternatives,
because a word that stands for something only Windows knows makes doubtful no more than itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import NamedTuple, Optional

from ...finding import EMPTY
from ..model.intervals import BITS, Intervals, merge, network, spanning
from ..model.ruleset import Doubt, Match, Test, Values

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


def is_any(parts: list[str]) -> bool:
    """Return whether one of the parts means no condition at all."""
    return any(part.lower() in ("any", "*") for part in parts)


def protocol(text: str) -> Alternatives:
    """Given the protocol of a rule (TCP, Any, 41), return its test."""
    word = text.strip().lower()
    if word == "any":
        return ANY
    number = NUMBERS.get(word, int(word) if word.isdecimal() and int(word) < 256 else None)
    if number is None:
        return [(Doubt(f"protocol {text!r}"),)]
    return [(Match(("proto",), ((spanning(number, number),),), f"protocol {text}"),)]


def ports(name: str, text: str) -> Alternatives:
    """Given a field (dport, sport) and the ports of a rule, return its tests."""
    parts = lines(text)
    if is_any(parts):
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


def addresses(name: str, text: str, around: Words) -> Alternatives:
    """Given a field (saddr, daddr) and the addresses of a rule, return its tests."""
    parts = lines(text)
    if is_any(parts):
        return ANY
    known: dict[int, list[Intervals]] = {family: [] for family in BITS}
    words: Alternatives = []
    for part in parts:
        found = _numbers(part, around)
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


def _numbers(part: str, around: Words) -> Optional[Mapping[int, Intervals]]:
    """Given an address, range, network or known word, return its numbers by family; None where that is not known."""
    word = around.addresses.get(part.lower())
    if word is not None:
        return word
    first, dash, last = part.partition("-")
    try:
        if not dash:
            family, numbers = network(str(ipaddress.ip_interface(part.partition("%")[0]).network))
            return {family: numbers}
        low, high = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
    except ValueError:
        return None
    return (
        {low.version: spanning(int(low), int(high))} if low.version == high.version and int(low) <= int(high) else None
    )


def program(text: str, around: Words) -> Alternatives:
    """Given the program of a rule, return its test: variables are replaced, and case does not matter."""
    if is_any([text]):
        return ANY
    path = re.sub(r"%([^%]+)%", lambda found: around.folders.get(found.group(1).lower(), found.group(0)), text)
    if not path.strip() or "%" in path or re.search(r"~\d", path):  # a short name stands for one that is not known
        return [(Doubt(f"the program {text!r}"),)]
    return [(_among("program", frozenset([path.lower()]), f"program {text}"),)]


def service(text: str) -> Alternatives:
    """Given the service of a rule, return its test; ``*`` means any service, but nothing that is none."""
    if text.lower() == "any":
        return ANY
    if not text:
        return [(Doubt("no service is named"),)]
    return [(_among("services", frozenset([text.lower()]), f"service {text}"),)]


def package(text: str) -> Alternatives:
    """Given the package of a rule (a SID, or nothing), return its test; ``*`` means any package."""
    if text.lower() in ("", "any"):
        return ANY
    if text == "*":
        return [(Match(("package",), ((frozenset([""]),),), "any app package", negated=True),)]
    return [(_among("package", frozenset([text.lower()]), f"app package {text}"),)]


def interfaces(text: str) -> Alternatives:
    """Given the interfaces of a rule, return its test."""
    parts = lines(text)
    if is_any(parts):
        return ANY
    if not parts or any(set("?*[") & set(part) for part in parts):
        return [(Doubt(f"the interfaces {', '.join(parts)}"),)]
    return [(_among("iif", frozenset(parts), f"interfaces {', '.join(parts)}"),)]


def transport(text: str, around: Words) -> Alternatives:
    """Given the dynamic target of a rule, return its test: all but Any are connections over Wi-Fi Direct."""
    if text.lower() in ("", "any", "0"):
        return ANY
    doubt = Doubt(f"the transport {text}")
    return [(doubt,) if around.direct is None else (_among("iif", around.direct, "Wi-Fi Direct"), doubt)]


def only_any(name: str, text: str, *others: str) -> Alternatives:
    """Given a condition that is not modelled, return a doubt unless it is none; ``others`` mean none as well."""
    return ANY if text.lower() in ("any", *others) else [(Doubt(f"{name} {text}"),)]
