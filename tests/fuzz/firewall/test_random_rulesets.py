# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fixed seed of random rulesets of both classes: nothing is wrong, and little is unknown where nothing is exotic.

`make fuzz-firewall` tries as many as one likes.
"""

from __future__ import annotations

import argparse

import pytest

from . import fuzz

RULESETS = 60
MOST_UNKNOWN = 5.0  # percent of the pairs of ordinary rulesets


@pytest.fixture(scope="module")
def tallies(tmp_path_factory) -> dict[str, fuzz.Tally]:
    options = argparse.Namespace(
        seed="fast",
        count=RULESETS,
        minutes=0,
        kind="all",
        labs=2,
        no_shrink=False,
        until_wrong=False,
        twice=False,
        cases=str(tmp_path_factory.mktemp("found")),
    )
    return fuzz.run(options)


@pytest.mark.parametrize("kind", ["plain", "exotic"])
def test_the_product_says_of_random_rulesets_what_the_kernel_does(tallies, kind) -> None:
    tally = tallies[kind]
    assert not tally.wrong, "\n".join(tally.wrong)
    assert not tally.errors
    assert tally.rulesets == RULESETS / 2
    assert 0 < tally.opened < tally.pairs


def test_little_is_unknown_of_ordinary_rulesets(tallies) -> None:
    plain = tallies["plain"]
    assert 100 * plain.unknown / plain.pairs < MOST_UNKNOWN, plain.causes
