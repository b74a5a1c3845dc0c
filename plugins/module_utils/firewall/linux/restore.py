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
from functools import lru_cache
from typing import NamedTuple

from ...errors import ParseError
from ..model.ruleset import PROTOCOLS
from .iptables_options import Option, Part, split_parts, words_of

Place = tuple[str, str]  # a table and one of its chains
Item = tuple[str, str]  # an option and its value
Key = tuple[frozenset[Item], frozenset[str]]
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


class StoredRule(NamedTuple):
    """A rule, and the file that it is from."""

    text: str
    source: str


class Rules(NamedTuple):
    """Policies and rules by table and chain."""

    policies: dict[Place, str]
    chains: dict[Place, list[StoredRule]]


class Apart(NamedTuple):
    """How two lists of rules differ: what only one has, by number, the first that stands elsewhere, and doubts."""

    stored: tuple[StoredRule, ...] = ()
    running: tuple[tuple[int, StoredRule], ...] = ()
    moved: Sequence[StoredRule] = ()
    doubts: tuple[tuple[StoredRule, StoredRule], ...] = ()


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
    if line.startswith("*"):
        return line[1:].strip()
    if line.startswith(":"):
        chain, policy = line[1:].split()[:2]
        made.chains[table, chain] = [] if policy == "-" else made.chains.get((table, chain), [])
        made.policies.update({} if policy == "-" else {(table, chain): policy})
    elif line and not line.startswith("#") and line != "COMMIT":
        # with counters: [packets:bytes] -A CHAIN ...
        action, chain, text = (line.partition("] ")[2] if line.startswith("[") else line).split(None, 2)
        rules, place = made.chains[table, chain], len(made.chains[table, chain])
        if action == "-I":
            number, _space, rest = text.partition(" ")
            place, text = (int(number) - 1, rest) if number.isdigit() else (0, text)
        elif action != "-A":
            raise ValueError(f"{action} is not followed")
        rules.insert(place, StoredRule(text, source))
    return table


class _Form(NamedTuple):
    """A rule's options in one form, and those that no form is known for."""

    options: frozenset[Item]
    others: frozenset[Item]

    @property
    def key(self) -> Key:
        """What two spellings of a rule have in common for certain."""
        return self.options, frozenset(name for name, _value in self.others)


@lru_cache(maxsize=1 << 16)
def _form(text: str) -> _Form:
    """Given a rule, return its form; one that cannot be read is a doubt of its own."""
    try:
        options = {item for part in split_parts(words_of(text.replace("'", '"'))) for item in _items(part)} - _DEFAULTS
    except (ValueError, IndexError):
        options = {("rule", text)}
    exact = frozenset(item for item in options if item[0].lstrip("! ") in _EXACT)
    return _Form(exact, frozenset(options) - exact)


def _items(part: Part) -> Iterator[Item]:
    """Given a part of a rule, return its options, each with its value. That a match is loaded says nothing by itself
    where it has options, or is the protocol's own.
    """
    basic = part.kind != "-m"
    if basic or not (part.options or part.name.replace("icmp6", "icmpv6") in PROTOCOLS):
        yield from _item(Option(part.kind, (part.name,), part.negated))
    for option in part.options:
        yield from _item(option)


def _item(option: Option) -> Iterator[Item]:
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


def compare(stored: list[StoredRule], running: list[StoredRule]) -> Apart:
    """Given what is stored for a chain and what runs in it, return how they differ, in order too."""
    if not stored or not running:
        return Apart(tuple(stored), tuple(enumerate(running, start=1)))
    if [line.text for line in stored] == [line.text for line in running]:
        return Apart()
    forms, others = ([_form(line.text) for line in lines] for lines in (stored, running))
    keys, there = [form.key for form in forms], [form.key for form in others]
    missing, added = _beyond(keys, there), _beyond(there, keys)
    common = [place for place in range(len(keys)) if place not in missing]
    pairs = list(zip(common, (place for place in range(len(there)) if place not in added)))
    moved = [(stored[one], running[other]) for one, other in pairs if keys[one] != there[other]]
    unsure = [(stored[one], running[other]) for one, other in pairs if forms[one].others != others[other].others]
    return Apart(
        tuple(stored[place] for place in sorted(missing)),
        tuple((place + 1, running[place]) for place in sorted(added)),
        moved[0] if moved else (),
        () if moved else tuple(unsure),
    )


def _beyond(keys: list[Key], others: list[Key]) -> set[int]:
    """Given what rules are known by, return the places of those that are not among the others, or not as often."""
    left, found = Counter(others), set[int]()
    for place, key in enumerate(keys):
        left[key] -= 1
        if left[key] < 0:
            found.add(place)
    return found
