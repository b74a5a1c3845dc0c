# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moving a write-ahead log into its database without making anybody wait.

A RESTART or TRUNCATE checkpoint behind a long reader blocks all writers, which took an application down
(litestream#724). So the log is moved with PASSIVE, which never waits, and only cut off once no reader was in the way
for two seconds, and then without waiting either.
"""

from __future__ import annotations

import os
import sqlite3

from ...host import Host

CALM_S = 2.0
LOOKS = 5


def checkpoint(connection: sqlite3.Connection, path: str, host: Host) -> tuple[bool, str]:
    """Given a connection, checkpoint its log. Return whether anything was moved or cut off, and what is to be said."""
    before = _written(path)
    if shrink_log(connection, host):
        return True, ""
    return _written(path) != before, "a reader keeps the log from being cut off; the next run does it once it is done"


def _written(path: str) -> tuple[int, int]:
    """Return what changes when frames are moved from the log into the database."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def shrink_log(connection: sqlite3.Connection, host: Host) -> bool:
    """Move the log, and cut it off if no reader was in the way for two seconds. Return whether it was cut off."""
    for number in range(LOOKS):
        if number:
            host.pause(CALM_S / (LOOKS - 1))
        frames, moved = _passive(connection)
        if frames < 0:
            return True  # not in WAL mode: there is no log
        if moved < frames:
            return False
    connection.execute("PRAGMA busy_timeout = 0")
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy


def _passive(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the frames in the log and those of them that are in the database after a PASSIVE checkpoint."""
    _busy, frames, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(frames), int(moved)
