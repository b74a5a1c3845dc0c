# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out the plan of one server: one database after the other, ``jobs`` tables of it at a time.

Each step is taken in one session, and it never cancels anybody. Before each table, never during one, it waits while the
standbys or this host cannot keep up.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple, Optional

from ...errors import CoreError
from ...finding import DONE, FAILED, NOT_DONE
from ...host import Host
from ...postgres.connection import Session
from ...steps import Step
from ..declared import Database, VacuumSettings
from ..steps import Ended
from . import queries
from .collect import APPLICATION, opened, parse_records, prepare_worker
from .features import has
from .horizon import blocker
from .model import Lock, Server, State, TableTask
from .plan import group_of
from .statements import session_settings, statement

POLL_S = 1.0
SLICE_S = 5.0
LONGEST_LOAD_PAUSE_S = 20.0  # in the whole run: a host that is always busy must still get its vacuum
MARGIN_S = 5.0  # of the whole run's time is left for reporting
LATE_STATISTICS_S = (0.0, 0.5, 1.0)  # before PostgreSQL 15 counters arrive up to half a second late

# What an SQLSTATE means for a step: (state, check id, reason). Anything else is a failure.
_MEANING = {
    "57014": (NOT_DONE, "database.window", "ended by statement_timeout at the end of the window"),
    "55P03": (NOT_DONE, "database.locked", "somebody else had it locked for longer than lock_timeout"),
    "42P01": (NOT_DONE, "database.maintenance", "the table is gone since the plan was made"),
    "3F000": (NOT_DONE, "database.maintenance", "its schema is gone since the plan was made"),
    "42501": (NOT_DONE, "database.permission", "the login may not vacuum it"),
    "XX001": (FAILED, "database.integrity", ""),  # data_corrupted
    "XX002": (FAILED, "database.integrity", ""),  # index_corrupted
}
# Class 08 is a connection exception, 57P a server that shuts down; a lost connection has no code at all.
_LOST = ("08", "57P")


class VacuumReport(NamedTuple):
    """What VACUUM (VERBOSE) says of one table and its TOAST table together; None where it does not say it.

    ``index_scans`` is the larger number of the two, because more than one means that the memory was too small for one.
    ``removed`` are rows; ``dead_items`` are the places in pages that became free, also of rows that a read had removed
    before.
    """

    removed: Optional[int] = None
    dead_items: Optional[int] = None
    not_removable: Optional[int] = None
    index_scans: Optional[int] = None
    pages_scanned: Optional[int] = None
    wal_bytes: Optional[int] = None

    def as_dict(self) -> dict[str, int]:
        """Return what the report says, without what it does not."""
        return {name: value for name, value in self._asdict().items() if value is not None}


# The report that VACUUM (VERBOSE) prints from PostgreSQL 15 on, in the C locale (heap_vacuum_rel in vacuumlazy.c).
_REPORT = {
    "removed": re.compile(r"^tuples: (\d+) removed", re.MULTILINE),
    "dead_items": re.compile(r"had (\d+) dead item identifiers removed$", re.MULTILINE),
    "not_removable": re.compile(r"^tuples: .*?(\d+) are dead but not yet removable", re.MULTILINE),
    "index_scans": re.compile(r"^(?:INFO:  )?finished vacuuming .*: index scans: (\d+)", re.MULTILINE),
    "pages_scanned": re.compile(r"^pages: .*?(\d+) scanned", re.MULTILINE),
    "wal_bytes": re.compile(r"^WAL usage: .*?(\d+) bytes", re.MULTILINE),
}


def parse_vacuum_report(notices: Sequence[str]) -> VacuumReport:
    """Given the notices of a VACUUM (VERBOSE), return its figures; older servers and other locales give none."""
    text = "\n".join(notices)
    found: Mapping[str, list[str]] = {name: pattern.findall(text) for name, pattern in _REPORT.items()}
    together = {"index_scans": max}
    return VacuumReport(**{name: together.get(name, sum)(map(int, values)) for name, values in found.items() if values})


class Brake:
    """Called before a step: waits where it must, returns why the step cannot be taken, or an empty text.

    It keeps the seconds that were spent waiting for the load, which workers share.
    """

    def __init__(
        self, server: Server, settings: VacuumSettings, host: Host, deadline: float, load: Callable[[], float]
    ) -> None:
        self._server, self._settings, self._host, self._deadline, self._load = server, settings, host, deadline, load
        self._paused_s = 0.0
        self._lock = threading.Lock()

    def __call__(self, session: Session, step: Step) -> str:
        self._wait_for_load()
        return self._wait_for_standbys(session, step) if self._server.standbys else ""

    def _wait_for_load(self) -> None:
        while self._load() > self._settings.load_max:
            with self._lock:
                if self._paused_s >= LONGEST_LOAD_PAUSE_S:
                    return
                self._paused_s += SLICE_S
            self._host.pause(SLICE_S)

    def _wait_for_standbys(self, session: Session, step: Step) -> str:
        while True:
            lag: Optional[float] = session.rows(queries.REPLICA_LAG).values[0][0]
            if lag is None or lag <= self._settings.replica_lag_s:
                return ""
            if self._host.now() + SLICE_S + step.task.predicted_s > self._deadline:
                return f"a standby lags {lag:.0f} s behind, more than {self._settings.replica_lag_s:.0f} s"
            self._host.pause(SLICE_S)


