# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders by descriptor: never through a symlink, never into another file system, whatever is swapped meanwhile.

A path is looked up name by name, each by openat(2) with O_NOFOLLOW in the folder before it. What a descriptor has been
opened on stays what it is, so nobody who renames or replaces a folder during a run can lead a deletion elsewhere.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Optional

from .records import Identity

_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_TRACE = getattr(os, "O_NOATIME", 0)  # a look must not make a folder younger
SYMLINK = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)  # what opening a symlink with O_NOFOLLOW gives, by system


class NotEntered(Exception):
    """A folder that is not entered although the system would allow it; the text says why."""


@dataclass(frozen=True)
class Folder:
    """An open folder: its descriptor, what it is, and the mount that it was reached by."""

    descriptor: int
    identity: Identity
    mount: str


def _open(name: str, parent: Optional[int]) -> Folder:
    try:
        descriptor = os.open(name, _FLAGS | _NO_TRACE, dir_fd=parent)
    except PermissionError:  # only its owner and root may look into a folder without a trace
        descriptor = os.open(name, _FLAGS, dir_fd=parent)
    try:
        status = os.fstat(descriptor)
        return Folder(descriptor, (status.st_dev, status.st_ino), f"{status.st_dev}:{_mount_id(descriptor)}")
    except BaseException:
        os.close(descriptor)
        raise


def _mount_id(descriptor: int) -> str:
    """Return Linux's id of the mount that a descriptor was opened by: a bind mount shares the device of its origin."""
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="utf-8") as stream:
            return next((line for line in stream if line.startswith("mnt_id:")), "")
    except OSError:
        return ""  # another system, which has no bind mounts: the device tells


@contextmanager
def opened_root(path: str, sealed: Collection[Identity]) -> Iterator[Folder]:
    """Open a rule's folder for a block. Raise OSError, or NotEntered for a symlink or a protected folder on the way."""
    folder = _open("/", None)
    try:
        for name in path.strip("/").split("/"):
            inner = _enter(folder, name)
            os.close(folder.descriptor)
            folder = inner
            if folder.identity in sealed:
                raise NotEntered(f"{name} in it is protected")
        yield folder
    finally:
        os.close(folder.descriptor)


@contextmanager
def opened_below(root: Folder, parts: tuple[str, ...]) -> Iterator[Folder]:
    """Open a folder below a root for a block. Raise OSError, or NotEntered for a symlink or another file system."""
    folder = Folder(os.dup(root.descriptor), root.identity, root.mount)
    try:
        for name in parts:
            inner = _enter(folder, name)
            os.close(folder.descriptor)
            folder = inner
            if folder.mount != root.mount:
                raise NotEntered("another file system is mounted there")
        yield folder
    finally:
        os.close(folder.descriptor)


def _enter(parent: Folder, name: str) -> Folder:
    try:
        return _open(name, parent.descriptor)
    except OSError as error:
        if error.errno in SYMLINK:
            raise NotEntered(f"{name} in it is no folder but a symlink or a file") from error
        raise
