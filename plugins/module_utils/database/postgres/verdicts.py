# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules of this engine share: naming a few of many tables, and the finding for a count that should be 0."""

from __future__ import annotations

from collections.abc import Iterable

from ...finding import OK, WARNING, Finding
from ..checks import CHECKS

NAMED = 5  # so many examples stand in a message; the data hold all


def verdict(check: str, subject: str, bad: bool, message: str, actual: int) -> Finding:
    """Return a warning where something is bad, else ok; what was counted should be 0."""
    return CHECKS[check].finding(WARNING if bad else OK, subject, message, expected=0, actual=actual)


def named(subjects: Iterable[str]) -> str:
    """Given subjects, return their number and the first few names."""
    names = sorted(subject.split(".", 1)[-1] for subject in subjects)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} table{'s' if len(names) != 1 else ''}: {', '.join(names[:NAMED])}{more}"
