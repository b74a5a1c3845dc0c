# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen of the services: frozen records that the rules look at. They know nothing of how it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from ..clock import Clock
from ..processes.model import ZOMBIE, Details, Process
from ..sockets.model import Socket, SocketTable
from .declared import Service
from .parse import Journal, Unit

MARKER = "maintenance"  # the file in the folder of state that says until when findings are expected


@dataclass(frozen=True)
class PidFile:
    """A pid file: the ``pid`` in it (0: none) and when it was ``written`` (epoch).

    ``problem`` says why there is no pid; ``denied`` whether that is only because this account may not look.
    """

    path: str
    pid: int = 0
    written: float = 0.0
    problem: str = ""
    denied: bool = False


@dataclass(frozen=True)
class Answer:
    """What a service answered to its probe.

    ``seconds`` are the times of the good answers, ``problem`` what was wrong with a bad one (empty: none was),
    ``certificate_end`` when its certificate ends (epoch; None: not looked at, then see ``certificate_problem``).
    """

    seconds: tuple[float, ...] = ()
    status: Optional[int] = None
    problem: str = ""
    certificate_end: Optional[float] = None
    certificate_problem: str = ""

    @property
    def p95(self) -> float:
        """The 95th percentile of the answer times in seconds, by nearest rank; 0 without answers."""
        ordered = sorted(self.seconds)
        return ordered[-(-len(ordered) * 95 // 100) - 1] if ordered else 0.0


@dataclass(frozen=True)
class Claim:
    """A place that names a port of a service: ``source`` says which, ``problem`` why it could not be read."""

    source: str
    port: int = 0
    problem: str = ""


class Turnover(NamedTuple):
    """What was seen of a service's workers in the ``seconds`` after the first look, as (pid, began): all that were
    ``seen``, and those of the ``last`` look. ``problem`` says why there was no such look.
    """

    seconds: float
    seen: frozenset[tuple[int, float]]
    last: frozenset[tuple[int, float]]
    problem: str = ""


@dataclass(frozen=True)
class Observed:
    """One service as it was seen.

    ``main`` is its main process, known to be the service. ``intruder`` is a process that has the pid of the pid file
    but is another program. ``account`` is whose process the main one of a script-started service is (empty: not known),
    ``changed_files`` are the files it was started with that have changed since, ``odd_files``
    those whose time lies in the future, and ``unread_files`` why declared ones cannot be looked at.
    ``idle_socket`` is the socket unit that starts it on demand, ``idle_timer`` the timer or path that starts it at
    times. ``turnover`` is what became of its workers, where they were looked at again.
    ``unasked`` says why its probe was not asked, ``unproven`` why nothing tells whose answer it is, ``blind`` why
    nothing could be seen.
    """

    service: Service
    unit: Optional[Unit] = None
    pid_file: Optional[PidFile] = None
    main: Optional[Process] = None
    account: str = ""
    intruder: Optional[Process] = None
    processes: tuple[Process, ...] = ()
    details: Mapping[int, Details] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    changed_files: tuple[str, ...] = ()
    odd_files: tuple[str, ...] = ()
    unread_files: tuple[str, ...] = ()
    idle_socket: str = ""
    idle_timer: str = ""
    turnover: Optional[Turnover] = None
    answer: Optional[Answer] = None
    unasked: str = ""
    unproven: str = ""
    blind: str = ""

    @property
    def name(self) -> str:
        """The name of the service in the inventory."""
        return self.service.name

    @property
    def alive(self) -> Optional[bool]:
        """Whether it runs at the moment; None where that could not be seen."""
        if self.blind or (self.pid_file and self.pid_file.denied):
            return None
        if self.unit is not None:
            return self.unit.running or (self.unit.active == "activating" and self.unit.sub != "auto-restart")
        return self.main is not None and self.main.state != ZOMBIE

    @property
    def pids(self) -> frozenset[int]:
        """The pids of all its processes."""
        return frozenset(process.pid for process in self.processes)

    @property
    def rss(self) -> int:
        """The resident memory of all its processes in bytes; shared pages count in each of them."""
        return sum(detail.rss for detail in self.details.values())

    @property
    def denied(self) -> str:
        """Why the details of some of its processes could not be seen; empty where they were."""
        return next((detail.denied for detail in self.details.values() if detail.denied), "")


@dataclass(frozen=True)
class Snapshot:
    """A host's services at one moment: ``now`` in epoch seconds, ``uptime`` in seconds since the boot ``boot_id``.

    ``units`` are all units looked at, by each of their names, ``matched`` the ids that each pattern found.
    ``sockets`` is None where they could not be read, and ``sockets_problem`` says why. ``unclimbed`` says why not all
    that starts the units at boot is known, ``lacks`` by rule why this platform has nothing to judge.
    """

    now: float
    uptime: float
    boot_id: str
    services: tuple[Observed, ...]
    units: Mapping[str, Unit] = field(default_factory=dict)
    units_problem: str = ""
    matched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    processes: Mapping[int, Process] = field(default_factory=dict)
    sockets: Optional[SocketTable] = None
    sockets_problem: str = ""
    journal: Journal = field(default_factory=lambda: Journal.unavailable("it was not asked"))
    unclimbed: str = ""
    lacks: Mapping[str, str] = field(default_factory=dict)
    platform: str = "linux"

    @property
    def clock(self) -> Clock:
        """The clock that all ages are told by."""
        return Clock(self.now, self.uptime)

    @property
    def booted(self) -> float:
        """When what runs here was booted (epoch): a container later than its machine."""
        init = self.processes.get(1) if self.platform == "linux" else None
        return (self.clock.moment(init.began) if init else None) or self.clock.booted

    def age(self, observed: Observed) -> Optional[float]:
        """Return for how many seconds a service has been running; None where it is not, or nothing tells."""
        if observed.main is not None:
            return self.clock.age(observed.main.began)
        unit = observed.unit
        return self.clock.age(unit.active_since) if unit and unit.running and unit.active_since else None

    def listeners(self, port: int, proto: str = "tcp") -> tuple[Socket, ...]:
        """Return the sockets that listen on a port."""
        sockets = self.sockets.sockets if self.sockets else ()
        return tuple(entry for entry in sockets if entry.port == port and entry.proto == proto)

    def describe(self, pid: int) -> str:
        """Return a process for people: pid, command line as it is (not redacted) and unit."""
        process = self.processes.get(pid)
        if process is None:
            return f"pid {pid}"
        return f"pid {pid} ({process.title[:200]}{', ' + process.unit if process.unit else ''})"
