# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out a plan: sweep, make the set that is planned, and remove what the policy no longer keeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ..errors import CoreError
from ..finding import DONE, EMPTY, FAILED, NOT_DONE, Action
from ..host import Host
from ..steps import Step
from .access import require_own_way
from .declared import Settings
from .history import remember_run
from .make import SourceFailed
from .model import DEAD, Made
from .plan import SetPlan, decide_now, not_done, refusal
from .store.store import Store

COMPACT = "compact"
GONE = "somebody else has removed it"
Heartbeat = Callable[[], None]


class Attempt(NamedTuple):
    """What a run that was to make a set came to. ``why`` says why there is none, ``failures`` which source it was.

    ``acted`` is whether anything was tried; else ``actions`` are what would be done.
    """

    plan: SetPlan
    made: Made
    actions: list[Action]
    changed: bool = False
    why: str = ""
    failures: Mapping[str, str] = EMPTY
    acted: bool = True


def stand_by(settings: Settings, plan: SetPlan, host: Host, check_mode: bool) -> Attempt:
    """Return the plan, or why no set can be begun. A run whose plan is empty ends here too."""
    made, why = Made(skipped=dict(plan.left_out)), refusal(plan)
    if why:
        if not check_mode:
            remember_run(settings, host.now(), ok=False, message=why)
        return Attempt(plan, made, plan.failed(plan.impossible, why), why=why, failures=plan.impossible)
    actions = [*plan.planned(), *plan.decided_against(settings)]
    return Attempt(plan, made, actions, changed=bool(plan.steps), acted=False)


def carry_out(settings: Settings, plan: SetPlan, store: Store, host: Host, heartbeat: Heartbeat) -> Attempt:
    """Sweep, make the set where one is planned, and prune where that set counts."""
    swept, made = sweep_all(plan.sweep, settings, store), Made(skipped=dict(plan.left_out))
    if plan.sources:
        give_way(host)
        try:
            store.make(plan, made, heartbeat)
        except CoreError as error:
            return _failed(settings, plan, host, Attempt(plan, made, swept, changed=bool(swept)), error)
        remember_run(settings, host.now(), ok=True, message=f"{settings.title} was made")
    done = [*swept, *plan.made(made.skipped), *_prune(settings, plan, made, host, store)]
    done += plan.decided_against(settings)
    return Attempt(plan, made, done, changed=any(one.state != NOT_DONE for one in done))


def _prune(settings: Settings, plan: SetPlan, made: Made, host: Host, store: Store) -> list[Action]:
    """Remove what the plan says; nothing goes on behalf of a new set that turned out not to count."""
    if made.published is not None and not made.published.good:
        return not_done(plan.prune, f"the new set {made.published.id} does not count as a backup")
    return prune_all(plan.prune, settings, host, store)


def _failed(settings: Settings, plan: SetPlan, host: Host, so_far: Attempt, error: CoreError) -> Attempt:
    failures = {error.source: error.reason} if isinstance(error, SourceFailed) else {}
    remember_run(settings, host.now(), ok=False, message=str(error))
    actions = [*so_far.actions, *plan.failed(failures, str(error))]
    return so_far._replace(actions=actions, why=str(error), failures=failures)


def sweep_all(steps: Iterable[Step], settings: Settings, store: Store) -> list[Action]:
    """Sweep what a plan says, and return what came of it. Each leftover is looked at again before its turn."""
    return [_remove(step, settings, _not_dead(step.subject, store), store.sweep) for step in steps]


def prune_all(steps: Iterable[Step], settings: Settings, host: Host, store: Store) -> list[Action]:
    """Remove the sets that a plan says, and return what came of it.

    Before each of them the whole folder is read and decided upon again: what was verified once is looked at now, that
    of the keepers and that of the victim, because a set that was made on the way may have taken hours.
    """
    done = [_remove(step, settings, _kept_now(step, settings, host, store), store.remove) for step in steps]
    if any(one.state == DONE for one in done):
        failed = store.settle()
        done += [Action(COMPACT, store.where, FAILED, failed)] if failed else []
    return done


def _not_dead(name: str, store: Store) -> str:
    now = store.left(name)
    if now is None:
        return GONE
    return "" if now.state == DEAD else now.words


def _kept_now(step: Step, settings: Settings, host: Host, store: Store) -> str:
    """Return why a set must stay after all, or an empty text."""
    decided = decide_now(settings, store.catalog(), host.now(), host.name())
    if decided is None:
        return "no retention is declared"
    return "" if step.subject in decided.removed else decided.kept.get(step.subject, GONE)


def _remove(step: Step, settings: Settings, why_not: str, do: Callable[[str], None]) -> Action:
    if why_not:
        return step.ended(NOT_DONE, why_not)
    try:
        require_own_way(settings.dir, settings.others)
        do(step.subject)
    except FileNotFoundError:
        return step.ended(NOT_DONE, GONE)
    except CoreError as error:
        return step.ended(FAILED, str(error))
    except OSError as error:
        return step.ended(FAILED, f"{error}; what is left is swept by the next run")
    return step.ended()


def give_way(host: Host) -> None:
    """Put this process last in the queue for the disk, where the system has such queues. Its children inherit that."""
    if host.which("ionice"):
        host.run(["ionice", "-c", "2", "-n", "7", "-p", str(os.getpid())], expect=None)


def failure_of(actions: Iterable[Action]) -> str:
    """Return what failed among actions as one sentence, or an empty text."""
    return "; ".join(f"{done.action} {done.subject}: {done.reason}" for done in actions if done.state == FAILED)
