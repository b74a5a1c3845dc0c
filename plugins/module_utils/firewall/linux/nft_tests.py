# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests of nftables' JSON rules: what is compared (left), with what (right), and how that is for a first packet.

Format: libnftables-json(5). nftables adds silent tests: ``tcp dport 22`` in an inet table also asks for TCP, and
``ip saddr 10.0.0.0/8`` for IPv4, even where the test itself is negated. They are spelled out here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Optional

from ..model.intervals import TOP, spanning
from ..model.ruleset import ADDRESS_TYPES, CONNECTION_STATES, PACKET_TYPES, PROTOCOLS, Doubt, Fixed, Match, Test
from .nft_text import render
from .nft_values import Convert, NotModelled, Row, elements_of, named, read_rows, read_values, to_address, to_number

TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
_FAMILIES = {"ipv4": 4, "ipv6": 6}
_ETHER_TYPES = {"ip": 4, "ip6": 6, "arp": 0, "vlan": 0, "8021q": 0, "8021ad": 0}
_DIRECTIONS = {"original": 0, "reply": 1}

_NOT_ON_INPUT = ("oif", "oifname", "skuid", "skgid")  # not known there: the kernel ends the rule
_EXTENSION_HEADERS = ("exthdr", "rt", "frag", "mh", "dst", "hbh")  # a plain first packet has none

Sets = Mapping[str, Any]  # the elements of the sets of one table, by name


class Left(NamedTuple):
    """What a test looks at: a field of the packet, how its values are read, and the silent tests before it."""

    field: str
    convert: Convert
    guards: tuple[Match, ...] = ()


def _is(field: str, number: int, text: str) -> Match:
    return Match((field,), ((spanning(number, number),),), text)


IPV4_ONLY, IPV6_ONLY, TCP_ONLY = _is("family", 4, "IPv4"), _is("family", 6, "IPv6"), _is("proto", 6, "tcp")
_LEFT = {
    ("payload", "ip", "saddr"): Left("saddr", to_address, (IPV4_ONLY,)),
    ("payload", "ip", "daddr"): Left("daddr", to_address, (IPV4_ONLY,)),
    ("payload", "ip", "protocol"): Left("proto", named(PROTOCOLS), (IPV4_ONLY,)),
    ("payload", "ip6", "saddr"): Left("saddr", to_address, (IPV6_ONLY,)),
    ("payload", "ip6", "daddr"): Left("daddr", to_address, (IPV6_ONLY,)),
    ("payload", "ip6", "nexthdr"): Left("proto", named(PROTOCOLS), (IPV6_ONLY,)),
    ("payload", "ether", "type"): Left("family", named(_ETHER_TYPES)),
    ("payload", "th", "sport"): Left("sport", to_number),
    ("payload", "th", "dport"): Left("dport", to_number),
    ("payload", "tcp", "flags"): Left("tcp_flags", named(TCP_FLAGS), (TCP_ONLY,)),
    ("meta", "iif"): Left("iif", to_number),
    ("meta", "iifname"): Left("iif", to_number),
    ("meta", "l4proto"): Left("proto", named(PROTOCOLS)),
    ("meta", "nfproto"): Left("family", named(_FAMILIES)),
    ("meta", "protocol"): Left("family", named(_ETHER_TYPES)),
    ("meta", "mark"): Left("mark", to_number),
    ("meta", "pkttype"): Left("packet_type", named(PACKET_TYPES)),
    ("ct", "state"): Left("ct_state", named(CONNECTION_STATES)),
    ("ct", "status"): Left("ct_status", named(CONNECTION_STATES)),
    ("ct", "mark"): Left("ct_mark", to_number),
    ("ct", "direction"): Left("ct_direction", named(_DIRECTIONS)),
    ("fib", "type", "daddr"): Left("daddr_type", named(ADDRESS_TYPES)),
    ("fib", "type", "saddr"): Left("saddr_type", named(ADDRESS_TYPES)),
}


def _key(left: Any) -> tuple[str, ...]:
    """Given the left side of a test, return its key in the table above, or of a form that is not there."""
    kind, body = next(iter(left.items())) if isinstance(left, dict) and left else ("", {})
    if kind == "payload":
        return (kind, str(body.get("protocol")), str(body.get("field")))
    if kind == "fib":
        return (kind, str(body.get("result")), *[flag for flag in body.get("flags", []) if flag in ("saddr", "daddr")])
    return (kind, str(body.get("key"))) if kind in ("meta", "ct") and "dir" not in body else (kind,)


