# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a plan as the actions of a result: planned, done, failed, or decided against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..finding import DONE, FAILED, NOT_DONE, PLANNED, Action
from .plan import BACK_UP, Plan, Step
from .settings import Settings


def planned(plan: Plan) -> list[Action]:
    """Return every step of a plan as planned."""
    return [Action(step.action, step.subject, PLANNED, step.reason) for step in plan.steps]


def made(plan: Plan, skipped: Mapping[str, str]) -> list[Action]:
    """Return the steps that make a set as done; a source that was skipped on the way says why."""
    return [
        Action(step.action, step.subject, NOT_DONE, skipped[step.subject])
        if step.action == BACK_UP and step.subject in skipped
        else Action(step.action, step.subject, DONE, step.reason)
        for step in (*plan.sources, *plan.finishing)
    ]


def not_done(steps: Iterable[Step], why: str) -> list[Action]:
    """Return steps that were planned and are not done, for one reason."""
    return [Action(step.action, step.subject, NOT_DONE, why) for step in steps]


def failed(plan: Plan, failures: Mapping[str, str], why: str) -> list[Action]:
    """Return the steps of a set that was not made: those that failed, and the others that were given up with them."""
    return [
        Action(step.action, step.subject, FAILED, failures[step.subject])
        if step.action == BACK_UP and step.subject in failures
        else Action(step.action, step.subject, NOT_DONE, why)
        for step in (*plan.sources, *plan.finishing, *plan.prune)
    ]


def decided_against(settings: Settings, plan: Plan) -> list[Action]:
    """Return what a plan leaves out from the start: sources of a set that is not needed, optional ones not there."""
    reasons = {source.name: plan.not_needed for source in settings.sources} if plan.not_needed else plan.left_out
    return [Action(BACK_UP, name, NOT_DONE, why) for name, why in reasons.items()]
