# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers at, below and above their bounds, and what a row makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    OK,
    SKIPPED,
    UNKNOWN,
    WARNING,
    Check,
    Finding,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import Outcome, Rules
from ansible_collections.cryptobot.maintenance.plugins.module_utils.thresholds import (
    ABOVE,
    BELOW,
    Bounded,
    Bounds,
    Number,
    Threshold,
    add_rows,
    in_words,
    mildest,
    status_of,
)

BOTH_HIGH, BOTH_LOW = Bounds(80.0, 90.0), Bounds(20.0, 10.0)
STATUSES = [
    (79.9, ABOVE, BOTH_HIGH, OK),
    (80.0, ABOVE, BOTH_HIGH, OK),  # at a bound a number is still good
    (80.1, ABOVE, BOTH_HIGH, WARNING),
    (90.0, ABOVE, BOTH_HIGH, WARNING),
    (90.1, ABOVE, BOTH_HIGH, CRITICAL),
    (20.1, BELOW, BOTH_LOW, OK),
    (20.0, BELOW, BOTH_LOW, OK),
    (19.9, BELOW, BOTH_LOW, WARNING),
    (10.0, BELOW, BOTH_LOW, WARNING),
    (9.9, BELOW, BOTH_LOW, CRITICAL),
    (100.0, ABOVE, Bounds(80.0, None), WARNING),
    (85.0, ABOVE, Bounds(None, 90.0), OK),
    (91.0, ABOVE, Bounds(None, 90.0), CRITICAL),
    (0.0, BELOW, Bounds(20.0, None), WARNING),
    (0.0, BELOW, Bounds(), OK),
    (1e9, ABOVE, Bounds(), OK),
    (0.1, ABOVE, Bounds(0.0, None), WARNING),  # a bound of 0 is one
    (85.0, ABOVE, Bounds(80.0, 80.0), CRITICAL),  # both steps at once
]


@pytest.mark.parametrize(("value", "bad", "bounds", "status"), STATUSES)
def test_a_number_is_good_at_its_bound_and_bad_beyond(value: float, bad: str, bounds: Bounds, status: str) -> None:
    assert status_of(value, bad, bounds) == status


WORDS = [
    (ABOVE, Bounds(80.0, 90.0), "", "at most 80 % (critical: 90 %)"),
    (BELOW, Bounds(20.0, 10.0), "", "at least 20 % (critical: 10 %)"),
    (ABOVE, Bounds(80.0, None), "", "at most 80 %"),
    (BELOW, Bounds(None, 10.0), "", "at least 10 %"),
    (BELOW, Bounds(0.0, None), "", "at least 0 %"),
    (BELOW, Bounds(20.0, 10.0), "not within", "not within 20 % (critical: 10 %)"),
    (ABOVE, Bounds(), "", ""),
    (ABOVE, Bounds(80.0, 90.0), None, ""),
]


@pytest.mark.parametrize(("bad", "bounds", "wanted", "text"), WORDS)
def test_bounds_are_told_in_words(bad: str, bounds: Bounds, wanted: str | None, text: str) -> None:
    assert in_words(Bounded("used", bad, "{:g} %".format, wanted=wanted), bounds) == text


@pytest.mark.parametrize(
    ("statuses", "status"), [([CRITICAL, WARNING], WARNING), ([OK, CRITICAL], OK), ([CRITICAL, CRITICAL], CRITICAL)]
)
def test_the_mildest_is_bad_only_where_all_are(statuses: list[str], status: str) -> None:
    assert mildest(statuses) == status


class Holder(NamedTuple):
    """A context with the numbers of a test, and the bounds of all options by their names."""

    numbers: tuple[Any, ...]
    known: dict[str, Bounds]

    def bounds(self, option: str, subject: str) -> Bounds:
        return self.known.get(f"{option} of {subject}", self.known[option])

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        status, message, expected, actual, remedy, subject = outcome
        return check.finding(status, subject, message, expected=expected, actual=actual, remedy=remedy)


def numbers_of(context: Holder) -> Iterator[Any]:
    return iter(context.numbers)


ROW = Threshold(
    "area.used",
    "How much is used.",
    "D1.1",
    numbers_of,
    (Bounded("used", ABOVE, "{:g} %".format), Bounded("free", BELOW, "{:g} GB".format)),
    "{subject} has {actual} of {what}",
    "Use less.",
    "Us.",
)
KNOWN = {"used": Bounds(80.0, 90.0), "free": Bounds(5.0, None)}


