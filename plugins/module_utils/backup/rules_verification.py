# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does a set hold? What its files lost since it was made, what a verification found at each of its levels, and the
damaged sets that a run removed: with them goes what told that something eats backups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..finding import CRITICAL, DONE, OK, SKIPPED, UNKNOWN, WARNING, Action, Finding
from ..registry import Outcome, Rules
from .context import Context
from .declared import LEVELS
from .model import FORGED, L0, L1, L2, L3, BackupSet, Catalog, Report
from .plan import PRUNE

RULES = Rules()
VERIFY_AGAIN = "Give it what the message misses (a program, room in scratch_dir, the right to read); verify again."
REMOVED = (
    "Look what damaged it (dmesg, smartctl, who writes to the folder), and verify the others: ansible-playbook "
    "cryptobot.maintenance.verify_backup."
)


@RULES.rule(
    "backup.payload",
    procedure="D1.4",
    remedy="Do not restore from this set. Take a new one and look for what removed or cut the file.",
    source="restic and pgBackRest test every class of truncation.",
    per="always",
    many=True,
)
def judge_payload(context: Context) -> Iterator[Outcome]:
    """L0: each file that the manifest lists is there with its size, in every set and whenever the folder is read."""
    yield from _judge_level(context, L0)
    yield from judge_losses(context)


def judge_losses(context: Context) -> Iterator[Outcome]:
    """Yield what sets have lost since they were made; those that this run verified say so themselves."""
    looked = {report.set_id for report in context.reports}
    for found in context.catalog.sets:
        for lack in found.lacks if found.id not in looked else ():
            message = f"{lack.message}; the set counts no longer"
            yield Outcome(CRITICAL, message, subject=f"{found.id}/{lack.payload}")
    others = [found for found in context.catalog.sets if found.id not in looked and not found.lacks]
    if others:
        yield Outcome(OK, f"{len(others)} other sets have each file with its size now", remedy="")


@RULES.rule(
    "backup.chain",
    procedure="D1.4",
    remedy="Take a full set now (incremental: false), then look for what removed or changed the set that is named.",
    source="Each archive of an earlier set that an incremental one needs is listed in its manifest, with its SHA-256.",
    per="always",
)
def judge_chain(context: Context) -> Iterator[Outcome]:
    """Each set that an incremental one needs is there, has the archives that it was made against, and counts."""
    sets = context.catalog.sets
    broken = [found for found in sets if found.chain]
    for found in broken:
        yield Outcome(CRITICAL, f"{found.chain[0].message}; set {found.id} counts no longer", subject=found.id)
    if not broken:
        count = sum(bool(found.manifest.chain) for found in sets)
        yield Outcome(OK if sets else SKIPPED, f"{count} incremental sets have all sets that they need", remedy="")


@RULES.rule(
    "backup.checksum",
    procedure="D1.4",
    remedy="Do not restore from this set. Take a new one, then check the disk: smartctl -a, dmesg.",
    source="Silent corruption of storage; SHA-256 runs at 1.7 GB/s a core, nearly as fast as the disk.",
    many=True,
)
def judge_checksum(context: Context) -> Iterator[Outcome]:
    """L1: each file, and each one of earlier sets that it needs, has the SHA-256 of when it was written."""
    yield from _judge_level(context, L1)


@RULES.rule(
    "backup.readable",
    procedure="M4.2",
    remedy="Do not rely on this set. Take a new one with verify_level L2 and read what failed.",
    source="A checksum proves that the bytes are the same, not that they were ever right.",
    title="L2: archives list and unpack to what the index says, dumps are read through by pg_restore, databases open; "
    "looked into for L3, each index of a SQLite database has the rows of its table.",
    many=True,
)
def judge_readable(context: Context) -> Iterator[Outcome]:
    """Yield what does not open. The thorough check of SQLite is a part of opening."""
    yield from _judge_level(context, L2)


@RULES.rule(
    "backup.restorable",
    procedure="M4.2",
    remedy="Do not rely on this set. Take a new one with verify_level L3 and read what failed.",
    source="GitLab, 31 January 2017: five ways to back up, none of which gave the data back when it was needed.",
    title="L3: each source comes back: files with the kinds, sizes, times, rights and content of the index, databases "
    "with their schema and the rows of each table, in a server of their own where they are PostgreSQL's.",
    many=True,
)
def judge_restorable(context: Context) -> Iterator[Outcome]:
    """Yield what does not come back."""
    yield from _judge_level(context, L3)


def _judge_level(context: Context, level: int) -> Iterator[Outcome]:
    """Yield for each set that was verified up to a level or beyond whether it holds there."""
    for report in context.reports:
        if report.level >= level:
            yield from _judge_report(report, level)


def _judge_report(report: Report, level: int) -> Iterator[Outcome]:
    """Yield what failed at a level. What failed below it was not looked at there, so a level is reached where not all
    of the sources have failed.
    """
    found = [defect for defect in report.defects if defect.level == level]
    for defect in found:
        subject = f"{report.set_id}/{defect.subject}"
        if defect.unknown:
            yield Outcome(UNKNOWN, defect.message, subject=subject, remedy=VERIFY_AGAIN)
        else:
            yield Outcome(CRITICAL, defect.message, subject=subject)
    if not found:
        failed = {defect.subject for defect in report.defects if defect.level < level}
        reached = len(failed) < max(1, report.sources)
        share = " of the share looked at" if report.partial else ""
        message = f"all {report.sources} sources{share} hold at {LEVELS[level]}"
        yield Outcome(OK if reached else SKIPPED, message, subject=report.set_id, remedy="")


def judge_removed(before: Catalog, actions: Iterable[Action]) -> list[Finding]:
    """Given the folder as it was and what was done, return a finding for each damaged set that was removed."""
    gone = {done.subject for done in actions if done.action == PRUNE and done.state == DONE}
    return [_removed(found) for found in before.sets if found.id in gone and found.damaged]


def _removed(found: BackupSet) -> Finding:
    message = f"set {found.id} was removed by the retention, and it was damaged: {_damage(found)}"
    return RULES["backup.payload"].finding(WARNING, found.id, message, remedy=REMOVED)


def _damage(found: BackupSet) -> str:
    if found.lacks:
        return found.lacks[0].message
    return "its signature is another's" if found.signature == FORGED else "its last verification failed"
