# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opening one file so that it is the one that was found, and noticing that it changes while it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

# No link is followed, a pipe put in a file's place does not block, no child process inherits the descriptor.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


@contextmanager
def opened(path: str) -> Iterator[tuple[int, os.stat_result]]:
    """Given a path, yield the descriptor and status of the regular file there. Raise OSError where there is none."""
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(f"{path} was a regular file a moment ago and no longer is")
        yield descriptor, status
    finally:
        os.close(descriptor)


def has_changed(descriptor: int, before: os.stat_result) -> bool:
    """Return whether an open file is another than when ``before`` was taken."""
    now = os.fstat(descriptor)
    return (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns)
