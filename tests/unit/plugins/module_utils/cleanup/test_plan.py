# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan deletes and what it spares, as tables over names, ages and guards."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.model import (
    FOLDER,
    LINK,
    OTHER,
    REMOVE_FOLDER,
    CleanupPlan,
    FolderEntry,
    InUse,
    Obstacle,
    Scan,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.plan import plan

from .examples import DAY, NOTHING_OPEN, NOW, entry, rule, scanned

MANY = 10**6


def made(*scans: Scan, in_use: InUse = NOTHING_OPEN, budget: int | None = None, max_files: int = MANY) -> CleanupPlan:
    return plan(scans, in_use, NOW, budget, max_files)


def names(planned: CleanupPlan) -> list[str]:
    return [step.subject.removeprefix("/opt/logs/") for step in planned.steps]


# why, what differs in the rule, the name, whether it is deleted. The plain rule: *.log, at least 7 days by mtime.
ONE: list[tuple[str, dict[str, Any], FolderEntry, bool]] = [
    ("it is old and fits", {}, entry("a.log", 8), True),
    ("it is exactly as old as it must be", {}, entry("a.log", 7), True),
    ("it is younger", {}, entry("a.log", 6.999), False),
    ("its time lies in the future", {}, entry("a.log", -5), False),
    ("its name does not fit", {}, entry("a.txt"), False),
    ("patterns are told by case", {}, entry("A.LOG"), False),
    ("a leading dot is a character", {}, entry(".hidden.log"), True),
    ("one of several patterns fits", {"patterns": ("*.tmp", "*.log")}, entry("a.log"), True),
    ("without patterns every name fits", {"patterns": ()}, entry("whatever"), True),
    ("a name with a newline fits like another", {}, entry("a\nb.log"), True),
    ("a name that is no UTF-8 fits like another", {}, entry("a\udcff.log"), True),
    ("a symlink is never meant", {}, entry("a.log", kind=LINK), False),
    ("a folder is never meant", {}, entry("a.log", kind=FOLDER), False),
    ("a socket, pipe or device is never meant", {}, entry("a.log", kind=OTHER), False),
    ("it is large enough", {"min_size": 1000}, entry("a.log", size=1000), True),
    ("without a least size an empty file is large enough", {}, entry("a.log", size=0), True),
    ("it is too small", {"min_size": 1001}, entry("a.log", size=1000), False),
    ("an age may be counted by ctime", {"age_by": "ctime"}, entry("a.log", ctime=NOW - DAY), False),
    ("an age may be counted by atime", {"age_by": "atime"}, entry("a.log", atime=NOW - DAY), False),
    ("the newest of three times is young", {"age_by": "newest"}, entry("a.log", ctime=NOW - DAY), False),
    ("the newest of three times is old", {"age_by": "newest"}, entry("a.log", ctime=NOW - 8 * DAY), True),
    ("by mtime a young ctime does not matter", {}, entry("a.log", ctime=NOW), True),
    ("without an age it is always old enough", {"age": None}, entry("a.log", 0), True),
    ("it has the name of a database", {"patterns": ()}, entry("orders.db"), False),
    ("it lies in a folder below and has that name", {"patterns": ()}, entry("old/orders.db"), False),
    ("its folder alone has that name", {"patterns": ()}, entry("orders.db/a.log"), True),
    ("a journal belongs to a database", {"patterns": ()}, entry("orders.sqlite3-WAL"), False),
    ("also where a pattern names it", {"patterns": ("*.db-journal",)}, entry("orders.db-journal"), False),
]


@pytest.mark.parametrize(("_why", "changes", "name", "deleted"), ONE, ids=[row[0] for row in ONE])
def test_a_name_is_deleted_or_spared(_why: str, changes: dict[str, Any], name: FolderEntry, deleted: bool) -> None:
    assert len(made(scanned(name, of=rule(**changes))).steps) == int(deleted)


OWNERS = [(None, 0, True), (1000, 1000, True), (1000, 0, False), (0, 1000, False)]


@pytest.mark.parametrize(("wanted", "owner", "deleted"), OWNERS)
def test_only_files_of_the_declared_owner_are_meant(wanted: int | None, owner: int, deleted: bool) -> None:
    assert len(made(scanned(entry("a.log", uid=owner), uid=wanted)).steps) == int(deleted)


