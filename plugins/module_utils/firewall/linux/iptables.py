# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What iptables-save and its relatives print, as tables; also the rule files that ufw hands to iptables-restore.

The same text comes from the nft and the legacy back end, for IPv4 and IPv6. Format: iptables-save(8), iptables(8),
iptables-extensions(8). A rule of another form costs that rule; where a table's frame is broken, nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple, Optional

from ...errors import ParseError
from ..model.intervals import TOP, spanning
from ..model.ruleset import (
    ACCEPT,
    AWAY,
    CONNECTION_STATES,
    DIVERT,
    DROP,
    JUMP,
    REJECT,
    RETURN,
    TRANSLATE,
    UNKNOWN,
    XTABLES,
    Chain,
    Doubt,
    Effect,
    FilterRule,
    Match,
    Table,
    Test,
    Verdict,
)
from ..model.ruleset import GOTO as TO_CHAIN
from .ipset import IpSets, number_of, whole_lines
from .iptables_tests import GOTO, TARGET, Around, Part, opens_only, read_tests, split_parts, words_of

# Priority of the built-in chains (enum nf_ip_hook_priorities); iptables-nft has another one for `security` (kernel).
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_SECURITY_OF_NFT, _NAT_SOURCE = 150, 100
_HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_FAMILIES = {4: "ip", 6: "ip6"}
_POLICIES = {"ACCEPT": ACCEPT, "DROP": DROP}
_RULE = re.compile(r"(?:\[(\d+):\d+\] )?-(A|I) (\S+) ?(.*)", re.DOTALL)
_COUNTERS = re.compile(r"(?:^| )(?:-c|--set-counters) (\d+) \d+(?= |$)")
_MANY_WAYS = 16  # model rules that one line may stand for

Lines = dict[tuple[str, str], list[tuple[FilterRule, ...]]]


class Dump(NamedTuple):
    """The text of one run of a save command: which back end and family (4 or 6) it is of, and the sets it may name."""

    backend: str
    family: int
    text: str
    ipsets: IpSets
    source: str = "iptables-save"


class _Block(NamedTuple):
    """A table as it is read: the policies of its chains, and per line of each chain the rules it stands for."""

    name: str
    policies: dict[str, str]
    lines: dict[str, list[tuple[FilterRule, ...]]]


def parse_save(dump: Dump) -> tuple[Table, ...]:
    """Given the output of a save command, return its tables. Raise ParseError naming the line of another form."""
    return tuple(_table(dump, block) for block in _blocks(dump))


def parse_lines(dump: Dump) -> Lines:
    """Given the output of a save command, return by table and chain the rules that each of its lines stands for."""
    return {(block.name, chain): lines for block in _blocks(dump) for chain, lines in block.lines.items()}


def rules_of(tables: tuple[Table, ...], chain: str) -> Iterator[FilterRule]:
    """Given tables, return the rules of the filter table's chain of that name."""
    for table in tables:
        if table.name == "filter" and chain in table.chains:
            yield from table.chains[chain].rules


def _blocks(dump: Dump) -> Iterator[_Block]:
    block, number, line = None, 0, ""
    for number, line in whole_lines(dump.text):
        if not line or line.startswith("#"):
            continue
        if line.startswith("*") and block is None:
            block = _Block(line[1:].strip(), {}, {})
            _expect(dump, number, line, block.name in _PRIORITIES, "a table that iptables does not have")
        elif block is None:
            raise ParseError(dump.source, number, line, "a table does not begin with *NAME")
        elif line.strip() == "COMMIT":
            yield block
            block = None
        elif line.startswith(":"):
            _declare(dump, block, number, line)
        else:
            _add_rule(dump, block, number, line)
    _expect(dump, number, line, block is None, "the table does not end with COMMIT")


def _expect(dump: Dump, number: int, line: str, right: bool, reason: str) -> None:
    if not right:
        raise ParseError(dump.source, number, line, reason)


def _declare(dump: Dump, block: _Block, number: int, line: str) -> None:
    """Given a line that declares a chain (``:INPUT DROP [0:0]``), note its policy."""
    name, policy = [*line[1:].split(), "", ""][:2]
    built_in = name in _HOOKS
    _expect(dump, number, line, policy in _POLICIES if built_in else policy == "-", "a chain of another form")
    block.policies[name] = policy
    block.lines[name] = []


def _table(dump: Dump, block: _Block) -> Table:
    chains = {name: _chain(dump.backend, block, name) for name in block.policies}
    return Table(dump.backend, _FAMILIES[dump.family], block.name, chains)


