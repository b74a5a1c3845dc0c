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
from ..host import Host
from .disk import Disk, Folder, NotEntered
from .records import CHANGED, DELETE, FILE, FILLED, FOLDER, GONE, LATE, OPEN, Entry, Outcome, Step
from .sealed import Sealed, entered

Root = Union[Folder, OSError, NotEntered]
BEAT_EVERY = 500  # steps
SHARING = (32, 33)  # winerror: ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION


def carry_out(
    steps: Sequence[Step], host: Host, disk: Disk, beat: Callable[[], None], sealed: Sealed
) -> Iterator[Outcome]:
    """Yield what becomes of each step. A step that fails does not stop the rest; used up time does."""
    with ExitStack() as stack:
        roots: dict[str, Root] = {}
        for number, step in enumerate(steps):
            if number % BEAT_EVERY == 0:
                beat()
            if not _has_time(host):
                yield Outcome(step, NOT_DONE, LATE)
                continue
            path = step.rule.path
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


def _carry_out(step: Step, disk: Disk, root: Root) -> Outcome:
    try:
        if isinstance(root, Exception):
            raise root
        with disk.opened_below(root, step.entry.parts[:-1]) as folder:
            return _remove(step, disk, folder)
    except FileNotFoundError:
        return Outcome(step, NOT_DONE, GONE)
    except NotEntered as reason:
        return Outcome(step, NOT_DONE, f"a folder on the way was replaced: {reason}", swapped=True)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return Outcome(step, NOT_DONE, FILLED)
        if getattr(error, "winerror", None) in SHARING:
            return Outcome(step, NOT_DONE, OPEN)
        return Outcome(step, FAILED, error.strerror or str(error))


def _remove(step: Step, disk: Disk, folder: Folder) -> Outcome:
    """Delete one name in an open folder. Raise OSError where the system refuses."""
    if not _is_as_planned(step, disk.look(folder, step.entry.parts)):
        return Outcome(step, NOT_DONE, CHANGED)
    if step.action == DELETE:
        disk.delete(folder, step.entry.parts[-1])
    else:
        disk.remove_folder(folder, step.entry.parts[-1])
    return Outcome(step, DONE, step.reason)


def _is_as_planned(step: Step, now: Entry) -> bool:
    """Return whether a name still leads to what the plan saw, untouched since.

    Only what deleting other names changes may differ: the number of a file's names, the time of a folder.
    """
    entry = step.entry
    if (now.identity, now.uid, now.guard) != (entry.identity, entry.uid, entry.guard):
        return False
    if step.action == DELETE:
        return now.kind == FILE and (now.mtime, now.size) == (entry.mtime, entry.size)
    return now.kind == FOLDER
