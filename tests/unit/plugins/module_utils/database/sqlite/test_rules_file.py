# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a SQLite database, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.context import FileContext
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import (
    Holder,
    Holders,
    Space,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.plan import make_plan
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.run import judge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.steps import Ended
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import DONE, FAILED, NOT_DONE, Finding

from .builders import MB, OPEN, SHUT, case

HALF_FREE = {"free_pages": 50_000}
LONG_LOG = {"wal_bytes": 100 * MB}
STRATEGY = Holders((Holder(7, "strategy"),), complete=True)


def look(**given: Any) -> FileContext:
    one = case(**given)
    return FileContext(one.entry, one.settings, one.snapshot, make_plan(one), one.gate)


def told(one: FileContext, check: str) -> list[Finding]:
    return [finding for finding in judge(one) if finding.check == check]


def taken(one: FileContext, state: str, rule: str = "", after: int = 0) -> FileContext:
    before = {"bytes": 500 * MB, "free_bytes": 200 * MB}
    outcomes = tuple(
        Ended(step, state, f"because of {rule}", 1.0, rule, before, {"bytes": 300 * MB, "free_bytes": after})
        for step in one.steps
    )
    return one._replace(ended=outcomes)


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
    ("database.space", {**HALF_FREE, "home": Space("/data", 2, 5)}, "warning"),
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
    header = one.snapshot.header._replace(is_wal=False)
    assert told(one._replace(observed=one.snapshot._replace(header=header)), "database.wal") == []


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
    [finding] = told(look(**LONG_LOG, holders=STRATEGY), "database.wal")
    assert "strategy (pid 7) has it open" in finding.message


# what it is a problem of, its status, and the first words of the remedy
PROBLEMS = [
    ("database.reachable", "unknown", "Run the same login by hand"),
    ("database.integrity", "critical", "Stop the services that write to it"),
    ("database.integrity", "unknown", "Run this with a Python whose SQLite is new enough"),
]


@pytest.mark.parametrize(("check", "status", "remedy"), PROBLEMS)
def test_a_database_that_was_not_seen_is_one_finding_with_the_reason(check: str, status: str, remedy: str) -> None:
    one = look()
    [finding] = judge(FileContext(one.entry, one.settings, unavailable=(check, status, "why")))
    assert (finding.check, finding.status, finding.message) == (check, status, "why")
    assert finding.remedy.startswith(remedy)


def test_a_database_that_was_not_looked_at_is_unknown() -> None:
    one = look()
    [finding] = judge(FileContext(one.entry, one.settings))
    assert (finding.check, finding.status, finding.message) == (
        "database.reachable", "unknown", "it was not looked at",
    )  # fmt: skip


SAID: list[tuple[str, dict[str, Any], tuple[str, str, Any, Any]]] = [
    ("database.integrity", {}, ("ok", "quick_check found nothing", "ok", "ok")),
    (
        "database.integrity",
        {"options": {"integrity": "full"}},
        ("ok", "integrity_check found nothing", "ok", "ok"),
    ),
    (
        "database.integrity",
        {"damage": "Page 5: never used"},
        ("critical", "quick_check: Page 5: never used", "ok", "Page 5: never used"),
    ),
    ("database.foreign_keys", {"orphans": 0}, ("ok", "all references hold", 0, 0)),
    (
        "database.foreign_keys",
        {"orphans": 3, "first_orphan": "orders row 2"},
        ("warning", "3 rows refer to nothing, the first: orders row 2", 0, 3),
    ),
    ("database.statistics", {}, ("ok", "the planner's statistics are fresh", 0, 0)),
    (
        "database.statistics",
        {"stale": tuple("abcdefg")},
        ("warning", "stale or missing for a, b, c, d, e", 0, 7),
    ),
    (
        "database.freelist",
        HALF_FREE,
        ("warning", "195.3 MiB of 390.6 MiB are free", "at most 20% or 64.0 MiB", 204_800_000),
    ),
    ("database.wal", {"wal_bytes": 5 * MB}, ("ok", "its write-ahead log holds 5.0 MiB", 64 * MB, 5 * MB)),
    ("database.wal", LONG_LOG, ("warning", "its write-ahead log holds 100.0 MiB", 64 * MB, 100 * MB)),
    (
        "database.wal",
        {**LONG_LOG, "holders": STRATEGY},
        (
            "warning", "its write-ahead log holds 100.0 MiB, strategy (pid 7) has it open", 64 * MB, 100 * MB,
        ),
    ),
    (
        "database.wal",
        {"wal_bytes": 5 * MB, "holders": STRATEGY},
        ("ok", "its write-ahead log holds 5.0 MiB", 64 * MB, 5 * MB),
    ),
]  # fmt: skip


def words(one: FileContext, check: str) -> list[tuple[str, str, Any, Any]]:
    return [(f.status, f.message, f.expected, f.actual) for f in told(one, check)]


@pytest.mark.parametrize(("check", "given", "expected"), SAID)
def test_a_finding_says_what_was_seen_and_what_is_expected(check: str, given: dict[str, Any], expected: Any) -> None:
    assert words(look(**given), check) == [expected]


# how a vacuum came out, the bytes that were free afterwards, and what is said: 64 MiB may be free
FREED: list[tuple[str, int, tuple[str, str, int]]] = [
    (DONE, 64 * MB, ("ok", "64.0 MiB of 390.6 MiB are free, 200.0 MiB were given back", 64 * MB)),
    (DONE, 64 * MB + 4096, ("warning", "64.0 MiB of 390.6 MiB are free, 200.0 MiB were given back", 64 * MB + 4096)),
    (NOT_DONE, 0, ("warning", "195.3 MiB of 390.6 MiB are free", 204_800_000)),
    (FAILED, 0, ("warning", "195.3 MiB of 390.6 MiB are free", 204_800_000)),
]


@pytest.mark.parametrize(("state", "after", "expected"), FREED)
def test_what_is_free_after_a_vacuum_is_told_where_it_was_done(
    state: str, after: int, expected: tuple[str, str, int]
) -> None:
    [(status, message, _expected, actual)] = words(taken(look(**HALF_FREE), state, after=after), "database.freelist")
    assert (status, message, actual) == expected


# how a checkpoint came out, the bytes of database and log before and after, and what is said
CUT = [
    (DONE, 500 * MB, 400 * MB, "ok", "its write-ahead log holds 100.0 MiB and was cut off"),
    (DONE, 500 * MB, 500 * MB, "warning", "its write-ahead log holds 100.0 MiB, strategy (pid 7) has it open"),
    (NOT_DONE, 500 * MB, 400 * MB, "warning", "its write-ahead log holds 100.0 MiB, strategy (pid 7) has it open"),
]


@pytest.mark.parametrize(("state", "before", "after", "status", "message"), CUT)
def test_a_log_was_cut_off_where_the_checkpoint_was_done_and_freed_something(
    state: str, before: int, after: int, status: str, message: str
) -> None:
    one = look(**LONG_LOG, holders=STRATEGY)
    [step] = one.steps
    assert step.action == "checkpoint"
    outcome = Ended(step, state, "", 1.0, "", {"bytes": before}, {"bytes": after})
    found = words(one._replace(ended=(outcome,)), "database.wal")
    assert found == [(status, message, 64 * MB, 100 * MB)]


def test_a_vacuum_does_not_cut_the_log_off() -> None:
    one = taken(look(**HALF_FREE, wal_bytes=5 * MB), DONE)
    assert [outcome.step.action for outcome in one.ended] == ["vacuum"]
    assert words(one, "database.wal") == [("ok", "its write-ahead log holds 5.0 MiB", 64 * MB, 5 * MB)]


# how an analyze came out, and what is said of the statistics then
ANALYZED = [
    (DONE, ("ok", "the planner's statistics are fresh", 0, 0)),
    (FAILED, ("warning", "stale or missing for t", 0, 1)),
]


@pytest.mark.parametrize(("state", "expected"), ANALYZED)
def test_statistics_are_fresh_where_they_were_taken(state: str, expected: tuple[str, str, int, int]) -> None:
    assert words(taken(look(stale=("t",)), state), "database.statistics") == [expected]
