# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered between runs at its limits: a month, an hour apart, a hundred samples, a size that changed."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.history import (
    History,
    Sample,
    extended,
    growth,
)

from .examples import DAY, GIB, HOUR, NOW, observed

SIZE = 100.0 * GIB


def aged(*ages: float, size: float = SIZE) -> tuple[Sample, ...]:
    """Return one sample for each age in seconds."""
    return tuple(Sample(NOW - age, 1.0, size) for age in ages)


def kept(*samples: Sample) -> list[float]:
    """Return the ages of the samples that a run leaves of those before, without its own."""
    *before, own = extended(History({"/": samples}), observed()).samples["/"]
    assert own == Sample(NOW, 50.0 * GIB, SIZE)
    return [NOW - sample.at for sample in before]


@pytest.mark.parametrize(("age", "left"), [(30 * DAY, [30 * DAY]), (30 * DAY + 1, []), (1, [1]), (0, []), (-1, [])])
def test_a_sample_counts_for_thirty_days_and_is_older_than_the_new_one(age: float, left: list[float]) -> None:
    assert kept(*aged(age)) == left


@pytest.mark.parametrize(("gib", "left"), [(101, [DAY]), (101.01, []), (99, [DAY]), (98.99, []), (100.5, [DAY])])
def test_a_size_may_differ_by_one_hundredth(gib: float, left: list[float]) -> None:
    assert kept(*aged(DAY, size=gib * GIB)) == left


# the ages before in seconds, and those that are left: the last but one is replaced where it is too near the one before
GAPS = [
    ((2 * HOUR, HOUR), [2 * HOUR, HOUR]),
    ((2 * HOUR, HOUR + 1), [2 * HOUR]),
    ((5 * HOUR, 4.5 * HOUR, 4 * HOUR), [5 * HOUR, 4.5 * HOUR]),
    ((5 * HOUR, 4.5 * HOUR, HOUR), [5 * HOUR, 4.5 * HOUR, HOUR]),
    ((60,), [60]),
]


@pytest.mark.parametrize(("before", "left"), GAPS)
def test_samples_are_an_hour_apart(before: tuple[float, ...], left: list[float]) -> None:
    assert kept(*aged(*before)) == left


@pytest.mark.parametrize(("before", "oldest"), [(98, 98), (99, 99), (100, 99), (105, 99)])
def test_a_hundred_samples_are_kept_and_the_oldest_go(before: int, oldest: int) -> None:
    left = kept(*aged(*(number * 2 * HOUR for number in range(before, 0, -1))))
    assert left == [number * 2 * HOUR for number in range(oldest, 0, -1)]


AWAY = [
    ((30 * DAY - 1,), True),
    ((30 * DAY,), False),
    ((40 * DAY, 10 * DAY), True),  # the latest counts
    ((50 * DAY, 40 * DAY), False),
]


@pytest.mark.parametrize(("ages", "known"), AWAY)
def test_a_mount_that_is_away_is_remembered_whole_until_it_was_last_seen_thirty_days_ago(
    ages: tuple[float, ...], known: bool
) -> None:
    after = extended(History({"/usb": aged(*ages)}), observed()).samples
    assert after.get("/usb") == (aged(*ages) if known else None)


SPANS = [
    ((2 * DAY, 0), None),
    ((DAY, 60, 0), 0.0),
    ((DAY - 1, 60, 0), None),
    ((DAY, HOUR, 60, 0), 0.0),
    ((DAY - 1, HOUR, 60, 0), None),
]


@pytest.mark.parametrize(("ages", "speed"), SPANS)
def test_three_samples_over_a_day_are_enough_for_a_forecast(ages: tuple[float, ...], speed: float | None) -> None:
    assert growth(aged(*ages)) == speed
