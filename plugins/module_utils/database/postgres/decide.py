# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do with one table, and what speaks against it. Pure.

A bloated table's empty space is given back by a rewrite, advised by default and done only through every gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ...finding import EMPTY
from ...steps import Step
from ...units import human_bytes, human_seconds
from ..backup_gate import Gate
from ..declared import VacuumSettings
from ..steps import Refusal
from . import horizon as horizons
from .history import History
from .horizon import Horizon
from .model import DatabaseSnapshot, ServerSnapshot, Table, TableTask
from .reasons import ANALYZE_CODES, VACUUM_CODES, Reason, TableContext, estimate, is_bloated, is_emergency
from .statements import PROFILES

LEAST_S = 0.02  # a round trip and a commit, whatever the size of the table
SAMPLE_ROWS = 300  # ANALYZE reads so many rows per unit of statistics target, each from a page of its own at most
DEFAULT_TARGET = 100  # default_statistics_target

ROOM = 1.1  # of table and indexes must be free: the new copy stands beside the old one until it is complete
SLOWER = 2.0  # a rewrite writes everything that a vacuum reads
REPACKERS = ("pg_repack", "pg_squeeze")


class Scope(NamedTuple):
    """What the decisions in one database depend on beside the table itself."""

    cluster: ServerSnapshot
    database: DatabaseSnapshot
    settings: VacuumSettings
    history: History
    horizon: Horizon
    obstacle: str

    def full_name(self, table: Table) -> str:
        """Return ``database.schema.table``."""
        return f"{self.database.name}.{table.schema}.{table.name}"

    def subject(self, table: Table) -> str:
        """Return how findings and actions name the table: the inventory's entry, then its full name."""
        return f"{self.cluster.entry.name}:{self.full_name(table)}"


def scope_of(cluster: ServerSnapshot, database: DatabaseSnapshot, settings: VacuumSettings, history: History) -> Scope:
    """Given the snapshot of a server and one of its databases, return the scope of the decisions in it."""
    return Scope(
        cluster,
        database,
        settings,
        history,
        horizons.horizon(cluster, database.name),
        horizons.obstacle(cluster, database.name, settings),
    )


def contexts_of(scope: Scope, *, with_shared: bool) -> tuple[TableContext, ...]:
    """Return the tables that are wanted, each with its context. Shared catalogs are looked at in one database only."""
    entry = scope.cluster.entry
    wanted = (t for t in scope.database.tables if with_shared or not t.shared)
    return tuple(_context(table, scope) for table in wanted if entry.wants(scope.full_name(table)))


def _context(table: Table, scope: Scope) -> TableContext:
    limits, server = scope.cluster.entry.thresholds, scope.cluster.server
    reclaimable = scope.history.reclaimable(scope.full_name(table), table.dead, scope.horizon.xid)
    found = estimate(table, server, limits.bloat_bytes)
    return TableContext(table, server, limits, scope.horizon, reclaimable, found)


def decide(context: TableContext, found: Sequence[Reason], scope: Scope) -> tuple[Optional[Step], list[Refusal]]:
    """Given a table and its reasons, return the step that it needs, if any, and what is refused with the reason."""
    step = wanted_step(context, found, scope)
    if step is None:
        return None, []
    barred = _barred(step, scope)
    if barred:
        return None, [Refusal(step.action, step.subject, *barred)]
    task: TableTask = step.task
    stuck = "" if task.emergency or not task.vacuum else scope.obstacle or _stuck_freeze(task, context)
    if not stuck:
        return step, []
    refusal = Refusal(step.action, step.subject, "database.xmin_horizon", f"a vacuum could remove nothing: {stuck}")
    return (_only_analyze(step, scope) if task.analyze else None), [refusal]


