# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/checks.md: each id that a finding can have, what is looked at, what to do, and the line that declares it."""

from __future__ import annotations

import re
from typing import Any

import sources
from markdown import NOTE, cell, paragraph

# An id stands where its rule does: @RULES.rule("area.tail", RULES.check("area.tail", and in a list Check("area.tail" or
# Threshold("area.tail".
DECLARED = re.compile(r"\b(?:rule|check|Check|Threshold)\(\s*\"([a-z]+\.[a-z0-9_]+)\"")
INTRO = (
    "Each finding names its check by an id of this page. Its status is one of `ok`, `warning`, `critical`, `unknown`"
    " and `skipped`; what could not be looked at is `unknown`, never `ok`. An id leads to the line that declares it,"
    " beside the code that judges. Where systems or managers differ, what to do is said for Linux or systemd; a finding"
    " has that of its own system. A check that compares a number with bounds names the variable that changes them, with"
    " the default."
)


def places() -> dict[str, list[str]]:
    """Return by id where it is declared, as a path from docs/ with the line."""
    found: dict[str, list[str]] = {}
    for path in sorted((sources.CHECKOUT / "plugins").rglob("*.py")):
        text = path.read_text("utf-8")
        for match in DECLARED.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            found.setdefault(match[1], []).append(f"../{path.relative_to(sources.CHECKOUT).as_posix()}#L{line}")
    return found


def page() -> str:
    """Return docs/checks.md: the checks by area, in the order in which they are declared."""
    named, where = sources.modules_by_area(), places()
    lines = ["# Checks", NOTE, "", paragraph(INTRO)]
    for area, checks in sources.catalogues().items():
        module = f" (module `{named[area]}`)" if area in named else ""
        lines += ["", f"## {area}{module}", ""]
        lines += ["| check | procedure | what is looked at | what to do | source |", "|---|---|---|---|---|"]
        lines += [row(check, where[check.id][0]) for check in checks.values()]
    return "\n".join(lines) + "\n"


def row(check: Any, place: str) -> str:
    """Given a check and where it is declared, return its row, which the report leads to by the check's id."""
    name = f'<a id="{check.id}"></a>[`{check.id}`]({place})'
    cells = (check.procedure, check.summary, check.remedy, check.source)
    return f"| {name} | {' | '.join(cell(text) for text in cells)} |"
