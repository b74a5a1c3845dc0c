# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of exposures and counters, through the file that it is kept in, and what a damaged one costs."""

from __future__ import annotations

import json
from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.history import (
    NO_HISTORY,
    Baseline,
    Known,
    as_memory,
    moved,
    name_of,
    read_history,
    unused_since,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import Intervals
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import FilterRule

NOW, DAY = 1_800_000_000.0, 86400.0
NINETY_DAYS = 7_776_000.0
FEW: Intervals = tuple(range(64))
MANY: Intervals = tuple(range(66))


def through_file(history: Baseline) -> Baseline:
    return read_history(json.loads(json.dumps(as_memory(history))))


BEFORE = Baseline(
    NOW, {"a": Known(NOW - DAY, NOW, (1, 9)), "b": Known(NOW, NOW, "digest")}, "boot", 7, {"rule": NOW - DAY}
)


def test_a_history_comes_back_from_its_file_as_it_was() -> None:
    assert through_file(BEFORE) == BEFORE
    assert through_file(NO_HISTORY) == NO_HISTORY


DAMAGED: list[dict[str, Any]] = [
    {},
    {**as_memory(BEFORE), "open": []},
    {**as_memory(BEFORE), "open": {"a": [NOW, NOW]}},
    {**as_memory(BEFORE), "open": {"a": ["x", NOW, [1, 2]]}},
    {**as_memory(BEFORE), "open": {"a": [NOW, NOW, [1]]}},
    {**as_memory(BEFORE), "open": {"a": [NOW, NOW, [2, 1]]}},
    {**as_memory(BEFORE), "open": {"a": [NOW, NOW, [1, 5, 4, 9]]}},
    {**as_memory(BEFORE), "open": {"a": [NOW, NOW, [1, 1]]}},
    {**as_memory(BEFORE), "open": {"a": [NOW, NOW, None]}},
    {**as_memory(BEFORE), "at": None},
    {**as_memory(BEFORE), "packets": "many"},
    {**as_memory(BEFORE), "unused": None},
]


@pytest.mark.parametrize("memory", DAMAGED)
def test_a_memory_that_is_damaged_is_none(memory: dict[str, Any]) -> None:
    assert read_history(memory) == NO_HISTORY


MOVES: list[tuple[str, Optional[Intervals], Optional[Known]]] = [
    ("the same", (1, 9), Known(NOW - DAY, NOW + DAY, (1, 9))),
    ("less", (1, 5), Known(NOW - DAY, NOW + DAY, (1, 5))),
    ("nothing", (), Known(NOW - DAY, NOW + DAY, ())),
    ("more", (1, 10), Known(NOW + DAY, NOW + DAY, (1, 10))),
    ("others", (20, 30), Known(NOW + DAY, NOW + DAY, (20, 30))),
    ("not known", None, Known(NOW - DAY, NOW, (1, 9))),
]


@pytest.mark.parametrize(("sources", "expected"), [case[1:] for case in MOVES], ids=[case[0] for case in MOVES])
def test_a_baseline_says_since_when_nobody_was_added(sources: Optional[Intervals], expected: Optional[Known]) -> None:
    after = moved(BEFORE, NOW + DAY, {"a": sources})
    assert (after.at, after.open["a"], after.open["b"]) == (NOW + DAY, expected, BEFORE.open["b"])


@pytest.mark.parametrize(("later", "kept"), [(NINETY_DAYS - 1, True), (NINETY_DAYS, False), (NINETY_DAYS + 1, False)])
def test_what_is_away_for_long_is_forgotten(later: float, kept: bool) -> None:
    assert ("a" in moved(BEFORE, NOW + later, {}).open) is kept


def test_what_is_new_and_not_known_is_not_remembered() -> None:
    assert "new" not in moved(BEFORE, NOW, {"new": None}).open


@pytest.mark.parametrize(("sources", "spelled_out"), [(FEW, True), (MANY, False)])
def test_many_sources_are_remembered_by_a_digest(sources: Intervals, spelled_out: bool) -> None:
    kept = through_file(moved(NO_HISTORY, NOW, {"a": sources}))
    assert (kept.open["a"].open == sources) is spelled_out
    assert kept.beyond("a", sources) == ()
    assert kept.beyond("a", (0, 1)) == (() if spelled_out else (0, 1))
    assert moved(kept, NOW + DAY, {"a": sources}).open["a"].since == NOW


IDLE, USED, BARE = FilterRule("1", "x", packets=0), FilterRule("2", "x", packets=7), FilterRule("3", "x")
UNUSED = [
    ("as before", "boot", 7, NOW - DAY),
    ("more was counted since", "boot", 6, NOW - DAY),
    ("less than before", "boot", 8, NOW),
    ("after a boot", "other", 7, NOW),
    ("of an unknown boot", "", 7, NOW),
]


@pytest.mark.parametrize(("boot", "packets", "since"), [case[1:] for case in UNUSED], ids=[case[0] for case in UNUSED])
def test_a_counter_reaches_back_to_the_last_time_that_counters_began(boot: str, packets: int, since: float) -> None:
    history = Baseline(boot_id=boot, packets=packets, unused={name_of(IDLE): NOW - DAY, name_of(USED): NOW - DAY})
    assert unused_since(history, "boot", [IDLE, USED, BARE], NOW) == {name_of(IDLE): since}


def test_at_most_two_thousand_rules_are_remembered() -> None:
    rules = [FilterRule(str(at), "x", packets=0) for at in range(2001)]
    assert len(unused_since(NO_HISTORY, "", rules[:2000], NOW)) == 2000
    assert len(unused_since(NO_HISTORY, "", rules, NOW)) == 2000
