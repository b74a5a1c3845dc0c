# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about whether a service runs, and whether its pid file tells the truth."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Optional

from ..finding import CRITICAL, OK, UNKNOWN, WARNING
from ..processes.model import ZOMBIE
from ..registry import Outcome, Rules
from ..units import human_seconds
from .context import Context
from .exits import describe_exit
from .model import PidFile, Unit

RULES = Rules()
_EXEC, _LIMIT = 203, "start-limit-hit"


@RULES.rule(
    "services.state",
    procedure="D1.2",
    remedy={
        "systemd": "Read its log (journalctl -u UNIT -n 50), remove the cause, then start it.",
        "launchd": "Read the log that `launchctl print TARGET` names (stderr path), remove the cause, then "
        "`launchctl kickstart TARGET`, or `launchctl bootstrap DOMAIN PLIST` where it is not loaded.",
        "windows": "Read its own log and the System log (Get-WinEvent -FilterHashtable @{LogName='System'; "
        "ProviderName='Service Control Manager'} -MaxEvents 20), remove the cause, then Start-Service -Name UNIT.",
        "pid_file": "Read the log that it writes, remove the cause, then start it by its own command.",
    },
    source="states and sub-states of systemctl(1); exit codes of systemd.exec(5); Win32_Service.State; launchctl print",
    vital=True,
)
def judge_state(context: Context) -> Iterator[Outcome]:
    """Each declared service is in its declared state: started or stopped."""
    outcome = state_outcome(context)
    cure = "Remove what keeps it from being looked at, then look again." if outcome.status == UNKNOWN else ""
    remedy, wanted = cure or _state_remedy(context) or None, context.observed.service.state
    yield outcome._replace(expected=wanted, actual=state_of(context), remedy=remedy)


def state_outcome(context: Context) -> Outcome:
    """Return whether a service is in its declared state."""
    observed = context.observed
    if observed.unavailable:
        return Outcome(UNKNOWN, f"{observed.name} cannot be looked at: {observed.unavailable}")
    if observed.service.state == "stopped":
        return _stopped(context)
    return _unit_state(context, observed.unit) if observed.service.unit else _script_state(context)


def state_of(context: Context) -> str:
    """Return the state of a service in the words of its manager."""
    observed = context.observed
    if observed.unit is not None:
        return f"{observed.unit.active}/{observed.unit.sub}"
    if observed.alive is None:
        return "unknown"
    return "running" if observed.alive else "not found" if observed.service.unit else "not running"


def _stopped(context: Context) -> Outcome:
    pid_file = context.observed.pid_file
    if pid_file is not None and pid_file.denied:
        return _without_process(context.observed.name, pid_file)
    if context.observed.alive:
        return Outcome(WARNING, f"{context.observed.name} runs, but the inventory declares it stopped")
    return Outcome(OK, f"{context.observed.name} is stopped, as declared")


def _unit_state(context: Context, unit: Optional[Unit]) -> Outcome:
    if unit is None:
        return Outcome(CRITICAL, f"there is no {context.manager.kind} {context.observed.service.unit} on this host")
    if unit.load == "masked":
        return Outcome(CRITICAL, f"{unit.id} is {context.manager.barred}: nothing can start it")
    if unit.load != "loaded":
        return Outcome(CRITICAL, f"{unit.id} cannot be loaded ({unit.load}): {unit.load_error}")
    main = context.observed.main
    if main is not None and main.state == ZOMBIE:
        return Outcome(CRITICAL, f"the main process {main.pid} of {unit.id} has ended but was not reaped (zombie)")
    judge = {"active": _active, "reloading": _active, "inactive": _inactive, "activating": _activating}
    return judge.get(unit.active, _failed)(context, unit)


def _active(context: Context, unit: Unit) -> Outcome:
    if unit.sub == "exited" and unit.type not in ("oneshot", ""):
        return Outcome(WARNING, f"{unit.id} is active, but its processes have ended; only RemainAfterExit keeps it so")
    if unit.sub == "exited":
        return Outcome(OK, f"{unit.id} has run and ended well; it is a one-time job that counts as active")
    pid = f", pid {unit.main_pid}" if unit.main_pid else ""
    return Outcome(OK, f"{unit.id} is {unit.sub}{pid}{_running_for(context)}")


def _running_for(context: Context) -> str:
    return f" for {human_seconds(context.age)}" if context.age is not None else ""


def _inactive(context: Context, unit: Unit) -> Outcome:
    if context.observed.idle_socket:
        return Outcome(OK, f"{unit.id} waits for a first connection: {context.observed.idle_socket} listens for it")
    if unit.type == "oneshot" and unit.result == "success":
        if unit.started:
            return Outcome(OK, f"{unit.id} is a one-time job; its last run ended well")
        return Outcome(UNKNOWN, f"{unit.id} is a one-time job without a trace of a run since the boot")
    how = describe_exit(unit)
    if context.observed.idle_timer and not how:
        return _between(context, unit)
    return Outcome(CRITICAL, f"{unit.id} is stopped" + (f"; it last ended with {how}" if how else ""))


def _between(context: Context, unit: Unit) -> Outcome:
    """A daemon that a timer starts at times does not run in between, and whether it should is not declared."""
    service, timer = context.observed.service, context.observed.idle_timer
    text = f"{unit.id} is stopped, and {timer} only starts it at times; it is no one-time job (Type={unit.type})"
    return Outcome(CRITICAL if service.ports or service.probe else WARNING, text)


