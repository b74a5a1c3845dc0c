# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered from run to run, and what a lost or broken memory costs: the comparison, never the run."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.history import (
    FORGET_AFTER_S,
    KEEP_SPEEDS,
    History,
    Lesson,
    forecast,
    history_of,
    learned,
    thinned,
)

DAY = 86_400.0
NOW = 1_800_000_000.0
BROKEN: list[Any] = [
    {"tables": 5},
    {"tables": {"a": 5}},
    {"tables": {"a": {"mb_s": {"normal": ["x"]}}}},
    {"tables": {"a": {"left": [1]}}},
    {"tables": {"a": {"left": "ab"}}},
    {"ages": [5]},
    {"ages": [[1, 2, 3]]},
    {"ages": "abc"},
]


@pytest.mark.parametrize("memory", BROKEN)
def test_a_broken_memory_is_no_memory(memory: Any) -> None:
    assert history_of(memory) == History()
    assert learned(memory, [], 100, NOW)["ages"] == [[NOW, 100]]


def test_what_was_learned_is_known_at_the_next_run() -> None:
    memory = learned({}, [Lesson("db.public.trades", "normal", 50.0, 7, 99)], 100, NOW)
    known = history_of(memory)
    assert known.speed("normal", "db.public.trades", 1.0) == 50.0
    assert known.reclaimable("db.public.trades", 10, 99) == 3
    assert known.ages == [(NOW, 100)]


def test_the_speed_is_the_median_of_the_last_three() -> None:
    memory: dict[str, Any] = {}
    for speed in (1000.0, 30.0, 10.0, 20.0):
        memory = learned(memory, [Lesson("t", "normal", speed, 0, 0)], 1, NOW)
    assert history_of(memory).speed("normal", "t", 1.0) == 20.0
    assert len(memory["tables"]["t"]["mb_s"]["normal"]) == KEEP_SPEEDS


def test_a_table_too_small_to_have_a_speed_teaches_none() -> None:
    memory = learned({}, [Lesson("t", "normal", 0.0, 0, 0)], 1, NOW)
    assert history_of(memory).speed("normal", "t", 77.0) == 77.0


def test_profiles_have_speeds_of_their_own() -> None:
    memory = learned({}, [Lesson("t", "gentle", 10.0, 0, 0)], 1, NOW)
    assert history_of(memory).speed("fast", "t", 200.0) == 200.0


LEFT = [(100, 100, 20), (99, 100, 20), (101, 100, 50)]


@pytest.mark.parametrize(("horizon", "at", "expected"), LEFT)
def test_rows_left_behind_stay_unremovable_until_the_horizon_moves(horizon: int, at: int, expected: int) -> None:
    assert History(left={"t": (30, at)}).reclaimable("t", 50, horizon) == expected


def test_a_vacuum_that_left_nothing_clears_what_was_left_before() -> None:
    memory = learned({}, [Lesson("t", "normal", 0.0, 30, 5)], 1, NOW)
    memory = learned(memory, [Lesson("t", "normal", 0.0, 0, 9)], 1, NOW)
    assert history_of(memory).left == {}


def test_tables_that_were_not_seen_for_a_year_are_forgotten() -> None:
    memory = learned({}, [Lesson("old", "normal", 1.0, 0, 0)], 1, NOW - FORGET_AFTER_S)
    assert set(learned(memory, [Lesson("new", "normal", 1.0, 0, 0)], 1, NOW)["tables"]) == {"new"}


def test_frequent_runs_do_not_crowd_out_the_old_samples() -> None:
    every_minute = [(NOW + 60.0 * number, number) for number in range(3000)]
    kept = thinned([(NOW - 30 * DAY, 0), *every_minute])
    assert kept[0] == (NOW - 30 * DAY, 0)
    assert kept[-1] == every_minute[-1]
    assert len(kept) < 15


# earlier samples, the next id, the oldest age, and the days until the freeze is forced (None: it cannot be told)
FORECASTS: list[tuple[Any, int, int, Any]] = [
    ([], 1000, 0, None),
    ([(NOW - 3600, 0)], 1000, 0, None),
    ([(NOW - 10 * DAY, 0)], 10_000_000, 100_000_000, 100.0),
    ([(NOW - 10 * DAY, 1000)], 1000, 0, None),
    ([(NOW - 10 * DAY, 9_000)], 1000, 0, None),  # another server by the same name
    ([(NOW + 10 * DAY, 0)], 1000, 0, None),  # the clock was set back
    ([(NOW - 10 * DAY, 0)], 1000, 200_000_000, 0.0),
]


@pytest.mark.parametrize(("ages", "next_xid", "oldest", "days"), FORECASTS)
def test_the_forecast_extends_the_pace_since_the_oldest_sample(
    ages: Any, next_xid: int, oldest: int, days: Any
) -> None:
    found = forecast(History(ages=ages), next_xid, NOW, oldest, 200_000_000)
    assert found.days == (pytest.approx(days) if days is not None else None)
    assert (found.reason != "") is (days is None or days == 0)


NUMBERS = [-1, 0, 2**70, 1e308, math.nan, math.inf]
ODD = st.sampled_from([*NUMBERS, None, True, "", "x", [], [1], [[1]], [[math.nan, 1]], [1, "a"], {}, {"a": 1}])
KEPT = ODD | st.fixed_dictionaries({}, optional={"mb_s": ODD | st.just({"normal": [1, "x"]}), "left": ODD, "at": ODD})
MEMORIES = st.fixed_dictionaries({}, optional={"tables": ODD | st.dictionaries(st.just("t"), KEPT), "ages": ODD})


@given(MEMORIES)
def test_no_memory_whatever_breaks_a_run(memory: Any) -> None:
    history = history_of(memory)
    assert history.speed("normal", "t", 5.0) > 0
    learned(memory, [Lesson("t", "normal", 1.0, 1, 1)], 1, NOW)
