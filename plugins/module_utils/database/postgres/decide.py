# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do with one table, and what speaks against it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from ..settings import Settings
from ..steps import Refusal
from . import horizon as horizons
from .bloat import estimate
from .history import History
from .horizon import Horizon
from .profiles import PROFILES
from .reasons import ANALYZE_CODES, VACUUM_CODES, Case, Reason, is_emergency
from .records import Cluster, Table, View
from .steps import LEAST_S, UNPREDICTED_S, TableStep

SAMPLE_ROWS = 300  # ANALYZE reads so many rows per unit of statistics target, each from a page of its own at most
DEFAULT_TARGET = 100  # default_statistics_target


@dataclass(frozen=True)
class Scope:
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


def decide(case: Case, found: Sequence[Reason], scope: Scope) -> tuple[Optional[TableStep], list[Refusal]]:
    """Given a case and its reasons, return the step that it needs, if any, and what is refused with the reason."""
    step = wanted_step(case, found, scope)
    if step is None:
        return None, []
    barred = _barred(step, scope)
    if barred:
        return None, [Refusal(step.action, step.subject, *barred)]
    stuck = "" if step.emergency or not step.vacuum else scope.obstacle or _stuck_freeze(step, case)
    if not stuck:
        return step, []
    refusal = Refusal(step.action, step.subject, "database.xmin_horizon", f"a vacuum could remove nothing: {stuck}")
    return (_only_analyze(step, scope) if step.analyze else None), [refusal]


def wanted_step(case: Case, reasons: Sequence[Reason], scope: Scope) -> Optional[TableStep]:
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


def _step(
    case: Case, scope: Scope, found: Sequence[Reason], *, vacuum: bool, analyze: bool, emergency: bool
) -> TableStep:
    table, settings = case.table, scope.settings
    hurried = vacuum and (emergency or settings.profile == "emergency")
    step = TableStep(
        action="vacuum_analyze" if vacuum and analyze else "vacuum" if vacuum else "analyze",
        subject=scope.subject(table),
        reasons=tuple(reason.text for reason in found),
        predicted_s=UNPREDICTED_S,
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
    return replace(step, predicted_s=predict(step, scope))


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


def predict(step: TableStep, scope: Scope) -> float:
    """Return the seconds that a step will take at the speed remembered for its table, or for the others."""
    profile = "emergency" if step.emergency else scope.settings.profile
    speed = scope.history.speed(profile, scope.full_name(step.table), PROFILES[profile].mb_s)
    sample = SAMPLE_ROWS * (step.target or DEFAULT_TARGET) * scope.cluster.server.block_size
    sampled = sample if step.table.children else min(step.table.heap_bytes, sample)
    size = step.table.bytes if step.vacuum else sampled
    return max(LEAST_S, size / (speed * 1e6))


def _barred(step: TableStep, scope: Scope) -> Optional[tuple[str, str]]:
    """Return the check id and the reason why a step may not even be tried."""
    if not step.table.may_maintain:
        return "database.permission", "the login is neither superuser nor owner of the table or database"
    locks = [lock for lock in scope.view.locks if lock.relation == step.table.oid]
    if locks:
        return "database.locked", "locked by " + "; ".join(sorted({horizons.blocker(lock) for lock in locks}))
    return None


def _stuck_freeze(step: TableStep, case: Case) -> str:
    """Return why freezing alone would leave the table as old as it is: the horizon is as old."""
    limit = case.limits.xid_ratio * case.server.freeze_max_age
    if set(step.codes) & VACUUM_CODES != {"freeze"} or case.horizon.age <= limit or case.horizon.holder is None:
        return ""
    return f"{horizons.who(case.horizon.holder)} holds the horizon {case.horizon.age:,} transactions back"


def _only_analyze(step: TableStep, scope: Scope) -> TableStep:
    analyze = replace(step, action="analyze", vacuum=False, freeze=False)
    return replace(analyze, predicted_s=predict(analyze, scope))
