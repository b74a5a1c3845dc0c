# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would start a unit of systemd at the next boot: the graph up to the default target, not a word about it. Pure.

``enabled`` only says that links were made. Where they hang on a target that no boot reaches they start nothing, and a
unit without any link is started all the same where another one wants it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional

from .parse import Unit

DEFAULT = "default.target"
ALWAYS = ("basic.target", "sysinit.target", DEFAULT)  # bootup(7): each boot reaches them
_AT_BOOT = ("enabled", "delayed")  # of launchd and Windows; delayed: two minutes after the others


class AtBoot(NamedTuple):
    """Whether a unit is started at the next boot (None: nothing tells), and by what, or why not."""

    starts: Optional[bool]
    why: str = ""


def at_boot(unit: Unit, units: Mapping[str, Unit], unclimbed: str = "") -> AtBoot:
    """Given a unit, all units that may start it, and why not all of them are known, return what the next boot does."""
    if unit.file_state == "unknown":
        return AtBoot(None)
    if unit.manager != "systemd":
        return AtBoot(unit.file_state in _AT_BOOT)
    if unit.file_state == "transient" or (unit.file_state.endswith("-runtime") and "@" not in unit.id):
        return AtBoot(False, "what there is of it is for this boot only")
    starter = _starter(unit, units)
    if starter:
        return AtBoot(True, f"{starter} starts it")
    if unclimbed or DEFAULT not in units:
        return AtBoot(None, unclimbed or f"{DEFAULT} is not known")
    wanted = ", ".join((*unit.started_by, *unit.triggered_by))
    return AtBoot(False, f"{wanted} would start it, but no boot reaches that" if wanted else "nothing starts it")


def _starter(unit: Unit, units: Mapping[str, Unit]) -> str:
    """Return what starts a unit, directly, in a boot; empty where nothing does."""
    for name in (*unit.started_by, *unit.triggered_by):
        if _is_reached(name, units, {unit.id}):
            return name
    return ""


def _is_reached(name: str, units: Mapping[str, Unit], seen: set[str]) -> bool:
    unit = units.get(name)
    if name in ALWAYS:
        return True
    if unit is None or unit.id in seen or unit.load != "loaded":
        return False
    if set(ALWAYS) & {unit.id, *unit.names}:
        return True
    return any(_is_reached(above, units, seen | {unit.id}) for above in (*unit.started_by, *unit.triggered_by))
