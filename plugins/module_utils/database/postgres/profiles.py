# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How hard a vacuum may work: profiles as data.

Throttling counts a page that had to be read as 2 units and a page made dirty as 20 (vacuum_cost_page_miss and
vacuum_cost_page_dirty), then sleeps ``cost_delay_ms`` each ``cost_limit`` units. 200 units each 2 ms are 40 MB/s of
dirtied pages, which is what autovacuum does.
"""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20
MEMORY_CEILING = 1024 * MEBIBYTE  # more than 1 GB is of no use to a vacuum before PostgreSQL 17


@dataclass(frozen=True)
class Profile:
    """One profile. ``memory`` in bytes is a floor under the server's maintenance_work_mem; ``workers`` read indexes.

    ``mb_s`` is what a run is predicted to do before it has a speed of its own to remember, in MB of table and indexes
    per second; measured on 2 cores with 1.8 GB: 33.9 s at 200 units each 2 ms, 8.4 s without throttle.
    """

    cost_delay_ms: int
    cost_limit: int
    memory: int
    workers: int
    buffers: str
    mb_s: float


PROFILES = {
    "gentle": Profile(2, 200, 64 * MEBIBYTE, 0, "256kB", 40.0),
    "normal": Profile(2, 2000, 256 * MEBIBYTE, 1, "2MB", 100.0),
    "fast": Profile(0, 2000, 1024 * MEBIBYTE, 8, "16MB", 200.0),
    "emergency": Profile(0, 2000, 1024 * MEBIBYTE, 8, "0", 200.0),
}
