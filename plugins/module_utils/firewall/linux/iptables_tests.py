# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of an iptables rule, put together by what they belong to, and its tests (iptables-extensions(8)).

What has no entry in the tables at the end is a ``Doubt`` with its text. Facts marked "kernel" were tried on one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from ..model.intervals import BITS, EVERYTHING, TOP, Intervals, complement, intersect, merge, spanning
from ..model.ruleset import ADDRESS_TYPES, CONNECTION_STATES, PACKET_TYPES, PROTOCOLS, Doubt, Fixed, Match, Test, Values
from .ipset import IpSets, Membership, Ways, addresses, membership, number_of, rising

TARGET, GOTO = "-j", "-g"
_BASIC = {
    **{word: word for word in ("-s", "-d", "-p", "-i", "-o", "-f", TARGET, GOTO)},
    "--source": "-s",
    "--destination": "-d",
    "--protocol": "-p",
    "--in-interface": "-i",
    "--out-interface": "-o",
    "--jump": TARGET,
    "--goto": GOTO,
    "-m": "-m",
    "--match": "-m",
}
# Options whose one word is text and may look like anything: iptables-save quotes blanks, but no dashes.
_TEXT = {
    *("--comment", "--log-prefix", "--nflog-prefix", "--name", "--hashlimit-name", "--helper", "--string", "--path"),
    *("--nfacct-name", "--label", "--genre", "--selctx", "--led-trigger-id", "--timeout", *_BASIC),
} - {"-f"}
_OF_PROTOCOL = {"--dport", "--sport", "--destination-port", "--source-port", "--syn", "--tcp-flags", "--icmp-type"}
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"(?!\S)|(\S+)', re.DOTALL)


class _Quoted(str):
    """A word that stood in quotes: it is text, whatever it looks like."""

    __slots__ = ()


class Option(NamedTuple):
    """One option with its words; ``negated`` by an exclamation mark before it."""

    name: str
    words: tuple[str, ...]
    negated: bool = False

    @property
    def value(self) -> str:
        """The first word. Raise IndexError where there is none."""
        return self.words[0]

    def __str__(self) -> str:
        return " ".join([*(["!"] if self.negated else []), self.name, *self.words])


@dataclass
class Part:
    """A basic option (``kind`` -s, -p ...), an extension (-m) or the target (-j, -g), with the options behind it."""

    kind: str
    name: str
    negated: bool = False
    options: list[Option] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join([*(["!"] if self.negated else []), self.kind, self.name, *map(str, self.options)])

    def option(self, *names: str) -> Optional[Option]:
        """Given spellings of an option, return the first that is there."""
        return next((option for option in self.options if option.name in names), None)


def words_of(text: str) -> list[str]:
    """Given a rule, return its words; what stands in quotes is one, and never an option."""
    if '"' not in text:
        return text.split()
    found = _WORD.finditer(text)
    return [word[2] or _Quoted(re.sub(r"\\(.)", r"\1", word[1], flags=re.DOTALL)) for word in found]


def split_parts(words: list[str]) -> Iterator[Part]:
    """Given the words of a rule behind the chain's name, return its parts in order. Raise ValueError or IndexError."""
    part, protocol = Part("", ""), Part("", "")
    for option in _options(words):
        if option.name not in _BASIC:
            # in ufw's own files -s may stand between a protocol and its ports, and so may other extensions
            owner = protocol if option.name in _OF_PROTOCOL and part.name not in PROTOCOLS else part
            if not owner.kind:
                raise ValueError(f"{option.name} stands before anything that it could belong to")
            owner.options.append(option)
            continue
        kind = _BASIC[option.name]
        current = Part(kind, option.value if kind != "-f" else "", option.negated)
        yield current
        part = current if kind in ("-m", "-p", TARGET, GOTO) else part
        protocol = current if kind == "-p" else protocol


def _options(words: list[str]) -> Iterator[Option]:
    """Given words, return options, each with the words up to the next one."""
    place, negated = 0, False
    while place < len(words):
        if words[place] == "!":
            negated, place = True, place + 1
        if not _begins_option(words[place]):
            raise ValueError(f"{words[place]!r} where an option was expected")
        end = place + (2 if words[place] in _TEXT else 1)
        while end < len(words) and words[place] not in _TEXT and not _begins_option(words[end]):
            end += 1
        yield Option(words[place], tuple(words[place + 1 : end]), negated)
        place, negated = end, False


