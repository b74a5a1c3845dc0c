# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about whether a service runs, and stays running."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from ..evidence import Whole
from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ..processes.model import ZOMBIE
from ..units import human_seconds
from .case import Case
from .exits import describe_exit
from .observed import PidFile
from .parse import Unit
from .remedies import state_remedy
from .words import KEEP_LOG

Verdict = tuple[str, str]  # status and message


def judge_state(case: Case) -> Iterator[Finding]:
    """A service is in its declared state."""
    status, message = state_verdict(case)
    remedy = "Remove what keeps it from being looked at, then look again." if status == UNKNOWN else ""
    remedy, wanted = remedy or state_remedy(case), case.observed.service.state
    yield case.finding("state", status, message, expected=wanted, actual=state_of(case), remedy=remedy)


def state_verdict(case: Case) -> Verdict:
    """Return whether a service is in its declared state."""
    observed = case.observed
    if observed.blind:
        return UNKNOWN, f"{observed.name} cannot be looked at: {observed.blind}"
    if observed.service.state == "stopped":
        return _stopped(case)
    return _unit_state(case, observed.unit) if observed.service.unit else _script_state(case)


def state_of(case: Case) -> str:
    """Return the state of a service in the words of its manager."""
    observed = case.observed
    if observed.unit is not None:
        return f"{observed.unit.active}/{observed.unit.sub}"
    if observed.alive is None:
        return "unknown"
    return "running" if observed.alive else "not found" if observed.service.unit else "not running"


def _stopped(case: Case) -> Verdict:
    pid_file = case.observed.pid_file
    if pid_file is not None and pid_file.denied:
        return _without_process(case.observed.name, pid_file)
    if case.observed.alive:
        return WARNING, f"{case.observed.name} runs, but the inventory declares it stopped"
    return OK, f"{case.observed.name} is stopped, as declared"


def _unit_state(case: Case, unit: Optional[Unit]) -> Verdict:
    if unit is None:
        return CRITICAL, f"there is no {case.words.kind} {case.observed.service.unit} on this host"
    if unit.load == "masked":
        return CRITICAL, f"{unit.id} is {case.words.barred}: nothing can start it"
    if unit.load != "loaded":
        return CRITICAL, f"{unit.id} cannot be loaded ({unit.load}): {unit.load_error}"
    main = case.observed.main
    if main is not None and main.state == ZOMBIE:
        return CRITICAL, f"the main process {main.pid} of {unit.id} has ended but was not reaped (zombie)"
    judge = {"active": _active, "reloading": _active, "inactive": _inactive, "activating": _activating}
    return judge.get(unit.active, _failed)(case, unit)


def _active(case: Case, unit: Unit) -> Verdict:
    if unit.sub == "exited" and unit.type not in ("oneshot", ""):
        return WARNING, f"{unit.id} is active, but its processes have ended; only RemainAfterExit keeps it so"
    if unit.sub == "exited":
        return OK, f"{unit.id} has run and ended well; it is a one-time job that counts as active"
    pid = f", pid {unit.main_pid}" if unit.main_pid else ""
    return OK, f"{unit.id} is {unit.sub}{pid}{_running_for(case)}"


def _running_for(case: Case) -> str:
    return f" for {human_seconds(case.age)}" if case.age is not None else ""


def _inactive(case: Case, unit: Unit) -> Verdict:
    if case.observed.idle_socket:
        return OK, f"{unit.id} waits for a first connection: {case.observed.idle_socket} listens for it"
    if unit.type == "oneshot" and unit.result == "success":
        if unit.started:
            return OK, f"{unit.id} is a one-time job; its last run ended well"
        return UNKNOWN, f"{unit.id} is a one-time job without a trace of a run since the boot"
    how = describe_exit(unit)
    if case.observed.idle_timer and not how:
        return _between(case, unit)
    return CRITICAL, f"{unit.id} is stopped" + (f"; it last ended with {how}" if how else "")


def _between(case: Case, unit: Unit) -> Verdict:
    """A daemon that a timer starts at times does not run in between, and whether it should is not declared."""
    service, timer = case.observed.service, case.observed.idle_timer
    text = f"{unit.id} is stopped, and {timer} only starts it at times; it is no one-time job (Type={unit.type})"
    return CRITICAL if service.ports or service.probe else WARNING, text


def _activating(case: Case, unit: Unit) -> Verdict:
    how = describe_exit(unit)
    if unit.sub == "auto-restart":
        return CRITICAL, f"{unit.id} has ended ({how or 'no reason given'}) and waits for its next automatic restart"
    waited = case.snapshot.clock.age(unit.changed)
    if waited is None:
        return UNKNOWN, f"{unit.id} is starting ({unit.sub}); nothing tells for how long: it began later than now"
    status = WARNING if waited < case.observed.service.start_grace else CRITICAL
    return status, f"{unit.id} has been starting ({unit.sub}) for {human_seconds(waited)}"


