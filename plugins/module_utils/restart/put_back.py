# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After the steps of a restart, however they ended: whatever ran before runs again.

That is first what the plan touched; then every unit of the host that was active before is compared with now, whatever
the plan was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Optional

from ..errors import ActionFailed, CoreError
from ..finding import DONE, FAILED, Action
from ..host import Host
from ..processes.identity import Handle, Identity
from . import managers
from .ending import POLL, CommandFailed, Refused, Survived, await_end
from .gate import glance, pass_gate
from .linux import Node, collect_nodes, list_active, reach
from .model import START, Progress
from .record import remove_record
from .stage import Stage, end_service

SLOW_POLL = 1.0  # where each look is a powershell.exe
START_TIMEOUT = 90.0
# Units that come and go with logins, devices and one-time jobs: that they are gone tells nothing of a restart.
_PASSING = (".scope", ".device", ".slice", ".timer", ".path")
_OF_LOGINS = ("session-", "user@", "user-runtime-dir@", "run-")


class Watch(NamedTuple):
    """What was active before the first step, and what the stops of the plan reach, by the ids of units."""

    units: tuple[str, ...] = ()
    active: frozenset[str] = frozenset()
    reached: frozenset[str] = frozenset()


def begin_watch(host: Host, units: Sequence[str]) -> Watch:
    """Given the units of systemd that will be stopped, return what is active before. Raise CoreError."""
    if not units:
        return Watch()
    return Watch(tuple(units), list_active(host), _reached(host, units))


def _reached(host: Host, units: Collection[str]) -> frozenset[str]:
    return frozenset(node.id for node in reach(host, units).values())


def put_back(stage: Stage, names: Sequence[str], watch: Watch) -> None:
    """Start whatever of ``names`` does not run, in this order, each on its own: one that fails does not stop the rest.

    The record stays where something does not run, so that the next run tries again.
    """
    stage.host.extend(stage.options.rollback_timeout)
    for name in names:
        try:
            _put_back(stage, name)
        except Exception as error:  # noqa: BLE001 - a defect with one service must not leave the others down
            said = str(error) if isinstance(error, CoreError) else f"{type(error).__name__}: {error}"
            stage.progress.failures.append(f"{name} could not be started again: {said}")
            stage.progress.actions.append(Action(START, name, FAILED, said))
            stage.progress.not_running.append(name)
    put_back_along(stage.host, watch, stage.progress)
    if not stage.progress.not_running:
        remove_record(stage.state_dir)


def _put_back(stage: Stage, name: str) -> None:
    service, queued = stage.situation.service(name), False
    if name in stage.stopping and service.manager == "systemd":
        managers.SYSTEMD.start_queued(stage.host, service.unit, stage.options.rollback_timeout)
        queued = True
    elif name in stage.stopping and _runs_on(stage, name):
        return
    observed = glance(stage.host, service)
    if observed.alive is None:
        raise CoreError("it cannot be looked at, so nothing tells whether it runs")
    if observed.alive and not queued:
        return
    if not queued:
        managers.start(stage.host, service, stage.before.launches.get(name), max(stage.options.gate_timeout, 1.0))
    passage = pass_gate(stage.host, service, stage.before.failing.get(name, frozenset()), stage.options)
    stage.progress.passages[name] = passage
    if glance(stage.host, service).alive:
        stage.progress.actions.append(Action(START, name, DONE, "started again, because the run did not end well"))
    else:
        raise CoreError(passage.fault or f"{name} ended right after its start")


def _runs_on(stage: Stage, name: str) -> bool:
    """Let a service end whose end was begun, for that may come at any moment. Return whether it does not come because
    nothing was done to it: then it runs on as before, which the progress says. Raise CoreError where it does not end.
    """
    bound = min(stage.options.stop_timeout, stage.options.rollback_timeout)
    failed = stage.failed.get(name)
    error = failed if isinstance(failed, (Refused, CommandFailed)) else _end_again(stage, name, bound)
    if error is None or not _is_untouched(stage, name, 0.0 if isinstance(failed, Refused) else bound):
        return False
    stage.progress.refused[name] = f"it was not stopped, and runs on as before: {error}"
    return True


def _end_again(stage: Stage, name: str, timeout: float) -> Optional[CoreError]:
    """End a service; return what kept a script-started one from being touched. Raise CoreError where it was touched."""
    try:
        end_service(stage, name, timeout)
    except ActionFailed as error:
        if isinstance(error, Survived) or stage.situation.service(name).manager != "pid_file":
            raise
        return error
    return None


def _is_untouched(stage: Stage, name: str, patience: float) -> bool:
    """Return whether the very process that was seen when the plan was made still runs after so many seconds: a stop
    command that failed may have told it to end before.
    """
    main = next((observed.main for observed in stage.before.snapshot.services if observed.name == name), None)
    handles = [Handle(Identity(main.pid, main.began, main.command))] if main else []
    poll = SLOW_POLL if stage.host.platform == "windows" else POLL
    return bool(await_end(stage.host, handles, patience, poll))


def put_back_along(host: Host, watch: Watch, progress: Progress) -> None:
    """Start whatever was active before and was stopped along, and note what else is not active any more."""
    try:
        gone = _gone(host, watch) if watch.units else []
        reached = watch.reached | _reached(host, watch.units) if gone else watch.reached
    except CoreError as error:
        progress.failures.append(f"what ran before cannot be compared with what runs now: {error}")
        return
    for node in gone:
        if node.id in reached:
            _start_again(host, node, progress)
        elif _counts(node):
            progress.gone.append(node.id)


def _gone(host: Host, watch: Watch) -> list[Node]:
    nodes = collect_nodes(host, watch.active - list_active(host))
    return sorted({node.id: node for node in nodes.values()}.values())


def _counts(node: Node) -> bool:
    passing = node.id.endswith(_PASSING) or node.id.startswith(_OF_LOGINS)
    return not passing and not node.triggered and not node.active


def _start_again(host: Host, node: Node, progress: Progress) -> None:
    if node.id in progress.named:
        return  # told already: it does not start
    fault = _start_unit(host, node)
    if fault:
        progress.failures.append(f"{node.id} could not be started again: {fault}")
        progress.actions.append(Action(START, node.id, FAILED, fault))
        progress.not_running.append(node.id)
    else:
        progress.actions.append(Action(START, node.id, DONE, "it was stopped along with what it depends on"))


def _start_unit(host: Host, node: Node) -> str:
    """Start a unit; return why it does not run, empty where it does."""
    try:
        managers.SYSTEMD.start_along(host, node.id, START_TIMEOUT)
        active = any(one.active for one in collect_nodes(host, [node.id]).values())
    except CoreError as error:
        return str(error)
    return "" if active else "it ended right after its start"
