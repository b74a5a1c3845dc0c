# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out the steps that remove something. Making a set is in make.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..finding import DONE, FAILED, Action
from ..host import Host
from .catalog.publish import remove, sweep
from .plan import PRUNE, SWEEP, Step

DOING: dict[str, Callable[[Path, str], None]] = {PRUNE: remove, SWEEP: sweep}


def carry_out(steps: Iterable[Step], folder: Path) -> list[Action]:
    """Given steps that sweep or prune, do each of them and return what came of it; one that fails stops no other."""
    return [_carry_out(step, folder) for step in steps]


def _carry_out(step: Step, folder: Path) -> Action:
    try:
        DOING[step.action](folder, step.subject)
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
