# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lsof -F prints of deleted open files into records. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ...errors import ParseError
from ...printable import printable
from ..records import HeldFile


@dataclass
class _Open:
    """A process's open file while its lines are read, by the letter of each field (lsof(8), OUTPUT FOR PROGRAMS)."""

    owner: str
    fields: dict[str, str] = field(default_factory=dict)


def parse_held(text: str) -> tuple[HeldFile, ...]:
    """Given what `lsof -nP +L1 -FpcftDisn` prints, return each deleted regular file once, the largest first."""
    files: dict[tuple[str, str], tuple[str, int, list[str]]] = {}
    for one in _open_files(text):
        if one.fields.get("t") != "REG":
            continue
        key = one.fields.get("D", ""), one.fields.get("i", "") or one.fields.get("n", "")
        size = int(one.fields["s"]) if one.fields.get("s", "").isdigit() else 0
        entry = files.setdefault(key, (printable(one.fields.get("n", "?")), size, []))
        if one.owner not in entry[2]:
            entry[2].append(one.owner)
    held = (HeldFile(path, size, tuple(owners)) for path, size, owners in files.values())
    return tuple(sorted(held, key=lambda file: -file.size))


def _open_files(text: str) -> Iterator[_Open]:
    pid = command = ""
    current = None
    for number, line in enumerate(text.splitlines(), 1):
        letter, value = line[:1], line[1:]
        if letter == "p":
            if not value.isdigit():
                raise ParseError("lsof", number, line, "expected 'p' and a pid")
            pid, command = value, "?"
        elif letter == "c":
            command = value
        if letter in ("p", "f") and current is not None:
            yield current
            current = None
        if letter == "f":
            current = _Open(f"{printable(command)} (pid {pid})")
        elif current is not None and letter:
            current.fields[letter] = value
    if current is not None:
        yield current
