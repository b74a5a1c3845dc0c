# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests of nftables' JSON rules: which field of a packet they look at, and what it has to be.

Format: libnftables-json(5); nft(8), "EXPRESSIONS". nftables adds silent tests: ``tcp dport 22`` in an inet table also
asks for TCP, and ``ip saddr 10.0.0.0/8`` for IPv4, even where the test itself is negated. They are spelled out here.
Whether a field has a value at a hook is the model's to know: here it is only said what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..model.intervals import NOTHING, TOP, intersect, spanning
from ..model.packet import is_among
from ..model.ruleset import ADDRESS_TYPES, CONNECTION_STATES, PACKET_TYPES, PROTOCOLS, Doubt, Fixed, Match, Test
from .nft_values import (
    ANYTHING,
    ODD,
    Left,
    NotModelled,
    Objects,
    bits,
    named,
    render,
    to_address,
    to_hardware,
    to_number,
)

TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
# linux/netfilter/nf_conntrack_common.h, enum ip_conntrack_status
CONNECTION_STATUS = {
    **dict(zip(("expected", "seen-reply", "assured", "confirmed", "snat", "dnat"), (1, 2, 4, 8, 0x10, 0x20))),
    "dying": 0x200,
}
_STATES = {name: CONNECTION_STATES[name] for name in ("invalid", "established", "related", "new", "untracked")}
_OTHER = 256  # what nobody has a number for is another protocol than those of this model, for packets and families
_FAMILIES = {"ipv4": 4, "ipv6": 6, 2: 4, 10: 6}
_ETHER_TYPES = {"ip": 4, "ip6": 6, 0x0800: 4, 0x86DD: 6}
HOPS, _FROM_FAR = "hops", spanning(1, 255 - 32)  # what is left of the hops of a packet that came from anywhere
_OFFSET = 0x1FFF  # in ip frag-off: only later fragments have one, and who sends whole packets sends none
_CHOSEN = {  # headers and fields that a sender fills as it likes
    *("tcp option", "ip option", "exthdr", "ip dscp", "ip ecn", "ip id", "ip hdrlength", "ip length", "ip frag-off"),
    *("ip6 dscp", "ip6 ecn", "ip6 flowlabel", "ip6 nexthdr", "meta length"),
    *(f"tcp {field}" for field in ("sequence", "ackseq", "doff", "reserved", "window", "urgptr")),
}
# What the kernel calls missing in packets of other protocols as well (nft_exthdr.c, NFT_EXTHDR_F_PRESENT); of an IP
# option or an IPv6 header the rule ends there.
_MISSING_ELSEWHERE = ("tcp option", "sctp chunk", "dccp option")


def _is(field: str, number: int, text: str) -> Match:
    return Match((field,), ((spanning(number, number),),), text)


def _all_numbers(value: Any) -> int:
    """Given a bound of a range as a number, return it; words are not in the order of their numbers."""
    return int(value)


_MAY_LACK = {"ether_saddr", "skuid", "skgid", *(f"ct_{field}" for field in ("mark", "status", "direction"))}
_MAY_LACK |= {f"ct_original_{field}" for field in ("saddr", "daddr", "sport", "dport")}
IPV4_ONLY, IPV6_ONLY, TCP_ONLY = _is("family", 4, "IPv4"), _is("family", 6, "IPv6"), _is("proto", 6, "tcp")
_FRAME = Match(("ether_saddr",), ((ANYTHING,),), "an Ethernet header")
_GUARDS: dict[str, tuple[Match, ...]] = {
    **{name: (_is("proto", number, name),) for name, number in PROTOCOLS.items()},
    **dict.fromkeys(("ip", "ip option"), (IPV4_ONLY,)),
    **dict.fromkeys(("ip6", "exthdr"), (IPV6_ONLY,)),
    "tcp option": (TCP_ONLY,),
    "arp": (_is("family", 0, "ARP"),),
    "ether": (_FRAME,),
    "ct": (Match(("ct_direction",), ((ANYTHING,),), "a connection"),),
}


def _numbers(field: str, *guards: Match) -> Left:
    return Left(field, to_number, guards, to_number)


def _protocol_number(value: Any) -> int:
    return value if isinstance(value, int) else PROTOCOLS.get(value.lower(), _OTHER)


