# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workers of a service: children that do its work while the main process only looks after them.

uvicorn and gunicorn start a worker that dies anew, for ever: the service manager sees one process that lives and counts
no restart. Pure; turnover.py looks again where a service looks like that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..processes.model import ZOMBIE, Process
from .model import Observation, Snapshot, Turnover

YOUNG = 30.0  # seconds: a worker below this age may be one of many that came and went
SPAN = 2.0  # seconds that the second look takes
SPAWNED = "multiprocessing.spawn"  # what Python's own way to start a worker has in its command line


class Shown(NamedTuple):
    """The workers of a service at one moment, and how many its command line asks for (0: it does not say)."""

    workers: tuple[Process, ...]
    asked: int


def shown(main: Process, processes: Iterable[Process]) -> Shown:
    """Given the main process of a service and processes, return those that are its workers."""
    children = [p for p in processes if p.parent == main.pid and p.state != ZOMBIE]
    return Shown(tuple(p for p in children if is_worker(main, p)), workers_asked(main.command))


def is_worker(main: Process, child: Process) -> bool:
    """Return whether a child does the work of its parent: the same command line, or what Python spawns for it.

    A helper that comes and goes by nature (a shell, a health command) has another one.
    """
    return bool(child.command) and (child.command == main.command or any(SPAWNED in word for word in child.command))


def workers_asked(command: Sequence[str]) -> int:
    """Given a command line, return how many workers its option ``--workers`` (gunicorn: ``-w``) asks for, else 0."""
    for word, following in zip(command, [*command[1:], ""]):
        name, _equals, value = word.partition("=")
        number = value or following
        if name in ("--workers", "-w") and number.isdigit():
            return int(number)
    return 0


def is_unsteady(snapshot: Snapshot, observed: Observation) -> bool:
    """Return whether a service that should run has a young worker, lacks some, or has a port that is closed."""
    if observed.main is None or observed.service.state != "started":
        return False
    workers, asked = shown(observed.main, observed.processes)
    young = any(age < YOUNG for age in ages_of(snapshot, workers))
    closed = snapshot.sockets is not None and any(not snapshot.listeners(p.port) for p in observed.service.ports)
    return young or len(workers) < asked > 1 or closed


def turnover_of(main: Process, later: Sequence[Mapping[int, Process]], unavailable: str = "") -> Turnover:
    """Given a main process and later lists of all processes, return what became of its workers."""
    moments = [frozenset((p.pid, p.began) for p in shown(main, table.values()).workers) for table in later]
    return Turnover(SPAN, frozenset().union(*moments), moments[-1] if moments else frozenset(), unavailable)


def ages_of(snapshot: Snapshot, workers: Sequence[Process]) -> list[float]:
    """Return the ages of workers in seconds, as far as anything tells them."""
    return [age for age in (snapshot.clock.age(worker.began) for worker in workers) if age is not None]
