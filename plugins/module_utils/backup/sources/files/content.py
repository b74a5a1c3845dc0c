# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be found in a folder; opening a file so that it is the one that was found, and noticing that it changes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple, Optional

from ....folders import Folder, NotEntered

FILE, FOLDER, LINK, SPECIAL = "file", "folder", "link", "special"
JUNCTION = "junction"  # Windows: a link to a folder, of an older kind than symbolic links
REPARSE = "reparse"  # Windows: a reparse point of a kind that is not known here
RESERVED = "reserved"  # Windows: a name that an ordinary program there can neither make nor open
VANISHED = "vanished"  # only noted: it was gone when it was to be read
SWAPPED = "swapped"  # only noted: it had become something else when it was to be read
SPARSE = "sparse"  # a file with holes, of which the data is kept
TWIN = "twin"  # only noted: differs from a name before it in the same folder in upper and lower case alone


def kind_of(mode: int) -> str:
    """Given st_mode, return which of the first four kinds it is."""
    kinds = {0o100000: FILE, 0o040000: FOLDER, 0o120000: LINK}
    return kinds.get(mode & 0o170000, SPECIAL)


LEAST_HOLE = 1 << 20  # bytes; below it a hole is cheaper read than described


class Found(NamedTuple):
    """Something in an open folder: its path for people, its kind, and the name by which the folder has it.

    ``inode`` is the one that the folder listed, 0 where it was not listed. ``own`` is the folder itself, open, where it
    is one.
    """

    path: str
    kind: str
    holder: Folder
    name: str
    inode: int = 0
    own: Optional[Folder] = None


class opened:  # noqa: N801 - used as a function; a generator would take longer than reading a small file
    """Given what was found, yield the descriptor and status of the regular file there, for a block.

    A file that took another one's place is one, too. Raise NotEntered where it is no file any more or is replaced all
    the time, OSError where it cannot be opened.
    """

    __slots__ = ("_descriptor", "_found")

    def __init__(self, found: Found) -> None:
        self._found, self._descriptor = found, -1

    def __enter__(self) -> tuple[int, os.stat_result]:
        found = self._found
        self._descriptor = descriptor = found.holder.open_file(found.name)
        try:
            status = os.fstat(descriptor)
            _require_file(found, status)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, status

    def __exit__(self, *_failure: object) -> None:
        os.close(self._descriptor)


def _require_file(found: Found, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotEntered(f"{found.path} was a regular file a moment ago and no longer is")
    if found.inode and status.st_ino != found.inode:
        _require_same(found, status)


def _require_same(found: Found, status: os.stat_result) -> None:
    """Raise NotEntered where an open file is not what has the name now: a folder lists a mount by another number."""
    now = found.holder.lstat(found.name)
    if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
        raise NotEntered(f"{found.path} is replaced again and again")


def has_changed(descriptor: int, before: os.stat_result) -> bool:
    """Return whether an open file is another than when ``before`` was taken."""
    now = os.fstat(descriptor)
    return (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns)


def may_have_holes(status: os.stat_result) -> bool:
    """Return whether a file takes less of the disk than it is long: holes, or a file system that compresses."""
    allocated = getattr(status, "st_blocks", status.st_size) * 512
    return hasattr(os, "SEEK_HOLE") and status.st_size > LEAST_HOLE and allocated < status.st_size


def data_of(descriptor: int, status: os.stat_result) -> Optional[list[tuple[int, int]]]:
    """Given an open file, return where it holds data as (offset, bytes); None where it has no holes worth a word."""
    if not may_have_holes(status):
        return None
    try:
        found = list(_data(descriptor, status.st_size))
    except OSError:  # the file system does not tell
        return None
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return found if status.st_size - sum(size for _offset, size in found) >= LEAST_HOLE else None


def _data(descriptor: int, end: int) -> Iterator[tuple[int, int]]:
    position = 0
    while position < end:
        try:
            begin = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole follows
                return
            raise
        position = min(end, os.lseek(descriptor, begin, os.SEEK_HOLE))
        if position > begin:
            yield begin, position - begin
