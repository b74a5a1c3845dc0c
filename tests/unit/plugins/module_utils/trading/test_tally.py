# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far the answers reach, word for word: only what all workers said is the whole truth."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.crew import AS_ROOT, SEE_WHY, Crew, untold
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.tally import Tally, is_complete, sum_up

TWO = Crew(frozenset({42, 43}), frozenset({41}), frozenset({7}))
BLIND = Crew(why="nobody shows who holds port 8004", cure=AS_ROOT)
HALF = Crew(frozenset({42}), asked=2)
POOL = Crew(frozenset({41, 42, 43}))


def tally(by, *, silent=(), failures=(), strange=0, lines=8):
    return Tally([True] * sum(by.values()), list(failures), dict(by), set(silent), lines, strange)


# Who answers, what was answered, the workers that are declared; the reach, what lacks, and whether to ask on.
REACHES = [
    (Crew(frozenset({41})), tally({41: 8}), None, "8 answers from 1 of 1 worker", "", False),
    (TWO, tally({42: 5, 43: 3}), None, "8 answers from 2 of 2 workers", "", False),
    (TWO, tally({42: 1, 43: 1}), None, "2 answers from 2 of 2 workers", "", True),
    (
        TWO,
        tally({42: 8}, lines=64),
        None,
        "8 answers from 1 of 2 workers",
        "pid 43 holds the port and took none of 64",
        True,
    ),
    (Crew(frozenset({41, 42, 43})), tally({42: 8}), None, "8 answers from 1 of 3 workers", "pids 41, 43 hold", True),
    (
        HALF,
        tally({42: 8}),
        None,
        "8 answers from 1 of 2 workers",
        "1 worker of those that should be there did not",
        True,
    ),
    (TWO, tally({42: 4, 43: 4}), 3, "8 answers from 2 of 3 workers", "1 worker of those that should be", True),
    (TWO, tally({41: 4, 42: 2, 43: 2}), None, "8 answers from 3 of 3 workers", "", False),
    (TWO, tally({42: 4, 43: 4}, strange=1), None, "8 answers from 2 of 2 workers", "not seen to hold the port", False),
    # the word of the operator, where what is seen does not speak against it
    (POOL, tally({41: 8}), 1, "8 answers from 1 of 3 workers, as many as trading.workers declares", "", True),
    (POOL, tally({41: 4, 42: 4}), 1, "8 answers from 2 of 3 workers", "pid 43 holds the port", True),
    (POOL, tally({41: 8}, strange=1), 1, "8 answers from 1 of 3 workers", "not seen to hold the port", True),
    (HALF, tally({42: 8}), 1, "8 answers from 1 of 1 worker", "", False),
    (HALF, tally({42: 8}), 2, "8 answers from 1 of 2 workers", "1 worker of those", True),
    (BLIND, tally({}), 1, "0 answers of the one process that trading.workers declares", "", True),
    (BLIND, Tally([True] * 8), 1, "8 answers of the one process that trading.workers declares", "", False),
    (BLIND, Tally([True] * 8), None, "8 answers", "8 answers, but nobody shows who holds port 8004", False),
    (BLIND, Tally([True] * 8), 2, "8 answers", "nothing tells who of the 2 that trading.workers declares", False),
    (untold(TWO, 8004), Tally([True] * 8), None, "8 answers", "2 processes answer on port 8004", False),
]


@pytest.mark.case("SV20")
@pytest.mark.parametrize(("crew", "given", "declared", "reach", "lack", "on"), REACHES)
def test_answers_reach_as_far_as_those_who_gave_them(crew, given, declared, reach, lack, on):
    replies = sum_up(given, crew, declared)
    assert replies.reach == reach
    assert lack in replies.unavailable if lack else replies.unavailable == ""
    assert bool(replies.cure) == bool(lack)
    assert is_complete(given, crew, 8, declared) is not on


def test_what_a_worker_could_not_say_is_told_before_what_was_not_reached():
    replies = sum_up(tally({42: 7}, failures=["answers 500"]), TWO, None)
    assert (replies.unavailable, replies.cure) == ("answers 500", "")
    assert sum_up(tally({42: 8}), TWO, None).cure == SEE_WHY


def test_a_worker_that_was_asked_in_vain_was_heard_and_is_no_answer():
    def fail():
        raise CoreError("it hangs")

    given: Tally[bool] = Tally()
    assert (given.lines, given.strange) == (0, 0)
    given.note(43, fail)
    given.note(42, lambda: True)
    given.note(None, lambda: False)
    assert (given.answers, given.failures, given.by, given.silent) == ([True, False], ["it hangs"], {42: 1}, {43})
    assert sum_up(given, TWO, None).reach == "2 answers from 1 of 2 workers"
    assert given.heard == {42, 43}


def test_a_question_that_was_put_in_vain_was_put():
    assert is_complete(tally({42: 4, 43: 3}, failures=["x"]), TWO, 8, None) is True
    assert is_complete(tally({42: 4, 43: 3}), TWO, 8, None) is False


def test_up_to_five_of_those_that_were_not_reached_are_named():
    six = Crew(frozenset(range(42, 48)))
    assert "pids 42, 43, 44, 45, 46 hold the port" in sum_up(tally({}), six, None).unavailable


def test_two_in_vain_are_enough_while_nobody_answers():
    assert [Tally(said, ["x"] * count).hopeless for said, count in (([], 1), ([], 2), ([True], 2))] == [
        False,
        True,
        False,
    ]
