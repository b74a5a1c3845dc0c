# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few calls of Windows that a cleanup stands on. Everything about names and reasons is elsewhere.

Folders are held by the handles that all areas share.
"""

from __future__ import annotations

import os

from .. import handles

EXTENDED = "\\\\?\\"  # before a path: no limit of 260 characters, and nothing in it is rewritten


def extended(path: str) -> str:
    """Given an absolute path, return it in the form that may be longer than 260 characters."""
    return path if path.startswith(EXTENDED) else EXTENDED + path


DELETE, NOTHING_SHARED = 0x10000, 0  # winnt.h


def hold(path: str) -> int:
    """Return a handle that keeps a folder, and all above it, where they are. Raise OSError."""
    return handles.hold(extended(path))


def release(handle: int) -> None:
    """Give a handle of ``hold`` back."""
    handles.release(handle)


def can_claim() -> bool:
    """Return whether this Python can ask for a file alone."""
    return handles.WINAPI is not None


def claim(path: str) -> None:
    """Raise OSError, a sharing violation, where any process has the file open, even one that lets it be deleted."""
    winapi = handles.WINAPI
    if winapi is not None:
        asked, flags = DELETE | handles.READ_ATTRIBUTES, handles.OPEN_REPARSE_POINT
        handle = winapi.CreateFile(extended(path), asked, NOTHING_SHARED, 0, handles.OPEN_EXISTING, flags, 0)
        winapi.CloseHandle(handle)


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
