# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order the steps are taken and which fit into the window. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace

from ..settings import Settings
from ..steps import Refusal
from .steps import LEAST_S, TableStep

WINDOW_SHARE = 0.95  # of the window may be planned; the rest is for what a prediction cannot know
STAGE_TARGETS = (1, 10)  # as vacuumdb --analyze-in-stages; the third stage is the ordinary one
RESTORED_TABLES = 20  # so many tables without statistics, and half of all: the server was just restored


def staged(steps: Sequence[TableStep], settings: Settings, filled: int) -> list[TableStep]:
    """Given the steps and the number of tables that hold rows, put quick analyze stages before the steps where the
    server was just restored or upgraded, or where they are asked for.
    """
    new = [step for step in steps if step.analyze and "never_analyzed" in step.codes]
    wanted = settings.analyze == "stages" or (settings.analyze == "auto" and _restored(len(new), filled))
    if not wanted:
        return list(steps)
    return [_stage(step, target) for target in STAGE_TARGETS for step in new] + list(steps)


def _restored(unknown: int, filled: int) -> bool:
    return unknown >= max(RESTORED_TABLES, filled / 2)


def _stage(step: TableStep, target: int) -> TableStep:
    share = target / 100
    return replace(
        step,
        action=f"analyze_target_{target}",
        vacuum=False,
        freeze=False,
        target=target,
        predicted_s=max(LEAST_S, step.predicted_s * share),
    )


def urgency(step: TableStep) -> tuple[float, ...]:
    """Return the order of steps: stages, then the risk of wraparound, then dead bytes, then stale statistics. A parent
    comes after its children, whose changes are counted from its own last analyze on.
    """
    table = step.table
    risk = max(table.xid_age, table.mxid_age) if step.emergency or "freeze" in step.codes else 0
    return (0 if step.emergency else step.target or 1000, -risk, table.children, -table.dead_bytes, -table.modified)


def ordered(steps: Sequence[TableStep]) -> list[TableStep]:
    """Given steps, return them most urgent first; those of one database follow each other, emergencies before all."""
    by_urgency = sorted(steps, key=lambda step: (*urgency(step), step.subject))
    rank: dict[tuple[bool, str], int] = {}
    for step in by_urgency:
        rank.setdefault(group_of(step), len(rank))
    return sorted(by_urgency, key=lambda step: rank[group_of(step)])


def group_of(step: TableStep) -> tuple[bool, str]:
    """Return what the workers finish together before they go on: the emergencies or the rest of one database."""
    return step.emergency, step.database


def fit(steps: Sequence[TableStep], window_s: float, jobs: int) -> tuple[list[TableStep], list[Refusal], float]:
    """Given ordered steps, return those that fit into the window, the refusals of the others, the seconds needed.

    Each step goes to the worker that is free first; a step that would end after the window is not planned, smaller ones
    after it may be. Emergencies ignore the window. The workers go from database to database together.
    """
    room = window_s * WINDOW_SHARE
    free_at = [0.0] * jobs
    fitting: list[TableStep] = []
    late: list[Refusal] = []
    for step in steps:
        if fitting and group_of(fitting[-1]) != group_of(step):
            free_at = [max(free_at)] * jobs
        end = free_at[0] + step.predicted_s
        if end > room and not step.emergency:
            late.append(_too_late(step, window_s))
            continue
        heapq.heapreplace(free_at, end)
        fitting.append(step)
    return fitting, late, max(free_at)


def _too_late(step: TableStep, window_s: float) -> Refusal:
    what = "than the whole window of" if step.predicted_s > window_s * WINDOW_SHARE else "than is left of"
    reason = f"predicted to take {step.predicted_s:.0f} s, longer {what} {window_s / 60:.0f} min"
    return Refusal(step.action, step.subject, "database.window", reason, step.details())