def read_left(left: Any) -> Left:
    """Given the left side of a test, return what it looks at. Raise NotModelled."""
    key = _key(left)
    if key in _LEFT:
        return _LEFT[key]
    if key[0] == "payload" and key[1] in PROTOCOLS and key[2] in ("sport", "dport"):
        return Left(key[2], to_number, (_protocol(key[1]),))
    raise NotModelled(" ".join(key))


def read_match(body: Mapping[str, Any], sets: Sets) -> list[Test]:
    """Given a match of a rule, return the tests that it stands for; a Doubt where it is not modelled."""
    text = render({"match": body})
    try:
        constant = _constant(body["left"], body["op"], body["right"])
        return _tests(body, sets, text) if constant is None else [Fixed(constant, text)]
    except NotModelled:
        return [*_guards(body["left"]), Doubt(text)]


def _protocol(name: str) -> Match:
    return _is("proto", PROTOCOLS[name], name)


def _guards(left: Any) -> list[Test]:
    """Given the left side of a test that is not modelled, return the silent tests before it, which are."""
    key = _key(left)
    if key[0] != "payload":
        return []
    families = {"ip": [IPV4_ONLY], "ip6": [IPV6_ONLY]}
    return [*families.get(key[1], ()), *([_protocol(key[1])] if key[1] in PROTOCOLS else [])]


def _constant(left: Any, op: str, right: Any) -> Optional[bool]:
    """Given a comparison, return how it comes out for every packet that is modelled; None where that depends."""
    key = _key(left)
    if key[0] == "meta" and key[1] in _NOT_ON_INPUT:
        return False
    if not isinstance(right, bool):
        return None
    if key[0] == "fib" and "saddr" in key:
        return right == (op != "!=")  # the reverse-path check: see Network for why it holds
    if key[0] in _EXTENSION_HEADERS:
        return right == (op == "!=")
    return None


def _tests(body: Mapping[str, Any], sets: Sets, text: str) -> list[Test]:
    left, right, op = body["left"], body["right"], body["op"]
    mask = None
    if isinstance(left, dict) and "&" in left:
        left, mask_value = left["&"]
        mask = _or(read_left(left).convert, mask_value)
    if isinstance(left, dict) and "concat" in left:
        lefts = [read_left(part) for part in left["concat"]]
    else:
        lefts = [read_left(left)]
    fields = tuple(part.field for part in lefts)
    if fields == ("tcp_flags",):
        match = _flags_match(lefts[0], op, right, mask, text)
    else:
        match = Match(fields, rows_of(lefts, op, right, sets), text, op in ("!=", "!"), mask)
    return [*(guard for part in lefts for guard in part.guards), match]


def _or(convert: Convert, value: Any) -> int:
    """Given names of bits in any of the ways that the JSON joins them, return the number that they make."""
    if isinstance(value, dict) and "|" in value:
        value = value["|"]
    if not isinstance(value, list):
        return read_values(convert, value)[0]
    total = 0
    for part in value:
        total |= _or(convert, part)
    return total


def _flags_match(left: Left, op: str, right: Any, mask: Optional[int], text: str) -> Match:
    """TCP flags are bits: ``in`` and ``!`` ask for any of them, ``==`` and ``!=`` for exactly them under the mask."""
    wanted = _or(left.convert, right)
    if op in ("in", "!"):
        return Match(("tcp_flags",), (((1, TOP),),), text, op == "!", wanted)
    return Match(("tcp_flags",), ((spanning(wanted, wanted),),), text, op == "!=", mask)


def rows_of(lefts: list[Left], op: str, right: Any, sets: Sets) -> tuple[Row, ...]:
    """Given what is looked at and what it is compared with, return the rows of a Match. Raise NotModelled."""
    fields = tuple((part.field, part.convert) for part in lefts)
    if op in _ORDER:
        low, high = _ORDER[op](read_values(lefts[0].convert, right)[0])
        return (((low, high),),)
    return read_rows(fields, keys_of(right, sets))


_ORDER: dict[str, Callable[[int], tuple[int, int]]] = {
    "<": lambda bound: (0, bound),
    "<=": lambda bound: (0, bound + 1),
    ">": lambda bound: (bound + 1, TOP),
    ">=": lambda bound: (bound, TOP),
}


def keys_of(right: Any, sets: Sets) -> list[Any]:
    """Given the right side of a test, return the keys that it allows: of a set, of a set by name, or itself."""
    if isinstance(right, str) and right.startswith("@"):
        if right[1:] not in sets:
            raise NotModelled(f"the set {right}, which was not listed")
        return elements_of(sets[right[1:]])
    if isinstance(right, dict) and "set" in right:
        return elements_of(right["set"])
    return elements_of(right) if isinstance(right, list) else [right]
