# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which accounts could have written a file: what it says is the word of each of them."""

from __future__ import annotations

import os
import stat
from contextlib import closing

from .folders import NotEntered, steps

ANYBODY = -1  # in the place of a uid: more accounts than can be named
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def writers_of(path: str) -> frozenset[int]:
    """Given an absolute path, return the uids, other than root's, of those who decide what is read there; ANYBODY is
    among them where a group or everybody may write, or where it cannot be told.

    That are the owners of the file, of each folder on the way, which they may rename, and of each link. Into a folder
    that is sticky, as /tmp is, everybody may put a file, and only its owner may change it.
    """
    found: set[int] = set()
    try:
        with closing(steps(path)) as way:
            for step in way:
                found |= _writers(step.status)
    except (OSError, NotEntered):
        found.add(ANYBODY)
    return frozenset(found - {0})


def _writers(status: os.stat_result) -> set[int]:
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    is_open = status.st_mode & _OTHERS_WRITE and not sticky and not stat.S_ISLNK(status.st_mode)
    return {status.st_uid, ANYBODY} if is_open else {status.st_uid}
