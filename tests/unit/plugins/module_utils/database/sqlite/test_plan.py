# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done with a SQLite file, and everything that speaks against it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import (
    Holder,
    Holders,
    Space,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.plan import (
    FilePlan,
    make_plan,
)

from ..options import settings
from ..options import sqlite as entry
from .builders import MB, OPEN, SHUT, FileInputs, case, seen

HALF_FREE = {"free_pages": 50_000}  # 195 MB of 390 MB
USERS = Holders((Holder(77, "strategy"),), complete=True)
BLIND = Holders((), complete=False)
LIVE = 50_000 * 4096


def test_a_healthy_file_needs_nothing() -> None:
    plan = make_plan(case())
    assert (plan.steps, plan.refusals) == ((), ())


# pages, free pages, and whether the file is to be made smaller: more than 20 % and more than 64 MB
FREELISTS = [
    (100_000, 20_000, False),
    (100_000, 20_001, True),
    (50_000, 16_384, False),
    (50_000, 16_385, True),
    (0, 0, False),
]


@pytest.mark.parametrize(("pages", "free", "wanted"), FREELISTS)
def test_both_thresholds_must_be_crossed(pages: int, free: int, wanted: bool) -> None:
    assert make_plan(case(pages=pages, free_pages=free)).wants_vacuum is wanted


# the auto_vacuum of the file, the option, and the verb
STRATEGIES = [
    (0, "auto", "vacuum"),
    (1, "auto", "vacuum"),
    (2, "auto", "incremental_vacuum"),
    (2, "in_place", "vacuum"),
    (0, "into_swap", "vacuum_into"),
    (2, "incremental", "incremental_vacuum"),
]


@pytest.mark.parametrize(("mode", "strategy", "verb"), STRATEGIES)
def test_the_strategy_chooses_the_verb(mode: int, strategy: str, verb: str) -> None:
    given = {"sqlite_strategy": strategy, "require_backup": {"dir": "/backups"}}
    plan = make_plan(case(auto_vacuum=mode, options=given, **HALF_FREE))
    assert [step.action for step in plan.steps] == [verb]
    assert plan.steps[0].reason == "50% of the file is free, 195.3 MiB"


def space(free: int, device: int = 1) -> Space:
    return Space("/somewhere", device, free)


NEED = int(1.1 * LIVE)
SWAP = {"options": {"sqlite_strategy": "into_swap"}}
SLICES = {"options": {"sqlite_strategy": "incremental"}, "auto_vacuum": 2}

# what is different, and the check that refuses (None: the step is planned)
GATES: list[tuple[dict[str, Any], Any]] = [
    ({}, None),
    ({"gate": SHUT}, "database.backup_gate"),
    ({"filesystem": "nfs4"}, "database.filesystem"),
    ({"filesystem": "fuse.sshfs"}, "database.filesystem"),
    ({"filesystem": ""}, None),
    ({"litestream_folder": True}, "database.litestream"),
    ({"litestream_tables": True}, "database.litestream"),
    ({"holders": BLIND}, None),  # other accounts' processes only; SQLite's locks keep them out
    ({"holders": Holders((), complete=False, unavailable="no lsof")}, "database.locked"),
    ({"temp": space(NEED - 1)}, "database.space"),
    ({"home": space(NEED - 1, 2)}, "database.space"),
    ({"temp": space(NEED), "home": space(NEED, 2)}, None),
    ({"temp": space(NEED), "home": space(NEED)}, "database.space"),  # the same file system: twice
    ({"temp": space(2 * NEED), "home": space(2 * NEED)}, None),
    ({"temp": None}, "database.space"),
    ({"home": None}, "database.space"),
    ({"temp": None, "temp_in_memory": True}, None),
    ({"memory_free": NEED, "temp_in_memory": True}, None),
    ({"memory_free": NEED - 1, "temp_in_memory": True}, "database.space"),
    ({"damage": "Page 5: btreeInitPage() returns error code 11"}, "database.integrity"),
    ({"window": 1.0}, "database.window"),
    ({"options": {"sqlite_strategy": "advise"}}, "database.freelist"),
    # replacing the file
    ({**SWAP}, None),
    ({**SWAP, "gate": SHUT}, None),  # the file is only replaced once its copy is proved
    ({**SWAP, "holders": USERS}, "database.locked"),
    ({**SWAP, "holders": BLIND}, "database.locked"),
    ({"holders": BLIND, "options": {"sqlite_strategy": "into_swap", "services_stopped": True}}, None),
    ({"holders": USERS, "options": {"sqlite_strategy": "into_swap", "services_stopped": True}}, "database.locked"),
    ({**SWAP, "temp": None}, None),
    ({**SWAP, "home": space(NEED - 1)}, "database.space"),
    ({**SWAP, "sqlite_version": (3, 26, 9)}, "database.freelist"),
    ({**SWAP, "sqlite_version": (3, 27, 0)}, None),
    ({**SWAP, "sqlite_version": (3, 27)}, None),
    ({**SWAP, "litestream_folder": True}, None),
    ({**SWAP, "filesystem": "cifs"}, "database.filesystem"),
    # slices
    ({**SLICES, "gate": SHUT, "temp": None, "home": None, "holders": USERS}, None),
    ({**SLICES, "auto_vacuum": 1}, "database.freelist"),
    ({**SLICES, "filesystem": "nfs"}, "database.filesystem"),
]


