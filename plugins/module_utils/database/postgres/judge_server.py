# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server and its databases as a whole -> findings. One function per rule. Pure."""

from __future__ import annotations

from ...finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ...units import human_seconds
from ..checks import CHECKS
from .horizon import who
from .look import Look
from .reasons import WRAP_AT, is_critical
from .records import Activity, Cluster, DatabaseAge
from .verdicts import named, verdict

_BLIND = "this login cannot see the sessions of others, so nobody can be named who holds vacuum back"
_NO_LAG = "this login cannot see how far the standbys are behind, so no vacuum waits for them"
_GRANT = "GRANT pg_monitor to the login."


def reachable(look: Look, cluster: Cluster) -> list[Finding]:
    """Each database answered."""
    check, release = CHECKS["database.reachable"], cluster.server.version // 10_000
    return [
        check.finding(CRITICAL, look.subject(view.database), view.error)
        if view.error
        else check.finding(OK, look.subject(view.database), f"PostgreSQL {release}, {len(view.tables)} tables")
        for view in cluster.views
    ]


def wraparound(look: Look, cluster: Cluster) -> list[Finding]:
    """Each database is far from refusing writes, the templates included: one is enough to stop the server."""
    return [_wraparound(look, cluster, age) for age in cluster.ages]


def _wraparound(look: Look, cluster: Cluster, age: DatabaseAge) -> Finding:
    limits, server = look.entry.thresholds, cluster.server
    ratio = max(age.xid_age / server.freeze_max_age, age.mxid_age / server.multixact_freeze_max_age)
    status = WARNING if ratio > limits.wraparound_warning_ratio else OK
    oldest = max(age.xid_age, age.mxid_age)
    if is_critical(oldest, limits):
        status = CRITICAL
    left = WRAP_AT - oldest
    message = f"oldest transaction id age {age.xid_age:,}, multixact {age.mxid_age:,}; {left:,} left before writes stop"
    expected = f"below {limits.wraparound_warning_ratio:.0%} of {server.freeze_max_age:,}"
    actual = {"xid_age": age.xid_age, "mxid_age": age.mxid_age}
    subject = look.subject(age.name)
    return CHECKS["database.wraparound"].finding(status, subject, message, expected=expected, actual=actual)


def xmin_horizon(look: Look, cluster: Cluster) -> list[Finding]:
    """Nobody holds back what a vacuum may remove."""
    check, settings = CHECKS["database.xmin_horizon"], look.settings
    if not cluster.server.sees_sessions:
        return [check.finding(UNKNOWN, look.entry.name, _BLIND, remedy=_GRANT)]
    holders = [a for a in cluster.activity if _holds_back(a, settings.max_xmin_age, settings.max_txn_s)]
    oldest = max((a.xmin_age or 0 for a in cluster.activity), default=0)
    if not holders:
        return [check.finding(OK, look.entry.name, f"the horizon is {oldest:,} transactions back", actual=oldest)]
    return [_holder(look, one) for one in holders]


def _holds_back(one: Activity, max_age: int, max_s: float) -> bool:
    if one.xmin_age is None:
        return False
    return one.xmin_age > max_age or (one.seconds is not None and one.seconds > max_s)


def _holder(look: Look, one: Activity) -> Finding:
    age = one.xmin_age or 0
    critical = is_critical(age, look.entry.thresholds)
    since = f" for {human_seconds(one.seconds)}" if one.seconds is not None else ""
    message = f"{who(one)} has held the horizon{since}, {age:,} transactions back"
    subject = look.subject(one.database) if one.database else look.entry.name
    expected = f"at most {look.settings.max_xmin_age:,} transactions and {human_seconds(look.settings.max_txn_s)}"
    return CHECKS["database.xmin_horizon"].finding(
        CRITICAL if critical else WARNING, subject, message, expected=expected, actual=age
    )


def long_transaction(look: Look, cluster: Cluster) -> list[Finding]:
    """No transaction has been open for too long, whether or not it holds the horizon."""
    check, limit = CHECKS["database.long_transaction"], look.settings.max_txn_s
    if not cluster.server.sees_sessions:
        return [check.finding(UNKNOWN, look.entry.name, _BLIND, remedy=_GRANT)]
    kinds = ("session", "prepared transaction")
    old = [(a, a.seconds) for a in cluster.activity if a.kind in kinds and a.seconds is not None and a.seconds > limit]
    if not old:
        return [check.finding(OK, look.entry.name, f"no transaction is older than {human_seconds(limit)}")]
    return [
        check.finding(
            WARNING,
            look.subject(one.database) if one.database else look.entry.name,
            f"{who(one)} has had a transaction open for {human_seconds(seconds)}",
            expected=f"at most {human_seconds(limit)}",
            actual=round(seconds),
        )
        for one, seconds in old
    ]


def permission(look: Look, cluster: Cluster) -> list[Finding]:
    """The login may maintain what needs it."""
    barred = look.not_done("database.permission")
    message = f"the login may not vacuum {named(name for name, _why in barred)}"
    fine = "the login may vacuum every table that needs it"
    return [verdict("database.permission", look.entry.name, bool(barred), message if barred else fine, len(barred))]


def gates(look: Look, cluster: Cluster) -> list[Finding]:
    """A rewrite that was allowed had its backup and its room; where none is due there is nothing to say."""
    return [
        CHECKS[rule].finding(WARNING, subject, reason)
        for rule in ("database.backup_gate", "database.space")
        for subject, reason in look.not_done(rule)
    ]


def replica_lag(look: Look, cluster: Cluster) -> list[Finding]:
    """The standbys keep up; without standbys there is nothing to say."""
    server, limit, check = cluster.server, look.settings.replica_lag_s, CHECKS["database.replica_lag"]
    if not server.standbys:
        return []
    if not server.sees_sessions:
        return [check.finding(UNKNOWN, look.entry.name, _NO_LAG, expected=limit, remedy=_GRANT)]
    lag = server.replica_lag_s or 0.0  # none is told where all of them have replayed everything
    left = look.not_done("database.replica_lag")
    message = f"the slowest of {server.standbys} standbys is {lag:.1f} s behind"
    message += f"; left for the next run: {named(name for name, _why in left)}" if left else ""
    status = WARNING if lag > limit or left else OK
    return [check.finding(status, look.entry.name, message, expected=limit, actual=lag)]


def integrity(look: Look, cluster: Cluster) -> list[Finding]:
    """No page failed its checksum, and no vacuum of this run met corruption."""
    check = CHECKS["database.integrity"]
    broken = [check.finding(CRITICAL, subject, why) for subject, why in look.not_done("database.integrity")]
    return broken + [_checksums(look, age) for age in cluster.ages if age.allows_connections]


def _checksums(look: Look, age: DatabaseAge) -> Finding:
    check, subject = CHECKS["database.integrity"], look.subject(age.name)
    if age.checksum_failures is None:
        return check.finding(SKIPPED, subject, "the server keeps no data checksums")
    message = f"{age.checksum_failures} pages have failed their checksum"
    status = CRITICAL if age.checksum_failures else OK
    return check.finding(status, subject, message, expected=0, actual=age.checksum_failures)
