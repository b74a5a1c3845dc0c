# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out a plan, step by step: each name is looked at again, and deleted only if it is still what was planned."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Union

from ..errors import ToolTimeout
from ..finding import DONE, FAILED, NOT_DONE
from ..folders import NotEntered
from ..host import Host
from ..steps import Step
from .disk import Disk, OpenFolder
from .model import CHANGED, DELETE, FILE, FILLED, FOLDER, GONE, LATE, OPEN, FolderEntry, Removal
from .sealed import Sealed, entered

Root = Union[OpenFolder, OSError, NotEntered]
HEARTBEAT_EVERY = 500  # steps
SHARING = (32, 33)  # winerror: ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION


def carry_out(
    steps: Sequence[Step], host: Host, disk: Disk, heartbeat: Callable[[], None], sealed: Sealed
) -> Iterator[Removal]:
    """Yield what becomes of each step. A step that fails does not stop the rest; used up time does."""
    with ExitStack() as stack:
        roots: dict[str, Root] = {}
        for number, step in enumerate(steps):
            if number % HEARTBEAT_EVERY == 0:
                heartbeat()
            if not _has_time(host):
                yield Removal(step, NOT_DONE, LATE)
                continue
            path = step.task.rule.path
            if path not in roots:
                roots[path] = _open_root(stack, disk, path, sealed)
            yield _carry_out(step, disk, roots[path])


def _has_time(host: Host) -> bool:
    try:
        return host.remaining() > 0
    except ToolTimeout:
        return False


def _open_root(stack: ExitStack, disk: Disk, path: str, sealed: Sealed) -> Root:
    """Return a rule's folder, open until the stack is closed, or the error that opening it again gave."""
    try:
        return stack.enter_context(entered(disk, path, sealed))
    except (OSError, NotEntered) as error:
        return error


def _carry_out(step: Step, disk: Disk, root: Root) -> Removal:
    try:
        if isinstance(root, Exception):
            raise root
        with disk.opened_below(root, step.task.entry.parts[:-1]) as folder:
            return _remove(step, disk, folder)
    except FileNotFoundError:
        return Removal(step, NOT_DONE, GONE)
    except NotEntered as reason:
        return Removal(step, NOT_DONE, f"a folder on the way was replaced: {reason}", swapped=True)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return Removal(step, NOT_DONE, FILLED)
        if getattr(error, "winerror", None) in SHARING:
            return Removal(step, NOT_DONE, OPEN)
        return Removal(step, FAILED, error.strerror or str(error))


def _remove(step: Step, disk: Disk, folder: OpenFolder) -> Removal:
    """Delete one name in an open folder. Raise OSError where the system refuses."""
    if not _is_as_planned(step, disk.inspect(folder, step.task.entry.parts)):
        return Removal(step, NOT_DONE, CHANGED)
    if step.action == DELETE:
        disk.delete(folder, step.task.entry.parts[-1])
    else:
        disk.remove_folder(folder, step.task.entry.parts[-1])
    return Removal(step, DONE, step.reason)


def _is_as_planned(step: Step, now: FolderEntry) -> bool:
    """Return whether a name still leads to what the plan saw, untouched since.

    Only what deleting other names changes may differ: the number of a file's names, the time of a folder.
    """
    entry = step.task.entry
    if (now.identity, now.uid, now.guard) != (entry.identity, entry.uid, entry.guard):
        return False
    if step.action == DELETE:
        return now.kind == FILE and (now.mtime, now.size) == (entry.mtime, entry.size)
    return now.kind == FOLDER
