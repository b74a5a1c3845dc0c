# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tables of a real PostgreSQL server are worked on, in which order, and what is left for the second run."""

from __future__ import annotations

import pytest

from .conftest import Vacuum, finding, steps
from .postgres_server import Server

TABLE = "CREATE TABLE {0} (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off)"
ROWS = "INSERT INTO {0} SELECT n, repeat('x', 50) FROM generate_series(1, {1}) n"
CHURN = "UPDATE {0} SET note = note || 'y' WHERE id <= {1}"


def fill(server: Server, database: str, name: str, rows: int, churned: int) -> None:
    """Have a table that is clean but for the churned rows."""
    server.sql(database, TABLE.format(name), ROWS.format(name, rows))
    server.sql(database, f"VACUUM ANALYZE {name}")
    if churned:
        server.sql(database, CHURN.format(name, churned))


def test_a_table_with_dead_rows_is_vacuumed_once_and_the_second_run_finds_nothing(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    fill(server, database, "trades", 40_000, 15_000)
    fill(server, database, "quiet", 40_000, 0)
    before = server.sql(database, "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'trades'")
    entry = server.entry(database)
    first = vacuum(databases=[entry])
    assert steps(first, "done") == [("vacuum_analyze", f"main:{database}.public.trades")]
    assert first.changed and not first.failure
    assert finding(first, "database.dead_rows").status == "ok"
    counters = "SELECT n_dead_tup, vacuum_count FROM pg_stat_user_tables WHERE relname = 'trades'"
    assert before == [(15_000,)]
    assert server.sql(database, counters) == [(0, 2)]
    second = vacuum(databases=[entry])
    assert (second.changed, steps(second, "done")) == (False, [])


def test_check_mode_plans_exactly_what_the_run_then_does_and_changes_nothing(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    fill(server, database, "small", 30_000, 11_000)
    fill(server, database, "large", 90_000, 40_000)
    fill(server, database, "stale", 10_000, 3_000)
    server.sql(database, TABLE.format("fresh"), ROWS.format("fresh", 500))
    entry = server.entry(database)
    counters = "SELECT relname, vacuum_count, analyze_count FROM pg_stat_user_tables ORDER BY relname"
    before = server.sql(database, counters)
    planned = vacuum(databases=[entry], check_mode=True)
    assert server.sql(database, counters) == before
    assert planned.changed
    done = vacuum(databases=[entry])
    assert steps(planned, "planned") == steps(done, "done")
    assert [subject.rsplit(".", 1)[1] for _action, subject in steps(done, "done")] == [
        "large",
        "small",
        "stale",
        "fresh",
    ]
    assert dict(steps(done, "done"))["analyze"].endswith("stale")


def test_a_plan_reports_what_is_due_and_never_a_change(server: Server, database: str, vacuum: Vacuum) -> None:
    fill(server, database, "trades", 30_000, 12_000)
    result = vacuum(databases=[server.entry(database)], mode="plan")
    assert (result.changed, len(steps(result, "planned"))) == (False, 1)
    found = finding(result, "database.dead_rows")
    assert (found.status, found.actual) == ("warning", 1)
    assert "public.trades" in found.message


def test_the_returned_table_says_why_and_what_came_of_it(server: Server, database: str, vacuum: Vacuum) -> None:
    fill(server, database, "trades", 40_000, 15_000)
    result = vacuum(databases=[server.entry(database)])
    table = result.data["databases"][0]["databases"][0]["tables"][0]
    assert table["reason"][0] == "15,000 dead rows, more than 10,000"
    assert (table["before"]["dead"], table["after"]["dead"], table["result"]) == (15_000, 0, "done")
    assert (table["removed"], table["not_removable"], table["index_scans"]) == (15_000, 0, 1)


def test_a_table_whose_toast_table_is_vacuumed_with_it_went_once_over_its_indexes(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    large = "CREATE TABLE strategies (id int PRIMARY KEY, code text) WITH (autovacuum_enabled = off)"
    server.sql(database, large, "ALTER TABLE strategies ALTER code SET STORAGE EXTERNAL")  # since 16 in one
    server.sql(database, "INSERT INTO strategies SELECT n, repeat('x', 3000) FROM generate_series(1, 20000) n")
    server.sql(database, "VACUUM ANALYZE strategies")
    server.sql(database, "DELETE FROM strategies WHERE id % 5 < 4")
    result = vacuum(databases=[server.entry(database)])
    table = result.data["databases"][0]["databases"][0]["tables"][0]
    assert (table["result"], table["removed"] > 16_000, table["index_scans"]) == ("done", True, 1)
    assert {found.status for found in result.findings if found.check == "database.index_passes"} <= {"ok"}


def test_every_database_is_visited_and_include_and_exclude_narrow_it(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    for name in ("trades", "audit_logs", "sessions"):
        fill(server, database, name, 25_000, 11_000)
    entry = server.entry("*", include=[rf"^{database}\."], exclude=[r"\.pg_catalog\.", r"\.audit_"])
    result = vacuum(databases=[entry], mode="plan")
    assert {subject.rsplit(".", 1)[1] for _action, subject in steps(result, "planned")} == {"trades", "sessions"}
    names = {view["database"] for view in result.data["databases"][0]["databases"]}
    assert {"postgres", database} <= names and "template1" not in names


def test_thresholds_of_a_database_override_the_common_ones(server: Server, database: str, vacuum: Vacuum) -> None:
    fill(server, database, "trades", 5_000, 1_000)
    own = {"dead_rows": 500}
    assert steps(vacuum(databases=[server.entry(database)], mode="plan"), "planned")[0][0] == "analyze"
    narrow = vacuum(databases=[server.entry(database, thresholds=own)], mode="plan")
    assert steps(narrow, "planned")[0][0] == "vacuum_analyze"


def test_dead_rows_of_the_toast_table_count(server: Server, database: str, vacuum: Vacuum) -> None:
    server.sql(
        database,
        "CREATE TABLE docs (id int PRIMARY KEY, body text)",
        "ALTER TABLE docs ALTER body SET STORAGE EXTERNAL",
        "INSERT INTO docs SELECT n, repeat(md5(n::text), 300) FROM generate_series(1, 4000) n",
    )
    server.sql(database, "VACUUM ANALYZE docs")
    server.sql(database, "UPDATE docs SET body = body || 'y' WHERE id <= 3000")
    result = vacuum(databases=[server.entry(database)])
    assert "TOAST" in next(action.reason for action in result.actions if action.state == "done")
    assert vacuum(databases=[server.entry(database)]).changed is False


def test_a_freshly_restored_database_is_analyzed_in_stages(server: Server, database: str, vacuum: Vacuum) -> None:
    for number in range(25):
        server.sql(database, TABLE.format(f"t{number}"), ROWS.format(f"t{number}", 100))
    result = vacuum(databases=[server.entry(database)])
    verbs = [action for action, _subject in steps(result, "done")]
    assert verbs == ["analyze_target_1"] * 25 + ["analyze_target_10"] * 25 + ["vacuum_analyze"] * 25
    assert vacuum(databases=[server.entry(database)]).changed is False


def test_names_that_need_quoting_are_quoted(server: Server, database: str, vacuum: Vacuum) -> None:
    name = '"Weird ""name""; DROP TABLE x"'
    fill(server, database, name, 25_000, 11_000)
    result = vacuum(databases=[server.entry(database)])
    assert [action.state for action in result.actions] == ["done"]
    assert vacuum(databases=[server.entry(database)]).changed is False


def test_several_jobs_do_the_same_steps(server: Server, database: str, vacuum: Vacuum) -> None:
    for number in range(6):
        fill(server, database, f"t{number}", 25_000, 11_000)
    planned = vacuum(databases=[server.entry(database)], jobs=3, check_mode=True)
    done = vacuum(databases=[server.entry(database)], jobs=3)
    assert steps(planned, "planned") == steps(done, "done")
    assert len(steps(done, "done")) == 6


def test_a_partitioned_table_without_statistics_is_analyzed_once(server: Server, database: str, vacuum: Vacuum) -> None:
    server.sql(
        database,
        "CREATE TABLE ohlcv (at date, price int) PARTITION BY RANGE (at)",
        "CREATE TABLE ohlcv_1 PARTITION OF ohlcv FOR VALUES FROM ('2026-01-01') TO ('2026-07-01')",
        "INSERT INTO ohlcv SELECT '2026-01-01'::date + n % 180, n FROM generate_series(1, 1000) n",
    )
    server.sql(database, "VACUUM ANALYZE ohlcv_1")
    result = vacuum(databases=[server.entry(database)])
    assert steps(result, "done") == [("analyze", f"main:{database}.public.ohlcv")]
    assert vacuum(databases=[server.entry(database)]).changed is False


def test_the_system_catalogs_are_looked_at_too_and_our_own_work_does_not_make_them_candidates(
    server: Server, database: str, vacuum: Vacuum
) -> None:
    for number in range(30):
        fill(server, database, f"t{number}", 500, 200)
    first = vacuum(databases=[server.entry(database, exclude=[])])
    catalogs = [subject for _action, subject in steps(first, "done") if ".pg_catalog." in subject]
    assert catalogs, "30 new tables change pg_attribute by more than 10 %"
    second = vacuum(databases=[server.entry(database, exclude=[])])
    assert steps(second, "done") == []


def grown(server: Server, database: str, create: str, parts: tuple[str, ...]) -> None:
    """Have a parent that was analyzed at 99,999 rows below it, and 900,000 there now, which the children know."""
    server.sql(database, *create.split(";"))
    share = 99_999 // len(parts)
    for part in parts:
        server.sql(database, f"INSERT INTO {part} SELECT n, 'x' FROM generate_series(1, {share}) n")
    server.sql(database, "VACUUM ANALYZE")
    for part in parts:
        rest = 900_000 // len(parts)
        server.sql(database, f"INSERT INTO {part} SELECT n, 'x' FROM generate_series({share + 1}, {rest}) n")
        server.sql(database, f"VACUUM ANALYZE {part}")


PARTITIONED = (
    "CREATE TABLE parent (id int, note text) PARTITION BY LIST (note);"
    "CREATE TABLE branch PARTITION OF parent FOR VALUES IN ('x') PARTITION BY RANGE (id);"
    "CREATE TABLE leaf PARTITION OF branch FOR VALUES FROM (0) TO (1000000)"
)
HEIRS = (
    "CREATE TABLE parent (id int, note text);CREATE TABLE one () INHERITS (parent);CREATE TABLE two () INHERITS (one)"
)


@pytest.mark.case("DB1")
@pytest.mark.parametrize(
    ("create", "parts", "due"),
    [(PARTITIONED, ("leaf",), {"parent", "branch"}), (HEIRS, ("one", "two"), {"parent", "one"})],
    ids=["partitions", "heirs"],
)
def test_a_parent_ages_by_what_changes_below_it(
    server: Server, database: str, vacuum: Vacuum, create: str, parts: tuple[str, ...], due: set[str]
) -> None:
    grown(server, database, create, parts)
    first = vacuum(databases=[server.entry(database)])
    done = steps(first, "done")
    assert {action for action, _subject in done} == {"analyze"}
    assert {subject.rsplit(".", 1)[1] for _action, subject in done} - {"one"} == due - {"one"}
    reason = next(action.reason for action in first.actions if action.subject.endswith(".parent"))
    assert "rows changed in its 2 children since it was analyzed, more than 90,150" in reason
    assert finding(first, "database.statistics").status == "ok"
    rows = "SELECT n_distinct FROM pg_stats WHERE tablename = 'parent' AND attname = 'id' AND inherited"
    assert len(server.sql(database, rows)) == 1
    assert steps(vacuum(databases=[server.entry(database)]), "done") == []


@pytest.mark.case("DB2")
def test_rows_that_were_only_inserted_call_for_a_vacuum(server: Server, database: str, vacuum: Vacuum) -> None:
    fill(server, database, "trades", 1_000, 0)
    server.sql(database, "INSERT INTO trades SELECT n, repeat('x', 9) FROM generate_series(2000, 402999) n")
    server.sql(database, "ANALYZE trades")
    result = vacuum(databases=[server.entry(database)], analyze="never")
    assert steps(result, "done") == [("vacuum", f"main:{database}.public.trades")]
    reason = next(action.reason for action in result.actions)
    assert reason.startswith("401,000 rows inserted since the last vacuum, more than 81,400")
    visible = "SELECT relallvisible = relpages FROM pg_class WHERE relname = 'trades'"
    assert server.sql(database, visible) == [(True,)]
    assert steps(vacuum(databases=[server.entry(database)]), "done") == []


@pytest.mark.case("DB4")
def test_bloat_is_judged_with_the_statistics_that_the_run_took(server: Server, database: str, vacuum: Vacuum) -> None:
    for name in ("loose", "tight"):
        server.sql(database, TABLE.format(name), ROWS.format(name, 30_000))
    server.sql(database, "DELETE FROM loose WHERE id % 2 = 0")
    entry = server.entry(database, thresholds={"bloat_bytes": "500K"})
    before = vacuum(databases=[entry], mode="plan")
    assert "estimate withheld for 2 tables" in finding(before, "database.bloat").message
    after = vacuum(databases=[entry])
    found = finding(after, "database.bloat")
    assert (found.status, found.subject) == ("warning", f"main:{database}.public.loose")
    assert 0.4 < found.actual < 0.6
