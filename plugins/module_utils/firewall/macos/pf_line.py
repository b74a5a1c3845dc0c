# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rule of pf as ``pfctl -s rules`` and ``pfctl -s nat`` print it, word by word. Pure.

Grammar: pf.conf(5). What is printed is expanded: no macro, no list, one rule a line. A word that is not known ends the
reading of the line and makes the rule doubtful.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from ...errors import ParseError
from ...finding import EMPTY
from ..model.intervals import Intervals, complement, numbers_in, spanning
from ..model.packet import LOOPBACK, SYN
from ..model.ruleset import PROTOCOLS, Doubt, Fixed, Match, Test, Values

TCP_FLAGS = {"F": 0x01, "S": SYN, "R": 0x04, "P": 0x08, "A": 0x10, "U": 0x20, "E": 0x40, "W": 0x80}
_TOP_PORT = 65535
ByFamily = Mapping[int, Intervals]


class PfNames(NamedTuple):
    """What names in rules stand for: tables by name, addresses and networks by interface, ports by service."""

    tables: Mapping[str, ByFamily] = EMPTY
    addresses: Mapping[str, ByFamily] = EMPTY
    networks: Mapping[str, ByFamily] = EMPTY
    services: Mapping[str, int] = EMPTY


NO_NAMES = PfNames()


def _flag_bits(letters: str) -> int:
    """Given letters of TCP flags, return their bits."""
    return sum(TCP_FLAGS[letter] for letter in set(letters))


def _span(first: int, last: int) -> Intervals:
    return spanning(first, last) if first <= last else ()


OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
BETWEEN = ("><", "<>")
_RANGES: dict[tuple[str, int], Callable[..., Intervals]] = {
    ("=", 1): lambda port: spanning(port, port),
    ("!=", 1): lambda port: complement(spanning(port, port)),
    ("<", 1): lambda port: _span(0, port - 1),
    ("<=", 1): lambda port: _span(0, port),
    (">", 1): lambda port: _span(port + 1, _TOP_PORT),
    (">=", 1): lambda port: _span(port, _TOP_PORT),
    (":", 2): _span,
    ("><", 2): lambda first, last: _span(first + 1, last - 1),
    ("<>", 2): lambda first, last: complement(_span(first, last)) if first <= last else complement(()),
}


def _port_numbers(words: Sequence[str], services: Mapping[str, int]) -> Optional[Intervals]:
    """Given the words behind ``port`` (= 22, 8000:8004, 1 >< 5, > 1023), return the ports. None: not understood."""
    sign = next((word for word in words if word in OPERATORS + BETWEEN), "=")
    parts = [part for word in words if word != sign for part in word.split(":")]
    ports = [services.get(part, int(part) if part.isdecimal() else -1) for part in parts]
    if not ports or not all(0 <= port <= _TOP_PORT for port in ports):
        return None
    if len(ports) == 2 and ":" in words[0]:
        sign = ":"
    reading = _RANGES.get((sign, len(ports)))
    return reading(*ports) if reading else None


def interface_name(name: str) -> str:
    """Given the name of an interface as pf knows it, return it for a test: a name without number is its group."""
    if name in ("lo0", "lo"):
        return LOOPBACK
    return name if name[-1:].isdigit() else f"{name}*"


_WORD = re.compile(r'"[^"]*"|\([^()]*\)|[^\s"()]+')


@dataclass
class Line:
    """A line of rules: ``action`` is its first word, ``name`` that of an anchor, ``target`` what follows ``->``.

    ``returns``: a block answers. ``inbound``: it can be about what comes in.
    """

    text: str
    action: str
    name: str = ""
    inbound: bool = True
    quick: bool = False
    returns: bool = False
    passes: bool = False
    negated: bool = False
    tests: list[Test] = field(default_factory=list)
    target: tuple[str, ...] = ()


def parse_line(text: str, number: int, names: PfNames) -> Line:
    """Given a line, return it. Raise ParseError where it has no end or is of no form that pf prints."""
    words = _WORD.findall(text)
    if not words or words[-1] in ("{", "}"):
        raise ParseError("the rules of pf", number, text, "expected one rule")
    reader = _Reader(words, Line(text.strip(), words[0]), names)
    reader.read()
    return reader.line


