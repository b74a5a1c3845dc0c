# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lsof of macOS prints of open files: which are in use, which were deleted and still take space. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import ParseError
from ..paths import Identity
from ..printable import printable
from .model import HeldFile


def lsof_files(text: str) -> Iterator[tuple[int, dict[str, str], dict[str, str]]]:
    """Given fields one a line, return for each file the line where it begins, the fields of its process and its own."""
    process: dict[str, str] = {}
    file: dict[str, str] = {}
    begun = 1
    for number, line in enumerate([*text.splitlines(), "p"], start=1):
        mark, value = line[:1], line[1:]
        if mark in ("p", "f"):
            if file:
                yield begun, process, file
            process = {"p": value} if mark == "p" else process
            file, begun = ({"f": value} if mark == "f" else {}), number
        elif mark == "T":
            file[value.partition("=")[0]] = value.partition("=")[2]
        else:
            (file if file else process)[mark] = value


_KINDS = ("REG", "DIR", "VREG", "VDIR")


def _add(found: set[Identity], fields: dict[str, str], number: int) -> None:
    if fields.get("t") not in _KINDS or "i" not in fields or "D" not in fields:
        return
    try:
        found.add((int(fields["D"], 16), int(fields["i"])))
    except ValueError as error:
        raise ParseError("lsof", number, str(fields), str(error)) from error


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
