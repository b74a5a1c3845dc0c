# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for one server, in which order its steps are taken and which fit into the window. Pure.

Check mode reports it, the run carries out the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...finding import EMPTY
from ...steps import Step
from ..declared import VacuumSettings
from ..steps import Refusal
from .decide import LEAST_S, Facts, Scope, consider, contexts_of, decide, scope_of
from .history import History
from .model import ServerSnapshot, TableTask
from .reasons import Reason, TableContext, nearness, reasons

NEXT_CANDIDATES = 5
NEAR = 0.1  # of a threshold; what is further away is no candidate
WINDOW_SHARE = 0.95  # of the window may be planned; the rest is for what a prediction cannot know
STAGE_TARGETS = (1, 10)  # as vacuumdb --analyze-in-stages; the third stage is the ordinary one
RESTORED_TABLES = 20  # so many tables without statistics, and half of all: the server was just restored


class Flagged(NamedTuple):
    """A table that has reasons, whether or not something is done about them."""

    database: str
    subject: str
    context: TableContext
    reasons: tuple[Reason, ...]


class ServerPlan(NamedTuple):
    """The plan for one server. ``contexts`` are all tables looked at, by database; ``flagged`` those with a reason."""

    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    contexts: Mapping[str, tuple[TableContext, ...]] = EMPTY
    flagged: tuple[Flagged, ...] = ()
    predicted_s: float = 0.0


def make_plan(
    cluster: ServerSnapshot, settings: VacuumSettings, history: History, facts: Facts, window_s: float
) -> ServerPlan:
    """Given the snapshot of a server, return its steps in order and what is decided against. A standby has none."""
    steps: list[Step] = []
    refusals: list[Refusal] = []
    contexts: dict[str, tuple[TableContext, ...]] = {}
    flagged: list[Flagged] = []
    for number, database in enumerate(cluster.databases):
        scope = scope_of(cluster, database, settings, history)
        contexts[database.name] = contexts_of(scope, with_shared=number == 0)
        for context in contexts[database.name]:
            found = reasons(context)
            chosen, refused = choose(context, found, scope, facts)
            steps += chosen
            refusals += refused
            flagged += [Flagged(database.name, scope.subject(context.table), context, found)] if found else []
    filled = sum(context.table.live > 0 for found in contexts.values() for context in found)
    fitting, late, predicted = fit(ordered(staged(steps, settings, filled)), window_s, settings.jobs)
    return ServerPlan(tuple(fitting), (*refusals, *late), contexts, tuple(flagged), predicted)


def choose(
    context: TableContext, found: tuple[Reason, ...], scope: Scope, facts: Facts
) -> tuple[list[Step], list[Refusal]]:
    """Given a table and its reasons, return its step and refusals; a rewrite stands for every other step on it."""
    rewriting, refused = consider(context, scope, facts)
    if rewriting:
        return [rewriting], []
    step, barred = decide(context, found, scope)
    return ([step] if step else []), [*barred, *([refused] if refused else [])]


def next_candidates(plan: ServerPlan) -> list[dict[str, object]]:
    """Given a plan, return the tables that will need work next, nearest first."""
    busy = {(step.task.database, step.task.table.oid) for step in plan.steps}
    near = [
        (nearness(context), f"{database}.{context.table.schema}.{context.table.name}")
        for database, contexts in plan.contexts.items()
        for context in contexts
        if (database, context.table.oid) not in busy and context.table.live + context.table.dead > 0
    ]
    nearest = heapq.nlargest(NEXT_CANDIDATES, near)
    return [{"table": name, "nearness": round(value, 2)} for value, name in nearest if value >= NEAR]


def staged(steps: Sequence[Step], settings: VacuumSettings, filled: int) -> list[Step]:
    """Given the steps and the number of tables that hold rows, put quick analyze stages before the steps where the
    server was just restored or upgraded, or where they are asked for.
    """
    new = [step for step in steps if step.task.analyze and "never_analyzed" in step.task.codes]
    wanted = settings.analyze == "stages" or (settings.analyze == "auto" and _restored(len(new), filled))
    if not wanted:
        return list(steps)
    return [_stage(step, target) for target in STAGE_TARGETS for step in new] + list(steps)


def _restored(unknown: int, filled: int) -> bool:
    return unknown >= max(RESTORED_TABLES, filled / 2)


def _stage(step: Step, target: int) -> Step:
    task: TableTask = step.task
    seconds = max(LEAST_S, task.predicted_s * (target / 100))
    staged_task = task._replace(vacuum=False, freeze=False, target=target, predicted_s=seconds)
    return staged_task.step(f"analyze_target_{target}", step.subject, step.reason)


def urgency(step: Step) -> tuple[float, ...]:
    """Return the order of steps: stages, then the risk of wraparound, then dead bytes, then stale statistics. A parent
    comes after its children, whose changes are counted from its own last analyze on.
    """
    task: TableTask = step.task
    table = task.table
    risk = max(table.xid_age, table.mxid_age) if task.emergency or "freeze" in task.codes else 0
    return (0 if task.emergency else task.target or 1000, -risk, table.children, -table.dead_bytes, -table.modified)


def ordered(steps: Sequence[Step]) -> list[Step]:
    """Given steps, return them most urgent first; those of one database follow each other, emergencies before all."""
    by_urgency = sorted(steps, key=lambda step: (*urgency(step), step.subject))
    rank: dict[tuple[bool, str], int] = {}
    for step in by_urgency:
        rank.setdefault(group_of(step), len(rank))
    return sorted(by_urgency, key=lambda step: rank[group_of(step)])


def group_of(step: Step) -> tuple[bool, str]:
    """Return what the workers finish together before they go on: the emergencies or the rest of one database."""
    return step.task.emergency, step.task.database


def fit(steps: Sequence[Step], window_s: float, jobs: int) -> tuple[list[Step], list[Refusal], float]:
    """Given ordered steps, return those that fit into the window, the refusals of the others, the seconds needed.

    Each step goes to the worker that is free first; a step that would end after the window is not planned, smaller ones
    after it may be. Emergencies ignore the window. The workers go from database to database together.
    """
    room = window_s * WINDOW_SHARE
    free_at = [0.0] * jobs
    fitting: list[Step] = []
    late: list[Refusal] = []
    for step in steps:
        if fitting and group_of(fitting[-1]) != group_of(step):
            free_at = [max(free_at)] * jobs
        end = free_at[0] + step.task.predicted_s
        if end > room and not step.task.emergency:
            late.append(_too_late(step, window_s))
            continue
        heapq.heapreplace(free_at, end)
        fitting.append(step)
    return fitting, late, max(free_at)


def _too_late(step: Step, window_s: float) -> Refusal:
    what = "than the whole window of" if step.task.predicted_s > window_s * WINDOW_SHARE else "than is left of"
    reason = f"predicted to take {step.task.predicted_s:.0f} s, longer {what} {window_s / 60:.0f} min"
    return Refusal(step.action, step.subject, "database.window", reason, step.details)
