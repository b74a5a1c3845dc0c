# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is looked at of a checkup itself, whatever its areas find."""

from __future__ import annotations

from .. import trusted
from ..registry import Rules

RULES = Rules(trusted.RULES)
RAN = RULES.check(
    "checkup.ran",
    "Each area that a checkup was asked for could be looked at to its end.",
    procedure="D1.1",
    remedy="Run the area's own module against this host with -vvv and read its error.",
    source="unknown is never ok: what could not be looked at is a finding",
)
