# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator reads of a server: message, expected, actual and remedy of each finding, word by word."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.backup_gate import Gate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.context import ServerContext
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.decide import Facts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.history import History
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import ServerSnapshot
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.plan import make_plan
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.rules_tables import named
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.run import judge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import DONE, FAILED, NOT_DONE

from ..options import postgresql, settings
from .builders import MB, activity, cluster, dirty, lock, server, table, view
from .test_rules import age, look, taken, told

DB = "main:cryptobot"
BLOATED = table("audit_logs", oid=1, heap_bytes=900 * MB)
REWRITES = {"rewrite": "allow", "services_stopped": True, "require_backup": {"dir": "/backups"}}
ROOM = Facts(Gate(True, "backup set-1 is verified", "set-1"), {"/var/lib/postgresql/15/main": 10_000 * MB})


def words(one: ServerContext, check: str) -> list[tuple[str, str, str, Any, Any]]:
    return [(f.status, f.subject, f.message, f.expected, f.actual) for f in told(one, check)]


LATE = (
    "left for the next run: 1 table: public.trades (public.trades: predicted to take 10000 s, longer than the whole "
    "window of 120 min)"
)
COUNTS: list[tuple[str, ServerSnapshot, tuple[str, str, str, Any, Any]]] = [
    (
        "database.dead_rows",
        cluster(view(table())),
        ("ok", DB, "no table needs a vacuum for it", 0, 0),
    ),
    (
        "database.statistics",
        cluster(view(table())),
        ("ok", DB, "the planner's statistics are fresh", 0, 0),
    ),
    (
        "database.statistics",
        cluster(view(table(modified=20_000))),
        ("warning", DB, "the planner's statistics of 1 table: public.trades are stale or missing", 0, 1),
    ),
    (
        "database.permission",
        cluster(view(table())),
        ("ok", "main", "the login may vacuum every table that needs it", 0, 0),
    ),
    (
        "database.permission",
        cluster(view(dirty(may_maintain=False))),
        ("warning", "main", "the login may not vacuum 1 table: public.trades", 0, 1),
    ),
    (
        "database.window",
        cluster(view(table())),
        ("ok", "main", "all that needs work fits into 120 min", 0, 0),
    ),
    (
        "database.window",
        cluster(view(dirty(heap_bytes=10**12))),
        ("warning", "main", LATE, 0, 1),
    ),
    (
        "database.integrity",
        cluster(view(), ages=(age(checksum_failures=0),)),
        ("ok", DB, "0 pages have failed their checksum", 0, 0),
    ),
    (
        "database.integrity",
        cluster(view(), ages=(age(checksum_failures=3),)),
        ("critical", DB, "3 pages have failed their checksum", 0, 3),
    ),
]


@pytest.mark.parametrize(("check", "seen", "expected"), COUNTS)
def test_a_count_that_should_be_0_says_what_was_counted(check: str, seen: ServerSnapshot, expected: Any) -> None:
    assert words(look(seen), check) == [expected]


# a count of subjects, and how they are named: five at most
NAMES = [
    (["db.public.b"], "1 table: public.b"),
    (["db.public.b", "db.public.a"], "2 tables: public.a, public.b"),
    ([f"db.public.{letter}" for letter in "edcba"], "5 tables: public.a, public.b, public.c, public.d, public.e"),
    (
        [f"db.public.{letter}" for letter in "fedcba"],
        "6 tables: public.a, public.b, public.c, public.d, public.e and 1 more",
    ),
]


@pytest.mark.parametrize(("subjects", "expected"), NAMES)
def test_five_tables_are_named_and_the_others_counted(subjects: list[str], expected: str) -> None:
    assert named(subjects) == expected


@pytest.mark.parametrize(("version", "release"), [(110_000, 11), (150_018, 15), (179_999, 17)])
def test_a_database_that_answered_says_its_release_and_its_tables(version: int, release: int) -> None:
    seen = cluster(view(table(), table("orders")), on=server(version=version))
    assert [f.message for f in told(look(seen), "database.reachable")] == [f"PostgreSQL {release}, 2 tables"]


def test_a_server_that_was_not_looked_at_is_unknown() -> None:
    chosen = settings([postgresql()])
    [finding] = judge(ServerContext(chosen.databases[0], chosen))
    assert (finding.check, finding.status, finding.message) == (
        "database.reachable", "unknown", "it was not looked at",
    )  # fmt: skip


# ages in transactions and multixacts, the status, and what is left of the 2,147,483,648 before writes stop
WRAPAROUND = [
    (150_000_000, 50_000_000, "ok", "1,997,483,648"),
    (50_000_000, 360_000_000, "ok", "1,787,483,648"),
    (50_000_000, 360_000_001, "warning", "1,787,483,647"),
]


