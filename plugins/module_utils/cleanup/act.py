# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out a plan, step by step: each name is looked at again, and deleted only if it is still what was planned."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Union

from ..errors import ToolTimeout
from ..finding import DONE, FAILED, NOT_DONE
from ..host import Host
from .folders import Folder, NotEntered, opened_below, opened_root
from .records import CHANGED, DELETE, FILLED, GONE, LATE, Identity, Outcome, Step

Root = Union[Folder, OSError, NotEntered]
BEAT_EVERY = 500  # steps


def carry_out(
    steps: Sequence[Step], host: Host, beat: Callable[[], None], sealed: frozenset[Identity]
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
                roots[path] = _open_root(stack, path, sealed)
            yield _carry_out(step, roots[path])


def _has_time(host: Host) -> bool:
    try:
        return host.remaining() > 0
    except ToolTimeout:
        return False


def _open_root(stack: ExitStack, path: str, sealed: frozenset[Identity]) -> Root:
    """Return a rule's folder, open until the stack is closed, or the error that opening it again gave."""
    try:
        return stack.enter_context(opened_root(path, sealed))
    except (OSError, NotEntered) as error:
        return error


def _carry_out(step: Step, root: Root) -> Outcome:
    try:
        if isinstance(root, Exception):
            raise root
        with opened_below(root, step.entry.parts[:-1]) as folder:
            return _remove(step, folder)
    except FileNotFoundError:
        return Outcome(step, NOT_DONE, GONE)
    except NotEntered as reason:
        return Outcome(step, NOT_DONE, f"a folder on the way was replaced: {reason}", swapped=True)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return Outcome(step, NOT_DONE, FILLED)
        return Outcome(step, FAILED, error.strerror or str(error))


def _remove(step: Step, folder: Folder) -> Outcome:
    """Delete one name in an open folder. Raise OSError where the system refuses."""
    name = step.entry.parts[-1]
    now = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
    if not _is_as_planned(step, now):
        return Outcome(step, NOT_DONE, CHANGED)
    if step.action == DELETE:
        os.unlink(name, dir_fd=folder.descriptor)
    else:
        os.rmdir(name, dir_fd=folder.descriptor)
    return Outcome(step, DONE, step.reason)


def _is_as_planned(step: Step, now: os.stat_result) -> bool:
    """Return whether a name still leads to what the plan saw, untouched since.

    Only what deleting other names changes may differ: the number of a file's names, the time of a folder.
    """
    entry = step.entry
    if (now.st_dev, now.st_ino) != entry.identity or now.st_uid != entry.uid:
        return False
    if step.action == DELETE:
        return stat.S_ISREG(now.st_mode) and (now.st_mtime, now.st_size) == (entry.mtime, entry.size)
    return stat.S_ISDIR(now.st_mode)
