# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule about what the next boot starts."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import OK, UNKNOWN, WARNING, Finding
from .boot import at_boot
from .case import Case
from .parse import Unit


def judge_enabled(case: Case) -> Iterator[Finding]:
    """A managed service is started at boot exactly if it is declared so."""
    unit, wanted = case.observed.unit, case.observed.service.enabled
    if unit is None or not unit.file_state or unit.load == "masked":
        return  # not there, made at run time, or told by services.state
    boot = at_boot(unit, case.snapshot.units, case.snapshot.unclimbed)
    why = f": {boot.why}" if boot.why else ""
    if boot.starts is None:
        text = f"nothing tells whether {unit.id} is started at the next boot{why}"
        yield case.finding("enabled", UNKNOWN, text, expected=wanted, remedy=case.look_as_admin())
    elif boot.starts == wanted:
        yield case.finding(
            "enabled", OK, f"{unit.id} is {unit.file_state}{why}", expected=wanted, actual=unit.file_state
        )
    else:
        what = "would not be started at the next boot" if wanted else "would be started at the next boot"
        declared = f"the inventory declares enabled: {str(wanted).lower()}"
        text = f"{unit.id} is {unit.file_state}, and it {what}{why}; {declared}"
        remedy = _boot_remedy(unit, wanted)
        yield case.finding("enabled", WARNING, text, expected=wanted, actual=unit.file_state, remedy=remedy)


def _boot_remedy(unit: Unit, wanted: bool) -> str:
    """Enabling is no cure where a unit is enabled or has nothing to enable, nor disabling where it has no links."""
    if unit.manager != "systemd":
        return ""
    if wanted and unit.file_state in ("enabled", "static", "indirect", "alias", "generated"):
        return (
            "systemctl edit UNIT, write [Install] and WantedBy=multi-user.target, then systemctl reenable UNIT; "
            "or correct `enabled` in the inventory."
        )
    if not wanted and not unit.file_state.startswith("enabled"):
        return (
            "Take it out of what starts it (systemctl list-dependencies --reverse UNIT), "
            "or correct `enabled` in the inventory."
        )
    return ""
