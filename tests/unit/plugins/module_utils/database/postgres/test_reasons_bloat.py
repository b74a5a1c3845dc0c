# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bloat estimate: by hand for a packed table, and withheld wherever it could be wrong."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.reasons import (
    Bloat,
    estimate,
    expected_bytes,
    fillfactor,
)

from .builders import server, table

FLOOR = 1_000_000
LARGE = {"heap_bytes": 80_000_000}

# 8168 usable bytes a page; a row of 60 bytes of data takes 4 + 24 + 64 = 92, with a null bitmap 4 + 24 + 64 (23 + 1)
EXPECTED: list[tuple[dict[str, Any], int]] = [
    ({}, 88),
    ({"has_nulls": True}, 88),
    ({"columns": 30, "has_nulls": True}, 81),  # the bitmap of 30 columns takes 4 bytes: the header grows to 32
    ({"options": "fillfactor=50"}, 44),
    ({"row_width": 0.0}, 291),
    ({"columns": 8, "has_nulls": True, "row_width": 8.0}, 226),  # 23 and a bitmap of one byte are 24
    ({"columns": 9, "has_nulls": True, "row_width": 8.0}, 185),  # 25 are aligned to 32
    ({"columns": None, "row_width": None}, 291),
    ({"row_width": 9000.0}, 1),
    ({"row_width": 4056.0}, 2),  # two rows of 4,084 bytes fill a page to its last byte
    ({"row_width": 1912.0, "options": "fillfactor=95"}, 3),  # four of 1,940 would need four tenths of a byte more
]


@pytest.mark.parametrize(("given", "per_page"), EXPECTED)
def test_the_expected_size_is_that_of_packed_pages(given: dict[str, Any], per_page: int) -> None:
    pages = -(-100_000 // per_page)
    assert expected_bytes(table(**given), server()) == pages * 8192


def test_the_empty_share_is_what_the_table_has_above_the_expected_size() -> None:
    packed = expected_bytes(table(), server())
    found = estimate(table(heap_bytes=4 * packed), server(), FLOOR)
    assert found.ratio == pytest.approx(0.75)
    assert found.bytes == 3 * packed


def test_a_table_smaller_than_expected_is_not_bloated() -> None:
    found = estimate(table(heap_bytes=2_000_000), server(), FLOOR)
    assert (found.ratio, found.bytes) == (0.0, 0)


def test_a_measured_share_replaces_the_estimate_even_with_stale_statistics() -> None:
    found = estimate(table(exact_bloat=0.25, modified=99_999, **LARGE), server(), FLOOR)
    assert (found.ratio, found.bytes) == (0.25, 20_000_000)


@pytest.mark.parametrize(("measured", "ratio"), [(1.5, 1.0), (-0.5, 0.0)])
def test_a_measured_share_is_one_of_the_table(measured: float, ratio: float) -> None:
    assert estimate(table(exact_bloat=measured, **LARGE), server(), FLOOR).ratio == ratio


def test_a_table_is_large_enough_from_the_floor_on_and_holds_something() -> None:
    assert estimate(table(heap_bytes=FLOOR), server(), FLOOR).ratio is not None
    assert estimate(table(heap_bytes=FLOOR - 1), server(), FLOOR) == Bloat(None, 0)
    assert estimate(table(heap_bytes=0), server(), 0) == Bloat(None, 0)
    assert estimate(table(heap_bytes=1), server(), 0).ratio is not None


def test_a_table_that_was_empty_when_it_was_analyzed_can_be_estimated() -> None:
    assert estimate(table(reltuples=0.0, **LARGE), server(), FLOOR).ratio == 1.0


WITHHELD: list[tuple[dict[str, Any], str]] = [
    ({"last_analyze": None}, "no analyze is on record"),
    ({"reltuples": -1.0}, "no analyze is on record"),
    ({"modified": 20_001}, "20,001 of 100,000 rows changed"),
    ({"columns_seen": 0}, "sees no row of pg_stats"),
    ({"columns_seen": None}, "sees no row of pg_stats"),
    ({"columns_seen": 2}, "pg_stats covers 2 of its 3 columns"),
]


@pytest.mark.parametrize(("given", "reason"), WITHHELD)
def test_the_estimate_is_withheld_with_the_reason(given: dict[str, Any], reason: str) -> None:
    found = estimate(table(**LARGE, **given), server(), FLOOR)
    assert found.ratio is None
    assert reason in found.withheld
    assert found == Bloat(None, 0, found.withheld)


def test_statistics_are_fresh_until_a_fifth_of_the_rows_changed() -> None:
    assert estimate(table(modified=20_000, **LARGE), server(), FLOOR).ratio is not None


@pytest.mark.parametrize("given", [{"heap_bytes": FLOOR - 1}, {"kind": "p", **LARGE}])
def test_what_is_too_small_or_holds_no_rows_has_no_bloat_and_nothing_to_withhold(given: dict[str, Any]) -> None:
    found = estimate(table(last_analyze=None, **given), server(), FLOOR)
    assert (found.ratio, found.withheld) == (None, "")


OPTIONS = [
    (None, 100),
    ("fillfactor=70", 70),
    ("autovacuum_enabled=off,fillfactor=85", 85),
    ("toast.x=fillfactor=9", 100),
]


@pytest.mark.parametrize(("options", "expected"), OPTIONS)
def test_the_fillfactor_is_read_from_the_options(options: Any, expected: int) -> None:
    assert fillfactor(table(options=options)) == expected
