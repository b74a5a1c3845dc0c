# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do with a SQLite database, and what speaks against it. Pure: check mode and the run share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Optional

from ...steps import Step
from ...units import human_bytes
from ..backup_gate import Gate
from ..settings import Database, Settings
from ..steps import Refusal
from .model import INCREMENTAL, FileTask, Place, Seen, is_network

ROOM = 1.1  # times the live size, in each place that a rewrite writes to
# What to expect before there is a speed to remember, in MB/s of the file, and for slices in MB/s of free pages:
# measured 250 for VACUUM and VACUUM INTO on a quiet machine, 15 for slices, half of whose time is left to the writers.
DEFAULT_MB_S = {"in_place": 150.0, "into_swap": 150.0, "incremental": 10.0, "advise": 150.0}
ANALYZE_S = 1.0  # with an analysis limit of 400 it hardly depends on the size
CHECKPOINT_S = 3.0
INTO_SINCE = (3, 27)
VERBS = {"in_place": "vacuum", "into_swap": "vacuum_into", "incremental": "incremental_vacuum", "advise": "vacuum"}
Problem = Optional[tuple[str, str]]


class FilePlan(NamedTuple):
    """The plan for one database. ``wants_vacuum`` and ``wants_checkpoint`` are whether its thresholds are crossed."""

    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    strategy: str = ""
    wants_vacuum: bool = False
    wants_checkpoint: bool = False


class Case(NamedTuple):
    """A database and all that the decisions about it depend on. ``mb_s`` is the speed to expect of each strategy."""

    entry: Database
    settings: Settings
    seen: Seen
    gate: Gate
    mb_s: Mapping[str, float]
    window_s: float


def make_plan(case: Case) -> FilePlan:
    """Given a case, return its steps in their order and what is decided against. A damaged database is left alone."""
    if case.seen.content.damage:
        why = f"it is damaged and is not written to: {case.seen.content.damage}"
        refusal = Refusal("vacuum", case.entry.name, "database.integrity", why)
        return FilePlan(refusals=(refusal,) if wants_vacuum(case) else (), wants_vacuum=wants_vacuum(case))
    strategy = choose_strategy(case)
    steps: list[Step] = []
    refusals: list[Refusal] = []
    for wanted, step, problem in (
        (wants_checkpoint(case), checkpoint_step(case), checkpoint_problem(case)),
        (wants_vacuum(case), vacuum_step(case, strategy), vacuum_problem(case, strategy)),
        (wants_analyze(case), analyze_step(case), network_problem(case)),
    ):
        found = problem or window_problem(case, steps, step)
        if wanted and found:
            refusals.append(Refusal(step.action, step.subject, found[0], found[1], step.details))
        elif wanted:
            steps.append(step)
    return FilePlan(tuple(steps), tuple(refusals), strategy, wants_vacuum(case), wants_checkpoint(case))


def wants_vacuum(case: Case) -> bool:
    """Return whether so much of the file is free that giving it back pays: both thresholds must be crossed."""
    limits = case.entry.thresholds
    return case.seen.free_ratio > limits.freelist_ratio and case.seen.free_bytes > limits.freelist_bytes


def wants_checkpoint(case: Case) -> bool:
    """Return whether the write-ahead log has grown beyond what automatic checkpoints should allow."""
    return case.seen.is_wal and case.seen.wal_bytes > case.entry.thresholds.wal_bytes


def wants_analyze(case: Case) -> bool:
    """Return whether SQLite itself would analyze some table now (PRAGMA optimize)."""
    return bool(case.seen.content.stale) and case.settings.analyze != "never"


def choose_strategy(case: Case) -> str:
    """Return how the file would be made smaller: auto means in slices where the file was made for it."""
    if case.settings.strategy != "auto":
        return case.settings.strategy
    return "incremental" if case.seen.content.auto_vacuum == INCREMENTAL else "in_place"


def vacuum_step(case: Case, strategy: str) -> Step:
    """Return the step that gives the free pages back."""
    seen = case.seen
    reason = f"{seen.free_ratio:.0%} of the file is free, {human_bytes(seen.free_bytes)}"
    size = seen.free_bytes if strategy == "incremental" else seen.file_bytes
    predicted = size / (case.mb_s[strategy] * 1e6)
    return FileTask(seen.path, seen.file_bytes, predicted).step(VERBS[strategy], case.entry.name, reason)


def checkpoint_step(case: Case) -> Step:
    """Return the step that moves the write-ahead log into the database."""
    reason = "; ".join((f"its write-ahead log holds {human_bytes(case.seen.wal_bytes)}", *notes(case.seen)))
    return FileTask(case.seen.path, case.seen.wal_bytes, CHECKPOINT_S).step("checkpoint", case.entry.name, reason)


def analyze_step(case: Case) -> Step:
    """Return the step that takes statistics for the tables that PRAGMA optimize names."""
    tables = case.seen.content.stale
    reason = f"the planner's statistics of {len(tables)} tables are stale or missing: {', '.join(tables[:5])}"
    return FileTask(case.seen.path, case.seen.file_bytes, ANALYZE_S, tables).step("analyze", case.entry.name, reason)


def vacuum_problem(case: Case, strategy: str) -> Problem:
    """Return the check id and the reason of the first thing that speaks against the vacuum, or None."""
    rules: tuple[Callable[[Case], Problem], ...] = (network_problem, *_PROBLEMS[strategy])
    return next((problem for problem in (rule(case) for rule in rules) if problem), None)


