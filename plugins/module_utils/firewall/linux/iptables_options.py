# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of an iptables rule, put together by what they belong to: basic options, extensions, target."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

TARGET, GOTO = "-j", "-g"
_BASIC = {
    **{word: word for word in ("-s", "-d", "-p", "-i", "-o", "-f", "-m", TARGET, GOTO)},
    **dict(zip(("--source", "--destination", "--protocol", "--in-interface"), ("-s", "-d", "-p", "-i"))),
    **dict(zip(("--out-interface", "--fragment", "--match", "--jump", "--goto"), ("-o", "-f", "-m", TARGET, GOTO))),
}
# Options whose one word is text and may look like anything: iptables-save quotes blanks, but no dashes (kernel).
_TEXT = {
    *("--comment", "--log-prefix", "--nflog-prefix", "--name", "--hashlimit-name", "--helper", "--string", "--path"),
    *({*_BASIC} - {"-f", "--fragment"}),
}
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"(?!\S)|(\S+)', re.DOTALL)


class Option(NamedTuple):
    """One option with its words; ``negated`` by an exclamation mark before it."""

    name: str
    words: tuple[str, ...]
    negated: bool = False

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

    def option(self, *names: str) -> Optional[Option]:
        """Given spellings of an option, return the first that is there."""
        return next((option for option in self.options if option.name in names), None)

    def value(self, *names: str) -> str:
        """Given spellings of an option, return its first word; empty where it is not there."""
        option = self.option(*names)
        return "" if option is None else option.value


def split_parts(words: list[str]) -> list[Part]:
    """Given the words of a rule behind the chain's name, return its parts in order. Raise ValueError or IndexError."""
    parts: list[Part] = []
    part = Part("", "")
    for option in _options(words):
        if option.name in _BASIC:
            kind = _BASIC[option.name]
            parts.append(Part(kind, option.value if kind != "-f" else "", option.negated))
            # -s between the parts of ufw's own files must not take over the options of the protocol before it
            part = parts[-1] if kind in ("-m", "-p", TARGET, GOTO) else part
        elif part.kind:
            part.options.append(option)
        else:
            raise ValueError(f"{option.name} stands before anything that it could belong to")
    return parts


def words_of(text: str) -> list[str]:
    """Given a rule, return its words; what stands in quotes is one."""
    if '"' not in text:
        return text.split()
    return [word[2] or re.sub(r"\\(.)", r"\1", word[1], flags=re.DOTALL) for word in _WORD.finditer(text)]


def _options(words: list[str]) -> Iterator[Option]:
    """Given words, return options, each with the words up to the next one."""
    place, negated = 0, False
    while place < len(words):
        if words[place] == "!":
            negated, place = True, place + 1
        if not _begins_option(words[place]):
            raise ValueError(f"{words[place]!r} where an option was expected")
        end = place + (2 if words[place] in _TEXT else 1)
        while words[place] not in _TEXT and end < len(words) and not _begins_option(words[end]):
            end += 1
        yield Option(words[place], tuple(words[place + 1 : end]), negated)
        place, negated = end, False


def _begins_option(word: str) -> bool:
    return word == "!" or (word.startswith("-") and not word[1:2].isdigit() and len(word) > 1)
