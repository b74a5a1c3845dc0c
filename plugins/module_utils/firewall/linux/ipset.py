# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sets of ``ipset save`` that iptables rules name with ``-m set`` (format: ipset(8)), and what it is to be in one.

Elements are put together into as few rows of intervals as there are, so that 100,000 addresses are one row.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from ...errors import ParseError
from ..model.intervals import BITS, NOTHING, Intervals, merge, spanning, subtract
from ..model.ruleset import PROTOCOLS, Doubt, Fixed, Match, Test, Values

Ways = list[list[Test]]  # conjunctions of tests, of which at most one holds for a packet
Row = tuple[Values, ...]

_SOCKET_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_FAMILIES = {"inet": 4, "inet6": 6}
_ADDRESSES = ("ip", "net")
_WITH_PORTS = {PROTOCOLS[name] for name in ("tcp", "udp", "udplite", "dccp", "sctp")}
_FIELDS = {
    **{("src", kind): "saddr" for kind in _ADDRESSES},
    **{("dst", kind): "daddr" for kind in _ADDRESSES},
    ("src", "port"): "sport",
    ("dst", "port"): "dport",
    ("src", "iface"): "iif",
    ("dst", "iface"): "oif",
}


def whole_lines(text: str) -> Iterator[tuple[int, str]]:
    """Given what a save command prints, return its lines with their numbers.

    A comment may hold line breaks and what looks like lines: a line ends where its quotes do.
    """
    begun: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        begun.append(line)
        quotes = line.replace("\\\\", "").replace('\\"', "").count('"') if '"' in line else 0
        if (quotes % 2 == 1) == (len(begun) > 1):
            yield number - len(begun) + 1, "\n".join(begun)
            begun = []
    if begun:
        yield text.count("\n") + 2 - len(begun), "\n".join(begun)


def number_of(address: str, family: int) -> int:
    """Given an address of IPv4 (4) or IPv6 (6), return its number. Raise ValueError where it is none."""
    try:
        return int.from_bytes(socket.inet_pton(_SOCKET_FAMILIES[family], address), "big")
    except OSError as error:
        raise ValueError(f"{address} is not an address of IPv{family}") from error


def addresses(text: str, family: int, prefix: Optional[int] = None) -> Intervals:
    """Given an address, a network or a range, return its numbers; those of a network of ``prefix`` bits around it."""
    first, dash, last = text.partition("-")
    if dash:
        return rising(number_of(first, family), number_of(last, family))
    base, _slash, length = text.partition("/")
    bits = BITS[family] - int(length or prefix or BITS[family])
    network = number_of(base, family) >> bits << bits
    return (network, network + (1 << bits))


def rising(first: int, last: int) -> Intervals:
    """Given the first and the last number, return the set of all between. Raise ValueError where there are none."""
    if first > last:
        raise ValueError(f"{first} to {last} is an empty range")
    return spanning(first, last)


class IpSet(NamedTuple):
    """A set as rules look into it. ``family`` is 4, 6, or 0 for any.

    ``kinds`` are its dimensions: ip, net, port or iface; a row has a column for each, and one for the protocol where
    ports have one. ``holes`` are the rows that ``nomatch`` elements cut out of the others. ``members`` are the sets of
    a list. ``mask`` is put over the address first. ``odd`` says what of it is not modelled.
    """

    family: int = 0
    kinds: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    holes: tuple[Row, ...] = ()
    members: tuple[str, ...] = ()
    mask: Optional[int] = None
    odd: str = ""


IpSets = Mapping[str, IpSet]


