# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a declared SQLite database lies, proved before anything opens it and again once SQLite has opened it.

SQLite opens by path, and follows any link in it. So the path is walked by descriptors first, and a link is followed as
a files source follows it: not where another account could lead us by it to what is not his own. What is there, and what
SQLite keeps beside it, has to be a regular file: a pipe would be waited for for ever. SQLite opens the file while it
connects and reads nothing of it before the first statement, so right then the open file is compared with the proved
one, and a swap in between is noticed before a byte is read or written. On Windows a path cannot be walked so, and only
administrators make links; there the kind of the file is looked at.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from .errors import SourceDenied, SourceMissing
from .folders import Folder, NotEntered, resolved
from .reading import kind_of, real_path

BESIDE = ("-wal", "-journal", "-shm")
DESCRIPTORS = "/dev/fd"  # on Linux and macOS the descriptors of whoever looks
MOST_DESCRIPTORS = 4096  # tried one after the other where that folder cannot be listed


class Location(NamedTuple):
    """A database that may be opened: its path without links, and what the file is whatever it is called."""

    path: str
    identity: tuple[int, int]


def locate(declared: str) -> Location:
    """Given a database's path as declared, return where it lies, if it and what is beside it are regular files.

    Raise SourceMissing where there is none, SourceDenied with the reason where it is not to be opened.
    """
    if sys.platform == "win32":
        return _by_path(real_path(declared))
    path = declared if os.path.isabs(declared) else os.path.join(os.getcwd(), declared)
    try:
        with resolved(path) as place:
            return Location(place.path, _proved(place.holder, place.name))
    except FileNotFoundError:
        raise SourceMissing(declared) from None
    except NotEntered as reason:
        raise SourceDenied(declared, str(reason)) from reason
    except OSError as error:
        raise SourceDenied(declared, error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in the path
        raise SourceMissing(repr(declared)) from error


def place_of(declared: str) -> str:
    """Given a database's path as declared, return where it lies; the path itself where that is not to be opened."""
    try:
        return locate(declared).path
    except SourceMissing:
        return real_path(declared)
    except SourceDenied:
        return os.path.abspath(declared)


def _proved(holder: Folder, name: str) -> tuple[int, int]:
    """Return what the file of a name is. Raise SourceDenied where it, or what is beside it, is no regular file."""
    status = holder.lstat(name)
    _require_regular(holder.path_of(name), status)
    for end in BESIDE:
        with suppress(FileNotFoundError):
            _require_regular(holder.path_of(name + end), holder.lstat(name + end))
    return status.st_dev, status.st_ino


def _by_path(path: str) -> Location:
    try:
        status = os.stat(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise SourceMissing(path) from None
        raise SourceDenied(path, error.strerror or str(error)) from error
    _require_regular(path, status)
    return Location(path, (status.st_dev, status.st_ino))


def _require_regular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SourceDenied(path, f"it is {kind_of(status.st_mode)}, not a regular file; it was not opened")


def require_same(location: Location, status: os.stat_result) -> None:
    """Raise SourceDenied where an open file is not the located one."""
    if (status.st_dev, status.st_ino) != location.identity:
        raise SourceDenied(location.path, "another file was put in its place while it was opened")


def require_still(location: Location) -> None:
    """Raise SourceDenied where a path leads elsewhere now than when it was located, or to another file."""
    now = locate(location.path)
    if now != location:
        raise SourceDenied(location.path, "it was replaced, or a link was put in its way, while it was looked at")


def connect(path: str, uri: str, **options: Any) -> sqlite3.Connection:
    """Given the path that ``locate`` told, its URI and options of sqlite3.connect, return a connection to that file.

    Raise as ``locate``, SourceDenied where SQLite has opened another file, and the errors of sqlite3.
    """
    location = locate(path)
    if location.path != path and sys.platform != "win32":
        raise SourceDenied(path, f"it leads to {location.path} now: a link was put in its way")
    connection: sqlite3.Connection = sqlite3.connect(uri, uri=True, **options)
    try:
        _require_opened(location)
        require_still(location)
    except BaseException:
        connection.close()
        raise
    return connection


def _require_opened(location: Location) -> None:
    """Raise SourceDenied where no descriptor of this process is open on the located file."""
    if sys.platform != "win32" and location.identity not in _open_files():
        raise SourceDenied(location.path, "another file was put in its place while it was opened")


def _open_files() -> Iterator[tuple[int, int]]:
    """Yield what each open descriptor of this process is open on."""
    try:
        descriptors = [int(name) for name in os.listdir(DESCRIPTORS)]
    except OSError:
        descriptors = list(range(MOST_DESCRIPTORS))
    for descriptor in descriptors:
        with suppress(OSError):  # that of the listing itself, and what another thread has closed
            status = os.fstat(descriptor)
            yield status.st_dev, status.st_ino
