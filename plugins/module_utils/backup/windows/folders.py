# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An open folder on Windows: held by a handle, so that neither it nor any folder above it can be renamed or replaced.

There are no names in an open folder there, only paths; because the folder is held its path leads to it as long as it is
open. A folder that is a reparse point is not entered.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ... import handles
from ...folders import Folder as PosixFolder
from ...folders import NotEntered, Place
from .files import is_reparse_point
from .names import extended
from .opening import open_shared


class Folder(PosixFolder):
    """A folder that is held. ``path`` is in the form that the system is asked with."""

    __slots__ = ()

    def __init__(self, path: str) -> None:
        self.descriptor, self.path = handles.hold(path), path
        try:
            self.status = _plain(path)
        except BaseException:
            self.close()
            raise

    def path_of(self, name: str) -> str:
        return os.path.join(self.path, name)

    def entries(self) -> list[os.DirEntry[str]]:
        with os.scandir(self.path) as found:
            return sorted(found, key=lambda entry: entry.name)

    def names(self) -> list[str]:
        return os.listdir(self.path)

    def lstat(self, name: str) -> os.stat_result:
        return os.lstat(self.path_of(name))

    def link(self, name: str) -> str:
        return os.readlink(self.path_of(name))

    def open_file(self, name: str) -> int:
        return open_shared(self.path_of(name))

    def enter(self, name: str) -> Folder:
        return Folder(self.path_of(name))

    def above(self, path: str) -> Folder:
        return Folder(path)

    def close(self) -> None:
        handles.release(self.descriptor)
        self.descriptor = handles.NONE


def _plain(path: str) -> os.stat_result:
    status = os.lstat(path)
    if is_reparse_point(status) or not stat.S_ISDIR(status.st_mode):
        raise NotEntered(f"{path} is no plain folder")
    return status


@contextmanager
def resolved(path: str) -> Iterator[Place]:
    """Given an absolute path that somebody declared, yield where it leads, for a block. Raise OSError or NotEntered."""
    real = extended(os.path.realpath(extended(path)))
    above, name = os.path.split(real)
    holder = Folder(above if name else real)
    try:
        yield Place(holder, name or ".", real)
    finally:
        holder.close()
