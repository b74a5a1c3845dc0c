# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at a server -> metrics and data. Pure."""

from __future__ import annotations

from typing import Any, Optional

from ...finding import DONE, NOT_DONE, PLANNED, Metric
from ..steps import Ended, Refusal
from .history import Forecast, Lesson, forecast
from .horizon import horizon, who
from .look import Look
from .model import Cluster, TableTask, View
from .plan import Flagged, next_candidates

LEAST_TAUGHT = 8_000_000  # bytes; a smaller table's time is that of a round trip and says nothing of a large one's


def freeze_forecast(look: Look, cluster: Cluster, now: float) -> Forecast:
    """Return when the oldest database reaches the age at which autovacuum is forced to freeze."""
    oldest = max((age.xid_age for age in cluster.ages), default=0)
    return forecast(look.history, cluster.server.next_xid, now, oldest, cluster.server.freeze_max_age)


def metrics(look: Look, now: float) -> list[Metric]:
    """Given a look at a server, return its numbers."""
    cluster = look.cluster
    if cluster is None or cluster.server.in_recovery:
        return []
    days = freeze_forecast(look, cluster, now).days
    entry = {"database": look.entry.name, "engine": "postgresql"}
    whole = [
        Metric("cryptobot_database_freed_bytes", sum(o.freed_bytes for o in look.outcomes), "bytes", entry),
        Metric("cryptobot_database_vacuum_seconds", round(sum(o.seconds for o in look.outcomes), 3), "seconds", entry),
        Metric("cryptobot_database_candidates", len(look.plan.flagged), "tables", entry),
    ]
    if days is not None:
        whole.append(Metric("cryptobot_database_freeze_forecast_days", round(days, 1), "days", entry))
    return whole + [metric for view in cluster.views if not view.error for metric in _database(look, cluster, view)]


def _database(look: Look, cluster: Cluster, view: View) -> list[Metric]:
    labels = {"database": look.entry.name, "engine": "postgresql", "name": view.database}
    age = next((age for age in cluster.ages if age.name == view.database), None)
    numbers: tuple[tuple[str, float, str], ...] = (
        ("size_bytes", sum(table.bytes for table in view.tables), "bytes"),
        ("dead_rows", sum(table.dead for table in view.tables), "rows"),
        ("tables", len(view.tables), "tables"),
        ("xid_age", age.xid_age if age else 0, "transactions"),
        ("multixact_age", age.mxid_age if age else 0, "transactions"),
        ("xmin_age", horizon(cluster, view.database).age, "transactions"),
    )
    return [Metric(f"cryptobot_database_{name}", value, unit, labels) for name, value, unit in numbers]


def data(look: Look, now: float) -> dict[str, Any]:
    """Given a look at a server, return what the module returns of it under ``databases``."""
    told: dict[str, Any] = {"name": look.entry.name, "engine": "postgresql"}
    if look.cluster is None:
        return told
    ahead = freeze_forecast(look, look.cluster, now)
    return {
        **told,
        "version": look.cluster.server.version,
        "in_recovery": look.cluster.server.in_recovery,
        "databases": [_view(look, look.cluster, view) for view in look.cluster.views],
        "next_candidates": next_candidates(look.plan),
        "forecast": {"days_to_freeze_trigger": _rounded(ahead.days), "reason": ahead.reason},
        "freed_bytes": sum(outcome.freed_bytes for outcome in look.outcomes),
    }


def _rounded(days: Optional[float]) -> Optional[float]:
    return None if days is None else round(days, 1)


def _view(look: Look, cluster: Cluster, view: View) -> dict[str, Any]:
    found = horizon(cluster, view.database)
    oldest = {"age": found.age, "holder": who(found.holder)} if found.holder else None
    ages = {age.name: age for age in cluster.ages}
    return {
        "database": view.database,
        "error": view.error,
        "tables_total": len(view.tables),
        "xid_age_max": ages[view.database].xid_age if view.database in ages else None,
        "oldest_xmin": oldest,
        "tables": [_table(look, flagged) for flagged in look.plan.flagged if flagged.database == view.database],
    }


def _table(look: Look, flagged: Flagged) -> dict[str, Any]:
    table, bloat = flagged.case.table, flagged.case.bloat
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
        **_came_out(look, flagged.subject),
    }


def _came_out(look: Look, subject: str) -> dict[str, Any]:
    """Return how a table fared: the last outcome, else the refusal, else that it is planned."""
    outcomes = [outcome for outcome in look.outcomes if outcome.step.subject == subject]
    if outcomes:
        return _outcome(outcomes[-1])
    if any(step.subject == subject for step in look.steps):
        return {"result": PLANNED, "why": ""}
    refusals: list[Refusal] = [refusal for refusal in look.plan.refusals if refusal.subject == subject]
    return {"result": NOT_DONE, "why": refusals[0].reason if refusals else "its reasons do not call for a step"}


def _outcome(outcome: Ended) -> dict[str, Any]:
    why = "" if outcome.state == DONE else outcome.reason
    told = {"result": outcome.state, "why": why, "seconds": round(outcome.seconds, 3), "after": dict(outcome.after)}
    return {**told, **dict(outcome.details)}


def lessons(look: Look, cluster: Cluster) -> list[Lesson]:
    """Given a look whose steps were taken, return what the next run may learn from it."""
    taught = []
    for outcome in look.outcomes:
        task: TableTask = outcome.step.task
        if outcome.state != DONE or not task.vacuum or task.rewrite:
            continue
        profile = "emergency" if task.emergency else look.settings.profile
        measured = task.table.bytes >= LEAST_TAUGHT and outcome.seconds
        speed = task.table.bytes / 1e6 / outcome.seconds if measured else 0.0
        name = f"{task.database}.{task.table.schema}.{task.table.name}"
        left = int(outcome.after.get("dead", 0))
        taught.append(Lesson(name, profile, speed, left, horizon(cluster, task.database).xid))
    return taught
