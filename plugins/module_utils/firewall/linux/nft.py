# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``nft -j list ruleset`` prints, as tables (format: libnftables-json(5); nft 0.9.8 to 1.1 are recorded).

The JSON is the truth, also for what iptables-nft loaded; only the extensions (``xt``) that it names without their
content are taken from iptables-nft-save. Up to 1.0.6 it does not tell which tables are dormant and which devices a
chain sits on: the text of ``nft -t list ruleset`` does. What decides and is not modelled becomes a ``Gap``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

from ...errors import ParseError
from ...finding import EMPTY
from ..model import ruleset as to
from ..model.ruleset import Chain, Doubt, FilterRule, Gap, Ruleset, Table, Verdict
from .nft_statements import NOT_SHOWN, changes_of, read_rule
from .nft_values import ODD, NotModelled, Objects

SOURCE = "nft -j list ruleset"
MOST = 16 << 20  # characters of JSON: 150,000 elements and more, or 45,000 rules; beyond it reading takes much memory
XTABLES_NAMES = ("filter", "nat", "mangle", "raw", "security")
_SHOWN = 200  # characters of what could not be read

# Seen to print the limits that go with elements added by rules: 1.0.6 does, 0.9.8 does not.
_TELLS_LIMITS = (1, 0, 6)
_SOME_DEVICE = Doubt("the packet passes a device of this chain, which nft does not tell")
_HOOKS = {
    **dict.fromkeys(("ip", "ip6"), ("prerouting", "input", "forward", "output", "postrouting")),
    "inet": (to.INGRESS, "prerouting", "input", "forward", "output", "postrouting", to.EGRESS),
    "netdev": (to.INGRESS, to.EGRESS),
}
_FAMILIES: dict[Any, tuple[int, ...]] = {"ip": (4,), "ip6": (6,), "arp": (4,)}
# Objects that decide nothing by themselves: rules name them, and a statement that does so is read or a doubt (nft(8)).
_OBJECTS = {
    *("metainfo", "counter", "quota", "secmark", "synproxy", "flowtable"),
    *("ct helper", "ct timeout", "ct expectation", "tunnel"),
}
_GO_ON = (to.ACCEPT, to.RETURN, to.JUMP, to.GOTO)  # verdicts that stop nothing
_FLAGS = {"owner", "dormant", "persist"}

Named = tuple[str, str]  # family and name of a table
Place = tuple[str, str, str]  # and a chain of it
Spelled = Mapping[Place, list[tuple[FilterRule, ...]]]  # the rules of the model for each line of iptables-nft-save
ODD_FAMILY = -1
# What nft leaves out before a test of the IP header, as it would be in JSON.
_FRAMED = {
    "match": {
        "op": "==",
        "left": {"payload": {"protocol": "ether", "field": "type"}},
        "right": {"set": ["ip", "ip6"]},
    }
}
# Lines of the code of rules (``inet f i 7 6``, then a line for each expression).
_PLACE = re.compile(r"(\w+) (\S+) (\S+) (\d+)(?: \d+)? *")
_FAMILY = re.compile(r".*\[ cmp eq reg \d+ 0x0*([2a]) \]")
_FRAME = re.compile(r" *\[ cmp eq reg \d+ 0x0*1 \]")  # ARPHRD_ETHER


class Listing(NamedTuple):
    """What only the text tells: the flags of tables, and the devices of chains at ingress and egress.

    ``families`` has, where the code of rules was asked for, by table, chain and handle the family that a rule asks for:
    4, 6, 0 for none, and ODD_FAMILY where it is asked for in another way. ``framed`` are, by the same, the rules that
    ask for an Ethernet frame.
    """

    flags: Mapping[Named, frozenset[str]] = EMPTY
    devices: Mapping[Place, tuple[str, ...]] = EMPTY
    families: Mapping[tuple[str, ...], int] = EMPTY
    framed: frozenset[tuple[str, ...]] = frozenset()


class Draft:
    """A table while the entries of the JSON are read."""

    def __init__(self, flags: Any, objects: Objects) -> None:
        self.flags, self.objects = flags, objects
        self.chains: dict[str, dict[str, Any]] = {}
        self.rules: dict[str, list[dict[str, Any]]] = {}


