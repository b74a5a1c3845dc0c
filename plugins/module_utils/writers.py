# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which accounts could have written a file: what it says is the word of each of them."""

from __future__ import annotations

import os
import stat

ANYBODY = -1  # in the place of a uid: more accounts than can be named
_LINKS = 40  # as many as Linux follows
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def writers_of(path: str) -> frozenset[int]:
    """Given an absolute path, return the uids, other than root's, of those who decide what is read there; ANYBODY is
    among them where a group or everybody may write, or where it cannot be told.

    That are the owners of the file, of each folder on the way, which they may rename, and of each link. Into a folder
    that is sticky, as /tmp is, everybody may put a file, and only its owner may change it.
    """
    found, place, names = _writers("/"), "/", _names(path)
    for _step in range(_LINKS + len(names)):
        if not names:
            return frozenset(found - {0})
        name = os.path.normpath(os.path.join(place, names.pop(0)))
        found |= _writers(name)
        if os.path.islink(name):
            target = os.readlink(name)
            place, names = ("/" if os.path.isabs(target) else place), [*_names(target), *names]
        else:
            place = name
    return frozenset({*found, ANYBODY} - {0})


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _writers(path: str) -> set[int]:
    try:
        status = os.lstat(path)
    except OSError:
        return {ANYBODY}
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    is_open = status.st_mode & _OTHERS_WRITE and not sticky and not stat.S_ISLNK(status.st_mode)
    return {status.st_uid, ANYBODY} if is_open else {status.st_uid}
