# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moving a write-ahead log into its database without making anybody wait.

A RESTART or TRUNCATE checkpoint behind a long reader blocks all writers, which took an application down
(litestream#724). So the log is moved with PASSIVE, which never waits, and only cut off once no reader was in the way
for two seconds, and then without waiting either.
"""

from __future__ import annotations

import sqlite3
import struct

from ...host import Host
from ...reading import regular

CALM_S = 2.0
LOOKS = 5


def checkpoint(connection: sqlite3.Connection, path: str, host: Host) -> tuple[bool, str]:
    """Given a connection, checkpoint its log. Return whether anything was moved or cut off, and what is to be said."""
    connection.execute("PRAGMA schema_version").fetchone()  # the first read makes the index of the log
    before = backfilled(path)
    if shrink_log(connection, host):
        return True, ""
    return backfilled(path) > before, "a reader keeps the log from being cut off; the next run does it once it is done"


def backfilled(path: str) -> int:
    """Return how many frames of the log are in the database already, as the index of the log says it.

    PRAGMA wal_checkpoint only tells it after having moved some (walformat.html, 2.1: bytes 96 to 99, native order).
    """
    try:
        with open(f"{path}-shm", "rb", opener=regular) as index:
            return int(struct.unpack("=I", index.read(100)[96:])[0])
    except (OSError, struct.error):
        return 0


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
