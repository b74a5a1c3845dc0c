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
from ..settings import Settings
from ..steps import Refusal
from . import horizon as horizons
from .history import History
from .horizon import Horizon
from .model import Cluster, Table, TableTask, View
from .reasons import ANALYZE_CODES, VACUUM_CODES, Case, Reason, estimate, is_bloated, is_emergency
from .statements import PROFILES

LEAST_S = 0.02  # a round trip and a commit, whatever the size of the table
SAMPLE_ROWS = 300  # ANALYZE reads so many rows per unit of statistics target, each from a page of its own at most
DEFAULT_TARGET = 100  # default_statistics_target

ROOM = 1.1  # of table and indexes must be free: the new copy stands beside the old one until it is complete
SLOWER = 2.0  # a rewrite writes everything that a vacuum reads
REPACKERS = ("pg_repack", "pg_squeeze")


class Scope(NamedTuple):
    """What the decisions in one database depend on beside the table itself."""

    cluster: Cluster
    view: View
    settings: Settings
    history: History
    horizon: Horizon
    obstacle: str

    def full_name(self, table: Table) -> str:
        """Return ``database.schema.table``."""
        return f"{self.view.database}.{table.schema}.{table.name}"

    def subject(self, table: Table) -> str:
        """Return how findings and actions name the table: the inventory's entry, then its full name."""
        return f"{self.cluster.entry.name}:{self.full_name(table)}"


def scope_of(cluster: Cluster, view: View, settings: Settings, history: History) -> Scope:
    """Given a server as seen and one of its databases, return the scope of the decisions in it."""
    return Scope(
        cluster,
        view,
        settings,
        history,
        horizons.horizon(cluster, view.database),
        horizons.obstacle(cluster, view.database, settings),
    )


def cases_of(scope: Scope, *, with_shared: bool) -> tuple[Case, ...]:
    """Return the tables that are wanted, as cases. Shared catalogs are looked at in one database only."""
    entry = scope.cluster.entry
    wanted = (t for t in scope.view.tables if with_shared or not t.shared)
    return tuple(_case(table, scope) for table in wanted if entry.wants(scope.full_name(table)))


def _case(table: Table, scope: Scope) -> Case:
    limits, server = scope.cluster.entry.thresholds, scope.cluster.server
    reclaimable = scope.history.reclaimable(scope.full_name(table), table.dead, scope.horizon.xid)
    found = estimate(table, server, limits.bloat_bytes)
    return Case(table, server, limits, scope.horizon, reclaimable, found)


def decide(case: Case, found: Sequence[Reason], scope: Scope) -> tuple[Optional[Step], list[Refusal]]:
    """Given a case and its reasons, return the step that it needs, if any, and what is refused with the reason."""
    step = wanted_step(case, found, scope)
    if step is None:
        return None, []
    barred = _barred(step, scope)
    if barred:
        return None, [Refusal(step.action, step.subject, *barred)]
    task: TableTask = step.task
    stuck = "" if task.emergency or not task.vacuum else scope.obstacle or _stuck_freeze(task, case)
    if not stuck:
        return step, []
    refusal = Refusal(step.action, step.subject, "database.xmin_horizon", f"a vacuum could remove nothing: {stuck}")
    return (_only_analyze(step, scope) if task.analyze else None), [refusal]


def wanted_step(case: Case, reasons: Sequence[Reason], scope: Scope) -> Optional[Step]:
    """Return the step that a table's reasons call for, before anything speaks against it."""
    settings, table = scope.settings, case.table
    emergency = is_emergency(table, case.limits)
    found = [r for r in reasons if not (r.code == "freeze" and settings.freeze == "never" and not emergency)]
    codes = {reason.code for reason in found}
    vacuum = bool(codes & VACUUM_CODES)
    stale = bool(codes & ANALYZE_CODES) or (vacuum and settings.analyze == "always")
    analyze = stale and settings.analyze != "never" and not emergency
    if not vacuum and not analyze:
        return None
    return _step(case, scope, found, vacuum=vacuum, analyze=analyze, emergency=emergency)


