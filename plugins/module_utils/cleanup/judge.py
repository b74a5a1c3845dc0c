# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan and its outcomes mean: one small function per rule of judgement, listed in RULES. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ..finding import CRITICAL, DONE, FAILED, NOT_DONE, OK, PLANNED, SKIPPED, UNKNOWN, WARNING, Finding
from ..printable import printable
from ..units import human_bytes
from .checks import CHECKS
from .plan import BOUND, BUDGET
from .records import LATE, OPEN, InUse, Obstacle, Outcome, Plan, Scan

NAMED = 5  # so many paths are named in a message; the rest is counted


@dataclass(frozen=True)
class Run:
    """Everything that a run knows at its end. ``usage`` tells of each folder that was asked about."""

    scans: Sequence[Scan]
    in_use: InUse
    plan: Plan
    outcomes: Sequence[Outcome]
    budget: Optional[int] = None
    reclaimable_warning: int = 0
    usage: Mapping[str, Usage] = field(default_factory=dict)

    @property
    def only_planned(self) -> bool:
        """Whether nothing was done: check mode, or nothing to do."""
        return all(outcome.state == PLANNED for outcome in self.outcomes)

    @property
    def freed(self) -> int:
        """The bytes of all steps that were done."""
        return sum(outcome.step.freed for outcome in self.outcomes if outcome.state == DONE)


@dataclass(frozen=True)
class Usage:
    """What takes the space in a folder: bytes by name, and what was not looked at."""

    sizes: Mapping[str, int]
    unread: Sequence[Obstacle] = ()
    bound: str = ""


Rule = Callable[[Run], Iterable[Finding]]


def judge(run: Run) -> list[Finding]:
    """Given a run at its end, return every finding."""
    return [finding for rule in RULES for finding in rule(run)]


def judge_reclaimable(run: Run) -> Iterator[Finding]:
    """Yield what the rules would free, or have freed."""
    check, count = CHECKS["cleanup.reclaimable"], len(run.plan.steps)
    if run.outcomes and not run.only_planned:
        done = sum(outcome.state == DONE for outcome in run.outcomes)
        message = f"{done} of {count} planned deletions were done and freed {human_bytes(run.freed)}"
        yield check.finding(OK, "all rules", message, actual=run.freed)
        return
    freed = run.plan.freed
    status = WARNING if freed > run.reclaimable_warning else OK
    message = f"{count} files and folders with {human_bytes(freed)} can be deleted by the rules"
    wanted = f"at most {human_bytes(run.reclaimable_warning)}"
    yield check.finding(status, "all rules", message, expected=wanted, actual=freed)


def judge_rules(run: Run) -> Iterator[Finding]:
    """Yield for each rule whether it could be applied."""
    check = CHECKS["cleanup.rule"]
    for scan in run.scans:
        name, reason = scan.rule.name, run.plan.refused.get(scan.rule.name, "")
        if scan.missing and scan.rule.optional:
            yield check.finding(SKIPPED, name, f"{scan.problem}, and is optional", remedy="")
        elif scan.missing:
            yield check.finding(WARNING, name, scan.problem, expected="a folder")
        elif reason:
            yield check.finding(UNKNOWN, name, f"nothing is deleted by this rule: {reason}")
        elif not scan.complete:
            yield check.finding(UNKNOWN, name, f"not everything could be looked at: {_unseen(scan.unread, scan.bound)}")
        else:
            rest = f"; {scan.untold}, so a deletion may be refused" if scan.untold else ""
            yield check.finding(OK, name, f"{len(scan.entries)} names were looked at in {scan.rule.path}{rest}")


def _unseen(unread: Sequence[Obstacle], bound: str) -> str:
    named = _named(f"{obstacle.path} ({obstacle.reason})" for obstacle in unread)
    return "; ".join(text for text in (bound, named) if text)


def _named(texts: Iterable[str]) -> str:
    listed = [printable(text) for text in texts]
    return ", ".join(listed[:NAMED]) + (f" and {len(listed) - NAMED} more" if len(listed) > NAMED else "")


