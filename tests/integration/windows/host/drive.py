# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

r"""Drive C: of a "Windows" host: the whole tree of this machine, for those who name their paths as Windows does.

``C:\tmp\x`` and ``\\?\C:\tmp\x`` are /tmp/x for the calls of the module os that a cleanup makes (os.path.realpath
answers with the drive, as on Windows), and ``_winapi`` holds and claims files by descriptors, as does CreateFileW of
kernel32. Sharing violations do not happen here.
"""

from __future__ import annotations

import os
import re

# before there is a msvcrt, by which it knows Windows
import subprocess  # noqa: F401  # pylint: disable=unused-import
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

CALLS = ("stat", "lstat", "listdir", "scandir", "unlink", "rmdir", "statvfs", "readlink", "access")
REALPATH = os.path.realpath
DRIVE = re.compile(r"(?:\\\\\?\\)?[A-Za-z]:(?=\\)")


def of_this_machine(path: Any) -> Any:
    """Given a path, return it as this machine writes it."""
    found = DRIVE.match(path) if isinstance(path, str) else None
    return path[found.end() :].replace("\\", "/") if found else path


def translated(call: Callable[..., Any]) -> Callable[..., Any]:
    """Given a call whose first argument is a path, return it for paths of either kind."""
    return lambda path=".", *words, **options: call(of_this_machine(path), *words, **options)


def final_path(path: Any, *_words: object, **_options: object) -> str:
    """Return a path without links, with a drive where it is given with one, as os.path.realpath does on Windows."""
    real = REALPATH(of_this_machine(path))
    return f"C:{real}".replace("/", "\\") if isinstance(path, str) and DRIVE.match(path) else real


def create_file(path: str, *_how: int) -> int:
    """Return a handle of what is there, a link itself included. Raise OSError."""
    return os.open(of_this_machine(path), os.O_PATH | os.O_NOFOLLOW)


class Library:
    """What a library of Windows is asked for: a file as a handle, which here is a descriptor."""

    def __init__(self, _name: str, **_options: object) -> None:
        def open_file(path: str, *_how: object) -> int:
            try:
                return os.open(of_this_machine(path), os.O_RDONLY | os.O_NOFOLLOW)
            except OSError:
                return 2**64 - 1  # INVALID_HANDLE_VALUE

        def close(handle: int) -> None:
            os.close(handle)

        self.CreateFileW, self.CloseHandle = open_file, close


def attach() -> None:
    """Have this process see the drive."""
    for name in CALLS:
        setattr(os, name, translated(getattr(os, name)))
    os.path.realpath = final_path  # type: ignore[assignment]
    made = {
        "_winapi": {"CreateFile": create_file, "CloseHandle": os.close},
        "msvcrt": {"open_osfhandle": lambda handle, _flags: handle},
    }
    for name, members in made.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(members)
