# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking before a restart: what runs, what else systemd would stop, what an interrupted run left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..host import Host
from ..memory import recall
from ..services.case import Case
from ..services.declared import Service
from ..services.gather import GATHERERS
from ..services.judge import judge
from ..services.observed import Snapshot
from ..services.order import start_order
from ..services.policy import Policy
from .gate import failing
from .launch import Launch, capture
from .model import Before, Options, Situation, Survey
from .reasons import reasons_of
from .record import Record, read_record

_STARTABLE = (".service", ".socket")  # starting a target would start more than was stopped


def take_survey(host: Host, params: Mapping[str, Any], services: Sequence[Service], options: Options) -> Survey:
    """Given the declared services, return what there is to plan from. Raise CoreError for an unreadable record."""
    record = read_record(params["state_dir"])
    known = [*services, *_of_record(services, record)]
    known, snapshot = _with_followers(host, known)
    memory = recall(params["state_dir"], "services")
    reasons = {
        seen.name: reasons_of(seen, snapshot, memory.get(seen.name) or {}, options)
        for seen in snapshot.services
        if seen.alive and seen.service.state == "started"
    }
    declared = {service.name for service in known}
    lost = tuple(name for name in (record.running if record else ()) if name not in declared)
    situation = Situation(
        services=tuple(known),
        running=frozenset(seen.name for seen in snapshot.services if seen.alive),
        blind={seen.name: _why_blind(seen.blind) for seen in snapshot.services if seen.alive is None},
        reasons={name: found for name, found in reasons.items() if found},
        interrupted=record.running if record else (),
        reload=frozenset(seen.name for seen in snapshot.services if seen.unit and seen.unit.need_reload),
    )
    return Survey(situation, _before(host, snapshot, record), record, lost)


def _why_blind(blind: str) -> str:
    return blind or "this account may not see its process"


def _of_record(services: Sequence[Service], record: Optional[Record]) -> list[Service]:
    """Return the units of an interrupted run that nothing declares (any more): they can be started all the same."""
    names = {service.name for service in services}
    units = record.units if record else {}
    return [Service(name, unit=unit) for name, unit in units.items() if name not in names]


def _with_followers(host: Host, services: Sequence[Service]) -> tuple[list[Service], Snapshot]:
    """Look at the services, and at the units that systemd stops together with them although nothing declares them.

    A unit that requires another is stopped with it and not started again: whoever stops must know it.
    """
    known = list(services)
    while True:
        snapshot = GATHERERS[host.platform](host, known, (), 0.0)
        more = _followers(snapshot)
        if not more:
            order = start_order({service.name: service.depends_on for service in known})
            return sorted(known, key=lambda service: order.index(service.name)), snapshot
        known += more


def _followers(snapshot: Snapshot) -> list[Service]:
    units = {name for seen in snapshot.services if seen.unit for name in (seen.unit.id, *seen.unit.names)}
    leaders: dict[str, list[str]] = {}
    for seen in snapshot.services:
        for follower in seen.unit.stops_with if seen.unit and seen.alive else ():
            if follower not in units and follower.endswith(_STARTABLE):
                leaders.setdefault(follower, []).append(seen.name)
    return [Service(unit, unit=unit, depends_on=tuple(names)) for unit, names in leaders.items()]


def _before(host: Host, snapshot: Snapshot, record: Optional[Record]) -> Before:
    findings = {seen.name: judge([Case(seen, snapshot, Policy())])[seen.name] for seen in snapshot.services}
    recorded = record.launches if record else {}
    launches: dict[str, Launch] = {
        seen.name: capture(host, seen.service, seen.main, recorded.get(seen.name) or {})
        for seen in snapshot.services
        if seen.service.manager == "pid_file"
    }
    # A service that does not run fails everything; once it runs it must be well.
    known = {seen.name: failing(findings[seen.name]) if seen.alive else frozenset() for seen in snapshot.services}
    return Before(snapshot, known, launches)
