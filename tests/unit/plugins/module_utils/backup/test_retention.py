# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sets stay and which go: cases, then properties over whatever history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.retention import (
    Candidate,
    Policy,
    Series,
    decide,
)

from .examples import DAY, NOW

LEAP = 35 * DAY
WEEK = Policy(daily=7, weekly=0, monthly=0, yearly=0, min_keep=3, max_leap=LEAP)
ONE = WEEK._replace(daily=1, min_keep=1)
KEYS = ("daily", "weekly", "monthly", "yearly")


def daily(count: int, *, first: float = 0.0, **more) -> list[Candidate]:
    """Return one set a day, the newest ``first`` days old."""
    return [Candidate(f"d{age}", NOW - (first + age) * DAY, good=True, **more) for age in range(count)]


def gone(candidates: list[Candidate], policy: Policy, now: float = NOW) -> set[str]:
    return set(decide(candidates, policy, now).removed)


CASES = [
    ("nothing is there", [], WEEK, set()),
    ("less than the policy keeps", daily(5), WEEK, set()),
    ("seven days stay of ten", daily(10), WEEK, {"d7", "d8", "d9"}),
    ("two sets of one day: the newer stays", [*daily(3), Candidate("early", NOW - 3600, good=True)], ONE,
     {"early", "d1", "d2"}),
    ("a rule that is full needs no oldest set", [*daily(2), Candidate("early", NOW - DAY - 3600, good=True)],
     ONE._replace(daily=2), {"early"}),
    ("weeks stay beyond the days", daily(22), WEEK._replace(daily=2, weekly=3, min_keep=1),
     {f"d{age}" for age in range(22)} - {"d0", "d1", "d3", "d10"}),
    ("min_keep is stronger than the rules", daily(6), ONE._replace(min_keep=5), {"d5"}),
    ("backups stopped long ago: nothing more goes", daily(9, first=20), WEEK, {"d7", "d8"}),
    ("sets of other hosts stay", [*daily(1), Candidate("other", NOW - 30 * DAY, good=True, ours=False)], ONE, set()),
    ("a pin holds", [*daily(2), Candidate("pin", NOW - 20 * DAY, good=True, pin_until=NOW + 1)], ONE, {"d1"}),
    ("a pin that ends now does not", [*daily(2), Candidate("pin", NOW - 20 * DAY, good=True, pin_until=NOW)], ONE,
     {"d1", "pin"}),
    ("a pin that is over does not", [*daily(2), Candidate("pin", NOW - 20 * DAY, good=True, pin_until=NOW - 1)], ONE,
     {"d1", "pin"}),
    ("a bad set stays while few good ones are newer", [*daily(2), Candidate("bad", NOW - 5 * DAY, good=False)], WEEK,
     set()),
    ("a bad set goes once enough good ones are newer", [*daily(3), Candidate("bad", NOW - 5 * DAY, good=False)], WEEK,
     {"bad"}),
    ("a good set of the same moment is not newer than a bad one", [*daily(1), Candidate("bad", NOW, good=False)], ONE,
     set()),
    ("a bad newest set does not stand in for a good one", [Candidate("bad", NOW, good=False), *daily(2, first=1)], ONE,
     {"d1"}),
]  # fmt: skip


