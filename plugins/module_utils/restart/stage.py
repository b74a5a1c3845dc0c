# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps of a restart work with, and how one of its services is ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ..errors import CoreError
from ..host import Host
from ..services.model import Observation
from . import managers
from .declared import Options
from .gate import glance
from .launch import require_proof
from .model import Before, Progress, Situation
from .record import Record, write_record

# Given the members of a group, say why they must not be stopped at this moment; empty: they may be.
Guard = Callable[[Sequence[str]], str]


@dataclass
class Stage:
    """What the steps work with. ``stopping`` are services whose stop was begun and is not known to be complete,
    ``failed`` by name what it failed with. ``left`` is the record of an interrupted run, ``record`` that of this one.
    """

    host: Host
    options: Options
    situation: Situation
    before: Before
    guard: Guard
    state_dir: str
    left: Optional[Record] = None
    progress: Progress = field(default_factory=Progress)
    stopping: set[str] = field(default_factory=set)
    failed: dict[str, CoreError] = field(default_factory=dict)
    record: Record = field(default_factory=lambda: Record(()))

    def note(self, name: str, phase: str, seconds: float = 0.0) -> None:
        """Write down what is done to a service now, and for how long it may go on. Raise CoreError."""
        self.record = self.record.at(name, phase, self.host.now() + seconds)
        write_record(self.state_dir, self.record)


def units_of(stage: Stage, names: Sequence[str]) -> list[str]:
    """Return the units of systemd of these services."""
    services = [stage.situation.service(name) for name in names]
    return [service.unit for service in services if service.manager == "systemd"]


def end_service(stage: Stage, name: str, timeout: float) -> None:
    """End a service, as it is at this moment. Raise CoreError, Refused where nothing was done to it."""
    service = stage.situation.service(name)
    observed = glance(stage.host, service)
    require_proof(stage.host, observed)
    managers.stop(stage.host, _without_others(stage, observed), timeout, service.stop_command)


def _without_others(stage: Stage, observed: Observation) -> Observation:
    """Given a service as it is, return it without the processes of others: one may run in the session of another."""
    if observed.pid_file is None or len(observed.processes) < 2:
        return observed
    scripts = [s for s in stage.situation.services if s.manager == "pid_file" and s.name != observed.name]
    others = {process.pid for service in scripts for process in glance(stage.host, service).processes}
    return observed._replace(
        processes=tuple(p for p in observed.processes if p.pid not in others or p == observed.main)
    )
