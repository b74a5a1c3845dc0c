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
    Forecast,
    History,
    TableSample,
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
    memory = learned({}, [TableSample("db.public.trades", "normal", 50.0, 7, 99)], 100, NOW)
    known = history_of(memory)
    assert known.speed("normal", "db.public.trades", 1.0) == 50.0
    assert known.reclaimable("db.public.trades", 10, 99) == 3
    assert known.ages == [(NOW, 100)]


def test_the_speed_is_the_median_of_the_last_three() -> None:
    memory: dict[str, Any] = {}
    for speed in (1000.0, 30.0, 10.0, 20.0):
        memory = learned(memory, [TableSample("t", "normal", speed, 0, 0)], 1, NOW)
    assert history_of(memory).speed("normal", "t", 1.0) == 20.0
    assert len(memory["tables"]["t"]["mb_s"]["normal"]) == KEEP_SPEEDS


def test_a_table_too_small_to_have_a_speed_teaches_none() -> None:
    memory = learned({}, [TableSample("t", "normal", 0.0, 0, 0)], 1, NOW)
    assert history_of(memory).speed("normal", "t", 77.0) == 77.0


def test_a_speed_is_kept_to_the_thousandth_however_slow() -> None:
    memory = learned({}, [TableSample("t", "normal", 0.12345, 0, 0)], 1, NOW)
    assert memory["tables"]["t"]["mb_s"] == {"normal": [0.123]}


def test_remembered_speeds_that_are_none_are_left_out() -> None:
    known = history_of({"tables": {"t": {"mb_s": {"normal": [0, 0.5, -3.0]}}}})
    assert known.speeds == {"normal": {"t": [0.5]}}


def test_profiles_have_speeds_of_their_own() -> None:
    memory = learned({}, [TableSample("t", "gentle", 10.0, 0, 0)], 1, NOW)
    assert history_of(memory).speed("fast", "t", 200.0) == 200.0


# dead rows now, the horizon now and when 30 rows were left, and how many may be removable
LEFT = [(50, 100, 100, 20), (50, 99, 100, 20), (50, 101, 100, 50), (30, 100, 100, 0), (10, 100, 100, 0)]


@pytest.mark.parametrize(("dead", "horizon", "at", "expected"), LEFT)
def test_rows_left_behind_stay_unremovable_until_the_horizon_moves(
    dead: int, horizon: int, at: int, expected: int
) -> None:
    assert History(left={"t": (30, at)}).reclaimable("t", dead, horizon) == expected
    assert History(left={"other": (30, at)}).reclaimable("t", dead, horizon) == dead


def test_a_vacuum_that_left_nothing_clears_what_was_left_before() -> None:
    memory = learned({}, [TableSample("t", "normal", 0.0, 30, 5)], 1, NOW)
    memory = learned(memory, [TableSample("t", "normal", 0.0, 0, 9)], 1, NOW)
    assert history_of(memory).left == {}


def test_tables_that_were_not_seen_for_a_year_are_forgotten() -> None:
    memory = learned({}, [TableSample("old", "normal", 1.0, 0, 0)], 1, NOW - FORGET_AFTER_S)
    assert set(learned(memory, [TableSample("new", "normal", 1.0, 0, 0)], 1, NOW)["tables"]) == {"new"}


# when a table was seen last, and whether it is remembered after 400 days
SEEN: list[tuple[Any, bool]] = [
    (NOW - 34_559_999, True),
    (NOW - 34_560_000, False),
    (None, False),
    ("yesterday", False),
]


@pytest.mark.parametrize(("at", "kept"), SEEN)
def test_a_table_is_remembered_for_400_days_after_it_was_seen(at: Any, kept: bool) -> None:
    memory = {"tables": {"t": {"mb_s": {"normal": [5.0]}, "at": at}}}
    assert ("t" in learned(memory, [], 1, NOW)["tables"]) is kept


