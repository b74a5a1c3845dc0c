# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which accounts could have written a file: what it says is the word of each of them."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import closing
from functools import cache

from .folders import NotEntered, steps

if sys.platform != "win32":
    import grp
    import pwd

ANYBODY = -1  # in the place of a uid: more accounts than can be named


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
    is_open = open_to_others(status) and not sticky and not stat.S_ISLNK(status.st_mode)
    return {status.st_uid, ANYBODY} if is_open else {status.st_uid}


def open_to_others(status: os.stat_result) -> bool:
    """Return whether the mode of a place lets others write to it than its owner and root: everybody, or its group."""
    by_group = bool(status.st_mode & stat.S_IWGRP) and not is_private(status.st_gid, status.st_uid)
    return by_group or bool(status.st_mode & stat.S_IWOTH)


@cache
def is_private(gid: int, uid: int) -> bool:
    """Return whether a group has no member but an account, as the group of its own that each account gets on Debian,
    Fedora and others (with the umask 002 all that it makes is open to that group).

    OpenSSH asks the same there before it believes a file (user-group-modes.patch of Debian). Accounts that a directory
    service does not list are not seen by either.
    """
    if sys.platform == "win32":
        return False
    try:
        name, members = pwd.getpwuid(uid).pw_name, grp.getgrgid(gid).gr_mem
    except KeyError:
        return False
    return set(members) <= {name} and {entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == gid} == {uid}