def parse_nft(
    text: str,
    listing: str = "",
    spelled: Spelled = EMPTY,
    links: Mapping[str, int] = EMPTY,
    known: Iterable[Named] = (),
) -> Ruleset:
    """Given the JSON of a ruleset, the terse text of it where that was needed, what iptables-nft-save spells out, the
    numbers of the interfaces and which tables the kernel has, return tables, gaps, and which tables were not seen.

    Raise ParseError where it is of another form, or larger than what is read.
    """
    if len(text) > MOST:
        raise ParseError(SOURCE, 1, text, f"{len(text) >> 20} MiB of rules, more than the {MOST >> 20} that are read")
    try:
        entries = [entry for line in text.strip().split("\n") for entry in json.loads(line)["nftables"]]
    except (*ODD, RecursionError) as error:
        raise ParseError(SOURCE, 1, text, f"not the JSON of a ruleset ({error!r})") from error
    drafts: dict[Named, Draft] = {}
    gaps = [gap for entry in entries for gap in _collect(drafts, entry, links)]
    shown, version = read_listing(listing), _version(entries)
    tables: list[Table] = []
    for place, draft in drafts.items():
        try:
            table, more = _table(place, draft, shown, spelled, version)
        except ODD as error:  # a chain of another form
            gaps.append(Gap(f"table {' '.join(place)} cannot be read: {error!r}", _families(place)))
            continue
        tables.append(table)
        gaps += more
    unseen: dict[int, tuple[str, ...]] = {}
    for place in [place for place in dict.fromkeys([*shown.flags, *known]) if place not in drafts]:
        if "dormant" in shown.flags.get(place, ()):
            tables.append(Table(to.NFT, *place, dormant=True))
            continue
        for family in _families(place):
            why = f"nft does not print the table {' '.join(place)}, which the kernel has, as whole JSON"
            unseen[family] = (*unseen.get(family, ()), why)
    return Ruleset(tuple(tables), unseen, tuple(dict.fromkeys(gaps)))


def _version(entries: list[Any]) -> tuple[int, ...]:
    """Return the version of nft that printed the entries; the lowest where it does not say."""
    known = [entry["metainfo"] for entry in entries if isinstance(entry, dict) and "metainfo" in entry]
    text = str(known[0].get("version", "")) if known and isinstance(known[0], dict) else ""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _collect(drafts: dict[Named, Draft], entry: Any, links: Mapping[str, int]) -> Iterable[Gap]:
    """Given one entry of the list, put it where it belongs. What cannot be read, or is not known, is a gap."""
    try:
        ((kind, body),) = entry.items()
        if kind == "table":
            place = str(body["family"]), str(body["name"])
            drafts[place] = Draft(body.get("flags"), Objects(place[0], links))
        elif kind not in _OBJECTS:
            _place(drafts[str(body["family"]), str(body["table"])], kind, body)
    except ODD as error:
        yield Gap(f"nft lists what is not modelled ({error!r}): {str(entry)[:_SHOWN]}")


def _families(place: Named) -> tuple[int, ...]:
    return _FAMILIES.get(place[0], (4, 6))


def _place(draft: Draft, kind: str, body: dict[str, Any]) -> None:
    if kind == "chain":
        draft.chains[str(body["name"])] = body
    elif kind in ("set", "map", "limit"):
        draft.objects.bodies["set" if kind == "map" else kind, body["name"]] = body
    elif kind == "rule":
        draft.rules.setdefault(str(body["chain"]), []).append(body)
    else:
        raise ValueError(f"the kind {kind!r}")


def _table(
    place: Named, draft: Draft, shown: Listing, spelled: Spelled, version: tuple[int, ...]
) -> tuple[Table, list[Gap]]:
    """Given what was listed of a table, return it, and what of it is not modelled."""
    family, name = place
    flags = _flags(draft.flags, shown.flags.get(place))
    for rules in draft.rules.values():
        draft.objects.changed.update(filter(None, (_changes(part) for rule in rules for part in _parts(rule))))
    of_iptables = family in ("ip", "ip6") and name in XTABLES_NAMES and any(map(_is_iptables, draft.chains.values()))
    draft.objects.families_known = bool(shown.families)
    reader = _Rules(place, draft, spelled, shown, version, numbered=of_iptables)
    chains = {
        chain: _chain(chain, body, reader.rules(chain), shown.devices.get((*place, chain), ()))
        for chain, body in draft.chains.items()
    }
    table = Table(to.XTABLES if of_iptables else to.NFT, family, name, chains, dormant="dormant" in (flags or ()))
    if table.dormant:
        return table, []
    gaps = [Gap(f"table {table} has flags that nft does not tell", _families(place))]
    return table, [*(gaps if flags is None else []), *_gaps(table, draft.chains)]


