# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for the WAL in the repository: whole along each timeline, of this cluster alone, and what it can bring back."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import CRITICAL, OK, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from .commands import clock_time
from .context import FULL, NAMED, Context, histories
from .declared import PGBACKREST
from .model import Repository, ServerState, Unavailable
from .wal import Archive, Gap, Segment, name_of

RULES = Rules()


@RULES.rule(
    "pitr.gap",
    procedure="D1.4",
    remedy=FULL,
    source="the name of every segment in the repository, from the oldest backup on, along each timeline",
)
def judge_gap(context: Context) -> Iterator[Outcome]:
    """No segment is missing between the oldest backup and the newest segment of each timeline."""
    for each in context.repositories():
        if isinstance(each, Outcome):
            yield each
        elif isinstance(each[1].archive, Unavailable):
            yield Outcome(UNKNOWN, f"its WAL cannot be seen: {each[1].archive.reason}", subject=each[0])
        else:
            yield _gap(context, *each)


def _gap(context: Context, subject: str, repository: Repository) -> Outcome:
    gaps, stuck = repository.gaps(), repository.broken()
    archive = repository.archive
    assert_archive = archive if isinstance(archive, Archive) else Archive({}, {})
    if not repository.bases():
        return Outcome(UNKNOWN, "there is no backup from which WAL would have to be complete", subject=subject)
    if not gaps and not stuck:
        text = f"{len(assert_archive.segments)} segments, none missing from the oldest backup on"
        return Outcome(OK, text, [], [], subject=subject)
    named = [_name(gap, assert_archive.size) for gap in gaps]
    text = (
        f"{sum(gap.missing for gap in gaps)} segments are missing with others behind them: {', '.join(named[:NAMED])}"
    )
    if stuck:
        text += f"; these backups cannot be started at all: {', '.join(sorted(stuck)[:NAMED])}"
    return Outcome(_gap_status(context, repository), text, [], named, subject=subject)


def _gap_status(context: Context, repository: Repository) -> str:
    """A gap behind which a newer backup begins costs times of the past; one in the way from the newest costs today."""
    server = context.observation.server
    timeline = server.timeline if isinstance(server, ServerState) else 0
    window = repository.newest_window(timeline) if timeline else None
    newest = max(repository.bases(), key=lambda base: base.ended)
    return WARNING if window and window.complete and window.label == newest.label else CRITICAL


def _name(gap: Gap, size: int) -> str:
    first = name_of(Segment(gap.timeline, gap.first), size)
    return first if gap.first == gap.last else f"{first} to {name_of(Segment(gap.timeline, gap.last), size)}"


@RULES.rule(
    "pitr.timelines",
    procedure="DB3.2",
    remedy=(
        "Find who promoted a copy that archives here (a drill must run with --archive-mode=off); name the timeline in "
        "a restore, and take a new full backup."
    ),
    source="the .history files of the repository against the run before; the timeline of the server",
)
def judge_timelines(context: Context) -> Iterator[Outcome]:
    """Nobody but this cluster archives here: no new timeline, none ahead of the server's, and a history for each."""
    server = context.observation.server
    for each in context.repositories():
        if isinstance(each, Outcome):
            yield each
            continue
        subject, repository = each
        if isinstance(repository.archive, Unavailable):
            yield Outcome(UNKNOWN, f"its WAL cannot be seen: {repository.archive.reason}", subject=subject)
            continue
        there = [*repository.archive.timelines(), *repository.archive.histories]
        own = server.timeline if isinstance(server, ServerState) else max(there, default=1)
        ahead = sorted({number for number in there if number > own})
        # a set of pg_basebackup brings the history of its own timeline along; one of pgBackRest does not
        own_sets = () if context.engine == PGBACKREST else {base.timeline for base in repository.bases()}
        lost = [number for number in repository.archive.without_history() if number not in own_sets]
        known, before = histories(repository) or 0, context.before.timelines
        if ahead:
            text = f"timeline {ahead[-1]} is archived here, and the server is on {own}: a copy of it was promoted"
            yield Outcome(CRITICAL, text, own, ahead, subject=subject)
        elif lost:
            yield Outcome(
                CRITICAL,
                f"the history of timeline {lost[0]} is missing: no restore finds the way to it",
                [],
                lost,
                subject=subject,
            )
        elif before is not None and known > before:
            yield Outcome(
                WARNING,
                f"{known - before} new timelines since the last run: the server was promoted or restored",
                before,
                known,
                subject=subject,
            )
        else:
            yield Outcome(OK, f"{len(set(there))} timelines, each with its history", subject=subject)


@RULES.rule(
    "pitr.restorable",
    procedure="DB3.2",
    remedy=FULL,
    source="backups whose own WAL is whole, and how far WAL follows them without a gap",
)
def judge_restorable(context: Context) -> Iterator[Outcome]:
    """There is a time to which the server's timeline can be restored, up to the newest segment."""
    server = context.observation.server
    for each in context.repositories():
        if isinstance(each, Outcome):
            yield each
            continue
        subject, repository = each
        windows = repository.windows()
        own = [each for each in windows if not isinstance(server, ServerState) or each.timeline == server.timeline]
        if isinstance(repository.archive, Unavailable):
            yield Outcome(UNKNOWN, f"its WAL cannot be seen: {repository.archive.reason}", subject=subject)
        elif not own:
            yield Outcome(CRITICAL, "no time can be restored to: no backup can be started", subject=subject)
        else:
            last = max(own, key=lambda window: window.last.number)
            text = f"{clock_time(min(window.since for window in own))} to {clock_time(last.until)}"
            whole = all(window.complete for window in own)
            yield Outcome(
                OK,
                f"can be restored to: {text}{'' if whole else ', not to every time between'}",
                actual=text,
                subject=subject,
            )
