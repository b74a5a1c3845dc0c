# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import (
    EVERYTHING,
    complement,
    contains,
    count,
    few,
    intersect,
    merge,
    network,
    networks,
    rest_of,
    spanning,
    subtract,
)

NUMBERS = range(64)
SETS = st.lists(st.tuples(st.sampled_from(NUMBERS), st.integers(0, 5)), max_size=8).map(
    lambda spans: merge(spanning(first, min(first + more, 63)) for first, more in spans)
)


def members(numbers: tuple[int, ...]) -> set[int]:
    return {number for number in NUMBERS if contains(numbers, number)}


@given(SETS, SETS)
def test_sets_behave_like_sets(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert members(intersect(one, other)) == members(one) & members(other)
    assert members(subtract(one, other)) == members(one) - members(other)
    assert members(merge([one, other])) == members(one) | members(other)
    assert count(one) == len(members(one))


COMB = tuple(NUMBERS)  # every second number: by so much larger than a few spans that it is cut at their bounds


@given(SETS, SETS)
def test_a_large_set_and_small_ones_behave_like_sets(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert members(merge([one, COMB, other])) == members(one) | members(COMB) | members(other)
    for numbers, part in ((COMB, intersect(COMB, one)), (one, intersect(one, COMB)), (one, intersect(one, other))):
        assert members(rest_of(numbers, part)) == members(numbers) - members(part)
        assert all(low < high for low, high in zip(rest_of(numbers, part), rest_of(numbers, part)[1:]))


@given(SETS, SETS)
def test_results_are_in_the_shortest_form(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    for numbers in (intersect(one, other), subtract(one, other), merge([one, other]), complement(one)):
        assert all(low < high for low, high in zip(numbers, numbers[1:]))


@given(SETS)
def test_a_complement_is_all_the_rest(numbers: tuple[int, ...]) -> None:
    assert members(complement(numbers)) == set(NUMBERS) - members(numbers)
    assert complement(complement(numbers)) == numbers
    assert merge([numbers, complement(numbers)]) == EVERYTHING


def test_addresses_are_written_as_networks_and_cut_short() -> None:
    family, ten = network("10.0.0.0/8")
    assert networks(family, ten) == ["10.0.0.0/8"]
    assert networks(4, subtract(ten, network("10.0.0.1")[1]), limit=2) == [
        "10.0.0.0/32",
        "10.0.0.2/31",
        "and 1 further ranges",
    ]
    assert networks(6, network("fe80::/10")[1]) == ["fe80::/10"]


def test_beyond_four_networks_only_how_many_follow_is_told() -> None:
    five = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    assert networks(4, five[:8]) == ["0.0.0.1/32", "0.0.0.3/32", "0.0.0.5/32", "0.0.0.7/32"]
    assert networks(4, five) == ["0.0.0.1/32", "0.0.0.3/32", "0.0.0.5/32", "0.0.0.7/32", "and 1 further ranges"]


ONE_BY_ONE = [
    ((), []),
    ((22, 23), [22]),
    ((1, 3, 8, 9), [1, 2, 8]),
    ((1, 65), [*range(1, 65)]),
    ((1, 66), []),
    ((1, 64, 100, 102), []),
]


@pytest.mark.parametrize(("numbers", "expected"), ONE_BY_ONE)
def test_up_to_64_numbers_are_looked_at_one_by_one(numbers: tuple[int, ...], expected: list[int]) -> None:
    assert few(numbers) == expected


def test_everything_are_the_numbers_of_128_bits() -> None:
    assert EVERYTHING == (0, 340282366920938463463374607431768211456)
    assert network("::/0") == (6, EVERYTHING)
