# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a server, rule by rule: fine, not fine, and not known."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.backup_gate import Gate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.context import ServerContext
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.decide import Facts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.history import History
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import (
    DatabaseAge,
    DatabaseSnapshot,
    ServerSnapshot,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.plan import (
    make_plan,
    next_candidates,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.run import judge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.steps import Ended
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import DONE, FAILED, NOT_DONE, Finding

from ..options import postgresql, settings
from .builders import activity, cluster, dirty, lock, server, table, view

MB = 1_000_000


def look(seen: ServerSnapshot, **given: Any) -> ServerContext:
    chosen = settings([postgresql()], **given)
    plan = make_plan(seen, chosen, History(), Facts(), chosen.window_s)
    return ServerContext(chosen.databases[0], chosen, seen, History(), plan)


def told(one: ServerContext, check: str) -> list[Finding]:
    return [finding for finding in judge(one) if finding.check == check]


def taken(one: ServerContext, state: str, rule: str = "", dead: int = 0, **details: Any) -> ServerContext:
    """Return a look whose steps all came out in one way."""
    outcomes = tuple(
        Ended(step, state, f"because of {rule or state}", 1.0, rule, {"dead": 1}, {"dead": dead}, details)
        for step in one.steps
    )
    return one._replace(ended=outcomes)


def test_a_healthy_server_is_fine_in_every_respect() -> None:
    found = judge(look(cluster(view(table(), table("orders")))))
    assert {finding.status for finding in found} == {"ok"}
    assert {finding.check for finding in found} >= {
        "database.reachable",
        "database.wraparound",
        "database.dead_rows",
        "database.statistics",
        "database.bloat",
        "database.xmin_horizon",
        "database.long_transaction",
        "database.permission",
        "database.locked",
        "database.window",
        "database.integrity",
    }


def age(**more: Any) -> DatabaseAge:
    return DatabaseAge("cryptobot", True, False, 1_000_000, 0, 0)._replace(**more)


# what the catalogs say, and the status of one check
CASES: list[tuple[str, ServerSnapshot, dict[str, Any], str]] = [
    ("database.wraparound", cluster(view(), ages=(age(xid_age=180_000_000),)), {}, "ok"),
    ("database.wraparound", cluster(view(), ages=(age(xid_age=180_000_001),)), {}, "warning"),
    ("database.wraparound", cluster(view(), ages=(age(mxid_age=360_000_001),)), {}, "warning"),
    ("database.wraparound", cluster(view(), ages=(age(xid_age=1_300_000_001),)), {}, "critical"),
    ("database.wraparound", cluster(view(), ages=(age(mxid_age=2**31 - 5),)), {}, "critical"),
    ("database.dead_rows", cluster(view(dirty())), {}, "warning"),
    ("database.statistics", cluster(view(table(modified=20_000))), {}, "warning"),
    ("database.statistics", cluster(view(table(reltuples=-1.0, last_analyze=None))), {}, "warning"),
    ("database.bloat", cluster(view(table(heap_bytes=900 * MB))), {}, "warning"),
    ("database.bloat", cluster(view(table(heap_bytes=900 * MB, last_analyze=None))), {}, "unknown"),
    ("database.bloat", cluster(view(table(heap_bytes=900 * MB, columns_seen=0))), {}, "unknown"),
    ("database.bloat", cluster(view(table(heap_bytes=90 * MB, columns_seen=0))), {}, "ok"),
    ("database.xmin_horizon", cluster(view(), activity=(activity(),)), {}, "warning"),
    ("database.xmin_horizon", cluster(view(), activity=(activity(seconds=10.0),)), {}, "ok"),
    ("database.xmin_horizon", cluster(view(), activity=(activity(xmin_age=1_400_000_000),)), {}, "critical"),
    ("database.xmin_horizon", cluster(view(), on=server(sees_sessions=False)), {}, "unknown"),
    ("database.long_transaction", cluster(view(), activity=(activity(xmin_age=None),)), {}, "warning"),
    ("database.long_transaction", cluster(view(), activity=(activity(seconds=None),)), {}, "ok"),
    ("database.long_transaction", cluster(view(), activity=(activity(kind="walsender"),)), {}, "ok"),
    ("database.long_transaction", cluster(view(), on=server(sees_sessions=False)), {}, "unknown"),
    ("database.permission", cluster(view(dirty(may_maintain=False))), {}, "warning"),
    ("database.permission", cluster(view(table(may_maintain=False))), {}, "ok"),
    ("database.locked", cluster(view(dirty(), locks=(lock(dirty()),))), {}, "warning"),
    ("database.window", cluster(view(dirty(heap_bytes=10**12))), {}, "warning"),
    ("database.replica_lag", cluster(view(), on=server(standbys=1, replica_lag_s=31.0)), {}, "warning"),
    ("database.replica_lag", cluster(view(), on=server(standbys=1, replica_lag_s=None)), {}, "ok"),
    ("database.integrity", cluster(view(), ages=(age(checksum_failures=1),)), {}, "critical"),
    ("database.integrity", cluster(view(), ages=(age(checksum_failures=None),)), {}, "skipped"),
    ("database.reachable", cluster(DatabaseSnapshot("cryptobot", error="no pg_hba.conf entry")), {}, "critical"),
]


@pytest.mark.parametrize(("check", "seen", "given", "status"), CASES)
def test_each_rule_speaks_at_its_threshold(
    check: str, seen: ServerSnapshot, given: dict[str, Any], status: str
) -> None:
    [finding] = told(look(seen, **given), check)
    assert finding.status == status
    assert status == "ok" or finding.remedy


@pytest.mark.parametrize("check", ["database.replica_lag", "database.index_passes", "database.maintenance"])
def test_a_rule_that_has_nothing_to_look_at_says_nothing(check: str) -> None:
    assert told(look(cluster(view(dirty()))), check) == []


def test_every_database_of_the_server_is_judged_for_wraparound_the_templates_too() -> None:
    ages = (age(), age(name="template0", allows_connections=False, is_template=True, xid_age=1_900_000_000))
    found = {
        finding.subject: finding.status for finding in told(look(cluster(view(), ages=ages)), "database.wraparound")
    }
    assert found == {"main:cryptobot": "ok", "main:template0": "critical"}


def test_what_was_done_is_no_longer_a_warning() -> None:
    one = look(cluster(view(dirty(), table("orders", modified=20_000))))
    assert told(one, "database.dead_rows")[0].status == "warning"
    after = taken(one, DONE)
    assert [told(after, check)[0].status for check in ("database.dead_rows", "database.statistics")] == ["ok", "ok"]
    assert told(after, "database.maintenance")[0].message == "2 of 2 steps done"


def test_rows_that_could_not_be_removed_are_still_a_warning() -> None:
    [finding] = told(taken(look(cluster(view(dirty()))), DONE, dead=19_000), "database.dead_rows")
    assert finding.status == "warning"
    assert finding.message == "no table needs a vacuum for it; 19,000 cannot be removed yet in 1 table: public.trades"


@pytest.mark.parametrize("rule", ["database.locked", "database.window", "database.permission"])
def test_what_was_planned_and_not_done_is_told_by_its_own_check(rule: str) -> None:
    after = taken(look(cluster(view(dirty()))), NOT_DONE, rule)
    assert told(after, rule)[0].status == "warning"
    assert told(after, "database.dead_rows")[0].status == "warning"


def test_corruption_met_by_a_vacuum_is_critical() -> None:
    after = taken(look(cluster(view(dirty()))), FAILED, "database.integrity")
    assert [finding.status for finding in told(after, "database.integrity")] == ["critical", "ok"]
    assert told(after, "database.maintenance")[0].status == "ok"


def test_a_rewrite_that_lacks_its_backup_is_told_by_the_gate_and_beside_the_bloat() -> None:
    bloated = cluster(view(table(heap_bytes=900 * MB)))
    one = look(bloated, rewrite="allow", services_stopped=True, require_backup={"dir": "/backups"})
    [gate] = told(one, "database.backup_gate")
    assert (gate.status, "it was not asked for" in gate.message) == ("warning", True)
    assert "it was not asked for: VACUUM FULL would give back" in told(one, "database.bloat")[0].message


def test_a_rewrite_that_lacks_its_room_is_a_warning() -> None:
    bloated = cluster(view(table(heap_bytes=900 * MB)))
    given = settings([postgresql()], rewrite="allow", services_stopped=True, require_backup={"dir": "/backups"})
    plan = make_plan(bloated, given, History(), Facts(Gate(True, "verified"), {}), given.window_s)
    [space] = told(ServerContext(given.databases[0], given, bloated, History(), plan), "database.space")
    assert (space.status, space.subject) == ("warning", "main:cryptobot.public.trades")


def test_a_failed_step_is_critical() -> None:
    [finding] = told(taken(look(cluster(view(dirty()))), FAILED, "database.maintenance"), "database.maintenance")
    assert (finding.status, finding.subject) == ("critical", "main:cryptobot.public.trades")


PASSES = [
    ({"index_passes": 2}, True),
    ({"index_scans": 3}, True),
    ({"index_passes": 1, "index_scans": 1}, False),
    ({}, False),
]


@pytest.mark.parametrize(("details", "spoken"), PASSES)
def test_more_than_one_pass_over_the_indexes_calls_for_memory(details: dict[str, int], spoken: bool) -> None:
    found = told(taken(look(cluster(view(dirty()))), DONE, **details), "database.index_passes")
    assert bool(found) is spoken


def test_a_stage_of_analyze_does_not_settle_a_table() -> None:
    tables = [table(f"t{number}", reltuples=-1.0, last_analyze=None, oid=number) for number in range(25)]
    one = look(cluster(view(*tables)))
    stages = one._replace(ended=tuple(Ended(s, DONE, "", 0.1) for s in one.steps if s.task.target))
    assert told(stages, "database.statistics")[0].actual == 25


def test_many_tables_are_one_finding_that_names_a_few() -> None:
    tables = [dirty(f"t{number}", oid=number) for number in range(9)]
    [finding] = told(look(cluster(view(*tables))), "database.dead_rows")
    assert finding.actual == 9
    assert finding.message.endswith("in 9 tables: public.t0, public.t1, public.t2, public.t3, public.t4 and 4 more")


def test_a_standby_is_one_skipped_finding() -> None:
    found = judge(look(cluster(on=server(in_recovery=True))))
    assert [(finding.check, finding.status) for finding in found] == [("database.standby", "skipped")]


@pytest.mark.parametrize("status", ["critical", "unknown"])
def test_a_server_that_was_not_seen_is_one_finding_with_the_reason(status: str) -> None:
    chosen = settings([postgresql()])
    [finding] = judge(ServerContext(chosen.databases[0], chosen, unavailable=(status, "connection refused")))
    assert (finding.check, finding.status, finding.message) == ("database.reachable", status, "connection refused")


def test_the_next_candidates_are_the_nearest_tables_that_are_not_planned() -> None:
    tables = [dirty(), table("half", dead=5_000), table("near", dead=9_000), table("far", dead=10)]
    found = next_candidates(look(cluster(view(*tables))).plan)
    assert [(one["table"], one["nearness"]) for one in found] == [
        ("cryptobot.public.near", 0.9),
        ("cryptobot.public.half", 0.5),
    ]