def test_the_newest_files_stay_however_old_they_are() -> None:
    files = [entry(f"{age}.log", age) for age in (10, 11, 12, 13)]
    assert names(made(scanned(*files, of=rule(keep=2)))) == ["13.log", "12.log"]


def test_files_that_the_rule_does_not_mean_do_not_count_as_kept() -> None:
    files = [entry("young.txt", 1), entry("link.log", 1, kind=LINK), entry("10.log", 10), entry("11.log", 11)]
    assert names(made(scanned(*files, of=rule(keep=1)))) == ["11.log"]


def test_young_files_count_as_kept() -> None:
    files = [entry("1.log", 1), entry("2.log", 2), entry("10.log", 10)]
    assert names(made(scanned(*files, of=rule(keep=2)))) == ["10.log"]


def test_a_file_that_a_process_has_open_is_spared_and_said_so() -> None:
    busy = entry("busy.log")
    planned = made(scanned(busy, entry("idle.log")), in_use=InUse(frozenset({busy.identity})))
    assert names(planned) == ["idle.log"]
    assert planned.held == (Obstacle("/opt/logs/busy.log", "a process has it open"),)


def test_only_what_would_have_been_deleted_is_told_as_spared() -> None:
    young = entry("young.log", 1)
    assert made(scanned(young), in_use=InUse(frozenset({young.identity}))).held == ()


def test_the_oldest_goes_first_over_all_rules() -> None:
    logs = scanned(entry("a.log", 10), entry("b.log", 30))
    temporary = scanned(entry("c.tmp", 20), of=rule(name="tmp", path="/tmp/x", patterns=("*.tmp",)))
    paths = [step.subject for step in made(logs, temporary).steps]
    assert paths == ["/opt/logs/b.log", "/tmp/x/c.tmp", "/opt/logs/a.log"]


def test_where_rules_overlap_each_file_is_deleted_once_by_the_first() -> None:
    name = entry("a.log")
    planned = made(scanned(name), scanned(name, of=rule(name="again")))
    assert [step.task.rule.name for step in planned.steps] == ["logs"]


BUDGETS = [(None, 3, 0), (1, 1, 2), (4096, 1, 2), (4097, 2, 1), (3 * 4096, 3, 0), (10**9, 3, 0), (0, 0, 3)]


@pytest.mark.parametrize(("budget", "deleted", "left"), BUDGETS)
def test_a_budget_ends_the_plan_with_the_file_that_reaches_it(budget: int | None, deleted: int, left: int) -> None:
    planned = made(scanned(*(entry(f"{age}.log", age) for age in (10, 20, 30))), budget=budget)
    assert names(planned) == ["30.log", "20.log", "10.log"][:deleted]
    assert planned.left == ({"budget": (left, left * 4096)} if left else {})


def test_the_bound_of_files_ends_the_plan_and_what_is_left_is_counted() -> None:
    planned = made(scanned(*(entry(f"{age}.log", age) for age in (10, 20, 30))), max_files=2)
    assert names(planned) == ["30.log", "20.log"]
    assert planned.left == {"max_files": (1, 4096)}


def test_a_file_with_several_names_frees_its_space_only_with_the_last() -> None:
    shared = (1, 5)
    one = entry("one.log", 30, identity=shared, links=2)
    two = entry("two.log", 20, identity=shared, links=2)
    assert [step.task.freed for step in made(scanned(one, two)).steps] == [0, 4096]
    assert [step.task.freed for step in made(scanned(one)).steps] == [0]


def test_a_budget_counts_what_is_really_freed() -> None:
    linked = [entry(f"{age}.log", age, links=2) for age in (30, 29, 28)]
    planned = made(scanned(*linked, entry("10.log", 10), entry("9.log", 9)), budget=4096)
    assert names(planned) == ["30.log", "29.log", "28.log", "10.log"]
    assert planned.freed == 4096


FOLDERS = rule(recurse=True, empty_dirs=True)


def folder(name: str, days: float = 30.0, **changes: Any) -> FolderEntry:
    return entry(name, days, kind=FOLDER, **changes)


