# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a number and its bounds to a status, and from a missing measurement to a finding: common to all rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional, TypeVar, Union

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from .checks import CHECKS
from .declared import Bounds
from .model import Absent, Measured, Unavailable

T = TypeVar("T")


def above(value: float, bounds: Bounds) -> str:
    """Return the status of a number that is bad when it is above its bounds."""
    if bounds.critical is not None and value > bounds.critical:
        return CRITICAL
    return WARNING if bounds.warning is not None and value > bounds.warning else OK


def below(value: float, bounds: Bounds) -> str:
    """Return the status of a number that is bad when it is below its bounds."""
    if bounds.critical is not None and value < bounds.critical:
        return CRITICAL
    return WARNING if bounds.warning is not None and value < bounds.warning else OK


def expected(word: str, bounds: Bounds, write: Callable[[float], str]) -> Optional[str]:
    """Return the bounds in words, such as "at least 20 % (critical: 5 %)"; None where nothing is bounded."""
    steps = [bound for bound in (bounds.warning, bounds.critical) if bound is not None]
    if not steps:
        return None
    last = f" (critical: {write(steps[1])})" if len(steps) > 1 else ""
    return f"{word} {write(steps[0])}{last}"


def percent(share: float) -> str:
    """Given a share of 0 to 1, return it as a percentage."""
    return f"{share * 100:.3g} %"


def judged(check: str, subject: str, value: Measured[T], judge: Callable[[T], Finding]) -> Finding:
    """Given a measurement, return what ``judge`` says of it; where there is none, a finding that says so."""
    return missing(check, subject, value) if isinstance(value, (Unavailable, Absent)) else judge(value)


def missing(check: str, subject: str, value: Union[Unavailable, Absent]) -> Finding:
    """Return the finding for a measurement that there is none of."""
    if isinstance(value, Unavailable):
        return CHECKS[check].finding(UNKNOWN, subject, f"could not be looked at: {value.reason}")
    return CHECKS[check].finding(SKIPPED, subject, value.reason, remedy="")
