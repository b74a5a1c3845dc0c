# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about what starts a service: the next boot, its manager again and again, its main process its workers.

Would the next boot start a unit of systemd? The graph up to the default target tells, not a word about it: ``enabled``
only says that links were made. Where they hang on a target that no boot reaches they start nothing, and a unit without
any link is started all the same where another one wants it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from ..evidence import Whole
from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..processes.model import Process
from ..registry import Outcome, Rules
from ..units import human_seconds
from .context import Context
from .model import ALWAYS, DEFAULT, Turnover, Unit
from .workers import YOUNG, ages_of, shown

RULES = Rules()
_AT_BOOT = ("enabled", "delayed")  # of launchd and Windows; delayed: two minutes after the others


@RULES.rule(
    "services.enabled",
    procedure="D1.2",
    remedy={
        "systemd": "systemctl enable UNIT (or disable), or correct `enabled` in the inventory.",
        "launchd": "launchctl enable TARGET (or disable) and keep its plist in /Library/LaunchDaemons, or correct "
        "`enabled` in the inventory.",
        "windows": "Set-Service -Name UNIT -StartupType Automatic (or Manual), or correct `enabled` in the inventory.",
    },
    source="UnitFileState in systemctl(1), is-enabled; StartMode of Win32_Service; launchctl print-disabled "
    "and the plist",
)
def judge_enabled(context: Context) -> Iterator[Outcome]:
    """Each managed service is started at boot exactly if the inventory says so."""
    unit, wanted = context.observed.unit, context.observed.service.enabled
    if unit is None or not unit.file_state or unit.load == "masked":
        return  # not there, made at run time, or told by services.state
    boot = at_boot(unit, context.snapshot.units.by_name, context.snapshot.units.unclimbed)
    why = f": {boot.why}" if boot.why else ""
    if boot.starts is None:
        text = f"nothing tells whether {unit.id} is started at the next boot{why}"
        yield Outcome(UNKNOWN, text, expected=wanted, remedy=context.as_admin())
    elif boot.starts == wanted:
        yield Outcome(OK, f"{unit.id} is {unit.file_state}{why}", expected=wanted, actual=unit.file_state)
    else:
        what = "would not be started at the next boot" if wanted else "would be started at the next boot"
        declared = f"the inventory declares enabled: {str(wanted).lower()}"
        text = f"{unit.id} is {unit.file_state}, and it {what}{why}; {declared}"
        remedy = _boot_remedy(unit, wanted) or None
        yield Outcome(WARNING, text, expected=wanted, actual=unit.file_state, remedy=remedy)


def _boot_remedy(unit: Unit, wanted: bool) -> str:
    """Enabling is no cure where a unit is enabled or has nothing to enable, nor disabling where it has no links."""
    if unit.manager != "systemd":
        return ""
    if wanted and unit.file_state in ("enabled", "static", "indirect", "alias", "generated"):
        return (
            "systemctl edit UNIT, write [Install] and WantedBy=multi-user.target, then systemctl reenable UNIT; "
            "or correct `enabled` in the inventory."
        )
    if not wanted and not unit.file_state.startswith("enabled"):
        return (
            "Take it out of what starts it (systemctl list-dependencies --reverse UNIT), "
            "or correct `enabled` in the inventory."
        )
    return ""


class AtBoot(NamedTuple):
    """Whether a unit is started at the next boot (None: nothing tells), and by what, or why not."""

    starts: Optional[bool]
    why: str = ""


def at_boot(unit: Unit, units: Mapping[str, Unit], unclimbed: str = "") -> AtBoot:
    """Given a unit, all units that may start it, and why not all of them are known, return what the next boot does."""
    if unit.file_state == "unknown":
        return AtBoot(None)
    if unit.manager != "systemd":
        return AtBoot(unit.file_state in _AT_BOOT)
    if unit.file_state == "transient" or (unit.file_state.endswith("-runtime") and "@" not in unit.id):
        return AtBoot(False, "what there is of it is for this boot only")
    starter = _starter(unit, units)
    if starter:
        return AtBoot(True, f"{starter} starts it")
    if unclimbed or DEFAULT not in units:
        return AtBoot(None, unclimbed or f"{DEFAULT} is not known")
    wanted = ", ".join((*unit.started_by, *unit.triggered_by))
    return AtBoot(False, f"{wanted} would start it, but no boot reaches that" if wanted else "nothing starts it")


def _starter(unit: Unit, units: Mapping[str, Unit]) -> str:
    """Return what starts a unit, directly, in a boot; empty where nothing does."""
    for name in (*unit.started_by, *unit.triggered_by):
        if _is_reached(name, units, {unit.id}):
            return name
    return ""


def _is_reached(name: str, units: Mapping[str, Unit], visited: set[str]) -> bool:
    unit = units.get(name)
    if name in ALWAYS:
        return True
    if unit is None or unit.id in visited or unit.load != "loaded":
        return False
    if set(ALWAYS) & {unit.id, *unit.names}:
        return True
    return any(_is_reached(above, units, visited | {unit.id}) for above in (*unit.started_by, *unit.triggered_by))