@pytest.mark.parametrize(("xids", "mxids", "status", "left"), WRAPAROUND)
def test_what_is_left_is_counted_from_the_older_of_the_two_ages(xids: int, mxids: int, status: str, left: str) -> None:
    one = look(cluster(view(), ages=(age(xid_age=xids, mxid_age=mxids),)))
    message = f"oldest transaction id age {xids:,}, multixact {mxids:,}; {left} left before writes stop"
    actual = {"xid_age": xids, "mxid_age": mxids}
    assert words(one, "database.wraparound") == [(status, DB, message, "below 90% of 200,000,000", actual)]


# who is active, and how far back the horizon is said to be
HORIZONS: list[tuple[tuple[Any, ...], int]] = [
    ((), 0),
    ((activity(xmin_age=None),), 0),
    ((activity(xmin_age=7, seconds=9.0), activity(xmin_age=30, seconds=9.0), activity(xmin_age=None)), 30),
]


@pytest.mark.parametrize(("active", "back"), HORIZONS)
def test_a_horizon_that_nobody_holds_is_told_by_the_oldest(active: tuple[Any, ...], back: int) -> None:
    expected = ("ok", "main", f"the horizon is {back} transactions back", None, back)
    assert words(look(cluster(view(), activity=active)), "database.xmin_horizon") == [expected]


SLOT = {"kind": "replication slot", "name": "standby1", "user": None, "database": None, "state": "active"}
# who holds it, and what is said of them: from more than 15 minutes or 50 million transactions on
HOLDERS: list[tuple[dict[str, Any], str, str, int]] = [
    (
        {"query": None, "seconds": 900.1, "xmin_age": 0},
        DB,
        "session pid 4711 of bot (idle in transaction) has held the horizon for 15.0 min, 0 transactions back",
        0,
    ),
    (
        {**SLOT, "seconds": None, "xmin_age": 50_000_001},
        "main",
        "replication slot 'standby1' (active) has held the horizon, 50,000,001 transactions back",
        50_000_001,
    ),
]


@pytest.mark.parametrize(("given", "subject", "message", "back"), HOLDERS)
def test_a_holder_is_told_with_its_time_and_its_distance(
    given: dict[str, Any], subject: str, message: str, back: int
) -> None:
    one = look(cluster(view(), activity=(activity(**given),)))
    expected = ("warning", subject, message, "at most 50,000,000 transactions and 15.0 min", back)
    assert words(one, "database.xmin_horizon") == [expected]


NOT_HELD = [
    {"seconds": 900.0, "xmin_age": 50_000_000},
    {"seconds": None, "xmin_age": 50_000_000},
    {"seconds": 9000.0, "xmin_age": None},
]


@pytest.mark.parametrize("given", NOT_HELD)
def test_nobody_holds_the_horizon_at_the_limits_or_without_a_snapshot(given: dict[str, Any]) -> None:
    assert told(look(cluster(view(), activity=(activity(**given),))), "database.xmin_horizon")[0].status == "ok"


LONG: list[tuple[dict[str, Any], str, str]] = [
    ({}, DB, "session pid 4711 of bot (idle in transaction) has had a transaction open for 15.0 min"),
    (
        {"kind": "prepared transaction", "name": "gid", "state": "prepared", "database": None},
        "main",
        "prepared transaction 'gid' of bot (prepared) has had a transaction open for 15.0 min",
    ),
]


@pytest.mark.parametrize(("given", "subject", "message"), LONG)
def test_a_long_transaction_is_told_with_who_and_how_long(given: dict[str, Any], subject: str, message: str) -> None:
    old = activity(query=None, seconds=901.0, **given)
    on_time = activity(seconds=900.0)
    one = look(cluster(view(), activity=(old, on_time)))
    assert words(one, "database.long_transaction") == [("warning", subject, message, "at most 15.0 min", 901)]


# what the standbys' lag is, and what is said of it: 30 s are allowed
LAGS = [
    (None, "ok", "the slowest of 2 standbys is 0.0 s behind", 0.0),  # they have replayed everything
    (30.0, "ok", "the slowest of 2 standbys is 30.0 s behind", 30.0),
    (30.1, "warning", "the slowest of 2 standbys is 30.1 s behind", 30.1),
]


@pytest.mark.parametrize(("lag", "status", "message", "actual"), LAGS)
def test_the_slowest_standby_is_told(lag: Any, status: str, message: str, actual: float) -> None:
    one = look(cluster(view(), on=server(standbys=2, replica_lag_s=lag)))
    assert words(one, "database.replica_lag") == [(status, "main", message, 30.0, actual)]


