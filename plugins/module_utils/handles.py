# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders held by a handle (Windows): neither they nor any folder above them can be renamed or removed meanwhile.

What was looked at stays what it is. That is what O_NOFOLLOW and descriptors do on the other platforms. The calls are
those of CPython's own subprocess module (``_winapi``), so that nothing needs to be declared by hand.
"""

from __future__ import annotations

import importlib
from typing import Any

# winnt.h and fileapi.h
LIST_DIRECTORY, READ_ATTRIBUTES = 0x1, 0x80
SHARE_READ, SHARE_WRITE = 0x1, 0x2
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
    """Given a path in the form that has no limit, return a handle that keeps a folder, and all above it, where they
    are. Raise OSError.
    """
    if WINAPI is None:
        return NONE
    shared, flags = SHARE_READ | SHARE_WRITE, BACKUP_SEMANTICS | OPEN_REPARSE_POINT
    return int(WINAPI.CreateFile(path, LIST_DIRECTORY | READ_ATTRIBUTES, shared, 0, OPEN_EXISTING, flags, 0))


def release(handle: int) -> None:
    """Give a handle of ``hold`` back."""
    if handle != NONE:
        WINAPI.CloseHandle(handle)
