# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out the plan of a restart. Whatever happens on the way, everything that ran before runs again at the end.

That is one invariant in one place: after the steps, however they ended, each service is looked at and started where it
does not run. Signals do not interrupt that, and the run's time is extended for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Optional

from ..errors import ActionFailed, CoreError
from ..finding import DONE, FAILED, NOT_DONE, Action
from ..host import Host
from ..processes.identity import Handle, Identity
from ..services.observed import Observed
from . import managers
from .afterwards import Watch, begin_watch, put_back_along
from .claim import mark_of
from .ending import AFTER_KILL, POLL, CommandFailed, Refused, Survived, await_end
from .gate import glance, pass_gate
from .interruption import Interrupted, interruptible
from .launch import doubt_of_stop, require_proof
from .linux.graph import read_nodes, strays
from .model import RELOAD, START, STOP, SYSTEMD, Before, Options, Outcome, Passage, Plan, Situation
from .plan import INTERRUPTED, why
from .record import STARTED, STARTING, STOPPING, Record, remove_record, write_record

SLOW_POLL = 1.0  # where each look is a powershell.exe

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
    outcome: Outcome = field(default_factory=Outcome)
    stopping: set[str] = field(default_factory=set)
    failed: dict[str, CoreError] = field(default_factory=dict)
    record: Record = field(default_factory=lambda: Record(()))

    def note(self, name: str, phase: str, seconds: float = 0.0) -> None:
        """Write down what is done to a service now, and for how long it may go on. Raise CoreError."""
        self.record = self.record.at(name, phase, self.host.now() + seconds)
        write_record(self.state_dir, self.record)


def carry_out(stage: Stage, plan: Plan) -> Outcome:
    """Carry out a plan and return what came of it. Raise CoreError where nothing was done, not even begun."""
    names = to_run_again(stage.situation, plan)
    if not names:
        remove_record(stage.state_dir)  # of services that nothing tells how to start; the findings name them
        return stage.outcome
    watch = begin_watch(stage.host, units_of(stage, plan.restarted))
    stage.outcome.named.update(units_of(stage, names))
    stage.record = make_record(stage, names)
    with interruptible() as interruption:
        write_record(stage.state_dir, stage.record)
        try:
            _steps(stage, plan)
        except CoreError as error:
            stage.outcome.failures.append(str(error))
        finally:
            interruption.defer()
            put_back(stage, names, watch)
    return stage.outcome


def units_of(stage: Stage, names: Sequence[str]) -> list[str]:
    """Return the units of systemd of these services."""
    services = [stage.situation.service(name) for name in names]
    return [service.unit for service in services if service.manager == "systemd"]


def to_run_again(situation: Situation, plan: Plan) -> list[str]:
    """Return what has to run when all is done, in start order.

    That is what the plan touches, and whatever an interrupted run had touched although it seems to run: it may have
    been told to end and be about to.
    """
    names = {*plan.repair, *plan.restarted, *situation.interrupted}
    return [service.name for service in situation.services if service.name in names]


def make_record(stage: Stage, names: Sequence[str]) -> Record:
    """Given the names of what will have to run again, return the record of it."""
    units = {name: stage.situation.service(name).unit for name in names}
    launches = {name: stage.before.launches[name].as_record() for name in names if name in stage.before.launches}
    alive = [seen for seen in stage.before.snapshot.services if seen.name in names and seen.alive]
    nodes = read_nodes(stage.host, units_of(stage, [seen.name for seen in alive]))
    marks = {seen.name: mark_of(seen, nodes) for seen in alive}
    left, still = stage.left, {name for name in names if name not in marks}  # of what an earlier run left stopped
    return Record(
        running=tuple(names),
        since=stage.host.now(),
        units={name: unit for name, unit in units.items() if unit},
        launches=launches,
        boot_id=stage.before.snapshot.boot_id,
        marks={**marks, **{name: left.marks[name] for name in still if left and name in left.marks}},
        phases={name: left.phases[name] for name in names if left and name in left.phases},
    )