def load_per_core() -> float:
    """Return the load of the last minute per core; 0 where the system has no such number."""
    if not hasattr(os, "getloadavg"):
        return 0.0
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def no_load() -> float:
    """Stand in for the load of a server that is not on this host."""
    return 0.0


@dataclass
class ServerRun:
    """What all workers of a run share: ``lost`` is set once the server is gone, ``progress`` is by session pid."""

    server: Server
    settings: VacuumSettings
    host: Host
    deadline: float
    brake: Callable[[Session, Step], str]
    lost: str = ""
    progress: dict[int, dict[str, Any]] = field(default_factory=dict)

    def left(self, step: Step) -> float:
        """Return the seconds that a step may take: those of the window, in an emergency those of the whole run."""
        whole = self.host.remaining() - MARGIN_S
        return whole if step.task.emergency else min(whole, self.deadline - self.host.now())


def make_run(entry: Database, server: Server, settings: VacuumSettings, host: Host, deadline: float) -> ServerRun:
    """Return what the workers share. ``deadline`` is when the window ends, in seconds since the epoch."""
    load = load_per_core if entry.login.is_local else no_load
    return ServerRun(server, settings, host, deadline, Brake(server, settings, host, deadline, load))


def act(steps: Sequence[Step], entry: Database, run: ServerRun, heartbeat: Callable[[], None]) -> list[Ended]:
    """Given the steps of a plan in their order, take them and return one outcome for each.

    ``heartbeat`` is called about once a second.
    """
    ended: list[Ended] = []
    for (_emergency, database), group in groupby(steps, key=group_of):
        ended += _group(list(group), entry, database, run, heartbeat)
    return ended


def _group(
    steps: list[Step], entry: Database, database: str, run: ServerRun, heartbeat: Callable[[], None]
) -> list[Ended]:
    """Take the steps of one database. All sessions are opened before the first worker starts: connecting may change
    the effective user of the whole process for a moment.
    """
    try:
        with _sessions(entry, database, min(run.settings.jobs, len(steps)), run) as (sessions, observer):
            ended = _share_out(steps, sessions, observer, run, heartbeat)
            _close_books(ended, observer, run)
    except CoreError as error:
        return [Ended(step, NOT_DONE, str(error), rule="database.reachable") for step in steps]
    return ended


@contextmanager
def _sessions(entry: Database, database: str, jobs: int, run: ServerRun) -> Iterator[tuple[list[Session], Session]]:
    with ExitStack() as stack:
        *workers, observer = (
            stack.enter_context(closing(opened(entry, database, run.settings))) for _number in range(jobs + 1)
        )
        for worker in workers:
            prepare_worker(worker, run.server.version, run.server.is_superuser)
        yield workers, observer


def _share_out(
    steps: list[Step], sessions: list[Session], observer: Session, run: ServerRun, heartbeat: Callable[[], None]
) -> list[Ended]:
    """Give each session the next step when it is free, watch meanwhile, and return the outcomes in the steps' order."""
    waiting = iter(list(enumerate(steps)))
    turn = threading.Lock()
    ended: dict[int, Ended] = {}

    def work(session: Session) -> None:
        while True:
            with turn:
                number, step = next(waiting, (-1, None))
            if step is None:
                return
            ended[number] = perform(step, session, run)

    with ThreadPoolExecutor(max_workers=len(sessions)) as pool:
        _watch([pool.submit(work, session) for session in sessions], sessions, observer, run, heartbeat)
    return [ended[number] for number in range(len(steps))]


def _watch(
    futures: Sequence[Future[None]],
    sessions: Sequence[Session],
    observer: Session,
    run: ServerRun,
    heartbeat: Callable[[], None],
) -> None:
    pids = [session.pid() for session in sessions]
    while wait(futures, timeout=POLL_S).not_done:
        heartbeat()
        for pid, progress in _progress(observer, run.server.version, pids).items():
            known = run.progress.setdefault(pid, {})
            known.update({name: max(value, known.get(name, value)) for name, value in progress.items()})
    for future in futures:
        future.result()  # a defect of a worker is raised here, not lost


def _progress(observer: Session, version: int, pids: list[int]) -> dict[int, dict[str, Any]]:
    """Return how far the vacuums of our sessions are; nothing where the server does not say."""
    try:
        rows = observer.rows(queries.progress(version), {"pids": pids})
    except CoreError:
        return {}
    return {row["pid"]: progress_of(row) for row in (dict(zip(rows.columns, values)) for values in rows.values)}


def progress_of(row: dict[str, Any]) -> dict[str, float]:
    """Given a row of pg_stat_progress_vacuum, return what is worth keeping of it."""
    return {
        "heap_percent": _percent(row["heap_blks_scanned"], row["heap_blks_total"]),
        "memory_percent": _percent(row["memory_used"], row["memory_limit"]),
        "index_passes": row["index_vacuum_count"] or 0,
    }


