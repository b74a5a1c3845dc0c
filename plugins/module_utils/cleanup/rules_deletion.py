# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan and what became of it mean: the rules. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..finding import CRITICAL, DONE, FAILED, NOT_DONE, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ..printable import printable
from ..registry import Outcome, Rules
from ..units import human_bytes
from .model import LATE, OPEN, Context, Obstacle
from .plan import BOUND, BUDGET

NAMED = 5  # so many paths are named in a message; the rest is counted
RULES = Rules()

PLATFORM = RULES.check(
    "cleanup.platform",
    "Whether this collection knows how to delete safely on this kind of host.",
    procedure="W1.2",
    remedy="Run disk_cleanup on a supported platform, or take this host out of the play.",
)


def unsupported(platform: str, known: Iterable[str]) -> Finding:
    """Given a platform that is not known, and those that are, return that nothing is deleted there."""
    message = f"nothing is deleted on {platform}; expected one of {', '.join(sorted(known))}"
    return PLATFORM.finding(UNKNOWN, platform, message)


@RULES.rule(
    "cleanup.reclaimable",
    procedure="W1.2",
    remedy="Run disk_cleanup without check mode (`ansible-playbook cryptobot.maintenance.weekly --tags W1.2`).",
    source="The bound of 1 GiB is ours: below it nobody is in a hurry.",
)
def judge_reclaimable(context: Context) -> Iterator[Outcome]:
    """How much the declared rules would delete now, or have deleted."""
    steps = len(context.plan.steps)
    if context.removals and not context.only_planned:
        done = sum(removal.state == DONE for removal in context.removals)
        message = f"{done} of {steps} planned deletions were done and freed {human_bytes(context.freed)}"
        yield Outcome(OK, message, actual=context.freed)
        return
    freed = context.plan.freed
    status = WARNING if freed > context.reclaimable_warning else OK
    message = f"{steps} files and folders with {human_bytes(freed)} can be deleted by the rules"
    yield Outcome(status, message, f"at most {human_bytes(context.reclaimable_warning)}", freed)


@RULES.rule(
    "cleanup.rule",
    procedure="W1.2",
    remedy="Correct the rule in cryptobot_cleanup_rules, mark its folder as optional, "
    "or raise the bound that is named.",
)
def judge_rule(context: Context) -> Iterator[Outcome]:
    """Whether each rule could be applied: its folder is there, may be read, and was looked through to the end."""
    for scan in context.scans:
        name, reason = scan.rule.name, context.plan.refused.get(scan.rule.name, "")
        if scan.missing and scan.rule.optional:
            yield Outcome(SKIPPED, f"{scan.unavailable}, and is optional", remedy="", subject=name)
        elif scan.missing:
            yield Outcome(WARNING, scan.unavailable, "a folder", subject=name)
        elif reason:
            yield Outcome(UNKNOWN, f"nothing is deleted by this rule: {reason}", subject=name)
        elif not scan.complete:
            unseen = _unseen(scan.unread, scan.bound)
            yield Outcome(UNKNOWN, f"not everything could be looked at: {unseen}", subject=name)
        else:
            rest = f"; {scan.untold}, so a deletion may be refused" if scan.untold else ""
            message = f"{len(scan.entries)} names were looked at in {scan.rule.path}{rest}"
            yield Outcome(OK, message, subject=name)


def _unseen(unread: Sequence[Obstacle], bound: str) -> str:
    named = _named(f"{obstacle.path} ({obstacle.reason})" for obstacle in unread)
    return "; ".join(text for text in (bound, named) if text)


def _named(texts: Iterable[str]) -> str:
    listed = [printable(text) for text in texts]
    return ", ".join(listed[:NAMED]) + (f" and {len(listed) - NAMED} more" if len(listed) > NAMED else "")


@RULES.rule(
    "cleanup.guard",
    procedure="W1.2",
    remedy="Nothing was lost. Declare the real path instead of a symlink; see who replaces folders (`ls -la`, auditd).",
    source="Deleting by path as root follows whatever an ordinary account swaps in (CWE-59, CWE-367).",
    many=True,
)
def judge_guard(context: Context) -> Iterator[Outcome]:
    """What a guard kept from being deleted: symlinks and reparse points on the way, other file systems, files in use,
    files that the system protects by a flag or attribute, databases, and folders that somebody replaced while the run
    went on.
    """
    swapped = [removal for removal in context.removals if removal.swapped]
    if swapped:  # it may be an attack
        paths = _named(f"{removal.step.subject} ({removal.reason})" for removal in swapped)
        message = f"{len(swapped)} names were left alone: {paths}"
        yield Outcome(CRITICAL, message, "none", subject="replaced folders")
    late = [Obstacle(r.step.subject, OPEN) for r in context.removals if (r.state, r.reason) == (NOT_DONE, OPEN)]
    for reason, paths_of in _by_reason([*context.plan.held, *late]).items():
        message = f"{len(paths_of)} files were spared because {reason}: {_named(paths_of)}"
        yield Outcome(SKIPPED, message, remedy="", subject=reason)
    for scan in context.scans:
        for obstacle in scan.not_entered:
            message = f"{printable(obstacle.path)} was not entered: {obstacle.reason}"
            yield Outcome(SKIPPED, message, remedy="", subject=scan.rule.name)
    if not swapped:
        message = "no folder was replaced by something else during the run"
        yield Outcome(OK, message, subject="replaced folders")