def _way_back(value: Any) -> int:
    """Given what the lookup of an interface has to find, return 1 for any, 0 for none. Raise ValueError."""
    if isinstance(value, bool):
        return int(value)
    if int(value) == 0:
        return 0
    raise ValueError("the way back by one interface")


_LEFT = {
    **{f"ip {field}": Left(field, to_address, (IPV4_ONLY,), to_address) for field in ("saddr", "daddr")},
    **{f"ip6 {field}": Left(field, to_address, (IPV6_ONLY,), to_address) for field in ("saddr", "daddr")},
    **{f"th {field}": _numbers(field) for field in ("sport", "dport")},
    **{
        f"{name} {field}": _numbers(field, *_GUARDS[name])
        for name in ("tcp", "udp", "udplite", "sctp", "dccp")
        for field in ("sport", "dport")
    },
    "ip protocol": Left("proto", _protocol_number, (IPV4_ONLY,), _all_numbers),
    "meta l4proto": Left("proto", _protocol_number, (), _all_numbers),
    "meta nfproto": Left("family", named(_FAMILIES, _OTHER)),
    "meta protocol": Left("family", named(_ETHER_TYPES, _OTHER)),
    "ether type": Left("family", named(_ETHER_TYPES, _OTHER), (_FRAME,)),
    **{name: _numbers(HOPS, *_GUARDS[name.split()[0]]) for name in ("ip ttl", "ip6 hoplimit")},
    "ip frag-off": _numbers("frag_off", IPV4_ONLY),
    **{f"ct original proto-{way}": _numbers(f"ct_original_{way[0]}port") for way in ("src", "dst")},
    **{
        f"ct original {name}{field}": Left(f"ct_original_{field}", to_address, guards, to_address)
        for name, guards in (("", ()), ("ip ", (IPV4_ONLY,)), ("ip6 ", (IPV6_ONLY,)))
        for field in ("saddr", "daddr")
    },
    **{f"ct {way}protocol": Left("proto", _protocol_number, _GUARDS["ct"]) for way in ("", "original ")},
    "ether saddr": Left("ether_saddr", to_hardware, (), to_hardware),
    "tcp flags": Left("tcp_flags", bits(TCP_FLAGS), (TCP_ONLY,), _all_numbers, bits=True),
    **{f"meta {name}{kind}": Left(name, None) for name in ("iif", "oif") for kind in ("", "name")},
    **{f"meta {key}": _numbers(key) for key in ("mark", "skuid", "skgid")},
    "meta pkttype": Left("packet_type", named(PACKET_TYPES)),
    "ct state": Left("ct_state", bits(_STATES), (), _all_numbers, bits=True),
    "ct status": Left("ct_status", bits(CONNECTION_STATUS), (), _all_numbers, bits=True),
    "ct mark": _numbers("ct_mark"),
    "ct direction": Left("ct_direction", named({"original": 0, "reply": 1})),
    "fib daddr type": Left("daddr_type", named(ADDRESS_TYPES)),
    "fib saddr type": Left("saddr_type", named(ADDRESS_TYPES)),
    "fib daddr iif type": Left("daddr_type_iif", named(ADDRESS_TYPES)),
    # with the packet's mark only where rules of routing ask for marks, and where they do the model knows no way back
    **{f"fib saddr{mark} iif oif": Left("saddr_route", _way_back) for mark in ("", " mark")},
    **{f"fib saddr{mark} oif": Left("saddr_route_any", _way_back) for mark in ("", " mark")},
}
_ORDER: dict[str, Callable[[int], tuple[int, int]]] = {
    "<": lambda bound: (0, bound),
    "<=": lambda bound: (0, bound + 1),
    ">": lambda bound: (bound + 1, TOP),
    ">=": lambda bound: (bound, TOP),
}


class Asked(NamedTuple):
    """What a test or map looks at: fields taken together, or one of which only the bits of ``mask`` count.

    ``fields`` are their names, ``guards`` the silent tests, each once.
    """

    lefts: tuple[Left, ...]
    fields: tuple[str, ...]
    guards: tuple[Test, ...]
    mask: Optional[int] = None


def _asked(*lefts: Left) -> Asked:
    guards = dict.fromkeys(guard for left in lefts for guard in left.guards)
    return Asked(lefts, tuple(left.field for left in lefts), tuple(guards))


_ASKED = {name: _asked(left) for name, left in _LEFT.items()}


