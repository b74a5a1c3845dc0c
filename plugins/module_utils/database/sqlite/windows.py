# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows says of the place of a SQLite file, and whether anybody has it open."""

from __future__ import annotations

import ctypes
import ntpath
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from ...errors import CoreError
from ...fields import fields_of
from ...host import Host
from ...powershell import Answers, ask
from .model import Holder, Holders, Surroundings
from .windows_queries import MEMORY, drive

NETWORK_DRIVE, UNC = "network drive", "UNC path"
# DriveType of Win32_LogicalDisk: what hangs on this host itself, and what is reached over a network.
_OWN, _REMOTE = frozenset({2, 3, 6}), 4
SOMEBODY = Holder(None, "a process that Windows does not name")
GENERIC_READ, OPEN_EXISTING, ALONE = 0x80000000, 3, 0
SHARING_VIOLATION = 32  # ERROR_SHARING_VIOLATION, winerror.h


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


def surroundings(path: str, host: Host) -> Surroundings:
    """Given a database's path, return the kind of its file system and the free memory, each as far as it is known."""
    letter = letter_of(path)
    queries = {"memory": MEMORY, **({"drive": drive(letter)} if letter else {})}
    try:
        answers = ask(host, queries)
    except CoreError:
        answers = Answers({})
    return Surroundings(UNC if is_unc(path) else _filesystem(answers), _memory(answers))


def _filesystem(answers: Answers) -> str:
    try:
        return parse_drive(answers["drive"])
    except CoreError:
        return ""


def _memory(answers: Answers) -> Optional[int]:
    try:
        return parse_memory(answers["memory"])
    except CoreError:
        return None


def holders(names: Iterable[str], _host: Host) -> Holders:
    """Given files, return whether somebody has one of them open: Windows refuses to open it for us alone then.

    It does not say who. SQLite opens its files for shared use and tries again where it meets our moment alone with one
    (winRetryIoerr), so that this look disturbs nobody.
    """
    answers = [opens_alone(name) for name in names]
    if False in answers:
        return Holders((SOMEBODY,), complete=False)
    if None in answers:
        return Holders((), complete=False, unavailable="Windows did not open it for this account alone")
    return Holders((), complete=True)


def opens_alone(path: str) -> Optional[bool]:
    """Return whether nobody else has a file open; None where that could not be found out."""
    library: Any = getattr(ctypes, "WinDLL", None)
    if library is None:
        return None
    kernel = library("kernel32", use_last_error=True)
    kernel.CreateFileW.restype = ctypes.c_void_p
    kernel.CreateFileW.argtypes = (
        *(ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p),
        *(ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p),
    )
    kernel.CloseHandle.argtypes = (ctypes.c_void_p,)
    handle = kernel.CreateFileW(path, GENERIC_READ, ALONE, None, OPEN_EXISTING, 0, None)
    if handle == ctypes.c_void_p(-1).value:
        last_error: Any = ctypes.__dict__["get_last_error"]
        return False if last_error() == SHARING_VIOLATION else None
    kernel.CloseHandle(handle)
    return True
