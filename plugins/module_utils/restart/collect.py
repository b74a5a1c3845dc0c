# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is before a restart: what runs, what else systemd would stop, what an interrupted run left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..errors import CoreError
from ..host import Host
from ..memory import recall
from ..processes.identity import untouchable
from ..services.collect import collect_snapshot
from ..services.context import Context
from ..services.declared import Policy, Service
from ..services.managers import MANAGERS
from ..services.model import Observation, Snapshot
from ..services.pid_file import runs_command
from ..services.run import judge
from .claim import voids
from .declared import Options
from .gate import failing
from .launch import doubt_of_stop, fault_of_start
from .managers import SYSTEM, manager_of
from .model import Before, Launch, Prepared, Situation, Survey
from .order import in_order
from .reasons import reasons_of
from .record import Record, read_record


def collect_survey(host: Host, params: Mapping[str, Any], services: Sequence[Service], options: Options) -> Survey:
    """Given the declared services, return what there is to plan from. Raise CoreError for an unreadable record."""
    record = read_record(params["state_dir"])
    ties = SYSTEM[host.platform].prepare(host, [*services, *_of_record(host, services, record)])
    known = in_order(ties.services)
    snapshot = collect_snapshot(host, known, (), 0.0)
    before = _before(host, snapshot, record)
    memory = recall(params["state_dir"], "services")
    reasons = {
        one.name: reasons_of(one, snapshot, memory.get(one.name) or {}, options)
        for one in snapshot.services
        if one.alive and one.service.state == "started"
    }
    declared = {service.name for service in known}
    lost = tuple(name for name in (record.running if record else ()) if name not in declared)
    void = {**_lost(before, record), **voids(host, record, snapshot)} if record else {}
    situation = Situation(
        services=tuple(known),
        running=frozenset(one.name for one in snapshot.services if one.alive),
        unavailable={one.name: _why_unavailable(one) for one in snapshot.services if one.alive is None},
        reasons={name: found for name, found in reasons.items() if found},
        interrupted=tuple(name for name in (record.running if record else ()) if name not in void),
        reload=frozenset(one.name for one in snapshot.services if one.unit and one.unit.need_reload),
        obstacles={
            **_obstacles(host, ties, before),
            **not_ours(host, snapshot),
            **unproven(before),
        },
        along=ties.along,
        void=void,
        unnamed=unnamed(snapshot),
        unstoppable=unstoppable(host, before),
    )
    return Survey(situation, before, record, lost)


def _lost(before: Before, record: Record) -> dict[str, str]:
    """Return the services that an interrupted run had stopped and that are not started as they ran, with the reason."""
    ways = {one.name: before.launches.get(one.name) for one in before.snapshot.services if not one.alive}
    found = {name: way.lost for name, way in ways.items() if name in record.running and isinstance(way, Launch)}
    return {
        name: f"{why}: declare services[{name}].environment, or start it by hand" for name, why in found.items() if why
    }


def not_ours(host: Host, snapshot: Snapshot) -> dict[str, str]:
    """Return the script-started services whose main process this run must not end, with the reason: it would refuse
    to, so the plan must not promise it.
    """
    mains = {s.name: s.main.pid for s in snapshot.services if s.service.manager == "pid_file" and s.main and s.alive}
    if not mains:
        return {}
    try:
        barred = untouchable(host, snapshot.processes)
    except CoreError as error:
        return dict.fromkeys(mains, f"nothing tells whose process that is: {error}")
    shared = {pid: [name for name in mains if mains[name] == pid] for pid in mains.values()}
    why = {
        name: f"the process {pid} of {name} is not ended: {barred[pid]}" for name, pid in mains.items() if pid in barred
    }
    both = {n: f"{' and '.join(shared[p])} name the same process {p}" for n, p in mains.items() if len(shared[p]) > 1}
    return {**both, **why}


def unproven(before: Before) -> dict[str, str]:
    """Return the script-started services that run and that are left alone, because it is not proved that their process
    is the service, or because they could not be started again: in their folder, or with their output.
    """
    found = {}
    for one in before.snapshot.services:
        way = before.launches.get(one.name)
        if not one.alive or not isinstance(way, Launch):
            continue
        if way.doubt:
            found[one.name] = f"nothing proves that process {one.main.pid if one.main else 0} is it: {way.doubt}"
        else:
            found[one.name] = fault_of_start(one.service, way)
    return {name: why for name, why in found.items() if why}


def unstoppable(host: Host, before: Before) -> dict[str, str]:
    """Return the script-started services whose declared stop command would not be run, with the reason: a run would
    learn that only after it has stopped what depends on them.
    """
    found = {one.name: doubt_of_stop(host, one, before.launches.get(one.name)) for one in before.snapshot.services}
    return {name: why for name, why in found.items() if why}


def _obstacles(host: Host, ties: Prepared, before: Before) -> dict[str, str]:
    """Return the services that their manager could not stop and start again, with the reason."""
    found = {
        one.name: manager_of(host, one.service).obstacle(host, one, before.launches.get(one.name), ties)
        for one in before.snapshot.services
    }
    return {name: why for name, why in found.items() if why}


def _why_unavailable(one: Observation) -> str:
    said = one.pid_file.unavailable if one.pid_file else ""
    return one.unavailable or said or "this account may not see its process"


def unnamed(snapshot: Snapshot) -> dict[str, str]:
    """Return the script-started services that do not run by their pid files while something runs their commands: then
    nothing tells whether they run. Anybody may run such a command, so that decides nothing else.
    """
    known = {process.pid for one in snapshot.services for process in one.processes}
    found = {}
    for one in snapshot.services:
        if one.pid_file is None or one.alive is not False:
            continue
        same = [p.pid for p in snapshot.processes.values() if runs_command(p.command, one.service.command)]
        pids = [pid for pid in same if pid not in known]
        if pids:
            said = one.pid_file.unavailable or f"{one.pid_file.path} names pid {one.pid_file.pid}, which is not it"
            found[one.name] = f"nothing tells whether it runs: {said}, and pid {pids[0]} runs its command"
    return found


def _of_record(host: Host, services: Sequence[Service], record: Optional[Record]) -> list[Service]:
    """Return the units of an interrupted run that nothing declares (any more): they can be started all the same."""
    names = {service.name for service in services}
    units = record.units if record else {}
    manager = MANAGERS[host.platform].name
    return [Service(name, unit=unit, managed_by=manager) for name, unit in units.items() if name not in names]


def _before(host: Host, snapshot: Snapshot, record: Optional[Record]) -> Before:
    findings = {one.name: judge([Context(one, snapshot, Policy())]).findings[one.name] for one in snapshot.services}
    recorded = record.launches if record else {}
    ways = {
        one.name: manager_of(host, one.service).observe(host, one, recorded.get(one.name) or {})
        for one in snapshot.services
    }
    launches = {name: way for name, way in ways.items() if way is not None}
    # A service that does not run fails everything; once it runs it must be well.
    known = {one.name: failing(findings[one.name]) if one.alive else frozenset() for one in snapshot.services}
    return Before(snapshot, known, launches)
