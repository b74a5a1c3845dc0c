# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ending the processes of a script-started service, and only those: each is held by a descriptor before a signal.

A pid alone may have been given to another process between looking and signalling. A pidfd (Linux 5.3) cannot be; where
there is none, the moment the process began is compared right before each signal.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ActionFailed
from ..host import Host
from ..processes.gather import read_process
from ..processes.parse import ZOMBIE, Process

POLL = 0.05
AFTER_KILL = 10.0


@dataclass(frozen=True)
class Handle:
    """A process that was looked at, and the descriptor that keeps its pid from being given away (-1: there is none)."""

    process: Process
    descriptor: int

    def close(self) -> None:
        """Give the descriptor back."""
        if self.descriptor >= 0:
            os.close(self.descriptor)


def hold(host: Host, process: Process) -> Handle:
    """Given a process as it was seen, return a handle on it; one that has ended meanwhile gets a handle as well."""
    try:
        descriptor = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
    except OSError:
        descriptor = -1
    return Handle(process, descriptor)


def is_alive(host: Host, handle: Handle) -> bool:
    """Return whether the very process that was seen still runs; a zombie does not."""
    now = read_process(host, handle.process.pid)
    return now is not None and now.began == handle.process.began and now.state != ZOMBIE


def send(host: Host, handle: Handle, number: int) -> None:
    """Signal a process if it still is the one that was seen. Raise ActionFailed where this account may not."""
    if not is_alive(host, handle):
        return
    try:
        if handle.descriptor >= 0:
            signal.pidfd_send_signal(handle.descriptor, number)
        else:
            os.kill(handle.process.pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise ActionFailed(f"process {handle.process.pid} may not be signalled by this account: {error}") from error


def end_tree(host: Host, name: str, main: Process, tree: Sequence[Process], timeout: float) -> None:
    """Given a service's main process and all its processes, end them: TERM to the main one, which ends its workers;
    TERM to workers that outlive it; KILL to whatever is left after ``timeout`` seconds.

    Raise ActionFailed, naming the processes, where some survive that too.
    """
    handles = [hold(host, process) for process in tree]
    mains = [handle for handle in handles if handle.process.pid == main.pid]
    try:
        _signal_all(host, mains, signal.SIGTERM)
        left = _wait(host, mains, timeout)
        _signal_all(host, handles, signal.SIGKILL if left else signal.SIGTERM)
        if _wait(host, handles, AFTER_KILL):
            _signal_all(host, handles, signal.SIGKILL)
        survivors = _wait(host, handles, AFTER_KILL)
    finally:
        for handle in handles:
            handle.close()
    if survivors:
        raise ActionFailed(f"processes {survivors} of {name} cannot be ended, not even by SIGKILL")


def _signal_all(host: Host, handles: Sequence[Handle], number: int) -> None:
    for handle in handles:
        send(host, handle, number)


def _wait(host: Host, handles: Sequence[Handle], timeout: float) -> list[int]:
    """Wait until all have ended, at most ``timeout`` seconds; return the pids of those that have not."""
    waited = 0.0
    while True:
        alive = [handle.process.pid for handle in handles if is_alive(host, handle)]
        if not alive or waited >= timeout:
            return alive
        host.pause(POLL)
        waited += POLL
