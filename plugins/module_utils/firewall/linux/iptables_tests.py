# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests of iptables rules (iptables(8), iptables-extensions(8)): one small function per extension.

An extension or option that is not listed becomes a ``Doubt`` with its text.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Union

from ..model.intervals import EVERYTHING, Intervals, merge, network, spanning
from ..model.ruleset import ADDRESS_TYPES, CONNECTION_STATES, PACKET_TYPES, PROTOCOLS, Doubt, Fixed, Match, Test, Values
from .ipset import IpSet, IpSets
from .iptables_options import GOTO, TARGET, Option, Part
from .nft_tests import TCP_FLAGS

_ALL_FLAGS = {**{name.upper(): bit for name, bit in TCP_FLAGS.items()}, "ALL": 63, "NONE": 0}
_DNAT = CONNECTION_STATES["dnat"]


def read_tests(part: Part, family: int, ipsets: IpSets) -> list[Test]:
    """Given a part of a rule of IPv4 (4) or IPv6 (6), return its tests; a Doubt where it is not modelled."""
    try:
        return [] if part.kind in (TARGET, GOTO) else _read(part, family, ipsets)
    except (ValueError, KeyError, IndexError):
        return [Doubt(str(part))]


def _read(part: Part, family: int, ipsets: IpSets) -> list[Test]:
    if part.kind == "-m":
        return _extension(part.name, part, ipsets)
    tests = _basic(part, family)
    return tests + (_extension(part.name, part, ipsets) if part.options else [])


def _basic(part: Part, family: int) -> list[Test]:
    text = f"{'! ' if part.negated else ''}{part.kind} {part.name}".strip()
    if part.kind in ("-s", "-d"):
        return [
            Match(("saddr" if part.kind == "-s" else "daddr",), ((_address(part.name, family),),), text, part.negated)
        ]
    if part.kind == "-p":
        return [] if part.name in ("all", "0") else [_one("proto", _protocol(part.name), text, negated=part.negated)]
    if part.kind == "-i":
        return [Match(("iif",), ((frozenset([_interface(part.name)]),),), text, part.negated)]
    return [
        Fixed(part.negated, text)
    ]  # -o names the way out, which a packet for this host has not; -f is a later fragment


def _one(field: str, numbers: Union[int, Intervals], text: str, *, negated: bool = False) -> Match:
    values = spanning(numbers, numbers) if isinstance(numbers, int) else numbers
    return Match((field,), ((values,),), text, negated)


def _address(text: str, family: int) -> Intervals:
    found, numbers = network(text)
    if found != family:
        raise ValueError(f"{text} is not an address of IPv{family}")
    return numbers


def _interface(name: str) -> str:
    return f"{name[:-1]}*" if name.endswith("+") else name


def _protocol(name: str) -> int:
    return int(name) if name.isdigit() else PROTOCOLS[name]


def _port_range(text: str) -> Intervals:
    first, colon, last = text.partition(":")
    return spanning(int(first or 0), int(last or 65535) if colon else int(first))


def _port_list(text: str) -> Intervals:
    return merge(_port_range(part) for part in text.split(","))


def _extension(name: str, part: Part, ipsets: IpSets) -> list[Test]:
    if name == "set":
        return [_set(option, ipsets) for option in part.options if option.name == "--match-set"]
    if name in _WHOLE:
        return _WHOLE[name](part)
    if not part.options and name in PROTOCOLS:
        return []
    readers = _OPTIONS.get("transport" if name in PROTOCOLS else name)
    if readers is None:
        return [Doubt(str(part))]
    return [test for option in part.options for test in _option(readers, option, part)]


def _option(readers: dict[str, Callable[[Option], list[Test]]], option: Option, part: Part) -> list[Test]:
    if option.name not in readers:
        return [Doubt(f"{part.kind} {part.name} {option}")]
    return readers[option.name](option)


def _numbers(field: str, read: Callable[[str], Intervals]) -> Callable[[Option], list[Test]]:
    return lambda option: [_one(field, read(option.value), str(option), negated=option.negated)]


def _names(field: str, numbers: dict[str, int]) -> Callable[[Option], list[Test]]:
    def read(text: str) -> Intervals:
        return merge(spanning(numbers[name.lower()], numbers[name.lower()]) for name in text.split(","))

    return _numbers(field, read)


def _fixed(*, holds: bool) -> Callable[[Option], list[Test]]:
    return lambda option: [Fixed(holds != option.negated, str(option))]


def _nothing(_option: Option) -> list[Test]:
    return []


def _tcp_flags(option: Option) -> list[Test]:
    mask, wanted = (_flag_bits(word) for word in option.words)
    return [Match(("tcp_flags",), ((spanning(wanted, wanted),),), str(option), option.negated, mask)]


def _flag_bits(names: str) -> int:
    return sum(_ALL_FLAGS[name] for name in set(names.split(",")))


def _either_port(option: Option) -> list[Test]:
    ports = _port_list(option.value)
    return [Match(("sport", "dport"), ((ports, EVERYTHING), (EVERYTHING, ports)), str(option), option.negated)]


