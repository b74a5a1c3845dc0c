# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered from run to run, and the restarts and growth that follow from it."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.evidence import Event, Evidence
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.history import (
    Growth,
    extend,
    fit_line,
    measure_growth,
    remember_service,
    thin,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import AUTOMATIC, Journal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.restarts import count_restarts

from .builders import NOW, UPTIME, make_observed, make_process, make_service, make_snapshot, make_unit

HOUR, DAY = 3600.0, 86400.0
BLIND = Journal.unavailable("insufficient permissions")


def _journal(*ages):
    events = [Event(NOW - age, "cryptobot-auth.service", AUTOMATIC) for age in sorted(ages, reverse=True)]
    return Journal(Evidence(events, 0.0), Evidence((), 0.0), 0.0)


EMPTY = _journal()


def _count(*, counts=(), restarts=0, changed=5000.0, journal=EMPTY):
    """Count the restarts of a unit whose counter says ``restarts`` and that last changed ``changed`` seconds ago."""
    began = UPTIME - changed
    unit = make_unit(restarts=restarts, changed=began, active_since=began, main_pid=41)
    seen = make_observed(unit=unit, main=make_process(began=began))
    memory = {"counts": [[NOW - age, boot, count] for age, boot, count in counts]}
    return count_restarts(memory, seen, make_snapshot(seen, journal=journal), HOUR)


# What is remembered (age, boot, counter), counter now, seconds since the last change of state, journal; the count.
UNITS = [
    ("nothing happened", [], 0, 5000, EMPTY, 0),
    ("the journal knows two in the hour", [], 2, 100, _journal(100, 200), 2),
    ("the journal knows them, and they are old", [], 2, 5000, _journal(4000, 5000), 0),
    ("a restart before the last boot still counts", [], 0, 500, _journal(600), 1),
    ("the counter rose between two runs in the hour", [(1800, "boot-1", 1)], 4, 60, BLIND, 3),
    ("it rose since a run before that, and its state changed in the hour", [(7200, "boot-1", 1)], 4, 60, BLIND, 1),
    ("it rose since a run before that, and has been quiet for an hour", [(7200, "boot-1", 1)], 4, 3700, BLIND, 0),
    ("it stands where it stood", [(1800, "boot-1", 4)], 4, 60, BLIND, 0),
    ("a start by hand set it back, then it rose", [(3000, "boot-1", 5), (1800, "boot-1", 0)], 2, 60, BLIND, 2),
    ("another boot began it anew", [(1800, "boot-0", 9)], 2, 60, BLIND, 2),
    ("the journal was rotated, the counter knows better", [(1800, "boot-1", 0)], 3, 60, _journal(50), 3),
    ("the first run, and the counter says two", [], 2, 60, BLIND, 1),
    ("the first run, the counter says two, long ago", [], 2, 5000, BLIND, 0),
    ("memory is garbage", [], 0, 60, EMPTY, 0),
]


@pytest.mark.parametrize(
    ("counts", "restarts", "changed", "journal", "expected"), [r[1:] for r in UNITS], ids=[r[0] for r in UNITS]
)
def test_restarts_of_a_unit_are_counted_by_journal_and_counter(counts, restarts, changed, journal, expected):
    assert _count(counts=counts, restarts=restarts, changed=changed, journal=journal).number == expected


def test_a_count_that_may_be_too_low_says_so():
    assert _count(restarts=5, changed=60, journal=BLIND).gap == "insufficient permissions"
    assert _count(restarts=5, changed=60, journal=EMPTY).gap == ""


def test_memory_of_another_form_is_left_out():
    seen = make_observed()
    snapshot = make_snapshot(seen, journal=EMPTY)
    for memory in ({"counts": "x"}, {"counts": [1, [2], None]}, {"begins": {}}):
        assert count_restarts(memory, seen, snapshot, HOUR).number == 0


# Begins that earlier runs saw (boot, seconds since boot), begin now, begins of maintenance; the count.
SCRIPTS = [
    ("the first run knows nothing", [], UPTIME - 60, (), 0),
    ("it is the same process", [("boot-1", UPTIME - 5000)], UPTIME - 5000, (), 0),
    ("it began anew a minute ago", [("boot-1", UPTIME - 5000)], UPTIME - 60, (), 1),
    ("it began anew twice", [("boot-1", UPTIME - 5000), ("boot-1", UPTIME - 900)], UPTIME - 60, (), 2),
    ("it began anew, but long ago", [("boot-1", UPTIME - 9000)], UPTIME - 5000, (), 0),
    ("maintenance started it", [("boot-1", UPTIME - 5000)], UPTIME - 60, (UPTIME - 60.005,), 0),
    ("the host was booted", [("boot-0", 70.0)], UPTIME - 60, (), 0),
]


@pytest.mark.parametrize(("begins", "began", "ours", "expected"), [r[1:] for r in SCRIPTS], ids=[r[0] for r in SCRIPTS])
def test_a_script_started_service_was_restarted_where_its_process_began_anew(begins, began, ours, expected):
    seen = make_observed(make_service(pid_file="/run/a.pid"), unit=None, main=make_process(began=began))
    memory = {"begins": [[NOW, boot, when] for boot, when in begins]}
    assert count_restarts(memory, seen, make_snapshot(seen), HOUR, ours).number == expected


def test_what_is_remembered_is_what_the_next_run_needs():
    seen = make_observed(unit=make_unit(restarts=2, main_pid=41))
    memory = remember_service({}, seen, make_snapshot(seen))
    assert memory["counts"] == [[NOW, "boot-1", 2]]
    assert memory["begins"] == [[NOW, "boot-1", UPTIME - 5000]]
    assert memory["rss"] == [[NOW, 10 << 20]]


def test_of_a_value_that_stays_the_first_and_the_last_sample_are_kept():
    rows = []
    for when, value in enumerate([0, 0, 0, 0, 1, 1, 1, 0]):
        rows = extend(rows, [when, "boot-1", value])
    assert [(when, value) for when, _boot, value in rows] == [(0, 0), (3, 0), (4, 1), (6, 1), (7, 0)]
    for when in range(100, 400):
        rows = extend(rows, [when, "boot-1", when])
    assert [when for when, _boot, _value in rows] == list(range(340, 400)), "the last 60"


def test_a_value_that_comes_back_or_belongs_to_another_boot_did_not_stay():
    here = [[0, "boot-1", 5], [1, "boot-1", 7]]
    assert extend(here, [2, "boot-1", 5]) == [*here, [2, "boot-1", 5]]
    there = [[0, "boot-0", 5], [1, "boot-1", 5]]
    assert extend(there, [2, "boot-1", 5]) == [*there, [2, "boot-1", 5]]
    moved = [[0, "boot-1", 5], [1, "boot-2", 5]]
    assert extend(moved, [2, "boot-1", 5]) == [*moved, [2, "boot-1", 5]]


def test_what_earlier_runs_remembered_stays():
    seen = make_observed(unit=make_unit(restarts=2, main_pid=41))
    old = {"counts": [[1.0, "boot-0", 9]], "begins": [[1.0, "boot-0", 70.0]]}
    memory = remember_service(old, seen, make_snapshot(seen))
    assert memory["counts"] == [[1.0, "boot-0", 9], [NOW, "boot-1", 2]]
    assert memory["begins"] == [[1.0, "boot-0", 70.0], [NOW, "boot-1", UPTIME - 5000]]


def test_the_moments_of_restarts_are_kept_for_two_days():
    seen = make_observed()
    ages = [172_800.5, 172_799.5, 60.0]
    memory = remember_service({"starts": [[NOW - age] for age in ages]}, seen, make_snapshot(seen, journal=EMPTY))
    assert memory["starts"] == [[NOW - 172_799.5], [NOW - 60.0]]


def test_memory_samples_of_another_process_are_forgotten():
    seen = make_observed()
    old = {"began": ["boot-1", 1.0], "rss": [[NOW - DAY, 5]]}
    assert remember_service(old, seen, make_snapshot(seen))["rss"] == [[NOW, 10 << 20]]


def test_samples_are_spaced_so_that_a_frequent_check_does_not_lose_yesterday():
    seen = make_observed()
    began, now = ["boot-1", UPTIME - 5000], [NOW, 10 << 20]
    for old, kept in (
        ([[NOW - 299, 5]], []),
        ([[NOW - 300, 5]], [now]),
        ([[NOW - 900, 4], [NOW - 200, 5]], []),  # the last one counts
    ):
        memory = remember_service({"began": began, "rss": old}, seen, make_snapshot(seen))
        assert memory["rss"] == [*old, *kept]


@pytest.mark.parametrize(
    ("count", "kept"),
    [
        (1, [0]),
        (200, list(range(200))),
        (201, [*range(0, 200, 2), 200]),
        (202, [*range(0, 201, 2), 201]),
    ],
)
def test_more_than_200_samples_are_thinned_over_the_same_span(count, kept):
    assert thin([[float(n), n] for n in range(count)]) == [[float(n), n] for n in kept]


LINES = [
    ([(0.0, 100.0), (DAY, 200.0), (2 * DAY, 300.0)], 100.0, 1.0, 200.0),
    ([(0.0, 300.0), (DAY, 200.0)], -100.0, 1.0, -100.0),
    ([(0.0, 100.0), (DAY, 100.0)], 0.0, 1.0, 0.0),
    ([(0.0, 0.0), (DAY, 100.0), (2 * DAY, 0.0)], 0.0, 0.0, 0.0),
    ([(0.0, 0.0), (DAY, 100.0), (2 * DAY, 50.0)], 25.0, 0.25, 50.0),
    # the moments are those of the calendar, and half a second is a span as well
    ([(NOW - DAY, 100.0), (NOW, 150.0)], 50.0, 1.0, 50.0),
    ([(NOW - 0.5, 100.0), (NOW, 101.0)], 172_800.0, 1.0, 1.0),
]


@pytest.mark.parametrize(("points", "per_day", "fit", "total"), LINES)
def test_growth_is_the_slope_of_the_least_squares_line(points, per_day, fit, total):
    growth = fit_line(points)
    assert growth.per_day == pytest.approx(per_day)
    assert growth.fit == pytest.approx(fit)
    assert growth.total == pytest.approx(total)
    assert (growth.samples, growth.span) == (len(points), points[-1][0] - points[0][0])


@pytest.mark.parametrize("points", [[(NOW, 100.0)], [(NOW, 100.0), (NOW, 200.0)], [(NOW, 100.0), (NOW - 60, 200.0)]])
def test_one_moment_or_a_clock_that_was_set_back_tells_no_growth(points):
    assert fit_line(points) == Growth(len(points), 0.0, 0.0, 0.0, 0.0)


def test_growth_counts_samples_of_this_process_only():
    seen = make_observed()
    snapshot = make_snapshot(seen)
    samples = [[NOW - DAY, 5 << 20]]
    mine = measure_growth({"began": ["boot-1", UPTIME - 5000], "rss": samples}, seen, snapshot)
    other = measure_growth({"began": ["boot-0", UPTIME - 5000], "rss": samples}, seen, snapshot)
    assert (mine.samples, mine.per_day) == (2, pytest.approx(5 << 20))
    assert other.samples == 1
    assert measure_growth({}, make_observed(main=None), snapshot) is None
