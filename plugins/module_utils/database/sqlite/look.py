# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one run knows of one SQLite database: what was seen, what is planned, and in the end how it came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, cast

from ...finding import Check, Finding
from ...registry import Outcome
from ..backup_gate import Gate
from ..settings import Database, Settings
from ..steps import Ended, done
from .plan import FileStep, Plan
from .records import Seen

VACUUMS = ("vacuum", "vacuum_into", "incremental_vacuum")


@dataclass(frozen=True)
class Look:
    """One database. ``problem`` is the check id, the status and the reason where it could not be looked at."""

    entry: Database
    settings: Settings
    seen: Optional[Seen] = None
    plan: Plan = field(default_factory=Plan)
    gate: Optional[Gate] = None
    outcomes: tuple[Ended, ...] = ()
    problem: Optional[tuple[str, str, str]] = None

    @property
    def snapshot(self) -> Seen:
        """What was seen of the database; a rule is only asked where it was."""
        return cast("Seen", self.seen)

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return what a rule says of the database as a finding."""
        return check.finding(
            outcome.status,
            self.entry.name,
            outcome.message,
            expected=outcome.expected,
            actual=outcome.actual,
            remedy=outcome.remedy,
        )

    @property
    def steps(self) -> tuple[FileStep, ...]:
        """The steps to take, in their order."""
        return self.plan.steps

    @property
    def predicted_s(self) -> float:
        """The seconds that the steps are predicted to take."""
        return sum(step.predicted_s for step in self.plan.steps)

    def done(self, *verbs: str) -> Optional[Ended]:
        """Return how the step of one of these verbs came out, or None where none was done."""
        return next((o for o in done(self.outcomes) if o.step.action in verbs), None)

    def not_done(self, rule: str) -> list[str]:
        """Return the reasons of what was decided against or did not come out under a check id."""
        told = [refusal.reason for refusal in self.plan.refusals if refusal.rule == rule]
        return told + [outcome.reason for outcome in self.outcomes if outcome.rule == rule]