def _begins_option(word: str) -> bool:
    if isinstance(word, _Quoted):
        return False
    return word == "!" or (word.startswith("-") and not word[1:2].isdigit() and len(word) > 1)


class Around(NamedTuple):
    """What the meaning of a test depends on: the family, the ipsets, and the rest of its rule.

    ``closes``: the rule stops what it holds for. ``opening``: it holds for the first packet of a connection only.
    """

    family: int
    ipsets: IpSets
    closes: bool = False
    opening: bool = False


def opens_only(parts: list[Part]) -> bool:
    """Given the parts of a rule, return whether one of them asks for new connections and nothing else."""
    return any(Option(name, ("NEW",)) in part.options for part in parts for name in ("--ctstate", "--state"))


def read_tests(part: Part, around: Around) -> Ways:
    """Given a part of a rule, return the ways in which its tests hold; a Doubt where it is not modelled."""
    if part.kind in (TARGET, GOTO):
        return [[]]
    try:
        basic = [] if part.kind == "-m" else _basic(part, around.family)
    except ValueError:
        return [[Doubt(str(part))]]
    extension = _extension(part, around) if part.kind in ("-m", "-p") else [[]]
    return [[*basic, *way] for way in extension]


def _basic(part: Part, family: int) -> list[Test]:
    text = f"{'! ' if part.negated else ''}{part.kind} {part.name}".strip()
    if part.kind in ("-s", "-d"):
        return [_addressed("saddr" if part.kind == "-s" else "daddr", part, family, text)]
    if part.kind == "-p":
        whole = part.name.lower() in ("all", "0", "ip", "hopopt")  # protocol 0 stands for any
        return [] if whole else [_one("proto", _protocol(part.name.lower()), text, negated=part.negated)]
    if part.kind == "-f":
        return [Fixed(part.negated, text)]  # a later fragment: who sends whole packets sends none
    if part.name == "+":
        return [Fixed(False, text)] if part.negated else []  # kernel: any device, or none
    name = f"{part.name[:-1]}*" if part.name.endswith("+") else part.name
    return [Match(("iif" if part.kind == "-i" else "oif",), ((frozenset([name]),),), text, part.negated)]


def _addressed(name: str, part: Part, family: int, text: str) -> Match:
    """Given ``-s`` or ``-d``, return its test; the mask may have holes (10.0.0.0/255.0.255.0)."""
    address, _slash, mask = part.name.partition("/")
    if not mask or mask.isdigit():
        found = merge([addresses(one, family) for one in part.name.split(",")])
        return Match((name,), ((found,),), text, part.negated)
    bits = number_of(mask, family)
    wanted = number_of(address, family) & bits
    holes = ~bits & ((1 << BITS[family]) - 1)
    if holes & (holes + 1) == 0:
        return Match((name,), ((spanning(wanted, wanted | holes),),), text, part.negated)
    return Match((name,), ((spanning(wanted, wanted),),), text, part.negated, bits)


def _one(name: str, numbers: Intervals, text: str, *, negated: bool = False, mask: Optional[int] = None) -> Match:
    return Match((name,), ((numbers,),), text, negated, mask)


def _protocol(name: str) -> Intervals:
    """Given a protocol, return its number. A name that is not known here (vrrp, ospf) is neither TCP's nor UDP's: it
    gets a number that no packet has.
    """
    number = int(name) if name.isdigit() else PROTOCOLS.get(name, 256)
    return spanning(number, number)


def _port_list(text: str) -> Intervals:
    ranges = [part.partition(":") for part in text.split(",")]
    return merge(rising(int(low or 0), int(high or 65535) if colon else int(low)) for low, colon, high in ranges)


def _extension(part: Part, around: Around) -> Ways:
    """Given a part with the options of an extension, return the ways in which they hold."""
    normal = Part("-m", part.name, options=part.options)  # ``-p tcp --dport 22`` is ``-p tcp -m tcp --dport 22``
    try:
        if part.name in _WHOLE and part.kind == "-m":
            return _WHOLE[part.name](normal, around)
    except (ValueError, KeyError, IndexError):
        return [[Doubt(str(normal))]]
    if part.name not in _OPTIONS:
        return [[Doubt(str(normal))] if part.kind == "-m" or part.options else []]
    tests = [_option(_OPTIONS[part.name], option, part.name) for option in part.options]
    return [[test for test in tests if test is not None]]