def judged(row: Threshold, *numbers: Any, **known: Bounds) -> list[Finding]:
    rules = Rules()
    add_rows(rules, row)
    return rules.judge(Holder(numbers, {**KNOWN, **known}))


def test_a_row_makes_a_finding_of_each_number_in_its_own_words() -> None:
    (first, second) = judged(ROW, Number((85.0, 9.0), "85 %", "it {}", "/a"), Number((1.0, 9.0), "1 %", "it", "/b"))
    expected = "at most 80 % (critical: 90 %) and at least 5 GB"
    assert first == Finding(
        "area.used", "/a", WARNING, "/a has 85 % of it {}", expected, "85 %", remedy="Use less.", procedure="D1.1"
    )
    assert (second.subject, second.status, second.remedy) == ("/b", OK, "")


COMBINED = [
    ((85.0, 9.0), {}, WARNING, OK),
    ((85.0, 4.0), {}, WARNING, WARNING),
    ((95.0, 4.0), {}, CRITICAL, WARNING),
    ((95.0, 9.0), {}, CRITICAL, OK),
    ((79.0, 5.0), {}, OK, OK),
]


@pytest.mark.parametrize(("values", "known", "worst", "least"), COMBINED)
def test_of_several_numbers_the_worst_counts_or_the_mildest(
    values: tuple[float, ...], known: dict[str, Bounds], worst: str, least: str
) -> None:
    number = Number(values, "so much", subject="/a")
    assert [found.status for found in judged(ROW, number, **known)] == [worst]
    assert [found.status for found in judged(ROW._replace(of=mildest), number, **known)] == [least]


def test_a_subject_has_bounds_of_its_own() -> None:
    number = Number((85.0, 9.0), "85 %", subject="/a")
    assert [found.status for found in judged(ROW, number, **{"used of /a": Bounds(85.0, None)})] == [OK]
    assert [found.status for found in judged(ROW, number, **{"used of /b": Bounds(85.0, None)})] == [WARNING]


def test_a_number_may_be_bad_whatever_its_bounds_say_and_without_a_value_nothing_is_compared() -> None:
    assert [found.status for found in judged(ROW, Number((1.0, 9.0), "", status=CRITICAL))] == [CRITICAL]
    assert [found.status for found in judged(ROW, Number((95.0, 9.0), "", status=WARNING))] == [CRITICAL]
    assert [found.status for found in judged(ROW, Number((), "none", status=WARNING))] == [WARNING]
    (found,) = judged(ROW, Number((), "none"))
    assert (found.status, found.expected) == (OK, "at most 80 % (critical: 90 %) and at least 5 GB")


def test_nothing_bounded_expects_nothing_unless_the_row_has_words_for_it() -> None:
    unbounded = {"used": Bounds(), "free": Bounds()}
    number = Number((99.0, 0.0), "99 %")
    assert [found.expected for found in judged(ROW, number, **unbounded)] == [None]
    assert [found.expected for found in judged(ROW._replace(expected="{} free"), number, **unbounded)] == [" free"]


def test_what_is_no_number_is_said_as_it_is_and_not_adjusted() -> None:
    row = ROW._replace(adjusted=lambda _context, outcome: outcome._replace(status=UNKNOWN))
    skipped = Outcome(SKIPPED, "this host has none", remedy="", subject="swap")
    found = judged(row, skipped, Number((1.0, 9.0), "1 %", subject="/a"))
    assert [(each.subject, each.status) for each in found] == [("swap", SKIPPED), ("/a", UNKNOWN)]


def test_a_row_is_a_rule_of_the_catalogue_and_no_id_stands_twice() -> None:
    rules = Rules()
    add_rows(rules, ROW, ROW._replace(id="area.other", remedy={"linux": "See `x`.", "windows": "See y."}))
    assert [rule.check.id for rule in rules.all] == ["area.used", "area.other"]
    check = rules["area.other"]
    assert (check.summary, check.procedure, check.source) == ("How much is used.", "D1.1", "Us.")
    assert (check.remedy, check.remedy_for("windows"), check.remedy_for("darwin")) == ("See `x`.", "See y.", "See `x`.")
    with pytest.raises(ValueError, match=r"area\.used is declared twice"):
        add_rows(rules, ROW)
