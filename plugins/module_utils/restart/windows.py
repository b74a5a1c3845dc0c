# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Windows is asked and told of services, one that NSSM looks after as any other, and of script-started ones.

A script-started service is ended by its own command, for Windows has no signal by which a process of another console
could be asked to, and started by the service of WMI.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..errors import ActionFailed, CoreError, ParseError, SourceMissing
from ..host import Host
from ..powershell import Answers, ask
from ..processes.collect import process_table
from ..processes.model import Process
from ..services.declared import Service
from ..services.model import Observation
from ..services.pid_file import read_pid_file
from .ending import by_command
from .launch import is_named, write_pid_file
from .model import Launch, Prepared
from .order import united
from .windows_queries import create, start, stop, ties

_UNHEEDED = ("user", "output", "environment")  # what Win32_Process.Create does not do
START_UP = 30.0  # seconds that powershell.exe itself may take beyond the wait
POLL = 1.0  # each look is a powershell.exe
OWN_PID_FILE = 3.0


class Ties(NamedTuple):
    """What the service control manager says of a service. ``dependents`` are those that run and depend on it."""

    name: str
    start_type: str
    status: str
    can_stop: bool
    dependents: tuple[str, ...] = ()


def parse_ties(row: Any) -> Ties:
    """Given the answer about one service, return its ties. Raise ParseError where it is not of that form."""
    dependents = row.get("Dependents") if isinstance(row, dict) else None
    listed = [dependents] if isinstance(dependents, str) else dependents
    if not isinstance(row, dict) or not isinstance(listed, list) or not isinstance(row.get("CanStop"), bool):
        raise ParseError("Get-Service", 1, str(row), "expected Name, CanStop and Dependents")
    name, start_type, status = (str(row.get(name)) for name in ("Name", "StartType", "Status"))
    return Ties(name, start_type, status, row["CanStop"], tuple(str(one) for one in listed))


def collect_ties(host: Host, services: Sequence[Service]) -> dict[str, Any]:
    """Given services, return by name the Ties of each, or the error for which there are none: one powershell.exe."""
    asked = {service.name: service.unit for service in services if service.manager == "windows"}
    if not asked:
        return {}
    try:
        rows = ask(host, {"ties": ties(list(asked.values()))})["ties"]
        found = {tie.name.lower(): tie for tie in (parse_ties(row) for row in rows)}
    except CoreError as error:
        return dict.fromkeys(asked, error)
    return {name: found.get(unit.lower(), SourceMissing(f"the service {unit}")) for name, unit in asked.items()}


