# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of accounts and groups by number, each asked for once. Windows has neither."""

from __future__ import annotations

import os
from typing import Any, Callable

from .tar_format import Owner

try:
    import grp
    import pwd
except ImportError:
    HAS_NAMES = False
else:
    HAS_NAMES = True


def _name(ask: Callable[[int], Any], number: int) -> str:
    try:
        return str(ask(number)[0])
    except KeyError:
        return ""


class Owners:
    """Owner by status."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Owner] = {}

    def of(self, status: os.stat_result) -> Owner:
        """Return the names for a file's numbers, empty where they have none."""
        key = (status.st_uid, status.st_gid)
        if key not in self._known:
            self._known[key] = self._ask(*key)
        return self._known[key]

    def _ask(self, account: int, group: int) -> Owner:
        if not HAS_NAMES:
            return Owner()
        return Owner(_name(pwd.getpwuid, account), _name(grp.getgrgid, group))
