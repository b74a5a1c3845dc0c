# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cleanup says at its end, word by word: done beside not done, open beside replaced, named beside counted."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.model import (
    DELETE,
    LATE,
    OPEN,
    CleanupPlan,
    Context,
    Deletion,
    InUse,
    Obstacle,
    Removal,
    Usage,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.plan import BOUND, BUDGET
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    DONE,
    FAILED,
    NOT_DONE,
    OK,
    PLANNED,
    SKIPPED,
    WARNING,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.steps import Step

from .examples import entry, rule, scanned


def step(name: str, freed: int = 1024) -> Step:
    return Step(DELETE, f"/x/{name}", "", Deletion(rule(), entry(name), freed))


def told(check: str, *outcomes: Removal, **more: object) -> list[tuple[str, str, str]]:
    """Return (subject, status, message) of one check's findings about a run that ended so."""
    plan = CleanupPlan(tuple(outcome.step for outcome in outcomes))
    run = Context([scanned()], InUse(), plan, outcomes)._replace(**more)  # type: ignore[arg-type]
    return [(f.subject, f.status, f.message) for f in RULES.judge(run) if f.check == f"cleanup.{check}"]


ENDS = [
    ((PLANNED, PLANNED), "2 files and folders with 2.0 KiB can be deleted by the rules"),
    ((DONE, DONE), "2 of 2 planned deletions were done and freed 2.0 KiB"),
    ((DONE, FAILED), "1 of 2 planned deletions were done and freed 1.0 KiB"),
    ((PLANNED, FAILED), "0 of 2 planned deletions were done and freed 0 B"),
]


@pytest.mark.parametrize(("states", "message"), ENDS, ids=["-".join(row[0]) for row in ENDS])
def test_what_was_done_is_counted_apart_from_what_was_planned(states: tuple[str, ...], message: str) -> None:
    outcomes = [Removal(step(f"{n}.log"), state, "") for n, state in enumerate(states)]
    assert [text for _subject, _status, text in told("reclaimable", *outcomes, reclaimable_warning=4096)] == [message]


@pytest.mark.parametrize(
    ("count", "named"),
    [(1, "/x/0"), (5, "/x/0, /x/1, /x/2, /x/3, /x/4"), (7, "/x/0, /x/1, /x/2, /x/3, /x/4 and 2 more")],
)
def test_five_paths_are_named_and_the_rest_is_counted(count: int, named: str) -> None:
    outcomes = [Removal(step(str(n)), FAILED, "it is busy") for n in range(count)]
    (found,) = told("failed", *outcomes)
    assert found == ("logs", CRITICAL, f"{count} deletions were refused (it is busy): {named}")


@pytest.mark.case("L14b")
def test_a_file_that_was_open_at_its_turn_is_spared_and_told_and_one_that_failed_is_not() -> None:
    outcomes = (
        Removal(step("a"), NOT_DONE, OPEN),
        Removal(step("b"), NOT_DONE, LATE),
        Removal(step("c"), FAILED, OPEN),
    )
    assert told("guard", *outcomes) == [
        (OPEN, SKIPPED, "1 files were spared because a process has it open: /x/a"),
        ("replaced folders", OK, "no folder was replaced by something else during the run"),
    ]
    asked = "whether a file is in use is asked when its turn comes, and then it is spared; 1 were met"
    assert told("in_use", *outcomes, in_use=InUse(at_its_turn=True)) == [("open files", OK, asked)]


def test_a_replaced_folder_is_critical_and_takes_the_place_of_the_good_news() -> None:
    swapped = Removal(step("a"), NOT_DONE, "another file has its name", swapped=True)
    assert told("guard", swapped, Removal(step("b"), DONE, "")) == [
        ("replaced folders", CRITICAL, "1 names were left alone: /x/a (another file has its name)"),
    ]


def test_what_is_in_use_is_counted() -> None:
    told_of_two = told("in_use", in_use=InUse(identities=frozenset({(1, 2), (1, 3)})))
    assert told_of_two == [("open files", OK, "2 files are in use and are spared")]


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ({BUDGET: (3, 2048)}, ("left by the budget", OK, "3 files with 2.0 KiB are kept for another run")),
        (
            {BOUND: (3, 2048)},
            ("max_files", WARNING, "3 files with 2.0 KiB are left for the next run, because max_files was reached"),
        ),
    ],
)
def test_what_a_bound_left_is_a_warning_and_what_was_not_asked_for_is_none(left: dict, expected: tuple) -> None:
    assert told("budget", plan=CleanupPlan(left=left)) == [expected]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "/x takes 0 B"),
        ({"b": 1024, "a": 1024, "c": 4096}, "/x takes 6.0 KiB: c 4.0 KiB, a 1.0 KiB, b 1.0 KiB"),
    ],
)
def test_what_takes_the_space_is_named_the_largest_first_and_of_equals_by_name(sizes: dict, message: str) -> None:
    assert told("usage", usage={"/x": Usage(sizes)}) == [("/x", OK, message)]


def test_a_held_file_is_told_with_its_own_reason() -> None:
    held = (Obstacle("/x/a.db", "it has the name of a database"), Obstacle("/x/b", OPEN))
    assert told("guard", plan=CleanupPlan(held=held))[:2] == [
        (
            "it has the name of a database",
            SKIPPED,
            "1 files were spared because it has the name of a database: /x/a.db",
        ),
        (OPEN, SKIPPED, "1 files were spared because a process has it open: /x/b"),
    ]


@pytest.mark.parametrize(("freed", "status"), [(0, OK), (1, WARNING)])
def test_without_a_bound_the_first_byte_that_could_go_is_told(freed: int, status: str) -> None:
    plan = CleanupPlan((step("a", freed),))
    (found,) = [f for f in RULES.judge(Context([scanned()], InUse(), plan, ())) if f.check == "cleanup.reclaimable"]
    assert found.status == status


def test_only_guards_and_refusals_may_be_said_of_one_file_twice() -> None:
    assert {rule.check.id for rule in RULES.all if rule.many} == {"cleanup.guard", "cleanup.failed"}
