# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a table needs work, rule by rule and right at each threshold."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.horizon import Horizon
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import Table
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.reasons import (
    Bloat,
    TableContext,
    counters_lost,
    insert_limit,
    is_critical,
    is_emergency,
    nearness,
    parent_changed,
    parent_limit,
    reasons,
    stale_share,
)

from ..options import postgresql, settings
from .builders import server, table

LIMITS = settings([postgresql()]).databases[0].thresholds
NO_BLOAT = Bloat(None, 0)
GB = 1_000_000_000


def case(one: Table, bloat: Bloat = NO_BLOAT, version: int = 150_018) -> TableContext:
    return TableContext(one, server(version=version), LIMITS, Horizon(None, 0, 1), one.dead, bloat)


# what differs from a healthy table, and the codes of the reasons that it then has
CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    # (a) more dead rows than the larger of 10,000 and 10 %
    ({"dead": 10_000}, []),
    ({"dead": 10_001}, ["dead_rows"]),
    ({"live": 1_000_000, "dead": 100_000}, []),
    ({"live": 1_000_000, "dead": 100_001}, ["dead_rows"]),
    ({"live": 0, "dead": 10_001}, ["dead_rows"]),
    ({"toast_live": 100, "toast_dead": 10_001}, ["dead_rows"]),
    ({"toast_live": 1_000_000, "toast_dead": 100_000}, []),
    # (b) half of what forces autovacuum to freeze
    ({"xid_age": 100_000_000}, []),
    ({"xid_age": 100_000_001}, ["freeze"]),
    ({"mxid_age": 200_000_000}, []),
    ({"mxid_age": 200_000_001}, ["freeze"]),
    # (d) 50 rows and 10 % changed
    ({"modified": 10_050}, []),
    ({"modified": 10_051}, ["statistics"]),
    ({"live": 0, "reltuples": 0.0, "modified": 50}, []),
    ({"live": 0, "reltuples": 0.0, "modified": 51}, ["statistics"]),
    # of the rows that pg_class knows, as autovacuum counts, or of the live ones where it knows none
    ({"live": 400, "reltuples": 1_000_000.0, "modified": 100_050}, []),
    ({"live": 400, "reltuples": 1_000_000.0, "modified": 100_051}, ["statistics"]),
    ({"live": 1_000_000, "reltuples": 400.0, "modified": 91}, ["statistics"]),
    ({"live": 1_000, "reltuples": 0.0, "modified": 51}, ["statistics"]),
    ({"live": 1_000, "reltuples": -1.0, "modified": 150}, []),
    ({"live": 1_000, "reltuples": -1.0, "modified": 151}, ["statistics"]),
    ({"name": "pg_statistic", "schema": "pg_catalog", "modified": 99_999}, []),
    # (e) never vacuumed, never analyzed, counters lost
    ({"last_vacuum": None}, []),  # the visibility map shows one
    ({"last_vacuum": None, "all_visible": 1}, []),
    ({"last_vacuum": None, "modified": 10_050}, []),  # not so much has changed that the map is of no use
    ({"last_vacuum": None, "all_visible": 0}, ["never_vacuumed"]),
    ({"last_vacuum": None, "modified": 10_051}, ["never_vacuumed", "statistics"]),
    ({"last_vacuum": None, "all_visible": 0, "live": 0, "dead": 0, "reltuples": 0.0}, []),
    ({"last_vacuum": None, "all_visible": 0, "heap_bytes": 0}, []),
    ({"last_vacuum": None, "all_visible": 0, "heap_bytes": 1}, ["never_vacuumed"]),
    ({"last_vacuum": None, "all_visible": 0, "live": 1}, ["never_vacuumed"]),
    ({"last_vacuum": None, "all_visible": 0, "live": 0, "dead": 1}, ["never_vacuumed"]),
    ({"last_vacuum": None, "all_visible": 0, "live": 5, "dead": 5}, ["never_vacuumed"]),
    ({"last_analyze": None}, []),  # pg_class shows one
    ({"last_analyze": None, "reltuples": -1.0}, ["never_analyzed"]),
    ({"last_analyze": 1.0, "reltuples": -1.0}, []),
    ({"last_vacuum": None, "last_analyze": None, "live": 0}, ["never_vacuumed"]),  # lost in a crash
    ({"last_vacuum": None, "last_analyze": None, "live": 0, "schema": "pg_catalog"}, []),  # a new database
    # partitioned tables hold no rows themselves
    ({"kind": "p", "heap_bytes": 0, "reltuples": -1.0, "last_analyze": None, "child_rows": 5}, ["never_analyzed"]),
    ({"kind": "p", "heap_bytes": 0, "reltuples": -1.0, "last_analyze": None, "child_rows": 0}, []),
    ({"kind": "p", "heap_bytes": 0, "reltuples": 9.0, "dead": 99_999, "xid_age": 2**31 - 1}, []),
    # several at once, the most serious first
    ({"xid_age": 150_000_000, "dead": 50_000, "modified": 50_000}, ["freeze", "dead_rows", "statistics"]),
]


