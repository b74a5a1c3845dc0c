# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a file for ``nft -f`` would load, beside what ``nft list ruleset`` prints: both are the same language.

They are compared as text after what the kernel spells otherwise was put into one form. Where the texts still differ and
could mean the same, that is a doubt, not a difference.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

Blocks = dict[str, list[str]]  # by "chain input" or "set banned", the statements in it
_TABLE = re.compile(r"(?:add )?table (?:(ip6?|inet|arp|bridge|netdev) )?(\S+) \{(.*)\}")
_BLOCK = re.compile(r"((?:add )?[a-z]+(?: helper| timeout| expectation)? \S+) \{(.*)\}")
_DEFINE = re.compile(r"(?:re)?define (\w+) = (.+)")
_BASE = re.compile(r"(type \w+ hook .*) priority (.+)")
_NAMES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "out": 100, "security": 50, "srcnat": 100}
_BRIDGE = {"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}
_PORTS = {
    "ssh": "22",
    "domain": "53",
    "http": "80",
    "ntp": "123",
    "https": "443",
    "postgresql": "5432",
    "redis": "6379",
}


def _sorted(match: re.Match[str]) -> str:
    return ",".join(sorted(element.strip() for element in match[0].split(",") if element.strip()))


def _numbers(match: re.Match[str]) -> str:
    return re.sub(r"[a-z]+", lambda name: _PORTS.get(name[0], name[0]), match[0])


_SAME: tuple[tuple[re.Pattern[str], Any], ...] = (  # what the kernel leaves out, adds or spells otherwise
    (re.compile(r"\bcounter packets \d+ bytes \d+"), "counter"),
    (re.compile(r"(limit rate [^ ]+) burst 5 packets"), r"\1"),
    (re.compile(r"(reject with icmp(?:x|v6)?) type "), r"\1 "),
    (re.compile(r"\{ ([^{},:]+) \}"), r"\1"),
    (re.compile(r"(?<=port )(?:\{[^{}]*\}|\S+)"), _numbers),
    (re.compile(r"(?<=ct state )[a-z]+(?:, ?[a-z]+)+|(?<=\{ )[^{}]+(?= \})"), _sorted),
)


class Stored(NamedTuple):
    """What a text loads: by "family name" the blocks of each table, whether it flushes first, what is not followed."""

    tables: dict[str, Blocks]
    flushes: bool = False
    odd: tuple[str, ...] = ()


def statements(text: str) -> Iterator[str]:
    """Given a text, return its statements: they end with a line or a semicolon outside of braces and quotes."""
    depth, begin, quoted = 0, 0, False
    for place, letter in enumerate(text):
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter == "{") - (letter == "}")
        if letter in "\n;" and depth == 0 and not quoted:
            yield text[begin:place]
            begin = place + 1
    yield text[begin:]


def parse(text: str) -> Stored:
    """Given the text of a file or of a listing, return what it loads."""
    plain = re.sub(r"^((?:[^\"#\n]|\"[^\"\n]*\")*)#.*$", r"\1", text.replace("\\\n", " "), flags=re.MULTILINE)
    defined: dict[str, str] = {}
    made: dict[str, Blocks] = {}
    odd, flushes = [], False
    for written in statements(plain):
        statement = re.sub(r"\$(\w+)", lambda match: defined.get(str(match[1]), str(match[0])), written)
        line = _one_line(statement)
        if found := _DEFINE.fullmatch(line):
            defined[found[1]] = found[2]
        elif found := _TABLE.fullmatch(line):
            family = found[1] or "ip"
            made.setdefault(f"{family} {found[2]}", {}).update(_blocks(_inside(statement), family))
        elif line == "flush ruleset":
            made, flushes = {}, True
        elif line:
            odd.append(line)
    return Stored(made, flushes, tuple(odd))


def _one_line(text: str) -> str:
    return " ".join(text.replace("{", " { ").replace("}", " } ").split())


def _inside(text: str) -> str:
    return text[text.index("{") + 1 : text.rindex("}")]


def _blocks(body: str, family: str) -> Blocks:
    made: Blocks = {}
    for statement in statements(body):
        line = _one_line(statement)
        if found := _BLOCK.fullmatch(line):
            made.setdefault(found[1].replace("add ", ""), []).extend(_normal(_inside(statement), family))
        elif line:
            made[line] = []
    return made


def _normal(body: str, family: str) -> Iterator[str]:
    """Given the inside of a chain or set, return its statements in one form; a hook without a policy has accept."""
    lines = [_one_line(line).replace('"', "") for line in statements(body)]
    if any(map(_BASE.fullmatch, lines)) and not any(line.startswith("policy ") for line in lines):
        lines.insert(lines.index(next(filter(_BASE.fullmatch, lines))) + 1, "policy accept")
    for line in filter(None, lines):
        found = _BASE.fullmatch(line)
        yield f"{found[1]} priority {_priority(found[2], family)}" if found else _plain(line)


def _plain(line: str) -> str:
    for pattern, form in _SAME:
        line = pattern.sub(form, line)
    return line


def _priority(text: str, family: str) -> str:
    """Given a priority such as ``filter - 5``, return it as a number; as it is where it is of another form."""
    found = re.fullmatch(r"(?:([a-z]+)|(-?\d+))(?: ?([+-]) ?(\d+))?", text)
    names = _BRIDGE if family == "bridge" else _NAMES
    if not found or (found[1] and found[1] not in names):
        return text
    return str((names[found[1]] if found[1] else int(found[2])) + int(f"{found[3]}{found[4]}" if found[4] else 0))


def differences(stored: Stored, running: Stored) -> tuple[list[str], list[str]]:
    """Given what a file loads and what runs, return how they differ, and what cannot be told."""
    found: list[str] = []
    doubts = [f"nftables.conf has `{line}`, which is not followed" for line in stored.odd]
    for table, blocks in stored.tables.items():
        there = running.tables.get(table, {})
        found += [f"only in the kernel: {block} of {table}" for block in there if block not in blocks]
        for block, lines in blocks.items():
            if block not in there:
                found.append(f"only in nftables.conf: {block} of {table}")
            elif lines != there[block]:
                _compare(f"{block} of {table}", lines, there[block], found, doubts)
    return found, doubts


def _compare(name: str, stored: list[str], runs: list[str], found: list[str], doubts: list[str]) -> None:
    missing, added = Counter(stored) - Counter(runs), Counter(runs) - Counter(stored)
    of_base = any(line.startswith(("policy ", "type ")) for line in (*missing, *added))
    if not name.startswith("chain "):
        if not any(re.match(r"flags .*(dynamic|timeout)", line) for line in runs):  # packets fill those
            doubts.append(f"{name} has other elements or options than in nftables.conf, or is spelled otherwise")
    elif not missing and not added:
        found.append(f"the order of {name} is another than in nftables.conf")
    elif len(stored) != len(runs) or of_base:
        found += [f"only in nftables.conf, not in {name}: {line}" for line in missing]
        found += [f"only in the kernel, in {name}: {line}" for line in added]
    else:
        pairs = [(one, other) for one, other in zip(stored, runs) if one != other]
        doubts += [f"whether `{one}` of nftables.conf is `{other}` in {name} cannot be told" for one, other in pairs]
