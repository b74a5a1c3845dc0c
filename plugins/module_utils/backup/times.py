# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moments as a manifest writes them: UTC, ISO 8601, whole seconds, ``2026-11-22T16:40:34Z``."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from ..errors import InputError
from ..units import parse_seconds

CLOCK_TOLERANCE = 300.0  # seconds that a set may be ahead of the clock: two hosts that share a folder
ISO = "%Y-%m-%dT%H:%M:%SZ"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def to_iso(epoch: float) -> str:
    """Given seconds since the epoch, return the moment as text."""
    return datetime.fromtimestamp(int(epoch), timezone.utc).strftime(ISO)


def from_iso(text: str) -> float:
    """Given a moment as text, return seconds since the epoch. Raise ValueError where it is of another form."""
    return datetime.strptime(text, ISO).replace(tzinfo=timezone.utc).timestamp()


def moment_of(set_id: str) -> float:
    """Given the id of a set, return when it was begun, in seconds since the epoch. Raise ValueError."""
    text = set_id.partition("-")[0]
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()


def pin_end(value: str, now: float) -> float:
    """Given ``pin_until`` (a moment, a day or a duration from now such as 30d), return it as seconds since the epoch.

    A day means its end. Raise InputError where the value is of another form.
    """
    try:
        if _DATE.fullmatch(value):
            return from_iso(f"{value}T23:59:59Z")
        if _DATE.match(value):
            return from_iso(value)
        return now + parse_seconds("pin_until", value)
    except (ValueError, InputError):
        expected = "a duration such as 30d, a day such as 2026-12-31 or a moment such as 2026-12-31T23:59:59Z"
        raise InputError("pin_until", value, expected) from None
