# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What no retention may ever take, whatever history of labels, sources, pins and chains of sets, and whatever clock.

Sets are removed one after the other, and before each the whole folder is decided upon again, as act.prune_all does; a
run may end after any of them, and the clock may be moved in between.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.retention import (
    Candidate,
    Policy,
    Series,
    decide,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.times import CLOCK_TOLERANCE

from .examples import DAY, NOW

LABELS, SOURCES, DECLARED = ("daily", "weekly"), ("config", "trades"), "aaaaaaaab"
HOURS = (1, 1, 24, 24, 24, 24, 24, 24, 24, 30, 168, 2000, -24, -5000)  # from one set to the next
MOST_IN_A_CHAIN = 7

History = tuple[tuple[Candidate, ...], Policy, float]


def one(number: int, created: float, before: list[Candidate], chance: random.Random) -> Candidate:
    """Return one more set; it may be the difference to any one of the last ones."""
    is_good = chance.random() < 0.85
    label, declared = chance.choice(LABELS), chance.choice(DECLARED)
    names = sorted({chance.choice(SOURCES), chance.choice(SOURCES)})
    parent = chance.choice([None, *before[-2:]])
    chain = (*parent.chain, parent.id) if parent is not None and len(parent.chain) + 2 <= MOST_IN_A_CHAIN else ()
    return Candidate(
        f"set {number:03d}",
        created,
        good=is_good,
        pin_until=created + chance.uniform(0, 90) * DAY if chance.random() < 0.1 else None,
        ours=chance.random() < 0.95,
        holds=tuple(Series(label, name, declared) for name in names),
        damaged=not is_good and chance.random() < 0.1,
        chain=chain,
    )


def history_of(count: int, seed: int) -> History:
    """Return so many sets, a policy and the time now; the clock was moved forth and back while they were made."""
    chance, found, created = random.Random(seed), [], NOW
    for number in range(count):
        created += chance.choice(HOURS) * 3600 + chance.randrange(3600)
        found.append(one(number, created, found, chance))
    rules = {rule: chance.randrange(3) for rule in ("daily", "weekly", "monthly", "yearly")}
    policy = Policy(**rules, min_keep=chance.randint(1, 3), max_leap=chance.choice([35, 1000]) * DAY)
    return tuple(found), policy, created + chance.choice(HOURS) * 3600


# drawn by a seed: a set has a dozen of values, and drawing each by itself takes a hundred times as long
histories = partial(st.builds, history_of, st.integers(0, 30), st.integers(0, 2**32))


def pruned(history: History, moved: float = 0.0) -> Iterator[tuple[tuple[Candidate, ...], float]]:
    """Yield the sets that are left, and the time, before and after each removal. Between two the clock is moved."""
    there, policy, now = history
    yield there, now
    for doomed in decide(there, policy, now).removed:
        now += moved
        if doomed in decide(there, policy, now).removed:
            there = tuple(item for item in there if item.id != doomed)
        yield there, now


def copies(sets: tuple[Candidate, ...], held: Series, now: float) -> list[str]:
    """Return the good copies of a series that this host made, of those whose age is known, from old to new."""
    mine = [item for item in sets if item.good and item.ours and item.created <= now + CLOCK_TOLERANCE]
    return [item.id for item in sorted(mine, key=lambda item: (item.created, item.id)) if held in item.holds]


def all_series(sets: tuple[Candidate, ...]) -> set[Series]:
    return {held for item in sets for held in item.holds}


@settings(max_examples=400)
@given(histories())
def test_min_keep_good_copies_of_each_source_of_each_label_stay(history):
    before, policy, now = history
    for left, _now in pruned(history):
        for held in all_series(before):
            least = copies(before, held, now)[-policy.min_keep :]
            assert set(least) <= set(copies(left, held, now))


@settings(max_examples=400)
@given(histories())
def test_the_newest_good_set_of_each_label_and_the_last_copy_of_each_source_stay(history):
    before, _policy, now = history
    for left, _now in pruned(history):
        for key in (lambda held: held.label, lambda held: held.source, lambda held: held[:2]):
            for value in {key(held) for held in all_series(before)}:
                assert newest(left, key, value, now) == newest(before, key, value, now)


def newest(sets, key, value, now: float) -> str:
    mine = [item for item in sets if item.good and item.ours and item.created <= now + CLOCK_TOLERANCE]
    fitting = [item for item in mine if any(key(held) == value for held in item.holds)]
    return max(((item.created, item.id) for item in fitting), default=(0.0, ""))[1]


@settings(max_examples=400)
@given(histories())
def test_pinned_sets_those_of_other_hosts_and_those_of_the_future_stay(history):
    before, _policy, now = history
    held = {item.id for item in before if not item.ours or (item.pin_until or 0) > now or item.created > now + 300}
    for left, _now in pruned(history):
        assert held <= {item.id for item in left}


@settings(max_examples=400)
@given(histories(), st.sampled_from([0.0, 3600.0, DAY, -DAY, 400 * DAY, -400 * DAY]))
def test_no_set_ever_loses_one_that_it_needs(history, moved):
    before, _policy, _now = history
    needed = {item.id: {other.id for other in before if other.id in item.chain} for item in before}
    for left, _at in pruned(history, moved):
        ids = {item.id for item in left}
        assert all(needed[set_id] <= ids for set_id in ids)


@settings(max_examples=400)
@given(histories())
def test_what_stayed_stays_when_nothing_changed(history):
    *_earlier, (left, now) = pruned(history)
    assert decide(left, history[1], now).removed == {}


@settings(max_examples=400)
@given(histories())
def test_each_set_is_either_kept_or_removed_and_has_a_reason(history):
    sets, policy, now = history
    decided = decide(sets, policy, now)
    assert {*decided.kept} | {*decided.removed} == {item.id for item in sets}
    assert not {*decided.kept} & {*decided.removed}
    assert all([*decided.kept.values(), *decided.removed.values()])
