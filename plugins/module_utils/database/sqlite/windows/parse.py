# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of Windows about a SQLite file into what a decision needs. Pure."""

from __future__ import annotations

import ntpath
from collections.abc import Sequence
from typing import Any, Optional

from ....fields import fields_of

NETWORK_DRIVE, UNC = "network drive", "UNC path"
# DriveType of Win32_LogicalDisk: what hangs on this host itself, and what is reached over a network.
_OWN, _REMOTE = frozenset({2, 3, 6}), 4


def plain_path(path: str) -> str:
    r"""Given a path of Windows, return it without the prefix ``\\?\`` of long paths, which is no part of its place."""
    if path.upper().startswith("\\\\?\\UNC\\"):
        return "\\\\" + path[8:]
    return path[4:] if path.startswith("\\\\?\\") else path


def is_unc(path: str) -> bool:
    """Return whether a path names a server: its file lies there, whatever the drives of this host are."""
    drive = ntpath.splitdrive(plain_path(path))[0].replace("/", "\\")
    return drive.startswith("\\\\")


def letter_of(path: str) -> str:
    """Return the drive of a path as Windows names it (``C:``); empty where the path names none."""
    drive = ntpath.splitdrive(plain_path(path))[0]
    return drive.upper() if len(drive) == 2 else ""


def parse_drive(objects: Sequence[Any]) -> str:
    """Given Win32_LogicalDisk, return the kind of file system; empty where Windows does not say it."""
    for disk in fields_of("drive", objects):
        kind = disk.whole("DriveType", 0)
        if kind == _REMOTE:
            return NETWORK_DRIVE
        return disk.text("FileSystem") if kind in _OWN else ""
    return ""


def parse_memory(objects: Sequence[Any]) -> Optional[int]:
    """Given Win32_OperatingSystem, return the bytes of memory that are free for use."""
    for system in fields_of("memory", objects):
        return system.whole("FreePhysicalMemory") * 1024
    return None
