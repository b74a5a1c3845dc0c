# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deciding what is deleted, and in which order: pure, so that check mode and a run cannot differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Optional

from ..paths import Identity
from ..steps import Step
from ..units import human_seconds
from .model import (
    DELETE,
    FILE,
    FOLDER,
    OPEN,
    REMOVE_FOLDER,
    CleanupPlan,
    CleanupRule,
    Deletion,
    FolderEntry,
    InUse,
    Obstacle,
    Scan,
)
from .places import full_path

# Names of databases: never deleted, whatever a rule says. A -wal or -journal that is gone is a database that is broken.
DATABASES = tuple(
    f"*.{suffix}{part}" for suffix in ("db", "db3", "sqlite", "sqlite3") for part in ("", "-wal", "-shm", "-journal")
)
BUDGET, BOUND = "budget", "max_files"
Key = Callable[[str], str]


def plan(
    scans: Sequence[Scan], in_use: InUse, now: float, budget: Optional[int], max_files: int, key: Key = str
) -> CleanupPlan:
    """Given what stands in the folders of the rules, return what is deleted: oldest first, over all rules.

    With a ``budget`` in bytes the plan ends as soon as it frees that much; it never has more than ``max_files`` steps.
    ``key`` gives the form in which two spellings of one path are the same.
    """
    refused = {scan.rule.name: reason for scan in scans for reason in [_refusal(scan, in_use)] if reason}
    able = [scan for scan in scans if scan.rule.name not in refused]
    held: list[Obstacle] = []
    files = _without_doubles((step for scan in able for step in _files(scan, in_use, now, held)), key)
    files.sort(key=lambda step: (step.task.entry.time(step.task.rule.age_by), step.subject))
    chosen, left = _within(_with_freed(files), budget, max_files)
    folders = [] if left else _folders(able, chosen, in_use, now, key)
    return CleanupPlan((*chosen, *folders[: max_files - len(chosen)]), tuple(held), left, refused)


def _refusal(scan: Scan, in_use: InUse) -> str:
    """Return why a rule does nothing at all, or an empty text."""
    rule = scan.rule
    if scan.unavailable:
        return scan.unavailable
    if rule.keep and not scan.complete:
        return f"which {rule.keep} files are the newest is not known, because not everything could be looked at"
    if in_use.unseen and rule.age is None:
        return f"it has no age, and files in use cannot be told: {in_use.unseen}"
    return ""


def _files(scan: Scan, in_use: InUse, now: float, held: list[Obstacle]) -> Iterator[Step]:
    """Yield a step for each file that the rule deletes; files that a guard spares are added to ``held``."""
    rule = scan.rule
    covered = [entry for entry in scan.entries if _is_covered(entry, rule, scan.uid)]
    covered.sort(key=lambda entry: (-entry.time(rule.age_by), entry.parts))
    for entry in covered[rule.keep :]:
        if _is_old(entry, rule, now) and entry.size >= rule.min_size:
            path = full_path(rule.path, entry.parts)
            guard = _guard(entry, in_use)
            if guard:
                held.append(Obstacle(path, guard))
            else:
                yield Step(DELETE, path, _reason(entry, rule, now), Deletion(rule, entry))


def _is_covered(entry: FolderEntry, rule: CleanupRule, uid: Optional[int]) -> bool:
    """Return whether a rule speaks of this name at all: a regular file of its owner that one of its patterns fits.

    A file whose owner is not known is nobody's.
    """
    name = entry.parts[-1]
    fits = not rule.patterns or any(fnmatchcase(name, pattern) for pattern in rule.patterns)
    return fits and entry.kind == FILE and (uid is None or entry.uid == uid)


def _is_old(entry: FolderEntry, rule: CleanupRule, now: float) -> bool:
    return rule.age is None or now - entry.time(rule.age_by) >= rule.age


def _guard(entry: FolderEntry, in_use: InUse) -> str:
    """Return why a file that the rule would delete is spared, or an empty text."""
    if entry.guard:
        return entry.guard
    if any(fnmatchcase(entry.parts[-1].lower(), pattern) for pattern in DATABASES):
        return "it has the name of a database"
    return OPEN if entry.identity in in_use.identities else ""


def _reason(entry: FolderEntry, rule: CleanupRule, now: float) -> str:
    age = human_seconds(now - entry.time(rule.age_by))
    least = f", at least {human_seconds(rule.age)}" if rule.age else ""
    kept = f", not among the {rule.keep} newest" if rule.keep else ""
    return f"rule {rule.name}: {age} old by {rule.age_by}{least}{kept}"


def _without_doubles(steps: Iterable[Step], key: Key) -> list[Step]:
    """Return the steps with each path once: where rules overlap, the first of them deletes."""
    return list({key(step.subject): step for step in reversed(list(steps))}.values())


def _with_freed(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps with what each frees: a file with several names frees nothing before its last one goes."""
    gone: Counter[Identity] = Counter()
    for step in steps:
        gone[step.task.entry.identity] += 1
        last = gone[step.task.entry.identity] >= step.task.entry.links
        yield step._replace(task=step.task._replace(freed=step.task.entry.allocated if last else 0))


def _within(
    steps: Iterable[Step], budget: Optional[int], max_files: int
) -> tuple[list[Step], dict[str, tuple[int, int]]]:
    """Return the steps up to the budget and the bound, and how many files and bytes were left by which of them."""
    chosen: list[Step] = []
    left: dict[str, tuple[int, int]] = {}
    freed = 0
    for step in steps:
        stop = BUDGET if budget is not None and freed >= budget else BOUND if len(chosen) >= max_files else ""
        if stop:
            count, size = left.get(stop, (0, 0))
            left[stop] = (count + 1, size + step.task.freed)
            continue
        chosen.append(step)
        freed += step.task.freed
    return chosen, left


def _folders(scans: Iterable[Scan], chosen: Sequence[Step], in_use: InUse, now: float, key: Key) -> list[Step]:
    """Return a step for each folder that is old and empty, or will be once the chosen files are gone, deepest first."""
    steps: list[Step] = []
    gone = Counter(key(_parent(step.task.rule, step.task.entry)) for step in chosen)
    for scan in scans:
        if scan.rule.empty_dirs and scan.complete:
            steps.extend(_empty_folders(scan, gone, in_use, now, key))
    return steps


def _empty_folders(scan: Scan, gone: Counter[str], in_use: InUse, now: float, key: Key) -> Iterator[Step]:
    rule, mounts = scan.rule, {obstacle.path for obstacle in scan.not_entered}
    held = Counter(key(_parent(rule, entry)) for entry in scan.entries)
    folders = [entry for entry in scan.entries if entry.kind == FOLDER and (scan.uid is None or entry.uid == scan.uid)]
    for entry in sorted(folders, key=lambda entry: (-len(entry.parts), entry.parts)):
        path = full_path(rule.path, entry.parts)
        spared = path in mounts or entry.guard or entry.identity in in_use.identities or not _is_old(entry, rule, now)
        if held[key(path)] == gone[key(path)] and not spared:
            gone[key(_parent(rule, entry))] += 1
            yield Step(
                REMOVE_FOLDER, path, f"{_reason(entry, rule, now)}, empty", Deletion(rule, entry, entry.allocated)
            )


def _parent(rule: CleanupRule, entry: FolderEntry) -> str:
    return full_path(rule.path, entry.parts[:-1])
