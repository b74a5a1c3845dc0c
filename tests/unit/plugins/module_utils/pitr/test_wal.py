# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which segments a restore needs, and which are missing: one table of archives, and what is said of each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.wal import (
    MIB16,
    Archive,
    Base,
    Fork,
    Gap,
    Segment,
    all_gaps,
    broken,
    name_of,
    parse_history,
    parse_name,
    parse_position,
    position_text,
    windows,
)

FORK = "1\t0/5000000\tno recovery target specified\n\n# a comment\n2\t0/8123456\tbefore 2026-11-29\n"


def archive(*parts: tuple[int, range], histories: dict | None = None, without: tuple = ()) -> Archive:
    numbers = [Segment(timeline, number) for timeline, some in parts for number in some]
    return Archive({each: 100.0 + each.number for each in numbers if tuple(each) not in without}, histories or {})


def base(label: str = "full", timeline: int = 1, start: int = 2, stop: int = 3) -> Base:
    return Base(label, timeline, start, stop, 100.0 + stop)


TL2 = {2: (Fork(1, 5 * MIB16 + 100),)}


@pytest.mark.parametrize(
    ("held", "bases", "gaps"),
    [
        (archive((1, range(1, 9))), [base()], []),
        (archive((1, range(1, 9)), without=((1, 5),)), [base()], [Gap(1, 5, 5)]),
        (archive((1, range(1, 9)), without=((1, 4), (1, 5), (1, 7))), [base()], [Gap(1, 4, 5), Gap(1, 7, 7)]),
        # what lies before the oldest backup is needed by nobody
        (archive((1, range(1, 9)), without=((1, 1),)), [base()], []),
        # what the backup itself needs
        (archive((1, range(1, 9)), without=((1, 2),)), [base()], [Gap(1, 2, 2)]),
        # timeline 2 began within segment 5: that is read from its own copy, and those before from timeline 1
        (archive((1, range(1, 6)), (2, range(5, 9)), histories=TL2), [base()], []),
        (archive((1, range(1, 6)), (2, range(6, 9)), histories=TL2), [base()], [Gap(2, 5, 5)]),
        (archive((1, range(1, 4)), (2, range(5, 9)), histories=TL2), [base()], [Gap(1, 4, 4)]),
        # without its history nobody knows where it began: its own segments are looked at, from its own backup on
        (archive((2, range(5, 9)), without=((2, 7),)), [base("own", 2, 5, 5)], [Gap(2, 7, 7)]),
        # no backup: nothing is needed yet
        (archive((1, range(1, 9)), without=((1, 5),)), [], []),
    ],
)
def test_a_missing_segment_is_found_wherever_it_lies(held: Archive, bases: list[Base], gaps: list[Gap]) -> None:
    assert list(all_gaps(held, bases)) == gaps


@given(st.integers(1, 3), st.sets(st.integers(2, 60), max_size=12), st.integers(10, 60))
def test_what_was_taken_out_is_what_is_named(timeline: int, taken: set[int], end: int) -> None:
    inner = {number for number in taken if number < end}
    held = archive((timeline, range(2, end + 1)), without=tuple((timeline, number) for number in inner))
    found = all_gaps(held, [base(timeline=timeline, start=2, stop=2)])
    assert {number for gap in found for number in range(gap.first, gap.last + 1)} == inner


def test_a_window_ends_before_the_first_gap_and_a_later_backup_begins_another() -> None:
    held = archive((1, range(1, 20)), without=((1, 8),))
    first, second = windows(held, [base(), base("later", 1, 10, 11)])
    assert (first.label, first.last, first.until, first.complete) == ("full", Segment(1, 7), 107.0, False)
    assert (second.label, second.since, second.last, second.complete) == ("later", 111.0, Segment(1, 19), True)


def test_a_backup_that_lacks_its_own_wal_is_broken_and_opens_no_window() -> None:
    held = archive((1, range(1, 20)), without=((1, 3),))
    assert windows(held, [base()]) == ()
    assert broken(held, [base(), base("later", 1, 10, 11)]) == {"full": Gap(1, 3, 3)}


def test_a_backup_that_was_taken_after_the_fork_leads_to_no_younger_timeline() -> None:
    held = archive((1, range(1, 12)), (2, range(5, 9)), histories=TL2)
    found = windows(held, [base(), base("after", 1, 7, 8)])
    assert {(each.label, each.timeline) for each in found} == {("full", 1), ("full", 2), ("after", 1)}


def test_a_name_and_a_position_are_read_as_the_server_writes_them() -> None:
    assert parse_name("000000020000000100000003", MIB16) == Segment(2, 256 + 3)
    assert parse_name("000000020000000100000003", 64 << 20) == Segment(2, 64 + 3)
    assert parse_name("000000010000000000000002.00000028.backup", MIB16) is None
    assert name_of(Segment(2, 259), MIB16) == "000000020000000100000003"
    assert parse_position("1/16B3748") == (1 << 32) + 0x16B3748
    assert position_text((1 << 32) + 0x16B3748) == "1/016B3748"
    assert parse_history(FORK) == (Fork(1, 0x5000000), Fork(2, 0x8123456))


@given(st.integers(1, 2**31), st.integers(0, 2**30), st.sampled_from([1 << 20, MIB16, 64 << 20, 1 << 30]))
def test_names_go_both_ways(timeline: int, number: int, size: int) -> None:
    segment = Segment(timeline, number % ((1 << 32) * 0xFFFF // size))
    assert parse_name(name_of(segment, size), size) == segment
