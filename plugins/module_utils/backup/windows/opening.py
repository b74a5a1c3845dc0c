# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opening a file on Windows as one who is no hindrance: others may read, write, rename and delete it meanwhile.

What the standard library opens cannot be renamed or deleted by anybody until it is closed, which would break the log
rotation of a service that runs on while it is backed up. The reason of a refusal (5 access denied, 32 sharing
violation, 33 lock violation, see "System Error Codes" of Microsoft Learn) is lost in the standard library as well.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import os
import time
from typing import Any

from .files import is_reparse_point

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
