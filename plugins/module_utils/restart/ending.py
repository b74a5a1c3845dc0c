# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ending the processes of a script-started service, and only those: each is proved to be the one that was seen."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..errors import ActionFailed, CoreError
from ..host import Host
from ..processes.identity import Handle, holding, is_alive, send
from ..processes.model import Process
from .interruption import Interrupted

POLL = 0.05
AFTER_KILL = 10.0


class Refused(ActionFailed):
    """Nothing was done to the service: what would have ended it was not begun."""


class CommandFailed(ActionFailed):
    """The service's own stop command did not end it, and nothing else was done."""


class Survived(ActionFailed):
    """Everything was done to end the service and it is still there; it may end at any moment."""


@contextmanager
def by_command() -> Iterator[None]:
    """Raise what goes wrong in a block that lets a stop command end a service as CommandFailed."""
    try:
        yield
    except Interrupted:
        raise
    except CoreError as error:
        raise CommandFailed(str(error)) from error


def end_tree(host: Host, name: str, main: Process, tree: Sequence[Process], timeout: float) -> None:
    """Given a service's main process and all its processes, end them: TERM to the main one, which ends its workers;
    TERM to workers that outlive it; KILL to whatever is left after ``timeout`` seconds.

    Raise Survived, naming the processes, where some survive that too, ActionFailed where the main one is not the
    service's.
    """
    with holding(host, main, tree) as handles:
        mains = [handle for handle in handles if handle.identity.pid == main.pid]
        _signal_all(host, mains, signal.SIGTERM)
        left = await_end(host, mains, timeout)
        _signal_all(host, handles, signal.SIGKILL if left else signal.SIGTERM)
        if await_end(host, handles, AFTER_KILL):
            _signal_all(host, handles, signal.SIGKILL)
        survivors = await_end(host, handles, AFTER_KILL)
    if survivors:
        raise Survived(f"processes {survivors} of {name} cannot be ended, not even by SIGKILL")


def _signal_all(host: Host, handles: Sequence[Handle], number: int) -> None:
    for handle in handles:
        send(host, handle, number)


def await_end(host: Host, handles: Sequence[Handle], timeout: float, poll: float = POLL) -> list[int]:
    """Wait until all have ended, at most ``timeout`` seconds; return the pids of those that have not."""
    waited = 0.0
    while True:
        alive = [handle.identity.pid for handle in handles if is_alive(host, handle)]
        if not alive or waited >= timeout:
            return alive
        host.pause(poll)
        waited += poll