def _option(readers: dict[str, Reader], option: Option, extension: str) -> Optional[Test]:
    try:
        return readers[option.name](option)
    except (ValueError, KeyError, IndexError):
        return Doubt(f"-m {extension} {option}")


Reader = Callable[[Option], Optional[Test]]


def _numbers(name: str, read: Callable[[str], Intervals]) -> Reader:
    return lambda option: _one(name, read(option.value), str(option), negated=option.negated)


def _named(name: str, numbers: dict[str, int]) -> Reader:
    return _numbers(name, lambda text: _numbers_of(text, numbers))


def _numbers_of(text: str, numbers: dict[str, int]) -> Intervals:
    return merge(spanning(numbers[name], numbers[name]) for name in text.lower().split(","))


def _tcp_flags(option: Option) -> Test:
    mask, wanted = (sum(_ALL_FLAGS[name] for name in set(word.split(","))) for word in option.words)
    return _one("tcp_flags", spanning(wanted, wanted), str(option), negated=option.negated, mask=mask)


def _syn(option: Option) -> Test:
    return _tcp_flags(option._replace(words=("FIN,SYN,RST,ACK", "SYN")))


def _either_port(option: Option) -> Test:
    ports = _port_list(option.value)
    rows: tuple[tuple[Values, ...], ...] = ((ports, EVERYTHING), (EVERYTHING, ports))
    return Match(("sport", "dport"), rows, str(option), option.negated)


def _mark(name: str) -> Reader:
    def read(option: Option) -> Test:
        value, _slash, mask = option.value.partition("/")
        number = int(value, 0)
        bits = int(mask, 0) if mask else None
        return _one(name, spanning(number, number), str(option), negated=option.negated, mask=bits)

    return read


def _address_range(name: str) -> Reader:
    def read(text: str) -> Intervals:
        first, _dash, last = text.partition("-")
        family = 6 if ":" in first else 4
        return rising(number_of(first, family), number_of(last or first, family))

    return _numbers(name, read)


def _identity(text: str) -> Intervals:
    first, _dash, last = text.partition("-")
    return rising(int(first), int(last or first))


def _icmp_type(option: Option) -> Test:
    """Of ICMP nothing is modelled; by number both spellings of a rule are one."""
    words = (_ICMP_TYPES.get((option.name, option.value), option.value),)
    return Doubt(f"-m icmp {option._replace(words=words)}")


_NO_ENTRY = merge(spanning(CONNECTION_STATES[name], CONNECTION_STATES[name]) for name in ("invalid", "untracked"))
_VIRTUAL = {"SNAT": 0x10, "DNAT": 0x20}  # what --ctstate asks of the status bits of an entry
_STATUS = {"NONE": 0, "EXPECTED": 1, "SEEN_REPLY": 2, "ASSURED": 4, "CONFIRMED": 8}


def _conntrack(part: Part, _around: Around) -> Ways:
    """``conntrack``: without an entry the state alone counts, and where none is asked for nothing holds (kernel)."""
    state = part.option("--ctstate", "--state")
    others = [_of_entry(option) for option in part.options if option is not state]
    tracked = _one("ct_state", _NO_ENTRY, "a connection", negated=True)
    if state is None:
        return [[tracked, *others]]
    ways = _states(state)
    if not others:
        return ways
    alone = [[*way, tracked._replace(text="no connection", negated=False)] for way in ways]
    return [[*way, tracked, *others] for way in ways] + alone


def _states(option: Option) -> Ways:
    """NEW and its like are the state of the connection; SNAT and DNAT are bits of what was done to it."""
    names, text = option.value.split(","), str(option)
    virtual = sum(_VIRTUAL[name] for name in {*names} & {*_VIRTUAL})
    plain = [CONNECTION_STATES[name.lower()] for name in names if name not in _VIRTUAL]
    among = _one("ct_state", merge(spanning(bit, bit) for bit in plain), text, negated=option.negated)
    if not virtual:
        return [[among]]
    done = _one("ct_status", (1, TOP), text, negated=option.negated, mask=virtual)
    if option.negated:
        return [[among, _one("ct_state", _NO_ENTRY, text)], [among, done]]
    return [[among], [among._replace(negated=True), done]] if plain else [[done]]