# why, what stands there, the folders that are removed, in order
EMPTY: list[tuple[str, tuple[FolderEntry, ...], list[str]]] = [
    ("it is empty", (folder("a"),), ["a"]),
    ("it is young", (folder("a", 1),), []),
    ("its last file goes with this run", (folder("a"), entry("a/x.log")), ["a"]),
    ("a file stays", (folder("a"), entry("a/x.log"), entry("a/y.txt")), []),
    ("a symlink stays", (folder("a"), entry("a/x.log", kind=LINK)), []),
    ("deepest first", (folder("a"), folder("a/b"), folder("a/b/c"), entry("a/b/c/x.log")), ["a/b/c", "a/b", "a"]),
    ("a young one below keeps all above", (folder("a"), folder("a/b"), folder("a/b/c", 1)), []),
    ("beside each other", (folder("a"), folder("b"), entry("b/x.txt")), ["a"]),
]


@pytest.mark.parametrize(("_why", "entries", "removed"), EMPTY, ids=[row[0] for row in EMPTY])
def test_an_old_folder_that_is_empty_or_becomes_so_is_removed(
    _why: str, entries: tuple[FolderEntry, ...], removed: list[str]
) -> None:
    steps = made(scanned(*entries, of=FOLDERS)).steps
    assert [step.subject.removeprefix("/opt/logs/") for step in steps if step.action == REMOVE_FOLDER] == removed


FOLDERS_KEPT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("the rule does not ask for it", {"of": rule(recurse=True)}, {}),
    ("it belongs to someone else", {"uid": 1000}, {}),
    ("a file system is mounted there", {"not_entered": (Obstacle("/opt/logs/a", "mounted"),)}, {}),
    ("not everything was looked at", {"bound": "max_entries"}, {}),
    ("something could not be read", {"unread": (Obstacle("/opt/logs/x", "denied"),)}, {}),
    ("a process works in it", {}, {"in_use": InUse(frozenset({(7, 7)}))}),
    ("a bound ended the plan", {}, {"max_files": 1}),
]


@pytest.mark.parametrize(("_why", "scan", "options"), FOLDERS_KEPT, ids=[row[0] for row in FOLDERS_KEPT])
def test_an_empty_folder_stays_where(_why: str, scan: dict[str, Any], options: dict[str, Any]) -> None:
    entries = (folder("a", identity=(7, 7)), entry("x.log"), entry("y.log"))
    steps = made(scanned(*entries, **{"of": FOLDERS, **scan}), **options).steps
    assert [step.subject for step in steps if step.action == REMOVE_FOLDER] == []


def test_without_a_guard_that_same_folder_goes() -> None:
    planned = made(scanned(folder("a", identity=(7, 7)), entry("x.log"), of=FOLDERS))
    assert [step.subject for step in planned.steps if step.action == REMOVE_FOLDER] == ["/opt/logs/a"]
    assert planned.freed == 2 * 4096  # the file's blocks, and the folder's own


# why, what differs in rule and look, what is in use, whether the rule does nothing
REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], InUse, bool]] = [
    ("its folder is a symlink", {}, {"unavailable": "a symlink"}, NOTHING_OPEN, True),
    ("the newest are not known", {"keep": 1}, {"bound": "max_entries"}, NOTHING_OPEN, True),
    ("the newest are not known either", {"keep": 1}, {"unread": (Obstacle("/x", "denied"),)}, NOTHING_OPEN, True),
    ("without keep the part that was seen is fine", {}, {"bound": "max_entries"}, NOTHING_OPEN, False),
    ("files in use cannot be told, and no age guards", {"age": None}, {}, InUse(unseen="not root"), True),
    ("an age guards", {}, {}, InUse(unseen="not root"), False),
    ("files in use can be told", {"age": None}, {}, NOTHING_OPEN, False),
]


@pytest.mark.parametrize(("_why", "changes", "scan", "in_use", "refused"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_rule_does_nothing_where_it_cannot_be_safe(
    _why: str, changes: dict[str, Any], scan: dict[str, Any], in_use: InUse, refused: bool
) -> None:
    planned = made(scanned(entry("a.log"), of=rule(**changes), **scan), in_use=in_use)
    assert (len(planned.steps), "logs" in planned.refused) == ((0, True) if refused else (1, False))


def test_a_step_says_why() -> None:
    (step,) = made(scanned(entry("new.log", 8), entry("old.log", 10), of=rule(keep=1))).steps
    assert step.reason == "rule logs: 10.0 d old by mtime, at least 7.0 d, not among the 1 newest"