def judge_guards(run: Run) -> Iterator[Finding]:
    """Yield what guards spared. A folder that was replaced during the run may be an attack, so it is critical."""
    check = CHECKS["cleanup.guard"]
    swapped = [outcome for outcome in run.outcomes if outcome.swapped]
    if swapped:
        paths = _named(f"{outcome.step.path} ({outcome.reason})" for outcome in swapped)
        yield check.finding(
            CRITICAL, "replaced folders", f"{len(swapped)} names were left alone: {paths}", expected="none"
        )
    late = [Obstacle(o.step.path, OPEN) for o in run.outcomes if (o.state, o.reason) == (NOT_DONE, OPEN)]
    for reason, paths_of in _by_reason([*run.plan.held, *late]).items():
        yield check.finding(
            SKIPPED, reason, f"{len(paths_of)} files were spared because {reason}: {_named(paths_of)}", remedy=""
        )
    for scan in run.scans:
        for obstacle in scan.not_entered:
            message = f"{printable(obstacle.path)} was not entered: {obstacle.reason}"
            yield check.finding(SKIPPED, scan.rule.name, message, remedy="")
    if not swapped:
        yield check.finding(OK, "replaced folders", "no folder was replaced by something else during the run")


def _by_reason(obstacles: Iterable[Obstacle]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for obstacle in obstacles:
        grouped.setdefault(obstacle.reason, []).append(obstacle.path)
    return grouped


def judge_in_use(run: Run) -> Iterator[Finding]:
    """Yield whether the files in use could be told."""
    check = CHECKS["cleanup.in_use"]
    if run.in_use.unseen:
        message = f"files in use could not all be told ({run.in_use.unseen}); only the age of a rule guards them"
        yield check.finding(UNKNOWN, "open files", message)
    elif run.in_use.at_its_turn:
        met = sum((outcome.state, outcome.reason) == (NOT_DONE, OPEN) for outcome in run.outcomes)
        message = f"whether a file is in use is asked when its turn comes, and then it is spared; {met} were met"
        yield check.finding(OK, "open files", message)
    else:
        yield check.finding(OK, "open files", f"{len(run.in_use.identities)} files are in use and are spared")


def judge_failures(run: Run) -> Iterator[Finding]:
    """Yield the deletions that the system refused, by rule and reason; OK where there were none."""
    check = CHECKS["cleanup.failed"]
    failed = [outcome for outcome in run.outcomes if outcome.state == FAILED]
    for (rule, reason), count in Counter((outcome.step.rule.name, outcome.reason) for outcome in failed).items():
        paths = [o.step.path for o in failed if (o.step.rule.name, o.reason) == (rule, reason)]
        message = f"{count} deletions were refused ({reason}): {_named(paths)}"
        yield check.finding(CRITICAL, rule, message, expected="deleted", actual=reason)
    if not failed:
        yield check.finding(OK, "all rules", "no deletion was refused")


def judge_bounds(run: Run) -> Iterator[Finding]:
    """Yield whether the budget was met, and what a bound left over."""
    check = CHECKS["cleanup.budget"]
    if run.budget is not None:
        freed, wanted = run.plan.freed, human_bytes(run.budget)
        status = OK if freed >= run.budget else WARNING
        message = f"the rules free {human_bytes(freed)} of the {wanted} that were asked for"
        yield check.finding(status, "free_bytes", message, expected=wanted, actual=freed)
    if BUDGET in run.plan.left:
        count, size = run.plan.left[BUDGET]
        yield check.finding(
            OK, "left by the budget", f"{count} files with {human_bytes(size)} are kept for another run"
        )
    late = sum(outcome.reason == LATE for outcome in run.outcomes)
    if late:
        message = f"{late} deletions are left for the next run, because {LATE}"
        yield check.finding(WARNING, "timeout", message, remedy="Run it again, or raise timeout.")
    if BOUND in run.plan.left:
        count, size = run.plan.left[BOUND]
        message = f"{count} files with {human_bytes(size)} are left for the next run, because max_files was reached"
        yield check.finding(WARNING, "max_files", message, remedy="Run it again, or raise max_files.")


def judge_usage(run: Run) -> Iterator[Finding]:
    """Yield what takes the space below each folder that was asked about."""
    check = CHECKS["cleanup.usage"]
    for path, usage in run.usage.items():
        total = human_bytes(sum(usage.sizes.values()))
        largest = _named(f"{name} {human_bytes(size)}" for name, size in largest_first(usage.sizes))
        unseen = _unseen(usage.unread, usage.bound)
        message = f"{path} takes {total}" + (f": {largest}" if largest else "")
        if unseen:
            yield check.finding(UNKNOWN, path, f"{message}; not everything could be looked at: {unseen}")
        else:
            yield check.finding(OK, path, message)


def largest_first(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return names with their sizes, the largest first."""
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))


RULES: tuple[Rule, ...] = (
    judge_reclaimable,
    judge_rules,
    judge_guards,
    judge_in_use,
    judge_failures,
    judge_bounds,
    judge_usage,
)