def _percent(part: Optional[int], whole: Optional[int]) -> float:
    return round(100.0 * (part or 0) / whole, 1) if whole else 0.0


def _close_books(ended: Sequence[Ended], observer: Session, run: ServerRun) -> None:
    """Bring the database's own age up to date once, where each vacuum was told not to (PostgreSQL 16 and later)."""
    vacuumed = any(end.seconds and end.step.action != "analyze" for end in ended)
    if vacuumed and not run.lost and has(run.server.version, "skip_database_stats"):
        observer.execute("VACUUM (ONLY_DATABASE_STATS)")


def perform(step: Step, session: Session, run: ServerRun) -> Ended:
    """Given a step, take it if the window still has room for it, and return how it came out."""
    hindrance = _hindrance(step, session, run)
    if hindrance:
        return Ended(step, NOT_DONE, hindrance[1], rule=hindrance[0])
    begun = time.monotonic()
    try:
        return _vacuum(step, session, run)
    except CoreError as error:
        return _failed(step, error, time.monotonic() - begun, run)


def _hindrance(step: Step, session: Session, run: ServerRun) -> Optional[tuple[str, str]]:
    if run.lost:
        return "database.reachable", f"the connection was lost before: {run.lost}"
    held = "" if step.task.emergency else run.brake(session, step)
    if held:
        return "database.replica_lag", held
    if step.task.predicted_s > run.left(step):
        return "database.window", f"predicted to take {step.task.predicted_s:.0f} s, the window ends before"
    if step.task.rewrite and session.rows(queries.OTHER_CLIENTS, {"application": APPLICATION}).values[0][0]:
        return "database.locked", "other clients are connected to the database: the services are not down"
    return None


def _vacuum(step: Step, session: Session, run: ServerRun) -> Ended:
    session.execute(session_settings(step.task, run.server, run.settings, run.left(step)))
    before = _state(session, step)
    if before is None:
        return Ended(step, NOT_DONE, _MEANING["42P01"][2], rule="database.maintenance")
    run.progress.pop(session.pid(), None)
    begun = time.monotonic()
    notices = session.execute(statement(step.task, run.server, run.settings))
    seconds = time.monotonic() - begun
    after = _after(step, session, before, run)
    if after is None:
        return Ended(step, NOT_DONE, _who_blocks(step, session), seconds, rule="database.locked")
    return _done(step, seconds, before, after, _details(step, parse_vacuum_report(notices), seconds, session, run))


def _state(session: Session, step: Step) -> Optional[State]:
    found = parse_records(session.rows(queries.STATE, {"oid": step.task.table.oid}), State, "the state of a table")
    return found[0] if found else None


def _after(step: Step, session: Session, before: State, run: ServerRun) -> Optional[State]:
    """Return the table's state once its counters show the step, or None where it was skipped as locked.

    The counters say it in every language; the server's warning does not. They count neither rewrites nor, before 14,
    partitioned tables.
    """
    task: TableTask = step.task
    fresh = has(run.server.version, "fresh_statistics")
    for late in LATE_STATISTICS_S[: 1 if fresh else None]:
        if late:
            run.host.pause(late)
        after = _state(session, step)
        if after is None or task.rewrite or task.table.kind == "p":
            return after
        if after.vacuums >= before.vacuums + task.vacuum and after.analyzes >= before.analyzes + task.analyze:
            return after
    return None


def _done(step: Step, seconds: float, before: State, after: State, details: dict[str, Any]) -> Ended:
    return Ended(
        step,
        DONE,
        step.reason,
        seconds,
        before=_figures(before),
        after=_figures(after),
        details=details,
    )


def _figures(state: State) -> dict[str, int]:
    return {name: value for name, value in state._asdict().items() if name not in ("vacuums", "analyzes")}


def _details(step: Step, report: VacuumReport, seconds: float, session: Session, run: ServerRun) -> dict[str, Any]:
    """Return what the server said of the step: its own report, and the most that its progress showed."""
    known = {**run.progress.pop(session.pid(), {}), **report.as_dict()}
    return {"mb_s": round(step.task.table.bytes / 1e6 / max(seconds, 1e-3), 1), **known} if step.task.vacuum else known


def _who_blocks(step: Step, session: Session) -> str:
    locks = parse_records(session.rows(queries.LOCKS), Lock, "the locks query")
    names = sorted({blocker(lock) for lock in locks if lock.relation == step.task.table.oid})
    return "locked by " + ("; ".join(names) or "a session that had gone by the time it was asked for")


def _failed(step: Step, error: CoreError, seconds: float, run: ServerRun) -> Ended:
    code = str(getattr(error, "code", None) or "")
    if code in _MEANING:
        state, rule, reason = _MEANING[code]
        return Ended(step, state, reason or str(error), seconds, rule=rule)
    if hasattr(error, "code") and (not code or code.startswith(_LOST)):
        run.lost = str(error)
    return Ended(step, FAILED, str(error), seconds, rule="database.maintenance")
