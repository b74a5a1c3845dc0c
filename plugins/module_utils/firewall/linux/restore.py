# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What files for iptables-restore would load, beside what iptables-save prints: the same rules, spelled in two ways.

Both are text of one tool, so they are compared option by option, after what the kernel spells otherwise was put into
one form. An option that is not listed here and differs makes a doubt, never a difference.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...errors import ParseError
from ..model.ruleset import PROTOCOLS
from .iptables_options import Option, Part, split_parts, words_of

Place = tuple[str, str]  # a table and one of its chains
_ICMP = (
    "echo-reply=0 destination-unreachable=3 port-unreachable=3/3 redirect=5 echo-request=8 time-exceeded=11 "
    "parameter-problem=12"
)
_ICMPV6 = (
    "destination-unreachable=1 packet-too-big=2 time-exceeded=3 parameter-problem=4 echo-request=128 echo-reply=129 "
    "router-solicitation=133 router-advertisement=134 neighbor-solicitation=135 neighbor-advertisement=136 "
    "neighbour-solicitation=135 neighbour-advertisement=136"
)
_TYPES = {
    option: dict(pair.split("=") for pair in names.split())
    for option, names in (("--icmp-type", _ICMP), ("--icmpv6-type", _ICMPV6))
}
_SPELLED = {"--destination-port": "--dport", "--source-port": "--sport", "--destination-ports": "--dports"}
# What iptables-save adds though nobody wrote it.
_ADDED = (
    "--limit-burst=5 --reject-with=icmp-port-unreachable --reject-with=icmp6-port-unreachable --name=DEFAULT "
    "--rsource= --mask=255.255.255.255 --mask=ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
)
_DEFAULTS = {(name, value) for name, _is, value in (item.partition("=") for item in _ADDED.split())}
# Options whose value is compared as it stands, or as _value puts it.
_COMPARED = (
    "-p -s -d -i -o -f -j -g -m --dport --sport --dports --sports --ports --ctstate --state --src-type --dst-type "
    "--tcp-flags --limit --limit-burst --set --update --rcheck --seconds --hitcount --name --mask --rsource --comment "
    "--log-prefix --log-level --hl-eq --rt-type --reject-with --match-set --mac-source --src-range --dst-range "
    "--pkt-type --to-destination --to-source --to-ports --icmp-type --icmpv6-type"
)
_EXACT = frozenset(_COMPARED.split())


class Line(NamedTuple):
    """A rule: its text, the file it is from, its options in one form, and those that no form is known for."""

    text: str
    source: str
    options: frozenset[tuple[str, str]]
    others: frozenset[tuple[str, str]] = frozenset()

    @property
    def key(self) -> tuple[object, ...]:
        """What two spellings of a rule have in common for certain."""
        return self.options, frozenset(name for name, _value in self.others)


class Rules(NamedTuple):
    """Policies and rules by table and chain."""

    policies: dict[Place, str]
    chains: dict[Place, list[Line]]


class Apart(NamedTuple):
    """How two lists of rules differ: what only one has, by number, the first that stands elsewhere, and doubts."""

    stored: tuple[Line, ...] = ()
    running: tuple[tuple[int, Line], ...] = ()
    moved: Sequence[Line] = ()
    doubts: tuple[tuple[Line, Line], ...] = ()


def load(texts: Iterable[tuple[str, str]]) -> Rules:
    """Given names and texts that are loaded one after the other (iptables-restore -n), return what comes of it.

    Raise ParseError naming the line of another form.
    """
    made = Rules({}, {})
    for source, text in texts:
        table = ""
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                table = _load_line(made, table, source, line.strip())
            except (ValueError, KeyError, IndexError) as error:
                raise ParseError(source, number, line, f"a rule of another form ({error!r})") from error
    return made


