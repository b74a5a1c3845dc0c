# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of the statements that do the work, and how hard they may work: profiles as data. Pure.

Throttling counts a page that had to be read as 2 units and a page made dirty as 20 (vacuum_cost_page_miss and
vacuum_cost_page_dirty), then sleeps ``cost_delay_ms`` each ``cost_limit`` units. 200 units each 2 ms are 40 MB/s of
dirtied pages, which is what autovacuum does.
"""

from __future__ import annotations

from typing import NamedTuple

from ..declared import VacuumSettings
from .features import has
from .model import Server, TableTask

LONGEST_MS = 2**31 - 1  # statement_timeout is a 32-bit number of milliseconds
MEBIBYTE = 1 << 20
MEMORY_CEILING = 1024 * MEBIBYTE  # more than 1 GB is of no use to a vacuum before PostgreSQL 17


class Profile(NamedTuple):
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


def quoted(name: str) -> str:
    """Given a name, return it as a quoted SQL identifier."""
    return '"{}"'.format(name.replace('"', '""'))


def statement(task: TableTask, server: Server, settings: VacuumSettings) -> str:
    """Given the task of a step, return its VACUUM or ANALYZE for that server's version."""
    table = f"{quoted(task.table.schema)}.{quoted(task.table.name)}"
    if task.rewrite:
        return f"VACUUM (FULL, ANALYZE) {table}"
    verb = "VACUUM" if task.vacuum else "ANALYZE"
    options = vacuum_options(task, server, settings) if task.vacuum else analyze_options(server, settings)
    return f"{verb} ({', '.join(options)}) {table}" if options else f"{verb} {table}"


def profile_of(task: TableTask, settings: VacuumSettings) -> Profile:
    """Return the profile that a task runs with: an emergency has its own."""
    return PROFILES["emergency" if task.emergency else settings.profile]


def vacuum_options(task: TableTask, server: Server, settings: VacuumSettings) -> list[str]:
    """Return the options of a VACUUM, as far as the server's version knows them."""
    profile, version = profile_of(task, settings), server.version
    wanted = (
        ("FREEZE", task.freeze, None),
        ("ANALYZE", task.analyze, None),
        ("VERBOSE", True, "verbose_report"),
        ("SKIP_LOCKED", True, "skip_locked"),
        ("INDEX_CLEANUP off", task.emergency, "index_cleanup"),
        ("TRUNCATE off", not task.truncate, "truncate"),
        (f"PARALLEL {min(profile.workers, server.max_parallel)}", True, "parallel"),
        (f"BUFFER_USAGE_LIMIT '{profile.buffers}'", True, "buffer_usage_limit"),
        ("SKIP_DATABASE_STATS", True, "skip_database_stats"),
    )
    return [text for text, needed, feature in wanted if needed and (feature is None or has(version, feature))]


def analyze_options(server: Server, settings: VacuumSettings) -> list[str]:
    """Return the options of an ANALYZE, as far as the server's version knows them."""
    wanted = (
        ("SKIP_LOCKED", "skip_locked"),
        (f"BUFFER_USAGE_LIMIT '{PROFILES[settings.profile].buffers}'", "buffer_usage_limit"),
    )
    return [text for text, feature in wanted if has(server.version, feature)]


def session_settings(task: TableTask, server: Server, settings: VacuumSettings, timeout_s: float) -> str:
    """Return the statements that set a session up for a task, which may take ``timeout_s`` at most."""
    profile = profile_of(task, settings)
    memory = max(server.maintenance_work_mem, profile.memory)
    if not has(server.version, "memory_above_1gb"):
        memory = min(memory, MEMORY_CEILING)
    target = f"SET default_statistics_target = {task.target}" if task.target else "RESET default_statistics_target"
    return "; ".join(
        (
            f"SET vacuum_cost_delay = {profile.cost_delay_ms}",
            f"SET vacuum_cost_limit = {profile.cost_limit}",
            f"SET maintenance_work_mem = '{memory // 1024}kB'",
            f"SET statement_timeout = {min(LONGEST_MS, max(1, int(timeout_s * 1000)))}",
            target,
        )
    )
