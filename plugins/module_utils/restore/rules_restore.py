# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a restore, and of those before it: whether one is half done, and what is kept of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..backup.times import to_iso
from ..finding import CRITICAL, EMPTY, OK, SKIPPED, UNKNOWN, WARNING, Check, Finding
from ..registry import Outcome, Rules, finding_of
from ..restores import UNDER_WAY, WAY_ON
from ..units import human_bytes, human_seconds
from .model import KEPT, Journal

RULES = Rules()
HALF_DONE = RULES.check(
    "restore.under_way",
    "No restore was left half done: until one is resumed or rolled back its services are held down.",
    procedure="B2.2",
    remedy=WAY_ON,
    source="the journals in state_dir/restores",
)


class Context(NamedTuple):
    """The restores of a host. ``own`` is that of this run, with ``failure``; ``notes`` are worth knowing of it.

    ``kept`` are bytes by the id of a restore. ``lacks`` is what an archive of the application does not have, ``left``
    what of it is not restored, and why.
    """

    host: str
    now: float
    journals: tuple[Journal, ...]
    kept: dict[str, int]
    own: str = ""
    failure: str = ""
    notes: tuple[str, ...] = ()
    planned: str = ""
    lacks: tuple[str, ...] = ()
    left: Mapping[str, str] = EMPTY

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding about the host."""
        return finding_of(check, outcome, self.host)


@RULES.rule(
    "restore.done",
    procedure="B2.2",
    remedy="Put right what is named; nothing is lost: see restore.kept for the way back.",
)
def judge_done(context: Context) -> Iterator[Outcome]:
    """What was to be restored is in its place, and the services that work on it are well."""
    own = next((journal for journal in context.journals if journal.id == context.own), None)
    if context.failure:
        yield Outcome(CRITICAL, context.failure, "the data of the set in place, and healthy services", context.own)
    elif own is not None:
        spent = sum(own.seconds.values())
        text = (
            f"set {own.set_id}: the restore {own.id} is {own.state}, {human_bytes(own.bytes)} in {human_seconds(spent)}"
        )
        yield Outcome(OK, text, actual=own.state)
    elif context.planned:
        yield Outcome(OK, context.planned)
    else:
        yield Outcome(SKIPPED, "nothing was restored by this run", remedy="")


@RULES.rule(
    "restore.safety_set",
    procedure="B2.2",
    remedy="The files that could not be read are kept as they are; look at them before the old state is removed.",
)
def judge_safety(context: Context) -> Iterator[Outcome]:
    """What was replaced is in a safety set."""
    own = next((journal for journal in context.journals if journal.id == context.own), None)
    if context.notes:
        yield Outcome(WARNING, "; ".join(context.notes), "every source that is replaced in the safety set")
    elif own is not None and own.safety:
        yield Outcome(OK, f"what was replaced is in set {own.safety}", actual=own.safety)
    else:
        yield Outcome(SKIPPED, "this run made no safety set", remedy="")


@RULES.rule(
    "restore.archive",
    procedure="B2.2",
    remedy="Nothing is wrong with this host: that much is not in the archive. Restore a set where there is one.",
    source="what backup.sh and backup.ps1 pass over: they copy what a glob finds, as it lies there",
)
def judge_archive(context: Context) -> Iterator[Outcome]:
    """What was restored is a set of ours; what an archive of the application's own script lacks stays as it is here."""
    if not context.lacks:
        return
    left = [f"its {name} is not restored: {why}" for name, why in context.left.items()]
    text = f"the archive lacks this, which stays as it is on this host: {'; '.join((*context.lacks, *left))}"
    yield Outcome(WARNING, text, "a set of backup_archive", [*context.lacks, *left])


@RULES.rule(
    "restore.kept",
    procedure="B2.2",
    remedy="ansible-playbook cryptobot.maintenance.restore -e restore_state=tidied",
)
def judge_kept(context: Context) -> Iterator[Outcome]:
    """Old states that are kept are removed when their time is over."""
    for journal in context.journals:
        if journal.state == UNDER_WAY or context.kept[journal.id] < 0:
            continue
        size, what = (
            human_bytes(context.kept[journal.id]),
            "the state before" if journal.state == KEPT else "what was taken back",
        )
        text = f"{journal.id}: {what} is kept until {to_iso(journal.until)} ({size}, {', '.join(journal.folders)})"
        late = context.now > journal.until
        yield Outcome(WARNING if late else OK, text, "removed when its time is over", journal.id, subject=journal.id)


__all__ = ["RULES", "UNKNOWN", "Context"]
