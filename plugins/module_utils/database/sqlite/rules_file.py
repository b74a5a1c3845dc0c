# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for a SQLite database, and for what was done about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...finding import CRITICAL, OK, UNKNOWN, WARNING, Check
from ...registry import Outcome, Rules
from ...units import human_bytes
from ..rules_common import (
    BACKUP_GATE,
    INTEGRITY,
    LOCKED,
    MAINTENANCE,
    REACHABLE,
    SPACE,
    STATISTICS,
    WINDOW,
    judges,
)
from .context import VACUUMS, FileContext
from .model import is_network

RULES = Rules()


@judges(RULES, REACHABLE)
def judge_reachable(context: FileContext) -> Iterator[Outcome]:
    """It is a SQLite database and can be read."""
    snapshot = context.snapshot
    yield Outcome(OK, f"SQLite, {human_bytes(snapshot.file_bytes)}, journal mode {snapshot.content.journal_mode}")


@judges(RULES, INTEGRITY)
def judge_integrity(context: FileContext) -> Iterator[Outcome]:
    """Its content is sound."""
    how = "integrity_check" if context.settings.full_integrity else "quick_check"
    broken = context.snapshot.content.damage or "; ".join(context.not_done("database.integrity"))
    message = f"{how}: {broken}" if broken else f"{how} found nothing"
    yield Outcome(CRITICAL if broken else OK, message, expected="ok", actual=broken or "ok")


@RULES.rule(
    "database.foreign_keys",
    procedure="W1.3",
    remedy="Find the rows with PRAGMA foreign_key_check and correct them; SQLite enforces keys only when told to.",
    source="https://www.sqlite.org/pragma.html#pragma_foreign_key_check",
)
def judge_foreign_keys(context: FileContext) -> Iterator[Outcome]:
    """No row refers to a row that does not exist (integrity: full).

    Only looked at then, because it reads every row.
    """
    content = context.snapshot.content
    if content.orphans is None:
        return
    found = f"{content.orphans} rows refer to nothing, the first: {content.first_orphan}"
    status, message = (WARNING, found) if content.orphans else (OK, "all references hold")
    yield Outcome(status, message, expected=0, actual=content.orphans)


@RULES.rule(
    "database.filesystem",
    procedure="W1.3",
    remedy="Move the file to a local disk.",
    source="https://www.sqlite.org/howtocorrupt.html#_filesystems_with_broken_or_missing_lock_implementations",
)
def judge_filesystem(context: FileContext) -> Iterator[Outcome]:
    """A SQLite database lies on a local file system: locks over a network corrupt it."""
    kind = context.snapshot.filesystem
    if not kind:
        yield Outcome(UNKNOWN, "the host does not say which file system it lies on")
        return
    status = CRITICAL if is_network(kind) else OK
    yield Outcome(status, f"it lies on {kind}", expected="a local file system", actual=kind)


@RULES.rule(
    "database.freelist",
    procedure="W1.3",
    remedy=(
        "Run db_vacuum in a quiet hour; a new file made with PRAGMA auto_vacuum=INCREMENTAL shrinks without a rewrite."
    ),
    source="https://www.sqlite.org/lang_vacuum.html",
)
def judge_freelist(context: FileContext) -> Iterator[Outcome]:
    """A SQLite file holds no more free pages than 20 % of it and 64 MB.

    What was given back in this run counts no more.
    """
    snapshot, limits, vacuum = context.snapshot, context.entry.thresholds, context.done(*VACUUMS)
    left = int(vacuum.after["free_bytes"]) if vacuum else snapshot.free_bytes
    too_much = context.plan.wants_vacuum and not (vacuum and left <= limits.freelist_bytes)
    message = f"{human_bytes(left)} of {human_bytes(snapshot.file_bytes)} are free"
    message += f", {human_bytes(vacuum.freed_bytes)} were given back" if vacuum else ""
    expected = f"at most {limits.freelist_ratio:.0%} or {human_bytes(limits.freelist_bytes)}"
    yield Outcome(WARNING if too_much else OK, message, expected=expected, actual=left)


