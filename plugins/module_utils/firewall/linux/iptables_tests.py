# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests of iptables rules (iptables(8), iptables-extensions(8)), exact or a ``Doubt`` with its text.

What has no entry in the tables at the end is a doubt. Facts marked "kernel" were tried on one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Optional

from ..model.intervals import BITS, EVERYTHING, TOP, Intervals, complement, intersect, merge, spanning
from ..model.ruleset import ADDRESS_TYPES, CONNECTION_STATES, PACKET_TYPES, PROTOCOLS, Doubt, Fixed, Match, Test, Values
from .ipset import PORTED, IpSet, IpSets, addresses, number_of, rising
from .iptables_options import GOTO, TARGET, Option, Part

Ways = list[list[Test]]  # conjunctions of tests, of which at most one holds for a packet


class Around(NamedTuple):
    """What the meaning of a test depends on: the family, the ipsets, and the rest of its rule.

    ``closes``: the rule stops what it holds for. ``opening``: it holds for the first packet of a connection only.
    """

    family: int
    ipsets: IpSets
    closes: bool = False
    opening: bool = False


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
        whole = part.name in ("all", "0", "ip", "hopopt")
        return [] if whole else [_of_protocol(part.name, text, part)]
    if part.kind == "-f":
        return [Fixed(part.negated, text)]  # a later fragment: who sends whole packets sends none
    if part.name == "+":
        return [Fixed(False, text)] if part.negated else []  # kernel: any device, or none
    name = f"{part.name[:-1]}*" if part.name.endswith("+") else part.name
    return [Match(("iif" if part.kind == "-i" else "oif",), ((frozenset([name]),),), text, part.negated)]


def _of_protocol(name: str, text: str, given: object) -> Match:
    """A name that is not known here (vrrp, ospf) is neither TCP's nor UDP's: it gets a number that no packet has."""
    number = int(name) if name.isdigit() else PROTOCOLS.get(name.lower(), 256)
    return _one("proto", spanning(number, number), text, given)


def _addressed(name: str, part: Part, family: int, text: str) -> Match:
    """Given ``-s`` or ``-d``, return its test; the mask may have holes (10.0.0.0/255.0.255.0)."""
    address, _slash, mask = part.name.partition("/")
    if not mask or mask.isdigit():
        return _one(name, merge([addresses(one, family) for one in part.name.split(",")]), text, part)
    bits = number_of(mask, family)
    wanted, free = number_of(address, family) & bits, ~bits & ((1 << BITS[family]) - 1)
    if free & (free + 1) == 0:
        return _one(name, spanning(wanted, wanted | free), text, part)
    return _one(name, spanning(wanted, wanted), text, part, bits)


def _one(name: str, numbers: Intervals, text: str, given: object = None, mask: Optional[int] = None) -> Match:
    """Return a test of one field; negated as the option or part that it was given by."""
    return Match((name,), ((numbers,),), text, getattr(given, "negated", False), mask)


def _extension(part: Part, around: Around) -> Ways:
    """Given a part with the options of an extension, return the ways in which they hold."""
    if part.kind == "-p" and not part.options:
        return [[]]
    normal = Part("-m", part.name, options=part.options)  # ``-p tcp --dport 22`` is ``-p tcp -m tcp --dport 22``
    try:
        if part.name in _READ_AS_WHOLE and not part.option(*_SPOILING):
            return _READ_AS_WHOLE[part.name](normal, around)
        if part.name in _READ_BY_OPTION and not part.option(*_SPOILING):
            return [[test for option in part.options for test in _read(part.name, option)]]
    except (ValueError, KeyError, IndexError):
        pass
    return [[Doubt(str(normal), part.name in _CHOSEN)]]


def _read(extension: str, option: Option) -> list[Test]:
    try:
        return _OPTIONS[f"{extension} {option.name}"](option)
    except (ValueError, KeyError, IndexError):
        return [Doubt(f"-m {extension} {option}")]


Reader = Callable[[Option], list[Test]]


def _field(name: str, read: Callable[[str], Intervals]) -> Reader:
    def reader(option: Option) -> list[Test]:
        value, slash, mask = option.value.partition("/")
        return [_one(name, read(value), str(option), option, int(mask, 0) if slash else None)]

    return reader


