# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a time service that runs keeps no clock all the same: the words are the same on every system. Pure."""

from __future__ import annotations

from ..units import human_seconds

FOLLOWS_ITSELF = "it follows this machine's own clock, which nothing corrects"
STALE = 86400.0  # Windows reports a clock that was not synchronised for a day (event 36); chrony and ntpd say nothing


def staleness(age: float) -> str:
    """Given how long ago a clock was last synchronised, return why that is no good, or an empty text."""
    return f"it was last synchronised {human_seconds(age)} ago" if age > STALE else ""
