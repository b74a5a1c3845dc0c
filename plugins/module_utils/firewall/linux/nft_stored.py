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
from typing import Any

Blocks = dict[str, list[str]]  # by "inet filter" or "chain input of inet filter": the statements in it
FLUSHES = "flush ruleset"  # is among the statements of no block
_BLOCK = re.compile(
    r"(?:add )?((?:table|chain|set|map|counter|quota|limit|flowtable|ct [a-z]+|synproxy) [^{}]+?) \{ .*\}"
)
_WHOLE = re.compile(r"(?:(add|delete|destroy) )?table ((?:(?:ip6?|inet|arp|bridge|netdev) )?[\w./-]+)")
_BASE = re.compile(r"(type \w+ hook .*) priority (?:([a-z]+)|(-?\d+))(?: ?([+-]) ?(\d+))?")
_NAMES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "out": 100, "security": 50, "srcnat": 100}
_BRIDGE = {"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}
_PORTS = {"ssh": "22", "domain": "53", "http": "80", "ntp": "123", "https": "443", "postgresql": "5432"}


def _sorted(match: re.Match[str]) -> str:
    return ",".join(sorted(element.strip() for element in match[0].split(",") if element.strip()))


def _numbers(match: re.Match[str]) -> str:
    return re.sub(r"[a-z]+", lambda name: _PORTS.get(name[0], name[0]), match[0])


_SAME: tuple[tuple[re.Pattern[str], Any], ...] = (  # what the kernel leaves out, adds or spells otherwise
    (re.compile(r"(?<![\w.:])(\d+(?:\.\d+){3})/32\b|(?<=[0-9a-f:])/128\b"), lambda match: match[1] or ""),
    (re.compile(r"(limit rate [^ ]+) burst 5 packets"), r"\1"),
    (re.compile(r"(reject with icmp(?:x|v6)?) type "), r"\1 "),
    (re.compile(r"\{ ([^{},:]+) \}"), r"\1"),
    (re.compile(r"(?<=port )(?:\{[^{}]*\}|\S+)"), _numbers),
    (re.compile(r"(?<=ct state )[a-z]+(?:, ?[a-z]+)+|(?<=\{ )[^{}]+(?= \})"), _sorted),
)


def parse(text: str) -> Blocks:
    """Given the text of a file or of a listing, return what it loads; what no block holds is under the empty name."""
    plain = re.sub(r"^((?:[^\"#\n]|\"[^\"\n]*\")*)#.*$", r"\1", text.replace("\\\n", " "), flags=re.MULTILINE)
    made: Blocks = {"": []}
    defined: dict[str, str] = {}
    for written in _statements(plain):
        statement = re.sub(r"\$(\w+)", lambda match: defined.get(str(match[1]), str(match[0])), written)
        if found := re.fullmatch(r"\s*(?:re)?define (\w+) *= *(.+?)\s*", statement, re.DOTALL):
            defined[found[1]] = found[2]
        elif " ".join(statement.split()) == FLUSHES:
            made = {"": [FLUSHES]}
        elif not (found := _WHOLE.fullmatch(" ".join(statement.split()))):
            _add(made, "", statement)
        elif found[1] in (None, "add"):
            made.setdefault(_table(found[2]), [])
        elif _table(found[2]) in made or found[1] == "destroy":
            made = {name: lines for name, lines in made.items() if name.rpartition(" of ")[2] != _table(found[2])}
        else:  # nft fails where there is none, and loads nothing of the whole file
            _add(made, "", statement)
    return made


def _table(name: str) -> str:
    return name if " " in name else f"ip {name}"


def _statements(text: str) -> Iterator[str]:
    """Given a text, return its statements: they end with a line or a semicolon outside of braces and quotes."""
    depth, begin, quoted = 0, 0, False
    for mark in re.finditer(r'[{}";\n]', text):
        quoted ^= mark[0] == '"'
        depth += 0 if quoted else (mark[0] == "{") - (mark[0] == "}")
        if mark[0] in "\n;" and depth == 0 and not quoted:
            yield text[begin : mark.start()]
            begin = mark.end()
    yield text[begin:]


def _add(made: Blocks, block: str, statement: str) -> None:
    """Add a statement to a block; one that is a block itself begins with its kind and name."""
    line = " ".join(statement.replace("{", " { ").replace("}", " } ").split())
    if found := _BLOCK.fullmatch(line):
        name = re.sub(r"^table (?=\S+$)", "table ip ", found[1]).replace("table ", "")
        inner = f"{name} of {block}" if block else name
        made.setdefault(inner, [])
        for part in _statements(statement[statement.index("{") + 1 : statement.rindex("}")]):
            _add(made, inner, part)
        hooks = [place for place, one in enumerate(made[inner]) if _BASE.fullmatch(one)]
        if hooks and not any(one.startswith("policy ") for one in made[inner]):
            made[inner].insert(hooks[0] + 1, "policy accept")
    elif line:
        made[block].append(_one_form(line.replace('"', ""), block))


def _one_form(line: str, block: str) -> str:
    if found := _BASE.fullmatch(line):
        names = _BRIDGE if " of bridge " in block else _NAMES
        number = names.get(found[2], 0) if found[2] else int(found[3])
        return f"{found[1]} priority {number + int(found[4] + found[5] if found[4] else 0)}"
    for pattern, form in _SAME:
        line = pattern.sub(form, line)
    return line


def differences(stored: Blocks, running: Blocks) -> tuple[list[str], list[str]]:
    """Given what nftables.conf loads and what runs, return how they differ, and what cannot be told."""
    tables = [name for name in stored if name and " of " not in name]
    ours = [name for name in running if name.rpartition(" of ")[2] in tables]
    found = [f"only in the kernel: {name}" for name in ours if name not in stored]
    doubts = [f"nftables.conf has `{line}`, which is not followed" for line in stored[""] if line != FLUSHES]
    for name, lines in stored.items():
        if name and name not in running:
            found.append(f"only in nftables.conf: {name}")
        elif name and lines != running[name]:
            _compare(name, lines, running[name], found, doubts)
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