def _chain(backend: str, block: _Block, name: str) -> Chain:
    rules = tuple(rule for line in block.lines[name] for rule in line)
    if name not in _HOOKS:
        return Chain(name, rules)
    priority = _PRIORITIES[block.name]
    if block.name == "nat" and name in ("INPUT", "POSTROUTING"):
        priority = _NAT_SOURCE
    elif block.name == "security" and backend == XTABLES:
        priority = _SECURITY_OF_NFT
    return Chain(name, rules, name.lower(), priority, _POLICIES[block.policies[name]], nat=block.name == "nat")


def _add_rule(dump: Dump, block: _Block, number: int, line: str) -> None:
    found = _RULE.fullmatch(line)
    if found is None or found[3] not in block.lines:
        raise ParseError(dump.source, number, line, "no rule of a chain of this table")
    lines = block.lines[found[3]]
    place = len(lines) if found[2] == "A" else 0
    where = f"{_FAMILIES[dump.family]} {block.name} {found[3]} rule {place + 1}"
    inline = _COUNTERS.search(found[4]) if '"' not in found[4] else None
    text = found[4] if inline is None else found[4].replace(inline[0], "", 1).strip()
    counted = found[1] or (inline[1] if inline is not None else None)
    rule = FilterRule(where, text, packets=None if counted is None else int(counted))
    lines.insert(place, _read(dump, block, found[3], rule))


def _read(dump: Dump, block: _Block, chain: str, rule: FilterRule) -> tuple[FilterRule, ...]:
    """Given a rule with its text, return the rules of the model that it stands for; at most one fits a packet."""
    try:
        parts = list(split_parts(words_of(rule.text)))
    except (ValueError, IndexError):
        return (rule._replace(tests=(Doubt(rule.text),), verdict=Verdict(UNKNOWN)),)
    outcomes = _outcomes(parts, block, chain)
    closes = all(out.verdict.kind in (DROP, REJECT) if out.verdict else not out.effects for out in outcomes)
    around = Around(dump.family, dump.ipsets, closes, opens_only(parts))
    ways = [read_tests(part, around) for part in parts]
    count = len(outcomes)
    for each in ways:
        count *= len(each)
    if count > _MANY_WAYS:
        return (rule._replace(tests=(Doubt(rule.text),), verdict=Verdict(UNKNOWN)),)
    comments = [
        option.value for part in parts if part.kind == "-m" for option in part.options if option.name == "--comment"
    ]
    whole = [tuple(test for way in each for test in way) for each in product(*ways)]
    return tuple(
        rule._replace(tests=(*tests, *out.tests), effects=out.effects, verdict=out.verdict, comment=" ".join(comments))
        for tests in whole
        for out in outcomes
    )


class Outcome(NamedTuple):
    """What a target does to a packet, and for which ones it does so."""

    tests: tuple[Test, ...] = ()
    effects: tuple[Effect, ...] = ()
    verdict: Optional[Verdict] = None


_UNKNOWN = [Outcome(verdict=Verdict(UNKNOWN))]
_PLAIN = {"ACCEPT": ACCEPT, "DROP": DROP, "RETURN": RETURN}
_VERDICTS = {"REJECT": REJECT, "SNAT": TRANSLATE, "MASQUERADE": TRANSLATE, "TPROXY": AWAY}
# What neither decides nor changes anything that rules look at and the model knows.
_HARMLESS = {
    *("LOG", "NFLOG", "ULOG", "AUDIT", "TRACE", "LED", "RATEEST", "IDLETIMER", "TEE"),
    *("CLASSIFY", "DSCP", "TOS", "ECN", "TCPMSS", "TCPOPTSTRIP", "CHECKSUM"),
}
_FAR = 32  # a packet that leaves with so many hops to go arrives
_ALL_BITS = 0xFFFFFFFF
_SAME = "same"


def _outcomes(parts: list[Part], block: _Block, chain: str) -> list[Outcome]:
    """Given the parts of a rule, return what it does; its verdict is unknown where that may be anything.

    So it is with a target that is not listed or has options of another form, and with two of them: a name may hold
    words that look like one (``recent --name "x -j ACCEPT"`` is printed without quotes).
    """
    targets = [part for part in parts if part.kind in (TARGET, GOTO)]
    restored = any(part.name == "socket" and part.option("--restore-skmark") for part in parts)
    effects = (Effect("mark", None),) if restored else ()
    if not targets:
        return [Outcome(effects=effects)]
    target = targets[0]
    if len(targets) > 1 or restored:
        return [Outcome(effects=effects, verdict=Verdict(UNKNOWN))]
    if target.name in block.lines:
        return [Outcome(verdict=Verdict(JUMP if target.kind == TARGET else TO_CHAIN, target.name))]
    if target.name in _PLAIN:
        return _UNKNOWN if target.options else [Outcome(verdict=Verdict(_PLAIN[target.name]))]
    if target.name == "NETMAP":
        return [Outcome(verdict=Verdict(TRANSLATE if chain in ("INPUT", "POSTROUTING") else AWAY))]
    if target.name in _VERDICTS:
        return [Outcome(verdict=Verdict(_VERDICTS[target.name]))]
    try:
        return [Outcome()] if target.name in _HARMLESS else _TARGETS[target.name](target)
    except (KeyError, ValueError, IndexError):
        return _UNKNOWN