def _states(option: Option) -> list[Test]:
    """NEW and its like are the state of the connection; SNAT and DNAT are what was done to it."""
    names = [name.lower() for name in option.value.split(",")]
    states = merge(spanning(CONNECTION_STATES[name], CONNECTION_STATES[name]) for name in names if name != "dnat")
    rows: list[tuple[Values, ...]] = [(states, EVERYTHING)] if states else []
    if "dnat" in names:
        rows.append((EVERYTHING, spanning(_DNAT, _DNAT)))
    return [Match(("ct_state", "ct_status"), tuple(rows), str(option), option.negated)]


def _mark(field: str) -> Callable[[Option], list[Test]]:
    def read(option: Option) -> list[Test]:
        value, _slash, mask = option.value.partition("/")
        numbers = spanning(int(value, 0), int(value, 0))
        return [Match((field,), ((numbers,),), str(option), option.negated, int(mask, 0) if mask else None)]

    return read


def _address_range(field: str) -> Callable[[Option], list[Test]]:
    def read(text: str) -> Intervals:
        first, _dash, last = text.partition("-")
        return spanning(int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last or first)))

    return _numbers(field, read)


def _recent(part: Part) -> list[Test]:
    """``recent`` of a sender that was quiet: adding holds, "seen so many times" does not; else it depends on a list."""
    names = {option.name for option in part.options if not option.negated}
    hits = [int(option.value) for option in part.options if option.name == "--hitcount"]
    if "--set" in names:
        return [Fixed(True, str(part))]
    return [Fixed(False, str(part))] if hits and hits[0] > 1 else [Doubt(str(part))]


def _reverse_path(part: Part) -> list[Test]:
    inverted = any(option.name == "--invert" for option in part.options)
    return [Fixed(not inverted, str(part))]


def _extension_header(part: Part) -> list[Test]:
    return [Fixed(any(option.negated for option in part.options), str(part))]


def _set(option: Option, ipsets: IpSets) -> Test:
    name, directions = option.words[0], option.words[1].split(",")
    known = ipsets.get(name)
    if known is None or not known.dimensions or len(known.dimensions) != len(directions):
        return Doubt(str(option))
    fields = tuple(("s" if way == "src" else "d") + kind for way, kind in zip(directions, known.dimensions))
    if "port" not in known.dimensions:
        return Match(fields, _merged(known), str(option), option.negated)
    return Match((*fields, "proto"), tuple(map(_row, known.elements)), str(option), option.negated)


def _row(element: tuple[tuple[Intervals, int], ...]) -> tuple[Values, ...]:
    protocol = max(proto for _numbers, proto in element)
    return (*(numbers for numbers, _proto in element), spanning(protocol, protocol) if protocol else EVERYTHING)


def _merged(known: IpSet) -> tuple[tuple[Values, ...], ...]:
    """Given a set of addresses, return it as one row where it has one dimension."""
    if len(known.dimensions) == 1:
        return ((merge(element[0][0] for element in known.elements),),)
    return tuple(tuple(numbers for numbers, _proto in element) for element in known.elements)


_WHOLE: dict[str, Callable[[Part], list[Test]]] = {
    "recent": _recent,
    "rpfilter": _reverse_path,
    **dict.fromkeys(("rt", "frag", "hbh", "dst", "mh"), _extension_header),
}
_RATE = {
    "--hashlimit-upto": _fixed(holds=True),
    "--hashlimit": _fixed(holds=True),
    "--hashlimit-above": _fixed(holds=False),
}
_OPTIONS: dict[str, dict[str, Callable[[Option], list[Test]]]] = {
    "transport": {
        **dict.fromkeys(("--dport", "--destination-port"), _numbers("dport", _port_range)),
        **dict.fromkeys(("--sport", "--source-port"), _numbers("sport", _port_range)),
        "--tcp-flags": _tcp_flags,
        "--syn": lambda option: _tcp_flags(Option("--syn", ("FIN,SYN,RST,ACK", "SYN"), option.negated)),
    },
    "multiport": {
        **dict.fromkeys(("--dports", "--destination-ports"), _numbers("dport", _port_list)),
        **dict.fromkeys(("--sports", "--source-ports"), _numbers("sport", _port_list)),
        "--ports": _either_port,
    },
    "conntrack": {"--ctstate": _states, "--ctdir": _names("ct_direction", {"original": 0, "reply": 1})},
    "state": {"--state": _states},
    "comment": {"--comment": _nothing},
    "addrtype": {
        "--dst-type": _names("daddr_type", ADDRESS_TYPES),
        "--src-type": _names("saddr_type", ADDRESS_TYPES),
        "--limit-iface-in": _nothing,
    },
    "mark": {"--mark": _mark("mark")},
    "connmark": {"--mark": _mark("ct_mark")},
    "limit": {"--limit": _fixed(holds=True), "--limit-burst": _nothing},
    "hashlimit": {
        **_RATE,
        **{f"--hashlimit-{word}": _nothing for word in ("burst", "mode", "name", "srcmask", "dstmask")},
        **{f"--hashlimit-htable-{word}": _nothing for word in ("size", "max", "expire", "gcinterval")},
    },
    "connlimit": {
        "--connlimit-above": _fixed(holds=False),
        "--connlimit-upto": _fixed(holds=True),
        **dict.fromkeys(("--connlimit-mask", "--connlimit-saddr", "--connlimit-daddr"), _nothing),
    },
    "iprange": {"--src-range": _address_range("saddr"), "--dst-range": _address_range("daddr")},
    "pkttype": {"--pkt-type": _names("packet_type", PACKET_TYPES)},
}