def _of_entry(option: Option) -> Test:
    """Given what is asked of a connection's entry beside its state, return the test."""
    if option.name == "--ctdir":
        return _named("ct_direction", {"original": 0, "reply": 1})(option)  # type: ignore[return-value]
    if option.name == "--ctproto":
        return _one("proto", _protocol(option.value.lower()), str(option), negated=option.negated)
    if option.name == "--ctstatus":
        bits = sum(_STATUS[name] for name in option.value.split(","))
        return _one("ct_status", (1, TOP), str(option), negated=option.negated, mask=bits)
    return Doubt(f"-m conntrack {option}")


def _address_types(part: Part, around: Around) -> Ways:
    strong = part.option("--limit-iface-in") is not None
    return [[_of_type(option, around, strong=strong) for option in part.options if option.name != "--limit-iface-in"]]


def _of_type(option: Option, around: Around, *, strong: bool) -> Test:
    """IPv4 looks the address up, and a list is "one of". IPv6 asks what kind of number it is, and a list is "all of",
    but for the kinds that are looked up (xt_addrtype.c, kernel).
    """
    side, text = {"--src-type": "saddr", "--dst-type": "daddr"}[option.name], str(option)
    if strong and side == "saddr":
        return Doubt(f"{text} --limit-iface-in")
    kind = f"{side}_type_iif" if strong else f"{side}_type"
    names = {*option.value.lower().split(",")}
    if around.family == 4:
        return _one(kind, _numbers_of(option.value, ADDRESS_TYPES), text, negated=option.negated)
    numbers = EVERYTHING
    for name in names & {*_KINDS_6}:
        numbers = intersect(numbers, _KINDS_6[name])
    looked_up = [spanning(ADDRESS_TYPES[name], ADDRESS_TYPES[name]) for name in names - {*_KINDS_6}]
    if not looked_up:
        return _one(side, numbers, text, negated=option.negated)
    return Match((side, kind), ((numbers, merge(looked_up)),), text, option.negated)


def _rate(part: Part, _around: Around) -> Ways:
    """``limit`` and ``hashlimit``: they hold while a burst lasts, which a quiet sender's few packets stay within."""
    rate, burst = part.option("--limit", *_RATES), part.option("--limit-burst", "--hashlimit-burst")
    enough = burst is None or int(burst.value) >= EXCHANGE
    if rate is None or not enough or rate.value.endswith("b/s") or part.option("--hashlimit-rate-match"):
        return [[Doubt(str(part))]]
    return [[Fixed(rate.name != "--hashlimit-above", str(part))]]


def _connections(part: Part, _around: Around) -> Ways:
    """``connlimit`` counts the connection that asks, too: above 0 holds for all, above more for nobody's first."""
    above, upto = part.option("--connlimit-above"), part.option("--connlimit-upto")
    limit = above or upto
    if limit is None:
        return [[Doubt(str(part))]]
    return [[Fixed((int(limit.value) == 0) == (above is not None), str(part))]]


def _recent(part: Part, around: Around) -> Ways:
    """``recent``: adding holds; "seen so many times lately" does not of a quiet sender; else a list decides."""
    added, looked, hits = part.option("--set"), part.option("--rcheck", "--update"), part.option("--hitcount")
    if added is not None:
        return [[Fixed(not added.negated, str(part))]]
    if looked and hits and part.option("--seconds") and int(hits.value) > (1 if around.opening else EXCHANGE):
        return [[Fixed(looked.negated, str(part))]]
    return [[Doubt(str(part))]]


def _reverse_path(part: Part, _around: Around) -> Ways:
    if part.option("--validmark"):
        return [[Doubt(str(part))]]
    name = "saddr_route_any" if part.option("--loose") else "saddr_route"
    return [[_one(name, spanning(1, 1), str(part), negated=part.option("--invert") is not None)]]


def _extension_header(part: Part, around: Around) -> Ways:
    """A packet without that header fits in neither form (kernel), and a sender has the choice."""
    return [[Fixed(False, str(part)) if around.closes else Doubt(str(part))]]


def _helper(part: Part, _around: Around) -> Ways:
    return [[Fixed(option.negated, str(option)) for option in part.options]]  # kernel: nobody's first is expected


