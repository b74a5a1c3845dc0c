# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers of Windows about its services and their events; all of them are asked for by one powershell.exe.

States: Win32_Service.State. A service of NSSM is nssm.exe, which stays while its program comes and goes: what counts is
the program, its child. NSSM says "Paused" while it waits before it starts a program anew that keeps ending. Of events
only numbers and values count, never messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any, Optional

from ..errors import CoreError
from ..event_log import parse_reach
from ..evidence import Event, Evidence
from ..fields import Fields, fields_of
from ..host import Host
from ..powershell import Answers, ask
from ..processes.model import Census, Details, Process
from ..processes.windows import parse_census
from ..sockets.model import SocketTable
from ..sockets.windows import parse_answers
from .model import AUTOMATIC, NOT_ASKED, Journal, Request, Snapshot, Unit, Units, by_name
from .windows_queries import LOGS, MAX_EVENTS, queries

NEVER_STARTED = 1077  # ERROR_SERVICE_NEVER_STARTED: not since the boot
SPECIFIC = 1066  # ERROR_SERVICE_SPECIFIC_ERROR: see ServiceSpecificExitCode
START_MODES = {"Auto": "enabled", "Boot": "enabled", "System": "enabled", "Manual": "manual", "Disabled": "disabled"}
STATES = {
    "Running": ("active", "running"),
    "Continue Pending": ("active", "continue-pending"),
    "Start Pending": ("activating", "start-pending"),
    "Stop Pending": ("deactivating", "stop-pending"),
    "Pause Pending": ("paused", "pause-pending"),
    "Paused": ("paused", "paused"),
}
NO_PROGRAM = "no-program"
STARTS = ("enabled", "delayed")
_NSSM = re.compile(r"(?:^|[\\/\"])nssm(?:\.exe)?(?=[\" ]|$)", re.IGNORECASE)
_CONSOLES = ("conhost.exe",)  # Windows gives one to every console program
# What the rules of systemd have no equivalent of here.
LACKS = {
    "daemon_reload": "Windows has no copy of a service's settings to reload: it reads the registry at every start",
    "open_files": "Windows sets no limit of open handles that a service could come near to",
}


def parse_units(answers: Answers, census: Census, request: Request) -> Units:
    """Given the answers, the processes and what is wished for, return the services as units."""
    try:
        rows = [row for row in fields_of("services", answers["services"]) if row.text("Name")]
        programs, dependents = _by_name(answers, "nssm"), _by_name(answers, "dependents")
        units = [_unit(row, census, programs.get(row.text("Name")), dependents.get(row.text("Name"))) for row in rows]
        units = _without_need(units)
    except CoreError as error:
        return Units(unavailable=f"the service manager cannot be asked: {error}")
    return Units(_as_declared(by_name(units), request), {each: _fitting(units, each) for each in request.patterns})


def _without_need(units: Collection[Unit]) -> list[Unit]:
    """Return the services; one that starts by itself but needs one that is disabled does not."""
    blocked = {name.casefold() for unit in units if unit.file_state == "disabled" for name in unit.stops_with}
    return [
        unit._replace(file_state="blocked") if unit.file_state in STARTS and unit.id.casefold() in blocked else unit
        for unit in units
    ]


def _by_name(answers: Answers, query: str) -> dict[str, Fields]:
    """Return what a query answered by the name of the service; nothing where it was refused or not asked."""
    try:
        return {row.text("Name"): row for row in fields_of(query, answers[query])}
    except CoreError:
        return {}


def _as_declared(units: Mapping[str, Unit], request: Request) -> dict[str, Unit]:
    """Return the units by name, and by the name that the inventory has: Windows cares for no capitals."""
    folded = {name.casefold(): unit for name, unit in units.items()}
    declared = {service.unit: folded.get(service.unit.casefold()) for service in request.services if service.unit}
    return {**units, **{name: unit for name, unit in declared.items() if unit is not None}}


