# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for a database that others have locked: as long as declared, and anew whenever the copy gets on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from ....errors import ActionFailed

T = TypeVar("T")
BUSY, LOCKED = 5, 6  # SQLITE_BUSY and SQLITE_LOCKED (rescode.html); Python names them since 3.11
ASK_S = 1.0  # so long SQLite itself waits before it says that a database is locked
PAUSE_S = 0.05
_SIGNS = ("is locked", "is busy")


class Patience:
    """The declared wait for one copy. ``pulse`` is called meanwhile, and may end it."""

    def __init__(self, path: str, seconds: float, pulse: Callable[[], None]) -> None:
        self._path, self._seconds, self._pulse = path, seconds, pulse
        self._since = time.monotonic()

    def begin_anew(self) -> None:
        """Say that the copy got on."""
        self._since = time.monotonic()

    def wait(self) -> None:
        """Say that the database is locked. Raise ActionFailed where it has been for as long as is declared."""
        self._pulse()
        waited = time.monotonic() - self._since
        if waited >= self._seconds:
            raise ActionFailed(
                f"{self._path} has been locked by others for {waited:.0f} s, "
                f"longer than lock_wait_timeout ({self._seconds:.0f} s)"
            )

    def insist(self, action: Callable[[], T]) -> T:
        """Take an action, again and again while the database is locked. Raise as ``wait``."""
        while True:
            try:
                result = action()
            except sqlite3.OperationalError as error:
                if not any(sign in str(error) for sign in _SIGNS):
                    raise
                self.wait()
                time.sleep(PAUSE_S)
            else:
                self.begin_anew()
                return result
