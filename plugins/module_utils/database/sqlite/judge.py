# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen of a SQLite database, and what was done about it -> findings. One function per rule. Pure."""

from __future__ import annotations

from typing import Callable

from ...finding import CRITICAL, OK, UNKNOWN, WARNING, Finding
from ...units import human_bytes
from ..checks import CHECKS
from .look import Look
from .parse import is_network
from .records import Seen

VACUUMS = ("vacuum", "vacuum_into", "incremental_vacuum")
_READ_ELSEWHERE = (
    "Run this with a Python whose SQLite is new enough (python3 -c 'import sqlite3; print(sqlite3.sqlite_version)'), "
    "or have the application itself run PRAGMA integrity_check."
)
Rule = Callable[[Look, Seen], list[Finding]]


def judge(look: Look) -> list[Finding]:
    """Given a look at a database, return its findings."""
    if look.seen is None:
        check, status, reason = look.problem or ("database.reachable", UNKNOWN, "it was not looked at")
        if check == "database.integrity" and status == UNKNOWN:
            return [CHECKS[check].finding(status, look.entry.name, reason, remedy=_READ_ELSEWHERE)]
        return [CHECKS[check].finding(status, look.entry.name, reason)]
    return [finding for rule in RULES for finding in rule(look, look.seen)]


def reachable(look: Look, seen: Seen) -> list[Finding]:
    """It is a SQLite database and can be read."""
    message = f"SQLite, {human_bytes(seen.file_bytes)}, journal mode {seen.content.journal_mode}"
    return [CHECKS["database.reachable"].finding(OK, look.entry.name, message)]


def integrity(look: Look, seen: Seen) -> list[Finding]:
    """Its content is sound."""
    how = "integrity_check" if look.settings.full_integrity else "quick_check"
    broken = seen.content.damage or "; ".join(look.not_done("database.integrity"))
    message = f"{how}: {broken}" if broken else f"{how} found nothing"
    check = CHECKS["database.integrity"]
    status = CRITICAL if broken else OK
    return [check.finding(status, look.entry.name, message, expected="ok", actual=broken or "ok")]


def foreign_keys(look: Look, seen: Seen) -> list[Finding]:
    """No row refers to nothing; only looked at with integrity: full, because it reads every row."""
    if seen.content.orphans is None:
        return []
    check, count = CHECKS["database.foreign_keys"], seen.content.orphans
    message = (
        f"{count} rows refer to nothing, the first: {seen.content.first_orphan}" if count else "all references hold"
    )
    return [check.finding(WARNING if count else OK, look.entry.name, message, expected=0, actual=count)]


def filesystem(look: Look, seen: Seen) -> list[Finding]:
    """It lies on a local file system."""
    check = CHECKS["database.filesystem"]
    if not seen.filesystem:
        return [check.finding(UNKNOWN, look.entry.name, "the host does not say which file system it lies on")]
    status = CRITICAL if is_network(seen.filesystem) else OK
    message = f"it lies on {seen.filesystem}"
    return [check.finding(status, look.entry.name, message, expected="a local file system", actual=seen.filesystem)]


def freelist(look: Look, seen: Seen) -> list[Finding]:
    """Not too much of the file is free, or it was given back in this run."""
    limits, vacuum = look.entry.thresholds, look.done(*VACUUMS)
    left = int(vacuum.after["free_bytes"]) if vacuum else seen.free_bytes
    too_much = look.plan.wants_vacuum and not (vacuum and left <= limits.freelist_bytes)
    message = f"{human_bytes(left)} of {human_bytes(seen.file_bytes)} are free"
    message += f", {human_bytes(vacuum.freed_bytes)} were given back" if vacuum else ""
    expected = f"at most {limits.freelist_ratio:.0%} or {human_bytes(limits.freelist_bytes)}"
    check, status = CHECKS["database.freelist"], WARNING if too_much else OK
    return [check.finding(status, look.entry.name, message, expected=expected, actual=left)]


def wal(look: Look, seen: Seen) -> list[Finding]:
    """Its write-ahead log is of ordinary size; a database without one has nothing to say."""
    if not seen.is_wal:
        return []
    checkpoint = look.done("checkpoint")
    cut = bool(checkpoint and checkpoint.freed_bytes)
    too_long = look.plan.wants_checkpoint and not cut
    message = f"its write-ahead log holds {human_bytes(seen.wal_bytes)}"
    message += " and was cut off" if cut else ""
    message += f", {seen.holders.named()} has it open" if too_long and seen.holders.processes else ""
    limit = look.entry.thresholds.wal_bytes
    status = WARNING if too_long else OK
    return [CHECKS["database.wal"].finding(status, look.entry.name, message, expected=limit, actual=seen.wal_bytes)]


def statistics(look: Look, seen: Seen) -> list[Finding]:
    """SQLite's planner has statistics that PRAGMA optimize is content with."""
    stale = () if look.done("analyze") else seen.content.stale
    message = f"stale or missing for {', '.join(stale[:5])}" if stale else "the planner's statistics are fresh"
    check, status = CHECKS["database.statistics"], WARNING if stale else OK
    return [check.finding(status, look.entry.name, message, expected=0, actual=len(stale))]


def backup_gate(look: Look, _seen: Seen) -> list[Finding]:
    """A verified backup is there where one is needed: before a rewrite in place."""
    if look.gate is None or not look.plan.wants_vacuum or look.plan.strategy != "in_place":
        return []
    status = OK if look.gate.open else WARNING
    return [CHECKS["database.backup_gate"].finding(status, look.entry.name, look.gate.reason)]


def space(look: Look, _seen: Seen) -> list[Finding]:
    """There is room for the rewrite that is due."""
    return _hindered(look, "database.space", "there is room for it", speak=look.plan.wants_vacuum)


def locked(look: Look, _seen: Seen) -> list[Finding]:
    """Nobody was in the way of what was to be done."""
    return _hindered(look, "database.locked", "nobody was in the way", speak=bool(look.outcomes))


def litestream(look: Look, seen: Seen) -> list[Finding]:
    """Litestream, where it follows the database, is not in the way."""
    return _hindered(look, "database.litestream", "Litestream is not in the way", speak=seen.is_replicated)


def window(look: Look, _seen: Seen) -> list[Finding]:
    """What is to be done fits into the window."""
    return _hindered(look, "database.window", "what is due fits into the window", speak=bool(look.plan.steps))


def maintenance(look: Look, _seen: Seen) -> list[Finding]:
    """Every step that was taken came out."""
    return _hindered(look, "database.maintenance", "every step came out", status=CRITICAL, speak=bool(look.outcomes))


def _hindered(look: Look, rule: str, fine: str, *, speak: bool, status: str = WARNING) -> list[Finding]:
    """Return what a check says: its reasons where it kept a step from coming out, else ok where it has a say at all."""
    reasons = look.not_done(rule)
    if reasons:
        return [CHECKS[rule].finding(status, look.entry.name, "; ".join(reasons))]
    return [CHECKS[rule].finding(OK, look.entry.name, fine)] if speak else []


RULES: tuple[Rule, ...] = (
    reachable,
    integrity,
    foreign_keys,
    filesystem,
    freelist,
    wal,
    statistics,
    backup_gate,
    space,
    locked,
    litestream,
    window,
    maintenance,
)
