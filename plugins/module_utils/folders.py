# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders by descriptor (Linux, macOS): never through a link that somebody put in the way, whatever is swapped.

A path is looked up name by name, each by openat(2) with O_NOFOLLOW in the folder before it. What a descriptor has been
opened on stays what it is, so nobody who renames or replaces a folder can lead a reader, or a deletion, elsewhere. No
path is ever handed to the system as a whole, so none is too long for it. Windows has its own way, with handles.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from operator import attrgetter
from typing import NamedTuple, Optional

_COMMON = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
FOLDER_FLAGS = _COMMON | getattr(os, "O_DIRECTORY", 0)
# A pipe put in a file's place does not block, a terminal does not become ours.
FILE_FLAGS = _COMMON | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
# Enough to go on from a folder that may be passed and not listed; macOS has nothing of the kind.
PASSING = getattr(os, "O_PATH", 0)
NO_TRACE = getattr(os, "O_NOATIME", 0)  # a look must not make a folder younger
# What opening a symlink with O_NOFOLLOW gives, by system; ENOTDIR is also what a file in a folder's place gives.
NOT_FOLLOWED = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK)

MOST_LINKS = 40  # on the way of one path, as in Linux


class NotEntered(Exception):
    """A folder that is not entered although the system would allow it; the text says why."""


class Folder:
    """An open folder. ``path`` is how it was reached, for people; nothing is looked up by it again."""

    __slots__ = ("descriptor", "path", "status")

    def __init__(self, descriptor: int, path: str) -> None:
        self.descriptor, self.path = descriptor, path
        self.status = os.fstat(descriptor)

    @property
    def identity(self) -> tuple[int, int]:
        """What the folder is, whatever it is called: device and inode."""
        return (self.status.st_dev, self.status.st_ino)

    def path_of(self, name: str) -> str:
        """Return the path of a name in this folder, for people."""
        return f"{self.path}{name}" if self.path.endswith("/") else f"{self.path}/{name}"

    def entries(self) -> list[os.DirEntry[str]]:
        """Return what is in the folder, by name. Raise OSError."""
        with os.scandir(self.descriptor) as found:
            return sorted(found, key=attrgetter("name"))

    def names(self) -> list[str]:
        """Return the names in the folder. Raise OSError."""
        return os.listdir(self.descriptor)

    def lstat(self, name: str) -> os.stat_result:
        """Return what the system says of a name itself, whatever it leads to. Raise OSError."""
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    def link(self, name: str) -> str:
        """Return what a symlink says. Raise OSError, EINVAL where the name is none."""
        return os.readlink(name, dir_fd=self.descriptor)

    def open_file(self, name: str) -> int:
        """Return a descriptor of what is not a link; the caller looks what it is. Raise OSError."""
        return os.open(name, FILE_FLAGS, dir_fd=self.descriptor)

    def enter(self, name: str) -> Folder:
        """Return the folder of a name, open. Raise NotEntered for a link or a file, else OSError."""
        try:
            return Folder(open_folder(name, self.descriptor), self.path_of(name))
        except OSError as error:
            if error.errno in NOT_FOLLOWED:
                raise NotEntered(f"{name} in it is no folder but a symlink or a file") from error
            raise

    def pass_through(self, name: str) -> Folder:
        """Return the folder of a name to look up names in; it need not be one to be listed. Raise as ``enter``."""
        try:
            return self.enter(name)
        except PermissionError:
            if not PASSING:
                raise
        flags = PASSING | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        return Folder(os.open(name, flags, dir_fd=self.descriptor), self.path_of(name))

    def above(self, path: str) -> Folder:
        """Return the folder that holds this one now, by the path given. Raise OSError."""
        return Folder(open_folder("..", self.descriptor), path)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


def open_folder(name: str, parent: Optional[int], flags: int = FOLDER_FLAGS) -> int:
    """Given a name in an open folder, return its descriptor. Raise OSError, also where it is a link."""
    try:
        return os.open(name, flags | NO_TRACE, dir_fd=parent)
    except PermissionError:  # only its owner and root may look into a folder without a trace
        return os.open(name, flags, dir_fd=parent)


