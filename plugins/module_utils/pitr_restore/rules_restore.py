# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for a restore: whether it may begin, whether what was asked for was reached, and what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Optional

from ..finding import CRITICAL, FAILED, OK, SKIPPED, WARNING, Action, Check, Finding
from ..pitr.commands import clock_time
from ..registry import Outcome, Rules, finding_of
from .act import Restored
from .declared import Wanted
from .plan import Choice, Refusal

RULES = Rules()


class Context(NamedTuple):
    """One restore: what was asked for, what stands against it, and what came of it."""

    request: Wanted
    refused: Sequence[Refusal] = ()
    choice: Optional[Choice] = None
    actions: Sequence[Action] = ()
    restored: Optional[Restored] = None

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding of the cluster."""
        return finding_of(check, outcome, self.request.cluster.name)


@RULES.rule(
    "pitr.restore_possible",
    procedure="DB3.2",
    remedy="pitr_check says what can be restored to.",
    source="the backups and the WAL of the repository, and the place for the copy",
    many=True,
)
def judge_possible(context: Context) -> Iterator[Outcome]:
    """What is asked for can be restored, and nothing stands against it."""
    for refusal in context.refused:
        yield Outcome(CRITICAL, refusal.message, context.request.in_words(), None, refusal.remedy)
    if not context.refused and context.choice is not None:
        window = context.choice.window
        text = f"{clock_time(window.since)} to {clock_time(window.until)} can be restored to from {window.label}"
        yield Outcome(OK, text, context.request.in_words(), text)
    elif not context.refused:
        yield Outcome(SKIPPED, "nothing is restored", remedy="")


@RULES.rule(
    "pitr.restore_reached",
    procedure="DB3.2",
    remedy="See the log of the copy (`run/log` in dir); remove the copy by state=absent.",
    source="the pause of replay, pg_last_xact_replay_timestamp(), pg_is_in_recovery() and the control file",
)
def judge_reached(context: Context) -> Iterator[Outcome]:
    """Replay ended where it was asked to, and the copy takes writes."""
    failed = [action for action in context.actions if action.state == FAILED]
    if failed:
        yield Outcome(CRITICAL, f"{failed[0].action}: {failed[0].reason}", context.request.in_words())
    elif context.restored is None:
        yield Outcome(SKIPPED, "nothing was replayed", remedy="")
    else:
        where = context.restored.stopped or "the end of the archive"
        yield Outcome(
            OK, f"{where}; it takes writes, on timeline {context.restored.timeline}", context.request.in_words(), where
        )


@RULES.rule(
    "pitr.restore_content",
    procedure="DB3.2",
    remedy="Compare with what should be there: a time before the tables were made is restored without them.",
    source="the rows of each table of each database, counted in the copy",
)
def judge_content(context: Context) -> Iterator[Outcome]:
    """The copy holds databases with tables and rows in them."""
    content: Any = context.restored.content if context.restored else None
    if not content:
        yield Outcome(SKIPPED, "nothing was looked at", remedy="")
        return
    counts = {name: sum(rows for rows in tables.values() if isinstance(rows, int)) for name, tables in content.items()}
    text = ", ".join(f"{name}: {len(content[name])} tables, {rows} rows" for name, rows in sorted(counts.items()))
    yield Outcome(OK if sum(counts.values()) else WARNING, text, "rows in the tables", counts)