def _fitting(units: Collection[Unit], pattern: str) -> tuple[str, ...]:
    return tuple(sorted(unit.id for unit in units if fnmatchcase(unit.id.casefold(), pattern.casefold())))


def _unit(row: Fields, census: Census, program: Optional[Fields], dependents: Optional[Fields]) -> Unit:
    path, name = row.text("PathName"), row.text("Name")
    wrapper = census.processes.get(row.whole("ProcessId", 0))
    wrapped = _NSSM.search(path) is not None
    main = _program(wrapper, census) if wrapped else wrapper
    active, sub, load = _state(row, wrapped=wrapped, lost=bool(wrapped and wrapper and not main))
    code = row.whole("ExitCode", 0)
    stopped = active in ("inactive", "failed") and sub != NO_PROGRAM
    began = main.began if main else 0.0
    return Unit(
        id=name,
        names=(name,),
        load=load,
        active=active,
        sub=sub,
        file_state=_file_state(row),
        type="nssm" if wrapped else "",
        main_pid=main.pid if main else 0 if wrapped else row.whole("ProcessId", 0),
        exit_code=1 if stopped and code not in (0, NEVER_STARTED) else 0,
        exit_status=row.whole("ServiceSpecificExitCode", 0) if code == SPECIFIC else code,
        result="service-specific" if code == SPECIFIC and stopped else NO_PROGRAM if sub == NO_PROGRAM else "",
        started=began,
        active_since=began,
        changed=began or (wrapper.began if wrapper else 0.0),
        exec_start=_command(path, program),
        environment="\n".join(_texts(program, "Environment")),
        stops_with=_texts(dependents, "Dependents"),
        manager="windows",
    )


def _program(wrapper: Optional[Process], census: Census) -> Optional[Process]:
    """Return the program that NSSM runs: its first child that is no console."""
    if wrapper is None:
        return None
    children = [p for p in census.processes.values() if p.parent == wrapper.pid and not _is_console(p)]
    return min(children, key=lambda process: (process.began, process.pid), default=None)


def _is_console(process: Process) -> bool:
    return process.command[:1] != () and process.command[0].replace("\\", "/").casefold().endswith(_CONSOLES)


def _state(row: Fields, *, wrapped: bool, lost: bool) -> tuple[str, str, str]:
    """Return active state, sub-state and load state in the words of systemd."""
    state, code = row.text("State"), row.whole("ExitCode", 0)
    if state == "Stopped":
        if row.text("StartMode") == "Disabled":
            return "inactive", "dead", "masked"
        return ("inactive", "dead", "loaded") if code in (0, NEVER_STARTED) else ("failed", "failed", "loaded")
    if wrapped and state == "Paused":
        return "activating", "auto-restart", "loaded"
    if lost and state == "Running":
        return "failed", NO_PROGRAM, "loaded"
    return (*STATES.get(state, ("unknown", state.casefold() or "unknown")), "loaded")


def _file_state(row: Fields) -> str:
    state = START_MODES.get(row.text("StartMode"), "unknown")
    return "delayed" if state == "enabled" and row.flag("DelayedAutoStart") else state


def _command(path: str, program: Optional[Fields]) -> str:
    """Return the command line of a service, that of its program where NSSM runs one."""
    if program is None or not program.text("Application"):
        return path
    return f"{program.text('Application')} {program.text('AppParameters')}".strip()


def _texts(row: Optional[Fields], name: str) -> tuple[str, ...]:
    value: Any = row.raw.get(name) if row else None
    values = value if isinstance(value, list) else [value]
    return tuple(str(each) for each in values if each)