def parse_ipsets(text: str) -> dict[str, IpSet]:
    """Given the output of ``ipset save``, return the sets by name. Raise ParseError.

    A set with an element or an option of another form is odd as a whole; no other set is.
    """
    drafts: dict[str, _Draft] = {}
    for number, line in whole_lines(text):
        words = line.partition(' comment "')[0].split()
        if words[:1] == ["create"] and len(words) > 2 and ":" in words[2]:
            drafts[words[1]] = _Draft(words[2], words[3:])
        elif words[:1] == ["add"] and len(words) > 2:
            if words[1] in drafts:  # a name with a blank in it is none that a rule can name, either
                drafts[words[1]].add(words[2], words[3:])
        elif words and words[0] != "create":
            raise ParseError("ipset save", number, line, "neither a set nor an element")
    return {name: draft.finished() for name, draft in drafts.items()}


class _Draft:
    """A set while it is read."""

    def __init__(self, kind: str, options: Sequence[str]) -> None:
        self._method, _colon, kinds = kind.partition(":")
        self._kinds = tuple(kinds.split(","))
        given = dict(zip(options, options[1:]))
        self._family = 0 if self._kinds in (("port",), ("set",)) else _FAMILIES.get(given.get("family", "inet"), 0)
        self._prefix, self._mask = int(given.get("netmask", "0")), given.get("bitmask", "")
        known = {*_ADDRESSES, "port", "iface"}
        self._odd = "" if known.issuperset(self._kinds) or self._kinds == ("set",) else f"sets of {kind}"
        if self._mask and len(self._kinds) > 1:
            self._odd = f"bitmask of {kind}"
        self._rows: list[tuple[Row, bool]] = []
        self._members: list[str] = []

    def add(self, element: str, options: Sequence[str]) -> None:
        if self._kinds == ("set",):
            self._members.append(element)
        elif not self._odd:
            try:
                row = self._row(element, "wildcard" in options)
            except ValueError as error:
                self._odd = str(error)
            else:
                self._rows += [(row, "nomatch" in options)] if row else []

    def _row(self, element: str, wildcard: bool) -> Row:
        """Given an element, return it as a row, or nothing where it is of a protocol without ports."""
        if len(self._kinds) == 1 and self._kinds[0] in _ADDRESSES:
            return (addresses(element, self._family, self._prefix),)
        row, protocol = list[Values](), list[Values]()
        parts = element.split(",")
        if len(parts) != len(self._kinds):
            raise ValueError(f"{element} has not {len(self._kinds)} dimensions")
        for kind, part in zip(self._kinds, parts):
            if kind in _ADDRESSES:
                row.append(addresses(part, self._family, self._prefix if kind == "ip" else None))
            elif kind == "iface":
                row.append(_interface(part, wildcard))
            else:
                proto, _colon, ports = part.rpartition(":")
                number = PROTOCOLS.get(proto) if self._method == "hash" else None
                if self._method == "hash" and number not in _WITH_PORTS:
                    return ()
                first, _dash, last = ports.partition("-")
                row.append(rising(int(first), int(last or first)))
                protocol = [spanning(number, number)] if number else []
        return (*row, *protocol)

    def finished(self) -> IpSet:
        if not self._odd and any(nomatch for _row, nomatch in self._rows):
            wild = any(name.endswith("*") for row, _no in self._rows for name in row[-1] if isinstance(name, str))
            self._odd = "nomatch beside another network or a wildcard" if wild or self._kinds.count("net") > 1 else ""
        if self._odd:
            return IpSet(odd=self._odd)
        mask = number_of(self._mask, self._family) if self._mask else None
        rows, holes = (tuple(self._settled(nomatch=nomatch)) for nomatch in (False, True))
        return IpSet(self._family, self._kinds, rows, holes, tuple(self._members), mask)

    def _settled(self, *, nomatch: bool) -> Iterable[Row]:
        """Return the rows for which the most specific element is one with or without ``nomatch``."""
        axis = next((at for kind in ("net", "ip", "port") for at, own in enumerate(self._kinds) if own == kind), 0)
        groups: dict[Row, list[tuple[Intervals, bool]]] = {}
        for row, exception in self._rows:
            span: Intervals = row[axis]  # type: ignore[assignment]
            groups.setdefault(row[:axis] + row[axis + 1 :], []).append((span, exception))
        settled = ((*rest[:axis], _topmost(spans, nomatch), *rest[axis:]) for rest, spans in groups.items())
        rows = [row for row in settled if row[axis]]
        return _joined(rows, self._kinds.index("port")) if "port" in self._kinds else rows


