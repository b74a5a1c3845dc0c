# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a log file that another account writes, read by root (Linux, macOS). I/O on behalf of lastwords.py."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from ..errors import SourceDenied
from ..folders import resolved
from ..host import Host

PLATFORMS = ("linux", "darwin")  # where a name is opened in an open folder, so that nobody can swap what is on the way


class Tail(NamedTuple):
    """Whole lines at the end of a file, and when it was last written (seconds since the epoch)."""

    text: str
    written: float


def read_tail(host: Host, path: str, limit: int) -> Tail:
    """Given a log file, return its last ``limit`` bytes at most, from the first line that begins within them.

    Whoever owns the file, or a folder on the way, could put a link to a file of root's in its place: the file itself is
    opened by O_NOFOLLOW, and a link on the way leads only to what belongs to the owner of the link. Raise OSError,
    NotEntered, or SourceDenied where it is no regular file, has further names, or this platform has no such way.
    """
    if host.platform not in PLATFORMS:
        raise SourceDenied(path, f"a log file cannot be opened safely on {host.platform}")
    with resolved(path) as place:
        descriptor = place.holder.open_file(place.name)
    try:
        return _read(descriptor, path, limit)
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: str, limit: int) -> Tail:
    status = os.fstat(descriptor)
    # a hard link is a way to a file of root's too, where the system lets anybody make one
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise SourceDenied(path, "it is no regular file with one name")
    begin = max(status.st_size - limit, 0)
    text = os.pread(descriptor, limit, begin).decode("utf-8", "surrogateescape")
    return Tail(text.partition("\n")[2] if begin else text, status.st_mtime)