def _flags(given: Any, shown: Optional[frozenset[str]]) -> Optional[frozenset[str]]:
    """Given the flags of a table as JSON and text tell them, return them, None where neither does.

    Up to 1.0.6 the JSON has some other word there; a list of words is what later ones print.
    """
    if given is None:
        return frozenset()
    if isinstance(given, list) and _FLAGS.issuperset(map(str, given)):
        return frozenset(given)
    return shown or None  # it has some


def _is_iptables(chain: dict[str, Any]) -> bool:
    """Return whether a chain is one of those that iptables-nft makes for the kernel's hooks."""
    return bool(chain["name"]) and str(chain.get("hook", "")).upper() == str(chain["name"])


def _parts(rule: dict[str, Any]) -> list[Any]:
    statements = rule.get("expr")
    return [part for part in statements if isinstance(part, dict)] if isinstance(statements, list) else []


def _changes(statement: dict[str, Any]) -> Optional[str]:
    try:
        return changes_of(statement)
    except ODD:  # of another form: the rule itself is unknown
        return None


class _Rules(NamedTuple):
    """Reading the rules of one table. ``numbered``: named by their place in the chain, as iptables names them."""

    place: Named
    draft: Draft
    spelled: Spelled
    shown: Listing
    version: tuple[int, ...]
    numbered: bool

    def rules(self, chain: str) -> list[FilterRule]:
        """Given a chain, return its rules as the model has them.

        Those with extensions are taken from iptables-nft-save where it prints as many rules as there are.
        """
        listed, spelled = self.draft.rules.get(chain, []), self.spelled.get((*self.place, chain), [])
        beside = spelled if len(spelled) == len(listed) else [() for _rule in listed]
        pairs = enumerate(zip(listed, beside), start=1)
        return [rule for number, (raw, saved) in pairs for rule in self._rule(raw, saved, chain, number)]

    def _rule(self, raw: dict[str, Any], saved: tuple[FilterRule, ...], chain: str, number: int) -> list[FilterRule]:
        where = " ".join((*self.place, chain, f"rule {number}" if self.numbered else f"handle {raw.get('handle')}"))
        comment = str(raw.get("comment", ""))
        try:
            statements = [_with_gaps(statement, self.version) for statement in raw.get("expr", [])]
            statements = [*self._hidden((*self.place, chain, str(raw.get("handle"))), statements), *statements]
            rules = read_rule(where, statements, self.draft.objects, comment)
        except (*ODD, NotModelled, RecursionError):
            # one rule of another form must not hide the others: what it does is unknown, and it says so
            text = str(raw.get("expr"))[:_SHOWN]
            return [FilterRule(where, text, (Doubt(text),), (), Verdict(to.AWAY), comment=comment)]
        if saved and any("xt" in statement for statement in statements):
            return [rule._replace(where=where, packets=_counted(statements)) for rule in saved]
        return rules

    def _hidden(self, place: tuple[str, ...], statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Given a rule's place and statements, return the tests that only its code shows."""
        hidden = [_FRAMED] if place in self.shown.framed else []
        if self.shown.families and any((part.get("reject") or {}).get("type") == "tcp reset" for part in statements):
            hidden += _of_family(self.shown.families.get(place, ODD_FAMILY))
        return hidden


def _of_family(asked: int) -> list[dict[str, Any]]:
    """Given the family that the code of a rule asks for, return the test, which nft may leave out of it."""
    if asked == ODD_FAMILY:
        return [{NOT_SHOWN: "which family it is of"}]
    return [{"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": f"ipv{asked}"}}] if asked else []


def _counted(statements: list[dict[str, Any]]) -> Optional[int]:
    counters = [statement["counter"] for statement in statements if isinstance(statement.get("counter"), dict)]
    return counters[0].get("packets") if counters else None


def _with_gaps(statement: dict[str, Any], version: tuple[int, ...]) -> dict[str, Any]:
    """Given a statement, return it with a mark where this version of nft leaves out the limit of set elements."""
    if "set" not in statement or version >= _TELLS_LIMITS:
        return statement
    return {"set": {**statement["set"], "stmt": [{NOT_SHOWN: "whether a limit goes with the element"}]}}


