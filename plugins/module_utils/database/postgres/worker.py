# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking one step in one session, and telling how it came out. It never cancels anybody."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

from ...errors import CoreError
from ...finding import DONE, FAILED, NOT_DONE
from ...host import Host
from ...postgres.connection import Session
from ..settings import Settings
from ..steps import Ended
from . import queries
from .features import has
from .gather import APPLICATION
from .horizon import blocker
from .parse import Report, records, vacuum_report
from .records import Lock, Server, State
from .statements import session_settings, statement
from .steps import TableStep

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


@dataclass
class Errand:
    """What all workers of a run share: ``lost`` is set once the server is gone, ``seen`` is progress by session pid."""

    server: Server
    settings: Settings
    host: Host
    deadline: float
    brake: Callable[[Session, TableStep], str]
    lost: str = ""
    seen: dict[int, dict[str, Any]] = field(default_factory=dict)

    def left(self, step: TableStep) -> float:
        """Return the seconds that a step may take: those of the window, in an emergency those of the whole run."""
        whole = self.host.remaining() - MARGIN_S
        return whole if step.emergency else min(whole, self.deadline - self.host.now())


def perform(step: TableStep, session: Session, errand: Errand) -> Ended:
    """Given a step, take it if the window still has room for it, and return how it came out."""
    hindrance = _hindrance(step, session, errand)
    if hindrance:
        return Ended(step, NOT_DONE, hindrance[1], rule=hindrance[0])
    begun = time.monotonic()
    try:
        return _take(step, session, errand)
    except CoreError as error:
        return _failed(step, error, time.monotonic() - begun, errand)


def _hindrance(step: TableStep, session: Session, errand: Errand) -> Optional[tuple[str, str]]:
    if errand.lost:
        return "database.reachable", f"the connection was lost before: {errand.lost}"
    held = "" if step.emergency else errand.brake(session, step)
    if held:
        return "database.replica_lag", held
    if step.predicted_s > errand.left(step):
        return "database.window", f"predicted to take {step.predicted_s:.0f} s, the window ends before"
    if step.rewrite and session.rows(queries.OTHER_CLIENTS, {"application": APPLICATION}).values[0][0]:
        return "database.locked", "other clients are connected to the database: the services are not down"
    return None


def _take(step: TableStep, session: Session, errand: Errand) -> Ended:
    session.execute(session_settings(step, errand.server, errand.settings, errand.left(step)))
    before = _state(session, step)
    if before is None:
        return Ended(step, NOT_DONE, _MEANING["42P01"][2], rule="database.maintenance")
    errand.seen.pop(session.pid(), None)
    begun = time.monotonic()
    notices = session.execute(statement(step, errand.server, errand.settings))
    seconds = time.monotonic() - begun
    after = _after(step, session, before, errand)
    if after is None:
        return Ended(step, NOT_DONE, _who_blocks(step, session), seconds, rule="database.locked")
    return _done(step, seconds, before, after, _details(step, vacuum_report(notices), seconds, session, errand))


def _state(session: Session, step: TableStep) -> Optional[State]:
    found = records(session.rows(queries.STATE, {"oid": step.table.oid}), State, "the state of a table")
    return found[0] if found else None


def _after(step: TableStep, session: Session, before: State, errand: Errand) -> Optional[State]:
    """Return the table's state once its counters show the step, or None where it was skipped as locked.

    The counters say it in every language; the server's warning does not. They count neither rewrites nor, before 14,
    partitioned tables.
    """
    fresh = has(errand.server.version, "fresh_statistics")
    for wait in LATE_STATISTICS_S[: 1 if fresh else None]:
        if wait:
            errand.host.pause(wait)
        after = _state(session, step)
        if after is None or step.rewrite or step.table.kind == "p":
            return after
        if after.vacuums >= before.vacuums + step.vacuum and after.analyzes >= before.analyzes + step.analyze:
            return after
    return None


def _done(step: TableStep, seconds: float, before: State, after: State, details: dict[str, Any]) -> Ended:
    return Ended(
        step,
        DONE,
        "; ".join(step.reasons),
        seconds,
        before=_told(before),
        after=_told(after),
        details=details,
    )


def _told(state: State) -> dict[str, int]:
    return {name: value for name, value in state._asdict().items() if name not in ("vacuums", "analyzes")}


def _details(step: TableStep, report: Report, seconds: float, session: Session, errand: Errand) -> dict[str, Any]:
    """Return what the server said of the step: its own report, and the most that its progress showed."""
    told = {**errand.seen.pop(session.pid(), {}), **report.as_dict()}
    return {"mb_s": round(step.table.bytes / 1e6 / max(seconds, 1e-3), 1), **told} if step.vacuum else told


def _who_blocks(step: TableStep, session: Session) -> str:
    locks = records(session.rows(queries.LOCKS), Lock, "the locks query")
    names = sorted({blocker(lock) for lock in locks if lock.relation == step.table.oid})
    return "locked by " + ("; ".join(names) or "a session that had gone by the time it was asked for")


def _failed(step: TableStep, error: CoreError, seconds: float, errand: Errand) -> Ended:
    code = str(getattr(error, "code", None) or "")
    if code in _MEANING:
        state, rule, reason = _MEANING[code]
        return Ended(step, state, reason or str(error), seconds, rule=rule)
    if hasattr(error, "code") and (not code or code.startswith(_LOST)):
        errand.lost = str(error)
    return Ended(step, FAILED, str(error), seconds, rule="database.maintenance")
