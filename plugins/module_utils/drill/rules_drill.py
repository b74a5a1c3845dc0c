# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a drill: whether all came back, how long that took, how old it was, and what older drills left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from ..finding import CRITICAL, OK, SKIPPED, WARNING, Check, Finding
from ..registry import Outcome, Rules, finding_of
from ..units import human_seconds
from .records import Record

RULES = Rules()
QUARTER = 100 * 86400.0  # seconds; a drill a quarter, with a week of grace


class Context(NamedTuple):
    """A drill on a host; ``record`` is None where it was only planned. ``left`` are folders that were not swept."""

    host: str
    now: float
    scenario: str
    record: Optional[Record] = None
    before: Sequence[Mapping[str, object]] = ()
    left: Mapping[str, str] = {}
    planned: str = ""

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding about the scenario."""
        return finding_of(check, outcome, self.scenario)


@RULES.rule(
    "drill.recovered",
    procedure="Q3.1",
    remedy="Read the message and the lessons sheet; what fails in a drill fails in earnest.",
    source="The set was verified, restored beside, compared with its manifest, and tried.",
)
def judge_recovered(context: Context) -> Iterator[Outcome]:
    """What the scenario lost came back whole from a set, on copies that nothing live shares."""
    record = context.record
    if record is None:
        yield Outcome(SKIPPED, context.planned, remedy="")
    elif record.why:
        yield Outcome(CRITICAL, record.why, expected="all of it back")
    else:
        things = sum(record.sources.values())
        yield Outcome(
            OK,
            f"set {record.set_id}: {len(record.sources)} sources with {things} things came back"
            + (f"; it is at {record.level}" if record.level else "; the others of the set were not tried"),
        )


@RULES.rule(
    "drill.rto",
    procedure="Q3.1",
    remedy="Make the longest phase shorter (it is named), or give a target that is true: rto_minutes.",
    source="The monotonic clock, from the verification of the set to the end of the smoke test.",
)
def judge_rto(context: Context) -> Iterator[Outcome]:
    """Recovery took no longer than its target (RTO)."""
    record = context.record
    if record is None or record.why:
        return
    phases = ", ".join(f"{name} {spent:.1f} s" for name, spent in record.phases.items())
    message = f"{human_seconds(record.seconds)} ({phases}), the target is {human_seconds(record.rto_target)}"
    late = record.seconds > record.rto_target
    yield Outcome(CRITICAL if late else OK, message, record.rto_target, round(record.seconds, 1))


@RULES.rule(
    "drill.rpo",
    procedure="Q3.1",
    remedy="Take sets more often, archive WAL (role pitr), or give a target that is true: rpo_hours.",
    source="The moment at which the set was begun: its oldest source is not older than that.",
)
def judge_rpo(context: Context) -> Iterator[Outcome]:
    """What came back was no older than its target (RPO)."""
    record = context.record
    if record is None or not record.set_id:
        return
    message = f"the data was {human_seconds(record.data_age)} old, the target is {human_seconds(record.rpo_target)}"
    late = record.data_age > record.rpo_target
    yield Outcome(CRITICAL if late else OK, message, record.rpo_target, round(record.data_age))


@RULES.rule(
    "drill.leftover",
    procedure="Q3.1",
    remedy="See whose it is, and remove it by hand where nobody needs it: it has restored secrets in it.",
    source="The owner file in each folder of a drill.",
)
def judge_leftover(context: Context) -> Iterator[Outcome]:
    """No folder of an older drill or verification is left that nobody may sweep."""
    for folder, why in context.left.items():
        yield Outcome(WARNING, f"{folder} was left: {why}", "no folder of a drill")


@RULES.rule(
    "drill.age",
    procedure="Q3.1",
    remedy="ansible-playbook cryptobot.maintenance.dr_drill, or read why the last one of the scenario failed.",
    source="drills.jsonl in state_dir; a drill a quarter is what the procedures ask for.",
)
def judge_age(context: Context) -> Iterator[Outcome]:
    """The scenario was played with success within the last 100 days."""
    good = [float(str(one["begun"])) for one in context.before if one["scenario"] == context.scenario and one["ok"]]
    if context.record is not None and context.record.ok:
        good.append(context.record.begun)
    if not good:
        yield Outcome(WARNING, "it was never played with success here", QUARTER)
        return
    age = context.now - max(good)
    yield Outcome(
        WARNING if age > QUARTER else OK,
        f"it was last played with success {human_seconds(age)} ago",
        QUARTER,
        round(age),
    )
