# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the copies of sets elsewhere: each place for itself, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Check, Finding
from ..printable import printable
from ..registry import Outcome, Rules, finding_of
from ..units import human_bytes, human_seconds
from .copies.context import CopyContext
from .copies.score import Score
from .declared import Settings
from .times import CLOCK_TOLERANCE

RULES = Rules()
NAMED = 20  # of what is listed by name in one message


class CopiesContext(NamedTuple):
    """All places. ``needed`` is how many of them must have the newest set, ``acted`` whether this run copied."""

    settings: Settings
    places: Sequence[CopyContext]
    points: Score
    needed: int
    acted: bool = False

    @property
    def holding(self) -> int:
        """How many places have the newest set, those among them into which none belongs yet."""
        return sum(one.holds_newest or (not one.expected and one.served.contents is not None) for one in self.places)

    @property
    def failure(self) -> str:
        """Why the run failed: too few places have the newest set; empty where enough have it."""
        if self.holding >= self.needed:
            return ""
        why = "; ".join(f"{one.served.copy.name}: {one.trouble or 'it is not there'}" for one in self._without)
        return f"{self.holding} of {len(self.places)} places have the newest set, {self.needed} must have it: {why}"

    @property
    def _without(self) -> list[CopyContext]:
        return [one for one in self.places if not one.holds_newest]

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding of the backup folder."""
        return finding_of(check, outcome, str(self.settings.dir))


@RULES.rule(
    "backup.copy",
    procedure="B1.1",
    remedy="Read the message: mount it, make room there, or mend the connection; then ansible-playbook "
    "cryptobot.maintenance.backup. What was missed is made up.",
    source="A copy counts after all of it was read again and compared with the manifest.",
    title="Each place in copies has the newest set here that belongs there. Where copies_policy lets it be without, "
    "it is a warning.",
    per="copy",
)
def judge_copy(context: CopyContext) -> Iterator[Outcome]:
    """Yield whether a place has the newest set, and what went wrong there."""
    copy, served = context.served.copy, context.served
    bad = WARNING if context.may_lack else CRITICAL
    if served.contents is None:
        yield Outcome(bad if context.settings.state == "present" else UNKNOWN, served.trouble, "the newest set there")
    elif not context.expected:
        yield Outcome(SKIPPED, "there is no set here that counts and belongs there", remedy="")
    elif context.holds_newest:
        again = served.reread.get(context.expected)
        word = ", read again and the same" if again == "" else ", by names, sizes and manifest"
        free = "" if served.contents.free is None else f"; {human_bytes(served.contents.free)} are free there"
        message = f"set {context.expected} is in {copy.path}{word}{free}"
        trouble = f"; but {served.trouble}" if served.trouble else ""
        yield Outcome(WARNING if trouble else OK, message + trouble, context.expected)
    elif any(action.action == "copy" and action.state == "planned" for action in served.actions):
        yield Outcome(SKIPPED, f"set {context.expected} would be copied to {copy.path}", remedy="")
    else:
        message = f"set {context.expected} is not in {copy.path}: {served.trouble or 'it was not copied yet'}"
        yield Outcome(bad, message, context.expected, context.newest.id if context.newest else None)


@RULES.rule(
    "backup.copy_age",
    procedure="D1.4",
    remedy="Read backup.copy of the same place; then ansible-playbook cryptobot.maintenance.backup.",
    source="max_age_hours of the place, else that of the sets here.",
    per="copy",
)
def judge_copy_age(context: CopyContext) -> Iterator[Outcome]:
    """The newest set in each place is younger than its max_age_hours."""
    copy, limit = context.served.copy, context.served.copy.max_age
    expected = f"at most {human_seconds(limit)}"
    if context.served.contents is None:
        yield Outcome(UNKNOWN, f"how old the copies are cannot be told: {context.served.trouble}", expected)
    elif context.newest is None:
        yield Outcome(SKIPPED, f"there is no set in {copy.path} whose age could be told", expected, remedy="")
    else:
        status = UNKNOWN if context.age < -CLOCK_TOLERANCE else CRITICAL if context.age > limit else OK
        message = f"the newest set there, {context.newest.id}, is {human_seconds(context.age)} old"
        yield Outcome(status, message, expected, round(context.age))


@RULES.rule(
    "backup.copy_sound",
    procedure="M4.2",
    remedy="Do not restore from it. Look what damaged it, then move the named folder away; where the set is still here "
    "the next run copies it again.",
    source="Names, sizes and manifests at each look, the SHA-256 of what was written in this run, and with "
    "copies_reread that of the newest set or a share of all.",
    title="Each set in a place is whole, its manifest is that of the set here, and its files read as they were "
    "written. A damaged one is never written over by itself.",
    per="copy",
)
def judge_copy_sound(context: CopyContext) -> Iterator[Outcome]:
    """Yield the sets there that cannot be relied on, else how many can."""
    contents = context.served.contents
    if contents is None:
        yield Outcome(UNKNOWN, f"nothing there could be looked at: {context.served.trouble}")
        return
    name, path = context.served.copy.name, context.served.copy.path
    for set_id, why in context.damaged.items():
        message = f"set {set_id} in {path} cannot be relied on: {why}"
        yield Outcome(CRITICAL, message, subject=f"{name}/{set_id}")
    if not context.damaged:
        again = sum(why == "" for why in context.served.reread.values())
        yield Outcome(OK, f"{len(contents.sets)} sets are whole by their manifests, {again} were read again")


@RULES.rule(
    "backup.copy_strange",
    procedure="D1.4",
    remedy="Look at what is named. Give the copies a folder of their own, and remove what nobody knows.",
    source="Half made copies of this host whose run has ended are swept, and not named here.",
    per="copy",
)
def judge_copy_strange(context: CopyContext) -> Iterator[Outcome]:
    """A place holds sets and nothing else."""
    strange = context.served.contents.strange if context.served.contents else ()
    if strange:
        names = ", ".join(map(printable, strange[:NAMED]))
        message = f"{len(strange)} things in {context.served.copy.path} are no sets: {names}"
        yield Outcome(WARNING, message, 0, len(strange))


@RULES.rule(
    "backup.copy_immutable",
    procedure="B1.1",
    remedy="Set it there (chattr +i on the set's folder, object lock, an append-only account), or declare it no more.",
    source="The flag of chattr +i is looked at; of servers and object stores it cannot be seen from here.",
    per="copy",
)
def judge_copy_immutable(context: CopyContext) -> Iterator[Outcome]:
    """A copy that is declared immutable is so."""
    if not context.served.copy.immutable:
        return
    contents = context.newest_is_immutable
    if contents is None:
        yield Outcome(UNKNOWN, "that the newest set there cannot be changed is declared and cannot be seen from here")
    else:
        word = "cannot" if contents else "can"
        yield Outcome(OK if contents else WARNING, f"the newest set there {word} be changed or removed")


@RULES.rule(
    "backup.copies",
    procedure="B1.1",
    remedy="Read backup.copy of the places that are named.",
    source="copies_policy: all, any, or a number.",
    per="copies",
)
def judge_copies(context: CopiesContext) -> Iterator[Outcome]:
    """As many places as copies_policy says have the newest set."""
    count, planned = context.holding, any(one.served.actions for one in context.places) and not context.acted
    if not context.places:
        yield Outcome(SKIPPED, "no copies elsewhere are declared", remedy="")
    elif planned and count < context.needed:
        yield Outcome(SKIPPED, "the newest set would be copied", remedy="")
    else:
        message = context.failure or f"{count} of {len(context.places)} places have the newest set"
        yield Outcome(CRITICAL if context.failure else OK, message, f"{context.needed} or more", count)


@RULES.rule(
    "backup.score_3_2_1_1_0",
    procedure="D1.4",
    remedy="Declare a place elsewhere in cryptobot_backup.copies: another medium, another site, one that cannot be "
    "changed.",
    source="Three copies, two media, one off site, one immutable or off line, no errors; the data itself is a copy.",
    per="copies",
)
def judge_score(context: CopiesContext) -> Iterator[Outcome]:
    """The copies of the data meet 3-2-1-1-0, or the message says what lacks; skipped where no copies are declared."""
    points = context.points
    message = f"{points.met} of 5" + (f"; lacking: {'; '.join(points.lacks)}" if points.lacks else "")
    unseen = points.immutable is None and len(points.lacks) == 1
    status = SKIPPED if not context.places else OK if points.met == 5 else UNKNOWN if unseen else WARNING
    yield Outcome(status, message, 5, points.met)
