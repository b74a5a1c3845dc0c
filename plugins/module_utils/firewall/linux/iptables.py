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
from itertools import chain as flat
from itertools import islice, product
from typing import NamedTuple, Optional

from ...errors import ParseError
from ..model import ruleset as to
from ..model.intervals import TOP, spanning
from ..model.ruleset import CONNECTION_STATES, XTABLES, Chain, Doubt, Effect, FilterRule, Match, Table, Test, Verdict
from .ipset import IpSets, number_of, whole_lines
from .iptables_options import GOTO, TARGET, Part, split_parts, words_of
from .iptables_tests import TRACKED, Around, opens_only, read_tests

# Priority of the built-in chains (enum nf_ip_hook_priorities); iptables-nft has another one for `security` (kernel).
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_SECURITY_OF_NFT, _NAT_SOURCE = 150, 100
_HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_FAMILIES = {4: "ip", 6: "ip6"}
_POLICIES = {"ACCEPT": to.ACCEPT, "DROP": to.DROP}
_RULE = re.compile(r"(?:\[(\d+):\d+\] )?-([AI]) (\S+)(?: -c (\d+) \d+)? ?(.*)", re.DOTALL)
_MANY_WAYS = 16  # rules of the model that one line may stand for

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
    return tuple(
        Table(
            dump.backend, _FAMILIES[dump.family], block.name, {name: _chain(dump, block, name) for name in block.lines}
        )
        for block in _blocks(dump)
    )


def parse_lines(dump: Dump) -> Lines:
    """Given the output of a save command, return by table and chain the rules that each of its lines stands for."""
    return {(block.name, chain): lines for block in _blocks(dump) for chain, lines in block.lines.items()}


def _blocks(dump: Dump) -> Iterator[_Block]:
    block, number, line = None, 0, ""
    lines = (entry for entry in whole_lines(dump.text) if entry[1].strip() and entry[1][0] != "#")
    for number, line in lines:
        reason = ""
        if block is None:
            block = _Block(line[1:].strip(), {}, {})
            reason = "" if line[0] == "*" and block.name in _PRIORITIES else "a table does not begin with *NAME"
        elif line.strip() == "COMMIT":
            yield block
            block = None
        elif line.startswith(":"):
            reason = _declare(block, line)
        else:
            reason = _add_rule(dump, block, line)
        if reason:
            raise ParseError(dump.source, number, line, reason)
    if block is not None:
        raise ParseError(dump.source, number, line, "the table does not end with COMMIT")


def _declare(block: _Block, line: str) -> str:
    """Given a line that declares a chain (``:INPUT DROP [0:0]``), note it. Return what is wrong with it."""
    name, policy = [*line[1:].split(), "", ""][:2]
    block.policies[name], block.lines[name] = policy, []
    return "" if policy == "-" or (name in _HOOKS and policy in _POLICIES) else "a chain of another form"


def _chain(dump: Dump, block: _Block, name: str) -> Chain:
    rules = tuple(rule for line in block.lines[name] for rule in line)
    if block.policies[name] == "-":
        return Chain(name, rules)
    priority = _PRIORITIES[block.name]
    if block.name == "nat" and name in ("INPUT", "POSTROUTING"):
        priority = _NAT_SOURCE
    elif block.name == "security" and dump.backend == XTABLES:
        priority = _SECURITY_OF_NFT
    return Chain(name, rules, name.lower(), priority, _POLICIES[block.policies[name]], nat=block.name == "nat")


def _add_rule(dump: Dump, block: _Block, line: str) -> str:
    """Given a line with a rule, add what it stands for to its chain. Return what is wrong with it."""
    found = _RULE.fullmatch(line)
    if found is None or found[3] not in block.lines:
        return "no rule of a chain of this table"
    lines = block.lines[found[3]]
    place = len(lines) if found[2] == "A" else 0
    where = f"{_FAMILIES[dump.family]} {block.name} {found[3]} rule {place + 1}"
    packets = found[1] or found[4]
    rule = FilterRule(where, found[5], packets=int(packets) if packets else None)
    lines.insert(place, _read(dump, block, found[3], rule))
    return ""


