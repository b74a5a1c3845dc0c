# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for what happened or is held: killed processes, the clock, deleted files. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Union

from ..evidence import Event, Part, Whole
from ..finding import OK, UNKNOWN, WARNING
from ..processes.model import HeldFile
from ..registry import Outcome, Rules
from ..thresholds import ABOVE, Bounded, Number, Threshold, add_rows
from ..units import human_bytes
from .context import Context, missing
from .history import History
from .model import Absent, Exhaustions, HeldFiles, OomKills, Unavailable

_MIXIN = "prometheus/node_exporter, docs/node-mixin"
_AWESOME = "samber/awesome-prometheus-alerts, host-and-hardware"
LISTED = 5  # so many kills or files are named; the rest is counted
Numbers = Iterator[Union[Number, Outcome]]
RULES = Rules()


def _moment(at: float) -> str:
    """Given seconds since the epoch, return them as a UTC time for people."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


@RULES.rule(
    "resources.oom_kills",
    procedure="D1.1",
    title="Processes that the kernel killed for want of memory since the last run, or within the window; on Windows "
    "event 2004 and on macOS JetsamEvent reports, which note that memory was exhausted.",
    remedy={
        "linux": "See who was killed and how large it was (`journalctl -k | grep -i 'killed process'`); bound it or "
        "add memory.",
        "darwin": "Read the report (`ls -t /Library/Logs/DiagnosticReports/JetsamEvent*`); bound the process or "
        "add memory.",
        "windows": "See event 2004 in the System log; bound the process that is named, add memory or enlarge the "
        "page file.",
    },
    source=f"Any kill is a warning: {_AWESOME} (HostOomKillDetected).",
)
def judge_oom_kills(context: Context) -> Iterator[Outcome]:
    """Judge kills by the journal or by the count since the last run.

    Where the system notes exhausted memory instead of whom it killed, that is judged.
    """
    oom, start = context.snapshot.oom, context.snapshot.at - context.limits.oom_window
    if isinstance(oom, (Unavailable, Absent)):
        yield missing("memory", oom)
        return
    of_kind = _exhaustions(oom, start) if isinstance(oom, Exhaustions) else _kills(oom, context.history, start)
    yield of_kind._replace(subject="memory")


def _exhaustions(oom: Exhaustions, start: float) -> Outcome:
    known = oom.evidence.window(start)
    events = known.events if isinstance(known, Whole) else known.at_least
    if events:
        least = "" if isinstance(known, Whole) else "at least "
        message = f"{oom.source} noted exhausted memory, most of it held by: {least}{_named(events)}"
        return Outcome(WARNING, message, "none", len(events))
    if isinstance(known, Whole):
        return Outcome(OK, f"{oom.source} noted no exhausted memory since {_moment(start)}", "none", 0)
    message = f"{oom.source} shows no exhausted memory since {_moment(start)}, and not all could be seen: {known.gap}"
    return Outcome(UNKNOWN, message, "none")


def _kills(oom: OomKills, history: History, start: float) -> Outcome:
    known = oom.journal.window(start)
    events = known.events if isinstance(known, Whole) else known.at_least
    if events:
        least = "" if isinstance(known, Whole) else "at least "
        message = f"the kernel killed for want of memory: {least}{_named(events)}"
        return Outcome(WARNING, message, "none", len(events))
    new, since = _new_kills(oom, history)
    processes = "1 process" if new == 1 else f"{new} processes"
    counted = f"{processes} of {oom.scope} killed for want of memory since {_moment(since)}"
    if new and (since > oom.booted or since >= start):  # since the last run, or since a boot within the window
        return Outcome(WARNING, counted, "none", new)
    if new and isinstance(known, Part):
        return Outcome(UNKNOWN, f"{counted}; whether lately is not known: {known.gap}", "none", new)
    if new:
        return Outcome(OK, f"{counted}, none of them since {_moment(start)}", actual=0)
    fresh = oom.fresh and (history.kills is None or history.kills.at >= oom.booted)
    return _nobody(oom, known, since, start, fresh)


def _nobody(oom: OomKills, known: Union[Whole, Part], since: float, start: float, fresh: bool) -> Outcome:
    """Return the outcome where the kernel counted nobody: its count begins with the boot, its log may before.

    ``fresh`` is whether there was nothing before that boot that could have been killed.
    """
    nobody = f"no process of {oom.scope} was killed since"
    if since <= start or since > oom.booted or fresh:
        return Outcome(OK, f"{nobody} {_moment(since)}", actual=0)
    if isinstance(known, Whole):
        return Outcome(OK, f"{nobody} {_moment(start)}", actual=0)
    message = f"{nobody} {_moment(since)}, when it was started; what was before is not known: {known.gap}"
    return Outcome(UNKNOWN, message, "none")


def _new_kills(oom: OomKills, history: History) -> tuple[int, float]:
    """Return how many kills there were since the last run, or since boot where no run looked at this boot yet."""
    last = history.kills
    if last is None or last.boot_id != oom.boot_id or last.total > oom.total:
        return oom.total, oom.booted
    return oom.total - last.total, last.at


def _named(kills: tuple[Event, ...]) -> str:
    shown = [f"{kill.text} at {_moment(kill.at)}" for kill in kills[-LISTED:]]
    return ", ".join(shown) + (f" and {len(kills) - LISTED} before" if len(kills) > LISTED else "")


def _offset(context: Context) -> Numbers:
    clock, container = context.snapshot.clock, context.snapshot.container
    if isinstance(clock, (Unavailable, Absent)):
        yield missing("clock", clock)
        return
    whose = f" (the clock is that of the machine which holds this {container})" if container else ""
    if not clock.synchronised:
        why = f": {clock.why}" if clock.why else ""
        message = f"{clock.source} says that nothing keeps the clock{whose}{why}"
        yield Number((), "not synchronised", message, "clock", WARNING)
    elif clock.offset is None:
        message = f"{clock.source} says that the clock is kept; it does not know by how much it is off{whose}"
        yield Number((), "synchronised", message, "clock")
    else:
        actual = f"{clock.offset:+.6f} s"
        message = f"{clock.source} says that the clock is kept and off by {actual}{whose}"
        yield Number((abs(clock.offset),), actual, message, "clock")


def _held(context: Context) -> Numbers:
    held = context.snapshot.held
    if isinstance(held, (Unavailable, Absent)):
        yield missing("deleted files", held)
        return
    yield Number((held.size,), human_bytes(held.size), str(len(held.files)), "deleted files")


def _with_files(context: Context, outcome: Outcome) -> Outcome:
    """Name the largest files; where there is nothing bad, what could not be seen counts."""
    held = context.snapshot.held
    if not isinstance(held, HeldFiles):
        return outcome
    if outcome.status != OK:
        return outcome._replace(message=f"{outcome.message}: {_largest(held.files)}")
    if held.unseen:
        return outcome._replace(status=UNKNOWN, message=f"{outcome.message}, as far as could be seen: {held.unseen}")
    return outcome


def _largest(files: tuple[HeldFile, ...]) -> str:
    shown = [f"{file.path} {human_bytes(file.size)} by {', '.join(file.owners[:3])}" for file in files[:LISTED]]
    return "; ".join(shown) + (f" and {len(files) - LISTED} smaller ones" if len(files) > LISTED else "")


add_rows(
    RULES,
    Threshold(
        "resources.clock",
        "Whether the clock is kept by a time service, and how far it is off. In a container where nothing keeps it, it "
        "is the one of the host and skipped.",
        "D1.1",
        _offset,
        (Bounded("clock_offset", ABOVE, "{:g} s".format, 0.05, 1.0, wanted="synchronised and off by at most"),),
        "{what}",
        {
            "linux": "Start a time service (`timedatectl set-ntp true`, or chrony) and see what it says (`chronyc "
            "tracking`).",
            "darwin": "Let macOS keep it (`systemsetup -setusingnetworktime on`) and see what the server says (`sntp "
            "time.apple.com`).",
            "windows": "Start the time service (`Set-Service W32Time -StartupType Automatic -Status Running`, then "
            "`w32tm /resync`) and see what it says (`w32tm /query /status /verbose`).",
        },
        f"Not synchronised is a warning: {_MIXIN} (NodeClockNotSynchronising). Offset above 50 ms is a warning: "
        "NodeClockSkewDetected. Above 1 s is critical: exchanges refuse requests whose time is off.",
    ),
    Threshold(
        "resources.deleted_open_files",
        "Space held by files that were deleted while a process has them open: df counts it, du does not see it.",
        "D1.1",
        _held,
        (Bounded("deleted_open", ABOVE, human_bytes, "1G"),),
        "{what} deleted files hold {actual}",
        "Restart or signal the owner so that it opens its files anew (`lsof +L1` shows them).",
        "Lynis LOGG-2190 reports any; the bound of 1 GiB is ours, because small ones are everyday.",
        adjusted=_with_files,
    ),
)
