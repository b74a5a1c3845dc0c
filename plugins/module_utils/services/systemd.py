# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking systemd: which units there are, what became of them, and what starts them at the next boot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from ..errors import CoreError, ParseError
from ..host import Host
from .machine import Units
from .parse import (
    ALWAYS,
    DEFAULT,
    PROPERTIES,
    Unit,
    by_name,
    parse_names,
    parse_show,
)

MAX_LEVELS, MAX_PARENTS = 8, 300
_LIST = ("--no-pager", "--plain", "--no-legend", "--full")


def gather_units(host: Host, names: Collection[str], patterns: Collection[str]) -> Units:
    """Given unit names and patterns, return the units, with what triggers them and what starts them at boot.

    That is one call for all declared units, and one for each step up to the default target.
    """
    if not names and not patterns:
        return Units()
    try:
        matched = match_patterns(host, patterns)
        wanted = {*names, *(name for found in matched.values() for name in found)}
        units, problems = show(host, wanted | {DEFAULT})
        above, unseen = climb(host, {name: unit for name, unit in units.items() if name != DEFAULT}, units)
    except CoreError as error:
        return Units(problem=f"systemd cannot be asked: {error}")
    ids = {pattern: sorted({units[name].id for name in found if name in units}) for pattern, found in matched.items()}
    fitting = {pattern: tuple(found) for pattern, found in ids.items()}
    return Units({**above, **units}, fitting, problems=problems, unclimbed=unseen)


def climb(host: Host, units: Mapping[str, Unit], known: Mapping[str, Unit]) -> tuple[dict[str, Unit], str]:
    """Given units, return those that trigger or start them, up to what every boot reaches; and why not all of them."""
    found, level = dict(known), list(units.values())
    for _step in range(MAX_LEVELS):
        names = {name for unit in level for name in (*unit.triggered_by, *unit.started_by)}
        names -= {*found, *ALWAYS}
        if not names:
            return found, ""
        if len(names) > MAX_PARENTS:
            return found, f"{len(names)} units start them, too many to follow"
        more, problems = show(host, names)
        if problems:
            return found, "; ".join(problems.values())
        found.update({**dict.fromkeys(names, Unit("", (), load="not-found")), **more})
        level = list(more.values())
    return found, f"they are started over more than {MAX_LEVELS} steps"


def show(host: Host, names: Iterable[str]) -> tuple[dict[str, Unit], dict[str, str]]:
    """Given unit names, return the units by each of their names, those that are not there included, and why single ones
    cannot be seen. One odd unit costs the answer for all: then each is asked for alone.

    Raise CoreError where none can be seen.
    """
    wanted = sorted(names)
    if not wanted:
        return {}, {}
    try:
        return _show(host, wanted), {}
    except CoreError as error:
        if len(wanted) == 1:
            raise
        reason = error
    units: dict[str, Unit] = {}
    problems: dict[str, str] = {}
    for name in wanted:
        try:
            units.update(_show(host, [name]))
        except CoreError as error:
            problems[name] = f"systemd cannot be asked about {name}: {error}"
    if not units:
        raise reason
    return units, problems


def _show(host: Host, wanted: Sequence[str]) -> dict[str, Unit]:
    text = host.run(["systemctl", "show", "--no-pager", "-p", PROPERTIES, "--", *wanted]).stdout
    units = by_name(parse_show(text, several=len(wanted) > 1))
    lost = [name for name in wanted if name not in units]
    if lost:
        raise ParseError("systemctl show", 1, text, f"nothing about {', '.join(lost)}")
    return units


def match_patterns(host: Host, patterns: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Given patterns, return for each the names of the units that are loaded or installed and fit it."""
    if not patterns:
        return {}
    loaded = host.run(["systemctl", "list-units", "--all", *_LIST, "--", *patterns])
    # list-unit-files ends with 1 where nothing fits
    installed = host.run(["systemctl", "list-unit-files", *_LIST, "--", *patterns], expect=(0, 1))
    names = {*parse_names(loaded.stdout), *parse_names(installed.stdout)}
    return {pattern: tuple(sorted(name for name in names if _fits(name, pattern))) for pattern in patterns}


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.service")
