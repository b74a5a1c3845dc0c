# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking the steps on a SQLite database. Each leaves the database as it was or as it should be, never between.

A RESTART or TRUNCATE checkpoint behind a long reader blocks all writers, which took an application down
(litestream#724). So the log is moved with PASSIVE, which never waits, and only cut off once no reader was in the way
for two seconds, and then without waiting either.
"""

from __future__ import annotations

import sqlite3
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from ...errors import CoreError
from ...finding import DONE, FAILED, NOT_DONE
from ...host import Host
from ...reading import regular
from ...steps import Step
from ..steps import Ended
from .holders import holders
from .model import FileTask
from .reader import Busy, Corrupt, Full, Interrupted, analyze_statement, damage, opened
from .swap import vacuum_into

SLICE_S = 0.2  # the longest that a slice of an incremental vacuum may keep writers waiting
FIRST_SLICE = 64  # pages
MOST_PAGES = 1 << 20
ANALYSIS_LIMIT = 400  # rows per index: what PRAGMA optimize recommends (pragma.html#pragma_analysis_limit)
MARGIN_S = 5.0
CALM_S = 2.0
PASSES = 5


class FileRun(NamedTuple):
    """A step with the host it is taken on, and when the window ends (seconds since the epoch)."""

    step: Step
    host: Host
    deadline: float
    replicated: bool
    heartbeat: Callable[[], None]

    def left(self) -> float:
        """Return the seconds that the step may still take."""
        return max(0.0, min(self.deadline - self.host.now(), self.host.remaining() - MARGIN_S))

    @property
    def task(self) -> FileTask:
        """What the step needs."""
        task: FileTask = self.step.task
        return task

    def done(self, note: str = "") -> Ended:
        """Return that the step was done, with what is to be said of it beside its reason."""
        return Ended(self.step, DONE, "; ".join(filter(None, (self.step.reason, note))))


def perform(run: FileRun) -> Ended:
    """Given a step with its host, take it and return how it came out."""
    if run.left() < run.task.predicted_s:
        return Ended(run.step, NOT_DONE, "the window ends before it could be done", rule="database.window")
    run.heartbeat()
    begun = time.monotonic()
    try:
        before = measured(run.task.path)
        ended = _VERBS[run.step.action](run)
        seconds = time.monotonic() - begun
        return ended._replace(seconds=seconds, before=before, after=measured(run.task.path))
    except CoreError as error:
        return _not_done(run, error, time.monotonic() - begun)


def measured(path: str) -> dict[str, int]:
    """Return the size of a database with its log, and its free bytes.

    The step writes anyway, so this may too: a read-only connection to a database in WAL mode would leave its log.
    """
    with opened(path, "rw", MARGIN_S) as connection:
        size, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "freelist_count"))
    return {"bytes": file_bytes(path) + file_bytes(f"{path}-wal"), "free_bytes": size * free}


def file_bytes(path: str) -> int:
    """Return the size of a file, 0 where there is none."""
    try:
        with open(path, "rb", opener=regular) as stream:
            return stream.seek(0, 2)
    except FileNotFoundError:
        return 0


def in_place(run: FileRun) -> Ended:
    """VACUUM, then prove the result and give the log back. SQLite undoes it by itself where it cannot end."""
    with opened(run.task.path, "rw", run.left()) as connection:
        connection.execute("VACUUM")
        connection.set_progress_handler(None, 0)  # it is done: the proof may take what it takes
        found = damage(connection, full=False)
        if found:
            raise Corrupt(f"{run.task.path} after VACUUM: {found}")
        if not run.replicated:
            shrink_log(connection, run.host)
    return run.done()


def incremental(run: FileRun) -> Ended:
    """Give free pages back in slices short enough for the writers between them."""
    with opened(run.task.path, "rw", run.left()) as connection:
        begun = free = _free_pages(connection)
        pages = FIRST_SLICE
        while free and run.left() > SLICE_S:
            run.heartbeat()
            started = time.monotonic()
            # execute() would step once, and each step frees one page; a script is stepped to its end
            connection.executescript(f"PRAGMA incremental_vacuum({pages})")
            took = time.monotonic() - started
            pages = next_slice(pages, took)
            run.host.pause(min(SLICE_S, took))
            free = _free_pages(connection)
    note = f"{free} free pages are left for the next run" if free else ""
    return run.done(note) if free < begun else Ended(run.step, NOT_DONE, note, rule="database.locked")


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])


def next_slice(pages: int, took: float) -> int:
    """Given the pages of a slice and the seconds it took, return the pages of the next: half of what the limit allows,
    at most twice as many as before.
    """
    return max(1, int(min(2.0 * pages, pages * SLICE_S / 2 / max(took, 1e-6), MOST_PAGES)))


def analyze(run: FileRun) -> Ended:
    """Take statistics of the tables that PRAGMA optimize named."""
    with opened(run.task.path, "rw", run.left()) as connection:
        connection.execute(f"PRAGMA analysis_limit = {ANALYSIS_LIMIT}")
        for table in run.task.tables:
            connection.execute(analyze_statement(table))
    return run.done()


def log_into_file(run: FileRun) -> Ended:
    """Move the log into the database, and give its space back where no reader is in the way."""
    with opened(run.task.path, "rw", run.left()) as connection:
        changed, note = checkpoint(connection, run.task.path, run.host)
    return run.done(note) if changed else Ended(run.step, NOT_DONE, note, rule="database.locked")


def checkpoint(connection: sqlite3.Connection, path: str, host: Host) -> tuple[bool, str]:
    """Given a connection, checkpoint its log. Return whether anything was moved or cut off, and what is to be said."""
    connection.execute("PRAGMA schema_version").fetchone()  # the first read makes the index of the log
    before = backfilled(path)
    if shrink_log(connection, host):
        return True, ""
    return backfilled(path) > before, "a reader keeps the log from being cut off; the next run does it once it is done"


def backfilled(path: str) -> int:
    """Return how many frames of the log are in the database already, as the index of the log says it.

    PRAGMA wal_checkpoint only tells it after having moved some (walformat.html, 2.1: bytes 96 to 99, native order).
    """
    try:
        with open(f"{path}-shm", "rb", opener=regular) as index:
            return int(struct.unpack("=I", index.read(100)[96:])[0])
    except (OSError, struct.error):
        return 0


def shrink_log(connection: sqlite3.Connection, host: Host) -> bool:
    """Move the log, and cut it off if no reader was in the way for two seconds. Return whether it was cut off."""
    for number in range(PASSES):
        if number:
            host.pause(CALM_S / (PASSES - 1))
        frames, moved = _passive(connection)
        if frames < 0:
            return True  # not in WAL mode: there is no log
        if moved < frames:
            return False
    connection.execute("PRAGMA busy_timeout = 0")
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy


def _passive(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the frames in the log and those of them that are in the database after a PASSIVE checkpoint."""
    _busy, frames, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(frames), int(moved)


def swap(run: FileRun) -> Ended:
    """Write a new file beside the old one, prove it, and put it in its place."""
    vacuum_into(run.task.path, run.host, run.left())
    return run.done()


_VERBS: dict[str, Callable[[FileRun], Ended]] = {
    "vacuum": in_place,
    "vacuum_into": swap,
    "incremental_vacuum": incremental,
    "analyze": analyze,
    "checkpoint": log_into_file,
}


def _not_done(run: FileRun, error: CoreError, seconds: float) -> Ended:
    """Given an error, return the outcome: what somebody else's lock or the window prevented is no failure."""
    step = run.step
    if isinstance(error, Busy):
        users = holders(run.task.path, run.host)
        return Ended(step, NOT_DONE, f"locked by {users.named()}", seconds, "database.locked")
    if isinstance(error, Interrupted):
        return Ended(step, NOT_DONE, "ended at the end of the window, and undone", seconds, "database.window")
    rule = {Full: "database.space", Corrupt: "database.integrity"}.get(type(error), "database.maintenance")
    return Ended(step, FAILED, f"{error}; {_state_after(run)}", seconds, rule)


def _state_after(run: FileRun) -> str:
    """Return what a check says of the database after a failure."""
    try:
        with opened(run.task.path, "ro", max(run.left(), MARGIN_S)) as connection:
            found = damage(connection, full=False)
    except CoreError as error:
        return f"it could not be checked afterwards: {error}"
    return f"quick_check afterwards: {found}" if found else "the database is intact (quick_check)"
