# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between PostgreSQL 11 and 17, as tables that are asked by name. Nothing else compares versions."""

from __future__ import annotations

OLDEST = 110_000  # server_version_num of the first release that is supported here

# Feature -> server_version_num of the first release that has it; each from that release's notes.
FEATURES = {
    "skip_locked": 120_000,  # VACUUM and ANALYZE (SKIP_LOCKED)
    "index_cleanup": 120_000,  # VACUUM (INDEX_CLEANUP)
    "truncate": 120_000,  # VACUUM (TRUNCATE)
    "checksum_failures": 120_000,  # pg_stat_database.checksum_failures
    "inserts": 130_000,  # rows inserted since the last vacuum are counted, and call for one
    "parallel": 130_000,  # VACUUM (PARALLEL n)
    "never_analyzed_is_minus_one": 140_000,  # pg_class.reltuples before the first look
    "client_check": 140_000,  # client_connection_check_interval
    "fresh_statistics": 150_000,  # statistics in shared memory: visible at once
    "verbose_report": 150_000,  # VACUUM (VERBOSE) prints what autovacuum logs
    "buffer_usage_limit": 160_000,  # VACUUM and ANALYZE (BUFFER_USAGE_LIMIT)
    "skip_database_stats": 160_000,  # VACUUM (SKIP_DATABASE_STATS), (ONLY_DATABASE_STATS)
    "maintain": 170_000,  # the MAINTAIN privilege and pg_maintain
    "memory_above_1gb": 170_000,  # dead rows are kept in a radix tree instead of an array of 1 GB at most
}

# The columns of pg_stat_progress_vacuum that say how full the memory for dead rows is: (first release, used, limit).
_PROGRESS_MEMORY = (
    (170_000, "dead_tuple_bytes", "max_dead_tuple_bytes"),
    (OLDEST, "num_dead_tuples", "max_dead_tuples"),
)


def has(version: int, feature: str) -> bool:
    """Given a server_version_num and the name of a feature, return whether that server has it."""
    return version >= FEATURES[feature]


def progress_memory(version: int) -> tuple[str, str]:
    """Given a server_version_num, return the names of the columns for used and available memory of a vacuum."""
    return next((used, limit) for first, used, limit in _PROGRESS_MEMORY if version >= first)
