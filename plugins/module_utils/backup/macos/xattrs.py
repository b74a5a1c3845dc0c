# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extended attributes on macOS, asked of the system's own library: Python has them for Linux alone.

The program ``xattr`` prints names and values of many files as one text, in which a name with a line break or a colon
cannot be told from another; the library gives exact bytes and starts no process. See listxattr(2) and getxattr(2) of
macOS; a resource fork is the attribute com.apple.ResourceFork.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

NO_FOLLOW = 0x0001  # XATTR_NOFOLLOW
TRIES = 3  # an attribute may grow between the question for its size and the one for its value
_NONE = (getattr(errno, "ENOTSUP", 45), getattr(errno, "EOPNOTSUPP", 102), 93)  # 93: ENOATTR, it is gone meanwhile


@lru_cache(maxsize=1)
def library() -> Any:
    """Return the system's library with the two functions declared."""
    found = ctypes.CDLL(None, use_errno=True)
    text, size, some = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p
    found.listxattr.argtypes = (text, some, size, ctypes.c_int)
    found.getxattr.argtypes = (text, text, some, size, ctypes.c_uint32, ctypes.c_int)
    found.listxattr.restype = found.getxattr.restype = ctypes.c_ssize_t
    return found


def read(path: str) -> Mapping[str, bytes]:
    """Given a path, return its extended attributes; a symlink's own, not those of what it leads to.

    Raise OSError where they may not be read.
    """
    where, system = os.fsencode(path), library()
    names = _whole(lambda buffer, size: system.listxattr(where, buffer, size, NO_FOLLOW), path)
    return {os.fsdecode(name): _whole(_asking(system, where, name), path) for name in names.split(b"\0") if name}


def _asking(system: Any, where: bytes, name: bytes) -> Any:
    return lambda buffer, size: system.getxattr(where, name, buffer, size, 0, NO_FOLLOW)


def _whole(ask: Any, path: str) -> bytes:
    """Given a call that fills a buffer, return all that it gives: first it is asked how much that is."""
    for _unused in range(TRIES):
        size = ask(None, 0)
        if size <= 0:
            break
        buffer = ctypes.create_string_buffer(size)
        filled = ask(buffer, size)
        if filled >= 0:
            return buffer.raw[:filled]
        if ctypes.get_errno() != errno.ERANGE:
            size = filled
            break
    code = ctypes.get_errno()
    if size < 0 and code not in _NONE:
        raise OSError(code, os.strerror(code), path)
    return b""