def _chain(name: str, body: dict[str, Any], rules: list[FilterRule], shown: tuple[str, ...]) -> Chain:
    hook, policy = str(body.get("hook", "")), str(body.get("policy", to.ACCEPT))
    given = body.get("dev", shown)
    devices = (given,) if isinstance(given, str) else tuple(map(str, given))
    if hook in (to.INGRESS, to.EGRESS) and not devices and policy in (to.ACCEPT, to.DROP):
        rules = [rule._replace(tests=(_SOME_DEVICE, *rule.tests)) for rule in rules]
        rules += [FilterRule(name, f"policy {policy}", (_SOME_DEVICE,), (), Verdict(policy), implied=True)]
        policy = to.ACCEPT
    return Chain(name, tuple(rules), hook, int(body.get("prio", 0)), policy, devices, body.get("type") == "nat")


def _gaps(table: Table, bodies: Mapping[str, dict[str, Any]]) -> Iterable[Gap]:
    """Given a table, return its base chains that are not on the way of packets as the model knows it, and may stop any:
    those of bridges and of ARP, and those at hooks or with policies that are not known.
    """
    for chain in table.chains.values():
        if not chain.hook or (chain.hook in _HOOKS.get(table.family, ()) and chain.policy in (to.ACCEPT, to.DROP)):
            continue
        rules = [rule for reached in table.reached_from(chain.name) for rule in reached.rules]
        stops = any(rule.verdict is not None and rule.verdict.kind not in _GO_ON for rule in rules)
        if stops or chain.policy != to.ACCEPT or any(rule.effects for rule in rules):
            text = f"{table} {chain.name} (hook {chain.hook}, policy {chain.policy})"
            yield Gap(f"{text} may stop packets, and is not modelled", _families((table.family, table.name)))


def read_listing(text: str) -> Listing:
    """Given what ``nft -t list ruleset`` prints, return the flags of its tables and the devices of its chains.

    With ``--debug=netlink`` it prints the code of each rule before: its place, and then a line for each expression.
    """
    flags: dict[Named, frozenset[str]] = {}
    devices: dict[Place, tuple[str, ...]] = {}
    place, chain = ("", ""), ""
    for line in re.sub(r'comment "[^"]*"', "", text).splitlines():  # a comment may hold any line
        words = line.replace('"', " ").split()
        if line.startswith("table ") and len(words) > 2:
            place = (words[1], words[2])
            flags[place] = frozenset()
        elif line.startswith("\tchain ") and len(words) > 1:
            chain = words[1]
        elif line.startswith("\tflags "):
            flags[place] = frozenset(" ".join(words[1:]).replace(",", " ").split())
        elif found := re.match(r"\t\ttype \w+ hook \w+ devices? (.*) priority ", line):
            devices[(*place, chain)] = tuple(re.findall(r'[^\s",={}]+', found[1]))
    return Listing(flags, devices, *_code_of_rules(text))


def _code_of_rules(text: str) -> tuple[dict[tuple[str, ...], int], frozenset[tuple[str, ...]]]:
    """Given the code of rules, return which family each asks for, and which of them ask for an Ethernet frame."""
    families: dict[tuple[str, ...], int] = {}
    framed: set[tuple[str, ...]] = set()
    place: tuple[str, ...] = ()
    lines = text.splitlines()
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""]):
        if found := _PLACE.fullmatch(line):
            place = found.groups()
            families[place] = 0
        elif place and "[ meta load nfproto " in before:
            found = _FAMILY.fullmatch(line)
            families[place] = {"2": 4, "a": 6}[found[1]] if found and not families[place] else ODD_FAMILY
        elif place and "[ meta load iiftype " in before and _FRAME.fullmatch(line) and " @ link header " in after:
            framed.add(place)
    return families, frozenset(framed)


def needs_iptables(text: str) -> bool:
    """Given the JSON of a ruleset, return whether iptables-nft wrote rules that only iptables-nft-save spells out."""
    return '"xt"' in text


def needs_listing(text: str) -> bool:
    """Given the JSON of a ruleset, return whether it may leave out what the text tells: flags, devices, families."""
    found = re.search(r'"table": \{[^{}]*"flags"|"hook": "(in|e)gress"', text)
    return found is not None or needs_code(text) or not is_whole(text)


def needs_code(text: str) -> bool:
    """Given the JSON of a ruleset, return whether only the code of its rules tells which families they ask for.

    It leaves that out of each rule of an inet table that resets TCP (seen: 1.0.6 and 1.1.3, JSON and text).
    """
    return '"tcp reset"' in text and '"family": "inet"' in text


def is_whole(text: str) -> bool:
    """Return whether JSON does not end in the middle."""
    return text.rstrip().endswith("]}")
