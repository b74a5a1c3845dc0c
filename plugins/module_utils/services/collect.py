# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting together what is seen of the services of a host.

What a platform has of its own is in linux.py, macos.py and windows.py: all of them return a Snapshot without services.
From there on everything is the same. For others to use:

- ``collect_snapshot(host, services, patterns, window)``: everything about all services, as a Snapshot;
- ``collect_one(host, service)``: the state, main process and processes of one service and nothing else, for whoever
  waits for one to start or stop: one ``systemctl show``, one ``launchctl print``, or one powershell.exe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Optional

from ..errors import CoreError, SourceDenied, SourceMissing
from ..host import Host
from ..processes.collect import process_table, rights_of_several
from ..processes.model import ZOMBIE, Details, of_unit, tree_of
from ..trusted import distrust
from .claims import collect_claims
from .declared import Service
from .linux import collect_linux
from .listeners import is_own_answer
from .managers import MANAGERS
from .model import MARKER, Observation, Request, Snapshot, Unit, unit_of
from .pid_file import read_pid_file, whose, without_proof
from .probe import ask_all
from .workers import SPAN, is_unsteady, turnover_of

# How often within SPAN: a worker may live for 0.1 s. A list of all processes costs the other systems seconds.
TIMES = {"linux": 25}
Names = tuple[str, ...]


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _collect_macos(host: Host, request: Request) -> Snapshot:
    from .macos import collect_macos

    return collect_macos(host, request)


def _collect_windows(host: Host, request: Request) -> Snapshot:
    from .windows import collect_windows

    return collect_windows(host, request)


# What a platform has of its own.
COLLECTORS: dict[str, Callable[[Host, Request], Snapshot]] = {
    "linux": collect_linux,
    "darwin": _collect_macos,
    "windows": _collect_windows,
}


def collect_snapshot(
    host: Host, services: Sequence[Service], patterns: Sequence[str] = (), window: float = 0.0
) -> Snapshot:
    """Given the declared services, patterns of units and a window in seconds for events, return what is there."""
    snapshot = COLLECTORS[host.platform](host, Request(services, patterns, window))
    observed = tuple(observe(host, snapshot, service) for service in services)
    nothing = snapshot.hidden and not snapshot.processes
    snapshot = snapshot._replace(
        services=observed,
        sockets=None if nothing else snapshot.sockets,
        sockets_unavailable=snapshot.sockets_unavailable or snapshot.hidden,
    )
    snapshot = snapshot._replace(services=with_turnover(host, snapshot))
    return snapshot._replace(services=with_answers(host, snapshot))


def collect_one(host: Host, service: Service) -> Observation:
    """Given one declared service, return its state and processes, without sockets, files, ports and probe."""
    return _observe(host, COLLECTORS[host.platform](host, Request([service], sockets=False)), service)


def collect_with_sockets(host: Host, service: Service) -> Snapshot:
    """Given one declared service, return its state and processes, and the sockets of the host."""
    snapshot = COLLECTORS[host.platform](host, Request([service]))
    return snapshot._replace(services=(_observe(host, snapshot, service),))