def _failed(case: Case, unit: Unit) -> Verdict:
    how = describe_exit(unit) or unit.result
    return CRITICAL, f"{unit.id} is {unit.active} ({unit.sub})" + (f": {how}" if how else "")


def _script_state(case: Case) -> Verdict:
    observed = case.observed
    main, name = observed.main, observed.name
    if main is not None and main.state == ZOMBIE:
        return CRITICAL, f"{name}, pid {main.pid}, has ended but was not reaped by its parent (zombie)"
    if main is not None:
        # No warning where its pid file is older than it: see restart/proof.py, which does ask that, for what deceives.
        whose = f" of {observed.account}" if observed.account else ""
        return OK, f"{name} runs as pid {main.pid}{whose}{_running_for(case)}"
    return _without_process(
        name, observed.pid_file or PidFile("", problem="it has no pid file to look at", denied=True)
    )


def _without_process(name: str, pid_file: PidFile) -> Verdict:
    if pid_file.denied:
        return UNKNOWN, f"{name} cannot be looked at: {pid_file.problem}"
    if pid_file.pid:
        return CRITICAL, f"{name} does not run: its pid file names pid {pid_file.pid}, which is not it"
    if pid_file.written:  # there is a file, but it says nothing
        return UNKNOWN, f"nothing tells whether {name} runs: {pid_file.problem}"
    return CRITICAL, f"{name} does not run: {pid_file.problem}"


def judge_pid_file(case: Case) -> Iterator[Finding]:
    """The pid file of a script-started service names the service."""
    pid_file, intruder = case.observed.pid_file, case.observed.intruder
    if pid_file is None or pid_file.denied or not pid_file.written:
        return
    if intruder is not None:
        who = case.snapshot.describe(intruder.pid)
        text = f"{pid_file.path} is stale: its pid now belongs to another program, {who}"
        yield case.finding("pid_file", WARNING, text, actual=intruder.pid)
    elif not pid_file.pid:
        yield case.finding("pid_file", WARNING, pid_file.problem)
    elif case.observed.main is None:
        yield case.finding("pid_file", WARNING, f"{pid_file.path} is stale: process {pid_file.pid} is gone")
    else:
        yield case.finding("pid_file", OK, f"{pid_file.path} names the service", actual=pid_file.pid)


def judge_restarts(case: Case) -> Iterator[Finding]:
    """A service does not keep restarting. None is ok only where none can have been missed."""
    observed, restarts = case.observed, case.restarts
    if observed.blind or (observed.unit is None and observed.main is None):
        return
    kills = _memory_kills(case)
    status, text = _restart_status(case, kills), _restart_text(case)
    if kills:
        text += f", {kills} of its processes were killed by the kernel because memory ran out"
    if restarts.gap:
        text += f"; there may have been more: {restarts.gap}"
    if status == OK and restarts.gap:
        status = SKIPPED if restarts.early else UNKNOWN
    remedy = _restart_remedy(case, status)
    yield case.finding("restarts", status, text, expected=0, actual=restarts.count, remedy=remedy)


def _restart_text(case: Case) -> str:
    restarts, times = case.restarts, "time" if case.restarts.count == 1 else "times"
    count = f"at least {restarts.count}" if restarts.gap else str(restarts.count)
    window = f"the last {human_seconds(case.policy.restarts_window)}"
    if restarts.since_boot:
        window = f"the {human_seconds(case.snapshot.now - case.snapshot.booted)} since the boot"
    return f"{case.observed.name} was started anew {count} {times} in {window}"


def _restart_remedy(case: Case, status: str) -> str:
    if status == SKIPPED:
        return "None needed."
    return KEEP_LOG.get(case.observed.service.manager, "") if status == UNKNOWN else ""


def _restart_status(case: Case, kills: int) -> str:
    if case.restarts.count >= case.policy.restarts_crit:
        return CRITICAL
    return WARNING if kills or case.restarts.count >= case.policy.restarts_warn else OK


def _memory_kills(case: Case) -> int:
    """Return how many processes of a unit of systemd were killed for want of memory."""
    unit = case.observed.unit
    if unit is None or unit.manager != "systemd":
        return 0
    start = case.snapshot.now - case.policy.restarts_window
    seen = case.snapshot.journal.out_of_memory.of(unit.id).window(start)
    return len(seen.events if isinstance(seen, Whole) else seen.at_least)


def judge_daemon_reload(case: Case) -> Iterator[Finding]:
    """What systemd has loaded of a unit is what is on the disk."""
    unit = case.observed.unit
    if case.snapshot.lacks.get("daemon_reload"):
        yield from case.lacking("daemon_reload") if unit is not None else ()
    elif unit is not None and unit.need_reload:
        text = f"the files of {unit.id} have changed since systemd read them: {', '.join(unit.files)}"
        yield case.finding("daemon_reload", WARNING, text)
    elif unit is not None:
        yield case.finding("daemon_reload", OK, f"systemd has read {unit.id} as it is on the disk")