def _named(numbers: dict[str, int]) -> Callable[[str], Intervals]:
    return lambda text: merge(spanning(numbers[name], numbers[name]) for name in text.lower().split(","))


def _ports(text: str) -> Intervals:
    ranges = [part.partition(":") for part in text.split(",")]
    return merge(rising(int(low or 0), int(high or 65535) if colon else int(low)) for low, colon, high in ranges)


def _span(text: str) -> Intervals:
    first, _dash, last = text.partition("-")
    return rising(int(first, 0), int(last or first, 0))


def _addresses(text: str) -> Intervals:
    return addresses(text, 6 if ":" in text else 4)


def _tcp_flags(option: Option) -> list[Test]:
    mask, wanted = (sum(_ALL_FLAGS[name] for name in set(word.split(","))) for word in option.words)
    return [_one("tcp_flags", spanning(wanted, wanted), str(option), option, mask)]


def _either_port(option: Option) -> list[Test]:
    ports = _ports(option.value)
    rows: tuple[tuple[Values, ...], ...] = ((ports, EVERYTHING), (EVERYTHING, ports))
    return [Match(("sport", "dport"), rows, str(option), option.negated)]


_NO_ENTRY = merge(spanning(CONNECTION_STATES[name], CONNECTION_STATES[name]) for name in ("invalid", "untracked"))
TRACKED = _one("ct_state", complement(_NO_ENTRY), "a connection")
_VIRTUAL = {"SNAT": 0x10, "DNAT": 0x20}  # what --ctstate asks of the status bits of an entry
_STATUS = {"NONE": 0, "EXPECTED": 1, "SEEN_REPLY": 2, "ASSURED": 4, "CONFIRMED": 8}


def opens_only(parts: list[Part]) -> bool:
    """Given the parts of a rule, return whether one of them asks for new connections and nothing else."""
    return any(Option(name, ("NEW",)) in part.options for part in parts for name in ("--ctstate", "--state"))


def _conntrack(part: Part, _around: Around) -> Ways:
    """``conntrack``: without an entry the state alone counts, and where none is asked for nothing holds (kernel)."""
    state = part.option("--ctstate", "--state")
    others = [test for option in part.options if option is not state for test in _read("conntrack", option)]
    if state is None:
        return [[TRACKED, *others]]
    ways = _states(state)
    if not others:
        return ways
    return [way for each in ways for way in ([*each, TRACKED, *others], [*each, TRACKED._replace(negated=True)])]


def _states(option: Option) -> Ways:
    """NEW and its like are the state of the connection; SNAT and DNAT are bits of what was done to it."""
    names, text = option.value.split(","), str(option)
    virtual = sum(_VIRTUAL[name] for name in {*names} & {*_VIRTUAL})
    plain = [CONNECTION_STATES[name.lower()] for name in names if name not in _VIRTUAL]
    among = _one("ct_state", merge(spanning(bit, bit) for bit in plain), text, option)
    done = _one("ct_status", (1, TOP), text, option, virtual)
    if not virtual:
        return [[among]]
    if option.negated:
        return [[among, _one("ct_state", _NO_ENTRY, text)], [among, done]]
    return [[among], [among._replace(negated=True), done]] if plain else [[done]]


def _status(option: Option) -> list[Test]:
    bits = sum(_STATUS[name] for name in option.value.split(","))
    return [_one("ct_status", (1, TOP), str(option), option, bits)]


def _address_types(part: Part, around: Around) -> Ways:
    strong = part.option("--limit-iface-in") is not None
    return [[_of_type(option, around, strong) for option in part.options if option.name != "--limit-iface-in"]]


