# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run of cleanup as the actions, data, metrics and diff of a Result. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..finding import DONE, FAILED, NOT_DONE, PLANNED, Action, Metric
from ..printable import printable
from ..steps import Step
from ..units import human_bytes
from .model import Context, Removal, Scan
from .rules_deletion import largest_first

PREFIX = "cryptobot_cleanup"
LISTED = 500  # so many steps are listed one by one; the rest is one entry with its totals
HELD_LISTED, USAGE_LISTED = 100, 10


def actions(context: Context) -> list[Action]:
    """Return the steps as actions: the same (action, subject) in check mode and in the run that follows."""
    shown = [_action(removal) for removal in context.removals[:LISTED]]
    return [*shown, *_rest(context.removals[LISTED:]), *_held(context)]


def _action(removal: Removal) -> Action:
    step, target = removal.step, removal.step.task
    details = {"bytes": target.freed, "rule": target.rule.name, "size": target.entry.size, "mtime": target.entry.mtime}
    return step._replace(subject=printable(step.subject)).ended(removal.state, printable(removal.reason), details)


def _rest(removals: Sequence[Removal]) -> Iterator[Action]:
    """Yield one action for all steps beyond those that are listed; it is as bad as the worst of them."""
    if removals:
        counts = {state: sum(removal.state == state for removal in removals) for state in (DONE, NOT_DONE, FAILED)}
        worst = next((state for state in (FAILED, PLANNED, DONE) if any(o.state == state for o in removals)), NOT_DONE)
        details = {**counts, "bytes": sum(removal.step.task.freed for removal in removals)}
        yield Action("delete", f"{len(removals)} more files and folders", worst, "too many to list one by one", details)


def _held(context: Context) -> Iterator[Action]:
    for obstacle in context.plan.held[:HELD_LISTED]:
        yield Action("delete", printable(obstacle.path), NOT_DONE, obstacle.reason)
    for which, (count, size) in context.plan.left.items():
        reason = f"{which} was reached"
        yield Action("delete", f"{count} files kept by {which}", NOT_DONE, reason, {"bytes": size})


def digest(steps: Sequence[Step]) -> str:
    """Return a checksum of a plan: two plans with the same one delete exactly the same names in the same order."""
    names = "\0".join(f"{step.action} {step.subject}" for step in steps)
    return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()


def as_data(context: Context, filesystems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the run as plain JSON values."""
    states = [removal.state for removal in context.removals]
    return {
        "planned": len(context.plan.steps),
        "planned_bytes": context.plan.freed,
        "plan_digest": digest(context.plan.steps),
        "done": states.count(DONE),
        "reclaimed_bytes": context.freed,
        "not_done": states.count(NOT_DONE),
        "failed": states.count(FAILED),
        "rules": [_rule(scan, context) for scan in context.scans],
        "filesystems": list(filesystems),
        "usage": [_usage(path, usage.sizes) for path, usage in context.usage.items()],
    }


def _rule(scan: Scan, context: Context) -> dict[str, Any]:
    steps = [step for step in context.plan.steps if step.task.rule.name == scan.rule.name]
    return {
        "name": scan.rule.name,
        "path": scan.rule.path,
        "looked_at": len(scan.entries),
        "planned": len(steps),
        "planned_bytes": sum(step.task.freed for step in steps),
        "refused": context.plan.refused.get(scan.rule.name, ""),
        "complete": scan.complete,
        "not_entered": [f"{printable(obstacle.path)}: {obstacle.reason}" for obstacle in scan.not_entered],
    }


def _usage(path: str, sizes: Mapping[str, int]) -> dict[str, Any]:
    largest = [{"name": printable(name), "bytes": size} for name, size in largest_first(sizes)[:USAGE_LISTED]]
    return {"path": path, "bytes": sum(sizes.values()), "largest": largest}


def metrics(context: Context) -> list[Metric]:
    """Return what can be deleted, what was, and what takes the space, as metrics."""
    numbers = [
        Metric(f"{PREFIX}_planned_files", len(context.plan.steps)),
        Metric(f"{PREFIX}_planned_bytes", context.plan.freed, "bytes"),
        Metric(f"{PREFIX}_reclaimed_bytes", context.freed, "bytes"),
        Metric(f"{PREFIX}_failed_files", sum(removal.state == FAILED for removal in context.removals)),
    ]
    for path, usage in context.usage.items():
        numbers.append(Metric(f"{PREFIX}_used_bytes", sum(usage.sizes.values()), "bytes", {"path": path}))
    return numbers


def diff(context: Context) -> dict[str, str]:
    """Return the paths of the plan before and after: after a run those that are still there, in check mode none."""
    before = [_line(removal.step) for removal in context.removals[:LISTED]]
    after = [_line(removal.step) for removal in context.removals[:LISTED] if removal.state not in (PLANNED, DONE)]
    more = [f"... and {len(context.removals) - LISTED} more"] if len(context.removals) > LISTED else []
    return {
        "before": "".join(f"{line}\n" for line in (*before, *more)),
        "after": "".join(f"{line}\n" for line in after),
    }


def _line(step: Step) -> str:
    return f"{printable(step.subject)} ({human_bytes(step.task.freed)})"