def stopped_along(services: Sequence[Service], known: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Given declared services and their ties, return by name which declared ones depend on it, as Windows knows."""
    by_unit = {service.unit.lower(): service.name for service in services if service.manager == "windows"}
    return {
        name: tuple(by_unit[other.lower()] for other in tie.dependents if other.lower() in by_unit)
        for name, tie in known.items()
        if isinstance(tie, Ties)
    }


def stop_service(host: Host, name: str, timeout: float) -> None:
    """Stop a service and wait until it is stopped. Raise CoreError where it is not after ``timeout`` seconds."""
    answers = ask(host, {"stop": stop(name, timeout)}, timeout=timeout + START_UP)
    status = _status(answers, "stop", name)
    if status != "Stopped":
        raise ActionFailed(f"the service {name} is {status} {timeout:.0f} s after it was told to stop")


def start_service(host: Host, name: str, timeout: float) -> None:
    """Start a service and wait until it runs. Raise CoreError where it does not after ``timeout`` seconds."""
    answers = ask(host, {"start": start(name, timeout)}, timeout=timeout + START_UP)
    status = _status(answers, "start", name)
    if status != "Running":
        raise ActionFailed(f"the service {name} is {status} after it was told to start (at most {timeout:.0f} s)")


def _status(answers: Answers, what: str, name: str) -> str:
    """Return the status at the end. Raise ActionFailed with what Windows says against it, in its language."""
    answer = answers.raw.get(what, {})
    if "error" in answer:
        said = " ".join(str(answer["error"]).split())
        raise ActionFailed(f"the service {name} does not {what}: {said or 'no reason is given'}")
    (first, *_rest) = answers[what] or [{}]
    return str(first.get("Status") or "in an unknown state") if isinstance(first, dict) else "in an unknown state"


def stop_script(host: Host, name: str, command: Sequence[str], tree: Sequence[Process], timeout: float) -> None:
    """Given the processes of a service, run its stop command and wait until none of them is left.

    Raise CoreError where the command fails, or where some are left after ``timeout`` seconds; none is killed.
    """
    begun = time.monotonic()
    host.run(list(command), timeout=max(timeout, 1.0))
    while True:
        now = process_table(host)
        left = [process.pid for process in tree if process.pid in now and now[process.pid].began == process.began]
        if not left:
            return
        if time.monotonic() - begun > timeout:
            raise ActionFailed(f"processes {left} of {name} are still there {timeout:.0f} s after its stop command")
        host.pause(POLL)


def start_script(
    host: Host, service: Service, is_named: Callable[[], bool], write_pid_file: Callable[[int], None], timeout: float
) -> None:
    """Start a service by its command and wait until its pid file names it; after a while one is written for it.

    Raise ActionFailed where the process cannot be made, or where no pid file appears in time.
    """
    answer = ask(host, {"create": create(service.command, service.chdir)})["create"]
    made = answer[0] if answer and isinstance(answer[0], dict) else {}
    code, pid = made.get("ReturnValue"), made.get("ProcessId")
    if code != 0 or not isinstance(pid, int) or pid <= 0:
        raise ActionFailed(f"{service.name} cannot be started: Win32_Process.Create gives {code}")
    begun = time.monotonic()
    while time.monotonic() - begun < timeout:
        if is_named():
            return
        if time.monotonic() - begun > OWN_PID_FILE:
            write_pid_file(pid)
            return
        host.pause(POLL)
    raise ActionFailed(f"{service.name} did not start: {service.pid_file} names no process after {timeout:.0f} s")


class WindowsServices:
    """The service control manager of Windows."""

    def prepare(self, host: Host, services: Sequence[Service]) -> Prepared:
        """Given declared services, return them with what Windows knows of who depends on whom."""
        known = collect_ties(host, services)
        along = stopped_along(services, known)
        return Prepared(united(services, along), along, known)

    def obstacle(self, host: Host, observed: Observation, way: Any, ties: Prepared) -> str:
        """Return why a service could not be stopped and started again; empty: it could."""
        declared = {service.unit.lower() for service in ties.services if service.manager == "windows"}
        return _service_obstacle(observed, ties.known.get(observed.name), declared)

    def observe(self, host: Host, observed: Observation, recorded: Mapping[str, Any]) -> None:
        """Return how a service is started again: Windows knows it."""

    def stop(self, host: Host, observed: Observation, command: Sequence[str], timeout: float) -> None:
        """Stop a service. Raise CoreError."""
        stop_service(host, observed.service.unit, timeout)

    def start(self, host: Host, service: Service, way: Any, timeout: float) -> None:
        """Start a service. Raise CoreError."""
        start_service(host, service.unit, timeout)


def _service_obstacle(observed: Observation, known: Any, declared: set[str]) -> str:
    name = observed.name
    if not observed.alive:
        return ""
    if not isinstance(known, Ties):
        return f"it is not known whether {name} could be started again: {known}"
    strangers = [other for other in known.dependents if other.lower() not in declared]
    if strangers:
        return f"what is not declared depends on {name} and runs: {', '.join(strangers)} (declare it, or stop it first)"
    if known.start_type == "Disabled":
        return f"{name} could not be started again: it is disabled, which is left as it is"
    return "" if known.can_stop or known.status.endswith("Pending") else f"{name} takes no order to stop"


class WindowsScripts:
    """Nobody: script-started services of Windows, known by their pid files."""

    def obstacle(self, host: Host, observed: Observation, way: Any, ties: Prepared) -> str:
        """Return why a service could not be stopped and started again; empty: it could."""
        return _script_obstacle(observed.service)

    def observe(self, host: Host, observed: Observation, recorded: Mapping[str, Any]) -> None:
        """Return how a service is started again: by its command, as it is declared."""

    def stop(self, host: Host, observed: Observation, command: Sequence[str], timeout: float) -> None:
        """End a service by its command. Raise CoreError."""
        if observed.main is None:
            return
        with by_command():
            stop_script(host, observed.name, command, observed.processes, timeout)

    def start(self, host: Host, service: Service, way: Any, timeout: float) -> None:
        """Start a service by its command. Raise CoreError."""
        before = read_pid_file(host, service.pid_file).pid
        named = partial(is_named, host, service, before)
        start_script(host, service, named, partial(write_pid_file, service, Launch(service.chdir)), timeout)


def _script_obstacle(service: Service) -> str:
    """Windows has no signal by which a process of another console could be asked to end."""
    if not service.stop_command:
        return f"services[{service.name}].stop_command is not given, and Windows has no signal to end {service.name} by"
    unheeded = [what for what in _UNHEEDED if getattr(service, what)]
    if unheeded:
        return f"services[{service.name}].{unheeded[0]} cannot be heeded by a start on Windows"
    return ""