def _load_line(made: Rules, table: str, source: str, line: str) -> str:
    """Load a line into a table, and return the table that the next one is for. Raise ValueError, KeyError, IndexError.

    A chain of one's own that is declared is emptied; a built-in one keeps its rules and gets its policy.
    """
    if not line or line.startswith("#") or line == "COMMIT":
        return table
    if line.startswith("*"):
        return line[1:].strip()
    words = line.split()
    if line.startswith(":"):
        place = (table, words[0][1:])
        if words[1] == "-":
            made.chains[place] = []
        else:
            made.policies[place] = words[1]
            made.chains.setdefault(place, [])
        return table
    words = words[1:] if words[0].startswith("[") else words  # with counters: [packets:bytes] -A CHAIN ...
    rules, text = made.chains[table, words[1]], line.partition(f" {words[1]}")[2].strip()
    if words[0] == "-I":
        number, _blank, rest = text.partition(" ")
        at, text = (int(number), rest) if number.isdigit() else (1, text)
        rules.insert(at - 1, _line(source, text))
    elif words[0] == "-A":
        rules.append(_line(source, text))
    else:
        raise ValueError(f"{words[0]} is not followed")
    return table


def _line(source: str, text: str) -> Line:
    """Given a rule, return it; one of another form is a doubt of its own."""
    try:
        options = {item for part in split_parts(words_of(text)) for item in _items(part)} - _DEFAULTS
    except (ValueError, IndexError):
        options = {("rule", text)}
    exact = frozenset(item for item in options if item[0].lstrip("! ") in _EXACT)
    return Line(text, source, exact, frozenset(options) - exact)


def _items(part: Part) -> Iterator[tuple[str, str]]:
    """Given a part of a rule, return its options, each with its value. That a match is loaded says nothing by itself
    where it has options, or is the protocol's own.
    """
    basic = part.kind != "-m"
    if basic or not (part.options or part.name.replace("icmp6", "icmpv6") in PROTOCOLS):
        yield from _item(Option(part.kind, (part.name,), part.negated))
    for option in part.options:
        yield from _item(option)


def _item(option: Option) -> Iterator[tuple[str, str]]:
    name, value = _SPELLED.get(option.name, option.name), " ".join(option.words)
    if name == "--syn":
        name, value = "--tcp-flags", "FIN,SYN,RST,ACK SYN"
    value = _value(name, value)
    if value or name not in ("-p", "-s", "-d"):
        yield ("! " if option.negated else "") + name, value


def _value(name: str, value: str) -> str:
    """Given an option's value, return it in one form; empty for a protocol or address that says nothing."""
    if name in ("-s", "-d"):
        net = ipaddress.ip_network(value, strict=False)
        return str(net) if net.prefixlen else ""
    if name == "-p":
        return "" if value in ("all", "0") else str(PROTOCOLS.get(value.lower(), value))
    if name in ("--ctstate", "--state"):
        return ",".join(sorted(value.split(",")))
    if name == "--limit":
        count, _slash, unit = value.partition("/")
        return f"{count}/{unit[:1] or 's'}"
    return _TYPES.get(name, {}).get(value, value)


def compare(stored: list[Line], running: list[Line]) -> Apart:
    """Given what is stored for a chain and what runs in it, return how they differ, in order too."""
    if [line.key for line in stored] == [line.key for line in running]:
        return Apart(doubts=tuple((one, other) for one, other in zip(stored, running) if one.others != other.others))
    there, here = Counter(line.key for line in running), Counter(line.key for line in stored)
    missing = tuple(_beyond(enumerate(stored, start=1), there))
    added = tuple(_beyond(enumerate(running, start=1), here))
    common = zip(_without(stored, missing), _without(running, added))
    moved = next(((one, other) for one, other in common if one.key != other.key), ())
    return Apart(tuple(line for _number, line in missing), added, moved)


def _beyond(lines: Iterable[tuple[int, Line]], others: Counter[tuple[object, ...]]) -> Iterator[tuple[int, Line]]:
    """Given numbered rules, return those that are not among the others, or not as often."""
    left = Counter(others)
    for number, line in lines:
        if left[line.key] > 0:
            left[line.key] -= 1
        else:
            yield number, line


def _without(lines: list[Line], gone: tuple[tuple[int, Line], ...]) -> list[Line]:
    numbers = {number for number, _line in gone}
    return [line for number, line in enumerate(lines, start=1) if number not in numbers]