def _read(dump: Dump, block: _Block, chain: str, rule: FilterRule) -> tuple[FilterRule, ...]:
    """Given a rule with its text, return the rules of the model that it stands for; at most one fits a packet."""
    odd = (rule._replace(tests=(Doubt(rule.text),), verdict=Verdict(to.UNKNOWN)),)
    try:
        parts = split_parts(words_of(rule.text))
    except (ValueError, IndexError):
        return odd
    outcomes = _outcomes(parts, block, chain)
    closes = all(out.verdict.kind in (to.DROP, to.REJECT) if out.verdict else not out.effects for out in outcomes)
    around = Around(dump.family, dump.ipsets, closes, opens_only(parts))
    comment = " ".join(part.value("--comment") for part in parts if part.name == "comment")
    ways = list(islice(product(*(read_tests(part, around) for part in parts)), _MANY_WAYS))
    rules = tuple(
        rule._replace(
            tests=(*flat.from_iterable(way), *out.tests), effects=out.effects, verdict=out.verdict, comment=comment
        )
        for way in ways
        for out in outcomes
    )
    return rules if len(ways) < _MANY_WAYS else odd


class Outcome(NamedTuple):
    """What a target does to a packet, and for which ones it does so."""

    verdict: Optional[Verdict] = None
    effects: tuple[Effect, ...] = ()
    tests: tuple[Test, ...] = ()


_UNKNOWN, _AWAY = Outcome(Verdict(to.UNKNOWN)), Outcome(Verdict(to.AWAY))
# What neither decides nor changes anything that rules look at and the model knows.
_HARMLESS = {
    *("LOG", "NFLOG", "ULOG", "AUDIT", "TRACE", "LED", "RATEEST", "IDLETIMER", "TEE"),
    *("CLASSIFY", "CHECKSUM"),
}
# What writes into headers, which a sender does not choose from there on.
_WRITES_HEADERS = Outcome(effects=(Effect("header", None),))
_HEADERS = ("DSCP", "TOS", "ECN", "TCPMSS", "TCPOPTSTRIP")
_FAR = 32  # a packet that leaves with so many hops to go arrives


def _outcomes(parts: list[Part], block: _Block, chain: str) -> list[Outcome]:
    """Given the parts of a rule, return what it does; its verdict is unknown where that may be anything.

    So it is with a target that is not listed or has options of another form, and with two of them: a name may hold
    words that look like one (``recent --name "x -j ACCEPT"`` is printed without quotes).
    """
    targets = [part for part in parts if part.kind in (TARGET, GOTO)]
    if any(part.option("--restore-skmark") for part in parts):
        return [Outcome(Verdict(to.UNKNOWN), (Effect("mark", None),))]
    if len(targets) != 1:
        return [_UNKNOWN if targets else Outcome()]
    target = targets[0]
    if target.name in block.lines:
        return [Outcome(Verdict(to.JUMP if target.kind == TARGET else to.GOTO, target.name))]
    try:
        if target.name == "NETMAP":
            return [Outcome(Verdict(to.TRANSLATE if chain in ("INPUT", "POSTROUTING") else to.AWAY))]
        return _TARGETS[target.name](target)
    except (KeyError, ValueError, IndexError):
        return [_UNKNOWN]


def _verdict(kind: str) -> Callable[[Part], list[Outcome]]:
    return lambda _part: [Outcome(Verdict(kind))]


def _plain(kind: str) -> Callable[[Part], list[Outcome]]:
    return lambda part: [_UNKNOWN if part.options else Outcome(Verdict(kind))]


def _mark(field: str) -> Callable[[Part], list[Outcome]]:
    return lambda part: [Outcome(effects=(_marked(field, part),))]


