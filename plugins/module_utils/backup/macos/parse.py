# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``ls -lde`` prints, to access control lists by path."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from ...errors import ParseError

# The mode begins a file's line, which no entry of a list does; the time, then the path end it.
_FILE = re.compile(r"[-bcdlpsw][-rwxsStT]{9}[+@ ]?\s.*?\s[A-Z][a-z]{2} +\d{1,2} +(?:\d\d:\d\d|\d{4,}) (/.*)")
_GRANT = re.compile(r" (\d+): (.+)")
_ARROW = " -> "


def parse_lists(text: str, paths: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Given what ``ls -lde`` prints in the C locale for paths, return the entries of each one's list.

    Each path has a line that ends with it, and below it one for each entry: `` 0: group:everyone deny delete``. Raise
    ParseError where a line belongs to none of them.
    """
    found: dict[str, list[str]] = {}
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        grant, file = _GRANT.fullmatch(line), _FILE.fullmatch(line)
        if grant and current:
            found[current].append(grant.group(2).strip())
            continue
        current = _named(file.group(1), paths) if file else ""
        if not current:
            raise ParseError("ls -lde", number, line, "it is neither a file asked for nor an entry of its list")
        found[current] = []
    return {path: tuple(entries) for path, entries in found.items()}


def _named(text: str, paths: Collection[str]) -> str:
    """Return which of the paths a line names; that of a symlink says in the same breath where it leads to."""
    if text in paths:
        return text
    words = text.split(_ARROW)
    return next((path for n in range(1, len(words)) if (path := _ARROW.join(words[:n])) in paths), "")


def allowing(entries: Sequence[str]) -> tuple[str, ...]:
    """Given a list's entries, return who is allowed something by them: ``user:bob``, ``group:everyone``."""
    named = (entry.split(" allow ", 1)[0] for entry in entries if " allow " in entry)
    return tuple(dict.fromkeys(who.replace(" inherited", "") for who in named))
