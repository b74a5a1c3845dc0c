# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a server -> metrics and data. Pure."""

from __future__ import annotations

from typing import Any, Optional

from ...finding import DONE, NOT_DONE, PLANNED, Metric
from ..steps import Ended, Refusal
from .context import ServerContext
from .history import Forecast, TableSample, forecast
from .horizon import horizon, who
from .model import DatabaseSnapshot, ServerSnapshot, TableTask
from .plan import Flagged, next_candidates

LEAST_SAMPLED = 8_000_000  # bytes; a smaller table's time is that of a round trip and says nothing of a large one's


def freeze_forecast(context: ServerContext, cluster: ServerSnapshot, now: float) -> Forecast:
    """Return when the oldest database reaches the age at which autovacuum is forced to freeze."""
    oldest = max((age.xid_age for age in cluster.ages), default=0)
    return forecast(context.history, cluster.server.next_xid, now, oldest, cluster.server.freeze_max_age)


def metrics(context: ServerContext, now: float) -> list[Metric]:
    """Given what is known of a server, return its numbers."""
    cluster = context.cluster
    if cluster is None or cluster.server.in_recovery:
        return []
    days = freeze_forecast(context, cluster, now).days
    entry = {"database": context.entry.name, "engine": "postgresql"}
    seconds = sum(ended.seconds for ended in context.ended)
    whole = [
        Metric("cryptobot_database_freed_bytes", sum(o.freed_bytes for o in context.ended), "bytes", entry),
        Metric("cryptobot_database_vacuum_seconds", round(seconds, 3), "seconds", entry),
        Metric("cryptobot_database_candidates", len(context.plan.flagged), "tables", entry),
    ]
    if days is not None:
        whole.append(Metric("cryptobot_database_freeze_forecast_days", round(days, 1), "days", entry))
    return whole + [
        metric
        for database in cluster.databases
        if not database.error
        for metric in _database(context, cluster, database)
    ]


def _database(context: ServerContext, cluster: ServerSnapshot, database: DatabaseSnapshot) -> list[Metric]:
    labels = {"database": context.entry.name, "engine": "postgresql", "name": database.name}
    age = next((age for age in cluster.ages if age.name == database.name), None)
    numbers: tuple[tuple[str, float, str], ...] = (
        ("size_bytes", sum(table.bytes for table in database.tables), "bytes"),
        ("dead_rows", sum(table.dead for table in database.tables), "rows"),
        ("tables", len(database.tables), "tables"),
        ("xid_age", age.xid_age if age else 0, "transactions"),
        ("multixact_age", age.mxid_age if age else 0, "transactions"),
        ("xmin_age", horizon(cluster, database.name).age, "transactions"),
    )
    return [Metric(f"cryptobot_database_{name}", value, unit, labels) for name, value, unit in numbers]


def data(context: ServerContext, now: float) -> dict[str, Any]:
    """Given what is known of a server, return what the module returns of it under ``databases``."""
    known: dict[str, Any] = {"name": context.entry.name, "engine": "postgresql"}
    if context.cluster is None:
        return known
    ahead = freeze_forecast(context, context.cluster, now)
    return {
        **known,
        "version": context.cluster.server.version,
        "in_recovery": context.cluster.server.in_recovery,
        "databases": [_database_data(context, context.cluster, database) for database in context.cluster.databases],
        "next_candidates": next_candidates(context.plan),
        "forecast": {"days_to_freeze_trigger": _rounded(ahead.days), "reason": ahead.reason},
        "freed_bytes": sum(end.freed_bytes for end in context.ended),
    }


def _rounded(days: Optional[float]) -> Optional[float]:
    return None if days is None else round(days, 1)


def _database_data(context: ServerContext, cluster: ServerSnapshot, database: DatabaseSnapshot) -> dict[str, Any]:
    found = horizon(cluster, database.name)
    oldest = {"age": found.age, "holder": who(found.holder)} if found.holder else None
    ages = {age.name: age for age in cluster.ages}
    return {
        "database": database.name,
        "error": database.error,
        "tables_total": len(database.tables),
        "xid_age_max": ages[database.name].xid_age if database.name in ages else None,
        "oldest_xmin": oldest,
        "tables": [_table(context, flagged) for flagged in context.plan.flagged if flagged.database == database.name],
    }


def _table(context: ServerContext, flagged: Flagged) -> dict[str, Any]:
    table, bloat = flagged.context.table, flagged.context.bloat
    return {
        "schema": table.schema,
        "name": table.name,
        "reason": [reason.text for reason in flagged.reasons],
        "before": {
            "dead": table.dead,
            "live": table.live,
            "bytes": table.bytes,
            "xid_age": table.xid_age,
            "bloat": None if bloat.ratio is None else round(bloat.ratio, 3),
            "bloat_withheld": bloat.withheld,
        },
        **_came_out(context, flagged.subject),
    }


def _came_out(context: ServerContext, subject: str) -> dict[str, Any]:
    """Return how a table fared: the last outcome, else the refusal, else that it is planned."""
    ended = [end for end in context.ended if end.step.subject == subject]
    if ended:
        return _outcome(ended[-1])
    if any(step.subject == subject for step in context.steps):
        return {"result": PLANNED, "why": ""}
    refusals: list[Refusal] = [refusal for refusal in context.plan.refusals if refusal.subject == subject]
    return {"result": NOT_DONE, "why": refusals[0].reason if refusals else "its reasons do not call for a step"}


def _outcome(end: Ended) -> dict[str, Any]:
    why = "" if end.state == DONE else end.reason
    known = {"result": end.state, "why": why, "seconds": round(end.seconds, 3), "after": dict(end.after)}
    return {**known, **dict(end.details)}


def samples(context: ServerContext, cluster: ServerSnapshot) -> list[TableSample]:
    """Given a context whose steps were taken, return what the next run may learn from it."""
    found = []
    for end in context.ended:
        task: TableTask = end.step.task
        if end.state != DONE or not task.vacuum or task.rewrite:
            continue
        profile = "emergency" if task.emergency else context.settings.profile
        measured = task.table.bytes >= LEAST_SAMPLED and end.seconds
        speed = task.table.bytes / 1e6 / end.seconds if measured else 0.0
        name = f"{task.database}.{task.table.schema}.{task.table.name}"
        left = int(end.after.get("dead", 0))
        found.append(TableSample(name, profile, speed, left, horizon(cluster, task.database).xid))
    return found
