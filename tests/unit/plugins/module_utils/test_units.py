# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units: numbers for people and numbers from people."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.units import (
    human_bytes,
    human_seconds,
    parse_bytes,
    parse_seconds,
)

HUMAN_BYTES = [
    (0, "0 B"),
    (1023, "1023 B"),
    (1024, "1.0 KiB"),
    (1536, "1.5 KiB"),
    (1 << 20, "1.0 MiB"),
    ((1 << 20) - 1, "1.0 MiB"),  # not "1024.0 KiB"
    (5 * (1 << 30), "5.0 GiB"),
    (1 << 60, "1024.0 PiB"),  # the largest unit there is
    (-2048, "-2.0 KiB"),
]
HUMAN_SECONDS = [
    (0, "0.0 s"),
    (59.94, "59.9 s"),
    (59.97, "1.0 min"),
    (60, "1.0 min"),
    (3600, "1.0 h"),
    (86400, "1.0 d"),
    (-7200, "-2.0 h"),
]
SIZES = [
    ("4096B", 4096),
    ("0", 0),
    (0, 0),
    ("500M", 500 << 20),
    ("1.5GiB", 3 << 29),
    ("1.5 GiB", 3 << 29),
    ("2kb", 2048),
    (" 10 b ", 10),
    ("1p", 1 << 50),
]
BAD_SIZES = ["", "G", "-5M", "5X", "1e3", "5 G B", "1.2.3", "5i", "5ib", None, True, "5M\n5M"]
DURATIONS = [
    ("90s", 90),
    ("0", 0),
    (0, 0),
    (0.0, 0),
    ("15m", 900),
    ("1.5h", 5400),
    ("7d", 604800),
    ("2w", 1209600),
    ("3 D", 259200),
]
BARE = [(35, "35"), ("35", "35"), (" 35 ", "35"), (0.5, "0.5"), ("1", "1")]
BAD_DURATIONS = ["", "d", "-1h", "5y", "1h30m", None, "1 hour"]


@pytest.mark.parametrize(("count", "text"), HUMAN_BYTES)
def test_bytes_are_written_in_the_unit_that_keeps_the_number_small(count: int, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(("seconds", "text"), HUMAN_SECONDS)
def test_seconds_are_written_in_the_largest_unit_that_leaves_one(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


@pytest.mark.parametrize(("value", "expected"), SIZES)
def test_a_size_is_read_with_binary_units(value: object, expected: int) -> None:
    assert parse_bytes("free_bytes", value) == expected


@pytest.mark.parametrize("value", BAD_SIZES)
def test_a_size_of_another_form_is_refused_by_name(value: object) -> None:
    with pytest.raises(InputError, match=r"free_bytes is .*, expected a size"):
        parse_bytes("free_bytes", value)


@pytest.mark.parametrize(("value", "expected"), DURATIONS)
def test_a_duration_is_read_in_seconds(value: object, expected: float) -> None:
    assert parse_seconds("age", value) == expected


@pytest.mark.parametrize("value", BAD_DURATIONS)
def test_a_duration_of_another_form_is_refused_by_name(value: object) -> None:
    with pytest.raises(InputError, match=r"age is .*, expected a duration"):
        parse_seconds("age", value)


@pytest.mark.case("CL2")
@pytest.mark.parametrize(("value", "number"), BARE)
def test_a_bare_number_is_no_duration_and_no_size(value: object, number: str) -> None:
    with pytest.raises(
        InputError, match=rf"age is .*: {number} what\? write {number}d \({number}h, {number}m or {number}s"
    ):
        parse_seconds("age", value)
    with pytest.raises(InputError, match=rf"{number} what\? write {number}G"):
        parse_bytes("min_size", value)


@pytest.mark.case("CL2")
def test_an_option_whose_name_says_bytes_takes_a_bare_number() -> None:
    assert parse_bytes("bloat_bytes", 4096, bare=True) == 4096


@pytest.mark.case("CL2")
def test_three_of_a_capital_m_are_not_three_minutes() -> None:
    with pytest.raises(InputError, match="3m are minutes, and a month is 30d"):
        parse_seconds("age", "3M")


@given(st.integers(min_value=0, max_value=1 << 50))
def test_a_size_written_for_people_never_shows_1024_of_a_unit_that_has_a_next_one(count: int) -> None:
    number = float(re.match(r"[\d.]+", human_bytes(count))[0])  # type: ignore[index]
    assert number < 1024


@given(st.integers(min_value=0, max_value=1 << 50))
def test_what_is_written_for_people_is_read_back_within_its_rounding(count: int) -> None:
    read = parse_bytes("size", human_bytes(count))
    assert abs(read - count) <= max(0.06 * count, 1)


@given(st.text())
def test_any_text_is_either_a_size_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        assert parse_bytes("size", text) >= 0