def _marked(field: str, part: Part) -> Effect:
    """``--set-xmark value/mask``, as which iptables-save prints all spellings, is ``(old & ~mask) ^ value``: foretold
    where the value lies within the mask.
    """
    value, slash, mask = part.value("--set-xmark").partition("/")
    number, bits = int(value, 0), int(mask, 0) if slash else 0xFFFFFFFF
    return Effect(field, number, bits) if number & ~bits == 0 else Effect(field, None)


def _connection_mark(part: Part) -> list[Outcome]:
    """``--save-mark`` and ``--restore-mark`` copy one mark to the other, where there is a connection.

    Of what is copied only "no bit at all" is followed.
    """
    saves = part.option("--save-mark") is not None
    if not saves and part.option("--restore-mark") is None:
        return _mark("ct_mark")(part)
    packet, entry = (int(part.value(name, "--mask") or "0xffffffff", 0) for name in ("--nfmask", "--ctmask"))
    source, bits, copy, changed = ("mark", packet, "ct_mark", entry) if saves else ("ct_mark", entry, "mark", packet)
    nothing = Match((source,), ((spanning(0, 0),),), f"no bit of {bits:#x} in {source}", mask=bits)
    something = Match((source,), (((1, TOP),),), f"a bit of {bits:#x} in {source}", mask=bits)
    return [
        Outcome(None, (Effect(copy, 0, changed),), (TRACKED, nothing)),
        Outcome(None, (Effect(copy, None),), (TRACKED, something)),
    ]


def _tracking(part: Part) -> list[Outcome]:
    """``CT``: without tracking, or with a helper; what a zone is for cannot be foretold."""
    if part.name == "NOTRACK" or part.option("--notrack"):
        return [Outcome(effects=(Effect("ct_state", CONNECTION_STATES["untracked"]),))]
    harmless = {option.name for option in part.options} <= {"--helper", "--timeout", "--ctevents", "--expevents"}
    return [Outcome() if harmless else _UNKNOWN]


def _dnat(part: Part) -> list[Outcome]:
    text = part.value("--to-destination")
    address, port = text, ""
    if text.startswith("["):
        address, _bracket, port = text[1:].partition("]")
    elif text.count(":") == 1:
        address, _colon, port = text.partition(":")
    if "-" in text or "/" in text:
        return [_AWAY]
    number = number_of(address, 6 if ":" in address else 4) if address else None
    return [Outcome(Verdict(to.DIVERT, "" if address else to.SAME, number, int(port.lstrip(":")) if port else None))]


def _redirect(part: Part) -> list[Outcome]:
    ports = part.value("--to-ports", "--to-port")
    return [_AWAY if "-" in ports else Outcome(Verdict(to.DIVERT, "", None, int(ports) if ports else None))]


def _hops(part: Part) -> list[Outcome]:
    (option,) = part.options
    far = option.name.endswith("-inc") or (option.name.endswith("-set") and int(option.value) >= _FAR)
    return [_WRITES_HEADERS if far else _UNKNOWN]


def _set_changed(part: Part) -> list[Outcome]:
    """``SET``: who is in a set from now on is not known, and rules may ask; ``--map-mark`` gives an element's mark."""
    if part.option("--map-set") is None:
        return [_UNKNOWN]
    return [Outcome(effects=(Effect("mark", None),) if part.option("--map-mark") else ())]


_TARGETS: dict[str, Callable[[Part], list[Outcome]]] = {
    **dict.fromkeys(_HARMLESS, lambda _part: [Outcome()]),
    **dict.fromkeys(_HEADERS, lambda _part: [_WRITES_HEADERS]),
    "ACCEPT": _plain(to.ACCEPT),
    "DROP": _plain(to.DROP),
    "RETURN": _plain(to.RETURN),
    "REJECT": _verdict(to.REJECT),
    "SNAT": _verdict(to.TRANSLATE),
    "MASQUERADE": _verdict(to.TRANSLATE),
    "TPROXY": _verdict(to.AWAY),
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