def _activating(context: Context, unit: Unit) -> Outcome:
    how = describe_exit(unit)
    if unit.sub == "auto-restart":
        return Outcome(
            CRITICAL, f"{unit.id} has ended ({how or 'no reason given'}) and waits for its next automatic restart"
        )
    waited = context.snapshot.clock.age(unit.changed)
    if waited is None:
        return Outcome(
            UNKNOWN, f"{unit.id} is starting ({unit.sub}); nothing tells for how long: it began later than now"
        )
    status = WARNING if waited < context.observed.service.start_grace else CRITICAL
    return Outcome(status, f"{unit.id} has been starting ({unit.sub}) for {human_seconds(waited)}")


def _failed(context: Context, unit: Unit) -> Outcome:
    how = describe_exit(unit) or unit.result
    return Outcome(CRITICAL, f"{unit.id} is {unit.active} ({unit.sub})" + (f": {how}" if how else ""))


def _script_state(context: Context) -> Outcome:
    observed = context.observed
    main, name = observed.main, observed.name
    if main is not None and main.state == ZOMBIE:
        return Outcome(CRITICAL, f"{name}, pid {main.pid}, has ended but was not reaped by its parent (zombie)")
    if main is not None:
        # No warning where its pid file is older than it: see restart/proof.py, which does ask that, for what deceives.
        whose = f" of {observed.account}" if observed.account else ""
        return Outcome(OK, f"{name} runs as pid {main.pid}{whose}{_running_for(context)}")
    return _without_process(
        name, observed.pid_file or PidFile("", unavailable="it has no pid file to look at", denied=True)
    )


def _without_process(name: str, pid_file: PidFile) -> Outcome:
    if pid_file.denied:
        return Outcome(UNKNOWN, f"{name} cannot be looked at: {pid_file.unavailable}")
    if pid_file.pid:
        return Outcome(CRITICAL, f"{name} does not run: its pid file names pid {pid_file.pid}, which is not it")
    if pid_file.written:  # there is a file, but it says nothing
        return Outcome(UNKNOWN, f"nothing tells whether {name} runs: {pid_file.unavailable}")
    return Outcome(CRITICAL, f"{name} does not run: {pid_file.unavailable}")


@RULES.rule(
    "services.pid_file",
    procedure="D1.2",
    remedy="Make sure that the service does not run, then remove the pid file; service_check never does.",
    source="pids are reused: a file that outlives its process sooner or later names a stranger",
)
def judge_pid_file(context: Context) -> Iterator[Outcome]:
    """The pid file of a script-started service names a process that is this service."""
    pid_file, intruder = context.observed.pid_file, context.observed.intruder
    if pid_file is None or pid_file.denied or not pid_file.written:
        return
    if intruder is not None:
        who = context.snapshot.describe(intruder.pid)
        text = f"{pid_file.path} is stale: its pid now belongs to another program, {who}"
        yield Outcome(WARNING, text, actual=intruder.pid)
    elif not pid_file.pid:
        yield Outcome(WARNING, pid_file.unavailable)
    elif context.observed.main is None:
        yield Outcome(WARNING, f"{pid_file.path} is stale: process {pid_file.pid} is gone")
    else:
        yield Outcome(OK, f"{pid_file.path} names the service", actual=pid_file.pid)


def _state_remedy(context: Context) -> str:
    """Given a service that is not in its declared state, return what to do."""
    unit, name = context.observed.unit, context.observed.service.unit
    if context.observed.service.manager == "pid_file":
        command = shlex.join(context.observed.service.command)
        log = context.log_command() or "Read the log that it writes"
        return f"{log}; remove the cause, then start it: {command}" if command else log
    if context.observed.service.manager != "systemd":
        return ""
    if unit is None:
        stem = shlex.quote(f"*{name.partition('.')[0]}*")
        return f"systemctl list-unit-files --no-pager {stem}; install {name}, or correct `unit` in the inventory."
    if context.observed.service.state == "stopped":
        return "systemctl disable --now UNIT, or declare `state: started`."
    return _unit_remedy(unit, context)


def _unit_remedy(unit: Unit, context: Context) -> str:
    if unit.load == "masked":
        return "systemctl unmask UNIT && systemctl start UNIT"
    if unit.load != "loaded":
        return "systemd-analyze verify " + (shlex.quote(unit.files[0]) if unit.files else "UNIT")
    return _after_its_end(unit, context)


def _after_its_end(unit: Unit, context: Context) -> str:
    """Given a unit that could run and does not, return what to do."""
    if context.observed.idle_timer:
        return "Declare Type=oneshot (systemctl edit UNIT) if it is a job; else systemctl start UNIT."
    if unit.exit_code == 1 and unit.exit_status == _EXEC and unit.exec_start:
        return f"ls -lL {shlex.quote(unit.exec_start.split()[0])}; then systemctl restart UNIT"
    log = "journalctl -u UNIT -n 50 --no-pager; remove the cause, then "
    if unit.result == _LIMIT:
        return f"{log}systemctl reset-failed UNIT && systemctl start UNIT"
    if unit.active == "inactive" and not describe_exit(unit):
        return "It was stopped, it did not fail: systemctl start UNIT, or declare `state: stopped`."
    return f"{log}systemctl restart UNIT"