def wanted_step(context: TableContext, reasons: Sequence[Reason], scope: Scope) -> Optional[Step]:
    """Return the step that a table's reasons call for, before anything speaks against it."""
    settings, table = scope.settings, context.table
    emergency = is_emergency(table, context.limits)
    found = [r for r in reasons if not (r.code == "freeze" and settings.freeze == "never" and not emergency)]
    codes = {reason.code for reason in found}
    vacuum = bool(codes & VACUUM_CODES)
    stale = bool(codes & ANALYZE_CODES) or (vacuum and settings.analyze == "always")
    analyze = stale and settings.analyze != "never" and not emergency
    if not vacuum and not analyze:
        return None
    return _step(context, scope, found, vacuum=vacuum, analyze=analyze, emergency=emergency)


def _step(
    context: TableContext, scope: Scope, found: Sequence[Reason], *, vacuum: bool, analyze: bool, emergency: bool
) -> Step:
    table, settings = context.table, scope.settings
    hurried = vacuum and (emergency or settings.profile == "emergency")
    task = TableTask(
        database=scope.database.name,
        table=table,
        vacuum=vacuum,
        analyze=analyze,
        # the fastest way to a younger table in an emergency is not to freeze more than must be (routine-vacuuming)
        freeze=vacuum and not hurried and _freezes(found, settings),
        emergency=hurried,
        truncate=not hurried and truncates(table, scope),
        codes=tuple(reason.code for reason in found),
    )
    action = "vacuum_analyze" if vacuum and analyze else "vacuum" if vacuum else "analyze"
    return _predicted(task, scope).step(action, scope.subject(table), "; ".join(reason.text for reason in found))


def _predicted(task: TableTask, scope: Scope) -> TableTask:
    return task._replace(predicted_s=predict(task, scope))


def _freezes(found: Iterable[Reason], settings: VacuumSettings) -> bool:
    needed = any(reason.code == "freeze" for reason in found)
    return settings.freeze == "force" or (settings.freeze == "auto" and needed)


def truncates(table: Table, scope: Scope) -> bool:
    """Return whether a vacuum may cut off the empty end of a table, which needs a moment of ACCESS EXCLUSIVE.

    A standby replays that lock and cancels its readers for it; a hot table makes its writers wait.
    """
    if scope.settings.truncate != "auto":
        return scope.settings.truncate == "always"
    names = {table.name, f"{table.schema}.{table.name}", scope.full_name(table)}
    return not scope.cluster.server.standbys and not names & scope.settings.hot_tables


def predict(task: TableTask, scope: Scope) -> float:
    """Return the seconds that a task will take at the speed remembered for its table, or for the others."""
    profile = "emergency" if task.emergency else scope.settings.profile
    speed = scope.history.speed(profile, scope.full_name(task.table), PROFILES[profile].mb_s)
    sample = SAMPLE_ROWS * (task.target or DEFAULT_TARGET) * scope.cluster.server.block_size
    sampled = sample if task.table.children else min(task.table.heap_bytes, sample)
    size = task.table.bytes if task.vacuum else sampled
    return max(LEAST_S, size / (speed * 1e6))


def _barred(step: Step, scope: Scope) -> Optional[tuple[str, str]]:
    """Return the check id and the reason why a step may not even be tried."""
    if not step.task.table.may_maintain:
        return "database.permission", "the login is neither superuser nor owner of the table or database"
    locks = [lock for lock in scope.database.locks if lock.relation == step.task.table.oid]
    if locks:
        return "database.locked", "locked by " + "; ".join(sorted({horizons.blocker(lock) for lock in locks}))
    return None


def _stuck_freeze(task: TableTask, context: TableContext) -> str:
    """Return why freezing alone would leave the table as old as it is: the horizon is as old."""
    limit = context.limits.xid_ratio * context.server.freeze_max_age
    if set(task.codes) & VACUUM_CODES != {"freeze"} or context.horizon.age <= limit or context.horizon.holder is None:
        return ""
    return f"{horizons.who(context.horizon.holder)} holds the horizon {context.horizon.age:,} transactions back"


