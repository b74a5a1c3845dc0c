# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings that somebody answers for until a day: which they are, what becomes of them, and of their entries."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.accepted import Accepted, accept, parse_accepted
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import STATUSES, Check, Finding

CHECK = Check("a.exceptions", "W1", "", "ask")
TODAY = dt.date(2026, 11, 22)


def entry(**values: Any) -> Accepted:
    given = {"check": "a.b", "subject": "s", "owner": "ops", "reason": "a test", "expires": TODAY}
    return Accepted(**{**given, **values})


def finding(status: str = "warning", check: str = "a.b", subject: str = "s") -> Finding:
    return Finding(check, subject, status, "it is", "x", "y", "mend it", "W1")


def statuses(found: list[Finding], *entries: Accepted) -> list[tuple[str, str, str]]:
    return [(each.check, each.subject, each.status) for each in accept(CHECK, found, entries, TODAY)]


NONE, ONE = ("a.exceptions", "exceptions", "skipped"), ("a.exceptions", "exceptions", "ok")
SUBJECTS = [
    ("s", "s", True),
    ("s", "*", True),
    ("tcp 0.0.0.0:22", "tcp 0.0.0.0:*", True),
    ("tcp 0.0.0.0:22", "tcp 0.0.0.0:8*", False),
    ("tcp [::]:22", "tcp [::]:22", True),  # as it is written, though brackets mean something in a pattern
    ("tcp :22", "tcp [:]:22", False),
    ("S", "s", False),
    ("ss", "s", False),
]


@pytest.mark.parametrize(("subject", "pattern", "skipped"), SUBJECTS)
def test_a_subject_is_meant_as_it_is_written_or_by_a_pattern(subject: str, pattern: str, skipped: bool) -> None:
    (first, _rest) = statuses([finding(subject=subject)], entry(subject=pattern))
    assert first[2] == ("skipped" if skipped else "warning")


@pytest.mark.parametrize("status", STATUSES)
def test_what_is_bad_is_skipped_and_what_is_not_stays(status: str) -> None:
    expected = status if status in ("ok", "skipped") else "skipped"
    assert statuses([finding(status)], entry()) == [("a.b", "s", expected), ONE]


def test_only_the_check_that_is_named_is_meant() -> None:
    found = [finding(), finding(check="a.c")]
    assert statuses(found, entry()) == [("a.b", "s", "skipped"), ("a.c", "s", "warning"), ONE]


def test_a_finding_that_is_accepted_says_who_why_and_until_when_and_keeps_what_it_is() -> None:
    before = finding("critical")
    after, in_force = accept(CHECK, [before], [entry()], TODAY)
    assert after.message == "accepted by ops until 2026-11-22 (a test): it is"
    assert (after.expected, after.actual, after.procedure, after.remedy) == ("x", "y", "W1", "")
    assert in_force.message == "1 exceptions are in force"


DAYS = [(-1, "warning"), (0, "skipped"), (1, "skipped")]


@pytest.mark.parametrize(("later", "status"), DAYS)
def test_an_entry_counts_to_the_end_of_its_day(later: int, status: str) -> None:
    found = statuses([finding()], entry(expires=TODAY + dt.timedelta(days=later)))
    assert found[0] == ("a.b", "s", status)
    assert (("a.exceptions", "a.b s", "warning") in found) is (status == "warning")


def test_an_entry_that_has_expired_says_what_counts_again() -> None:
    old = entry(expires=dt.date(2026, 11, 21))
    _same, expired, in_force = accept(CHECK, [finding()], [old], TODAY)
    assert expired.message == "it expired on 2026-11-21, ask ops: 1 findings that it covered count again"
    assert (expired.expected, expired.actual, expired.remedy) == ("2026-11-22 or later", "2026-11-21", "ask")
    assert in_force.message == "no exceptions are in force"
    _expired, _in_force = accept(CHECK, [], [old], TODAY)
    assert "0 findings" in _expired.message


def test_beside_one_that_has_expired_another_one_still_counts() -> None:
    old = entry(expires=dt.date(2026, 11, 21), owner="gone")
    first, *_rest = accept(CHECK, [finding()], [old, entry()], TODAY)
    assert first.message.startswith("accepted by ops")


def test_an_entry_that_nothing_is_found_for_is_named() -> None:
    *_same, in_force = accept(CHECK, [finding(), finding("ok", subject="t")], [entry(), entry(subject="t")], TODAY)
    assert in_force.message == "2 exceptions are in force; nothing is found that these are for: a.b t"
    assert (in_force.status, in_force.actual) == ("ok", ["a.b t"])


def test_without_entries_nothing_is_accepted() -> None:
    assert statuses([finding()]) == [("a.b", "s", "warning"), NONE]


GIVEN = {"check": "a.b", "owner": "ops", "reason": "a test", "expires": "2026-11-22"}
WRONG = [
    ({"check": "a.x"}, r"exceptions\[1\].check is 'a.x', expected the id of a check"),
    ({"owner": " "}, r"exceptions\[1\].owner is ' '"),
    ({"reason": ""}, r"exceptions\[1\].reason is ''"),
    ({"expires": "soon"}, r"exceptions\[1\].expires is 'soon'"),
    ({"expires": ""}, r"exceptions\[1\].expires is ''"),
]


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_an_entry_that_names_no_check_nobody_or_no_day_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_accepted("exceptions", [GIVEN, {**GIVEN, **values}], ["a.b"])


def test_an_entry_without_a_subject_means_all() -> None:
    assert parse_accepted("exceptions", [GIVEN], ["a.b"]) == (entry(subject="*"),)
    assert parse_accepted("exceptions", [{**GIVEN, "subject": "t"}], ["a.b"]) == (entry(subject="t"),)


def test_a_time_of_the_day_does_not_matter() -> None:
    assert parse_accepted("exceptions", [{**GIVEN, "expires": "2026-11-22 10:00:00"}], ["a.b"]) == (entry(subject="*"),)