@RULES.rule(
    "database.wal",
    procedure="W1.3",
    remedy="Find the reader that keeps a transaction open (it is named where it can be seen), then checkpoint.",
    source="https://www.sqlite.org/wal.html#avoiding_excessively_large_wal_files",
)
def judge_wal(context: FileContext) -> Iterator[Outcome]:
    """The write-ahead log of a SQLite database stays below 64 MB.

    A database without one has nothing to say.
    """
    snapshot = context.snapshot
    if not snapshot.is_wal:
        return
    checkpoint = context.done("checkpoint")
    cut = bool(checkpoint and checkpoint.freed_bytes)
    too_long = context.plan.wants_checkpoint and not cut
    message = f"its write-ahead log holds {human_bytes(snapshot.wal_bytes)}"
    message += " and was cut off" if cut else ""
    message += f", {snapshot.holders.named()} has it open" if too_long and snapshot.holders.processes else ""
    limit = context.entry.thresholds.wal_bytes
    yield Outcome(WARNING if too_long else OK, message, expected=limit, actual=snapshot.wal_bytes)


@judges(RULES, STATISTICS)
def judge_statistics(context: FileContext) -> Iterator[Outcome]:
    """SQLite's planner has statistics that PRAGMA optimize is content with."""
    stale = () if context.done("analyze") else context.snapshot.content.stale
    message = f"stale or missing for {', '.join(stale[:5])}" if stale else "the planner's statistics are fresh"
    yield Outcome(WARNING if stale else OK, message, expected=0, actual=len(stale))


@judges(RULES, BACKUP_GATE)
def judge_backup_gate(context: FileContext) -> Iterator[Outcome]:
    """A verified backup is there where one is needed: before a rewrite in place."""
    gate = context.gate
    if gate is not None and context.plan.wants_vacuum and context.plan.strategy == "in_place":
        yield Outcome(OK if gate.open else WARNING, gate.reason)


@judges(RULES, SPACE)
def judge_space(context: FileContext) -> Iterator[Outcome]:
    """There is room for the rewrite that is due."""
    yield from _hindered(context, SPACE, "there is room for it", speak=context.plan.wants_vacuum)


@judges(RULES, LOCKED)
def judge_locked(context: FileContext) -> Iterator[Outcome]:
    """Nobody was in the way of what was to be done."""
    yield from _hindered(context, LOCKED, "nobody was in the way", speak=bool(context.ended))


@RULES.rule(
    "database.litestream",
    procedure="W1.3",
    remedy="Stop Litestream, use sqlite_strategy: into_swap, start it again: it then makes a new generation.",
    source="https://litestream.io/tips/",
)
def judge_litestream(context: FileContext) -> Iterator[Outcome]:
    """No replicator follows the WAL of a database that is to be rewritten."""
    fine = "Litestream is not in the way"
    yield from _hindered(context, RULES["database.litestream"], fine, speak=context.snapshot.is_replicated)


@judges(RULES, WINDOW)
def judge_window(context: FileContext) -> Iterator[Outcome]:
    """What is to be done fits into the window."""
    yield from _hindered(context, WINDOW, "what is due fits into the window", speak=bool(context.plan.steps))


@judges(RULES, MAINTENANCE)
def judge_maintenance(context: FileContext) -> Iterator[Outcome]:
    """Every step that was taken came out."""
    yield from _hindered(context, MAINTENANCE, "every step came out", status=CRITICAL, speak=bool(context.ended))


def _hindered(
    context: FileContext, check: Check, fine: str, *, speak: bool, status: str = WARNING
) -> Iterator[Outcome]:
    """Yield what a check says: its reasons where it kept a step from coming out, else ok where it has a say at all."""
    reasons = context.not_done(check.id)
    if reasons:
        yield Outcome(status, "; ".join(reasons))
    elif speak:
        yield Outcome(OK, fine)
