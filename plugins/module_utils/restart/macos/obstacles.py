# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a service of macOS could not be stopped and started again. Asked before anything is stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Optional

from ...errors import CoreError
from ...host import Host
from ...services.declared import Service
from ...services.model import Observation
from ..model import Launch, LaunchdJob, Prepared


def job_of(seen: Observation, recorded: Mapping[str, str]) -> Optional[LaunchdJob]:
    """Given a service, and what an interrupted run recorded of it, return its job; None where nothing tells."""
    if seen.unit is not None and seen.unit.target and seen.unit.files:
        return LaunchdJob(seen.unit.target, seen.unit.files[0])
    if recorded.get("target") and recorded.get("plist"):
        return LaunchdJob(str(recorded["target"]), str(recorded["plist"]))
    return None


def prepare_macos(host: Host, services: Sequence[Service]) -> Prepared:
    """Given declared services, return them as they are (launchd knows no order), and the question for what stands
    against a restart.
    """
    return Prepared(list(services), partial(obstacles_on_macos, host))


def obstacles_on_macos(host: Host, services: Sequence[Observation], ways: Mapping[str, object]) -> dict[str, str]:
    """Given the services as seen and how each would be started, return by name what stands against a restart."""
    found: dict[str, str] = {}
    for seen in services:
        way = ways.get(seen.name)
        by_launchd = seen.service.manager == "launchd"
        problem = _job_problem(host, seen, way) if by_launchd else _script_problem(seen, way)
        if seen.alive and problem:
            found[seen.name] = f"{seen.name} could not be started again: {problem}"
    return found


def _script_problem(seen: Observation, way: object) -> str:
    """Return why a script could not be started as it ran; what is declared of its environment makes up for it."""
    if not isinstance(way, Launch) or not way.problem or seen.service.environment:
        return ""
    return f"{way.problem}; declare services[{seen.name}].environment"


def _job_problem(host: Host, seen: Observation, way: object) -> str:
    if not isinstance(way, LaunchdJob):
        return "launchd does not tell the plist that it is from"
    if seen.unit is not None and seen.unit.file_state == "disabled":
        return "it is disabled, which is left as it is"
    try:
        host.modified(way.plist)
    except CoreError as error:
        return str(error)
    return ""
