# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out the plan of one server: one database after the other, ``jobs`` tables of it at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from itertools import groupby
from typing import Any, Optional

from ...errors import CoreError
from ...finding import NOT_DONE
from ...host import Host
from ...postgres.connection import Session
from ..settings import Database, Settings
from ..steps import Ended
from . import queries
from .brake import Brake, load_per_core, no_load
from .features import has
from .gather import opened, prepare_worker
from .records import Server
from .schedule import group_of
from .steps import TableStep
from .worker import Errand, perform

POLL_S = 1.0


def make_errand(entry: Database, server: Server, settings: Settings, host: Host, deadline: float) -> Errand:
    """Return what the workers share. ``deadline`` is when the window ends, in seconds since the epoch."""
    load = load_per_core if entry.login.is_local else no_load
    return Errand(server, settings, host, deadline, Brake(server, settings, host, deadline, load))


def act(steps: Sequence[TableStep], entry: Database, errand: Errand, beat: Callable[[], None]) -> list[Ended]:
    """Given the steps of a plan in their order, take them and return one outcome for each.

    ``beat`` is called about once a second.
    """
    outcomes: list[Ended] = []
    for (_emergency, database), group in groupby(steps, key=group_of):
        outcomes += _group(list(group), entry, database, errand, beat)
    return outcomes


def _group(
    steps: list[TableStep], entry: Database, database: str, errand: Errand, beat: Callable[[], None]
) -> list[Ended]:
    """Take the steps of one database. All sessions are opened before the first worker starts: connecting may change
    the effective user of the whole process for a moment.
    """
    try:
        with _sessions(entry, database, min(errand.settings.jobs, len(steps)), errand) as (sessions, observer):
            outcomes = _share_out(steps, sessions, observer, errand, beat)
            _close_books(outcomes, observer, errand)
    except CoreError as error:
        return [Ended(step, NOT_DONE, str(error), rule="database.reachable") for step in steps]
    return outcomes


@contextmanager
def _sessions(entry: Database, database: str, jobs: int, errand: Errand) -> Iterator[tuple[list[Session], Session]]:
    with ExitStack() as stack:
        *workers, observer = (
            stack.enter_context(closing(opened(entry, database, errand.settings))) for _number in range(jobs + 1)
        )
        for worker in workers:
            prepare_worker(worker, errand.server.version, errand.server.is_superuser)
        yield workers, observer


def _share_out(
    steps: list[TableStep], sessions: list[Session], observer: Session, errand: Errand, beat: Callable[[], None]
) -> list[Ended]:
    """Give each session the next step when it is free, watch meanwhile, and return the outcomes in the steps' order."""
    waiting = iter(list(enumerate(steps)))
    turn = threading.Lock()
    outcomes: dict[int, Ended] = {}

    def work(session: Session) -> None:
        while True:
            with turn:
                number, step = next(waiting, (-1, None))
            if step is None:
                return
            outcomes[number] = perform(step, session, errand)

    with ThreadPoolExecutor(max_workers=len(sessions)) as pool:
        _watch([pool.submit(work, session) for session in sessions], sessions, observer, errand, beat)
    return [outcomes[number] for number in range(len(steps))]


def _watch(
    futures: Sequence[Future[None]],
    sessions: Sequence[Session],
    observer: Session,
    errand: Errand,
    beat: Callable[[], None],
) -> None:
    pids = [session.pid() for session in sessions]
    while wait(futures, timeout=POLL_S).not_done:
        beat()
        for pid, seen in _progress(observer, errand.server.version, pids).items():
            known = errand.seen.setdefault(pid, {})
            known.update({name: max(value, known.get(name, value)) for name, value in seen.items()})
    for future in futures:
        future.result()  # a defect of a worker is raised here, not lost


def _progress(observer: Session, version: int, pids: list[int]) -> dict[int, dict[str, Any]]:
    """Return how far the vacuums of our sessions are; nothing where the server does not say."""
    try:
        rows = observer.rows(queries.progress(version), {"pids": pids})
    except CoreError:
        return {}
    return {row["pid"]: seen_of(row) for row in (dict(zip(rows.columns, values)) for values in rows.values)}


def seen_of(row: dict[str, Any]) -> dict[str, float]:
    """Given a row of pg_stat_progress_vacuum, return what is worth keeping of it."""
    return {
        "heap_percent": _percent(row["heap_blks_scanned"], row["heap_blks_total"]),
        "memory_percent": _percent(row["memory_used"], row["memory_limit"]),
        "index_passes": row["index_vacuum_count"] or 0,
    }


def _percent(part: Optional[int], whole: Optional[int]) -> float:
    return round(100.0 * (part or 0) / whole, 1) if whole else 0.0


def _close_books(outcomes: Sequence[Ended], observer: Session, errand: Errand) -> None:
    """Bring the database's own age up to date once, where each vacuum was told not to (PostgreSQL 16 and later)."""
    vacuumed = any(outcome.seconds and outcome.step.action != "analyze" for outcome in outcomes)
    if vacuumed and not errand.lost and has(errand.server.version, "skip_database_stats"):
        observer.execute("VACUUM (ONLY_DATABASE_STATS)")
