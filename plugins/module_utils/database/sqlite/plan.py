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
from ..declared import Database, VacuumSettings
from ..steps import Refusal
from .model import INCREMENTAL, FileSnapshot, FileTask, Space, is_network

ROOM = 1.1  # times the live size, in each place that a rewrite writes to
# What to expect before there is a speed to remember, in MB/s of the file, and for slices in MB/s of free pages:
# measured 250 for VACUUM and VACUUM INTO on a quiet machine, 15 for slices, half of whose time is left to the writers.
DEFAULT_MB_S = {"in_place": 150.0, "into_swap": 150.0, "incremental": 10.0, "advise": 150.0}
ANALYZE_S = 1.0  # with an analysis limit of 400 it hardly depends on the size
CHECKPOINT_S = 3.0
INTO_SINCE = (3, 27)
VERBS = {"in_place": "vacuum", "into_swap": "vacuum_into", "incremental": "incremental_vacuum", "advise": "vacuum"}
Obstacle = Optional[tuple[str, str]]


class FilePlan(NamedTuple):
    """The plan for one database. ``wants_vacuum`` and ``wants_checkpoint`` are whether its thresholds are crossed."""

    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    strategy: str = ""
    wants_vacuum: bool = False
    wants_checkpoint: bool = False


class FileInputs(NamedTuple):
    """A database and all that the decisions about it depend on. ``mb_s`` is the speed to expect of each strategy."""

    entry: Database
    settings: VacuumSettings
    snapshot: FileSnapshot
    gate: Gate
    mb_s: Mapping[str, float]
    window_s: float


def make_plan(inputs: FileInputs) -> FilePlan:
    """Return the steps of a database in order and what is decided against. A damaged database is left alone."""
    if inputs.snapshot.content.damage:
        why = f"it is damaged and is not written to: {inputs.snapshot.content.damage}"
        refusal = Refusal("vacuum", inputs.entry.name, "database.integrity", why)
        return FilePlan(refusals=(refusal,) if wants_vacuum(inputs) else (), wants_vacuum=wants_vacuum(inputs))
    strategy = choose_strategy(inputs)
    steps: list[Step] = []
    refusals: list[Refusal] = []
    for wanted, step, obstacle in (
        (wants_checkpoint(inputs), checkpoint_step(inputs), checkpoint_obstacle(inputs)),
        (wants_vacuum(inputs), vacuum_step(inputs, strategy), vacuum_obstacle(inputs, strategy)),
        (wants_analyze(inputs), analyze_step(inputs), network_obstacle(inputs)),
    ):
        found = obstacle or window_obstacle(inputs, steps, step)
        if wanted and found:
            refusals.append(Refusal(step.action, step.subject, found[0], found[1], step.details))
        elif wanted:
            steps.append(step)
    return FilePlan(tuple(steps), tuple(refusals), strategy, wants_vacuum(inputs), wants_checkpoint(inputs))


def wants_vacuum(inputs: FileInputs) -> bool:
    """Return whether so much of the file is free that giving it back pays: both thresholds must be crossed."""
    limits = inputs.entry.thresholds
    return inputs.snapshot.free_ratio > limits.freelist_ratio and inputs.snapshot.free_bytes > limits.freelist_bytes


def wants_checkpoint(inputs: FileInputs) -> bool:
    """Return whether the write-ahead log has grown beyond what automatic checkpoints should allow."""
    return inputs.snapshot.is_wal and inputs.snapshot.wal_bytes > inputs.entry.thresholds.wal_bytes


def wants_analyze(inputs: FileInputs) -> bool:
    """Return whether SQLite itself would analyze some table now (PRAGMA optimize)."""
    return bool(inputs.snapshot.content.stale) and inputs.settings.analyze != "never"


def choose_strategy(inputs: FileInputs) -> str:
    """Return how the file would be made smaller: auto means in slices where the file was made for it."""
    if inputs.settings.strategy != "auto":
        return inputs.settings.strategy
    return "incremental" if inputs.snapshot.content.auto_vacuum == INCREMENTAL else "in_place"


