# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a SQLite database, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.judge import judge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.look import Look
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.plan import make_plan
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.records import (
    Holder,
    Holders,
    Place,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.steps import Outcome
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import DONE, FAILED, NOT_DONE, Finding

from .builders import MB, OPEN, SHUT, case

HALF_FREE = {"free_pages": 50_000}
LONG_LOG = {"wal_bytes": 100 * MB}


def look(**given: Any) -> Look:
    one = case(**given)
    return Look(one.entry, one.settings, one.seen, make_plan(one), one.gate)


def told(one: Look, check: str) -> list[Finding]:
    return [finding for finding in judge(one) if finding.check == check]


def taken(one: Look, state: str, rule: str = "", after: int = 0) -> Look:
    before = {"bytes": 500 * MB, "free_bytes": 200 * MB}
    outcomes = tuple(
        Outcome(step, state, f"because of {rule}", 1.0, rule, before, {"bytes": 300 * MB, "free_bytes": after})
        for step in one.steps
    )
    return replace(one, outcomes=outcomes)


def test_a_healthy_database_is_fine_in_every_respect() -> None:
    found = judge(look())
    assert {finding.status for finding in found} == {"ok"}
    assert {finding.check.split(".")[1] for finding in found} == {
        "reachable", "integrity", "filesystem", "freelist", "wal", "statistics",
    }  # fmt: skip


CASES: list[tuple[str, dict[str, Any], str]] = [
    ("database.integrity", {"damage": "Page 5: never used"}, "critical"),
    ("database.foreign_keys", {"orphans": 0}, "ok"),
    ("database.foreign_keys", {"orphans": 3, "first_orphan": "orders row 2"}, "warning"),
    ("database.filesystem", {"filesystem": "nfs4"}, "critical"),
    ("database.filesystem", {"filesystem": ""}, "unknown"),
    ("database.freelist", HALF_FREE, "warning"),
    ("database.wal", LONG_LOG, "warning"),
    ("database.wal", {"wal_bytes": 5 * MB}, "ok"),
    ("database.statistics", {"stale": ("trades",)}, "warning"),
    ("database.backup_gate", {**HALF_FREE, "gate": OPEN}, "ok"),
    ("database.backup_gate", {**HALF_FREE, "gate": SHUT}, "warning"),
    ("database.space", HALF_FREE, "ok"),
    ("database.space", {**HALF_FREE, "home": Place("/data", 2, 5)}, "warning"),
    ("database.litestream", {**HALF_FREE, "litestream_folder": True}, "warning"),
    ("database.litestream", {"litestream_folder": True}, "ok"),
    ("database.window", HALF_FREE, "ok"),
    ("database.window", {**HALF_FREE, "window": 0.5}, "warning"),
    (
        "database.locked",
        {**HALF_FREE, "holders": Holders((), complete=False), "options": {"sqlite_strategy": "into_swap"}},
        "warning",
    ),
]


@pytest.mark.parametrize(("check", "given", "status"), CASES)
def test_each_rule_speaks_at_its_threshold(check: str, given: dict[str, Any], status: str) -> None:
    [finding] = told(look(**given), check)
    assert finding.status == status
    assert status == "ok" or finding.remedy


SILENT = [
    "database.foreign_keys", "database.backup_gate", "database.space", "database.litestream", "database.window",
    "database.locked", "database.maintenance",
]  # fmt: skip


@pytest.mark.parametrize("check", SILENT)
def test_a_rule_that_has_nothing_to_look_at_says_nothing(check: str) -> None:
    assert told(look(), check) == []


def test_a_database_without_a_log_says_nothing_of_one() -> None:
    one = look(journal_mode="delete")
    header = one.seen.header._replace(is_wal=False)  # type: ignore[union-attr]
    assert told(replace(one, seen=replace(one.seen, header=header)), "database.wal") == []  # type: ignore[type-var]


def test_what_was_done_is_no_longer_a_warning() -> None:
    after = taken(look(**HALF_FREE, **LONG_LOG, stale=("t",)), DONE)
    found = {finding.check: finding.status for finding in judge(after)}
    assert {found[f"database.{name}"] for name in ("freelist", "wal", "statistics", "maintenance", "locked")} == {"ok"}


def test_pages_that_are_still_free_after_slices_are_still_a_warning() -> None:
    after = taken(look(**HALF_FREE), DONE, after=150 * MB)
    assert told(after, "database.freelist")[0].status == "warning"


@pytest.mark.parametrize("rule", ["database.locked", "database.window"])
def test_what_somebody_prevented_is_told_by_its_own_check(rule: str) -> None:
    after = taken(look(**HALF_FREE), NOT_DONE, rule)
    assert told(after, rule)[0].status == "warning"
    assert told(after, "database.freelist")[0].status == "warning"


FAILURES = [("database.maintenance", "critical"), ("database.space", "warning"), ("database.integrity", "critical")]


@pytest.mark.parametrize(("rule", "status"), FAILURES)
def test_a_failure_is_told_by_its_own_check(rule: str, status: str) -> None:
    assert told(taken(look(**HALF_FREE), FAILED, rule), rule)[0].status == status


def test_whoever_has_a_long_log_open_is_named() -> None:
    [finding] = told(look(**LONG_LOG, holders=Holders((Holder(7, "strategy"),), complete=True)), "database.wal")
    assert "strategy (pid 7) has it open" in finding.message


PROBLEMS = [("database.reachable", "unknown"), ("database.integrity", "critical")]


@pytest.mark.parametrize(("check", "status"), PROBLEMS)
def test_a_database_that_was_not_seen_is_one_finding_with_the_reason(check: str, status: str) -> None:
    one = look()
    [finding] = judge(Look(one.entry, one.settings, problem=(check, status, "why")))
    assert (finding.check, finding.status, finding.message) == (check, status, "why")