@pytest.mark.parametrize(("given", "codes"), CASES)
def test_a_table_has_exactly_the_reasons_that_its_counters_give_it(given: dict[str, Any], codes: list[str]) -> None:
    assert [reason.code for reason in reasons(case(table(**given)))] == codes


# ratio, bytes, dead rows, and whether bloat is a reason for a plain vacuum
BLOAT = [
    (0.5, GB, 5_000, True),
    (0.5, GB, 1_000, False),  # 1 % dead: a plain vacuum gives nothing back
    (0.2, GB, 5_000, False),
    (0.5, 100 << 20, 5_000, False),
    (None, 0, 5_000, False),
]


@pytest.mark.parametrize(("ratio", "size", "dead", "counts"), BLOAT)
def test_bloat_is_a_reason_where_both_thresholds_are_crossed_and_rows_are_dead(
    ratio: float, size: int, dead: int, counts: bool
) -> None:
    found = [reason.code for reason in reasons(case(table(dead=dead), Bloat(ratio, size)))]
    assert found == (["bloat"] if counts else [])


@pytest.mark.parametrize(("version", "reltuples", "unknown"), [
    (130_000, 0.0, True), (130_000, -1.0, False), (140_000, -1.0, True), (140_000, 0.0, False),
])  # fmt: skip
def test_releases_before_14_write_0_rows_where_nothing_is_known(version: int, reltuples: float, unknown: bool) -> None:
    one = table(last_analyze=None, reltuples=reltuples)
    assert ("never_analyzed" in [r.code for r in reasons(case(one, version=version))]) is unknown


def test_a_reason_says_the_number_and_the_limit() -> None:
    found = reasons(case(table(dead=50_000, live=400_000)))
    assert found[0].text == "50,000 dead rows, more than 40,000"


# transaction and multixact ages, and whether writes are about to stop: above 1.3 billion or fewer than 10 million left
AGES = [
    (1_300_000_000, 0, False),
    (1_300_000_001, 0, True),
    (0, 1_300_000_001, True),
    (2**31 - 9_999_999, 0, True),
    (200_000_000, 400_000_000, False),
]


@pytest.mark.parametrize(("xid_age", "mxid_age", "critical"), AGES)
def test_an_age_is_critical_above_the_limit(xid_age: int, mxid_age: int, critical: bool) -> None:
    assert is_emergency(table(xid_age=xid_age, mxid_age=mxid_age), LIMITS) is critical


@pytest.mark.parametrize(("left", "critical"), [(9_999_999, True), (10_000_000, False)])
def test_few_transactions_left_are_critical_whatever_age_was_declared_critical(left: int, critical: bool) -> None:
    late = settings([postgresql(thresholds={"wraparound_critical_age": 2**31 - 1})]).databases[0].thresholds
    assert is_critical(2**31 - left, late) is critical


def test_a_partitioned_table_is_never_an_emergency() -> None:
    assert is_emergency(table(kind="p", xid_age=2**31 - 1), LIMITS) is False


# what is counted of a table, each time alone, that holds rows by its last vacuum or analyze
COUNTED: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"live": 1}, False),
    ({"dead": 1}, False),
    ({"modified": 1}, False),
    ({"last_vacuum": 1.0}, False),
    ({"last_analyze": 1.0}, False),
    ({"reltuples": 1.0, "heap_bytes": 1}, True),
    ({"reltuples": 0.0}, False),
    ({"heap_bytes": 0}, False),
    ({"schema": "information_schema"}, False),
]


