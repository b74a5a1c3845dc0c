# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of the statements, for every release that is supported."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres import queries
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.features import (
    FEATURES,
    has,
    progress_memory,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.statements import (
    quoted,
    session_settings,
    statement,
)

from ..options import postgresql, settings
from .builders import server
from .test_plan_schedule import step


def text(version: int, given: dict[str, Any], **options: Any) -> str:
    one = step("trades", **{"truncate": True, **given})
    return statement(one.task, server(version=version), settings([postgresql()], **options))


EMERGENCY_17 = (
    "VACUUM (VERBOSE, SKIP_LOCKED, INDEX_CLEANUP off, TRUNCATE off, PARALLEL 2, BUFFER_USAGE_LIMIT '0', "
    'SKIP_DATABASE_STATS) "public"."trades"'
)
VACUUMS: list[tuple[int, dict[str, Any], dict[str, Any], str]] = [
    (110_000, {}, {}, 'VACUUM "public"."trades"'),
    (110_000, {"freeze": True}, {}, 'VACUUM (FREEZE) "public"."trades"'),
    (110_000, {"emergency": True, "truncate": False}, {}, 'VACUUM "public"."trades"'),
    (120_000, {"truncate": False}, {}, 'VACUUM (SKIP_LOCKED, TRUNCATE off) "public"."trades"'),
    (
        120_000,
        {"emergency": True, "truncate": False},
        {},
        'VACUUM (SKIP_LOCKED, INDEX_CLEANUP off, TRUNCATE off) "public"."trades"',
    ),
    (130_000, {}, {}, 'VACUUM (SKIP_LOCKED, PARALLEL 1) "public"."trades"'),
    (130_000, {}, {"profile": "gentle"}, 'VACUUM (SKIP_LOCKED, PARALLEL 0) "public"."trades"'),
    (130_000, {}, {"profile": "fast"}, 'VACUUM (SKIP_LOCKED, PARALLEL 2) "public"."trades"'),
    (150_000, {}, {}, 'VACUUM (VERBOSE, SKIP_LOCKED, PARALLEL 1) "public"."trades"'),
    (
        160_000,
        {},
        {},
        'VACUUM (VERBOSE, SKIP_LOCKED, PARALLEL 1, BUFFER_USAGE_LIMIT \'2MB\', SKIP_DATABASE_STATS) "public"."trades"',
    ),
    (
        170_000,
        {"emergency": True, "truncate": False},
        {"profile": "gentle"},
        EMERGENCY_17,
    ),
    (150_000, {"rewrite": True}, {}, 'VACUUM (FULL, ANALYZE) "public"."trades"'),
]


@pytest.mark.parametrize(("version", "given", "options", "expected"), VACUUMS)
def test_a_vacuum_uses_what_its_server_knows(
    version: int, given: dict[str, Any], options: dict[str, Any], expected: str
) -> None:
    assert text(version, given, **options) == expected


ANALYZES = [
    (110_000, 'ANALYZE "public"."trades"'),
    (150_000, 'ANALYZE (SKIP_LOCKED) "public"."trades"'),
    (170_000, 'ANALYZE (SKIP_LOCKED, BUFFER_USAGE_LIMIT \'2MB\') "public"."trades"'),
]


@pytest.mark.parametrize(("version", "expected"), ANALYZES)
def test_an_analyze_uses_what_its_server_knows(version: int, expected: str) -> None:
    analyze = step("trades").task._replace(vacuum=False, analyze=True)
    assert statement(analyze, server(version=version), settings([postgresql()])) == expected


@pytest.mark.parametrize(("name", "expected"), [
    ("trades", '"trades"'), ("Weird name", '"Weird name"'), ('a"; DROP TABLE x', '"a""; DROP TABLE x"'),
])  # fmt: skip
def test_a_name_is_quoted_whatever_is_in_it(name: str, expected: str) -> None:
    assert quoted(name) == expected


# the release, the server's own maintenance_work_mem and the profile, and what the session gets
MEMORY = [
    (150_000, 64 << 20, "normal", "262144kB"),
    (150_000, 512 << 20, "normal", "524288kB"),
    (150_000, 8 << 30, "fast", "1048576kB"),  # more is of no use before 17
    (170_000, 8 << 30, "fast", "8388608kB"),
    (150_000, 16 << 20, "gentle", "65536kB"),
]


@pytest.mark.parametrize(("version", "own", "profile", "expected"), MEMORY)
def test_the_session_gets_the_larger_memory_up_to_what_is_of_use(
    version: int, own: int, profile: str, expected: str
) -> None:
    given = settings([postgresql()], profile=profile)
    found = session_settings(step("t").task, server(version=version, maintenance_work_mem=own), given, 60.0)
    assert f"maintenance_work_mem = '{expected}'" in found


# profile, emergency, and the delay and limit of the session
THROTTLE = [
    ("gentle", False, 2, 200), ("normal", False, 2, 2000), ("fast", False, 0, 2000), ("gentle", True, 0, 2000),
]  # fmt: skip


@pytest.mark.parametrize(("profile", "emergency", "delay", "limit"), THROTTLE)
def test_the_session_is_throttled_by_its_profile_but_not_in_an_emergency(
    profile: str, emergency: bool, delay: int, limit: int
) -> None:
    found = session_settings(
        step("t", emergency=emergency).task, server(), settings([postgresql()], profile=profile), 60.0
    )
    assert f"SET vacuum_cost_delay = {delay}; SET vacuum_cost_limit = {limit};" in found


@pytest.mark.parametrize(("seconds", "expected"), [(60.0, 60_000), (0.0, 1), (-5.0, 1), (1e9, 2**31 - 1)])
def test_a_statement_is_bounded_and_never_unbounded(seconds: float, expected: int) -> None:
    found = session_settings(step("t").task, server(), settings([postgresql()]), seconds)
    assert f"statement_timeout = {expected};" in found


def test_a_stage_of_analyze_has_a_target_of_its_own_and_the_next_step_not() -> None:
    given = settings([postgresql()])
    assert session_settings(step("t", target=10).task, server(), given, 1.0).endswith(
        "SET default_statistics_target = 10"
    )
    assert session_settings(step("t").task, server(), given, 1.0).endswith("RESET default_statistics_target")


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_a_feature_begins_with_its_release(feature: str) -> None:
    assert has(FEATURES[feature], feature)
    assert not has(FEATURES[feature] - 1, feature)


PROGRESS = [
    (110_000, "num_dead_tuples"),
    (160_009, "num_dead_tuples"),
    (170_000, "dead_tuple_bytes"),
    (180_001, "dead_tuple_bytes"),
]


@pytest.mark.parametrize(("version", "used"), PROGRESS)
def test_progress_is_read_from_the_columns_of_the_release(version: int, used: str) -> None:
    assert progress_memory(version)[0] == used
    assert f"{used} AS memory_used" in queries.progress(version)


def test_the_catalog_query_only_asks_for_what_the_release_has() -> None:
    assert "MAINTAIN" not in queries.tables(160_000, exact_sizes=True)
    assert "MAINTAIN" in queries.tables(170_000, exact_sizes=True)
    assert "checksum_failures AS" not in queries.databases(110_000).replace("NULL::bigint AS checksum", "")
    assert "s.checksum_failures" in queries.databases(120_000)
    assert "pg_relation_size" not in queries.tables(150_000, exact_sizes=False)
    assert '"ext".pgstattuple_approx' in queries.tables(150_000, exact_sizes=True, pgstattuple='"ext"')
