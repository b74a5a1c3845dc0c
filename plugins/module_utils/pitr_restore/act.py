# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doing what was planned, step by step; whatever fails, the live cluster is as it was and the copy does not run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..backup.sources.postgresql import session
from ..backup.sources.postgresql.server import Server
from ..errors import ActionFailed, CoreError
from ..finding import DONE, EMPTY, FAILED, NOT_DONE, Action
from ..host import Host
from ..pitr.commands import clock_time, run_as
from ..pitr.wal import name_of, parse_position
from ..postgres.opening import Limits
from ..publish import publish_file
from ..steps import Step
from .copy import Copy, Moment
from .declared import Wanted
from .plan import Choice, Destination
from .survey import MARKER
from .swap import swap

PREFIX = "cryptobot.maintenance pitr_restore"


class Restored(NamedTuple):
    """What came of a restore. ``content`` has the rows by database and table, ``aside`` is where the live one is."""

    reached: Optional[Moment] = None
    stopped: str = ""
    content: Any = EMPTY
    timeline: int = 0
    aside: str = ""
    seconds: Any = EMPTY


class Run:
    """One restore at work: its copy, what came of it so far, and the record of it in the folder."""

    def __init__(self, copy: Copy, choice: Choice, place: Destination, heartbeat: Callable[[], None]) -> None:
        self.copy, self.choice, self.place, self.heartbeat = copy, choice, place, heartbeat
        self.request: Wanted = copy.request
        self.host: Host = copy.host
        self.done = Restored()
        self.seconds: dict[str, float] = {}

    def carry_out(self, steps: Sequence[Step]) -> list[Action]:
        """Take the steps in order, and return what became of each. The first that fails ends the rest."""
        ended: list[Action] = []
        for step in steps:
            if ended and ended[-1].state != DONE:
                ended.append(step.ended(NOT_DONE, "a step before it failed"))
                continue
            ended.append(self._carry(step))
        return ended

    def _carry(self, step: Step) -> Action:
        begun = self.host.since_boot()
        self.heartbeat()
        try:
            said = getattr(self, f"do_{step.action}")()
        except (CoreError, OSError) as error:
            self._leave()
            return step.ended(FAILED, str(error))
        self.seconds[step.action] = round(self.host.since_boot() - begun, 2)
        self.done = self.done._replace(seconds=dict(self.seconds))
        return step.ended(DONE, said or "", {"seconds": self.seconds[step.action]})

    def _leave(self) -> None:
        """A copy that did not become what was asked for does not run on; its files and its log stay to be looked at."""
        with suppress(CoreError):
            if self.copy.running():
                self.copy.stop()

    def do_restore(self) -> str:
        """Restore the files."""
        self.copy.make_folders()
        self.note("restoring")
        self.copy.fetch(self.choice)
        return ""

    def note(self, stage: str) -> None:
        """Write down what is in the folder, for whoever comes next. Raise OSError."""
        row = {
            "made_by": PREFIX,
            "stage": stage,
            "identity": self.request.identity(),
            "port": self.copy.port,
            "major": self.copy.major,
            "set": self.choice.backup.label,
            "content": self.done.content or {},
            "stopped": self.done.stopped,
            "timeline": self.done.timeline,
            "last_commit": self.done.reached.last_commit if self.done.reached else None,
        }
        publish_file(Path(self.request.dir, MARKER), json.dumps(row, sort_keys=True).encode())

    def do_replay(self) -> str:
        """Start it, wait for the end of replay, and compare that with what was asked for."""
        self.copy.start(self.choice)
        reached = self.copy.wait()
        stopped = self.copy.stopped_at()
        self.done = self.done._replace(reached=reached, stopped=stopped, timeline=reached.timeline)
        wrong = not_reached(self.request, self.choice, reached, stopped)
        if wrong:
            raise ActionFailed(wrong)
        last = clock_time(reached.last_commit) if reached.last_commit else "in the backup itself"
        return f"{stopped or 'replayed to the end of the archive'}; the last commit: {last}"

    def do_inspect(self) -> str:
        """Count the rows of each table of each database."""
        server = Server(
            self.request.run,
            self.copy.port,
            self.request.cluster.user,
            "",
            self.request.cluster.account,
            self._bin(),
            5.0,
        )
        content: dict[str, Any] = {}
        for database in session.databases(server, self.host):
            if database.trouble:
                content[database.name] = {"": database.trouble}
                continue
            with session.session(server, database.name, self.host) as conversation:
                content[database.name] = session.rows(conversation, "exact", self.heartbeat)
        self.done = self.done._replace(content=content)
        tables = sum(len(rows) for rows in content.values())
        rows = sum(count for each in content.values() for count in each.values() if isinstance(count, int))
        return f"{len(content)} databases, {tables} tables, {rows} rows"

    def _bin(self) -> str:
        folder = os.path.dirname(self.copy.program("psql"))
        return folder if os.path.exists(os.path.join(folder, "psql")) else ""

    def do_promote(self) -> str:
        """Let it take writes, and forget how it was recovered."""
        moment = self.copy.promote() if self.done.reached and self.done.reached.recovery else self.copy.moment()
        if moment.recovery:
            raise ActionFailed("the copy is still in recovery")
        self.copy.forget_recovery()
        self.done = self.done._replace(timeline=moment.timeline)
        self.note("running")
        return f"it takes writes, on timeline {moment.timeline}, port {self.copy.port}, socket in {self.request.run}"

    def do_dump(self) -> str:
        """Write one database to a file, and read that whole."""
        argv = [self.copy.program("pg_dump"), "-Fc", "-f", self.request.dump_file, "--no-password"]
        env = self.copy.cluster._replace(database=self.request.dump_database).environment(Limits(read_only=True))
        run_as(self.host, self.copy.cluster, argv, env=env, timeout=self.host.remaining())
        check = [self.copy.program("pg_restore"), "-f", os.devnull, self.request.dump_file]
        run_as(self.host, self.copy.cluster, check, timeout=self.host.remaining())
        return f"{os.path.getsize(self.request.dump_file)} bytes, read whole"

    def do_swap(self) -> str:
        """Put the copy in the place of the live cluster."""
        aside = swap(self.copy, self.place.live_dir)
        self.done = self.done._replace(aside=aside)
        self.note("swapped")
        return f"the cluster of before is in {aside}; take a full backup now"


def not_reached(request: Wanted, choice: Choice, reached: Moment, stopped: str) -> str:
    """Given where replay ended, return in which way that is not what was asked for; empty where it is.

    A server whose WAL has a hole comes online at the hole as if nothing were wrong, so the end is compared.
    """
    if request.target == "latest":
        begin = choice.window.last.number * choice.size
        if parse_position(reached.position) < begin:
            last = name_of(choice.window.last, choice.size)
            return f"replay ended at {reached.position}, before the last segment {last}"
        return ""
    if not reached.paused:
        return f"replay ended without stopping at {request.in_words()}"
    if request.target == "time" and request.moment is not None and reached.last_commit is not None:
        beyond = reached.last_commit > request.moment or (request.exclusive and reached.last_commit == request.moment)
        return f"the last commit is of {clock_time(reached.last_commit)}, beyond {request.value}" if beyond else ""
    named = {
        "xid": f"transaction {request.value}",
        "name": f'restore point "{request.value}"',
        "immediate": "consistency",
    }
    words = named.get(request.target, "")
    return "" if words in stopped else f"replay stopped elsewhere: {stopped or 'its log does not say where'}"
