# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""db_vacuum for PostgreSQL: look, plan, act, tell."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import CoreError
from ...finding import CRITICAL, DONE, SKIPPED, UNKNOWN, Finding, Result
from ...host import Host
from ...postgres.connection import DatabaseError, DriverMissing
from ...registry import Outcome, Rules
from ..backup_gate import Gate, ask_gate
from ..rules_common import REACHABLE
from ..settings import Database, Settings
from ..steps import Ended, actions, failures
from .act import act, make_errand
from .collect import gather, gather_again, gather_ages, parse, parse_ages, parse_view
from .decide import Facts, cases_of, scope_of
from .history import history_of, learned
from .look import Look
from .model import Cluster
from .plan import make_plan
from .reasons import Case
from .report import data, lessons, metrics
from .rules_server import RULES as SERVER
from .rules_server import STANDBY
from .rules_tables import RULES as TABLES

RULES = Rules(SERVER, TABLES)


def look(entry: Database, settings: Settings, host: Host, memory: Mapping[str, Any], window_s: float) -> Look:
    """Given an entry of the inventory, return what is seen of its server and what is planned.

    A server that cannot be reached is a problem of that look. Without psycopg2 a plan is one as well, because it may be
    part of a larger audit; a run raises DriverMissing before anything is done.
    """
    history = history_of(memory)
    try:
        cluster = parse(gather(entry, settings), entry)
    except DriverMissing as error:
        if not settings.plan_only:
            raise
        return Look(entry, settings, problem=(UNKNOWN, str(error)))
    except CoreError as error:
        return Look(entry, settings, problem=(_gravity(error), str(error)))
    plan = make_plan(cluster, settings, history, _facts(cluster, settings, host), window_s)
    return Look(entry, settings, cluster, history, plan)


def _gravity(error: CoreError) -> str:
    """Return critical where the server did not answer or let us in, unknown where we could not even try."""
    return CRITICAL if isinstance(error, DatabaseError) else UNKNOWN


def _facts(cluster: Cluster, settings: Settings, host: Host) -> Facts:
    """Return what a rewrite needs to know of this host; nothing is asked where no rewrite may be done."""
    if settings.rewrite != "allow":
        return Facts()
    places = {table.location or cluster.server.data_directory for view in cluster.views for table in view.tables}
    gate: Gate = ask_gate(settings.backup, cluster.entry, [view.database for view in cluster.views], host)
    local = [place for place in places if place] if cluster.entry.login.is_local else []
    return Facts(gate, {place: free for place in local for free in _free_bytes(place)})


def _free_bytes(folder: str) -> list[int]:
    """Return the free bytes of a folder's file system as a list of one, or nothing where it cannot be seen."""
    try:
        return [shutil.disk_usage(folder).free]
    except OSError:
        return []


def take(seen: Look, host: Host, deadline: float, beat: Callable[[], None]) -> Look:
    """Given a look, take its steps and return it with how they came out and with the ages after them."""
    if seen.cluster is None or not seen.steps:
        return seen
    errand = make_errand(seen.entry, seen.cluster.server, seen.settings, host, deadline)
    outcomes = tuple(act(seen.steps, seen.entry, errand, beat))
    cluster = _refreshed(seen.cluster, seen.settings)
    return seen._replace(outcomes=outcomes, cluster=cluster, after=_looked_again(seen, cluster, outcomes))


def _looked_again(seen: Look, cluster: Cluster, outcomes: tuple[Ended, ...]) -> dict[str, tuple[Case, ...]]:
    """Return the tables of each database in which something was done, as they are now: bloat is only told honestly
    with the statistics that the run has just taken.
    """
    worked = {outcome.step.task.database for outcome in outcomes if outcome.state == DONE}
    found = {}
    for number, view in enumerate(cluster.views):
        before = seen.plan.cases.get(view.database, ())
        if view.database not in worked or not any(case.bloat.withheld or case.bloat.ratio for case in before):
            continue
        now = parse_view(gather_again(cluster.entry, seen.settings, view.database, cluster.server.version))
        if not now.error:
            scope = scope_of(cluster, now, seen.settings, seen.history)
            found[view.database] = cases_of(scope, with_shared=number == 0)
    return found


def _refreshed(cluster: Cluster, settings: Settings) -> Cluster:
    try:
        return cluster._replace(ages=parse_ages(gather_ages(cluster.entry, settings, cluster.server.version)))
    except CoreError:
        return cluster


def judge(context: Look) -> list[Finding]:
    """Given what is known of a server, return its findings."""
    if context.cluster is None:
        status, reason = context.problem or (UNKNOWN, "it was not looked at")
        return [context.finding(REACHABLE, Outcome(status, reason))]
    if context.cluster.server.in_recovery:
        message = "the server is a standby: its primary does the vacuuming"
        return [context.finding(STANDBY, Outcome(SKIPPED, message))]
    return RULES.judge(context)


def tell(seen: Look, host: Host) -> Result:
    """Given a look, with its outcomes where the run acted, return the result."""
    now = host.now()
    return Result(
        findings=judge(seen),
        metrics=metrics(seen, now),
        actions=actions(seen.steps, seen.plan.refusals, seen.outcomes),
        data=data(seen, now),
        changed=any(outcome.state == DONE for outcome in seen.outcomes),
        failure="; ".join(failures(seen.outcomes)),
    )


def lesson(seen: Look, memory: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Given a look at the end of a run and this entry's memory, return what to remember of it."""
    if seen.cluster is None or seen.cluster.server.in_recovery:
        return dict(memory)
    return learned(memory, lessons(seen, seen.cluster), seen.cluster.server.next_xid, host.now())
