# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opening one file so that it is the one that was found, and noticing that it changes while it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from .system import POSIX, System


@contextmanager
def opened(path: str, system: System = POSIX) -> Iterator[tuple[int, os.stat_result]]:
    """Given a path, yield the descriptor and status of the regular file there. Raise OSError where there is none."""
    descriptor = system.open(path)
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