def _word(part: Part, *names: str) -> str:
    option = part.option(*names)
    return option.value if option is not None else ""


def _mark(field: str) -> Callable[[Part], list[Outcome]]:
    return lambda part: [Outcome(effects=(_marked(field, part),))]


def _marked(field: str, part: Part) -> Effect:
    """``--set-xmark value/mask`` is ``(old & ~mask) ^ value``: foretold where the value lies within the mask.

    The other spellings are those of who wrote the rule; iptables-save prints this one.
    """
    (option,) = part.options
    value, slash, mask = option.value.partition("/")
    number, bits = int(value, 0), int(mask, 0) if slash else _ALL_BITS
    forms = {
        "--set-xmark": (number, bits),
        "--set-mark": (number, number | bits),
        "--and-mark": (0, ~number & _ALL_BITS),
        "--or-mark": (number, number),
        "--xor-mark": (number, 0),
    }
    number, bits = forms[option.name]
    return Effect(field, number, bits) if number & ~bits == 0 else Effect(field, None)


def _connection_mark(part: Part) -> list[Outcome]:
    """``--save-mark`` and ``--restore-mark`` copy one mark to the other, where there is a connection.

    Of what is copied only "no bit at all" is followed.
    """
    saves = part.option("--save-mark") is not None
    if not saves and part.option("--restore-mark") is None:
        return _mark("ct_mark")(part)
    packet, entry = (int(_word(part, name, "--mask") or "0xffffffff", 0) for name in ("--nfmask", "--ctmask"))
    source, bits, target, changed = ("mark", packet, "ct_mark", entry) if saves else ("ct_mark", entry, "mark", packet)
    nothing = Match((source,), ((spanning(0, 0),),), f"no bit of {bits:#x} in {source}", mask=bits)
    something = Match((source,), (((1, TOP),),), f"a bit of {bits:#x} in {source}", mask=bits)
    return [Outcome((nothing,), (Effect(target, 0, changed),)), Outcome((something,), (Effect(target, None),))]


def _tracking(part: Part) -> list[Outcome]:
    """``CT``: without tracking, or with a helper; what a zone is for cannot be foretold."""
    if part.name == "NOTRACK" or part.option("--notrack"):
        return [Outcome(effects=(Effect("ct_state", CONNECTION_STATES["untracked"]),))]
    harmless = {"--helper", "--timeout", "--ctevents", "--expevents"}
    return [Outcome()] if {option.name for option in part.options} <= harmless else _UNKNOWN


def _dnat(part: Part) -> list[Outcome]:
    text = _word(part, "--to-destination")
    address, port = text, ""
    if text.startswith("["):
        address, _bracket, port = text[1:].partition("]")
    elif text.count(":") == 1:
        address, _colon, port = text.partition(":")
    port = port.lstrip(":")
    if "-" in address or "-" in port or "/" in port:
        return [Outcome(verdict=Verdict(AWAY))]
    number = number_of(address, 6 if ":" in address else 4) if address else None
    return [Outcome(verdict=Verdict(DIVERT, "" if address else _SAME, number, int(port) if port else None))]


def _redirect(part: Part) -> list[Outcome]:
    ports = _word(part, "--to-ports", "--to-port")
    if "-" in ports:
        return [Outcome(verdict=Verdict(AWAY))]
    return [Outcome(verdict=Verdict(DIVERT, "", None, int(ports) if ports else None))]


def _hops(part: Part) -> list[Outcome]:
    (option,) = part.options
    far = option.name.endswith("-inc") or (option.name.endswith("-set") and int(option.value) >= _FAR)
    return [Outcome()] if far else _UNKNOWN


def _set_changed(part: Part) -> list[Outcome]:
    """``SET``: who is in a set from now on is not known, and rules may ask; ``--map-mark`` gives an element's mark."""
    mapped = [option.name for option in part.options]
    if mapped[:1] != ["--map-set"]:
        return _UNKNOWN
    return [Outcome(effects=(Effect("mark", None),) if "--map-mark" in mapped else ())]


_TARGETS: dict[str, Callable[[Part], list[Outcome]]] = {
    "MARK": _mark("mark"),
    "HMARK": lambda _part: [Outcome(effects=(Effect("mark", None),))],
    "CONNMARK": _connection_mark,
    "CT": _tracking,
    "NOTRACK": _tracking,
    "DNAT": _dnat,
    "REDIRECT": _redirect,
    "SET": _set_changed,
    "TTL": _hops,
    "HL": _hops,
}