def _only_analyze(step: Step, scope: Scope) -> Step:
    task: TableTask = step.task._replace(vacuum=False, freeze=False)
    return _predicted(task, scope).step("analyze", step.subject, step.reason)


class Facts(NamedTuple):
    """What a rewrite needs to know of the host: the answer of the backup gate, free bytes per tablespace folder."""

    gate: Gate = Gate(False, "it was not asked for")
    free: Mapping[str, int] = EMPTY


def consider(context: TableContext, scope: Scope, facts: Facts) -> tuple[Optional[Step], Optional[Refusal]]:
    """Given a table, return the rewrite of a bloated table as a step, or as advice, or neither."""
    mode = scope.settings.rewrite
    if mode == "never" or context.table.kind == "p" or not is_bloated(context.bloat, context.limits):
        return None, None
    step = rewrite_step(context, scope)
    rule, obstacle = ("database.bloat", "advice only") if mode == "advise" else _shut_gate(context, scope, facts, step)
    if not obstacle:
        return step, None
    return None, Refusal(
        step.action, step.subject, rule, f"{obstacle}: {advice(context, scope, step)}", cost(context, step)
    )


def rewrite_step(context: TableContext, scope: Scope) -> Step:
    """Return the step that rewrites a table and takes new statistics of it."""
    task = TableTask(
        database=scope.database.name,
        table=context.table,
        vacuum=True,
        analyze=True,
        rewrite=True,
        codes=("bloat",),
    )
    task = task._replace(predicted_s=SLOWER * predict(task, scope))
    reason = f"{context.bloat.ratio:.0%} of it is empty, {human_bytes(context.bloat.bytes)} come back"
    return task.step("rewrite", scope.subject(context.table), reason)


def cost(context: TableContext, step: Step) -> dict[str, Any]:
    """Return the price and the gain of a rewrite, as numbers."""
    return {
        "gain_bytes": context.bloat.bytes,
        "needed_bytes": needed_bytes(context),
        "lock": "AccessExclusiveLock",
        "predicted_seconds": round(step.task.predicted_s, 1),
    }


def needed_bytes(context: TableContext) -> int:
    """Return the free bytes that a rewrite of the table needs."""
    return int(ROOM * context.table.bytes)


def advice(context: TableContext, scope: Scope, step: Step) -> str:
    """Return the price and the gain of a rewrite, as a sentence."""
    installed = scope.cluster.installed.get(scope.database.name, frozenset())
    tool = next((name for name in REPACKERS if name in installed), "VACUUM FULL")
    lock = "locks it for a moment twice" if tool != "VACUUM FULL" else "nobody can read it meanwhile"
    return (
        f"{tool} would give back {human_bytes(context.bloat.bytes)}, needs {human_bytes(needed_bytes(context))} free, "
        f"takes about {human_seconds(step.task.predicted_s)}, and {lock}"
    )


def _shut_gate(context: TableContext, scope: Scope, facts: Facts, step: Step) -> tuple[str, str]:
    """Return the check id and the reason of the first gate that is shut, or empty texts."""
    if context.table.schema == "pg_catalog":
        return "database.bloat", "system catalogs are not rewritten unattended"
    if not context.table.may_maintain:
        return "database.permission", "the login may not maintain it"
    if any(lock.relation == step.task.table.oid for lock in scope.database.locks):
        return "database.locked", "somebody has it locked"
    if not scope.settings.services_stopped:
        return "database.bloat", "services_stopped does not say that the services are down"
    if not facts.gate.open:
        return "database.backup_gate", facts.gate.reason
    return _space_obstacle(context, scope, facts)


def _space_obstacle(context: TableContext, scope: Scope, facts: Facts) -> tuple[str, str]:
    place = context.table.location or scope.cluster.server.data_directory or ""
    free = facts.free.get(place)
    if free is None:
        return "database.space", "the free space of the server's folder cannot be seen from here"
    if free < needed_bytes(context):
        return "database.space", f"only {human_bytes(free)} are free in {place}"
    return "", ""
