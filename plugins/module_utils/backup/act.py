# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out the steps that remove something. Making a set is in make.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import ActionFailed
from ..finding import DONE, FAILED, NOT_DONE, Action
from ..host import Host
from .access.owners import require_own_way
from .catalog.gather import read_catalog
from .catalog.owner import leftover
from .catalog.publish import remove, sweep
from .catalog.records import DEAD
from .plan import Step, decide_now
from .settings import Settings

GONE = "somebody else has removed it"


def sweep_all(steps: Iterable[Step], settings: Settings, host: Host) -> list[Action]:
    """Sweep what a plan says, and return what came of it. Each leftover is looked at again before its turn."""
    return [_carry_out(step, settings, _not_dead(settings.dir / step.subject, host), sweep) for step in steps]


def prune_all(steps: Iterable[Step], settings: Settings, host: Host) -> list[Action]:
    """Remove the sets that a plan says, and return what came of it.

    Before each of them the whole folder is read and decided upon again: what was verified once is looked at now, that
    of the keepers and that of the victim, because a set that was made on the way may have taken hours.
    """
    return [_carry_out(step, settings, _kept_now(step, settings, host), remove) for step in steps]


def _not_dead(path: Path, host: Host) -> str:
    if not os.path.lexists(path):
        return GONE
    now = leftover(path, host)
    return "" if now.state == DEAD else now.words


def _kept_now(step: Step, settings: Settings, host: Host) -> str:
    """Return why a set must stay after all, or an empty text."""
    decided = decide_now(
        settings, read_catalog(settings.dir, host, settings.sign_key, settings.others), host.now(), host.name()
    )
    if decided is None:
        return "no retention is declared"
    return "" if step.subject in decided.removed else decided.kept.get(step.subject, GONE)


def _carry_out(step: Step, settings: Settings, why_not: str, do: Callable[[Path, str], None]) -> Action:
    if why_not:
        return Action(step.action, step.subject, NOT_DONE, why_not)
    try:
        require_own_way(settings.dir, settings.others)
        do(settings.dir, step.subject)
    except FileNotFoundError:
        return Action(step.action, step.subject, NOT_DONE, GONE)
    except ActionFailed as error:
        return Action(step.action, step.subject, FAILED, str(error))
    except OSError as error:
        return Action(step.action, step.subject, FAILED, f"{error}; what is left is swept by the next run")
    return Action(step.action, step.subject, DONE, step.reason)


def give_way(host: Host) -> None:
    """Put this process last in the queue for the disk, where the system has such queues. Its children inherit that."""
    if host.which("ionice"):
        host.run(["ionice", "-c", "2", "-n", "7", "-p", str(os.getpid())], expect=None)


def failure_of(actions: Iterable[Action]) -> str:
    """Return what failed among actions as one sentence, or an empty text."""
    return "; ".join(f"{done.action} {done.subject}: {done.reason}" for done in actions if done.state == FAILED)
