# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose rights a new file is made with: those of whoever could lead us from its folder to another, where we are root.

SQLite makes files by path. Whoever owns a folder on that path can put a link in its place between our look and the
making, so the file is made with his rights: it can come to be only where he could have made it himself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ...rights import Rights, acting_with
from ...trusted import faults

if sys.platform != "win32":
    import pwd


def maker_in(folder: str) -> int:
    """Given a folder, return the uid by which files are made in it; ours where nobody else could lead us elsewhere."""
    if sys.platform == "win32":
        return 0
    strangers = [fault.owner for fault in faults(folder) if fault.owner is not None]
    return strangers[-1] if strangers and os.geteuid() == 0 else os.geteuid()


def _group_of(uid: int) -> int:
    """Return the group of an account; of one that is not known a group of which nothing is known either."""
    if sys.platform == "win32":
        return 0
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid


@contextmanager
def lent(folder: str) -> Iterator[None]:
    """Have, for a block, no more rights than who could lead us elsewhere has. Files that are open stay open.

    This is so for the whole process, so nothing else may be under way meanwhile (../../rights.py). Raise NotSwitched.
    """
    maker = maker_in(folder)
    if sys.platform == "win32" or maker == os.geteuid():
        yield
        return
    with acting_with(Rights(maker, _group_of(maker), ())):
        yield
