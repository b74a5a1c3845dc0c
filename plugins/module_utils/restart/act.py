# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out the plan of a restart. Whatever happens on the way, everything that ran before runs again at the end.

That is one invariant in one place: after the steps, however they ended, each service is looked at and started where it
does not run. Signals do not interrupt that, and the run's time is extended for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CoreError
from ..finding import DONE, FAILED, NOT_DONE
from ..steps import Step
from . import managers
from .claim import mark_of
from .ending import AFTER_KILL
from .gate import glance, pass_gate
from .interruption import Interrupted, interruptible
from .launch import doubt_of_stop
from .linux import collect_nodes, strays
from .model import START, STOP, Passage, Progress, RestartPlan, Situation
from .plan import RELOAD_STEP, repair_step, steps_of
from .put_back import begin_watch, put_back
from .record import STARTED, STARTING, STOPPING, Record, remove_record, write_record
from .stage import Stage, end_service, units_of


def carry_out(stage: Stage, plan: RestartPlan) -> Progress:
    """Carry out a plan and return what came of it. Raise CoreError where nothing was done, not even begun."""
    names = to_run_again(stage.situation, plan)
    if not names:
        remove_record(stage.state_dir)  # of services that nothing tells how to start; the findings name them
        return stage.progress
    watch = begin_watch(stage.host, units_of(stage, plan.restarted))
    stage.progress.named.update(units_of(stage, names))
    stage.record = make_record(stage, names)
    with interruptible() as interruption:
        write_record(stage.state_dir, stage.record)
        try:
            _steps(stage, plan)
        except CoreError as error:
            stage.progress.failures.append(str(error))
        finally:
            interruption.defer()
            put_back(stage, names, watch)
    return stage.progress


def to_run_again(situation: Situation, plan: RestartPlan) -> list[str]:
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
    alive = [observed for observed in stage.before.snapshot.services if observed.name in names and observed.alive]
    nodes = collect_nodes(stage.host, units_of(stage, [observed.name for observed in alive]))
    marks = {observed.name: mark_of(observed, nodes) for observed in alive}
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


def _steps(stage: Stage, plan: RestartPlan) -> None:
    for name in plan.repair:
        _start(stage, repair_step(name))
    if plan.reload:
        managers.SYSTEMD.reload(stage.host)
        stage.progress.actions.append(RELOAD_STEP.ended(DONE, "unit files had changed since systemd read them"))
    for group in plan.groups:
        obstacle = "an earlier step failed" if stage.progress.failures else _obstacle(stage, group)
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
    doubts = [why for why in (doubt_of_stop(stage.host, observed) for observed in stoppers) if why]
    return "; ".join(doubts) or stage.guard(group)


def _leave(stage: Stage, group: tuple[str, ...], obstacle: str) -> None:
    stage.progress.refused.update(dict.fromkeys(group, obstacle))
    stage.progress.actions += [step.ended(NOT_DONE, obstacle) for step in steps_of(stage.situation, group)]


def _restart_group(stage: Stage, group: tuple[str, ...]) -> None:
    for step in steps_of(stage.situation, group):
        _DO[step.action](stage, step)


def _stop(stage: Stage, step: Step) -> None:
    name = step.subject
    stage.note(name, STOPPING, stage.options.stop_timeout + 2 * AFTER_KILL)
    stage.stopping.add(name)
    try:
        # Looked at anew: what was the service when the plan was made may be gone, and its pid somebody else's.
        end_service(stage, name, stage.options.stop_timeout)
    except CoreError as error:
        stage.progress.actions.append(step.ended(FAILED, str(error)))
        if not isinstance(error, Interrupted):
            stage.failed[name] = error
        raise
    stage.stopping.discard(name)
    stage.progress.actions.append(step.ended())


def _start(stage: Stage, step: Step) -> None:
    """Start a service and let it pass its gate. A service that fails is a failure of the run, but ends no step: what
    comes after it ran before as well.
    """
    name = step.subject
    stage.note(name, STARTING)
    passage = _try_start(stage, name)
    for _again in range(stage.options.start_retries):
        if not passage.fault:
            break
        end_service(stage, name, stage.options.stop_timeout)
        passage = _try_start(stage, name)
    stage.progress.passages[name] = passage
    if passage.fault:
        stage.progress.failures.append(f"{name} did not pass its health gate: {passage.fault}")
        stage.progress.actions.append(step.ended(FAILED, passage.fault))
    else:
        stage.note(name, STARTED)
        stage.progress.actions.append(step.ended())


def _try_start(stage: Stage, name: str) -> Passage:
    service, options = stage.situation.service(name), stage.options
    try:
        managers.start(stage.host, service, stage.before.launches.get(name), max(options.gate_timeout, 1.0))
        return pass_gate(stage.host, service, stage.before.failing.get(name, frozenset()), options)
    except Interrupted:
        raise
    except CoreError as error:
        return Passage(0.0, fault=str(error))


_DO = {STOP: _stop, START: _start}