def _interface(text: str, wildcard: bool) -> frozenset[str]:
    if text.startswith("physdev:"):
        raise ValueError(f"{text} is a port of a bridge")
    return frozenset([f"{text}*" if wildcard else text])


def _topmost(spans: list[tuple[Intervals, bool]], nomatch: bool) -> Intervals:
    """Given networks, return the addresses whose smallest one is one with or without ``nomatch``."""
    if not any(exception for _span, exception in spans):
        return NOTHING if nomatch else merge([span for span, _exception in spans])
    found = NOTHING
    for size in sorted({span[1] - span[0] for span, _exception in spans}, reverse=True):
        level = [(span, exception) for span, exception in spans if span[1] - span[0] == size]
        found = merge([found, *(span for span, exception in level if exception == nomatch)])
        found = subtract(found, merge([span for span, exception in level if exception != nomatch]))
    return found


def _joined(rows: Iterable[Row], at: int) -> list[Row]:
    """Given rows, return them with those put together that differ by the numbers of one column only."""
    groups: dict[Row, list[Intervals]] = {}
    for row in rows:
        groups.setdefault(row[:at] + row[at + 1 :], []).append(row[at])  # type: ignore[arg-type]
    return [(*rest[:at], merge(numbers), *rest[at:]) for rest, numbers in groups.items()]


class Membership(NamedTuple):
    """What a rule asks: to be in the set ``name`` by these ``directions`` (src, dst).

    ``nomatch``: by its exceptions (--return-nomatch).
    """

    name: str
    directions: tuple[str, ...]
    text: str
    negated: bool = False
    nomatch: bool = False


def membership(ipsets: IpSets, asked: Membership, family: int) -> Ways:
    """Given what a rule of a family asks, return the ways in which a packet meets it."""
    known = ipsets.get(asked.name)
    members = known.members if known is not None and known.kinds == ("set",) else (asked.name,)
    tests = _together([_test(ipsets.get(name), asked, family) for name in members])
    if asked.negated:
        return [[_turned(test) for test in tests]]
    return [[*map(_turned, tests[:at]), test] for at, test in enumerate(tests)] or [[Fixed(False, asked.text)]]


def _test(known: Optional[IpSet], asked: Membership, family: int) -> Test:
    if known is None or known.odd:
        return Doubt(asked.text)
    if len(asked.directions) < len(known.kinds) or known.family not in (0, family):
        return Fixed(False, asked.text)
    fields = tuple(_FIELDS[way, kind] for way, kind in zip(asked.directions, known.kinds))
    rows = known.holes if asked.nomatch and "net" in known.kinds else known.rows
    typed = ("proto",) if any(len(row) > len(fields) for row in rows) else ()
    return Match((*fields, *typed), rows, asked.text, mask=known.mask)


def _together(tests: list[Test]) -> list[Test]:
    """Given the tests of a list's members, return them with those of the same fields as one."""
    alike: dict[object, Match] = {}
    others: list[Test] = []
    for test in tests:
        if isinstance(test, Match):
            before = alike.get((test.fields, test.mask))
            rows = test.rows if before is None else _joined([*before.rows, *test.rows], 0)
            alike[test.fields, test.mask] = test._replace(rows=tuple(rows))
        elif test not in others:
            others.append(test)
    return [*alike.values(), *others]


def _turned(test: Test) -> Test:
    if isinstance(test, Match):
        return test._replace(negated=not test.negated)
    return test._replace(holds=not test.holds) if isinstance(test, Fixed) else test
