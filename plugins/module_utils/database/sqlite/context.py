# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one run knows of one SQLite database: what was observed, what is planned, and in the end how it came out."""

from __future__ import annotations

from typing import NamedTuple, Optional, cast

from ...finding import Check, Finding
from ...registry import Outcome, finding_of
from ...steps import Step
from ..backup_gate import Gate
from ..declared import Database, VacuumSettings
from ..steps import Ended, done
from .model import FileSnapshot, FileTask
from .plan import FilePlan

VACUUMS = ("vacuum", "vacuum_into", "incremental_vacuum")


class FileContext(NamedTuple):
    """One database. ``unavailable`` is the check id, the status and the reason where it could not be looked at."""

    entry: Database
    settings: VacuumSettings
    observed: Optional[FileSnapshot] = None
    plan: FilePlan = FilePlan()
    gate: Optional[Gate] = None
    ended: tuple[Ended, ...] = ()
    unavailable: Optional[tuple[str, str, str]] = None

    @property
    def snapshot(self) -> FileSnapshot:
        """What was observed of the database; a rule is only asked where it was."""
        return cast("FileSnapshot", self.observed)

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return what a rule says of the database as a finding."""
        return finding_of(check, outcome, self.entry.name)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps to take, in their order."""
        return self.plan.steps

    @property
    def predicted_s(self) -> float:
        """The seconds that the steps are predicted to take."""
        tasks: list[FileTask] = [step.task for step in self.plan.steps]
        return sum(task.predicted_s for task in tasks)

    def done(self, *verbs: str) -> Optional[Ended]:
        """Return how the step of one of these verbs came out, or None where none was done."""
        return next((o for o in done(self.ended) if o.step.action in verbs), None)

    def not_done(self, rule: str) -> list[str]:
        """Return the reasons of what was decided against or did not come out under a check id."""
        known = [refusal.reason for refusal in self.plan.refusals if refusal.rule == rule]
        return known + [outcome.reason for outcome in self.ended if outcome.rule == rule]
