# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rulesets made smaller: by what the kernel refuses, and by what a disagreement does not need."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from .judge import FILTERED, OPEN, Wrong, alone, reached, verdict_of
from .judge import knocks_of as knocks_of_pair
from .lab import Lab, LoadError
from .points import PORTS

Loads = list[list[str]]
_LINES = re.compile(r"(?:/dev/stdin:|[Ee]rror occurred at line: |line )(\d+)")
_FIXED = re.compile(r"[*:]|COMMIT")  # of iptables-restore: no line of these is left out by itself


def loadable(lab: Lab, loads: Loads) -> tuple[Loads, int]:
    """Given a ruleset, load what of it can be loaded into fresh namespaces; return that, and how many lines cannot."""
    dropped, kept = 0, []
    lab.fresh()
    for load in loads:
        rest, lost = _loadable_part(lab, load)
        kept += [rest] if rest and (len(rest) > 1 or len(load) == 1) else []
        dropped += lost
    if dropped:
        lab.fresh()
        lab.load(kept)
    return kept, dropped


def _loadable_part(lab: Lab, load: list[str]) -> tuple[list[str], int]:
    rest, lost = list(load), 0
    while True:
        try:
            lab.load([rest])
        except LoadError as error:
            bad = {int(number) for number in _LINES.findall(str(error)) if 0 < int(number) < len(rest)}
            bad = {number for number in bad if rest[number] != "COMMIT"} or _alone_refused(lab, rest)
            if not bad:
                return [], lost + len(rest) - 1
            lost += len(bad)
            rest = [line for number, line in enumerate(rest) if number not in bad]
        else:
            return rest, lost


def _alone_refused(lab: Lab, load: list[str]) -> set[int]:
    """Given a load whose error names no line, return the rules that do not load without the others."""
    rules = [number for number, line in enumerate(load) if number and not _FIXED.match(line)]
    refused = set()
    for number in rules:
        others = set(rules) - {number}
        try:
            lab.load([[line for place, line in enumerate(load) if place not in others]])
        except LoadError:
            refused.add(number)
    return refused


def differs(lab: Lab, loads: Loads, wrong: Wrong) -> bool:
    """Return whether kernel and product still say of the pair what they said, under another ruleset."""
    try:
        if verdict_of(lab, loads, wrong.pair) != wrong.said.verdict:
            return False
    except LoadError:
        return False
    knocks = [knock for part in knocks_of_pair(wrong.pair, PORTS) for knock in part]
    is_open = any(socket == wrong.pair.socket for socket, _knock in reached(knocks, lab.knock(knocks)))
    return is_open == (wrong.kernel == OPEN)


def shrink(lab: Lab, loads: Loads, wrong: Wrong) -> Loads:
    """Given a ruleset and what is wrong of it, return the least one of which the same is wrong."""

    def holds(candidate: Loads) -> bool:
        return differs(lab, candidate, wrong)

    if not holds(loads):
        return loads
    for attempts in (_without_loads, _without_lines, _without_parts, _without_elements):
        loads = _least(loads, attempts, holds)
    if wrong.kernel == FILTERED and alone(lab, loads, wrong.pair):
        return loads  # smaller, but another thing: the sender's choice opens it; whoever reads it will see
    return loads


def _least(loads: Loads, attempts: Callable[[Loads], Iterator[Loads]], holds: Callable[[Loads], bool]) -> Loads:
    """Take the first attempt that holds, again and again, until none does."""
    while True:
        for candidate in attempts(loads):
            if holds(candidate):
                loads = candidate
                break
        else:
            return loads


def _without_loads(loads: Loads) -> Iterator[Loads]:
    for number in range(len(loads)):
        yield loads[:number] + loads[number + 1 :]


def _without_lines(loads: Loads) -> Iterator[Loads]:
    """Yield without half of the lines of a load, a quarter, ..., one."""
    for number, load in enumerate(loads):
        lines = [place for place, line in enumerate(load) if place and line != "COMMIT" and not line.startswith("*")]
        size = len(lines)
        while size:
            for begin in range(0, len(lines), size):
                gone = set(lines[begin : begin + size])
                yield _with(loads, number, [line for place, line in enumerate(load) if place not in gone])
            size //= 2


def _without_parts(loads: Loads) -> Iterator[Loads]:
    for number, load in enumerate(loads):
        for place, line in enumerate(load):
            parts = line.split("  ")
            for part in range(1, len(parts)):
                if place:
                    shorter = "  ".join(parts[:part] + parts[part + 1 :])
                    yield _with(loads, number, [*load[:place], shorter, *load[place + 1 :]])


def _without_elements(loads: Loads) -> Iterator[Loads]:
    for number, load in enumerate(loads):
        for place, line in enumerate(load):
            for braces in re.finditer(r"\{ ([^{};]*,[^{};]*) \}", line):
                elements = braces[1].split(", ")
                for gone in range(len(elements)):
                    rest = ", ".join(elements[:gone] + elements[gone + 1 :])
                    shorter = f"{line[: braces.start(1)]}{rest}{line[braces.end(1) :]}"
                    yield _with(loads, number, [*load[:place], shorter, *load[place + 1 :]])


def _with(loads: Loads, number: int, load: Sequence[str]) -> Loads:
    return [*loads[:number], list(load), *loads[number + 1 :]]
