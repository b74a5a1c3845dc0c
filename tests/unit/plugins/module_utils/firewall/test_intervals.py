# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import (
    EVERYTHING,
    complement,
    contains,
    count,
    intersect,
    merge,
    network,
    networks,
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