def _steps(stage: Stage, plan: Plan) -> None:
    for name in plan.repair:
        _start(stage, name, INTERRUPTED)
    if plan.reload:
        managers.reload_systemd(stage.host)
        stage.outcome.actions.append(Action(RELOAD, SYSTEMD, DONE, "unit files had changed since systemd read them"))
    for group in plan.groups:
        obstacle = "an earlier step failed" if stage.outcome.failures else _obstacle(stage, group)
        if obstacle:
            _leave(stage, group, obstacle)
        else:
            _restart_group(stage, group)


def _obstacle(stage: Stage, group: Sequence[str]) -> str:
    """Say why a group must not be stopped now. What systemd would stop along, and whether each stop command may be
    run, is asked anew: files change.
    """
    units = units_of(stage, group)
    others = strays(stage.host, units) if units else []
    if others:
        return f"systemd would stop {', '.join(others)} along by now, which the plan does not know; run it again"
    services = [stage.situation.service(name) for name in group]
    stoppers = [glance(stage.host, service) for service in services if service.stop_command]
    doubts = [why for why in (doubt_of_stop(stage.host, seen) for seen in stoppers) if why]
    return "; ".join(doubts) or stage.guard(group)


def _leave(stage: Stage, group: Sequence[str], obstacle: str) -> None:
    stage.outcome.refused.update(dict.fromkeys(group, obstacle))
    steps = [*((STOP, name) for name in reversed(group)), *((START, name) for name in group)]
    stage.outcome.actions += [Action(action, name, NOT_DONE, obstacle) for action, name in steps]


def _restart_group(stage: Stage, group: tuple[str, ...]) -> None:
    for name in reversed(group):
        _stop(stage, name, why(stage.situation, group, name))
    for name in group:
        _start(stage, name, why(stage.situation, group, name))


def _stop(stage: Stage, name: str, reason: str) -> None:
    stage.note(name, STOPPING, stage.options.stop_timeout + 2 * AFTER_KILL)
    stage.stopping.add(name)
    try:
        # Looked at anew: what was the service when the plan was made may be gone, and its pid somebody else's.
        _end(stage, name, stage.options.stop_timeout)
    except CoreError as error:
        stage.outcome.actions.append(Action(STOP, name, FAILED, str(error)))
        if not isinstance(error, Interrupted):
            stage.failed[name] = error
        raise
    stage.stopping.discard(name)
    stage.outcome.actions.append(Action(STOP, name, DONE, reason))


def _end(stage: Stage, name: str, timeout: float) -> None:
    service = stage.situation.service(name)
    seen = glance(stage.host, service)
    require_proof(stage.host, seen)
    managers.stop(stage.host, _without_others(stage, seen), timeout, service.stop_command)


def _without_others(stage: Stage, seen: Observed) -> Observed:
    """Given a service as it is, return it without the processes of others: one may run in the session of another."""
    if seen.pid_file is None or len(seen.processes) < 2:
        return seen
    scripts = [s for s in stage.situation.services if s.manager == "pid_file" and s.name != seen.name]
    others = {process.pid for service in scripts for process in glance(stage.host, service).processes}
    return replace(seen, processes=tuple(p for p in seen.processes if p.pid not in others or p == seen.main))


def _start(stage: Stage, name: str, reason: str) -> None:
    """Start a service and let it pass its gate. A service that fails is a failure of the run, but ends no step: what
    comes after it ran before as well.
    """
    stage.note(name, STARTING)
    passage = _try_start(stage, name)
    for _again in range(stage.options.start_retries):
        if not passage.problem:
            break
        _end(stage, name, stage.options.stop_timeout)
        passage = _try_start(stage, name)
    stage.outcome.passages[name] = passage
    if passage.problem:
        stage.outcome.failures.append(f"{name} did not pass its health gate: {passage.problem}")
        stage.outcome.actions.append(Action(START, name, FAILED, passage.problem))
    else:
        stage.note(name, STARTED)
        stage.outcome.actions.append(Action(START, name, DONE, reason))


