# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who depends on whom on Windows, and why a service could not be stopped and started again: asked before any step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ...errors import CoreError, ParseError, SourceMissing
from ...host import Host
from ...powershell import ask
from ...services.declared import Service
from ...services.model import Observation
from ..model import Prepared
from ..order import united
from .queries import ties

_UNHEEDED = ("user", "output", "environment")  # what Win32_Process.Create does not do


class Ties(NamedTuple):
    """What the service control manager says of a service. ``dependents`` are those that run and depend on it."""

    name: str
    start_type: str
    status: str
    can_stop: bool
    dependents: tuple[str, ...] = ()


def read_ties(host: Host, services: Sequence[Service]) -> dict[str, Any]:
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


def parse_ties(row: Any) -> Ties:
    """Given the answer about one service, return its ties. Raise ParseError where it is not of that form."""
    dependents = row.get("Dependents") if isinstance(row, dict) else None
    listed = [dependents] if isinstance(dependents, str) else dependents
    if not isinstance(row, dict) or not isinstance(listed, list) or not isinstance(row.get("CanStop"), bool):
        raise ParseError("Get-Service", 1, str(row), "expected Name, CanStop and Dependents")
    name, start_type, status = (str(row.get(name)) for name in ("Name", "StartType", "Status"))
    return Ties(name, start_type, status, row["CanStop"], tuple(str(one) for one in listed))


def prepare_windows(host: Host, services: Sequence[Service]) -> Prepared:
    """Given declared services, return them with what Windows knows of who depends on whom, and the question for what
    stands against a restart.
    """
    known = read_ties(host, services)
    along = stopped_along(services, known)
    return Prepared(united(services, along), partial(obstacles_on_windows, known), along)


def obstacles_on_windows(
    known: Mapping[str, Any], services: Sequence[Observation], ways: Mapping[str, object]
) -> dict[str, str]:
    """Given the services as seen and their ties, return by name what stands against a restart."""
    declared = {seen.service.unit.lower() for seen in services if seen.service.manager == "windows"}
    found = {}
    for seen in services:
        if seen.service.manager == "windows":
            problem = _service_problem(seen, known.get(seen.name), declared)
        else:
            problem = _script_problem(seen.service)
        if problem:
            found[seen.name] = problem
    return found


def _service_problem(seen: Observation, known: Any, declared: set[str]) -> str:
    name = seen.name
    if not seen.alive:
        return ""
    if not isinstance(known, Ties):
        return f"it is not known whether {name} could be started again: {known}"
    strangers = [other for other in known.dependents if other.lower() not in declared]
    if strangers:
        return f"what is not declared depends on {name} and runs: {', '.join(strangers)} (declare it, or stop it first)"
    if known.start_type == "Disabled":
        return f"{name} could not be started again: it is disabled, which is left as it is"
    return "" if known.can_stop or known.status.endswith("Pending") else f"{name} takes no order to stop"


def _script_problem(service: Service) -> str:
    """Windows has no signal by which a process of another console could be asked to end."""
    if not service.stop_command:
        return f"services[{service.name}].stop_command is not given, and Windows has no signal to end {service.name} by"
    unheeded = [what for what in _UNHEEDED if getattr(service, what)]
    if unheeded:
        return f"services[{service.name}].{unheeded[0]} cannot be heeded by a start on Windows"
    return ""


def stopped_along(services: Sequence[Service], known: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Given declared services and their ties, return by name which declared ones depend on it, as Windows knows."""
    by_unit = {service.unit.lower(): service.name for service in services if service.manager == "windows"}
    return {
        name: tuple(by_unit[other.lower()] for other in tie.dependents if other.lower() in by_unit)
        for name, tie in known.items()
        if isinstance(tie, Ties)
    }