def _owner(part: Part, _around: Around) -> Ways:
    if part.option("--suppl-groups"):
        return [[Doubt(str(part))]]
    readers = {"--uid-owner": _numbers("skuid", _identity), "--gid-owner": _numbers("skgid", _identity)}
    tests = [_option(readers, option, "owner") for option in part.options]
    return [[test for test in tests if test is not None]]


def _set(part: Part, around: Around) -> Ways:
    asked = part.option("--match-set")
    neutral = {"--match-set", "--return-nomatch", "--update-counters", "--update-subcounters"}
    directions = tuple(asked.words[1].split(",")) if asked is not None else ()
    if asked is None or {option.name for option in part.options} - neutral or {*directions} - {"src", "dst"}:
        return [[Doubt(str(part))]]
    nomatch = part.option("--return-nomatch") is not None
    question = Membership(asked.value, directions, str(asked), negated=asked.negated, nomatch=nomatch)
    return membership(around.ipsets, question, around.family)


def _mac(text: str) -> Intervals:
    number = int(text.replace(":", ""), 16)
    return spanning(number, number)


EXCHANGE = 5  # packets that a short exchange sends: SYN, ACK, a question, ACK, FIN
_ALL_FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
_RATES = ("--hashlimit-upto", "--hashlimit-above", "--hashlimit")
# What ipv6_addr_type() says of a number: mapped addresses (::ffff:0:0/96) are nothing of these.
_KINDS_6 = {
    "unspec": spanning(0, 0),
    "multicast": addresses("ff00::/8", 6),
    "unicast": complement(merge([spanning(0, 0), addresses("ff00::/8", 6), addresses("::ffff:0:0/96", 6)])),
}
_ICMP = "echo-reply 0 destination-unreachable 3 source-quench 4 echo-request 8 time-exceeded 11 parameter-problem 12"
_ICMP_6 = (
    "destination-unreachable 1 packet-too-big 2 time-exceeded 3 parameter-problem 4 echo-request 128 echo-reply 129 "
    "router-solicitation 133 router-advertisement 134 neighbour-solicitation 135 neighbor-solicitation 135 "
    "neighbour-advertisement 136 neighbor-advertisement 136"
)
_ICMP_TYPES = {
    (option, name): number
    for option, words in (("--icmp-type", _ICMP.split()), ("--icmpv6-type", _ICMP_6.split()))
    for name, number in zip(words[::2], words[1::2])
}
_PORTS: dict[str, Reader] = {
    **dict.fromkeys(("--dport", "--destination-port"), _numbers("dport", _port_list)),
    **dict.fromkeys(("--sport", "--source-port"), _numbers("sport", _port_list)),
}
_OPTIONS: dict[str, dict[str, Reader]] = {
    **dict.fromkeys(("udp", "udplite", "dccp", "sctp"), _PORTS),
    "tcp": {**_PORTS, "--tcp-flags": _tcp_flags, "--syn": _syn},
    **dict.fromkeys(("icmp", "icmp6", "icmpv6", "ipv6-icmp"), {"--icmp-type": _icmp_type, "--icmpv6-type": _icmp_type}),
    "multiport": {
        **dict.fromkeys(("--dports", "--destination-ports"), _numbers("dport", _port_list)),
        **dict.fromkeys(("--sports", "--source-ports"), _numbers("sport", _port_list)),
        "--ports": _either_port,
    },
    "comment": {"--comment": lambda _option: None},
    "mark": {"--mark": _mark("mark")},
    "connmark": {"--mark": _mark("ct_mark")},
    "iprange": {"--src-range": _address_range("saddr"), "--dst-range": _address_range("daddr")},
    "pkttype": {"--pkt-type": _named("packet_type", {**PACKET_TYPES, "otherhost": PACKET_TYPES["other"]})},
    "mac": {"--mac-source": _numbers("ether_saddr", _mac)},
}
_WHOLE: dict[str, Callable[[Part, Around], Ways]] = {
    **dict.fromkeys(("conntrack", "state"), _conntrack),
    **dict.fromkeys(("limit", "hashlimit"), _rate),
    **dict.fromkeys(("rt", "frag", "hbh", "dst", "mh", "srh", "ah"), _extension_header),
    "addrtype": _address_types,
    "connlimit": _connections,
    "recent": _recent,
    "rpfilter": _reverse_path,
    "helper": _helper,
    "owner": _owner,
    "set": _set,
}
