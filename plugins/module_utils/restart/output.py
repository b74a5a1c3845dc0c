# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing where a service's own account may write: as that account, so that no link or name of its leads us elsewhere.

Where only root can make names nothing can be swapped: there root writes, and gives what it made to the account.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from ..errors import ActionFailed
from ..folders import FOLDER_FLAGS, PASSING, NotEntered, resolved
from ..reading import kind_of
from ..rights import NotSwitched, Rights, acting_with
from ..trusted import distrust

Ids = Optional[tuple[int, int, tuple[int, ...]]]  # uid, gid, groups; None: those of this process
_APPEND = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_APPEND |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


@contextmanager
def writing_in(folder: str, ids: Ids) -> Iterator[bool]:
    """Let a block make names in a folder with no more rights than it takes; yield whether it does so as ourselves.

    The rights of the account are those of this process for the block; rights.py tells what that protects against.
    Raise NotSwitched.
    """
    if ids is None or os.geteuid() != 0 or ids[0] == 0 or not distrust(folder):
        yield True
        return
    with acting_with(Rights(*ids)):
        yield False


def open_output(path: str, ids: Ids) -> int:
    """Return a descriptor that appends to a file, made for the account where there is none. Raise ActionFailed."""
    folder, name = os.path.split(os.path.join(os.getcwd(), path))
    with _telling(path), writing_in(folder, ids) as as_ourselves, _folder(folder) as parent:
        _require_file(name, parent)
        descriptor = os.open(name, _APPEND | os.O_CREAT, 0o640, dir_fd=parent)
        try:
            status = os.fstat(descriptor)
            _require(status)
            if ids and as_ourselves and os.geteuid() == 0 and status.st_size == 0:
                os.fchown(descriptor, ids[0], ids[1])
            os.set_blocking(descriptor, True)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def fault_of_output(path: str, ids: Ids) -> str:
    """Return why a file could not be appended to, before anything is stopped for it; empty where it could."""
    folder, name = os.path.split(os.path.join(os.getcwd(), path))
    try:
        with _telling(path), writing_in(folder, ids), _folder(folder) as parent:
            if _require_file(name, parent):
                os.close(os.open(name, _APPEND, dir_fd=parent))
            elif not os.access(".", os.W_OK | os.X_OK, dir_fd=parent, effective_ids=True):
                raise PermissionError(0, f"its account may not make a file in {folder}")
    except ActionFailed as error:
        return str(error)
    return ""


@contextmanager
def _telling(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, NotEntered, NotSwitched, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ActionFailed(f"its output {path} is not written to: {said}") from error


@contextmanager
def _folder(path: str) -> Iterator[int]:
    """Open a folder for a block by the rule of folders.py; it need not be one that may be listed."""
    with resolved(path) as place:
        descriptor = os.open(place.name, FOLDER_FLAGS | PASSING, dir_fd=place.holder.descriptor)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _require_file(name: str, folder: int) -> bool:
    """Return whether there is a file of that name. Raise NotEntered where it is something else, unopened."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    _require(status)
    return True


def _require(status: os.stat_result) -> None:
    what = "a link" if stat.S_ISLNK(status.st_mode) else kind_of(status.st_mode)
    if what or status.st_nlink != 1:
        raise NotEntered(f"it is {what or 'known by other names too'}, expected a file of its own")
