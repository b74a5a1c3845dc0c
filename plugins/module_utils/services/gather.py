# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting together what is seen of the services of a host: one pass over systemd, /proc, the sockets and the probes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from ..errors import CoreError, SourceDenied, SourceMissing
from ..host import Host
from ..processes.gather import process_table, read_details, uptime
from ..processes.parse import Process, of_unit, tree_of
from ..sockets.parse import SocketTable
from ..sockets.table import listening
from .claims import gather_claims
from .declared import Service
from .observed import Observed, Snapshot
from .parse import Journal, Unit, unit_of
from .pid_file import read_pid_file, whose
from .probe import ask_all
from .systemd import Units, gather_journal, gather_units

NOTHING_DECLARED = "neither a unit nor a pid file is declared for it, so nothing tells which process it is"

HIDDEN = "the processes of other accounts are hidden from this one (hidepid), so nothing tells whether it runs"


@dataclass(frozen=True)
class Machine:
    """What is read once and looked at for every service."""

    now: float
    uptime: float
    boot_id: str
    units: Units
    processes: dict[int, Process]

    @property
    def boot_time(self) -> float:
        """When the host was started, in seconds since the epoch."""
        return self.now - self.uptime


def gather_linux(
    host: Host, services: Sequence[Service], patterns: Sequence[str] = (), window: float = 0.0
) -> Snapshot:
    """Given the declared services, patterns of units and a window in seconds for the journal, return what is there."""
    machine = read_machine(host, services, patterns)
    seen = [observe(host, machine, service) for service in services]
    sockets, problem = _sockets(host)
    return Snapshot(
        now=machine.now,
        uptime=machine.uptime,
        boot_id=machine.boot_id,
        services=with_answers(host, seen),
        units=machine.units.by_name,
        units_problem=machine.units.problem,
        matched=machine.units.matched,
        processes=machine.processes,
        sockets=sockets,
        sockets_problem=problem,
        journal=_journal(host, machine, window),
    )


def read_machine(host: Host, services: Sequence[Service], patterns: Sequence[str] = ()) -> Machine:
    """Return what is read once: the clock, the units and the processes."""
    units = gather_units(host, {service.unit for service in services if service.unit}, patterns)
    return Machine(host.now(), uptime(host), host.boot_id(), units, process_table(host))


def _journal(host: Host, machine: Machine, window: float) -> Journal:
    if machine.units.problem or not machine.units.by_name or not window:
        return Journal({}, {}, machine.units.problem or "it was not asked")
    return gather_journal(host, machine.now - window)


def _sockets(host: Host) -> tuple[Optional[SocketTable], str]:
    try:
        return listening(host), ""
    except CoreError as error:
        return None, f"the listening sockets cannot be read: {error}"


def observe(host: Host, machine: Machine, service: Service) -> Observed:
    """Given one declared service, return what is there of it, its answer to the probe not yet included."""
    if service.manager == "":
        return Observed(service, blind=NOTHING_DECLARED)
    seen = _of_unit(machine, service) if service.unit else _of_pid_file(host, machine, service)
    if seen.blind:
        return seen
    changed, odd = _files(host, machine, seen)
    return replace(
        seen,
        details={process.pid: read_details(host, process.pid) for process in seen.processes},
        claims=gather_claims(host, service, seen.unit, seen.main),
        changed_files=changed,
        odd_files=odd,
    )


def _of_unit(machine: Machine, service: Service) -> Observed:
    if machine.units.problem:
        return Observed(service, blind=machine.units.problem)
    unit = unit_of(machine.units.by_name, service.unit)
    if unit is None:
        return Observed(service)
    processes = of_unit((unit.id, *unit.names), machine.processes)
    main = machine.processes.get(unit.main_pid) if unit.main_pid else None
    return Observed(service, unit, main=main, processes=processes, idle_socket=_idle_socket(machine, unit))


def _idle_socket(machine: Machine, unit: Unit) -> str:
    """Return the socket unit that waits to start a unit that is not running; empty where there is none."""
    waiting = [machine.units.by_name[name] for name in unit.triggered_by if name in machine.units.by_name]
    return next((s.id for s in waiting if s.active == "active" and unit.active == "inactive"), "")


def _of_pid_file(host: Host, machine: Machine, service: Service) -> Observed:
    pid_file = read_pid_file(host, service.pid_file)
    process = machine.processes.get(pid_file.pid)
    if pid_file.pid and process is None and 1 not in machine.processes:  # mounted with hidepid: see proc(5)
        pid_file = replace(pid_file, denied=True, problem=HIDDEN)
    main, intruder = whose(service, pid_file, process, machine.boot_time)
    processes = tree_of(main.pid, machine.processes) if main else ()
    return Observed(service, pid_file=pid_file, main=main, intruder=intruder, processes=processes)


def _files(host: Host, machine: Machine, seen: Observed) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the files of a running service that changed after it began, and those whose time lies in the future."""
    began = seen.main.began if seen.main else seen.unit.active_since if seen.unit and seen.unit.running else None
    if began is None:
        return (), ()
    changed, odd = [], []
    for path in _files_of(seen):
        try:
            when = host.modified(path)
        except (SourceMissing, SourceDenied):
            continue  # a file that is gone has not been read since; drift and state say what is wrong with it
        if when > machine.now + 60:
            odd.append(path)
        elif when > machine.boot_time + began + 1:
            changed.append(path)
    return tuple(changed), tuple(odd)


def _files_of(seen: Observed) -> list[str]:
    unit_files = [*seen.unit.files, *(path.lstrip("-") for path in seen.unit.environment_files)] if seen.unit else []
    declared = [place.path for place in seen.service.declared_in]
    return list(dict.fromkeys([*unit_files, *seen.service.config_files, *declared]))


def with_answers(host: Host, seen: Sequence[Observed]) -> tuple[Observed, ...]:
    """Return the services with their answers. One that does not run is not asked: whoever answers is not it, and a
    request would start one that waits behind a socket.
    """
    asked = [s for s in seen if s.service.probe and s.alive is not False and s.service.state == "started"]
    answers = ask_all(host, [s.service.probe for s in asked if s.service.probe])
    by_name = {s.name: answer for s, answer in zip(asked, answers)}
    return tuple(replace(s, answer=by_name.get(s.name)) for s in seen)


Gatherer = Callable[[Host, Sequence[Service], Sequence[str], float], Snapshot]

# Which gatherer looks at a platform. macOS (launchctl) and Windows (Get-CimInstance) get theirs here and nowhere else.
GATHERERS: dict[str, Gatherer] = {"linux": gather_linux}
