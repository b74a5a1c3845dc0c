# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an acting area does: a plan is steps in order, and each step says the same in check mode and in the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .finding import DONE, EMPTY, PLANNED, Action


class Step(NamedTuple):
    """One thing to do: a verb, what it acts on, and why. ``task`` is what the area needs to do it.

    ``details`` are what an operator may want to know of it beforehand, as plain JSON values.
    """

    action: str
    subject: str
    reason: str
    task: Any = None
    details: Mapping[str, Any] = EMPTY

    def planned(self) -> Action:
        """Return the step as check mode reports it."""
        return self.ended(PLANNED)

    def ended(self, state: str = DONE, reason: str = "", details: Mapping[str, Any] = EMPTY) -> Action:
        """Return what became of the step; without a reason of its own it is the reason of the plan."""
        return Action(self.action, self.subject, state, reason or self.reason, {**self.details, **details})
