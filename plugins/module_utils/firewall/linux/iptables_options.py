# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of an iptables rule, put together by what they belong to: basic options, extensions, target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

TARGET, GOTO = "-j", "-g"
_BASIC = {
    "-s": "-s",
    "--source": "-s",
    "-d": "-d",
    "--destination": "-d",
    "-p": "-p",
    "--protocol": "-p",
    "-i": "-i",
    "--in-interface": "-i",
    "-o": "-o",
    "--out-interface": "-o",
    "-f": "-f",
    "-j": TARGET,
    "--jump": TARGET,
    "-g": GOTO,
    "--goto": GOTO,
}


class Option(NamedTuple):
    """One option with its words; ``negated`` by an exclamation mark before it."""

    name: str
    words: tuple[str, ...]
    negated: bool

    @property
    def value(self) -> str:
        """The first word. Raise IndexError where there is none."""
        return self.words[0]

    def __str__(self) -> str:
        return " ".join([*(["!"] if self.negated else []), self.name, *self.words])


@dataclass
class Part:
    """A basic option (``kind`` -s, -p ...), an extension (-m) or the target (-j, -g), with the options behind it."""

    kind: str
    name: str
    negated: bool = False
    options: list[Option] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join([*(["!"] if self.negated else []), self.kind, self.name, *map(str, self.options)])


def split_parts(words: list[str]) -> Iterator[Part]:
    """Given the words of a rule behind the chain's name, return its parts in order. Raise ValueError or IndexError."""
    part: Optional[Part] = None
    for option in _options(words):
        if option.name not in _BASIC and option.name not in ("-m", "--match"):
            if part is None:
                raise ValueError(f"{option.name} stands before anything that it could belong to")
            part.options.append(option)
            continue
        kind = _BASIC.get(option.name, "-m")
        # -s between the parts of ufw's own files must not take over the options of the protocol before it
        current = Part(kind, option.value if kind != "-f" else "", option.negated)
        yield current
        part = current if kind in ("-m", "-p", TARGET, GOTO) else part


def _options(words: list[str]) -> Iterator[Option]:
    """Given words, return options, each with the words up to the next one."""
    place, negated = 0, False
    while place < len(words):
        if words[place] == "!":
            negated, place = True, place + 1
        if not words[place].startswith("-"):
            raise ValueError(f"{words[place]!r} where an option was expected")
        end = place + 1
        while end < len(words) and not _begins_option(words[end]):
            end += 1
        yield Option(words[place], tuple(words[place + 1 : end]), negated)
        place, negated = end, False


def _begins_option(word: str) -> bool:
    return word == "!" or (word.startswith("-") and not word[1:2].isdigit() and len(word) > 1)
