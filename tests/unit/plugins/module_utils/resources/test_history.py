# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered between runs, and the forecast that it allows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import CRITICAL, OK, SKIPPED, WARNING
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.history import (
    KEPT_SAMPLES,
    KEPT_SECONDS,
    History,
    LastKills,
    Sample,
    as_memory,
    extended,
    growth,
    read_history,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import OomKills, Unavailable

from .examples import DAY, GIB, HOUR, NOW, mounted, observed, the_one, thresholds

SIZE = 100.0 * GIB


def grown(per_day: float, days: int = 7, used_now: float = 50.0 * GIB) -> tuple[Sample, ...]:
    """Return one sample a day of a file system that grows evenly and is now at ``used_now``."""
    return tuple(Sample(NOW - age * DAY, used_now - age * per_day, SIZE) for age in range(days, -1, -1))


def test_growth_is_bytes_per_second() -> None:
    assert growth(grown(2.0 * GIB)) == pytest.approx(2.0 * GIB / DAY)


TOO_FEW = [
    (),
    (Sample(NOW, 1.0, SIZE),),
    (Sample(NOW - 2 * DAY, 1.0, SIZE), Sample(NOW, 2.0, SIZE)),  # two samples
    tuple(Sample(NOW - hours * HOUR, 1.0, SIZE) for hours in (23, 12, 0)),  # less than a day
]


@pytest.mark.parametrize("samples", TOO_FEW)
def test_too_few_samples_give_no_forecast_and_say_so(samples: tuple[Sample, ...]) -> None:
    assert growth(samples) is None
    finding = the_one("disk_forecast", observed(), history=History({"/": samples}))
    assert (finding.status, f"there are {len(samples)}" in finding.message) == (SKIPPED, True)


def test_one_large_download_among_the_samples_does_not_look_like_growth() -> None:
    samples = list(grown(2.0 * GIB, days=9))
    samples[9] = Sample(samples[9].at, samples[9].used + 30 * GIB, SIZE)
    assert growth(tuple(samples)) == pytest.approx(2.0 * GIB / DAY, rel=0.1)


def test_one_cleanup_among_the_samples_does_not_hide_the_growth() -> None:
    samples = list(grown(2.0 * GIB, days=9))
    for number in range(8, 10):  # 30 GiB were freed two days ago
        samples[number] = Sample(samples[number].at, samples[number].used - 30 * GIB, SIZE)
    assert growth(tuple(samples)) == pytest.approx(2.0 * GIB / DAY, rel=0.1)


# GiB a day, GiB that are free now, status: both bounds of a step must be reached
FORECASTS = [
    (0.0, 50, OK),
    (-5.0, 10, OK),
    (1.0, 50, OK),
    (40.0, 35, WARNING),  # full in 21 h, less than 40 % free
    (40.0, 45, OK),  # full in 27 h
    (100.0, 45, OK),  # full in 11 h, and more than 40 % free: a burst on a large disk
    (80.0, 15, WARNING),  # full in 4.5 h
    (100.0, 12, CRITICAL),  # full in 2.9 h, less than 20 % free
    (1000.0, 25, WARNING),  # full in 36 min, but not below 20 % yet
]


@pytest.mark.parametrize(("per_day", "free", "status"), FORECASTS)
def test_a_forecast_is_bad_when_it_is_soon_and_the_disk_is_rather_full(per_day: float, free: int, status: str) -> None:
    used = (100 - free) * GIB
    seen = observed(mounts=mounted(used=used, available=free * GIB))
    history = History({"/": grown(per_day * GIB, used_now=float(used))})
    assert the_one("disk_forecast", seen, history=history).status == status


def test_the_forecast_says_when_and_how_fast() -> None:
    finding = the_one("disk_forecast", observed(), history=History({"/": grown(5.0 * GIB)}))
    assert "full in 10.0 d if it grows on by 5.0 GiB a day" in finding.message


def test_the_bounds_of_a_forecast_can_be_set() -> None:
    limits = thresholds(forecast_warning="14d", forecast_free_warning=60.0)
    assert the_one("disk_forecast", observed(), limits, History({"/": grown(5.0 * GIB)})).status == WARNING


def test_a_run_adds_its_sample_and_its_count_of_kills() -> None:
    after = extended(History(), observed(oom=OomKills(3, "this host", NOW - DAY, "boot-7", ())))
    assert after.samples == {"/": (Sample(NOW, 50.0 * GIB, SIZE),)}
    assert after.kills == LastKills("boot-7", 3, NOW)


def test_a_run_that_could_not_look_keeps_what_was_known() -> None:
    before = History({"/": grown(1.0)}, LastKills("boot-1", 1, NOW - DAY))
    after = extended(before, observed(mounts=Unavailable("no"), oom=Unavailable("no")))
    assert after == before


def test_a_mount_that_is_gone_for_long_is_forgotten() -> None:
    old, recent = (Sample(NOW - KEPT_SECONDS - 1, 1.0, SIZE),), (Sample(NOW - DAY, 1.0, SIZE),)
    after = extended(History({"/gone": old, "/away": recent}), observed())
    assert set(after.samples) == {"/", "/away"}


DROPPED = [
    ("older than a month", Sample(NOW - KEPT_SECONDS - 1, 1.0, SIZE)),
    ("from the future", Sample(NOW + 1, 1.0, SIZE)),
    ("of another size: the disk was enlarged", Sample(NOW - DAY, 1.0, SIZE / 2)),
]


@pytest.mark.parametrize(("_why", "sample"), DROPPED, ids=[why for why, _sample in DROPPED])
def test_a_sample_that_says_nothing_about_now_is_dropped(_why: str, sample: Sample) -> None:
    assert extended(History({"/": (sample,)}), observed()).samples["/"] == (Sample(NOW, 50.0 * GIB, SIZE),)


def test_runs_every_minute_still_reach_over_days() -> None:
    history = History()
    for minute in range(3 * 24 * 60):
        history = extended(history, observed(at=NOW + 60 * minute))
    samples = history.samples["/"]
    assert samples[-1].at == NOW + 60 * (3 * 24 * 60 - 1)
    assert samples[-1].at - samples[0].at > 2 * DAY
    assert len(samples) <= KEPT_SAMPLES


DAMAGED: list[dict[str, Any]] = [
    {},
    {"samples": None, "kills": None},
    {"samples": [1, 2], "kills": 3},
    {"samples": {"/": "text"}, "kills": {"boot_id": "x"}},
    {"samples": {"/": [[1, 2]]}, "kills": {"boot_id": "x", "total": "many", "at": 1}},
    {"samples": {"/": [[1, 2, 3, 4]]}, "kills": []},
    {"samples": {"/": [["a", "b", "c"]]}},
]


@pytest.mark.parametrize("memory", DAMAGED)
def test_a_damaged_memory_is_an_empty_one(memory: dict[str, Any]) -> None:
    history = read_history(memory)
    assert (not any(history.samples.values()), history.kills) == (True, None)


def test_memory_survives_its_way_through_a_file() -> None:
    history = extended(History({"/": grown(1.0)}), observed())
    assert read_history(json.loads(json.dumps(as_memory(history)))) == history


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 100)), min_size=3, max_size=30), st.floats(-5, 5))
def test_growth_lies_between_the_slowest_and_the_fastest_pair(points: list[tuple[float, float]], tilt: float) -> None:
    samples = tuple(
        Sample(NOW - (30 - day) * DAY, (gib + tilt * day) * GIB, SIZE)
        for day, gib in sorted(points, key=lambda p: p[0])
    )
    speed = growth(samples)
    pairs = [(b.used - a.used) / (b.at - a.at) for a in samples for b in samples if b.at > a.at]
    if speed is not None:
        assert min(pairs) <= speed <= max(pairs)
