# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and folders of Windows as a walk finds and opens them: as one who is no hindrance, and just what it found.

A reparse point is never followed. Junctions and symbolic links are kept as what they are. Files whose content is
elsewhere but theirs (deduplicated, compressed by the system, in the cloud) are files; other kinds are left out and
noted. The tags are those of "Reparse Point Tags" (Microsoft Learn, MS-FSCC 2.1.2.1).

What the standard library opens cannot be renamed or deleted by anybody until it is closed, which would break the log
rotation of a service that runs on while it is backed up. The reason of a refusal (5 access denied, 32 sharing
violation, 33 lock violation, see "System Error Codes" of Microsoft Learn) is lost in the standard library as well.

An open folder is held by a handle, so that neither it nor any folder above it can be renamed or replaced. There are no
names in an open folder there, only paths; because the folder is held its path leads to it as long as it is open. A
folder that is a reparse point is not entered.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import handles
from ..folders import Folder, NotEntered, Place
from .names import extended, is_windows_name
from .sources.files.content import FILE, FOLDER, JUNCTION, LINK, REPARSE, RESERVED, kind_of

REPARSE_POINT = 0x400  # FILE_ATTRIBUTE_REPARSE_POINT
SYMLINK_TAG, JUNCTION_TAG = 0xA000000C, 0xA0000003
CONTENT_TAGS = {0x80000013, 0x80000017}  # deduplicated; compressed by the system (WOF)
_CLOUD, _CLOUD_MASK = 0x9000001A, 0xFFFF0FFF  # 0x9000001A to 0x9000F01A


def is_reparse_point(status: os.stat_result) -> bool:
    """Return whether a status is that of a reparse point of any kind."""
    return bool(getattr(status, "st_file_attributes", 0) & REPARSE_POINT)


def entry_kind(entry: os.DirEntry[str]) -> str:
    """Given an entry of a folder, return its kind."""
    return status_kind(entry.name, entry.stat(follow_symlinks=False))


def status_kind(name: str, status: os.stat_result) -> str:
    """Given a name and its own status, return its kind."""
    if name and not is_windows_name(name):
        return RESERVED
    if not is_reparse_point(status):
        return kind_of(status.st_mode)
    tag = getattr(status, "st_reparse_tag", 0)
    if tag in (SYMLINK_TAG, JUNCTION_TAG):
        return LINK if tag == SYMLINK_TAG else JUNCTION
    if tag not in CONTENT_TAGS and tag & _CLOUD_MASK != _CLOUD:
        return REPARSE
    return FOLDER if stat.S_ISDIR(status.st_mode) else FILE


def link_kind(status: os.stat_result) -> str:
    """Given a name's own status, return which kind of link it is, or an empty text."""
    kind = status_kind("", status)
    return kind if kind in (LINK, JUNCTION) else ""


WAITS = (0.1, 0.2, 0.4, 0.8)  # seconds before each further try: what scans a file or rotates it is done by then
ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION = 5, 32, 33
_BUSY = (ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION)  # a file that is being deleted answers "access denied"
_GENERIC_READ, _SHARE_ALL, _OPEN_EXISTING = 0x80000000, 0x7, 3
_SEQUENTIAL, _NOT_THROUGH_LINKS = 0x08000000, 0x00200000
_INVALID_HANDLE = ctypes.c_void_p(-1).value
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)


def open_shared(path: str) -> int:
    """Given a path, return the descriptor of the file there; a link in its place is not followed.

    One that another program does not share is tried again for a second and a half. Raise OSError where that does not
    help, FileNotFoundError where the file was exchanged for a link.
    """
    for wait in WAITS:
        try:
            return _open(path)
        except OSError as error:
            if not is_busy(error):
                raise
        time.sleep(wait)
    return _open(path)


def is_busy(error: OSError) -> bool:
    """Return whether an error may pass by itself."""
    code = getattr(error, "winerror", None)
    return code in _BUSY if code is not None else error.errno == errno.EACCES


def reason(error: OSError) -> str:
    """Given why a file cannot be read, return it as a sentence that says what helps."""
    code = getattr(error, "winerror", None)
    if code in (SHARING_VIOLATION, LOCK_VIOLATION) or (code is None and error.errno == errno.EACCES):
        return (
            "another program has it open and does not share it, or this account has no right to it; no shadow copies "
            "(VSS) are taken: stop that program for the backup, or exclude the file"
        )
    return error.strerror or str(error)


def _open(path: str) -> int:
    before = os.lstat(path)
    through = is_reparse_point(before)  # only those whose content is theirs are files, see files.py
    descriptor = _descriptor(path, 0 if through else _NOT_THROUGH_LINKS)
    now = os.fstat(descriptor)
    if is_reparse_point(now) and not through:
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "it was a file a moment ago and is a link now", path)
    return descriptor


def _descriptor(path: str, links: int) -> int:
    create = create_file()
    if create is None:  # a Python that only says that it is on Windows
        return os.open(path, _FLAGS)
    handle = create(path, _SEQUENTIAL | links)
    descriptor: int = importlib.import_module("msvcrt").open_osfhandle(handle, _FLAGS)
    return descriptor


def create_file() -> Any:
    """Return Windows' CreateFile as a function, or None where this is no Windows."""
    library: Any = getattr(ctypes, "WinDLL", None)
    if library is None:
        return None
    kernel: Any = library("kernel32", use_last_error=True)
    kernel.CreateFileW.restype = ctypes.c_void_p
    words = (ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
    kernel.CreateFileW.argtypes = (*words, ctypes.c_void_p)

    def create(path: str, flags: int) -> int:
        handle = kernel.CreateFileW(path, _GENERIC_READ, _SHARE_ALL, None, _OPEN_EXISTING, flags, None)
        if handle is None or handle == _INVALID_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())  # type: ignore[attr-defined]  # Windows alone has both
        return int(handle)

    return create


class WindowsFolder(Folder):
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

    def enter(self, name: str) -> WindowsFolder:
        return WindowsFolder(self.path_of(name))

    def above(self, path: str) -> WindowsFolder:
        return WindowsFolder(path)

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
    holder = WindowsFolder(above if name else real)
    try:
        yield Place(holder, name or ".", real)
    finally:
        holder.close()