def _try_start(stage: Stage, name: str) -> Passage:
    service, options = stage.situation.service(name), stage.options
    try:
        managers.start(stage.host, service, stage.before.launches.get(name), max(options.gate_timeout, 1.0))
        return pass_gate(stage.host, service, stage.before.failing.get(name, frozenset()), options)
    except Interrupted:
        raise
    except CoreError as error:
        return Passage(0.0, problem=str(error))


def put_back(stage: Stage, names: Sequence[str], watch: Watch) -> None:
    """Start whatever of ``names`` does not run, in this order, each on its own: one that fails does not stop the rest.

    The record stays where something does not run, so that the next run tries again.
    """
    stage.host.extend(stage.options.rollback_timeout)
    for name in names:
        try:
            _put_back(stage, name)
        except CoreError as error:
            stage.outcome.failures.append(f"{name} could not be started again: {error}")
            stage.outcome.actions.append(Action(START, name, FAILED, str(error)))
            stage.outcome.not_running.append(name)
    put_back_along(stage.host, watch, stage.outcome)
    if not stage.outcome.not_running:
        remove_record(stage.state_dir)


def _put_back(stage: Stage, name: str) -> None:
    service, queued = stage.situation.service(name), False
    if name in stage.stopping and service.manager == "systemd":
        managers.start_queued(stage.host, service.unit, stage.options.rollback_timeout)
        queued = True
    elif name in stage.stopping and _runs_on(stage, name):
        return
    seen = glance(stage.host, service)
    if seen.alive is None:
        raise CoreError("it cannot be looked at, so nothing tells whether it runs")
    if seen.alive and not queued:
        return
    if not queued:
        managers.start(stage.host, service, stage.before.launches.get(name), max(stage.options.gate_timeout, 1.0))
    passage = pass_gate(stage.host, service, stage.before.failing.get(name, frozenset()), stage.options)
    stage.outcome.passages[name] = passage
    if glance(stage.host, service).alive:
        stage.outcome.actions.append(Action(START, name, DONE, "started again, because the run did not end well"))
    else:
        raise CoreError(passage.problem or f"{name} ended right after its start")


def _runs_on(stage: Stage, name: str) -> bool:
    """Let a service end whose end was begun, for that may come at any moment. Return whether it does not come because
    nothing was done to it: then it runs on as before, which the outcome says. Raise CoreError where it does not end.
    """
    bound = min(stage.options.stop_timeout, stage.options.rollback_timeout)
    failed = stage.failed.get(name)
    error = failed if isinstance(failed, (Refused, CommandFailed)) else _end_again(stage, name, bound)
    if error is None or not _is_untouched(stage, name, 0.0 if isinstance(failed, Refused) else bound):
        return False
    stage.outcome.refused[name] = f"it was not stopped, and runs on as before: {error}"
    return True


def _end_again(stage: Stage, name: str, timeout: float) -> Optional[CoreError]:
    """End a service; return what kept a script-started one from being touched. Raise CoreError where it was touched."""
    try:
        _end(stage, name, timeout)
    except ActionFailed as error:
        if isinstance(error, Survived) or stage.situation.service(name).manager != "pid_file":
            raise
        return error
    return None


def _is_untouched(stage: Stage, name: str, patience: float) -> bool:
    """Return whether the very process that was seen when the plan was made still runs after so many seconds: a stop
    command that failed may have told it to end before.
    """
    main = next((seen.main for seen in stage.before.snapshot.services if seen.name == name), None)
    handles = [Handle(Identity(main.pid, main.began, main.command))] if main else []
    poll = SLOW_POLL if stage.host.platform == "windows" else POLL
    return bool(await_end(stage.host, handles, patience, poll))
