# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""db_vacuum for PostgreSQL: collect, plan, act, report."""

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
from ..declared import Database, VacuumSettings
from ..rules_common import REACHABLE
from ..steps import Ended, actions, failures
from .act import act, make_run
from .collect import collect, collect_again, collect_ages, parse_ages, parse_database, parse_server
from .context import ServerContext
from .decide import Facts, contexts_of, scope_of
from .history import history_of, learned
from .model import ServerSnapshot
from .plan import make_plan
from .reasons import TableContext
from .report import data, metrics, samples
from .rules_server import RULES as SERVER
from .rules_server import STANDBY
from .rules_tables import RULES as TABLES

RULES = Rules(SERVER, TABLES)


def prepare(
    entry: Database, settings: VacuumSettings, host: Host, memory: Mapping[str, Any], window_s: float
) -> ServerContext:
    """Given an entry of the inventory, return what is observed of its server and what is planned.

    A server that cannot be reached is unavailable in its context. Without psycopg2 a plan is so as well, because it may
    be part of a larger audit; a run raises DriverMissing before anything is done.
    """
    history = history_of(memory)
    try:
        cluster = parse_server(collect(entry, settings), entry)
    except DriverMissing as error:
        if not settings.plan_only:
            raise
        return ServerContext(entry, settings, unavailable=(UNKNOWN, str(error)))
    except CoreError as error:
        return ServerContext(entry, settings, unavailable=(_gravity(error), str(error)))
    plan = make_plan(cluster, settings, history, _facts(cluster, settings, host), window_s)
    return ServerContext(entry, settings, cluster, history, plan)


def _gravity(error: CoreError) -> str:
    """Return critical where the server did not answer or let us in, unknown where we could not even try."""
    return CRITICAL if isinstance(error, DatabaseError) else UNKNOWN


def _facts(cluster: ServerSnapshot, settings: VacuumSettings, host: Host) -> Facts:
    """Return what a rewrite needs to know of this host; nothing is asked where no rewrite may be done."""
    if settings.rewrite != "allow":
        return Facts()
    places = {
        table.location or cluster.server.data_directory for database in cluster.databases for table in database.tables
    }
    gate: Gate = ask_gate(settings.backup, cluster.entry, [database.name for database in cluster.databases], host)
    local = [place for place in places if place] if cluster.entry.login.is_local else []
    return Facts(gate, {place: free for place in local for free in _free_bytes(place)})


def _free_bytes(folder: str) -> list[int]:
    """Return the free bytes of a folder's file system as a list of one, or nothing where it cannot be seen."""
    try:
        return [shutil.disk_usage(folder).free]
    except OSError:
        return []


def vacuum(context: ServerContext, host: Host, deadline: float, heartbeat: Callable[[], None]) -> ServerContext:
    """Take the steps of a server and return it with how they came out and with the ages after them."""
    if context.cluster is None or not context.steps:
        return context
    run = make_run(context.entry, context.cluster.server, context.settings, host, deadline)
    ended = tuple(act(context.steps, context.entry, run, heartbeat))
    cluster = _refreshed(context.cluster, context.settings)
    return context._replace(ended=ended, cluster=cluster, after=_collected_again(context, cluster, ended))


def _collected_again(
    context: ServerContext, cluster: ServerSnapshot, ended: tuple[Ended, ...]
) -> dict[str, tuple[TableContext, ...]]:
    """Return the tables of each database in which something was done, as they are now: bloat is only told honestly
    with the statistics that the run has just taken.
    """
    worked = {end.step.task.database for end in ended if end.state == DONE}
    found = {}
    for number, database in enumerate(cluster.databases):
        before = context.plan.contexts.get(database.name, ())
        if database.name not in worked or not any(one.bloat.withheld or one.bloat.ratio for one in before):
            continue
        now = parse_database(collect_again(cluster.entry, context.settings, database.name, cluster.server.version))
        if not now.error:
            scope = scope_of(cluster, now, context.settings, context.history)
            found[database.name] = contexts_of(scope, with_shared=number == 0)
    return found


def _refreshed(cluster: ServerSnapshot, settings: VacuumSettings) -> ServerSnapshot:
    try:
        return cluster._replace(ages=parse_ages(collect_ages(cluster.entry, settings, cluster.server.version)))
    except CoreError:
        return cluster


def judge(context: ServerContext) -> list[Finding]:
    """Given what is known of a server, return its findings."""
    if context.cluster is None:
        status, reason = context.unavailable or (UNKNOWN, "it was not looked at")
        return [context.finding(REACHABLE, Outcome(status, reason))]
    if context.cluster.server.in_recovery:
        message = "the server is a standby: its primary does the vacuuming"
        return [context.finding(STANDBY, Outcome(SKIPPED, message))]
    return RULES.judge(context)


def report(context: ServerContext, host: Host) -> Result:
    """Given what is known of a server, with how its steps ended where the run acted, return the result."""
    now = host.now()
    return Result(
        findings=judge(context),
        metrics=metrics(context, now),
        actions=actions(context.steps, context.plan.refusals, context.ended),
        data=data(context, now),
        changed=any(end.state == DONE for end in context.ended),
        failure="; ".join(failures(context.ended)),
    )


def memory_of(context: ServerContext, memory: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Given what is known of a server at the end of a run and this entry's memory, return what to remember of it."""
    if context.cluster is None or context.cluster.server.in_recovery:
        return dict(memory)
    return learned(memory, samples(context, context.cluster), context.cluster.server.next_xid, host.now())
