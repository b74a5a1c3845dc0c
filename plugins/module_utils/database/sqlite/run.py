# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""db_vacuum for SQLite: look, plan, act, tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from ...errors import CoreError, ParseError, SourceMissing
from ...finding import CRITICAL, DONE, NOT_DONE, UNKNOWN, Finding, Result
from ...host import Host
from ...registry import Outcome, Rules
from ..backup_gate import ask_gate
from ..rules_common import INTEGRITY, REACHABLE
from ..rules_common import RULES as BOTH
from ..settings import Database, Settings
from ..steps import Ended, actions, failures
from .act import Task, perform
from .collect import gather
from .look import Look
from .plan import DEFAULT_MB_S, Case, make_plan
from .reader import Beyond, Corrupt
from .report import data, metrics, speeds
from .rules_file import RULES as FILE

RULES = Rules(FILE)
# Where it cannot be looked at: which check speaks of it, and how grave it is. Anything else is unknown.
_GRAVITY: tuple[tuple[type[CoreError], str, str], ...] = (
    (Beyond, INTEGRITY.id, UNKNOWN),
    (Corrupt, INTEGRITY.id, CRITICAL),
    (ParseError, INTEGRITY.id, CRITICAL),
    (SourceMissing, REACHABLE.id, CRITICAL),
    (CoreError, REACHABLE.id, UNKNOWN),
)
_READ_ELSEWHERE = (
    "Run this with a Python whose SQLite is new enough (python3 -c 'import sqlite3; print(sqlite3.sqlite_version)'), "
    "or have the application itself run PRAGMA integrity_check."
)


def look(entry: Database, settings: Settings, host: Host, memory: Mapping[str, Any], window_s: float) -> Look:
    """Given an entry of the inventory, return what is seen of the database and what is planned."""
    try:
        seen = gather(entry.path, host, full=settings.full_integrity)
    except CoreError as error:
        check, status = next((check, status) for kind, check, status in _GRAVITY if isinstance(error, kind))
        return Look(entry, settings, problem=(check, status, str(error)))
    gate = ask_gate(settings.backup, entry, [entry.path, seen.path], host)
    plan = make_plan(Case(entry, settings, seen, gate, _speeds(memory), window_s))
    return Look(entry, settings, seen, plan, gate)


def _known(memory: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the speeds that are remembered by strategy; what is not of that form is forgotten."""
    kept = memory.get("mb_s")
    pairs = kept.items() if isinstance(kept, dict) else ()
    return {
        str(strategy): [float(v) for v in values if isinstance(v, (int, float)) and v > 0]
        for strategy, values in pairs
        if isinstance(values, list)
    }


def _speeds(memory: Mapping[str, Any]) -> dict[str, float]:
    known = {strategy: median(values) for strategy, values in _known(memory).items() if values}
    return {**DEFAULT_MB_S, **known}


def take(seen: Look, host: Host, deadline: float, beat: Callable[[], None]) -> Look:
    """Given a look, take its steps one after the other and return it with how they came out. A failure ends them."""
    replicated = seen.seen is not None and seen.seen.is_replicated
    outcomes: list[Ended] = []
    for step in seen.steps:
        if failures(outcomes):
            outcomes.append(Ended(step, NOT_DONE, "an earlier step failed", rule="database.maintenance"))
        else:
            outcomes.append(perform(Task(step, host, deadline, replicated, beat)))
    return seen._replace(outcomes=tuple(outcomes))


def judge(context: Look) -> list[Finding]:
    """Given what is known of a database, return its findings."""
    if context.seen is None:
        check, status, reason = context.problem or (REACHABLE.id, UNKNOWN, "it was not looked at")
        remedy = _READ_ELSEWHERE if (check, status) == (INTEGRITY.id, UNKNOWN) else None
        return [context.finding(BOTH[check], Outcome(status, reason, remedy=remedy))]
    return RULES.judge(context)


def tell(seen: Look, host: Host) -> Result:
    """Given a look, with its outcomes where the run acted, return the result."""
    return Result(
        findings=judge(seen),
        metrics=metrics(seen),
        actions=actions(seen.steps, seen.plan.refusals, seen.outcomes),
        data=data(seen),
        changed=any(outcome.state == DONE for outcome in seen.outcomes),
        failure="; ".join(failures(seen.outcomes)),
    )


def lesson(seen: Look, memory: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Given a look at the end of a run and this entry's memory, return what to remember of it."""
    return {**memory, "mb_s": speeds(seen, _known(memory))}
