# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for a server and its databases as a whole. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ...registry import Outcome, Rules
from ...units import human_seconds
from ..rules_common import BACKUP_GATE, INTEGRITY, REACHABLE, SPACE, judges
from .context import ServerContext
from .horizon import who
from .model import Activity, DatabaseAge
from .reasons import WRAP_AT, is_critical
from .rules_tables import counted, named

_VACUUM = "https://www.postgresql.org/docs/current/routine-vacuuming.html"
_UNSEEN = "this login cannot see the sessions of others, so nobody can be named who holds vacuum back"
_NO_LAG = "this login cannot see how far the standbys are behind, so no vacuum waits for them"
_GRANT = "GRANT pg_monitor to the login."

RULES = Rules()

STANDBY = RULES.check(
    "database.standby",
    "The server accepts writes. On a standby nothing can be vacuumed; its primary does it.",
    procedure="W1.3",
    remedy="Declare the primary in cryptobot_databases; a standby needs no vacuum of its own.",
)


@judges(RULES, REACHABLE)
def judge_reachable(context: ServerContext) -> Iterator[Outcome]:
    """Each database answered."""
    release = context.snapshot.server.version // 10_000
    for database in context.snapshot.databases:
        subject = context.subject(database.name)
        if database.error:
            yield Outcome(CRITICAL, database.error, subject=subject)
        else:
            yield Outcome(OK, f"PostgreSQL {release}, {len(database.tables)} tables", subject=subject)


@RULES.rule(
    "database.wraparound",
    procedure="W1.3",
    remedy="Run db_vacuum now (it goes to emergency parameters by itself) and remove what holds the xmin horizon.",
    source="check_postgres txn_wraparound (1.3 billion), pghero (10 million left); " + _VACUUM,
)
def judge_wraparound(context: ServerContext) -> Iterator[Outcome]:
    """Transaction and multixact ages stay below autovacuum_freeze_max_age; warning above 90 % of it, critical above
    1.3 billion or with fewer than 10 million left.

    The templates are judged too: one database is enough to stop the server.
    """
    limits, server = context.entry.thresholds, context.snapshot.server
    for age in context.snapshot.ages:
        ratio = max(age.xid_age / server.freeze_max_age, age.mxid_age / server.multixact_freeze_max_age)
        status = WARNING if ratio > limits.wraparound_warning_ratio else OK
        oldest = max(age.xid_age, age.mxid_age)
        if is_critical(oldest, limits):
            status = CRITICAL
        left = WRAP_AT - oldest
        yield Outcome(
            status,
            f"oldest transaction id age {age.xid_age:,}, multixact {age.mxid_age:,}; {left:,} left before writes stop",
            expected=f"below {limits.wraparound_warning_ratio:.0%} of {server.freeze_max_age:,}",
            actual={"xid_age": age.xid_age, "mxid_age": age.mxid_age},
            subject=context.subject(age.name),
        )


@RULES.rule(
    "database.xmin_horizon",
    procedure="W1.3",
    remedy=(
        "End the holder that is named (commit or roll back, drop an unused slot); db_vacuum never does so by itself."
    ),
    source="https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND",
)
def judge_xmin_horizon(context: ServerContext) -> Iterator[Outcome]:
    """Nothing holds back the oldest visible transaction: no old query, idle or prepared transaction, slot,
    standby.
    """
    settings, activity = context.settings, context.snapshot.activity
    if not context.snapshot.server.sees_sessions:
        yield Outcome(UNKNOWN, _UNSEEN, remedy=_GRANT)
        return
    holders = [one for one in activity if _holds_back(one, settings.max_xmin_age, settings.max_txn_s)]
    oldest = max((one.xmin_age or 0 for one in activity), default=0)
    if not holders:
        yield Outcome(OK, f"the horizon is {oldest:,} transactions back", actual=oldest)
    for one in holders:
        yield _holder(context, one)


def _holds_back(one: Activity, max_age: int, max_s: float) -> bool:
    if one.xmin_age is None:
        return False
    return one.xmin_age > max_age or (one.seconds is not None and one.seconds > max_s)


def _holder(context: ServerContext, one: Activity) -> Outcome:
    age, settings = one.xmin_age or 0, context.settings
    critical = is_critical(age, context.entry.thresholds)
    since = f" for {human_seconds(one.seconds)}" if one.seconds is not None else ""
    return Outcome(
        CRITICAL if critical else WARNING,
        f"{who(one)} has held the horizon{since}, {age:,} transactions back",
        expected=f"at most {settings.max_xmin_age:,} transactions and {human_seconds(settings.max_txn_s)}",
        actual=age,
        subject=context.subject(one.database) if one.database else "",
    )