def observe(host: Host, snapshot: Snapshot, service: Service) -> Observation:
    """Given one declared service, return what is there of it, its answer to the probe not yet included."""
    observed = _observe(host, snapshot, service)
    if observed.unavailable:
        return observed
    changed, odd, unread = _files(host, snapshot, observed)
    details = _details(snapshot, observed)
    return observed._replace(
        account=_account(host, observed, details),
        details=details,
        claims=collect_claims(host, service, observed.unit, observed.main),
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


def _observe(host: Host, snapshot: Snapshot, service: Service) -> Observation:
    if service.manager == "":
        what = MANAGERS[host.platform].option
        text = f"neither a {what} nor a pid file is declared for it, so nothing tells which process it is"
        return Observation(service, unavailable=text)
    return _of_unit(snapshot, service) if service.unit else _of_pid_file(host, snapshot, service)


def _details(snapshot: Snapshot, observed: Observation) -> dict[int, Details]:
    """Return the details of a service's processes; where processes are hidden, that they are."""
    if snapshot.hidden and not snapshot.processes and observed.alive:
        return {observed.unit.main_pid if observed.unit else 0: Details(denied=snapshot.hidden)}
    return {process.pid: snapshot.details(process.pid) for process in observed.processes}


def _account(host: Host, observed: Observation, details: Mapping[int, Details]) -> str:
    """Return the account of a script-started service: unlike a unit's, nothing else on the host says whose it is."""
    uid = details[observed.main.pid].uid if observed.pid_file and observed.main and observed.main.pid in details else -1
    return host.account(uid) if uid >= 0 else ""


def _of_unit(snapshot: Snapshot, service: Service) -> Observation:
    unavailable = snapshot.units.unavailable or snapshot.units.unavailable_units.get(service.unit, "")
    if unavailable:
        return Observation(service, unavailable=unavailable)
    unit = unit_of(snapshot.units.by_name, service.unit)
    if unit is None:
        return Observation(service)
    main = snapshot.processes.get(unit.main_pid) if unit.main_pid else None
    # A process that hosts several Windows services belongs to none of them, and yet it runs this one.
    processes = of_unit((unit.id, *unit.names), snapshot.processes) or ((main,) if main else ())
    socket, timer = _idle(snapshot, unit)
    return Observation(service, unit, main=main, processes=processes, idle_socket=socket, idle_timer=timer)


def _idle(snapshot: Snapshot, unit: Unit) -> tuple[str, str]:
    """Return what waits to start a unit that is not running: a socket, by the first connection, or a timer or path."""
    if unit.active != "inactive":
        return "", ""
    if unit.manager == "launchd":
        return "".join(unit.triggered_by[:1]), ""
    triggers = [snapshot.units.by_name[name] for name in unit.triggered_by if name in snapshot.units.by_name]
    waiting = [trigger.id for trigger in triggers if trigger.active == "active"]
    sockets = [name for name in waiting if name.endswith(".socket")]
    others = [name for name in waiting if not name.endswith(".socket")]
    return "".join(sockets[:1]), "".join(others[:1])


def _of_pid_file(host: Host, snapshot: Snapshot, service: Service) -> Observation:
    pid_file = read_pid_file(host, service.pid_file)
    process = snapshot.processes.get(pid_file.pid)
    if pid_file.pid and process is None and snapshot.hidden:
        pid_file = pid_file._replace(denied=True, unavailable=f"{snapshot.hidden}, so nothing tells whether it runs")
    pid_file = without_proof(service, pid_file, process, rights_of_several(host, process.pid) if process else "")
    main, intruder = (None, None) if pid_file.denied else whose(service, process)
    processes = tree_of(main.pid, snapshot.processes) if main and main.state != ZOMBIE else ()
    return Observation(service, pid_file=pid_file, main=main, intruder=intruder, processes=processes)


def _files(host: Host, snapshot: Snapshot, observed: Observation) -> tuple[Names, Names, Names]:
    """Return the files of a running service that changed after it began, those whose time lies in the future, and why
    declared ones cannot be looked at.
    """
    main, unit = observed.main, observed.unit
    began = main.began if main else unit.active_since if unit and unit.running else None
    started = None if began is None else snapshot.clock.moment(began)
    if started is None:
        return (), (), ()
    changed, odd, unread = [], [], []
    for path in _files_of(observed):
        try:
            when = host.modified(path)
        except (SourceMissing, SourceDenied) as error:
            # one that is gone has not been read since, and drift and state say what is wrong with it; nothing does
            # where it is declared to be read
            unread += [str(error)] if path in observed.service.config_files else []
            continue
        if when > snapshot.now + 60:
            odd.append(path)
        elif when > started + 1:
            changed.append(path)
    return tuple(changed), tuple(odd), tuple(unread)


def _files_of(observed: Observation) -> list[str]:
    unit, service = observed.unit, observed.service
    unit_files = [*unit.files, *(path.lstrip("-") for path in unit.environment_files)] if unit else []
    program = [observed.main.exe] if observed.main and observed.main.exe else []
    declared = [place.path for place in service.declared_in]
    return list(dict.fromkeys([*unit_files, *program, *service.config_files, *declared]))


def with_answers(host: Host, snapshot: Snapshot) -> tuple[Observation, ...]:
    """Return the services with their answers. One that does not run is not asked: a request would start one that waits
    behind a socket. Nor is a stranger on its port: whatever it answers is no word of the service, and what a probe
    carries is not for it.
    """
    observed = [_with_owner(snapshot, one) for one in snapshot.services]
    asked = [s for s in observed if _is_asked(s) and not s.unasked]
    answers = ask_all(host, [s.service.probe for s in asked if s.service.probe])
    by_name = {s.name: answer for s, answer in zip(asked, answers)}
    return tuple(s._replace(answer=by_name.get(s.name)) for s in observed)


def _is_asked(observed: Observation) -> bool:
    return observed.service.probe is not None and observed.alive is not False and observed.service.state == "started"


def _with_owner(snapshot: Snapshot, observed: Observation) -> Observation:
    probe = observed.service.probe
    if probe is None or not _is_asked(observed):
        return observed
    own, why = is_own_answer(observed, probe, snapshot.sockets, snapshot.sockets_unavailable, snapshot.describe)
    if own:
        return observed
    return observed._replace(unasked=why) if own is False else observed._replace(unproven=why)


def with_turnover(host: Host, snapshot: Snapshot) -> tuple[Observation, ...]:
    """Given what was seen, return the services; those whose workers may come and go have been looked at again."""
    again = [observed for observed in snapshot.services if is_unsteady(snapshot, observed)]
    if not again:
        return snapshot.services
    try:
        later = [process_table(host) for _time in _pauses(host)]
        unavailable = ""
    except CoreError as error:
        later, unavailable = [], f"its workers could not be looked at again: {error}"
    found = {each.name: turnover_of(each.main, later, unavailable) for each in again if each.main is not None}
    return tuple(observed._replace(turnover=found.get(observed.name)) for observed in snapshot.services)


def _pauses(host: Host) -> Iterable[None]:
    count = TIMES.get(host.platform, 1)
    for _each in range(count):
        host.pause(SPAN / count)
        yield
