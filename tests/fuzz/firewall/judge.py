# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold what the product says of a ruleset to what the kernel does with real connections.

The truth of a pair (socket, family, source) is "open" where any knock that the source can send reaches that socket,
with data both ways. What the product says otherwise is tried again by itself, under rules loaded anew: only a
difference that stays is wrong. Where no plain knock comes through, it is tried with a sender's choices too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .lab import Lab, Load, LoadError
from .points import HOST, PORTS, SOURCES, WAITING, Knock, Pair, Waiting, knocks_from, knocks_inside

OPEN, FILTERED, UNKNOWN = "open", "filtered", "unknown"
# What any sender may choose, beside the source ports, times to live and classes that the rules name.
CHOICES = ({"sport": 1}, {"sport": 53}, {"sport": 1023}, {"sport": 40000}, {"ttl": 200})
# What a sender may write into its packets and this client cannot. Where the product says open and a rule asks for one
# of these, it is tried whether kernel and product differ without such rules as well.
_FORGED = re.compile(
    r"tcp (?:option|sequence|ackseq|doff|window|reserved|urgptr|flags)|ip6? (?:ecn|dscp|id|length|hdrlength|option)"
    r"|ip frag-off|ip6 (?:nexthdr|flowlabel)|udp length|meta length|exthdr|frag |hbh |dst |rt type|@[nt]h,|@ih,"
    r"|--tcp-option|--tcp-flags|--mss|-m (?:ecn|dscp|tos|length|u32|frag|rt|hbh|dst|ipv6header)|limit|ct count"
)
_MANY = 30  # knocks at once: more than a limit may count
_NAMED = (
    ("sport", re.compile(r"(?:sport|--sports?|--source-ports?|--ports|th sport)[ {!=<>]+(\d+)")),
    ("ttl", re.compile(r"(?:ttl|hoplimit|--(?:ttl|hl)-(?:eq|gt|lt|set))[ {!=<>]+(\d+)")),
    ("tos", re.compile(r"--tos +(?:0x)?(\d+)")),
)


class Said(NamedTuple):
    """What the product says of a pair, and which rule decides."""

    verdict: str
    rule: str


NOT_SEEN = Said("not seen", "the product does not list this socket")


class Wrong(NamedTuple):
    """A pair of which the product says something else than the kernel does."""

    pair: Pair
    kernel: str
    said: Said


class Outcome(NamedTuple):
    """What became of one ruleset: the kernel's answers, the product's, where they differ, and what went wrong."""

    kernel: Mapping[Pair, bool]
    said: Mapping[Pair, Said]
    wrong: tuple[Wrong, ...] = ()
    error: str = ""

    @property
    def unknown(self) -> Counter[str]:
        """How often the product did not know, by what it names as the cause."""
        return Counter(said.rule for said in self.said.values() if said.verdict == UNKNOWN)


def all_knocks(ports: Sequence[int] = PORTS) -> list[Knock]:
    """Return every knock of a ruleset."""
    outside = [knock for source in SOURCES for knock in knocks_from(source, ports, loopback=True)]
    return outside + knocks_inside(ports)


def reached(knocks: Sequence[Knock], answers: Sequence[str]) -> set[tuple[str, Knock]]:
    """Return which socket which knock reached."""
    return {(answer, knock) for knock, answer in zip(knocks, answers) if answer not in ("", "half")}


def judge(
    lab: Lab, loads: Sequence[Load], *, ports: Sequence[int] = PORTS, most: int = 3, loaded: bool = False
) -> Outcome:
    """Load a ruleset (unless it is ``loaded``) and return its outcome. Raise LoadError.

    Of the kinds of differences, ``most`` are tried until they are certain.
    """
    if not loaded:
        lab.fresh()
        lab.load(loads)
    lab.begin_asking()
    knocks = all_knocks(ports)
    answers = reached(knocks, lab.knock(knocks))
    answer = lab.asked()
    if "error" in answer:
        return Outcome({}, {}, error=answer["error"])
    kernel, said = compared(answer["records"], answers, lab.waiting)
    if NOT_SEEN in said.values():  # /proc/net may skip a socket while hundreds of knocking ones come and go
        lab.begin_asking()
        kernel, said = compared(lab.asked().get("records", ()), answers, lab.waiting)
    suspects = [pair for pair in said if said[pair].verdict not in (UNKNOWN, _word(kernel[pair]))]
    wrong = tuple(settle(lab, loads, suspects, kernel, said, ports, most))
    return Outcome(kernel, said, wrong)


def compared(
    records: Iterable[Mapping[str, Any]], answers: set[tuple[str, Knock]], waiting: Sequence[Waiting] = WAITING
) -> tuple[dict[Pair, bool], dict[Pair, Said]]:
    """Given the product's records and who reached what, return the kernel's answers and the product's, pair by pair."""
    by_source = {(socket, knock.family, knock.source) for socket, knock in answers}
    inside = {(socket, knock.target) for socket, knock in answers if not knock.source}
    names = {str(one) for one in waiting}
    kernel: dict[Pair, bool] = {}
    said: dict[Pair, Said] = {}
    for record in records:
        if record["socket"] not in names:
            continue
        for source in {each.address for each in SOURCES if each.family == record["family"]}:
            pair = Pair(record["socket"], record["family"], source)
            said[pair] = Said(*record["outside"].get(source, (FILTERED, "it is bound to loopback")))
            kernel[pair] = tuple(pair) in by_source
        verdict, rule, address = record["inside"]
        pair = Pair(record["socket"], record["family"], HOST)
        said[pair], kernel[pair] = Said(verdict, rule), (record["socket"], address) in inside
    for one in waiting:  # what the product does not list at all
        for family in one.families:
            if Pair(str(one), family, HOST) not in said:
                for source in {each.address for each in SOURCES if each.family == family}:
                    pair = Pair(str(one), family, source)
                    said[pair], kernel[pair] = NOT_SEEN, tuple(pair) in by_source
    return kernel, said