@pytest.mark.parametrize(("given", "lost"), COUNTED)
def test_counters_are_lost_where_none_of_them_says_anything_of_a_filled_table(
    given: dict[str, Any], lost: bool
) -> None:
    nothing: dict[str, Any] = {"live": 0, "dead": 0, "modified": 0, "last_vacuum": None, "last_analyze": None}
    assert counters_lost(table(**{**nothing, **given})) is lost


# what differs from a table at a hundredth of its freeze threshold, and how near it is
NEAR: list[tuple[dict[str, Any], float]] = [
    ({}, 0.01),
    ({"dead": 5_000}, 0.5),
    ({"xid_age": 90_000_000}, 0.9),
    ({"mxid_age": 50_000_000}, 0.25),
    ({"modified": 10_050}, 1.0),
    ({"name": "pg_statistic", "modified": 10_050}, 0.01),
    ({"inserted": 10_500}, 0.5),
    ({"inserted": 10_500, "options": "autovacuum_vacuum_insert_threshold=-1"}, 0.01),
    ({"inserted": None}, 0.01),
]


@pytest.mark.parametrize(("given", "expected"), NEAR)
def test_nearness_is_the_share_of_the_nearest_threshold(given: dict[str, Any], expected: float) -> None:
    assert nearness(case(table(**given))) == expected


NO_ROWS = {"dead_rows": 0, "dead_ratio": 1e-9, "analyze_rows": 0}
INSERTS = "autovacuum_vacuum_insert_threshold=0,autovacuum_vacuum_insert_scale_factor=0"
# thresholds of no rows at all count as one row; the table is empty by all that is known of it
FLOORS: list[tuple[dict[str, Any], float]] = [
    ({"dead": 2}, 2.0),
    ({"modified": 3}, 3.0),
    ({"inserted": 4, "options": INSERTS}, 4.0),
    ({"children": 1, "child_since": 5}, 5.0),
]


@pytest.mark.parametrize(("given", "expected"), FLOORS)
def test_a_threshold_of_no_rows_is_reached_by_one(given: dict[str, Any], expected: float) -> None:
    limits = settings([postgresql(thresholds=NO_ROWS)]).databases[0].thresholds
    one = table(**{"live": 0, "reltuples": 0.0, **given})
    assert nearness(case(one)._replace(limits=limits)) == expected


def test_what_analyze_writes_itself_is_never_stale() -> None:
    assert stale_share(table("pg_statistic", modified=99_999), LIMITS) == 0.0
    assert stale_share(table(modified=20_100), LIMITS) == 2.0


# (f) the inserted rows that the server lets pass: 1,000 and 20 % of 100,000
INSERTED: list[tuple[dict[str, Any], int, bool]] = [
    ({"inserted": 21_000}, 150_018, False),
    ({"inserted": 21_001}, 150_018, True),
    ({"inserted": 21_001, "reltuples": -1.0}, 150_018, True),
    ({"inserted": 1_000, "reltuples": -1.0}, 150_018, False),
    ({"inserted": None}, 120_000, False),
    ({"inserted": 900_000, "options": "autovacuum_vacuum_insert_threshold=-1"}, 150_018, False),
    ({"inserted": 6_000, "options": "fillfactor=90,autovacuum_vacuum_insert_scale_factor=0.05"}, 150_018, False),
    ({"inserted": 6_001, "options": "fillfactor=90,autovacuum_vacuum_insert_scale_factor=0.05"}, 150_018, True),
    ({"inserted": 900_000, "kind": "p"}, 150_018, False),
]


@pytest.mark.case("DB2")
@pytest.mark.parametrize(("given", "version", "due"), INSERTED)
def test_rows_that_were_only_inserted_are_a_reason(given: dict[str, Any], version: int, due: bool) -> None:
    found = reasons(case(table(**given), version=version))
    assert ("inserts" in {reason.code for reason in found}) is due


@pytest.mark.case("DB2")
def test_a_server_that_knows_no_such_threshold_has_no_such_reason() -> None:
    old = server(version=120_000, insert_threshold=None, insert_scale=None)
    one = table(inserted=None)
    assert reasons(TableContext(one, old, LIMITS, Horizon(None, 0, 1), 0, NO_BLOAT)) == ()