@pytest.mark.parametrize(("why", "candidates", "policy", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_goes(why, candidates, policy, expected):
    assert gone(candidates, policy) == expected


def test_the_oldest_set_stays_while_a_rule_is_not_yet_full():
    policy = WEEK._replace(daily=2, monthly=3, min_keep=1)
    decisions = decide(daily(12), policy, NOW)
    assert decisions.kept["d11"] == "monthly"
    assert "d10" in decisions.removed


def test_every_set_has_a_reason():
    decisions = decide([*daily(10), Candidate("bad", NOW - 40 * DAY, good=False)], WEEK, NOW)
    assert set(decisions.kept) | set(decisions.removed) == {f"d{age}" for age in range(10)} | {"bad"}
    assert all(decisions.kept.values())
    assert all(decisions.removed.values())


WHY_REMOVED = [
    (Candidate("old", NOW - 9 * DAY, good=True), "no rule keeps it"),
    (Candidate("old", NOW - 9 * DAY, good=False), "it is not good, and enough newer good sets are there"),
    (Candidate("old", NOW - 9 * DAY, good=False, damaged=True), "it is damaged, and enough newer good sets are there"),
]


@pytest.mark.parametrize(("old", "why"), WHY_REMOVED)
def test_why_a_set_goes_is_said(old, why):
    assert decide([*daily(1), old], ONE, NOW).removed == {"old": why}


@pytest.mark.case("BK13")
@pytest.mark.parametrize("good", [True, False], ids=["good", "not good"])
@pytest.mark.parametrize(("ahead", "aside"), [(300, False), (301, True), (365 * DAY, True)])
def test_a_set_of_the_future_is_set_aside_and_the_rest_goes_on(good, ahead, aside):
    future = Candidate("future", NOW + ahead, good=good)
    decisions = decide([*daily(20), future], ONE, NOW)
    assert decisions.refusal == ""
    assert ("in the future" in decisions.kept["future"]) is aside
    newest = {"future"} if good and not aside else {"d0", "future"}
    assert set(decisions.kept) == newest


@pytest.mark.case("BK13")
def test_how_far_ahead_a_set_is_dated_is_said():
    decisions = decide([*daily(2), Candidate("future", NOW + 3 * DAY, good=True)], ONE, NOW)
    assert decisions.kept["future"] == "it is dated 3.0 d in the future, so its age is not known"


CONFIG, TRADES = Series("regular", "config", "a"), Series("regular", "trades", "b")
MIXED = WEEK._replace(weekly=4, min_keep=1)


def series(held: tuple[Series, ...], ages, letter: str, **more) -> list[Candidate]:
    return [Candidate(f"{letter}{age}", NOW - age * DAY, good=True, holds=held, **more) for age in ages]


@pytest.mark.case("BK4")
@pytest.mark.parametrize("other", [TRADES, Series("often", "config", "a")], ids=["another source", "another label"])
def test_what_is_taken_daily_does_not_push_out_what_is_taken_weekly(other):
    weekly, often = series((CONFIG,), range(0, 36, 7), "w"), series((other,), range(36), "d")
    kept = set(decide([*weekly, *often], MIXED, NOW).kept)
    assert {one.id for one in weekly} <= kept
    assert kept & {one.id for one in often} == gone_not(often)


def gone_not(candidates: list[Candidate]) -> set[str]:
    """Return what is kept of some sets where no others are."""
    return set(decide(candidates, MIXED, NOW).kept)


@pytest.mark.case("BK4")
def test_the_last_copies_of_an_optional_source_stay():
    with_it = series((CONFIG, TRADES), range(60, 70), "o")
    without = series((CONFIG,), range(60), "n")
    kept = decide([*with_it, *without], ONE._replace(min_keep=2, max_leap=99 * DAY), NOW).kept
    assert set(kept) == {"n0", "n1", "o60", "o61"}
    assert kept["o60"] == kept["n0"] == "the newest good set"


@pytest.mark.case("BK4")
@pytest.mark.case("BK12")
def test_of_a_declaration_that_was_replaced_the_newest_copies_stay():
    """A wrong install_dir for a week must not cost every copy of the right one, nor keep all of them for ever."""
    wrong, right = Series("regular", "config", "wrong"), Series("regular", "config", "right")
    sets = [*series((right,), range(20, 40), "r"), *series((wrong,), range(20), "w")]
    kept = set(decide(sets, WEEK._replace(min_keep=2), NOW).kept)
    assert kept == {"r20", "r21", *(f"w{age}" for age in range(7))}


@pytest.mark.parametrize(
    "more",
    [
        Candidate("x", NOW, good=False, holds=(CONFIG._replace(declared="new"),)),
        Candidate("x", NOW, good=True, ours=False, holds=(CONFIG._replace(declared="new"),)),
    ],
    ids=["not good", "another host's"],
)
def test_only_a_good_set_of_our_own_replaces_a_declaration(more):
    assert {f"d{age}" for age in range(7)} <= set(decide([*series((CONFIG,), range(9), "d"), more], WEEK, NOW).kept)


@pytest.mark.parametrize("holds", [(CONFIG, TRADES), (TRADES, CONFIG)], ids=["first", "last"])
def test_the_newest_copy_of_one_source_is_told_as_that_whatever_else_the_set_holds(holds):
    """The second set holds the newest trades; of the configuration there is a newer copy, and a rule keeps it too."""
    sets = [*series(holds, [1], "both"), *series((CONFIG,), [0], "one")]
    assert decide(sets, WEEK._replace(min_keep=1), NOW).kept == {
        "both1": "the newest good set",
        "one0": "the newest good set",
    }


@pytest.mark.case("BK12")
def test_copies_of_an_older_release_count_as_those_of_the_newest_declaration():
    sets = [*series((TRADES._replace(declared=""),), range(5, 10), "o"), *series((TRADES,), range(5), "n")]
    assert set(decide(sets, WEEK, NOW).kept) == {f"n{age}" for age in range(5)} | {"o5", "o6"}


@pytest.mark.case("BK1")
@pytest.mark.parametrize(("lost", "kept"), [(0, 5), (1, 5), (2, 2)])
def test_a_set_that_lost_its_content_stops_removal_of_what_is_whole(lost, kept):
    """Of six sets one is damaged: whole ones go again when min_keep (2) of them are newer."""
    sets = [one._replace(good=one.id != f"d{lost}", damaged=one.id == f"d{lost}") for one in daily(6)]
    decided = decide(sets, ONE._replace(min_keep=2), NOW)
    assert len([one for one in sets if one.good and one.id in decided.kept]) == kept
    spoilt = decide([one for one in sets if one.good], ONE._replace(min_keep=2), NOW, [NOW - lost * DAY])
    assert len(spoilt.kept) == kept


@pytest.mark.case("BK1")
def test_a_copy_of_the_moment_of_a_loss_was_not_made_since():
    assert gone(daily(3), ONE) == {"d1", "d2"}
    decided = decide(daily(3), ONE, NOW, [NOW])
    assert decided.removed == {}
    assert decided.kept["d1"] == (
        "1 newer or equally old sets have lost what they held: nothing whole goes before 1 good sets were made since"
    )


@pytest.mark.case("BK1")
def test_what_another_host_lost_stops_nothing_here():
    theirs = Candidate("theirs", NOW, good=False, ours=False, damaged=True)
    assert gone([*daily(3), theirs], ONE) == {"d1", "d2"}


def test_a_clock_a_year_ahead_removes_nothing():
    decisions = decide(daily(20), WEEK, NOW + 365 * DAY)
    assert decisions.removed == {}
    assert "leapt" in decisions.refusal


def test_a_gap_as_long_as_a_leap_may_be_is_none():
    sets = [Candidate("new", NOW, good=True), *daily(3, first=35)]
    two = ONE._replace(min_keep=2)
    assert gone(sets, two) == {"d1", "d2"}
    assert gone(sets, two._replace(max_leap=LEAP - 1)) == set()


def test_the_last_of_several_leaps_is_told_with_its_length_and_its_begin():
    ages = (0, 40, 90, 150, 151)  # gaps of 40, 50 and 60 days, the longest first
    sets = [Candidate(f"d{age}", NOW - age * DAY, good=True) for age in ages]
    assert decide(sets, ONE._replace(min_keep=2), NOW).refusal == (
        "the clock, or the backups, leapt 40.0 d after 2026-10-09T11:06:40Z, and fewer than 2 good sets were made since"
    )


def test_after_a_leap_removal_starts_again_with_min_keep_new_sets():
    later = [Candidate(f"n{number}", NOW + (60 + number) * DAY, good=True) for number in range(3)]
    now = later[-1].created
    assert gone([*daily(20), *later[:2]], WEEK._replace(daily=1), later[1].created) == set()
    assert gone([*daily(20), *later], WEEK._replace(daily=1), now) == {f"d{age}" for age in range(20)}


def test_monthly_sets_alone_are_no_leap():
    months = [Candidate(f"m{age}", NOW - age * 31 * DAY, good=True) for age in range(6)]
    assert decide(months, WEEK._replace(daily=0, monthly=3, min_keep=1), NOW).refusal == ""


histories = st.lists(
    st.builds(
        Candidate,
        id=st.uuids().map(str),
        created=st.floats(min_value=NOW - 900 * DAY, max_value=NOW),
        good=st.booleans(),
        pin_until=st.one_of(st.none(), st.floats(min_value=NOW - 90 * DAY, max_value=NOW + 90 * DAY)),
        ours=st.booleans(),
        holds=st.just((Series(),)),
        damaged=st.just(False),
    ),
    max_size=40,
    unique_by=lambda candidate: candidate.id,
)
policies = st.builds(
    Policy,
    daily=st.integers(0, 9),
    weekly=st.integers(0, 5),
    monthly=st.integers(0, 13),
    yearly=st.integers(0, 3),
    min_keep=st.integers(1, 6),
    max_leap=st.floats(min_value=DAY, max_value=1000 * DAY),
)


def good(candidates, removed=frozenset()):
    kept = [one for one in candidates if one.good and one.ours and one.id not in removed]
    return sorted(kept, key=lambda one: (one.created, one.id))


@given(histories, policies)
def test_never_below_min_keep(candidates, policy):
    removed = gone(candidates, policy)
    assert len(good(candidates, removed)) >= min(policy.min_keep, len(good(candidates)))


@given(histories, policies)
def test_the_newest_good_set_never_goes(candidates, policy):
    assert not good(candidates) or good(candidates)[-1].id not in gone(candidates, policy)


@given(histories, policies)
def test_pinned_and_foreign_sets_never_go(candidates, policy):
    held = {one.id for one in candidates if not one.ours or (one.pin_until or 0) > NOW}
    assert not held & gone(candidates, policy)


@given(histories, policies, st.floats(min_value=1, max_value=2000))
def test_a_jump_of_the_clock_beyond_the_leap_removes_nothing(candidates, policy, days):
    newest = max((one.created for one in candidates if one.good), default=None)
    if newest is not None:
        assert gone(candidates, policy, newest + policy.max_leap + days * DAY) == set()


@given(histories, policies, st.floats(min_value=0.01, max_value=2000))
def test_a_clock_set_back_behind_a_set_sets_it_aside(candidates, policy, days):
    """What is of the future then stays, and what goes is what goes without it."""
    newest = max((one.created for one in candidates), default=None)
    if newest is not None:
        now = newest - days * DAY - 300
        past = [one for one in candidates if one.created <= now + 300]
        assert gone(candidates, policy, now) == gone(past, policy, now)


@given(histories, policies)
def test_what_stayed_stays_when_nothing_changed(candidates, policy):
    removed = gone(candidates, policy)
    left = [one for one in candidates if one.id not in removed]
    assert gone(left, policy) == set()


@given(histories, policies, st.sampled_from(KEYS))
def test_a_wider_rule_never_removes_more(candidates, policy, rule):
    wider = policy._replace(**{rule: getattr(policy, rule) + 1})
    assert gone(candidates, wider) <= gone(candidates, policy)
