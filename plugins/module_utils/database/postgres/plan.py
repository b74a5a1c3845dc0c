# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for one server: check mode reports it, the run carries out the same. Pure."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

from ..settings import Settings
from ..steps import Refusal
from .decide import Scope, cases_of, decide, scope_of
from .history import History
from .reasons import Case, Reason, nearness, reasons
from .records import Cluster
from .rewrite import Facts, consider
from .schedule import fit, ordered, staged
from .steps import TableStep

NEXT_CANDIDATES = 5
NEAR = 0.1  # of a threshold; what is further away is no candidate


class Flagged(NamedTuple):
    """A table that has reasons, whether or not something is done about them."""

    database: str
    subject: str
    case: Case
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Plan:
    """The plan for one server. ``cases`` are all tables looked at, by database; ``flagged`` those with a reason."""

    steps: tuple[TableStep, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    cases: dict[str, tuple[Case, ...]] = field(default_factory=dict)
    flagged: tuple[Flagged, ...] = ()
    predicted_s: float = 0.0


def make_plan(cluster: Cluster, settings: Settings, history: History, facts: Facts, window_s: float) -> Plan:
    """Given a server as seen, return the steps in their order and what is decided against. A standby has none."""
    steps: list[TableStep] = []
    refusals: list[Refusal] = []
    cases: dict[str, tuple[Case, ...]] = {}
    flagged: list[Flagged] = []
    for number, view in enumerate(cluster.views):
        scope = scope_of(cluster, view, settings, history)
        cases[view.database] = cases_of(scope, with_shared=number == 0)
        for case in cases[view.database]:
            found = reasons(case)
            chosen, refused = choose(case, found, scope, facts)
            steps += chosen
            refusals += refused
            flagged += [Flagged(view.database, scope.subject(case.table), case, found)] if found else []
    filled = sum(case.table.live > 0 for found in cases.values() for case in found)
    fitting, late, predicted = fit(ordered(staged(steps, settings, filled)), window_s, settings.jobs)
    return Plan(tuple(fitting), (*refusals, *late), cases, tuple(flagged), predicted)


def choose(case: Case, found: tuple[Reason, ...], scope: Scope, facts: Facts) -> tuple[list[TableStep], list[Refusal]]:
    """Given a case and its reasons, return its step and refusals; a rewrite stands for every other step on it."""
    rewriting, refused = consider(case, scope, facts)
    if rewriting:
        return [rewriting], []
    step, barred = decide(case, found, scope)
    return ([step] if step else []), [*barred, *([refused] if refused else [])]


def next_candidates(plan: Plan) -> list[dict[str, object]]:
    """Given a plan, return the tables that will need work next, nearest first."""
    busy = {(step.database, step.table.oid) for step in plan.steps}
    near = [
        (nearness(case), f"{database}.{case.table.schema}.{case.table.name}")
        for database, cases in plan.cases.items()
        for case in cases
        if (database, case.table.oid) not in busy and case.table.live + case.table.dead > 0
    ]
    nearest = heapq.nlargest(NEXT_CANDIDATES, near)
    return [{"table": name, "nearness": round(value, 2)} for value, name in nearest if value >= NEAR]