def settle(
    lab: Lab,
    loads: Sequence[Load],
    suspects: Sequence[Pair],
    kernel: Mapping[Pair, bool],
    said: Mapping[Pair, Said],
    ports: Sequence[int],
    most: int,
) -> Iterator[Wrong]:
    """Given pairs that differ, yield those that still do when each is tried alone.

    Pairs that one rule decides alike are of one kind: of each kind two at most are tried.
    """
    tried: Counter[tuple[Said, bool]] = Counter()
    found: set[tuple[Said, bool]] = set()
    for pair in suspects:
        kind = (said[pair], kernel[pair])
        if tried[kind] > 1 or kind in found or len(found) >= most:
            continue
        tried[kind] += 1
        answer = _word(alone(lab, loads, pair, ports)) if said[pair] != NOT_SEEN else _word(kernel[pair])
        if answer != said[pair].verdict and not (said[pair].verdict == OPEN and _may_be_forged(lab, loads, pair)):
            found.add(kind)
            yield Wrong(pair, answer, said[pair])


def alone(lab: Lab, loads: Sequence[Load], pair: Pair, ports: Sequence[int] = PORTS) -> bool:
    """Return whether a pair is open, tried by itself under rules loaded anew, and with a sender's choices."""
    direct, others = knocks_of(pair, ports)
    plain = [[(knock, {})] for knock in direct] + [[(knock, {}) for knock in others]]
    if _tried(lab, loads, pair, plain):
        return True
    many = [(knock, {}) for knock in direct * _MANY]
    if pair.source == HOST:  # a program there chooses as freely as one elsewhere
        return _tried(lab, loads, pair, [[(knock, options) for options in choices(loads) for knock in direct], many])
    named = [(knock, options) for options in choices(loads) for knock in direct + others]
    named += [(knock, {"sport": port}) for port in ports for knock in direct]  # where rules on the way out name it
    return _tried(lab, loads, pair, [named, many]) or _tried(
        lab, loads, pair, [[(knock, {}) for knock in direct]], ecn=True
    )


def _may_be_forged(lab: Lab, loads: Sequence[Load], pair: Pair) -> bool:
    """Return whether a closed pair that the product calls open may be open to who forges what this client cannot:
    that is, whether they agree where no rule asks for such things.
    """
    less = [[line for line in load if not _FORGED.search(line)] for load in loads]
    if less == [list(load) for load in loads]:
        return False
    try:
        return verdict_of(lab, less, pair) != OPEN or alone(lab, less, pair)
    except LoadError:
        return True


def verdict_of(lab: Lab, loads: Sequence[Load], pair: Pair) -> str:
    """Load a ruleset and return what the product says of a pair (empty: it fails). Raise LoadError."""
    lab.fresh()
    lab.load(loads)
    lab.begin_asking()
    answer = lab.asked()
    said = {} if "error" in answer else compared(answer["records"], set(), lab.waiting)[1]
    return said[pair].verdict if pair in said else ""


def choices(loads: Sequence[Load]) -> list[dict[str, int]]:
    """Return the options to try, ECN left aside."""
    text = "\n".join(line for load in loads for line in load)
    limits = {"sport": 65536, "ttl": 256, "tos": 256}
    named = {
        (option, int(value) + by) for option, shape in _NAMED for value in shape.findall(text) for by in (-1, 0, 1)
    }
    return [*CHOICES, *({option: value} for option, value in sorted(named) if 0 < value < limits[option])]


def _tried(
    lab: Lab,
    loads: Sequence[Load],
    pair: Pair,
    batches: Sequence[list[tuple[Knock, dict[str, int]]]],
    *,
    ecn: bool = False,
) -> bool:
    lab.fresh()
    lab.load(loads)
    for batch in batches:
        knocks = [knock for knock, _options in batch]
        answers = lab.knock(knocks, [options for _knock, options in batch], patience=0.5, ecn=ecn)
        if any(socket == pair.socket for socket, _knock in reached(knocks, answers)):
            return True
    return False


def knocks_of(pair: Pair, ports: Sequence[int]) -> tuple[list[Knock], list[Knock]]:
    """Return the knocks that can tell of a pair: at the socket's own port, and at ports that may be redirected."""
    proto, own = pair.socket.split()[0], int(pair.socket.removesuffix(" v6only").rpartition(":")[2])
    if pair.source == HOST:
        found = [knock for knock in knocks_inside(ports) if knock.family == pair.family]
    else:
        sources = [each for each in SOURCES if each.address == pair.source]
        found = [knock for source in sources for knock in knocks_from(source, ports, loopback=True)]
    found = [knock for knock in found if knock.proto == proto]
    return [knock for knock in found if knock.port == own], [knock for knock in found if knock.port != own]


def _word(is_open: bool) -> str:
    return OPEN if is_open else FILTERED