def _step(case: Case, scope: Scope, found: Sequence[Reason], *, vacuum: bool, analyze: bool, emergency: bool) -> Step:
    table, settings = case.table, scope.settings
    hurried = vacuum and (emergency or settings.profile == "emergency")
    task = TableTask(
        database=scope.view.database,
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


def _freezes(found: Iterable[Reason], settings: Settings) -> bool:
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
    locks = [lock for lock in scope.view.locks if lock.relation == step.task.table.oid]
    if locks:
        return "database.locked", "locked by " + "; ".join(sorted({horizons.blocker(lock) for lock in locks}))
    return None


def _stuck_freeze(task: TableTask, case: Case) -> str:
    """Return why freezing alone would leave the table as old as it is: the horizon is as old."""
    limit = case.limits.xid_ratio * case.server.freeze_max_age
    if set(task.codes) & VACUUM_CODES != {"freeze"} or case.horizon.age <= limit or case.horizon.holder is None:
        return ""
    return f"{horizons.who(case.horizon.holder)} holds the horizon {case.horizon.age:,} transactions back"


def _only_analyze(step: Step, scope: Scope) -> Step:
    task: TableTask = step.task._replace(vacuum=False, freeze=False)
    return _predicted(task, scope).step("analyze", step.subject, step.reason)


class Facts(NamedTuple):
    """What a rewrite needs to know of the host: the answer of the backup gate, free bytes per tablespace folder."""

    gate: Gate = Gate(False, "it was not asked for")
    free: Mapping[str, int] = EMPTY


def consider(case: Case, scope: Scope, facts: Facts) -> tuple[Optional[Step], Optional[Refusal]]:
    """Given a case, return the rewrite of a bloated table as a step, or as advice, or neither."""
    mode = scope.settings.rewrite
    if mode == "never" or case.table.kind == "p" or not is_bloated(case.bloat, case.limits):
        return None, None
    step = rewrite_step(case, scope)
    rule, problem = ("database.bloat", "advice only") if mode == "advise" else _shut_gate(case, scope, facts, step)
    if not problem:
        return step, None
    return None, Refusal(step.action, step.subject, rule, f"{problem}: {advice(case, scope, step)}", cost(case, step))


def rewrite_step(case: Case, scope: Scope) -> Step:
    """Return the step that rewrites a table and takes new statistics of it."""
    task = TableTask(
        database=scope.view.database,
        table=case.table,
        vacuum=True,
        analyze=True,
        rewrite=True,
        codes=("bloat",),
    )
    task = task._replace(predicted_s=SLOWER * predict(task, scope))
    reason = f"{case.bloat.ratio:.0%} of it is empty, {human_bytes(case.bloat.bytes)} come back"
    return task.step("rewrite", scope.subject(case.table), reason)


def cost(case: Case, step: Step) -> dict[str, Any]:
    """Return the price and the gain of a rewrite, as numbers."""
    return {
        "gain_bytes": case.bloat.bytes,
        "needed_bytes": needed_bytes(case),
        "lock": "AccessExclusiveLock",
        "predicted_seconds": round(step.task.predicted_s, 1),
    }


def needed_bytes(case: Case) -> int:
    """Return the free bytes that a rewrite of the table needs."""
    return int(ROOM * case.table.bytes)


def advice(case: Case, scope: Scope, step: Step) -> str:
    """Return the price and the gain of a rewrite, as a sentence."""
    installed = scope.cluster.installed.get(scope.view.database, frozenset())
    tool = next((name for name in REPACKERS if name in installed), "VACUUM FULL")
    lock = "locks it for a moment twice" if tool != "VACUUM FULL" else "nobody can read it meanwhile"
    return (
        f"{tool} would give back {human_bytes(case.bloat.bytes)}, needs {human_bytes(needed_bytes(case))} free, "
        f"takes about {human_seconds(step.task.predicted_s)}, and {lock}"
    )


def _shut_gate(case: Case, scope: Scope, facts: Facts, step: Step) -> tuple[str, str]:
    """Return the check id and the reason of the first gate that is shut, or empty texts."""
    if case.table.schema == "pg_catalog":
        return "database.bloat", "system catalogs are not rewritten unattended"
    if not case.table.may_maintain:
        return "database.permission", "the login may not maintain it"
    if any(lock.relation == step.task.table.oid for lock in scope.view.locks):
        return "database.locked", "somebody has it locked"
    if not scope.settings.services_stopped:
        return "database.bloat", "services_stopped does not say that the services are down"
    if not facts.gate.open:
        return "database.backup_gate", facts.gate.reason
    return _space_problem(case, scope, facts)


def _space_problem(case: Case, scope: Scope, facts: Facts) -> tuple[str, str]:
    place = case.table.location or scope.cluster.server.data_directory or ""
    free = facts.free.get(place)
    if free is None:
        return "database.space", "the free space of the server's folder cannot be seen from here"
    if free < needed_bytes(case):
        return "database.space", f"only {human_bytes(free)} are free in {place}"
    return "", ""
