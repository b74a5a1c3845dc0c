# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows says of the place of a SQLite file, and whether anybody has it open."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any, Optional

from ....errors import CoreError
from ....host import Host
from ....powershell import Answers, ask
from ..records import Holder, Holders, Surroundings
from .parse import UNC, is_unc, letter_of, parse_drive, parse_memory
from .queries import MEMORY, drive

SOMEBODY = Holder(None, "a process that Windows does not name")
GENERIC_READ, OPEN_EXISTING, ALONE = 0x80000000, 3, 0
SHARING_VIOLATION = 32  # ERROR_SHARING_VIOLATION, winerror.h


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
    verdicts = [opens_alone(name) for name in names]
    if False in verdicts:
        return Holders((SOMEBODY,), complete=False)
    if None in verdicts:
        return Holders((), complete=False, blind="Windows did not open it for this account alone")
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
