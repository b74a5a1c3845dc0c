# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting together what is seen of the services of a host.

What a platform has of its own is in linux.py, macos.py and windows.py: all of them return a Machine. From there on
everything is the same. For others to use:

- ``GATHERERS[host.platform](host, services, patterns, window)``: everything about all services, as a Snapshot;
- ``look_at(host, service)``: the state, main process and processes of one service and nothing else, for whoever waits
  for one to start or stop: one ``systemctl show``, one ``launchctl print``, or one powershell.exe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Optional

from ..errors import CoreError, SourceDenied, SourceMissing
from ..host import Host
from ..processes.collect import process_table, rights_of_several
from ..processes.model import ZOMBIE, Details, of_unit, tree_of
from ..trusted import distrust
from .claims import gather_claims
from .declared import MANAGERS, Service
from .linux import read_linux
from .listeners import is_own_answer
from .model import MARKER, Machine, Observed, Snapshot, Unit, Wish, unit_of
from .pid_file import read_pid_file, whose, without_proof
from .probe import ask_all
from .workers import SPAN, looks_unsteady, turnover_of

Gatherer = Callable[[Host, Sequence[Service], Sequence[str], float], Snapshot]
LOOKS = {"linux": 10}  # how often within SPAN; a list of all processes costs the other systems seconds


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _read_macos(host: Host, wish: Wish) -> Machine:
    from .macos import read_macos

    return read_macos(host, wish)


def _read_windows(host: Host, wish: Wish) -> Machine:
    from .windows import read_windows

    return read_windows(host, wish)


# Who reads a platform.
READERS: dict[str, Callable[[Host, Wish], Machine]] = {
    "linux": read_linux,
    "darwin": _read_macos,
    "windows": _read_windows,
}


def gather(host: Host, services: Sequence[Service], patterns: Sequence[str] = (), window: float = 0.0) -> Snapshot:
    """Given the declared services, patterns of units and a window in seconds for events, return what is there."""
    machine = READERS[host.platform](host, Wish(services, patterns, window))
    seen = [observe(host, machine, service) for service in services]
    sockets = None if machine.hidden and not machine.processes else machine.sockets
    problem = machine.sockets_problem or machine.hidden
    snapshot = Snapshot(
        now=machine.now,
        uptime=machine.uptime,
        boot_id=machine.boot_id,
        services=tuple(seen),
        units=machine.units.by_name,
        units_problem=machine.units.problem or machine.units.unmatched,
        matched=machine.units.matched,
        processes=machine.processes,
        sockets=sockets,
        sockets_problem=problem,
        journal=machine.journal,
        unclimbed=machine.units.unclimbed,
        lacks=machine.lacks,
        platform=host.platform,
    )
    snapshot = snapshot._replace(services=with_turnover(host, snapshot))
    return snapshot._replace(services=with_answers(host, snapshot))


def look_at(host: Host, service: Service) -> Observed:
    """Given one declared service, return its state and processes, without sockets, files, ports and probe."""
    return _seen(host, READERS[host.platform](host, Wish([service], sockets=False)), service)


def look_at_port(host: Host, service: Service) -> tuple[Observed, Machine]:
    """Given one declared service, return its state and processes, and what was read of the host for it: its sockets."""
    machine = READERS[host.platform](host, Wish([service]))
    return _seen(host, machine, service), machine


def observe(host: Host, machine: Machine, service: Service) -> Observed:
    """Given one declared service, return what is there of it, its answer to the probe not yet included."""
    seen = _seen(host, machine, service)
    if seen.blind:
        return seen
    changed, odd, unread = _files(host, machine, seen)
    details = _details(machine, seen)
    return seen._replace(
        account=_account(host, seen, details),
        details=details,
        claims=gather_claims(host, service, seen.unit, seen.main),
        changed_files=changed,
        odd_files=odd,
        unread_files=unread,
    )


def read_marker(host: Host, state_dir: str) -> Optional[str]:
    """Return the text of the maintenance marker, or None where there is none, or anybody could have put it there."""
    if distrust(state_dir):
        return None
    try:
        return host.read(f"{state_dir}/{MARKER}", 200).strip()
    except (SourceMissing, SourceDenied):
        return None


def _seen(host: Host, machine: Machine, service: Service) -> Observed:
    if service.manager == "":
        what = MANAGERS[host.platform].option
        text = f"neither a {what} nor a pid file is declared for it, so nothing tells which process it is"
        return Observed(service, blind=text)
    return _of_unit(machine, service) if service.unit else _of_pid_file(host, machine, service)


def _details(machine: Machine, seen: Observed) -> dict[int, Details]:
    """Return the details of a service's processes; where processes are hidden, that they are."""
    if machine.hidden and not machine.processes and seen.alive:
        return {seen.unit.main_pid if seen.unit else 0: Details(denied=machine.hidden)}
    return {process.pid: machine.details(process.pid) for process in seen.processes}


def _account(host: Host, seen: Observed, details: Mapping[int, Details]) -> str:
    """Return the account of a script-started service: unlike a unit's, nothing else on the host says whose it is."""
    uid = details[seen.main.pid].uid if seen.pid_file and seen.main and seen.main.pid in details else -1
    return host.account(uid) if uid >= 0 else ""


