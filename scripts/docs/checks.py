# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/checks.md: each id that a finding can have, what is looked at, what to do, and the line that declares it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import inventory
import sources
import yaml
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
    """Return by id where it is declared, as a path with the line."""
    found: dict[str, list[str]] = {}
    for path in sorted((sources.CHECKOUT / "plugins").rglob("*.py")):
        text = path.read_text("utf-8")
        for match in DECLARED.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            found.setdefault(match[1], []).append(f"{path.relative_to(sources.CHECKOUT).as_posix()}:{line}")
    return found


def bounds() -> dict[str, list[tuple[str, str]]]:
    """Return by id which variables change the bounds of a check, each with its default."""
    found: dict[str, list[tuple[str, str]]] = {}
    for area in sources.areas():
        options = dict(_bounds_of(area))
        for rule in area.rules().all:
            row = rule.judge.args[0] if isinstance(rule.judge, functools.partial) else None
            steps = [
                f"{each.option}_{step}" for each in getattr(row, "bounded", ()) for step in ("warning", "critical")
            ]
            if named := [options[step] for step in steps if step in options]:
                found[rule.check.id] = named
    for entry in inventory.entries():
        for part, said in entry.get("runs", {}).items():
            if "check" in said:
                found.setdefault(said["check"], []).append((f"{entry['name']}.{part}", _number(said["default"])))
    return found


def _bounds_of(area: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the options within the variables of an area, each with its path and its default."""
    for option in area.spec.values():
        for name, each in option.get("options", {}).items() if "variable" in option else ():
            yield name, (f"{option['variable']}.{name}", _number(each.get("default")))


def _number(default: Any) -> str:
    return "none" if default is None else f"{default:g}" if isinstance(default, float) else str(default)


def page() -> str:
    """Return docs/checks.md: the checks by area, in the order in which they are declared."""
    named, where, changed = sources.modules_by_area(), places(), bounds()
    lines = ["# Checks", NOTE, "", paragraph(INTRO)]
    for area, checks in sources.catalogues().items():
        module = f" (module `{named[area]}`)" if area in named else ""
        lines += ["", f"## {area}{module}", ""]
        lines += ["| check | procedure | what is looked at | what to do | source |", "|---|---|---|---|---|"]
        lines += [row(check, where[check.id][0], changed.get(check.id, [])) for check in checks.values()]
    return "\n".join(lines) + "\n"


def changed_by(variables: list[tuple[str, str]]) -> str:
    """Given variables and their defaults, return how a site changes the bounds; empty where there are none."""
    named = ", ".join(f"`{name}` ({default})" for name, default in variables)
    return f"Changed by {named}." if named else ""


def row(check: Any, place: str, variables: list[tuple[str, str]]) -> str:
    """Given a check, where it is declared and what changes its bounds, return its row."""
    name = f'<a id="{check.id}"></a>[`{check.id}`](../{place.replace(":", "#L")})'
    looked_at = f"{check.summary} {changed_by(variables)}"
    cells = (check.procedure, looked_at, check.remedy, check.source)
    return f"| {name} | {' | '.join(cell(text) for text in cells)} |"


def of_the_report() -> str:
    """Return plugins/plugin_utils/report/checks.json: what the report itself says of a rule."""
    galaxy = yaml.safe_load((sources.CHECKOUT / "galaxy.yml").read_text("utf-8"))
    where, changed = places(), bounds()
    checks = {
        check.id: {
            "title": check.summary,
            "changed_by": changed_by(changed.get(check.id, [])),
            "source": check.source,
            "place": where[check.id][0],
        }
        for check in sorted(sources.checks().values(), key=lambda check: check.id)
    }
    collection = f"{galaxy['namespace']}.{galaxy['name']} {galaxy['version']}"
    return json.dumps({"collection": collection, "checks": checks}, indent=1, ensure_ascii=False) + "\n"