@contextmanager
def opened(path: str) -> Iterator[Folder]:
    """Open an absolute path for a block. Raise OSError, or NotEntered where a link or a file is on the way."""
    folder = Folder(open_folder("/", None), "/")
    try:
        for name in path.strip("/").split("/") if path.strip("/") else ():
            inner = folder.enter(name)
            folder.close()
            folder = inner
        yield folder
    finally:
        folder.close()


class PathStep(NamedTuple):
    """A name on the way of a path, not entered yet: in an open folder, which is closed at the next step.

    ``.`` is that folder itself: where a way begins, and where two dots, or a link, lead. ``status`` is what the system
    says of the name itself; ``left`` names come after it, those that a link adds not counted.
    """

    holder: Folder
    name: str
    status: os.stat_result
    left: int

    @property
    def path(self) -> str:
        """The path of the name, without links but itself."""
        return self.holder.path if self.name == "." else self.holder.path_of(self.name)

    @property
    def is_link(self) -> bool:
        """Whether the name is a link, so that the next step goes where it leads."""
        return stat.S_ISLNK(self.status.st_mode)


def steps(path: str) -> Generator[PathStep, None, None]:
    """Given an absolute path, yield each step of the way from ``/`` on, as the kernel goes: whoever follows, judges.

    Links are followed when the next step is asked for, MOST_LINKS of them. Close it when a step is the last one wanted.
    Raise OSError, with the whole path in ``filename``, or NotEntered.
    """
    folder, pending, name, followed = _root(), _names(path), "", 0  # pending: the next name is last
    try:
        yield PathStep(folder, ".", folder.status, len(pending))
        while pending:
            name = pending.pop()
            if name == "..":
                folder = _instead(folder, folder.above(os.path.dirname(folder.path)))
                yield PathStep(folder, ".", folder.status, len(pending))
                continue
            step = PathStep(folder, name, folder.lstat(name), len(pending))
            yield step
            if step.is_link:
                followed += 1
                text = _led_to(step, followed)
                names = _names(text)
                if text.startswith("/"):
                    folder = _instead(folder, _root())
                pending += names
                if text.startswith("/") or not names:
                    yield PathStep(folder, ".", folder.status, len(pending))
            elif pending:
                folder = _instead(folder, folder.pass_through(name))
    except OSError as error:
        error.filename = folder.path_of(name)
        raise
    finally:
        folder.close()


def _led_to(link: PathStep, followed: int) -> str:
    """Return what a link says, with which so many were followed. Raise OSError, ELOOP where it is one too many."""
    if followed > MOST_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return link.holder.link(link.name)


def _root() -> Folder:
    return Folder(open_folder("/", None), "/")


def _instead(folder: Folder, other: Folder) -> Folder:
    folder.close()
    return other


def _names(path: str) -> list[str]:
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


class Place(NamedTuple):
    """Where a path leads: a name in an open folder, and the path without links. The root is in itself, as ``.``."""

    holder: Folder
    name: str
    path: str


@contextmanager
def resolved(path: str) -> Iterator[Place]:
    """Given an absolute path that somebody declared, yield where it leads, for a block.

    A symlink on the way is followed where it belongs to root, to this account, or to the account that has what it leads
    to. Else its owner could lead a reader with more rights than his own anywhere. Raise OSError or NotEntered.
    """
    owed: list[PathStep] = []  # others' links whose end is not reached yet
    with closing(steps(path)) as way:
        for step in way:
            if not step.is_link:
                _settle(owed, step)
                if not step.left:
                    yield Place(step.holder, step.name, step.path)
                    return
            elif step.status.st_uid not in (0, os.geteuid()):
                owed.append(step)


def _settle(owed: list[PathStep], reached: PathStep) -> None:
    """Compare what links lead to with their owners, now that it is reached. Raise NotEntered."""
    while owed and reached.left <= owed[-1].left:
        link = owed.pop()
        owner = link.status.st_uid
        if reached.status.st_uid != owner:
            raise NotEntered(f"the symlink {link.path} belongs to uid {owner} and leads to what is not his own")
