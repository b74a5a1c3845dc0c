# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one run knows of one server: what was observed, what is planned, and in the end how it came out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional, cast

from ...finding import DONE, EMPTY, Check, Finding
from ...registry import Outcome, finding_of
from ...steps import Step
from ..declared import Database, VacuumSettings
from ..steps import Ended
from .history import History
from .model import ServerSnapshot
from .plan import Flagged, ServerPlan
from .reasons import TableContext, dead_limit


class ServerContext(NamedTuple):
    """One server of the inventory. ``unavailable`` is the status and the reason where it could not be looked at;
    ``after`` are the tables as they are after the run's steps, by database, where they were looked at again.
    """

    entry: Database
    settings: VacuumSettings
    cluster: Optional[ServerSnapshot] = None
    history: History = History()
    plan: ServerPlan = ServerPlan()
    ended: tuple[Ended, ...] = ()
    unavailable: Optional[tuple[str, str]] = None
    after: Mapping[str, tuple[TableContext, ...]] = EMPTY

    @property
    def snapshot(self) -> ServerSnapshot:
        """What was observed of the server; a rule is only asked where it was."""
        return cast("ServerSnapshot", self.cluster)

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return what a rule says as a finding: of the whole server, unless it names one of its databases or tables."""
        return finding_of(check, outcome, self.entry.name)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps to take, in their order."""
        return self.plan.steps

    @property
    def predicted_s(self) -> float:
        """The seconds that the steps are predicted to take."""
        return self.plan.predicted_s

    def contexts(self, database: str) -> tuple[TableContext, ...]:
        """Return the tables of a database as they were observed last."""
        return self.after.get(database, self.plan.contexts.get(database, ()))

    def subject(self, database: str) -> str:
        """Return how findings name one of the databases."""
        return f"{self.entry.name}:{database}"

    def settled(self) -> set[str]:
        """Return the subjects of the tables whose ordinary step was done."""
        return {o.step.subject for o in self.ended if o.state == DONE and not _is_stage(o)}

    def open_tables(self, database: str, codes: Iterable[str]) -> list[Flagged]:
        """Return the tables of a database that have one of these reasons and were not settled in this run."""
        settled, wanted = self.settled(), set(codes)
        return [
            flagged
            for flagged in self.plan.flagged
            if flagged.database == database
            and flagged.subject not in settled
            and wanted & {reason.code for reason in flagged.reasons}
        ]

    def not_removable(self, database: str) -> dict[str, int]:
        """Return the tables of a database that were vacuumed and still have too many dead rows, with their number."""
        vacuumed = {o.step.subject: int(o.after.get("dead", 0)) for o in self.ended if o.state == DONE and o.after}
        limits = self.entry.thresholds
        return {
            f.subject: vacuumed[f.subject]
            for f in self.plan.flagged
            if f.database == database
            and vacuumed.get(f.subject, 0) > dead_limit(f.context.table.live, limits)
            and "dead_rows" in {reason.code for reason in f.reasons}
        }

    def not_done(self, rule: str) -> list[tuple[str, str]]:
        """Return the subjects and reasons of what was decided against or did not come out under a check id."""
        known = [(r.subject, r.reason) for r in self.plan.refusals if r.rule == rule]
        return known + [(o.step.subject, o.reason) for o in self.ended if o.rule == rule and o.state != DONE]


def _is_stage(end: Ended) -> bool:
    return end.step.task.target is not None
