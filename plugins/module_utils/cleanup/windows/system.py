# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few calls of Windows that a cleanup stands on. Everything about names and reasons is elsewhere.

A folder that is held open without sharing its deletion can be neither renamed nor removed, nor can any folder above it:
what was looked at stays what it is. That is what O_NOFOLLOW and descriptors do on the other platforms. The calls are
those of CPython's own subprocess module (``_winapi``), so that nothing needs to be declared by hand.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from .places import extended

# winnt.h and fileapi.h
LIST_DIRECTORY, READ_ATTRIBUTES, DELETE = 0x1, 0x80, 0x10000
SHARE_READ, SHARE_WRITE, NOTHING_SHARED = 0x1, 0x2, 0
OPEN_EXISTING = 3
BACKUP_SEMANTICS, OPEN_REPARSE_POINT = 0x02000000, 0x00200000
NONE = -1


def _load() -> Any:
    try:
        return importlib.import_module("_winapi")
    except ImportError:
        return None


WINAPI = _load()


def hold(path: str) -> int:
    """Return a handle that keeps a folder, and all above it, where they are. Raise OSError."""
    if WINAPI is None:
        return NONE
    shared, flags = SHARE_READ | SHARE_WRITE, BACKUP_SEMANTICS | OPEN_REPARSE_POINT
    handle = WINAPI.CreateFile(extended(path), LIST_DIRECTORY | READ_ATTRIBUTES, shared, 0, OPEN_EXISTING, flags, 0)
    return int(handle)


def release(handle: int) -> None:
    """Give a handle of ``hold`` back."""
    if handle != NONE:
        WINAPI.CloseHandle(handle)


def claim(path: str) -> None:
    """Raise OSError, a sharing violation, where any process has the file open, even one that lets it be deleted."""
    if WINAPI is not None:
        flags = OPEN_REPARSE_POINT
        asked = DELETE | READ_ATTRIBUTES
        WINAPI.CloseHandle(WINAPI.CreateFile(extended(path), asked, NOTHING_SHARED, 0, OPEN_EXISTING, flags, 0))


def lstat(path: str) -> os.stat_result:
    """Return what the system says of a name itself, whatever it leads to. Raise OSError."""
    return os.lstat(extended(path))


def final(path: str) -> str:
    """Return the path that a name really has: drives by SUBST, mounted volumes and links resolved. Raise OSError."""
    return os.path.realpath(extended(path))


def names(path: str) -> list[str]:
    """Return the names in a folder. Raise OSError."""
    return os.listdir(extended(path))


def unlink(path: str) -> None:
    """Delete a file. Raise OSError."""
    os.unlink(extended(path))


def rmdir(path: str) -> None:
    """Remove an empty folder. Raise OSError."""
    os.rmdir(extended(path))