def _of_unit(machine: Machine, service: Service) -> Observed:
    problem = machine.units.problem or machine.units.problems.get(service.unit, "")
    if problem:
        return Observed(service, blind=problem)
    unit = unit_of(machine.units.by_name, service.unit)
    if unit is None:
        return Observed(service)
    main = machine.processes.get(unit.main_pid) if unit.main_pid else None
    # A process that hosts several Windows services belongs to none of them, and yet it runs this one.
    processes = of_unit((unit.id, *unit.names), machine.processes) or ((main,) if main else ())
    socket, timer = _idle(machine, unit)
    return Observed(service, unit, main=main, processes=processes, idle_socket=socket, idle_timer=timer)


def _idle(machine: Machine, unit: Unit) -> tuple[str, str]:
    """Return what waits to start a unit that is not running: a socket, by the first connection, or a timer or path."""
    if unit.active != "inactive":
        return "", ""
    if unit.manager == "launchd":
        return "".join(unit.triggered_by[:1]), ""
    triggers = [machine.units.by_name[name] for name in unit.triggered_by if name in machine.units.by_name]
    waiting = [trigger.id for trigger in triggers if trigger.active == "active"]
    sockets = [name for name in waiting if name.endswith(".socket")]
    others = [name for name in waiting if not name.endswith(".socket")]
    return "".join(sockets[:1]), "".join(others[:1])


def _of_pid_file(host: Host, machine: Machine, service: Service) -> Observed:
    pid_file = read_pid_file(host, service.pid_file)
    process = machine.processes.get(pid_file.pid)
    if pid_file.pid and process is None and machine.hidden:
        pid_file = pid_file._replace(denied=True, problem=f"{machine.hidden}, so nothing tells whether it runs")
    pid_file = without_proof(service, pid_file, process, rights_of_several(host, process.pid) if process else "")
    main, intruder = (None, None) if pid_file.denied else whose(service, process)
    processes = tree_of(main.pid, machine.processes) if main and main.state != ZOMBIE else ()
    return Observed(service, pid_file=pid_file, main=main, intruder=intruder, processes=processes)


def _files(host: Host, machine: Machine, seen: Observed) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the files of a running service that changed after it began, those whose time lies in the future, and why
    declared ones cannot be looked at.
    """
    began = seen.main.began if seen.main else seen.unit.active_since if seen.unit and seen.unit.running else None
    started = None if began is None else machine.clock.moment(began)
    if started is None:
        return (), (), ()
    changed, odd, unread = [], [], []
    for path in _files_of(seen):
        try:
            when = host.modified(path)
        except (SourceMissing, SourceDenied) as error:
            # one that is gone has not been read since, and drift and state say what is wrong with it; nothing does
            # where it is declared to be read
            unread += [str(error)] if path in seen.service.config_files else []
            continue
        if when > machine.now + 60:
            odd.append(path)
        elif when > started + 1:
            changed.append(path)
    return tuple(changed), tuple(odd), tuple(unread)


def _files_of(seen: Observed) -> list[str]:
    unit_files = [*seen.unit.files, *(path.lstrip("-") for path in seen.unit.environment_files)] if seen.unit else []
    declared = [place.path for place in seen.service.declared_in]
    program = [seen.main.exe] if seen.main and seen.main.exe else []
    return list(dict.fromkeys([*unit_files, *program, *seen.service.config_files, *declared]))


def with_answers(host: Host, snapshot: Snapshot) -> tuple[Observed, ...]:
    """Return the services with their answers. One that does not run is not asked: a request would start one that waits
    behind a socket. Nor is a stranger on its port: whatever it answers is no word of the service, and what a probe
    carries is not for it.
    """
    seen = [_with_owner(snapshot, one) for one in snapshot.services]
    asked = [s for s in seen if _is_asked(s) and not s.unasked]
    answers = ask_all(host, [s.service.probe for s in asked if s.service.probe])
    by_name = {s.name: answer for s, answer in zip(asked, answers)}
    return tuple(s._replace(answer=by_name.get(s.name)) for s in seen)


def _is_asked(seen: Observed) -> bool:
    return seen.service.probe is not None and seen.alive is not False and seen.service.state == "started"


def _with_owner(snapshot: Snapshot, seen: Observed) -> Observed:
    probe = seen.service.probe
    if probe is None or not _is_asked(seen):
        return seen
    own, why = is_own_answer(seen, probe, snapshot.sockets, snapshot.sockets_problem, snapshot.describe)
    return seen if own else seen._replace(unasked=why if own is False else "", unproven="" if own is False else why)


GATHERERS: dict[str, Gatherer] = dict.fromkeys(READERS, gather)


def with_turnover(host: Host, snapshot: Snapshot) -> tuple[Observed, ...]:
    """Given what was seen, return the services; those whose workers may come and go have been looked at again."""
    again = [seen for seen in snapshot.services if looks_unsteady(snapshot, seen)]
    if not again:
        return snapshot.services
    try:
        later = [process_table(host) for _look in _pauses(host)]
        problem = ""
    except CoreError as error:
        later, problem = [], f"its workers could not be looked at again: {error}"
    found = {seen.name: turnover_of(seen.main, later, problem) for seen in again if seen.main is not None}
    return tuple(seen._replace(turnover=found.get(seen.name)) for seen in snapshot.services)


def _pauses(host: Host) -> Iterable[None]:
    count = LOOKS.get(host.platform, 1)
    for _each in range(count):
        host.pause(SPAN / count)
        yield