def vacuum_step(inputs: FileInputs, strategy: str) -> Step:
    """Return the step that gives the free pages back."""
    snapshot = inputs.snapshot
    reason = f"{snapshot.free_ratio:.0%} of the file is free, {human_bytes(snapshot.free_bytes)}"
    size = snapshot.free_bytes if strategy == "incremental" else snapshot.file_bytes
    predicted = size / (inputs.mb_s[strategy] * 1e6)
    return FileTask(snapshot.path, snapshot.file_bytes, predicted).step(VERBS[strategy], inputs.entry.name, reason)


def checkpoint_step(inputs: FileInputs) -> Step:
    """Return the step that moves the write-ahead log into the database."""
    snapshot = inputs.snapshot
    reason = "; ".join((f"its write-ahead log holds {human_bytes(snapshot.wal_bytes)}", *notes(snapshot)))
    return FileTask(snapshot.path, snapshot.wal_bytes, CHECKPOINT_S).step("checkpoint", inputs.entry.name, reason)


def analyze_step(inputs: FileInputs) -> Step:
    """Return the step that takes statistics for the tables that PRAGMA optimize names."""
    snapshot, tables = inputs.snapshot, inputs.snapshot.content.stale
    reason = f"the planner's statistics of {len(tables)} tables are stale or missing: {', '.join(tables[:5])}"
    task = FileTask(snapshot.path, snapshot.file_bytes, ANALYZE_S, tables)
    return task.step("analyze", inputs.entry.name, reason)


def vacuum_obstacle(inputs: FileInputs, strategy: str) -> Obstacle:
    """Return the check id and the reason of the first thing that speaks against the vacuum, or None."""
    rules: tuple[Callable[[FileInputs], Obstacle], ...] = (network_obstacle, *_OBSTACLES[strategy])
    return next((obstacle for obstacle in (rule(inputs) for rule in rules) if obstacle), None)


def network_obstacle(inputs: FileInputs) -> Obstacle:
    """A file system over a network: its locks cannot be trusted, so nothing is written."""
    if not is_network(inputs.snapshot.filesystem):
        return None
    return "database.filesystem", f"it lies on {inputs.snapshot.filesystem}, whose locks cannot be trusted"


def litestream_obstacle(inputs: FileInputs) -> Obstacle:
    """A rewrite in place makes Litestream copy everything again, or lose track."""
    if not inputs.snapshot.is_replicated:
        return None
    return "database.litestream", "Litestream follows it; stop it and use sqlite_strategy: into_swap (VACUUM INTO)"


def checkpoint_obstacle(inputs: FileInputs) -> Obstacle:
    """Litestream does the checkpoints of what it follows; another's would hide frames from it."""
    own = "database.litestream", "Litestream follows it and does its checkpoints itself"
    return network_obstacle(inputs) or (own if inputs.snapshot.is_replicated else reader_obstacle(inputs.snapshot))


def backup_obstacle(inputs: FileInputs) -> Obstacle:
    """No verified backup that is young enough."""
    return None if inputs.gate.open else ("database.backup_gate", inputs.gate.reason)


def advice_obstacle(inputs: FileInputs) -> Obstacle:
    """The strategy is to advise only."""
    return "database.freelist", f"advice only: VACUUM would give back {human_bytes(inputs.snapshot.free_bytes)}"


def mode_obstacle(inputs: FileInputs) -> Obstacle:
    """Only a file that was made for it can shrink in slices."""
    other = "database.freelist", "its auto_vacuum is not INCREMENTAL, so it cannot shrink in slices"
    return None if inputs.snapshot.content.auto_vacuum == INCREMENTAL else other


def open_obstacle(inputs: FileInputs) -> Obstacle:
    """A file may only be replaced while nobody has it open."""
    users = inputs.snapshot.holders
    if users.processes:
        return "database.locked", f"the services are not down: {users.named()} has it open"
    if not users.complete and not inputs.settings.services_stopped:
        return "database.locked", "who has it open cannot be seen from this account, and services_stopped is not set"
    return None