@RULES.rule(
    "services.restarts",
    procedure="D1.2",
    remedy={
        "systemd": "Read its log around the restarts (journalctl -u UNIT --since -2h) for what ended it.",
        "launchd": "Read the log that `launchctl print TARGET` names (stderr path) for what ended it.",
        "windows": "Read its own log and the System log around the restarts for what ended it.",
        "pid_file": "Read the log that it writes around the restarts for what ended it.",
    },
    source="warning from 1, critical from 3 automatic restarts in an hour (the application's own rollback matrix); the "
    "journal, the runs of launchd, the events 7031 and 7034 of Windows",
)
def judge_restarts(context: Context) -> Iterator[Outcome]:
    """A service does not keep restarting. None is ok only where none can have been missed."""
    observed, restarts = context.observed, context.restarts
    if observed.unavailable or (observed.unit is None and observed.main is None):
        return
    kills = _memory_kills(context)
    status, text = _restart_status(context, kills), _restart_text(context)
    if kills:
        text += f", {kills} of its processes were killed by the kernel because memory ran out"
    if restarts.gap:
        text += f"; there may have been more: {restarts.gap}"
    if status == OK and restarts.gap:
        status = SKIPPED if restarts.early else UNKNOWN
    remedy = _restart_remedy(context, status) or None
    yield Outcome(status, text, expected=0, actual=restarts.number, remedy=remedy)


def _restart_text(context: Context) -> str:
    restarts, times = context.restarts, "time" if context.restarts.number == 1 else "times"
    count = f"at least {restarts.number}" if restarts.gap else str(restarts.number)
    window = f"the last {human_seconds(context.policy.restarts_window)}"
    if restarts.since_boot:
        window = f"the {human_seconds(context.snapshot.now - context.snapshot.booted)} since the boot"
    return f"{context.observed.name} was started anew {count} {times} in {window}"


def _restart_remedy(context: Context, status: str) -> str:
    if status == SKIPPED:
        return "None needed."
    return context.manager.keep_log if status == UNKNOWN else ""


def _restart_status(context: Context, kills: int) -> str:
    if context.restarts.number >= context.policy.restarts_crit:
        return CRITICAL
    return WARNING if kills or context.restarts.number >= context.policy.restarts_warn else OK


def _memory_kills(context: Context) -> int:
    """Return how many processes of a unit of systemd were killed for want of memory."""
    unit = context.observed.unit
    if unit is None or unit.manager != "systemd":
        return 0
    start = context.snapshot.now - context.policy.restarts_window
    found = context.snapshot.journal.out_of_memory.of(unit.id).window(start)
    return len(found.events if isinstance(found, Whole) else found.at_least)


@RULES.rule(
    "services.workers",
    procedure="D1.2",
    remedy="Read its log for what ends them (journalctl -u UNIT -n 50): often an import or a start that fails.",
    source="two looks at the children of the main process, 2 s apart, where one is younger than 30 s, one is missing "
    "or a port is closed: the service manager counts no restart of a child",
)
def judge_workers(context: Context) -> Iterator[Outcome]:
    """The workers of a service live on; they do not die and get started again behind its main process."""
    observed, later = context.observed, context.observed.turnover
    if observed.main is None or observed.alive is not True:
        return
    workers, asked = shown(observed.main, observed.processes)
    expected = f"{asked} workers that stay" if asked > 1 else "workers that stay"
    if later and (ended := _ended(workers, later)):
        text = (
            f"{len(ended)} workers of {observed.name} ended within {later.seconds:.0f} s while its main process"
            f" {observed.main.pid} lives and starts them again: nobody else counts these restarts"
        )
        yield Outcome(context.failing(), text + context.grace_note(), expected=expected, actual=len(ended))
    elif later and later.unavailable:
        yield Outcome(UNKNOWN, later.unavailable, expected=expected, remedy=context.as_admin())
    elif later and len(later.last) < asked > 1:
        text = f"{observed.name} is started for {asked} workers and has {len(later.last)}{context.grace_note()}"
        status = WARNING if later.last else context.failing()
        yield Outcome(status, text, expected=expected, actual=len(later.last))
    elif workers:
        yield _judge_ages(context, expected)


def _ended(workers: Sequence[Process], later: Turnover) -> set[tuple[int, float]]:
    """Given the workers of the first look and what was seen later, return those that are gone, as (pid, began)."""
    first = {(worker.pid, worker.began) for worker in workers}
    return set() if later.unavailable else (first | later.ever) - later.last


def _judge_ages(context: Context, expected: str) -> Outcome:
    observed = context.observed
    workers = shown(observed.main, observed.processes).workers if observed.main else ()
    ages = ages_of(context.snapshot, workers)
    if not ages or context.age is None:
        text = f"nothing tells how long the {len(workers)} workers of {observed.name} have been running"
        return Outcome(UNKNOWN, text, expected=expected)
    oldest = max(ages)
    youngest = f"the youngest of its {len(workers)} workers has been running for {human_seconds(min(ages))}"
    if oldest < YOUNG <= context.age and not context.in_grace:
        text = (
            f"{observed.name} has been running for {human_seconds(context.age)}, {youngest}, the oldest for no longer"
        )
        return Outcome(WARNING, text, expected=expected, actual=round(oldest))
    return Outcome(OK, f"{observed.name}: {youngest}", expected=expected, actual=len(workers))


@RULES.rule(
    "services.daemon_reload",
    procedure="D1.2",
    remedy="systemctl daemon-reload, then restart the service in its window.",
    source="NeedDaemonReload in org.freedesktop.systemd1(5); skipped on macOS and Windows, which have no such copy",
)
def judge_daemon_reload(context: Context) -> Iterator[Outcome]:
    """What systemd has loaded of a unit is what is on the disk."""
    unit = context.observed.unit
    if context.snapshot.lacks.get("daemon_reload"):
        yield from context.lacking("daemon_reload") if unit is not None else ()
    elif unit is not None and unit.need_reload:
        text = f"the files of {unit.id} have changed since systemd read them: {', '.join(unit.files)}"
        yield Outcome(WARNING, text)
    elif unit is not None:
        yield Outcome(OK, f"systemd has read {unit.id} as it is on the disk")
