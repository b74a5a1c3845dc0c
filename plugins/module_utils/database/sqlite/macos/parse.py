# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of macOS about a SQLite file into what a decision needs. Pure."""

from __future__ import annotations

import re

from ....errors import ParseError
from ..records import Holder

_FREE = ("Pages free", "Pages speculative", "Pages purgeable")


def parse_lsof(text: str) -> tuple[Holder, ...]:
    """Given what `lsof -Fpc` prints (p and a pid, then c and its command), return the processes."""
    found: list[Holder] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("p"):
            if not line[1:].isdigit():
                raise ParseError("lsof", number, line, "expected 'p' and a pid")
            found.append(Holder(int(line[1:]), "?"))
        elif line.startswith("c") and found:
            found[-1] = found[-1]._replace(command=line[1:])
    return tuple(found)


def parse_free_memory(text: str) -> int:
    """Given what vm_stat prints, return the bytes that are free at once. Raise ParseError where it is of another form.

    Cached files, which would be given up too, are not counted: a rewrite that keeps its temporary file in memory needs
    it then and there.
    """
    size = re.search(r"page size of (\d+) bytes", text)
    pages = [re.search(rf"^{name}:\s+(\d+)\.", text, re.MULTILINE) for name in _FREE]
    if size is None or pages[0] is None:
        raise ParseError("vm_stat", 1, text[:80], "expected 'page size of N bytes' and 'Pages free'")
    return int(size.group(1)) * sum(int(match.group(1)) for match in pages if match)