def unseen_obstacle(inputs: FileInputs) -> Obstacle:
    """Where the system cannot say at all whether somebody has it open, it is only rewritten while services are down."""
    users = inputs.snapshot.holders
    if not users.unavailable or users.processes or inputs.settings.services_stopped:
        return None
    return "database.locked", f"who has it open cannot be seen ({users.unavailable}), and services_stopped is not set"


def space_obstacle(inputs: FileInputs) -> Obstacle:
    """A rewrite in place fills the temporary folder and then the journal or WAL beside the file, one live size each.

    Where both are on one file system, the room must be there twice.
    """
    need = int(ROOM * inputs.snapshot.live_bytes)
    if inputs.snapshot.content.temp_in_memory:
        return memory_obstacle(inputs.snapshot, need) or _room_obstacle(inputs.snapshot.home, need)
    temp, home = inputs.snapshot.temp, inputs.snapshot.home
    if temp and home and temp.device == home.device:
        return _room_obstacle(home, 2 * need)
    return _room_obstacle(temp, need) or _room_obstacle(home, need)


def version_obstacle(inputs: FileInputs) -> Obstacle:
    """VACUUM INTO came with SQLite 3.27."""
    version = ".".join(map(str, inputs.snapshot.sqlite_version))
    old = "database.freelist", f"SQLite here is {version}, VACUUM INTO needs 3.27"
    return None if inputs.snapshot.sqlite_version >= INTO_SINCE else old


def swap_space_obstacle(inputs: FileInputs) -> Obstacle:
    """VACUUM INTO writes the new file beside the old one and needs no temporary folder."""
    return _room_obstacle(inputs.snapshot.home, int(ROOM * inputs.snapshot.live_bytes))


def _room_obstacle(space: Optional[Space], need: int) -> Obstacle:
    if space is None:
        return "database.space", "the free space cannot be seen from here"
    if space.free >= need:
        return None
    return "database.space", f"{human_bytes(space.free)} are free in {space.path}, {human_bytes(need)} are needed"


def reader_obstacle(snapshot: FileSnapshot) -> Optional[tuple[str, str]]:
    """A reader looks at a state so old that nothing of the log can be moved."""
    reader = snapshot.log_reader
    if reader.pid is None or reader.movable:
        return None
    return "database.locked", f"{_named(snapshot)} reads an older state, so nothing of the log can be moved"


def memory_obstacle(snapshot: FileSnapshot, need: int) -> Optional[tuple[str, str]]:
    """Some builds keep temporary databases in memory (SQLITE_TEMP_STORE 2 or 3)."""
    if snapshot.memory_free is None or snapshot.memory_free >= need:
        return None
    return "database.space", f"{human_bytes(snapshot.memory_free)} of memory are free, {human_bytes(need)} are needed"


def notes(snapshot: FileSnapshot) -> tuple[str, ...]:
    """Return what is known beforehand of how far a checkpoint will get, or that it is not known."""
    reader = snapshot.log_reader
    if reader.unavailable:
        return (f"whether a reader keeps it from being cut off cannot be seen beforehand: {reader.unavailable}",)
    if reader.pid is None:
        return ()
    return (f"{_named(snapshot)} reads an older state: a part of it can be moved, cut off it is by a later run",)


def _named(snapshot: FileSnapshot) -> str:
    pid = snapshot.log_reader.pid
    known = {one.pid: one.command for one in snapshot.holders.processes}
    return f"{known[pid]} (pid {pid})" if pid in known else f"pid {pid}"


def window_obstacle(inputs: FileInputs, earlier: list[Step], step: Step) -> Obstacle:
    """It would not end before the window does."""
    needed = sum(one.task.predicted_s for one in earlier) + step.task.predicted_s
    if needed <= inputs.window_s:
        return None
    return "database.window", f"predicted to take {step.task.predicted_s:.0f} s, longer than is left of the window"


_OBSTACLES: dict[str, tuple[Callable[[FileInputs], Obstacle], ...]] = {
    "in_place": (litestream_obstacle, unseen_obstacle, backup_obstacle, space_obstacle),
    "into_swap": (version_obstacle, open_obstacle, swap_space_obstacle),
    "incremental": (mode_obstacle,),
    "advise": (advice_obstacle,),
}
