# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every plan, whatever stands in the folder."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.model import (
    DELETE,
    FILE,
    FOLDER,
    LINK,
    OTHER,
    CleanupPlan,
    CleanupRule,
    FolderEntry,
    InUse,
    Scan,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.plan import DATABASES, plan

from .examples import DAY, NOW, entry, rule

PARTS = st.sampled_from(["a.log", "b.log", "c.txt", "x.db", "d", "e", "ü\n.log", "\udcff.log", "..log", "-rf.log"])
ENTRIES = st.lists(
    st.builds(
        lambda parts, kind, inode, links, uid, days: entry(
            "/".join(parts), days, kind=kind, identity=(1, inode), links=links, uid=uid
        ),
        st.lists(PARTS, min_size=1, max_size=3),
        st.sampled_from([FILE, FILE, FILE, FOLDER, LINK, OTHER]),
        st.integers(1, 6),
        st.integers(1, 3),
        st.sampled_from([0, 1000]),
        st.integers(0, 20),
    ),
    max_size=12,
    unique_by=lambda made: made.parts,
)
RULES = st.builds(
    lambda patterns, age, keep, empty: rule(patterns=patterns, age=age, keep=keep, recurse=True, empty_dirs=empty),
    st.sampled_from([(), ("*.log",), ("*.log", "*.txt")]),
    st.sampled_from([7 * DAY, 1 * DAY, None]),
    st.integers(0, 3),
    st.booleans(),
)
USED = st.frozensets(st.tuples(st.just(1), st.integers(1, 6)), max_size=2)


def made(
    entries: list[FolderEntry], a_rule: CleanupRule, used: frozenset[tuple[int, int]], budget: int | None, most: int
) -> CleanupPlan:
    return plan([Scan(a_rule, tuple(entries), uid=None)], InUse(used), NOW, budget, most)


CASES = given(ENTRIES, RULES, USED, st.one_of(st.none(), st.integers(0, 20000)), st.integers(1, 8))


@CASES
@settings(max_examples=300)
def test_every_deletion_is_of_a_file_that_the_rule_means_and_no_guard_spares(
    entries: list[FolderEntry], a_rule: CleanupRule, used: frozenset[tuple[int, int]], budget: int | None, most: int
) -> None:
    for step in made(entries, a_rule, used, budget, most).steps:
        assert step.subject == "/".join((a_rule.path, *step.task.entry.parts))
        assert step.subject.startswith(a_rule.path + "/")
        assert step.task.entry in entries
        assert step.task.entry.identity not in used
        assert a_rule.age is None or NOW - step.task.entry.mtime >= a_rule.age
        if step.action == DELETE:
            assert step.task.entry.kind == FILE
            name = step.task.entry.parts[-1]
            assert not a_rule.patterns or any(fnmatchcase(name, pattern) for pattern in a_rule.patterns)
            assert not any(fnmatchcase(name.lower(), pattern) for pattern in DATABASES)
        else:
            assert step.task.entry.kind == FOLDER


@CASES
@settings(max_examples=300)
def test_the_newest_stay_and_the_bounds_hold(
    entries: list[FolderEntry], a_rule: CleanupRule, used: frozenset[tuple[int, int]], budget: int | None, most: int
) -> None:
    planned = made(entries, a_rule, used, budget, most)
    meant = [
        e
        for e in entries
        if e.kind == FILE and (not a_rule.patterns or any(fnmatchcase(e.parts[-1], p) for p in a_rule.patterns))
    ]
    deleted = [step.task.entry for step in planned.steps if step.action == DELETE]
    assert len(planned.steps) <= most
    assert len(meant) - len(deleted) >= min(a_rule.keep, len(meant))
    stay = [e.mtime for e in meant if e not in deleted]
    assert all(sum(time >= e.mtime for time in stay) >= a_rule.keep for e in deleted)
    freed = [step.task.freed for step in planned.steps if step.action == DELETE]
    if budget is not None and freed:
        assert sum(freed) - freed[-1] < budget  # without the last one the budget was not reached yet


@CASES
@settings(max_examples=200)
def test_files_go_oldest_first_and_folders_after_all_that_is_in_them(
    entries: list[FolderEntry], a_rule: CleanupRule, used: frozenset[tuple[int, int]], budget: int | None, most: int
) -> None:
    steps = made(entries, a_rule, used, budget, most).steps
    times = [step.task.entry.mtime for step in steps if step.action == DELETE]
    assert times == sorted(times)
    places = {step.subject: place for place, step in enumerate(steps)}
    for step in steps:
        if step.action != DELETE:
            inside = ["/".join((a_rule.path, *e.parts)) for e in entries if e.parts[:-1] == step.task.entry.parts]
            assert all(path in places and places[path] < places[step.subject] for path in inside)


@CASES
@settings(max_examples=100)
def test_a_plan_depends_on_nothing_but_what_was_seen(
    entries: list[FolderEntry], a_rule: CleanupRule, used: frozenset[tuple[int, int]], budget: int | None, most: int
) -> None:
    assert made(entries, a_rule, used, budget, most) == made(list(reversed(entries)), a_rule, used, budget, most)