def test_what_had_to_wait_for_the_standbys_is_named() -> None:
    one = taken(
        look(cluster(view(dirty()), on=server(standbys=2, replica_lag_s=1.0))), NOT_DONE, "database.replica_lag"
    )
    message = "the slowest of 2 standbys is 1.0 s behind; left for the next run: 1 table: public.trades"
    assert words(one, "database.replica_lag") == [("warning", "main", message, 30.0, 1.0)]


def test_a_lag_that_the_login_cannot_see_is_unknown() -> None:
    one = look(cluster(view(), on=server(standbys=2, replica_lag_s=None, sees_sessions=False)))
    [finding] = told(one, "database.replica_lag")
    assert (finding.status, finding.remedy) == ("unknown", "GRANT pg_monitor to the login.")
    assert finding.message == "this login cannot see how far the standbys are behind, so no vacuum waits for them"


# what the server said of a vacuum, and how many passes are told: the larger number, where it is more than one
PASSES: list[tuple[dict[str, int], list[int]]] = [
    ({"index_passes": 3, "index_scans": 1}, [3]),
    ({"index_passes": 2, "index_scans": 4}, [4]),
    ({"index_scans": 2}, [2]),
    ({"index_passes": 1, "index_scans": 1}, []),
    ({"index_passes": 0}, []),
]


@pytest.mark.parametrize(("details", "passes"), PASSES)
@pytest.mark.case("L14a")
def test_the_passes_over_the_indexes_are_told(details: dict[str, int], passes: list[int]) -> None:
    one = taken(look(cluster(view(dirty()))), DONE, **details)
    assert words(one, "database.index_passes") == [
        (
            "warning", f"{DB}.public.trades",
            f"the vacuum went over its indexes {number} times: maintenance_work_mem was too small", 1, number,
        )
        for number in passes
    ]  # fmt: skip


def test_an_estimate_that_is_withheld_says_why_for_each_table() -> None:
    one = look(cluster(view(table(heap_bytes=900 * MB, last_analyze=None))))
    [finding] = told(one, "database.bloat")
    assert finding.message == "estimate withheld for 1 table: public.trades (public.trades: no analyze is on record)"
    assert finding.subject == DB


def test_five_withheld_estimates_are_explained() -> None:
    tables = [table(f"t{number}", oid=number, heap_bytes=900 * MB, columns_seen=2) for number in range(6)]
    [finding] = told(look(cluster(view(*tables))), "database.bloat")
    assert "public.t4 and 1 more" in finding.message
    assert finding.message.count("pg_stats covers 2 of its 3 columns") == 5
    assert "public.t4: pg_stats" in finding.message


def test_each_bloated_table_says_its_own_size_and_advice() -> None:
    locked = table("orders", oid=2, heap_bytes=800 * MB, dead=20_000)
    one = look(cluster(view(BLOATED, locked, locks=(lock(locked),))))
    audit_logs = (
        "99% of it is empty (849.4 MiB); advice only: VACUUM FULL would give back 849.4 MiB, needs 946.2 MiB free, "
        "takes about 18.0 s, and nobody can read it meanwhile"
    )
    orders = (
        "99% of it is empty (754.1 MiB); advice only: VACUUM FULL would give back 754.1 MiB, needs 841.3 MiB free, "
        "takes about 16.0 s, and nobody can read it meanwhile"
    )
    assert [finding[:4] for finding in words(one, "database.bloat")] == [
        ("warning", f"{DB}.public.audit_logs", audit_logs, "at most 20% or 100.0 MiB"),
        ("warning", f"{DB}.public.orders", orders, "at most 20% or 100.0 MiB"),
    ]


def rewriting(*tables: Any) -> ServerContext:
    """Return a look that plans to rewrite what is bloated."""
    seen, chosen = cluster(view(*tables)), settings([postgresql()], **REWRITES)
    plan = make_plan(seen, chosen, History(), ROOM, chosen.window_s)
    return ServerContext(chosen.databases[0], chosen, seen, History(), plan)


@pytest.mark.parametrize(("state", "status"), [(DONE, "ok"), (NOT_DONE, "warning"), (FAILED, "warning")])
def test_a_table_that_was_rewritten_is_no_longer_bloated(state: str, status: str) -> None:
    one = rewriting(BLOATED)
    assert [step.action for step in one.steps] == ["rewrite"]
    assert [finding.status for finding in told(taken(one, state), "database.bloat")] == [status]


def test_a_table_that_was_vacuumed_is_as_bloated_as_before() -> None:
    one = taken(look(cluster(view(BLOATED._replace(dead=20_000)))), DONE)
    assert [outcome.step.action for outcome in one.ended] == ["vacuum"]
    assert [finding.status for finding in told(one, "database.bloat")] == ["warning"]
