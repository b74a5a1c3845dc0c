# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading from the system: what it says where it refuses, in the words of the core."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import SourceDenied, SourceMissing

# A pipe put in a file's place would let its reader wait for ever, a terminal would become ours.
_UNBLOCKED = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symlink"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn what the system says about a path that cannot be read into an error of the core."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        raise SourceMissing(path) from None
    except OSError as error:
        raise SourceDenied(path, error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in the path
        raise SourceMissing(repr(path)) from error


def read_file(path: str, limit: int) -> bytes:
    """Return up to ``limit`` bytes of a file, wherever links lead. Raise SourceMissing, or SourceDenied, also where it
    is no file.
    """
    with reading(path):
        return read_open_file(os.open(path, _UNBLOCKED), path, limit)


def read_declared_file(path: str, limit: int) -> bytes:
    """Return up to ``limit`` bytes of a file that the inventory names and that others may have made.

    A link on the way is followed by the rule of folders.py: else its owner could have us read, and tell, what only this
    account may read. Windows has no such links of every account. Raise SourceMissing, or SourceDenied.
    """
    if sys.platform == "win32":
        return read_file(path, limit)
    from .folders import NotEntered, resolved  # few areas read such a file, and each file of the core costs each run

    try:
        with reading(path), resolved(os.path.join(os.getcwd(), path)) as place:
            return read_open_file(place.holder.open_file(place.name), path, limit)
    except NotEntered as refusal:
        raise SourceDenied(path, str(refusal)) from None


def read_open_file(descriptor: int, path: str, limit: int) -> bytes:
    """Given a descriptor, which is closed, return up to ``limit`` bytes. Raise SourceDenied where it is of no file."""
    try:
        kind = kind_of(os.fstat(descriptor).st_mode)
        if kind:
            raise SourceDenied(path, f"it is {kind}, expected a file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(limit)
    finally:
        os.close(descriptor)


def kind_of(mode: int) -> str:
    """Given the mode of something that is opened as a file, return what it is instead; empty for a file."""
    named = (name for is_kind, name in _KINDS if is_kind(mode))
    return "" if stat.S_ISREG(mode) else next(named, "something else")


def real_path(path: str) -> str:
    """Return a path without links. Where a link becomes something else while it is looked up, the path as it is given:
    os.path.realpath raises an error then, and nobody but its owner is to end a run by that.
    """
    try:
        return os.path.realpath(path)
    except OSError:
        return os.path.abspath(path)


def regular_itself(path: str, flags: int) -> int:
    """Open a regular file as ``regular`` does, and no link to one. Raise OSError."""
    return regular(path, flags | getattr(os, "O_NOFOLLOW", 0))


def regular(path: str, flags: int) -> int:
    """Open a file as the ``opener`` of open(): only a regular one, so that nobody waits for what another account put
    in its place. Raise OSError.
    """
    descriptor = os.open(path, flags | _UNBLOCKED)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, f"it is {kind_of(mode)}, not a regular file", path)
