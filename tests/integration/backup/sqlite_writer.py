# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write to a database as fast as it goes, until somebody kills this process.

Usage: sqlite_writer.py DATABASE NUMBER LOG

Each transaction adds both halves of the writer's next entry and counts it. The log gets a line ``begin N TIME`` before
each one and ``done N TIME`` after its commit; now and then one holds its lock for a third of a second.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time


def main() -> None:
    path, number, log = (
        sys.argv[1],
        int(sys.argv[2]),
        os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    )
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")  # processes are killed here, not the system
    (count,) = connection.execute("SELECT n FROM counts WHERE writer = ?", (number,)).fetchone()
    while True:
        count += 1
        os.write(log, f"begin {count} {time.time()}\n".encode())
        connection.execute("BEGIN IMMEDIATE")
        for half in (0, 1):
            connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?)", (number, count, half, os.urandom(200)))
        connection.execute("UPDATE counts SET n = ? WHERE writer = ?", (count, number))
        if count % 50 == 0:
            time.sleep(0.3)
        connection.execute("COMMIT")
        os.write(log, f"done {count} {time.time()}\n".encode())
        time.sleep(0.002)  # else one of four has the lock for ever


if __name__ == "__main__":
    main()