def _of_type(option: Option, around: Around, strong: bool) -> Test:
    """IPv4 looks the address up, and a list is "one of". IPv6 asks what kind of number it is, and a list is "all of",
    but for the kinds that are looked up (xt_addrtype.c, kernel). ``strong``: on the incoming device only.
    """
    side, text = {"--src-type": "saddr", "--dst-type": "daddr"}[option.name], str(option)
    if strong and side == "saddr":
        return Doubt(f"{text} --limit-iface-in")
    kind = f"{side}_type_iif" if strong else f"{side}_type"
    names = {*option.value.lower().split(",")}
    by_number = names & {*_KINDS_6} if around.family == 6 else set()
    numbers = EVERYTHING
    for name in by_number:
        numbers = intersect(numbers, _KINDS_6[name])
    if names == by_number:
        return _one(side, numbers, text, option)
    looked_up = _named(ADDRESS_TYPES)(",".join(names - by_number))
    if not by_number:
        return _one(kind, looked_up, text, option)
    return Match((side, kind), ((numbers, looked_up),), text, option.negated)


def _reverse_path(part: Part, _around: Around) -> Ways:
    name = "saddr_route_any" if part.option("--loose") else "saddr_route"
    return [[Match((name,), ((spanning(1, 1),),), str(part), part.option("--invert") is not None)]]


def _steady(read: Callable[[Part, Around], Optional[bool]]) -> Callable[[Part, Around], Ways]:
    """Given what says whether a test holds for all packets of a quiet sender (None: who knows), return its reader."""

    def reader(part: Part, around: Around) -> Ways:
        holds = read(part, around)
        chosen = part.name in (_CHOSEN if holds is None else _RATES) and part.value(*_CONNLIMIT) != "0"
        return [[Doubt(str(part), chosen) if holds is None else Fixed(holds, str(part), chosen)]]

    return reader


def _rate(part: Part, _around: Around) -> Optional[bool]:
    """``limit`` and ``hashlimit`` let a burst through, which a quiet sender's few packets stay within."""
    above, upto = part.value("--hashlimit-above"), part.value("--limit", "--hashlimit-upto", "--hashlimit")
    enough = int(part.value("--limit-burst", "--hashlimit-burst") or 5) >= EXCHANGE
    return upto != "" if enough and above + upto and not (above + upto).endswith("b/s") else None


def _connections(part: Part, _around: Around) -> bool:
    """``connlimit`` counts the connection that asks, too: above 0 holds for all, above more for nobody's first."""
    above = part.option("--connlimit-above") is not None
    return (int(part.value(*_CONNLIMIT)) == 0) == above


def _recent(part: Part, around: Around) -> Optional[bool]:
    """``recent``: adding holds; "seen so many times lately" does not of a quiet sender; else a list decides."""
    added, looked = part.option("--set"), part.option("--rcheck", "--update")
    if added is not None:
        return not added.negated
    often = int(part.value("--hitcount") or 0) > (1 if around.opening else EXCHANGE)
    return looked.negated if looked is not None and often and part.value("--seconds") else None


def _set(part: Part, around: Around) -> Ways:
    """Given ``-m set``, return its ways: a list of sets has one for each of them."""
    asked = part.option("--match-set")
    neutral = {"--match-set", "--return-nomatch", "--update-counters", "--update-subcounters"}
    directions = asked.words[1].split(",") if asked is not None else []
    if asked is None or {option.name for option in part.options} - neutral or {*directions} - {"src", "dst"}:
        return [[Doubt(str(part))]]
    known = around.ipsets.get(asked.value)
    members = known.members if known is not None and known.kinds == ("set",) else (asked.value,)
    nomatch = part.option("--return-nomatch") is not None
    nowhere = Fixed(False, str(asked))
    found = [_inside(around.ipsets.get(name), directions, around.family, nomatch, str(asked)) for name in members]
    tests = [test for test in found if test != nowhere] or [nowhere]
    if len(tests) > _MEMBERS:
        return [[Doubt(str(part))]]
    if asked.negated:
        return [[_turned(test) for test in tests]]
    return [[*map(_turned, tests[:at]), test] for at, test in enumerate(tests)]


def _inside(known: Optional[IpSet], directions: list[str], family: int, nomatch: bool, text: str) -> Test:
    """Return the test of being in a set; with fewer directions than it has dimensions nothing is (kernel)."""
    if known is None or known.odd:
        return Doubt(text)
    if len(directions) < len(known.kinds) or known.family not in (0, family):
        return Fixed(False, text)
    fields = tuple(_FIELDS[way[0] + kind] for way, kind in zip(directions, known.kinds))
    rows = known.holes if nomatch and "net" in known.kinds else known.rows
    typed = ("proto",) if any(len(row) > len(fields) for row in rows) else ()
    return Match((*fields, *typed), rows, text, mask=known.mask)


