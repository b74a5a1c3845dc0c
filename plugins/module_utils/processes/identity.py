# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one proof that a process is the one that was seen, and the only place that signals a process we did not start.

A pid may be given to another process between looking and signalling, and a pid file may hold any number. So a process
is held first: on Linux by a pidfd (since 5.3), which stays with it whatever becomes of its pid. Then its begin and its
program are compared with what was seen. Where there is no pidfd that is done again right before each signal.
Some processes are nobody's to end, whatever a pid file says: see ``untouchable``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Optional

from ..errors import ActionFailed, CoreError, SourceDenied, SourceMissing
from ..host import Host
from .collect import process_table, read_process
from .main_pids import read_main_pids
from .model import ZOMBIE, Process

KERNEL = 2  # kthreadd; every kernel thread is its child


class Identity(NamedTuple):
    """What tells a process from any other: its pid, when it began (seconds since the boot) and what it runs."""

    pid: int
    began: float
    command: tuple[str, ...]
    exe: str = ""


class Handle(NamedTuple):
    """A process that was proved to be the one that was seen. ``descriptor`` is its pidfd; -1: there is none."""

    identity: Identity
    descriptor: int = -1


def identify(host: Host, process: Process) -> Identity:
    """Given a process, return its identity."""
    return Identity(process.pid, process.began, process.command, process.exe or _exe(host, process.pid))


def _exe(host: Host, pid: int) -> str:
    try:
        return host.link(f"/proc/{pid}/exe") if host.platform == "linux" else ""
    except (SourceMissing, SourceDenied):  # ended, another account's, or a kernel thread
        return ""


def is_same(host: Host, identity: Identity, now: Optional[Process]) -> bool:
    """Return whether a process that has the pid now is the one that was seen: it began then and runs the same program.

    A process may change its command line (setproctitle) or its program (exec), but hardly both.
    """
    if now is None or now.began != identity.began or now.state == ZOMBIE:
        return False
    return now.command == identity.command or (bool(identity.exe) and identify(host, now).exe == identity.exe)


def is_alive(host: Host, handle: Handle) -> bool:
    """Return whether the very process that was seen still runs; a zombie does not."""
    now = read_process(host, handle.identity.pid)
    return now is not None and now.began == handle.identity.began and now.state != ZOMBIE


def untouchable(host: Host, table: Mapping[int, Process]) -> dict[int, str]:
    """Given the processes of a host, return by pid those that are never signalled, each with the reason.

    That are the first process, the kernel's own, this very run with all it came from, and the main processes of what
    the system's service manager looks after: that is asked to stop them. Raise CoreError where it does not answer.
    """
    kernel = [p.pid for p in table.values() if KERNEL in (p.pid, p.parent)]
    mains = read_main_pids(host)
    return {
        **{pid: f"it is the main process of {unit}" for pid, unit in mains.items()},
        **{pid: "it belongs to the kernel" for pid in kernel if not table[pid].command},
        **dict.fromkeys(_lineage(table), "this very run comes from it"),
        0: "it belongs to the kernel",
        1: "it is the first process of the system",
    }


def _lineage(table: Mapping[int, Process]) -> set[int]:
    """Return this process and its ancestors."""
    line = [os.getpid()]
    while line[-1] in table and table[line[-1]].parent not in line:
        line.append(table[line[-1]].parent)
    return {*line, os.getppid()}


@contextmanager
def holding(host: Host, main: Process, tree: Sequence[Process]) -> Iterator[list[Handle]]:
    """Given a main process and all processes that were seen of it, hold those that are still there, for a block.

    What is untouchable is left out. Raise ActionFailed where the main process is, or where it is another by now.
    """
    held = {process.pid: _open(process.pid) for process in tree}
    try:
        table = process_table(host)  # read after they were opened: what is in it is what is held
        barred = untouchable(host, table)
        if main.pid in barred:
            raise ActionFailed(f"process {main.pid} is not ended: {barred[main.pid]}")
        observed = [identify(host, process) for process in tree if process.pid not in barred]
        wrong = [i.pid for i in observed if i.pid == main.pid and _is_another(host, i, table.get(i.pid))]
        if wrong:
            raise ActionFailed(f"process {main.pid} is not ended: it is not the one that was seen any more")
        yield [Handle(i, held[i.pid]) for i in observed if is_same(host, i, table.get(i.pid))]
    finally:
        for descriptor in held.values():
            if descriptor >= 0:
                os.close(descriptor)


def _is_another(host: Host, identity: Identity, now: Optional[Process]) -> bool:
    return now is not None and now.state != ZOMBIE and not is_same(host, identity, now)


def _open(pid: int) -> int:
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") and pid > 1 else -1
    except OSError:
        return -1


def send(host: Host, handle: Handle, number: int) -> None:
    """Signal a process if it still is the one that was proved. Raise ActionFailed where this account may not."""
    pid = handle.identity.pid
    if pid <= 1 or pid in (os.getpid(), os.getppid()):
        raise ActionFailed(f"process {pid} is never signalled")
    try:
        if handle.descriptor >= 0:
            signal.pidfd_send_signal(handle.descriptor, number)
        elif is_same(host, handle.identity, _now(host, pid)):
            os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise ActionFailed(f"process {pid} may not be signalled by this account: {error}") from error


def _now(host: Host, pid: int) -> Optional[Process]:
    try:
        return read_process(host, pid)
    except CoreError:  # nobody can tell what has that pid now
        return None
