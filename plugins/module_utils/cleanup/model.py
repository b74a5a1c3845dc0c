# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the area cleanup hands from step to step: rules, what stands in a folder, and what shall happen to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional

from ..finding import DONE, EMPTY, PLANNED, Check, Finding
from ..paths import Identity
from ..registry import Outcome, finding_of
from ..steps import Step

ALL_RULES = "all rules"
FILE, FOLDER, LINK, OTHER = "file", "folder", "link", "other"
DELETE, REMOVE_FOLDER = "delete", "remove_folder"

# Why a step was not done although nothing was wrong.
GONE, CHANGED = "it was gone before its turn", "it changed after the plan was made"
FILLED, LATE = "it is no longer empty", "the time of the run was used up"
OPEN = "a process has it open"
NO_UNLINK = "it may not be unlinked (uunlnk or sunlnk)"  # of a folder: what is in it may be


class CleanupRule(NamedTuple):
    """One declared rule, validated. ``age`` is seconds or None, ``min_size`` bytes; a file must meet everything."""

    name: str
    path: str
    patterns: tuple[str, ...] = ()
    age: Optional[float] = None
    age_by: str = "mtime"
    owner: Optional[str] = None
    keep: int = 0
    recurse: bool = False
    min_size: int = 0
    empty_dirs: bool = False
    optional: bool = False


class FolderEntry(NamedTuple):
    """One name below a rule's folder, as lstat(2) shows it. ``parts`` are the names that lead to it from there.

    ``uid`` is None where the system has no such numbers: nothing is known of the owner then. ``guard`` is why the
    system itself says that it must stay (read-only, immutable ...), or empty.
    """

    parts: tuple[str, ...]
    kind: str
    identity: Identity
    links: int
    uid: Optional[int]
    size: int
    allocated: int
    mtime: float
    ctime: float
    atime: float
    guard: str = ""

    def time(self, by: str) -> float:
        """Return the time that an age is counted from; ``newest`` is the latest of the three."""
        return max(self.mtime, self.ctime, self.atime) if by == "newest" else float(getattr(self, by))


class Obstacle(NamedTuple):
    """A folder that was not looked into, or a name that was left alone, and why."""

    path: str
    reason: str


class Scan(NamedTuple):
    """What stands below a rule's folder.

    ``unavailable`` is why the folder itself could not be looked at, or empty. ``unread`` are folders that could not be
    read; ``not_entered`` other file systems and protected names; ``bound`` says which bound ended the look early, or is
    empty. ``uid`` is the account of the rule's owner, None where the rule names none. ``untold`` says what may keep a
    file that nobody can see before it is deleted, or is empty.
    """

    rule: CleanupRule
    entries: tuple[FolderEntry, ...] = ()
    uid: Optional[int] = None
    unavailable: str = ""
    missing: bool = False
    unread: tuple[Obstacle, ...] = ()
    not_entered: tuple[Obstacle, ...] = ()
    bound: str = ""
    untold: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything that the rule covers was seen."""
        return not (self.unavailable or self.unread or self.bound)


class InUse(NamedTuple):
    """What processes have open, by identity; ``unseen`` says what could not be looked at, or is empty.

    ``at_its_turn`` where the system tells of a file that it is open only when it is about to be deleted.
    """

    identities: frozenset[Identity] = frozenset()
    unseen: str = ""
    at_its_turn: bool = False


class Deletion(NamedTuple):
    """The task of a step: which name a rule deletes. ``freed`` are the bytes that it gives back, 0 where another name
    still leads to the file, and until the whole plan is known.
    """

    rule: CleanupRule
    entry: FolderEntry
    freed: int = 0


class CleanupPlan(NamedTuple):
    """What a run will do, in order, and what it decided against.

    ``held`` are files that a rule covers and a guard spares. ``left`` counts files and bytes beyond the budget or the
    bound of files, by which of the two. ``refused`` are rules that do nothing, with the reason.
    """

    steps: tuple[Step, ...] = ()
    held: tuple[Obstacle, ...] = ()
    left: Mapping[str, tuple[int, int]] = EMPTY
    refused: Mapping[str, str] = EMPTY

    @property
    def freed(self) -> int:
        """All bytes that the steps give back."""
        return sum(step.task.freed for step in self.steps)


class Removal(NamedTuple):
    """What became of a step: an action state of finding.py with its reason. ``swapped``: a folder was replaced."""

    step: Step
    state: str
    reason: str
    swapped: bool = False


class Usage(NamedTuple):
    """What takes the space in a folder: bytes by name, and what was not looked at."""

    sizes: Mapping[str, int]
    unread: Sequence[Obstacle] = ()
    bound: str = ""


class Context(NamedTuple):
    """Everything that a run knows at its end. ``usage`` tells of each folder that was asked about."""

    scans: Sequence[Scan]
    in_use: InUse
    plan: CleanupPlan
    removals: Sequence[Removal]
    budget: Optional[int] = None
    reclaimable_warning: int = 0
    usage: Mapping[str, Usage] = EMPTY

    @property
    def only_planned(self) -> bool:
        """Whether nothing was done: check mode, or nothing to do."""
        return all(removal.state == PLANNED for removal in self.removals)

    @property
    def freed(self) -> int:
        """The bytes of all steps that were done."""
        return sum(removal.step.task.freed for removal in self.removals if removal.state == DONE)

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding; without a subject of its own it is about all rules."""
        return finding_of(check, outcome, ALL_RULES)