def _turned(test: Test) -> Test:
    if isinstance(test, Match):
        return test._replace(negated=not test.negated)
    return test._replace(holds=not test.holds) if isinstance(test, Fixed) else test


EXCHANGE = 5  # packets that a short exchange sends: SYN, ACK, a question, ACK, FIN
_ALL_FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
_MEMBERS = 8  # sets of a list that are told apart
_FIELDS = {
    **{way + kind: way + name for way in "sd" for kind, name in (("ip", "addr"), ("net", "addr"), ("port", "port"))},
    "siface": "iif",
    "diface": "oif",
}
# What ipv6_addr_type() says of a number: mapped addresses (::ffff:0:0/96) are nothing of these.
_KINDS_6 = {
    "unspec": spanning(0, 0),
    "multicast": addresses("ff00::/8", 6),
    "unicast": complement(merge([spanning(0, 0), addresses("ff00::/8", 6), addresses("::ffff:0:0/96", 6)])),
}
_OPTIONS: dict[str, Reader] = {
    **{
        f"{name} --{option}": _field(f"{option[0]}port", _ports)
        for names, plural in ((PORTED, ""), (("multiport",), "s"))
        for name in names
        for option in (f"sport{plural}", f"dport{plural}", f"source-port{plural}", f"destination-port{plural}")
    },
    "tcp --tcp-flags": _tcp_flags,
    "tcp --syn": lambda option: _tcp_flags(option._replace(words=("FIN,SYN,RST,ACK", "SYN"))),
    "tcp --tcp-option": lambda option: [Doubt(f"-m tcp {option}", chosen=True)],
    "multiport --ports": _either_port,
    "comment --comment": lambda _option: [],
    "mark --mark": _field("mark", _span),
    "connmark --mark": _field("ct_mark", _span),
    "conntrack --ctproto": lambda option: [_of_protocol(option.value, str(option), option)],
    "conntrack --ctstatus": _status,
    "conntrack --ctdir": _field("ct_direction", _named({"original": 0, "reply": 1})),
    "iprange --src-range": _field("saddr", _addresses),
    "iprange --dst-range": _field("daddr", _addresses),
    "pkttype --pkt-type": _field("packet_type", _named({**PACKET_TYPES, "otherhost": PACKET_TYPES["other"]})),
    "mac --mac-source": _field("ether_saddr", lambda text: _span(f"0x{text.replace(':', '')}")),
    "owner --uid-owner": _field("skuid", _span),
    "owner --gid-owner": _field("skgid", _span),
}
_READ_BY_OPTION = {name.split()[0] for name in _OPTIONS}
_READ_AS_WHOLE: dict[str, Callable[[Part, Around], Ways]] = {
    **dict.fromkeys(("conntrack", "state"), _conntrack),
    **dict.fromkeys(("limit", "hashlimit"), _steady(_rate)),
    # Headers of IPv6 that no packet need have: without them neither form holds (kernel), so no rule stops who does not.
    **dict.fromkeys(
        ("rt", "frag", "hbh", "dst", "mh", "srh", "ah"), _steady(lambda _part, around: False if around.closes else None)
    ),
    "addrtype": _address_types,
    "connlimit": _steady(_connections),
    "recent": _steady(_recent),
    "helper": _steady(lambda part, _around: part.options[0].negated),  # kernel: nobody's first packet is expected
    "rpfilter": _reverse_path,
    "set": _set,
}
_CONNLIMIT = ("--connlimit-above", "--connlimit-upto")
_RATES = ("limit", "hashlimit", "connlimit")  # which who sends more than a quiet sender has otherwise
_CHOSEN = ("rt", "frag", "hbh", "dst", "dscp", "ecn", "tcpmss")  # what a sender puts in as it likes
# Options that change what the others of their extension mean, in a way that is not modelled.
_SPOILING = ("--suppl-groups", "--hashlimit-rate-match", "--validmark", "--limit-iface-out")