def test_of_each_quarter_of_a_day_the_last_sample_is_kept() -> None:
    samples = [(0.0, 1), (21_599.0, 2), (21_600.0, 3), (43_199.0, 4), (43_200.0, 5)]
    assert thinned(samples) == [(21_599.0, 2), (43_199.0, 4), (43_200.0, 5)]


def test_the_samples_of_the_last_30_days_are_kept() -> None:
    kept = thinned([(number * 21_600.0, number) for number in range(200)])
    assert (len(kept), kept[0], kept[-1]) == (120, (80 * 21_600.0, 80), (199 * 21_600.0, 199))


def test_frequent_runs_do_not_crowd_out_the_old_samples() -> None:
    every_minute = [(NOW + 60.0 * number, number) for number in range(3000)]
    kept = thinned([(NOW - 30 * DAY, 0), *every_minute])
    assert kept[0] == (NOW - 30 * DAY, 0)
    assert kept[-1] == every_minute[-1]
    assert len(kept) < 15


YOUNG = Forecast(None, None, "no run older than a day is remembered")
IDLE = Forecast(None, 0.0, "no transaction id was used since the first remembered run")
FORCED = Forecast(0.0, None, "the age is above autovacuum_freeze_max_age already")
# earlier samples, the next id, the oldest age, and the days until the freeze is forced at 200 million
FORECASTS: list[tuple[Any, int, int, Forecast]] = [
    ([], 1000, 0, YOUNG),
    ([(NOW - DAY + 1, 0)], 1000, 0, YOUNG),
    ([(NOW - DAY, 0)], 1_000_000, 0, Forecast(200.0, 1_000_000.0)),
    ([(NOW - 10 * DAY, 0)], 10_000_000, 100_000_000, Forecast(100.0, 1_000_000.0)),
    ([(NOW - 10 * DAY, 0), (NOW - 5 * DAY, 9_000_000)], 10_000_000, 100_000_000, Forecast(100.0, 1_000_000.0)),
    ([(NOW - 10 * DAY, 0)], 5, 199_999_999, Forecast(2.0, 0.5)),
    ([(NOW - 10 * DAY, 1000)], 1000, 0, IDLE),
    ([(NOW - 10 * DAY, 1001)], 1000, 0, YOUNG),  # another server by the same name
    ([(NOW + 10 * DAY, 0)], 1000, 0, YOUNG),  # the clock was set back
    ([(NOW, 0), (NOW - 10 * DAY, 0)], 10_000_000, 100_000_000, Forecast(100.0, 1_000_000.0)),
    ([(NOW - 10 * DAY, 0)], 1000, 199_999_999, Forecast(0.01, 100.0)),
    ([(NOW - 10 * DAY, 0)], 1000, 200_000_000, FORCED),
]


@pytest.mark.parametrize(("ages", "next_xid", "oldest", "expected"), FORECASTS)
def test_the_forecast_extends_the_pace_since_the_oldest_sample(
    ages: Any, next_xid: int, oldest: int, expected: Forecast
) -> None:
    assert forecast(History(ages=ages), next_xid, NOW, oldest, 200_000_000) == expected


NUMBERS = [-1, 0, 2**70, 1e308, math.nan, math.inf]
ODD = st.sampled_from([*NUMBERS, None, True, "", "x", [], [1], [[1]], [[math.nan, 1]], [1, "a"], {}, {"a": 1}])
KEPT = ODD | st.fixed_dictionaries({}, optional={"mb_s": ODD | st.just({"normal": [1, "x"]}), "left": ODD, "at": ODD})
MEMORIES = st.fixed_dictionaries({}, optional={"tables": ODD | st.dictionaries(st.just("t"), KEPT), "ages": ODD})


@given(MEMORIES)
def test_no_memory_whatever_breaks_a_run(memory: Any) -> None:
    history = history_of(memory)
    assert history.speed("normal", "t", 5.0) > 0
    learned(memory, [TableSample("t", "normal", 1.0, 1, 1)], 1, NOW)