class _Reader:
    """Words of one line, taken from the left."""

    def __init__(self, words: list[str], line: Line, names: PfNames) -> None:
        self._words, self.line, self._names = words[1:], line, names

    def read(self) -> None:
        self._head()
        while self._words:
            word = self._read()
            if word == "->":
                self.line.target, self._words = tuple(self._words), []
            elif word in _SETS:
                setattr(self.line, *_SETS[word])
            elif word in _READ:
                _READ[word](self)
            elif word in _NO_MATTER:
                del self._words[: _NO_MATTER[word]]
            else:
                self._doubt(f"{word} {' '.join(self._words)}".strip())
                self._words = []

    def _head(self) -> None:
        """Take what only one action has: how a block answers, the name of an anchor, rdr pass, no rdr."""
        if self.line.action == "no" and self._words:
            self.line.negated, self.line.action = True, self._read()
        if self.line.action.endswith("anchor"):
            self.line.name = self._read().strip('"')
        if self.line.action == "block" and self._words and self._words[0].split("-")[0] in ("drop", "return"):
            self.line.returns = self._read() != "drop"
            self.option()
        if self.line.action in ("rdr", "nat", "binat") and self._words[:1] == ["pass"]:
            self.line.passes = bool(self._read())

    def _read(self) -> str:
        return self._words.pop(0) if self._words else ""

    def option(self) -> None:
        """Take what stands in brackets, if anything does."""
        if self._words and self._words[0].startswith("("):
            self._read()

    def _perhaps_negated(self) -> tuple[bool, str]:
        """Take a word with a ``!`` before it, if there is one, and return whether there was, and the word."""
        word = self._read()
        if word == "!":
            return True, self._read()
        return word[:1] == "!", word.lstrip("!")

    def _doubt(self, text: str) -> None:
        self.line.tests.append(Doubt(text))

    def _match(self, name: str, values: Values, text: str, *, negated: bool = False) -> None:
        self.line.tests.append(Match((name,), ((values,),), text, negated))

    def interface(self) -> None:
        negated, name = self._perhaps_negated()
        self._match("iif", frozenset([interface_name(name)]), f"on {name}", negated=negated)

    def family(self, number: int) -> None:
        self._match("family", spanning(number, number), f"IPv{number}")

    def protocol(self) -> None:
        word = self._read()
        number = PROTOCOLS.get({"icmp6": "icmpv6", "ipv6-icmp": "icmpv6"}.get(word, word))
        number = int(word) if number is None and word.isdecimal() else number
        if number is None:
            self._doubt(f"proto {word}")
        else:
            self._match("proto", spanning(number, number), f"proto {word}")

    def side(self, address: str, port: str) -> None:
        self._address(address)
        if self._words[:1] == ["port"]:
            self._read()
            self._port(port)

    def _address(self, name: str) -> None:
        negated, word = self._perhaps_negated()
        if word == "any":
            return
        if self._words[:1] == ["-"]:
            word = f"{word} {self._read()} {self._read()}"
        numbers = self._numbers(word)
        if numbers is None:
            self._doubt(f"the address {word}")
            return
        rows = tuple((spanning(family, family), found) for family, found in sorted(numbers.items()) if found)
        if len(rows) == 1 and not negated:
            self._match("family", rows[0][0], f"IPv{min(rows[0][0])}")
            self._match(name, rows[0][1], f"{name} {word}")
        elif rows:
            self.line.tests.append(Match(("family", name), rows, f"{name} {word}", negated))
        else:
            self.line.tests.append(Fixed(negated, f"{name} {word}, which is empty"))

    def _numbers(self, word: str) -> Optional[ByFamily]:
        if word.startswith("<"):
            return self._names.tables.get(word.strip("<>"))
        if word.startswith("("):
            interface, _colon, kind = word.strip("()").partition(":")
            known = self._names.networks if kind == "network" else self._names.addresses
            return known.get(interface) if kind in ("", "0", "network") else None
        return numbers_in(word)

    def _port(self, name: str) -> None:
        words = [self._read()]
        while words[-1] in OPERATORS + BETWEEN or (self._words[:1] and self._words[0] in BETWEEN):
            words.append(self._read())
        found = _port_numbers(words, self._names.services)
        if found is None:
            self._doubt(f"port {' '.join(words)}")
        else:
            self._match(name, found, f"port {' '.join(words)}")

    def flags(self) -> None:
        """A first packet has SYN alone. Flags are asked for of TCP only, so others pass this test."""
        word = self._read()
        wanted, slash, among = word.partition("/")
        unknown = set(wanted + among) - set(TCP_FLAGS)
        if word == "any":
            return
        if not slash or unknown:
            self._doubt(f"flags {word}")
        elif SYN & _flag_bits(among) != _flag_bits(wanted):
            self._match("proto", spanning(6, 6), f"flags {word}", negated=True)

    def state(self) -> None:
        """Keep state and its relatives; their limits are taken as not reached."""
        self._read()
        self.option()

    def stateless(self) -> None:
        self._read()
        self._doubt("no state, so that answers need rules of their own")

    def fragments(self) -> None:
        self.line.tests.append(Fixed(False, "fragments"))


_SETS = {"in": ("inbound", True), "out": ("inbound", False), "quick": ("quick", True)}
_READ: dict[str, Callable[[_Reader], None]] = {
    "log": lambda reader: reader.option(),
    "on": _Reader.interface,
    "inet": lambda reader: reader.family(4),
    "inet6": lambda reader: reader.family(6),
    "proto": _Reader.protocol,
    "from": lambda reader: reader.side("saddr", "sport"),
    "to": lambda reader: reader.side("daddr", "dport"),
    "flags": _Reader.flags,
    **dict.fromkeys(("keep", "modulate", "synproxy"), _Reader.state),
    "no": _Reader.stateless,
    "fragment": _Reader.fragments,
}
# Words that mean nothing for who can connect, with how many belong to them. A rule with a type asks for ICMP, too.
_NO_MATTER = {
    **dict.fromkeys(("all", "allow-opts"), 0),
    **dict.fromkeys(("label", "tag", "queue", "dnpipe", "dnqueue", "reply-to", "icmp-type", "icmp6-type", "code"), 1),
}