@RULES.rule(
    "database.long_transaction",
    procedure="W1.3",
    remedy="Ask the named user to commit or roll back; consider idle_in_transaction_session_timeout.",
    source="https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW",
)
def judge_long_transaction(context: ServerContext) -> Iterator[Outcome]:
    """No transaction has been open longer than max_txn_age."""
    limit = context.settings.max_txn_s
    if not context.snapshot.server.sees_sessions:
        yield Outcome(UNKNOWN, _UNSEEN, remedy=_GRANT)
        return
    kinds = ("session", "prepared transaction")
    timed = ((one, one.seconds) for one in context.snapshot.activity if one.kind in kinds and one.seconds is not None)
    old = [(one, seconds) for one, seconds in timed if seconds > limit]
    if not old:
        yield Outcome(OK, f"no transaction is older than {human_seconds(limit)}")
    for one, seconds in old:
        yield Outcome(
            WARNING,
            f"{who(one)} has had a transaction open for {human_seconds(seconds)}",
            expected=f"at most {human_seconds(limit)}",
            actual=round(seconds),
            subject=context.subject(one.database) if one.database else "",
        )


@RULES.rule(
    "database.permission",
    procedure="W1.3",
    remedy="Make the login the owner, or GRANT pg_maintain (17 and later) to it; before 17 run it as the owner.",
    source="https://www.postgresql.org/docs/current/sql-vacuum.html",
)
def judge_permission(context: ServerContext) -> Iterator[Outcome]:
    """The login may vacuum every table that needs it: superuser, owner of table or database, or MAINTAIN (17+)."""
    barred = context.not_done("database.permission")
    message = f"the login may not vacuum {named(name for name, _why in barred)}"
    yield counted(len(barred), message if barred else "the login may vacuum every table that needs it")


@judges(RULES, BACKUP_GATE)
def judge_backup_gate(context: ServerContext) -> Iterator[Outcome]:
    """A rewrite that was allowed had its backup; where none is due there is nothing to say."""
    for subject, reason in context.not_done("database.backup_gate"):
        yield Outcome(WARNING, reason, subject=subject)


@judges(RULES, SPACE)
def judge_space(context: ServerContext) -> Iterator[Outcome]:
    """A rewrite that was allowed had its room; where none is due there is nothing to say."""
    for subject, reason in context.not_done("database.space"):
        yield Outcome(WARNING, reason, subject=subject)


@RULES.rule(
    "database.replica_lag",
    procedure="W1.3",
    remedy="Look at the standby: its disk, its network, a query that conflicts with replay.",
    source="https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW",
)
def judge_replica_lag(context: ServerContext) -> Iterator[Outcome]:
    """Standbys replay within replica_lag_max; vacuum waits while they do not.

    Without standbys there is nothing to say.
    """
    server, limit = context.snapshot.server, context.settings.replica_lag_s
    if not server.standbys:
        return
    if not server.sees_sessions:
        yield Outcome(UNKNOWN, _NO_LAG, expected=limit, remedy=_GRANT)
        return
    lag = server.replica_lag_s or 0.0  # none is told where all of them have replayed everything
    left = context.not_done("database.replica_lag")
    message = f"the slowest of {server.standbys} standbys is {lag:.1f} s behind"
    message += f"; left for the next run: {named(name for name, _why in left)}" if left else ""
    yield Outcome(WARNING if lag > limit or left else OK, message, expected=limit, actual=lag)


@judges(RULES, INTEGRITY)
def judge_integrity(context: ServerContext) -> Iterator[Outcome]:
    """No page failed its checksum, and no vacuum of this run met corruption."""
    for subject, why in context.not_done("database.integrity"):
        yield Outcome(CRITICAL, why, subject=subject)
    for age in context.snapshot.ages:
        if age.allows_connections:
            yield _checksums(age)._replace(subject=context.subject(age.name))


def _checksums(age: DatabaseAge) -> Outcome:
    if age.checksum_failures is None:
        return Outcome(SKIPPED, "the server keeps no data checksums")
    status = CRITICAL if age.checksum_failures else OK
    message = f"{age.checksum_failures} pages have failed their checksum"
    return Outcome(status, message, expected=0, actual=age.checksum_failures)
