# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for what happened or is held: killed processes, the clock, deleted files. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Union

from ..evidence import Event, Part, Whole
from ..finding import OK, UNKNOWN, WARNING, Finding
from ..units import human_bytes
from .checks import CHECKS
from .declared import Thresholds
from .history import History
from .model import Clock, Exhaustions, HeldFile, HeldFiles, OomKills, Snapshot
from .rules_disks import Rule
from .verdict import above, expected, judged

LISTED = 5  # so many kills or files are named; the rest is counted


def _moment(at: float) -> str:
    """Given seconds since the epoch, return them as a UTC time for people."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def judge_kills(snapshot: Snapshot, limits: Thresholds, history: History) -> Finding:
    """Return the finding for processes killed for want of memory, by the journal or by the count since the last run.

    Where the system notes exhausted memory instead of whom it killed, that is judged.
    """
    start = snapshot.at - limits.oom_window
    if isinstance(snapshot.oom, Exhaustions):
        return _exhaustions_finding(snapshot.oom, start)
    return judged("resources.oom_kills", "memory", snapshot.oom, lambda oom: _kills_finding(oom, history, start))


def _exhaustions_finding(oom: Exhaustions, start: float) -> Finding:
    check, told = CHECKS["resources.oom_kills"], oom.evidence.window(start)
    events = told.events if isinstance(told, Whole) else told.at_least
    if events:
        least = "" if isinstance(told, Whole) else "at least "
        message = f"{oom.source} noted exhausted memory, most of it held by: {least}{_named(events)}"
        return check.finding(WARNING, "memory", message, expected="none", actual=len(events))
    if isinstance(told, Whole):
        message = f"{oom.source} noted no exhausted memory since {_moment(start)}"
        return check.finding(OK, "memory", message, expected="none", actual=0)
    message = f"{oom.source} shows no exhausted memory since {_moment(start)}, and not all could be seen: {told.gap}"
    return check.finding(UNKNOWN, "memory", message, expected="none")


def _kills_finding(oom: OomKills, history: History, start: float) -> Finding:
    check, told = CHECKS["resources.oom_kills"], oom.journal.window(start)
    events = told.events if isinstance(told, Whole) else told.at_least
    if events:
        least = "" if isinstance(told, Whole) else "at least "
        message = f"the kernel killed for want of memory: {least}{_named(events)}"
        return check.finding(WARNING, "memory", message, expected="none", actual=len(events))
    count, since = _new_kills(oom, history)
    processes = "1 process" if count == 1 else f"{count} processes"
    counted = f"{processes} of {oom.scope} killed for want of memory since {_moment(since)}"
    if count and (since > oom.booted or since >= start):  # since the last run, or since a boot within the window
        return check.finding(WARNING, "memory", counted, expected="none", actual=count)
    if count and isinstance(told, Part):
        message = f"{counted}; whether lately is not known: {told.gap}"
        return check.finding(UNKNOWN, "memory", message, expected="none", actual=count)
    if count:
        return check.finding(OK, "memory", f"{counted}, none of them since {_moment(start)}", actual=0)
    fresh = oom.fresh and (history.kills is None or history.kills.at >= oom.booted)
    return _none_finding(oom, told, since, start, fresh)


def _none_finding(oom: OomKills, told: Union[Whole, Part], since: float, start: float, fresh: bool) -> Finding:
    """Return the finding where the kernel counted nobody: its count begins with the boot, its log may before.

    ``fresh`` is whether there was nothing before that boot that could have been killed.
    """
    check, nobody = CHECKS["resources.oom_kills"], f"no process of {oom.scope} was killed since"
    if since <= start or since > oom.booted or fresh:
        return check.finding(OK, "memory", f"{nobody} {_moment(since)}", actual=0)
    if isinstance(told, Whole):
        return check.finding(OK, "memory", f"{nobody} {_moment(start)}", actual=0)
    message = f"{nobody} {_moment(since)}, when it was started; what was before is not known: {told.gap}"
    return check.finding(UNKNOWN, "memory", message, expected="none")


def _new_kills(oom: OomKills, history: History) -> tuple[int, float]:
    """Return how many kills there were since the last run, or since boot where no run looked at this boot yet."""
    last = history.kills
    if last is None or last.boot_id != oom.boot_id or last.total > oom.total:
        return oom.total, oom.booted
    return oom.total - last.total, last.at


def _named(kills: tuple[Event, ...]) -> str:
    shown = [f"{kill.text} at {_moment(kill.at)}" for kill in kills[-LISTED:]]
    return ", ".join(shown) + (f" and {len(kills) - LISTED} before" if len(kills) > LISTED else "")


def judge_clock(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for the clock: kept by a time service, and how far off."""

    def finding(clock: Clock) -> Finding:
        check = CHECKS["resources.clock"]
        wanted = expected("synchronised and off by at most", limits.clock, "{:g} s".format)
        whose = (
            f" (the clock is that of the machine which holds this {snapshot.container})" if snapshot.container else ""
        )
        if not clock.synchronised:
            why = f": {clock.why}" if clock.why else ""
            message = f"{clock.source} says that nothing keeps the clock{whose}{why}"
            return check.finding(WARNING, "clock", message, expected=wanted, actual="not synchronised")
        if clock.offset is None:
            message = f"{clock.source} says that the clock is kept; it does not know by how much it is off{whose}"
            return check.finding(OK, "clock", message, expected=wanted, actual="synchronised")
        actual = f"{clock.offset:+.6f} s"
        message = f"{clock.source} says that the clock is kept and off by {actual}{whose}"
        return check.finding(above(abs(clock.offset), limits.clock), "clock", message, expected=wanted, actual=actual)

    return judged("resources.clock", "clock", snapshot.clock, finding)


def judge_held(snapshot: Snapshot, limits: Thresholds, _history: History) -> Finding:
    """Return the finding for deleted files that still take space."""

    def finding(held: HeldFiles) -> Finding:
        check, size = CHECKS["resources.deleted_open_files"], human_bytes(held.size)
        status = above(held.size, limits.held_bytes)
        message = f"{len(held.files)} deleted files hold {size}"
        if status != OK:
            message += f": {_largest(held.files)}"
        elif held.unseen:
            status, message = UNKNOWN, f"{message}, as far as could be seen: {held.unseen}"
        wanted = expected("at most", limits.held_bytes, human_bytes)
        return check.finding(status, "deleted files", message, expected=wanted, actual=size)

    return judged("resources.deleted_open_files", "deleted files", snapshot.held, finding)


def _largest(files: tuple[HeldFile, ...]) -> str:
    shown = [f"{file.path} {human_bytes(file.size)} by {', '.join(file.owners[:3])}" for file in files[:LISTED]]
    return "; ".join(shown) + (f" and {len(files) - LISTED} smaller ones" if len(files) > LISTED else "")


RULES: tuple[tuple[str, Rule], ...] = (
    ("oom_kills", judge_kills),
    ("clock", judge_clock),
    ("deleted_open_files", judge_held),
)