def _by_reason(obstacles: Iterable[Obstacle]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for obstacle in obstacles:
        grouped.setdefault(obstacle.reason, []).append(obstacle.path)
    return grouped


@RULES.rule(
    "cleanup.in_use",
    procedure="W1.2",
    remedy="Run it as root, or give every rule an age that no file in use can reach.",
    source="Lynis LOGG-2190: a deleted file that is open frees nothing and is hard to find.",
)
def judge_in_use(context: Context) -> Iterator[Outcome]:
    """Whether the files that processes have open could be seen, so that none of them is deleted."""
    in_use = context.in_use
    if in_use.unseen:
        message = f"files in use could not all be told ({in_use.unseen}); only the age of a rule guards them"
        yield Outcome(UNKNOWN, message, subject="open files")
    elif in_use.at_its_turn:
        met = sum((removal.state, removal.reason) == (NOT_DONE, OPEN) for removal in context.removals)
        message = f"whether a file is in use is asked when its turn comes, and then it is spared; {met} were met"
        yield Outcome(OK, message, subject="open files")
    else:
        message = f"{len(in_use.identities)} files are in use and are spared"
        yield Outcome(OK, message, subject="open files")


@RULES.rule(
    "cleanup.failed",
    procedure="W1.2",
    remedy="Look at the owner and mode of the folder (`ls -ld`, on Windows `icacls`), at its flags (`lsattr`, "
    "`ls -lO`), and whether it is mounted read-only.",
    many=True,
)
def judge_failed(context: Context) -> Iterator[Outcome]:
    """Deletions that the system refused."""
    failed = [removal for removal in context.removals if removal.state == FAILED]
    refusals = Counter((removal.step.task.rule.name, removal.reason) for removal in failed)
    for (rule, reason), refused in refusals.items():
        paths = [r.step.subject for r in failed if (r.step.task.rule.name, r.reason) == (rule, reason)]
        message = f"{refused} deletions were refused ({reason}): {_named(paths)}"
        yield Outcome(CRITICAL, message, "deleted", reason, subject=rule)
    if not failed:
        yield Outcome(OK, "no deletion was refused")


@RULES.rule(
    "cleanup.budget",
    procedure="W1.2",
    remedy="Declare more rules, or look what else takes the space (usage_roots).",
)
def judge_budget(context: Context) -> Iterator[Outcome]:
    """Whether the bytes that were asked for could be freed within the rules, and what was left by the bounds."""
    plan = context.plan
    if context.budget is not None:
        status = OK if plan.freed >= context.budget else WARNING
        wanted = human_bytes(context.budget)
        message = f"the rules free {human_bytes(plan.freed)} of the {wanted} that were asked for"
        yield Outcome(status, message, wanted, plan.freed, subject="free_bytes")
    if BUDGET in plan.left:
        files, size = plan.left[BUDGET]
        message = f"{files} files with {human_bytes(size)} are kept for another run"
        yield Outcome(OK, message, subject="left by the budget")
    late = sum(removal.reason == LATE for removal in context.removals)
    if late:
        message = f"{late} deletions are left for the next run, because {LATE}"
        yield Outcome(WARNING, message, remedy="Run it again, or raise timeout.", subject="timeout")
    if BOUND in plan.left:
        files, size = plan.left[BOUND]
        message = f"{files} files with {human_bytes(size)} are left for the next run, because max_files was reached"
        yield Outcome(WARNING, message, remedy="Run it again, or raise max_files.", subject="max_files")


@RULES.rule(
    "cleanup.usage",
    procedure="W1.2",
    remedy="Look further down (`du -xh --max-depth=2 FOLDER | sort -h`), and declare a rule for what is not needed.",
)
def judge_usage(context: Context) -> Iterator[Outcome]:
    """What takes the space below the folders that were asked about."""
    for path, usage in context.usage.items():
        total = human_bytes(sum(usage.sizes.values()))
        largest = _named(f"{name} {human_bytes(size)}" for name, size in largest_first(usage.sizes))
        unseen = _unseen(usage.unread, usage.bound)
        message = f"{path} takes {total}" + (f": {largest}" if largest else "")
        if unseen:
            message = f"{message}; not everything could be looked at: {unseen}"
        yield Outcome(UNKNOWN if unseen else OK, message, subject=path)


def largest_first(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return names with their sizes, the largest first."""
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
