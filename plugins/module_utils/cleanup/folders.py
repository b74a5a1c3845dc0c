# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders by descriptor (Linux, macOS): never through a symlink or into another file system, whatever is swapped.

Folders are opened as all areas open them (module_utils/folders.py); here is what a deletion needs besides.
"""

from __future__ import annotations

import importlib
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Optional

from ..folders import NOT_FOLLOWED, NotEntered, open_folder
from ..paths import Identity
from .disk import Disk, Located, OpenFolder, Placed
from .model import FILE, FOLDER, LINK, NO_UNLINK, OTHER, FolderEntry

_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK}
Kept = Callable[[int, str, os.stat_result], str]


def _open(name: str, parent: Optional[int]) -> OpenFolder:
    descriptor = open_folder(name, parent)
    try:
        status = os.fstat(descriptor)
        return OpenFolder(descriptor, (status.st_dev, status.st_ino), f"{status.st_dev}:{_mount_id(descriptor)}")
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
def opened_root(path: str, sealed: Collection[Identity]) -> Iterator[OpenFolder]:
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
def opened_below(root: OpenFolder, parts: tuple[str, ...]) -> Iterator[OpenFolder]:
    """Open a folder below a root for a block. Raise OSError, or NotEntered for a symlink or another file system."""
    folder = OpenFolder(os.dup(root.descriptor), root.identity, root.mount)
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


def _enter(parent: OpenFolder, name: str) -> OpenFolder:
    try:
        return _open(name, parent.descriptor)
    except OSError as error:
        if error.errno in NOT_FOLLOWED:
            raise NotEntered(f"{name} in it is no folder but a symlink or a file") from error
        raise


def listed(folder: OpenFolder) -> list[str]:
    """Return the names in an open folder. Raise OSError."""
    return os.listdir(folder.descriptor)


def inspect(folder: OpenFolder, parts: tuple[str, ...], kept: Kept) -> FolderEntry:
    """Given an open folder and the parts that lead to a name in it, return what lstat(2) says of it. Raise OSError."""
    status = os.stat(parts[-1], dir_fd=folder.descriptor, follow_symlinks=False)
    return FolderEntry(
        parts=parts,
        kind=_KINDS.get(stat.S_IFMT(status.st_mode), OTHER),
        identity=(status.st_dev, status.st_ino),
        links=status.st_nlink,
        uid=status.st_uid,
        size=status.st_size,
        allocated=status.st_blocks * 512,  # lstat's blocks have 512 bytes, whatever the file system's have
        mtime=status.st_mtime,
        ctime=status.st_ctime,
        atime=status.st_atime,
        guard=kept(folder.descriptor, parts[-1], status),
    )


def delete(folder: OpenFolder, name: str) -> None:
    """Delete a file in an open folder. Raise OSError."""
    os.unlink(name, dir_fd=folder.descriptor)


def remove_folder(folder: OpenFolder, name: str) -> None:
    """Remove an empty folder in an open folder. Raise OSError."""
    os.rmdir(name, dir_fd=folder.descriptor)


def owner(account: str) -> int:
    """Given an account by name or number, return its number. Raise KeyError."""
    pwd = importlib.import_module("pwd")  # this file is read on systems without it, too
    return int(account) if account.isdigit() else int(pwd.getpwnam(account).pw_uid)


def refuses(folder: OpenFolder, kept: Kept) -> str:
    """Return why nothing can be deleted directly in an open folder, or an empty text. Raise OSError."""
    if os.fstatvfs(folder.descriptor).f_flag & os.ST_RDONLY:
        return "its file system can only be read"
    reason = kept(folder.descriptor, "", os.fstat(folder.descriptor))
    return "" if reason == NO_UNLINK else reason


def posix_disk(located: Located, placed: Placed, kept: Kept, untold: Callable[[OpenFolder], str]) -> Disk:
    """Return the disk of a system with descriptors, given what differs between these systems.

    ``kept`` tells why a name in an open folder, or without a name that folder, must stay.
    """
    return Disk(
        opened_root=opened_root,
        opened_below=opened_below,
        listed=listed,
        inspect=partial(inspect, kept=kept),
        delete=delete,
        remove_folder=remove_folder,
        owner=owner,
        located=located,
        placed=placed,
        refuses=partial(refuses, kept=kept),
        untold=untold,
    )
