# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there of the services of a host: frozen records that the rules look at. They know nothing of how it was seen.

A unit is in the words of systemd; the files of other platforms translate into them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Optional

from ..clock import Clock
from ..evidence import Evidence
from ..finding import EMPTY
from ..processes.model import ZOMBIE, Details, Process
from ..sockets.model import Socket, SocketTable
from .declared import Service

MARKER = "maintenance"  # the file in the folder of state that says until when findings are expected
AUTOMATIC, START = "automatic", "start"  # restarts: by the manager itself, and all others
DEFAULT = "default.target"
ALWAYS = ("basic.target", "sysinit.target", DEFAULT)  # bootup(7): each boot reaches them
NOT_ASKED = "it was not asked"


class Unit(NamedTuple):
    """A unit as its manager sees it. Times are seconds since the boot, 0 for never.

    ``exit_code`` and ``exit_status`` are those of the main process (sigchld codes: 1 exited with a status, 2 killed by
    a signal, 3 killed with a core dump). ``stops_with`` are the units that the manager stops together with this one,
    ``started_by`` those that start it with them. ``mute`` units have their starts kept out of the log.
    ``environment`` may hold secrets and never leaves this process. ``manager`` is systemd, launchd or windows;
    ``target`` is what launchd calls the job (``system/com.cryptobot.auth``), ``files`` then begin with its plist.
    """

    id: str
    names: tuple[str, ...]
    load: str = "loaded"
    load_error: str = ""
    active: str = "inactive"
    sub: str = ""
    result: str = ""
    file_state: str = ""
    files: tuple[str, ...] = ()
    need_reload: bool = False
    type: str = ""
    remain: bool = False
    restarts: int = 0
    main_pid: int = 0
    exit_code: int = 0
    exit_status: int = 0
    started: float = 0.0
    active_since: float = 0.0
    changed: float = 0.0
    triggered_by: tuple[str, ...] = ()
    exec_start: str = ""
    environment: str = ""
    environment_files: tuple[str, ...] = ()
    stops_with: tuple[str, ...] = ()
    started_by: tuple[str, ...] = ()
    mute: bool = False
    manager: str = "systemd"
    target: str = ""

    def __repr__(self) -> str:
        return f"Unit({self.id} {self.load} {self.active}/{self.sub})"

    @property
    def found(self) -> bool:
        """Whether the manager knows a unit of this name."""
        return self.load != "not-found"

    @property
    def running(self) -> bool:
        """Whether the unit is up; being reloaded counts."""
        return self.active in ("active", "reloading")


class Journal(NamedTuple):
    """What the log of a service manager tells: restarts and out-of-memory kills by unit, ``since`` when (epoch; None:
    not known, or not all of it could be seen).
    """

    restarts: Evidence
    out_of_memory: Evidence
    since: Optional[float] = None

    @classmethod
    def unavailable(cls, reason: str) -> Journal:
        """Return the log that could not be asked."""
        return cls(Evidence.unavailable(reason), Evidence.unavailable(reason))


def by_name(units: Collection[Unit]) -> dict[str, Unit]:
    """Given units, return them by each of their names, aliases included."""
    return {name: unit for unit in units for name in (unit.id, *unit.names)}


def unit_of(names: Mapping[str, Unit], name: str) -> Optional[Unit]:
    """Given units by name, return the one asked for; None where the manager does not know it."""
    unit = names.get(name)
    return unit if unit is not None and unit.found else None


UNASKED = Journal.unavailable(NOT_ASKED)


class Request(NamedTuple):
    """What to read: the declared services, patterns of unit names, the events of the last ``window`` seconds (0: none),
    and whether the listening sockets too.
    """

    services: Sequence[Service]
    patterns: Sequence[str] = ()
    window: float = 0.0
    sockets: bool = True


class Units(NamedTuple):
    """The units of a host by name, and the ids that each pattern matched.

    ``unavailable`` says why there are none to see, ``unavailable_units`` why single ones, by name, cannot be seen,
    ``unmatched`` why patterns could not be compared with anything, and ``unclimbed`` why not all that starts them is
    known.
    """

    by_name: Mapping[str, Unit] = EMPTY
    matched: Mapping[str, tuple[str, ...]] = EMPTY
    unavailable: str = ""
    unavailable_units: Mapping[str, str] = EMPTY
    unmatched: str = ""
    unclimbed: str = ""

    @property
    def unlisted(self) -> str:
        """Why a pattern could be compared with no units; empty where it was."""
        return self.unavailable or self.unmatched


