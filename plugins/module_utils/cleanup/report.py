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
from ..units import human_bytes
from .judge import Run, largest_first
from .records import Outcome, Scan, Step

PREFIX = "cryptobot_cleanup"
LISTED = 500  # so many steps are listed one by one; the rest is one entry with its totals
HELD_LISTED, USAGE_LISTED = 100, 10


def actions(run: Run) -> list[Action]:
    """Return the steps as actions: the same (action, subject) in check mode and in the run that follows."""
    shown = [_action(outcome) for outcome in run.outcomes[:LISTED]]
    return [*shown, *_rest(run.outcomes[LISTED:]), *_held(run)]


def _action(outcome: Outcome) -> Action:
    step = outcome.step
    details = {"bytes": step.freed, "rule": step.rule.name, "size": step.entry.size, "mtime": step.entry.mtime}
    return Action(step.action, printable(step.path), outcome.state, printable(outcome.reason), details)


def _rest(outcomes: Sequence[Outcome]) -> Iterator[Action]:
    """Yield one action for all steps beyond those that are listed; it is as bad as the worst of them."""
    if outcomes:
        counts = {state: sum(outcome.state == state for outcome in outcomes) for state in (DONE, NOT_DONE, FAILED)}
        worst = next((state for state in (FAILED, PLANNED, DONE) if any(o.state == state for o in outcomes)), NOT_DONE)
        details = {**counts, "bytes": sum(outcome.step.freed for outcome in outcomes)}
        yield Action("delete", f"{len(outcomes)} more files and folders", worst, "too many to list one by one", details)


def _held(run: Run) -> Iterator[Action]:
    for obstacle in run.plan.held[:HELD_LISTED]:
        yield Action("delete", printable(obstacle.path), NOT_DONE, obstacle.reason)
    for which, (count, size) in run.plan.left.items():
        reason = f"{which} was reached"
        yield Action("delete", f"{count} files kept by {which}", NOT_DONE, reason, {"bytes": size})


def digest(steps: Sequence[Step]) -> str:
    """Return a checksum of a plan: two plans with the same one delete exactly the same names in the same order."""
    names = "\0".join(f"{step.action} {step.path}" for step in steps)
    return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()


def as_data(run: Run, filesystems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the run as plain JSON values."""
    states = [outcome.state for outcome in run.outcomes]
    return {
        "planned": len(run.plan.steps),
        "planned_bytes": run.plan.freed,
        "plan_digest": digest(run.plan.steps),
        "done": states.count(DONE),
        "reclaimed_bytes": run.freed,
        "not_done": states.count(NOT_DONE),
        "failed": states.count(FAILED),
        "rules": [_rule(scan, run) for scan in run.scans],
        "filesystems": list(filesystems),
        "usage": [_usage(path, usage.sizes) for path, usage in run.usage.items()],
    }


def _rule(scan: Scan, run: Run) -> dict[str, Any]:
    steps = [step for step in run.plan.steps if step.rule.name == scan.rule.name]
    return {
        "name": scan.rule.name,
        "path": scan.rule.path,
        "looked_at": len(scan.entries),
        "planned": len(steps),
        "planned_bytes": sum(step.freed for step in steps),
        "refused": run.plan.refused.get(scan.rule.name, ""),
        "complete": scan.complete,
        "not_entered": [f"{printable(obstacle.path)}: {obstacle.reason}" for obstacle in scan.not_entered],
    }


def _usage(path: str, sizes: Mapping[str, int]) -> dict[str, Any]:
    largest = [{"name": printable(name), "bytes": size} for name, size in largest_first(sizes)[:USAGE_LISTED]]
    return {"path": path, "bytes": sum(sizes.values()), "largest": largest}


def metrics(run: Run) -> list[Metric]:
    """Return what can be deleted, what was, and what takes the space, as metrics."""
    numbers = [
        Metric(f"{PREFIX}_planned_files", len(run.plan.steps)),
        Metric(f"{PREFIX}_planned_bytes", run.plan.freed, "bytes"),
        Metric(f"{PREFIX}_reclaimed_bytes", run.freed, "bytes"),
        Metric(f"{PREFIX}_failed_files", sum(outcome.state == FAILED for outcome in run.outcomes)),
    ]
    for path, usage in run.usage.items():
        numbers.append(Metric(f"{PREFIX}_used_bytes", sum(usage.sizes.values()), "bytes", {"path": path}))
    return numbers


def diff(run: Run) -> dict[str, str]:
    """Return the paths of the plan before and after: after a run those that are still there, in check mode none."""
    before = [_line(outcome.step) for outcome in run.outcomes[:LISTED]]
    after = [_line(outcome.step) for outcome in run.outcomes[:LISTED] if outcome.state not in (PLANNED, DONE)]
    more = [f"... and {len(run.outcomes) - LISTED} more"] if len(run.outcomes) > LISTED else []
    return {
        "before": "".join(f"{line}\n" for line in (*before, *more)),
        "after": "".join(f"{line}\n" for line in after),
    }


def _line(step: Step) -> str:
    return f"{printable(step.path)} ({human_bytes(step.freed)})"
