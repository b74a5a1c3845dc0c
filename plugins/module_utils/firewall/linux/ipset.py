# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sets of ``ipset save`` that iptables rules name with ``-m set`` (format: ipset(8)).

Elements are put together into as few rows of intervals as there are, so that 100,000 addresses are one row.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Optional

from ...errors import ParseError
from ..model.intervals import BITS, NOTHING, Intervals, merge, spanning, subtract
from ..model.ruleset import PROTOCOLS, Values

PORTED = ("tcp", "udp", "udplite", "dccp", "sctp")
_SOCKET_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_KINDS = {"ip", "net", "port", "iface"}

Row = tuple[Values, ...]


class IpSet(NamedTuple):
    """A set as rules look into it. ``family`` is 4, 6, or 0 for any.

    ``kinds`` are its dimensions: ip, net, port or iface; a row has a column for each, and one for the protocol where
    ports have one. ``holes`` are the rows that ``nomatch`` elements cut out of the others. ``members`` are the sets of
    a list (kind ``set``). ``mask`` is put over the address first. ``odd`` says what of it is not modelled.
    """

    family: int = 0
    kinds: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    holes: tuple[Row, ...] = ()
    members: tuple[str, ...] = ()
    mask: Optional[int] = None
    odd: str = ""


IpSets = Mapping[str, IpSet]


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


def addresses(text: str, family: int, prefix: int = 0) -> Intervals:
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


def parse_ipsets(text: str) -> dict[str, IpSet]:
    """Given the output of ``ipset save``, return the sets by name. Raise ParseError.

    A set with an element or an option of another form is odd as a whole; no other set is.
    """
    created: dict[str, list[str]] = {}
    added: dict[str, list[list[str]]] = {}
    for number, line in whole_lines(text):
        words = line.partition(' comment "')[0].split()
        if words[:1] == ["create"] and ":" in "".join(words[2:3]):
            created[words[1]], added[words[1]] = words[2:], []
        elif words[:1] == ["add"] and len(words) > 2:
            added.setdefault(words[1], []).append(words[2:])
        elif words and words[0] != "create":  # a name with a blank in it is none that rules could name
            raise ParseError("ipset save", number, line, "neither a set nor an element")
    return {name: _ipset(words, added[name]) for name, words in created.items()}


def _ipset(created: list[str], added: list[list[str]]) -> IpSet:
    """Given the words behind a set's name and those of its elements, return it."""
    method, _colon, dimensions = created[0].partition(":")
    kinds, options = tuple(dimensions.split(",")), dict(zip(created[1:], created[2:]))
    if kinds == ("set",):
        return IpSet(kinds=kinds, members=tuple(words[0] for words in added))
    family = 0 if kinds == ("port",) else 6 if options.get("family") == "inet6" else 4
    exceptions = any("nomatch" in words for words in added)
    if exceptions and (kinds.count("net") > 1 or any("wildcard" in words for words in added)):
        return IpSet(odd="nomatch beside a second network or a wildcard")
    if not _KINDS.issuperset(kinds) or ("bitmask" in options and len(kinds) > 1):
        return IpSet(odd=" ".join(created))
    try:
        mask = number_of(options["bitmask"], family) if "bitmask" in options else None
        shape = _Shape(kinds, family, int(options.get("netmask", "0")), method == "hash")
        rows = [(row, "nomatch" in words) for words in added for row in shape.rows(words)]
    except ValueError as error:
        return IpSet(odd=str(error))
    holes = _settled(rows, kinds, nomatch=True) if exceptions else ()
    return IpSet(family, kinds, _settled(rows, kinds, nomatch=False), holes, mask=mask)


class _Shape(NamedTuple):
    """How the elements of a set are written. ``typed``: its ports have a protocol."""

    kinds: tuple[str, ...]
    family: int
    prefix: int
    typed: bool

    def rows(self, words: list[str]) -> tuple[Row, ...]:
        """Given the words of an element, return it as a row, or nothing: what has no ports is not TCP or UDP."""
        if self.kinds in (("ip",), ("net",)):
            return ((addresses(words[0], self.family, self.prefix),),)
        parts = words[0].split(",")
        if len(parts) != len(self.kinds):
            raise ValueError(f"{words[0]} has not {len(self.kinds)} dimensions")
        protocol: list[Values] = []
        if self.typed and "port" in self.kinds:
            name = parts[self.kinds.index("port")].rpartition(":")[0] or "tcp"
            if name not in PORTED:
                return ()
            protocol = [spanning(PROTOCOLS[name], PROTOCOLS[name])]
        row = [self._column(kind, part, "wildcard" in words) for kind, part in zip(self.kinds, parts)]
        return ((*row, *protocol),)

    def _column(self, kind: str, part: str, wildcard: bool) -> Values:
        if kind == "port":
            first, _dash, last = part.rpartition(":")[2].partition("-")
            return rising(int(first), int(last or first))
        if kind == "iface" and not part.startswith("physdev:"):  # whose ports of a bridge are not modelled
            return frozenset([f"{part}*" if wildcard else part])
        return addresses(part, self.family, self.prefix if kind == "ip" else 0)


def _settled(rows: list[tuple[Row, bool]], kinds: tuple[str, ...], *, nomatch: bool) -> tuple[Row, ...]:
    """Given rows, return those for which the most specific element is one with or without ``nomatch``."""
    axis = next((kinds.index(kind) for kind in ("net", "ip", "port") if kind in kinds), 0)
    groups: dict[Row, list[tuple[Intervals, bool]]] = {}
    for row, exception in rows:
        groups.setdefault(row[:axis] + row[axis + 1 :], []).append((row[axis], exception))  # type: ignore[arg-type]
    found = [(*rest[:axis], _topmost(spans, nomatch), *rest[axis:]) for rest, spans in groups.items()]
    found = [row for row in found if row[axis]]
    return _joined(found, kinds.index("port")) if "port" in kinds else tuple(found)


def _topmost(spans: list[tuple[Intervals, bool]], nomatch: bool) -> Intervals:
    """Given networks, return the addresses whose smallest one is one with or without ``nomatch``."""
    if not nomatch and not any(exception for _span, exception in spans):
        return merge([span for span, _exception in spans])
    found = NOTHING
    for size in sorted({span[1] - span[0] for span, _exception in spans}, reverse=True):
        level = [(span, exception) for span, exception in spans if span[1] - span[0] == size]
        found = merge([found, *(span for span, exception in level if exception == nomatch)])
        found = subtract(found, merge([span for span, exception in level if exception != nomatch]))
    return found


def _joined(rows: Iterable[Row], at: int) -> tuple[Row, ...]:
    """Given rows, return them with those put together that differ by the numbers of one column only."""
    groups: dict[Row, list[Intervals]] = {}
    for row in rows:
        groups.setdefault(row[:at] + row[at + 1 :], []).append(row[at])  # type: ignore[arg-type]
    return tuple((*rest[:at], merge(numbers), *rest[at:]) for rest, numbers in groups.items())