def no_details(_pid: int) -> Details:
    """Return what is known of a process of which nothing is known."""
    return Details()


class PidFile(NamedTuple):
    """A pid file: the ``pid`` in it (0: none) and when it was ``written`` (epoch).

    ``unavailable`` says why there is no pid; ``denied`` whether that is only because this account may not look.
    """

    path: str
    pid: int = 0
    written: float = 0.0
    unavailable: str = ""
    denied: bool = False


class Answer(NamedTuple):
    """What a service answered to its probe.

    ``seconds`` are the times of the good answers, ``fault`` what was wrong with a bad one (empty: none was),
    ``certificate_end`` when its certificate ends (epoch; None: not looked at, then see ``certificate_unavailable``).
    """

    seconds: tuple[float, ...] = ()
    status: Optional[int] = None
    fault: str = ""
    certificate_end: Optional[float] = None
    certificate_unavailable: str = ""

    @property
    def p95(self) -> float:
        """The 95th percentile of the answer times in seconds, by nearest rank; 0 without answers."""
        ordered = sorted(self.seconds)
        return ordered[-(-len(ordered) * 95 // 100) - 1] if ordered else 0.0


class Claim(NamedTuple):
    """A place that names a port of a service: ``source`` says which, ``unavailable`` why it could not be read."""

    source: str
    port: int = 0
    unavailable: str = ""


class Turnover(NamedTuple):
    """What was seen of a service's workers in the ``seconds`` after the first look, as (pid, began): all that were
    there ``ever``, and those of the ``last`` look. ``unavailable`` says why there was no such look.
    """

    seconds: float
    ever: frozenset[tuple[int, float]]
    last: frozenset[tuple[int, float]]
    unavailable: str = ""


class Observation(NamedTuple):
    """One service as it was seen.

    ``main`` is its main process, known to be the service. ``intruder`` is a process that has the pid of the pid file
    but is another program. ``account`` is whose process the main one of a script-started service is (empty: not known),
    ``changed_files`` are the files it was started with that have changed since, ``odd_files``
    those whose time lies in the future, and ``unread_files`` why declared ones cannot be looked at.
    ``idle_socket`` is the socket unit that starts it on demand, ``idle_timer`` the timer or path that starts it at
    times. ``turnover`` is what became of its workers, where they were looked at again.
    ``unasked`` says why its probe was not asked, ``unproven`` why nothing tells whose answer it is,
    ``unavailable`` why nothing could be seen.
    """

    service: Service
    unit: Optional[Unit] = None
    pid_file: Optional[PidFile] = None
    main: Optional[Process] = None
    account: str = ""
    intruder: Optional[Process] = None
    processes: tuple[Process, ...] = ()
    details: Mapping[int, Details] = EMPTY
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
    unavailable: str = ""

    @property
    def name(self) -> str:
        """The name of the service in the inventory."""
        return self.service.name

    @property
    def alive(self) -> Optional[bool]:
        """Whether it runs at the moment; None where that could not be seen."""
        if self.unavailable or (self.pid_file and self.pid_file.denied):
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


class Snapshot(NamedTuple):
    """A host's services at one moment: ``now`` in epoch seconds, ``uptime`` in seconds since the boot ``boot_id``.

    ``details`` tells more of a process, ``hidden`` says why processes may be missing. ``sockets`` is None where they
    could not be read, and ``sockets_unavailable`` says why. ``lacks`` says by rule why this platform has nothing
    to judge.
    """

    now: float
    uptime: float
    boot_id: str
    units: Units = Units()
    processes: Mapping[int, Process] = EMPTY
    details: Callable[[int], Details] = no_details
    hidden: str = ""
    journal: Journal = UNASKED
    sockets: Optional[SocketTable] = None
    sockets_unavailable: str = ""
    lacks: Mapping[str, str] = EMPTY
    platform: str = "linux"
    services: tuple[Observation, ...] = ()

    @property
    def clock(self) -> Clock:
        """The clock that all ages are told by."""
        return Clock(self.now, self.uptime)

    @property
    def booted(self) -> float:
        """When what runs here was booted (epoch): a container later than its machine."""
        init = self.processes.get(1) if self.platform == "linux" else None
        return (self.clock.moment(init.began) if init else None) or self.clock.booted

    def age(self, observed: Observation) -> Optional[float]:
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
