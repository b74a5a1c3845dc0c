# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""db_vacuum for SQLite: collect, plan, act, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from ...errors import CoreError, ParseError, SourceMissing
from ...finding import CRITICAL, DONE, NOT_DONE, UNKNOWN, Finding, Result
from ...host import Host
from ...registry import Outcome, Rules
from ..backup_gate import ask_gate
from ..declared import Database, VacuumSettings
from ..rules_common import INTEGRITY, REACHABLE
from ..rules_common import RULES as BOTH
from ..steps import Ended, actions, failures
from .act import FileRun, perform
from .collect import collect
from .context import FileContext
from .plan import DEFAULT_MB_S, FileInputs, make_plan
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


def prepare(
    entry: Database, settings: VacuumSettings, host: Host, memory: Mapping[str, Any], window_s: float
) -> FileContext:
    """Given an entry of the inventory, return what is observed of the database and what is planned."""
    try:
        snapshot = collect(entry.path, host, full=settings.full_integrity)
    except CoreError as error:
        check, status = next((check, status) for kind, check, status in _GRAVITY if isinstance(error, kind))
        return FileContext(entry, settings, unavailable=(check, status, str(error)))
    gate = ask_gate(settings.backup, entry, [entry.path, snapshot.path], host)
    plan = make_plan(FileInputs(entry, settings, snapshot, gate, _speeds(memory), window_s))
    return FileContext(entry, settings, snapshot, plan, gate)


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


def vacuum(context: FileContext, host: Host, deadline: float, heartbeat: Callable[[], None]) -> FileContext:
    """Take the steps of a database one after the other and return it with how they came out. A failure ends them."""
    replicated = context.observed is not None and context.observed.is_replicated
    ended: list[Ended] = []
    for step in context.steps:
        if failures(ended):
            ended.append(Ended(step, NOT_DONE, "an earlier step failed", rule="database.maintenance"))
        else:
            ended.append(perform(FileRun(step, host, deadline, replicated, heartbeat)))
    return context._replace(ended=tuple(ended))


def judge(context: FileContext) -> list[Finding]:
    """Given what is known of a database, return its findings."""
    if context.observed is None:
        check, status, reason = context.unavailable or (REACHABLE.id, UNKNOWN, "it was not looked at")
        remedy = _READ_ELSEWHERE if (check, status) == (INTEGRITY.id, UNKNOWN) else None
        return [context.finding(BOTH[check], Outcome(status, reason, remedy=remedy))]
    return RULES.judge(context)


def report(context: FileContext, host: Host) -> Result:
    """Given what is known of a database, with how its steps ended where the run acted, return the result."""
    return Result(
        findings=judge(context),
        metrics=metrics(context),
        actions=actions(context.steps, context.plan.refusals, context.ended),
        data=data(context),
        changed=any(end.state == DONE for end in context.ended),
        failure="; ".join(failures(context.ended)),
    )


def memory_of(context: FileContext, memory: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Given what is known of a database at the end of a run and this entry's memory, return what to remember of it."""
    return {**memory, "mb_s": speeds(context, _known(memory))}
