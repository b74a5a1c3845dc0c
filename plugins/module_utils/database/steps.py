# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What both engines plan and do beside their steps: what is decided against, and how a step came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..finding import DONE, EMPTY, FAILED, NOT_DONE, Action
from ..steps import Step


class Refusal(NamedTuple):
    """Something that would have been worth doing and is not done, with the reason. ``rule`` is a check id."""

    action: str
    subject: str
    rule: str
    reason: str
    details: Mapping[str, Any] = EMPTY

    def as_action(self) -> Action:
        """Return the refusal as an action that was decided against."""
        return Action(self.action, self.subject, NOT_DONE, self.reason, self.details)


class Ended(NamedTuple):
    """How a step came out. ``rule`` is the check id that speaks of it where it was not done."""

    step: Step
    state: str
    reason: str
    seconds: float = 0.0
    rule: str = ""
    before: Mapping[str, Any] = EMPTY
    after: Mapping[str, Any] = EMPTY
    details: Mapping[str, Any] = EMPTY

    def as_action(self) -> Action:
        """Return the outcome as an action."""
        known = {**self.step.details, "seconds": round(self.seconds, 3), **self.details}
        return Action(self.step.action, self.step.subject, self.state, self.reason, known)

    @property
    def freed_bytes(self) -> int:
        """The bytes given back to the file system; never negative, because a table may grow meanwhile."""
        return max(0, int(self.before.get("bytes") or 0) - int(self.after.get("bytes") or 0))


def actions(steps: Sequence[Step], refusals: Sequence[Refusal], ended: Sequence[Ended] = ()) -> list[Action]:
    """Given a plan and how its steps came out so far, return its actions; a step that has not ended is planned."""
    known = {(end.step.action, end.step.subject): end for end in ended}
    found = []
    for step in steps:
        end = known.get((step.action, step.subject))
        found.append(step.planned() if end is None else end.as_action())
    return found + [refusal.as_action() for refusal in refusals]


def failures(ended: Sequence[Ended]) -> list[str]:
    """Return one sentence for each step that the run was told to take and could not."""
    return [f"{o.step.action} of {o.step.subject} failed: {o.reason}" for o in ended if o.state == FAILED]


def done(ended: Sequence[Ended]) -> list[Ended]:
    """Return the outcomes of the steps that were done."""
    return [end for end in ended if end.state == DONE]