def name_of(left: Any) -> str:
    """Given the left side of a test, or what a statement changes, return its name as nft writes it.

    Of what has further parameters it is a name that no table holds.
    """
    kind, body = next(iter(left.items())) if isinstance(left, dict) and len(left) == 1 else ("", {})
    if kind == "payload":
        return f"{body['protocol']} {body['field']}" if "protocol" in body else f"raw @{body.get('base')}"
    if kind == "fib":
        flags = body.get("flags", [])
        given = [flags] if isinstance(flags, str) else flags
        order = [flag for flag in ("saddr", "daddr", "mark", "iif", "oif") if flag in given]
        return " ".join(("fib", *order, str(body.get("result"))))
    return " ".join(filter(None, (kind, body.get("dir"), body["key"]))) if kind in ("meta", "ct") else str(kind)


def asked_of(left: Any) -> Asked:
    """Given the left side of a test, or the key of a map, return what it looks at. Raise NotModelled."""
    kind, body = next(iter(left.items())) if isinstance(left, dict) and len(left) == 1 else ("", left)
    if kind == "concat":
        return _asked(*(_one(part).lefts[0] for part in body))
    if kind != "&":
        return _one(left)
    asked = _one(body[0])
    part = asked.lefts[0]
    if part.ordered is None or part.read is None:
        raise NotModelled("a part of what has no bits")
    return asked._replace(mask=part.read(body[1]))


def _one(left: Any) -> Asked:
    name = name_of(left)
    if name not in _ASKED:
        raise NotModelled(name)
    return _ASKED[name]


def read_match(body: Mapping[str, Any], objects: Objects, text: str) -> list[Test]:
    """Given a match of a rule and its text, return the tests that it stands for; a Doubt where it is not modelled."""
    left, op, right = body["left"], body["op"], body["right"]
    try:
        asked = asked_of(left)
        by_name = asked.fields not in (("iif",), ("oif",)) or name_of(left).endswith("name")
        if not by_name and (op in _ORDER or _by_number(objects.elements(right))):
            asked = _asked(Left(f"{asked.fields[0]}_index", objects.index, (), objects.index))
        tests = _compared(asked, op, right, objects, text)
        return [*asked.guards, *map(_of_sender, tests)]
    except (NotModelled, *ODD):
        if name_of(left) in _MISSING_ELSEWHERE and (right is False or (op == "!=" and right is True)):
            return [Doubt(text)]  # missing: it holds for all other protocols, so their senders cannot choose
        return [*narrowed(left, op, right), Doubt(text, chosen=_is_chosen(left))]


def _of_sender(test: Test) -> Test:
    """Given a test, return it as it comes out where it is about what a sender fills in, and the model has no field."""
    if not isinstance(test, Match) or len(test.fields) > 1:
        return test
    return _OF_SENDER.get(test.fields[0], _same)(test)


def _same(test: Match) -> Test:
    return test


def by_hops(test: Match) -> Doubt:
    """Given a test of how many hops a packet has left, return the doubt: any sender may choose among those that lead
    here from far as well, and one nearby others, too.
    """
    numbers = test.numbers()
    return Doubt(test.text, numbers is not None and intersect(numbers, _FROM_FAR) not in (NOTHING, _FROM_FAR))


def _unfragmented(test: Match) -> Fixed:
    """Given a test of ``ip frag-off``, return how it comes out for what is no later fragment. Raise NotModelled where
    it asks for more than the offset: a sender sets the other bits as it likes.
    """
    if test.mask is None or test.mask & ~_OFFSET:
        raise NotModelled("ip frag-off")
    return Fixed(is_among(0, test.rows[0][0]) != test.negated, test.text)


_OF_SENDER: dict[str, Callable[[Match], Test]] = {"frag_off": _unfragmented, HOPS: by_hops}


def _by_number(keys: Sequence[Any]) -> bool:
    """Return whether interfaces are asked for by number: ranges of them, and what nft knows no name for."""
    return any(isinstance(key, dict) or str(key).isdigit() for key in keys)


