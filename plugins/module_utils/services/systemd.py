# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking systemd and its journal: which units there are, what became of them, how often they were restarted."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from ..errors import CoreError
from ..host import Host
from .machine import Units
from .parse import (
    OUT_OF_MEMORY,
    PROPERTIES,
    RESTART_SCHEDULED,
    Journal,
    Unit,
    by_name,
    parse_journal,
    parse_names,
    parse_show,
)

MAX_EVENTS = 5000
_LIST = ("--no-pager", "--plain", "--no-legend", "--full")


def gather_units(host: Host, names: Collection[str], patterns: Collection[str]) -> Units:
    """Given unit names and patterns, return the units: one call for all, and one more for sockets that trigger some."""
    if not names and not patterns:
        return Units()
    try:
        matched = match_patterns(host, patterns)
        units = show(host, {*names, *(name for found in matched.values() for name in found)})
        triggers = {name for unit in units.values() for name in unit.triggered_by} - set(units)
        units = {**units, **show(host, triggers)}
    except CoreError as error:
        return Units(problem=f"systemd cannot be asked: {error}")
    ids = {pattern: sorted({units[name].id for name in found if name in units}) for pattern, found in matched.items()}
    return Units(units, {pattern: tuple(found) for pattern, found in ids.items()})


def show(host: Host, names: Iterable[str]) -> dict[str, Unit]:
    """Given unit names, return the units by each of their names, those that are not there included."""
    wanted = sorted(names)
    if not wanted:
        return {}
    return by_name(parse_show(host.run(["systemctl", "show", "--no-pager", "-p", PROPERTIES, "--", *wanted]).stdout))


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


def gather_journal(host: Host, since: float) -> Journal:
    """Given a moment, return the restarts and out-of-memory kills that systemd logged since, of all boots.

    The journal keeps what counters lose: NRestarts begins anew with every boot and every start by hand.
    """
    events = [f"MESSAGE_ID={RESTART_SCHEDULED}", "+", f"MESSAGE_ID={OUT_OF_MEMORY}"]
    fields = "--output-fields=UNIT,MESSAGE_ID"
    argv = ["journalctl", "--no-pager", "-o", "json", fields, f"--since=@{since:.0f}", "-n", str(MAX_EVENTS), *events]
    try:
        done = host.run(argv, expect=None)
        return parse_journal(done.stdout, done.stderr, done.rc)
    except CoreError as error:
        return Journal({}, {}, str(error))