@pytest.mark.parametrize(("given", "rule"), GATES)
def test_each_gate_keeps_the_file_as_it_is_and_says_why(given: dict[str, Any], rule: Any) -> None:
    plan = make_plan(case(**{**HALF_FREE, **given}))
    assert (plan.steps == ()) is (rule is not None)
    assert [refusal.rule for refusal in plan.refusals] == ([rule] if rule else [])
    assert all(refusal.reason for refusal in plan.refusals)


def test_a_damaged_file_is_not_written_to_for_any_reason() -> None:
    plan = make_plan(case(damage="malformed", stale=("t",), wal_bytes=900 * MB))
    assert plan == FilePlan()
    assert (plan.wants_vacuum, plan.wants_checkpoint) == (False, False)


def test_steps_follow_each_other_from_the_log_to_the_statistics() -> None:
    plan = make_plan(case(stale=("trades",), wal_bytes=100 * MB, **HALF_FREE))
    assert [step.action for step in plan.steps] == ["checkpoint", "vacuum", "analyze"]


LOGS: list[tuple[dict[str, Any], Any]] = [
    ({"wal_bytes": 64 * MB}, "nothing"),
    ({"wal_bytes": 64 * MB + 1}, None),
    ({"wal_bytes": 65 * MB, "journal_mode": "delete", "header": seen().header._replace(is_wal=False)}, "nothing"),
    ({"wal_bytes": 65 * MB, "litestream_folder": True}, "database.litestream"),
    ({"wal_bytes": 65 * MB, "filesystem": "smb3"}, "database.filesystem"),
]


@pytest.mark.parametrize(("given", "rule"), LOGS)
def test_a_long_log_is_checkpointed_unless_litestream_does_it(given: dict[str, Any], rule: Any) -> None:
    plan = make_plan(case(**given))
    assert [step.action for step in plan.steps] == (["checkpoint"] if rule is None else [])
    assert [refusal.rule for refusal in plan.refusals] == ([rule] if rule not in (None, "nothing") else [])


@pytest.mark.parametrize(("analyze", "steps"), [("auto", 1), ("always", 1), ("never", 0)])
def test_statistics_are_taken_of_the_tables_that_sqlite_names(analyze: str, steps: int) -> None:
    plan = make_plan(case(stale=("trades", "orders"), options={"analyze": analyze}))
    assert [step.task.tables for step in plan.steps] == [("trades", "orders")] * steps


def test_five_of_the_tables_without_statistics_are_named_and_all_are_listed() -> None:
    [step] = make_plan(case(stale=tuple("abcdefg"))).steps
    assert step.reason == "the planner's statistics of 7 tables are stale or missing: a, b, c, d, e"
    assert step.details == {
        "predicted_seconds": 1.0, "path": "/data/demo.db", "bytes": 409_600_000, "tables": list("abcdefg"),
    }  # fmt: skip


def test_a_step_that_analyzes_nothing_lists_no_tables() -> None:
    [step] = make_plan(case(**HALF_FREE)).steps
    assert step.details == {"predicted_seconds": 2.7, "path": "/data/demo.db", "bytes": 409_600_000}


def test_the_second_step_must_fit_behind_the_first() -> None:
    plan = make_plan(case(stale=("trades",), window=3.0, **HALF_FREE))
    assert [step.action for step in plan.steps] == ["vacuum"]
    assert [refusal.rule for refusal in plan.refusals] == ["database.window"]


@pytest.mark.parametrize(("window", "fits"), [(1.0, True), (0.999, False)])
def test_a_step_that_ends_with_the_window_fits(window: float, fits: bool) -> None:
    plan = make_plan(case(stale=("trades",), window=window))
    assert (len(plan.steps), len(plan.refusals)) == ((1, 0) if fits else (0, 1))


# the strategy, and the seconds that 90 GB of file with 204.8 MB of free pages are expected to take at first: the whole
# file at 150 MB/s, slices by what is free at 10 MB/s
FIRST: list[tuple[str, float]] = [("in_place", 600.0), ("into_swap", 600.0), ("incremental", 20.48), ("advise", 600.0)]


@pytest.mark.parametrize(("strategy", "seconds"), FIRST)
def test_what_to_expect_before_there_is_a_speed_to_remember(strategy: str, seconds: float) -> None:
    given = {"sqlite_strategy": strategy, "require_backup": {"dir": "/backups"}}
    plan = make_plan(case(auto_vacuum=2, file_bytes=90_000_000_000, options=given, **HALF_FREE))
    assert [step.task.predicted_s for step in plan.steps] == ([] if strategy == "advise" else [seconds])
    told = [refusal.details["predicted_seconds"] for refusal in plan.refusals]
    assert told == ([seconds] if strategy == "advise" else [])


def test_moving_the_log_is_expected_to_take_three_seconds() -> None:
    [step] = make_plan(case(wal_bytes=65 * MB)).steps
    assert step.task.predicted_s == 3.0


def test_the_prediction_is_the_size_by_the_speed_of_the_strategy() -> None:
    chosen = settings([entry()])
    speeds = {"in_place": 100.0, "into_swap": 1.0, "incremental": 1.0, "advise": 1.0}
    [step] = make_plan(FileInputs(chosen.databases[0], chosen, seen(**HALF_FREE), OPEN, speeds, 7200.0)).steps
    assert step.task.predicted_s == 4.096