def network_problem(case: Case) -> Problem:
    """A file system over a network: its locks cannot be trusted, so nothing is written."""
    if not is_network(case.seen.filesystem):
        return None
    return "database.filesystem", f"it lies on {case.seen.filesystem}, whose locks cannot be trusted"


def litestream_problem(case: Case) -> Problem:
    """A rewrite in place makes Litestream copy everything again, or lose track."""
    if not case.seen.is_replicated:
        return None
    return "database.litestream", "Litestream follows it; stop it and use sqlite_strategy: into_swap (VACUUM INTO)"


def checkpoint_problem(case: Case) -> Problem:
    """Litestream does the checkpoints of what it follows; another's would hide frames from it."""
    own = "database.litestream", "Litestream follows it and does its checkpoints itself"
    return network_problem(case) or (own if case.seen.is_replicated else reader_problem(case.seen))


def backup_problem(case: Case) -> Problem:
    """No verified backup that is young enough."""
    return None if case.gate.open else ("database.backup_gate", case.gate.reason)


def advice_problem(case: Case) -> Problem:
    """The strategy is to advise only."""
    return "database.freelist", f"advice only: VACUUM would give back {human_bytes(case.seen.free_bytes)}"


def mode_problem(case: Case) -> Problem:
    """Only a file that was made for it can shrink in slices."""
    other = "database.freelist", "its auto_vacuum is not INCREMENTAL, so it cannot shrink in slices"
    return None if case.seen.content.auto_vacuum == INCREMENTAL else other


def open_problem(case: Case) -> Problem:
    """A file may only be replaced while nobody has it open."""
    users = case.seen.holders
    if users.processes:
        return "database.locked", f"the services are not down: {users.named()} has it open"
    if not users.complete and not case.settings.services_stopped:
        return "database.locked", "who has it open cannot be seen from this account, and services_stopped is not set"
    return None


def blind_problem(case: Case) -> Problem:
    """Where the system cannot say at all whether somebody has it open, it is only rewritten while services are down."""
    users = case.seen.holders
    if not users.blind or users.processes or case.settings.services_stopped:
        return None
    return "database.locked", f"who has it open cannot be seen ({users.blind}), and services_stopped is not set"


def space_problem(case: Case) -> Problem:
    """A rewrite in place fills the temporary folder and then the journal or WAL beside the file, one live size each.

    Where both are on one file system, the room must be there twice.
    """
    need = int(ROOM * case.seen.live_bytes)
    if case.seen.content.temp_in_memory:
        return memory_problem(case.seen, need) or _room_problem(case.seen.home, need)
    temp, home = case.seen.temp, case.seen.home
    if temp and home and temp.device == home.device:
        return _room_problem(home, 2 * need)
    return _room_problem(temp, need) or _room_problem(home, need)


def version_problem(case: Case) -> Problem:
    """VACUUM INTO came with SQLite 3.27."""
    version = ".".join(map(str, case.seen.sqlite_version))
    old = "database.freelist", f"SQLite here is {version}, VACUUM INTO needs 3.27"
    return None if case.seen.sqlite_version >= INTO_SINCE else old


def swap_space_problem(case: Case) -> Problem:
    """VACUUM INTO writes the new file beside the old one and needs no temporary folder."""
    return _room_problem(case.seen.home, int(ROOM * case.seen.live_bytes))


def _room_problem(place: Optional[Place], need: int) -> Problem:
    if place is None:
        return "database.space", "the free space cannot be seen from here"
    if place.free >= need:
        return None
    return "database.space", f"{human_bytes(place.free)} are free in {place.path}, {human_bytes(need)} are needed"


def reader_problem(seen: Seen) -> Optional[tuple[str, str]]:
    """A reader looks at a state so old that nothing of the log can be moved."""
    reader = seen.log_reader
    if reader.pid is None or reader.movable:
        return None
    return "database.locked", f"{_named(seen)} reads an older state, so nothing of the log can be moved"


def memory_problem(seen: Seen, need: int) -> Optional[tuple[str, str]]:
    """Some builds keep temporary databases in memory (SQLITE_TEMP_STORE 2 or 3)."""
    if seen.memory_free is None or seen.memory_free >= need:
        return None
    return "database.space", f"{human_bytes(seen.memory_free)} of memory are free, {human_bytes(need)} are needed"


def notes(seen: Seen) -> tuple[str, ...]:
    """Return what is known beforehand of how far a checkpoint will get, or that it is not known."""
    reader = seen.log_reader
    if reader.blind:
        return (f"whether a reader keeps it from being cut off cannot be seen beforehand: {reader.blind}",)
    if reader.pid is None:
        return ()
    return (f"{_named(seen)} reads an older state: a part of it can be moved, cut off it is by a later run",)


def _named(seen: Seen) -> str:
    pid = seen.log_reader.pid
    known = {one.pid: one.command for one in seen.holders.processes}
    return f"{known[pid]} (pid {pid})" if pid in known else f"pid {pid}"


def window_problem(case: Case, earlier: list[Step], step: Step) -> Problem:
    """It would not end before the window does."""
    needed = sum(one.task.predicted_s for one in earlier) + step.task.predicted_s
    if needed <= case.window_s:
        return None
    return "database.window", f"predicted to take {step.task.predicted_s:.0f} s, longer than is left of the window"


_PROBLEMS: dict[str, tuple[Callable[[Case], Problem], ...]] = {
    "in_place": (litestream_problem, blind_problem, backup_problem, space_problem),
    "into_swap": (version_problem, open_problem, swap_space_problem),
    "incremental": (mode_problem,),
    "advise": (advice_problem,),
}