def test_how_many_inserted_rows_a_server_lets_pass() -> None:
    assert insert_limit(table(reltuples=-1.0), server()) == 1000.0
    assert insert_limit(table(reltuples=0.0), server()) == 1000.0
    assert insert_limit(table(), server(insert_scale=None)) is None
    assert insert_limit(table(), server(insert_threshold=None)) is None


# what a partitioned table had noted when it was analyzed, what its partitions hold, and what changed at least
CHANGED: list[tuple[dict[str, Any], int, int]] = [
    ({"reltuples": 0.0, "child_rows": 50}, 150_018, 50),
    ({"reltuples": -1.0, "child_rows": 50}, 150_018, 0),
    ({"reltuples": 0.0, "child_rows": 50}, 130_000, 0),
    ({"reltuples": 40.0, "child_rows": 50, "child_modified": 11}, 150_018, 11),
]


@pytest.mark.parametrize(("given", "version", "expected"), CHANGED)
def test_what_changed_below_a_partitioned_table(given: dict[str, Any], version: int, expected: int) -> None:
    assert parent_changed(table(kind="p", children=2, **given), server(version=version)) == expected


@pytest.mark.parametrize(("kind", "rows", "expected"), [("p", 500.0, 250.0), ("r", 500.0, 300.0), ("r", -1.0, 250.0)])
def test_the_limit_of_a_parent_counts_its_own_rows_where_it_can_have_any(
    kind: str, rows: float, expected: float
) -> None:
    one = table(kind=kind, reltuples=rows, children=2, child_rows=1000)
    assert parent_limit(one, LIMITS) == expected


PARENT = {"children": 2, "child_rows": 900_000, "reltuples": 99_999.0}
HEIR = {"children": 2, "child_rows": 900_000, "reltuples": 0.0, "live": 0, "heap_bytes": 0}
# what a parent is, and whether it is stale: 50 for each of three tables and 10 % of all rows below it are 90,150
PARENTS: list[tuple[dict[str, Any], int, bool]] = [
    ({"kind": "p", **PARENT}, 150_018, True),
    ({"kind": "p", **PARENT, "reltuples": 809_850.0}, 150_018, False),
    ({"kind": "p", **PARENT, "reltuples": 809_849.0}, 150_018, True),
    ({"kind": "p", **PARENT, "reltuples": 990_151.0}, 150_018, True),
    ({"kind": "p", **PARENT, "reltuples": 900_000.0, "child_modified": 90_150}, 150_018, False),
    ({"kind": "p", **PARENT, "reltuples": 900_000.0, "child_modified": 90_151}, 150_018, True),
    # before 14 nothing is noted of a partitioned table, but that it was analyzed shows in its partitions
    ({"kind": "p", **PARENT, "reltuples": 0.0, "last_analyze": 1.0}, 130_000, False),
    ({"kind": "p", **PARENT, "reltuples": 0.0, "last_analyze": 1.0, "child_modified": 90_151}, 130_000, True),
    (HEIR, 150_018, False),
    ({**HEIR, "child_since": 90_150}, 150_018, False),
    ({**HEIR, "child_since": 90_151}, 150_018, True),
    ({**HEIR, "child_since": 90_000, "modified": 40, "live": 40}, 150_018, False),
    # its own rows count on both sides
    ({**HEIR, "reltuples": 100_000.0, "child_since": 100_150}, 150_018, False),
    ({**HEIR, "reltuples": 100_000.0, "child_since": 100_151}, 150_018, True),
]


@pytest.mark.case("DB1")
@pytest.mark.parametrize(("given", "version", "stale"), PARENTS)
def test_a_parent_is_stale_by_what_changed_below_it(given: dict[str, Any], version: int, stale: bool) -> None:
    one = case(table(**given), version=version)
    assert ("statistics" in {reason.code for reason in reasons(one)}) is stale
    assert (nearness(one) > 1) is stale


@pytest.mark.case("DB1")
def test_a_parent_without_rows_of_its_own_that_was_never_analyzed() -> None:
    new = {**HEIR, "reltuples": -1.0, "last_analyze": None, "last_vacuum": None}
    assert [reason.code for reason in reasons(case(table(**new)))] == ["never_analyzed"]
    assert [reason.code for reason in reasons(case(table(**{**new, "child_rows": 1})))] == ["never_analyzed"]
    assert reasons(case(table(**{**new, "child_rows": 0}))) == ()