def narrowed(left: Any, op: str = "", right: Any = None) -> list[Test]:
    """Given the left side of a test that is not modelled, return what has to hold for it to hold."""
    guards: list[Test] = []
    for part in _parts_of(left):
        name = name_of(part)
        known = _LEFT.get(name)
        guards += known.guards if known else _GUARDS.get(name, _GUARDS.get(name.partition(" ")[0], ()))
    if name_of(left) == "exthdr" and left["exthdr"].get("name") == "mh":
        guards.append(_is("proto", 135, "mh"))  # nothing follows that header: what has it is no TCP and no UDP
    if name_of(left) == "ip6 nexthdr" and op == "==" and isinstance(right, (str, int)):
        guards.append(_is("proto", _protocol_number(right), str(right)))  # the first header; there may be others
    return guards


def present(asked: Asked, value: Any) -> list[Test]:
    """Given what is looked at, return the tests that a packet has it, where some have not."""
    return [Match((field,), ((ANYTHING,),), render(value)) for field in asked.fields if field in _MAY_LACK]


def looked_up(key: Any, data: Any, objects: Objects) -> list[Test]:
    """Given a key that a statement takes from a packet and the map where it looks it up (None: it adds it to a set),
    return what has to hold for the packet to have it, and the map a value for it: else the kernel ends the rule.
    """
    try:
        asked = asked_of(key)
        if data is None:
            return [*asked.guards, *present(asked, key)]
        keys = [each for each, _value in objects.elements(data)]
        return [*asked.guards, *among(asked, objects, {"set": keys}, f"{render(key)} {render({'set': keys})}")]
    except (NotModelled, *ODD):
        return [*narrowed(key), Doubt(render(key))]


def needed(value: Any) -> list[Test]:
    """Given what a statement reads, such as the mark of a connection, return what a packet has to have for it: else
    the kernel ends the rule. Of what is not modelled it is what narrows it.
    """
    operand = operand_of(value)
    try:
        asked = asked_of(operand)
    except (NotModelled, *ODD):
        return narrowed(operand)
    return [*asked.guards, *present(asked, operand)]


def operand_of(part: Any) -> Any:
    """Given an expression, return what its bits are taken of."""
    while isinstance(part, dict) and next(iter(part), "") in ("&", "|", "^", "<<", ">>"):
        part = part[next(iter(part))][0]
    return part


def _parts_of(left: Any) -> list[Any]:
    """Given an expression, return what it is put together of: values side by side, or those that a hash is made of."""
    operand = operand_of(left)
    inner = operand.get("concat", operand.get("jhash")) if isinstance(operand, dict) else None
    if inner is None:
        return [operand]
    return [part for each in (inner if isinstance(inner, list) else [inner["expr"]]) for part in _parts_of(each)]


def _is_chosen(left: Any) -> bool:
    return name_of(operand_of(left)) in _CHOSEN


def _compared(asked: Asked, op: str, right: Any, objects: Objects, text: str) -> list[Test]:
    """Given what is looked at and what with, return the tests. Raise NotModelled, or one of ODD."""
    if asked.lefts[0].bits and len(asked.lefts) == 1 and op in ("in", "!"):
        return [_any_bit(asked, op, right, text)]
    if op in _ORDER:
        return [_ordered(asked, op, right, text)]
    if op not in ("==", "!="):
        raise NotModelled(f"the comparison {op}")
    return among(asked, objects, right, text, negated=op == "!=")


def _any_bit(asked: Asked, op: str, right: Any, text: str) -> Match:
    """``in`` asks for any of some bits, and ``!`` for none of them."""
    left = asked.lefts[0]
    if asked.mask is not None or left.read is None:
        raise NotModelled("some of some bits")
    return Match(asked.fields, (((1, TOP),),), text, op == "!", left.read(right))


def _ordered(asked: Asked, op: str, right: Any, text: str) -> Match:
    left = asked.lefts[0]
    if len(asked.lefts) > 1 or left.ordered is None:
        raise NotModelled("an order of what has none")
    return Match(asked.fields, ((_ORDER[op](left.ordered(right)),),), text, mask=asked.mask)


def among(asked: Asked, objects: Objects, right: Any, text: str, *, negated: bool = False) -> list[Test]:
    """Given what is looked at, return the tests for its being one of what ``right`` holds. Raise NotModelled.

    A set whose elements have limits or counters of connections holds less than it lists.
    """
    rows, limited = objects.rows(asked.lefts, right)
    test = Match(asked.fields, rows, text, negated, asked.mask)
    if not limited:
        return [test]
    return [Doubt(text)] if negated else [test, Doubt(f"{text} (elements with limits)")]