def parse_events(answers: Answers, units: Units) -> Journal:
    """Given the answers and the services, return when each was restarted or ended unexpectedly, and since when the
    logs tell that: from the oldest event on that both of them have.

    Windows has no event for a service that was ended because memory ran out.
    """
    labels = _labels(answers)
    times: dict[str, list[float]] = {}
    gaps = [
        *_read(answers, "restarts", times, lambda values: _service_of(values, labels, units)),
        *_read(answers, "nssm_restarts", times, lambda values: values[0] if values else ""),
    ]
    since, doubts = _reach(answers)
    gaps += doubts
    events = sorted(Event(at, name, AUTOMATIC) for name, found in times.items() for at in found)
    kills = Evidence.unavailable("Windows logs no ends for want of memory")
    return Journal(Evidence(events, since, gaps), kills, None if gaps else since)


def _reach(answers: Answers) -> tuple[Optional[float], tuple[str, ...]]:
    """Return since when both logs have kept events, and why some may lack."""
    try:
        return parse_reach("reach", answers["reach"], LOGS)
    except CoreError as error:
        return None, (f"how far back the event logs go is not known: {error}",)


def _read(
    answers: Answers, query: str, times: dict[str, list[float]], name_of: Callable[[list[str]], str]
) -> list[str]:
    """Add the moments of a query's events; return why it has no answer, if it has none."""
    try:
        rows = fields_of(query, answers[query])
        cut = [f"the answer was cut after {MAX_EVENTS:,} events"] if len(rows) >= MAX_EVENTS else []
        found = [(name_of(_values(row)), row.when("TimeCreated")) for row in rows]
    except CoreError as error:
        return [str(error)]
    for name, when in found:
        if name and when is not None:
            times.setdefault(name, []).append(when)
    return cut


def _values(row: Fields) -> list[str]:
    values: Any = row.raw.get("Values")
    return [str(each) for each in (values if isinstance(values, list) else [values]) if each is not None]


def _labels(answers: Answers) -> dict[str, str]:
    """Return the names of services by what the service manager shows for them, in the language of the host."""
    try:
        return {row.text("DisplayName"): row.text("Name") for row in fields_of("services", answers["services"])}
    except CoreError:
        return {}


def _service_of(values: list[str], labels: Mapping[str, str], units: Units) -> str:
    """Return the service of an event: its name, the last value where that is one, or that of its display name."""
    if not values:
        return ""
    unit = units.by_name.get(values[-1].rstrip("\0"))
    return unit.id if unit else labels.get(values[0], "")


def collect_windows(host: Host, request: Request) -> Snapshot:
    """Return what there is on a Windows host; where PowerShell itself does not run, why nothing can be seen."""
    now = host.now()
    try:
        answers = ask(host, queries(request.window, everything=request.sockets))
    except CoreError as error:
        return _unavailable(now, f"PowerShell cannot be asked: {error}")
    census = _census(answers, now)
    units = parse_units(answers, census, request)
    sockets, unavailable = _sockets(answers) if request.sockets else (None, NOT_ASKED)
    return Snapshot(
        platform="windows",
        now=now,
        uptime=census.uptime,
        boot_id=census.boot_id,
        units=units,
        processes=census.processes,
        details=census.details,
        hidden=census.hidden,
        journal=parse_events(answers, units) if request.window else Journal.unavailable(NOT_ASKED),
        sockets=sockets,
        sockets_unavailable=unavailable,
        lacks=LACKS,
    )


def _unavailable(now: float, why: str) -> Snapshot:
    return Snapshot(
        now,
        0.0,
        "",
        Units(unavailable=why),
        hidden=why,
        journal=Journal.unavailable(why),
        sockets_unavailable=why,
        lacks=LACKS,
        platform="windows",
    )


def _census(answers: Answers, now: float) -> Census:
    try:
        return parse_census(answers, now)
    except CoreError as error:
        return Census(0.0, "", {}, lambda _pid: Details(), f"the processes cannot be listed: {error}")


def _sockets(answers: Answers) -> tuple[Optional[SocketTable], str]:
    table = parse_answers(answers)
    if len(table.unread) > 1:
        return None, f"the listening sockets cannot be read: {table.unavailable}"
    return table, ""
