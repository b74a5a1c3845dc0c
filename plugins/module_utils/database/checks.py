# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What db_vacuum looks at; docs/checks.md is made from this file."""

from __future__ import annotations

from ..finding import Check, catalogue

_VACUUM = "https://www.postgresql.org/docs/current/routine-vacuuming.html"
_LONG = "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW"

CHECKS = catalogue(
    Check(
        "database.reachable",
        "W1.3",
        "The declared database can be opened, and the library that speaks to it is installed.",
        "Run the same login by hand on that host (psql or sqlite3), then correct the entry in cryptobot_databases.",
    ),
    Check(
        "database.standby",
        "W1.3",
        "The server accepts writes. On a standby nothing can be vacuumed; its primary does it.",
        "Declare the primary in cryptobot_databases; a standby needs no vacuum of its own.",
    ),
    Check(
        "database.permission",
        "W1.3",
        "The login may vacuum every table that needs it: superuser, owner of table or database, or MAINTAIN (17+).",
        "Make the login the owner, or GRANT pg_maintain (17 and later) to it; before 17 run it as the owner.",
        "https://www.postgresql.org/docs/current/sql-vacuum.html",
    ),
    Check(
        "database.wraparound",
        "W1.3",
        "Transaction and multixact ages stay below autovacuum_freeze_max_age; warning above 90 % of it, critical above "
        "1.3 billion or with fewer than 10 million left.",
        "Run db_vacuum now (it goes to emergency parameters by itself) and remove what holds the xmin horizon.",
        "check_postgres txn_wraparound (1.3 billion), pghero (10 million left); " + _VACUUM,
    ),
    Check(
        "database.dead_rows",
        "W1.3",
        "No table holds more dead rows than the larger of 10,000 and 10 % of its live rows.",
        "Run db_vacuum; if the table is back within days, lower its autovacuum_vacuum_scale_factor.",
        "the rule that awesome-prometheus-alerts uses; " + _VACUUM,
    ),
    Check(
        "database.statistics",
        "W1.3",
        "The planner's statistics are newer than 50 rows plus 10 % of changes, and every table with rows has some; "
        "those of a parent are judged by what changes in its partitions or heirs, which autovacuum does not do.",
        "Run db_vacuum, or ANALYZE the tables that are named.",
        "autovacuum_analyze_threshold and autovacuum_analyze_scale_factor",
    ),
    Check(
        "database.bloat",
        "W1.3",
        "No table of 100 MB or more is estimated to be over 20 % empty. Withheld where statistics cannot be trusted.",
        "Rewrite it in a maintenance window: pg_repack or pg_squeeze where installed, else rewrite: allow.",
        "pgstattuple; estimation from pg_stats as github.com/ioguix/pgsql-bloat-estimation describes it",
    ),
    Check(
        "database.xmin_horizon",
        "W1.3",
        "Nothing holds back the oldest visible transaction: no old query, idle or prepared transaction, slot, standby.",
        "End the holder that is named (commit or roll back, drop an unused slot); db_vacuum never does so by itself.",
        "https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND",
    ),
    Check(
        "database.long_transaction",
        "W1.3",
        "No transaction has been open longer than max_txn_age.",
        "Ask the named user to commit or roll back; consider idle_in_transaction_session_timeout.",
        _LONG,
    ),
    Check(
        "database.locked",
        "W1.3",
        "No table that needs work is locked by somebody else, another vacuum included.",
        "Run again when the named sessions are done; db_vacuum never cancels anyone.",
    ),
    Check(
        "database.window",
        "W1.3",
        "What needs work fits into the window.",
        "Widen window_minutes, raise jobs or choose a faster profile; the next run begins with what is left.",
    ),
    Check(
        "database.replica_lag",
        "W1.3",
        "Standbys replay within replica_lag_max; vacuum waits while they do not.",
        "Look at the standby: its disk, its network, a query that conflicts with replay.",
        "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW",
    ),
    Check(
        "database.index_passes",
        "W1.3",
        "Each vacuum needed at most one pass over the indexes.",
        "Raise maintenance_work_mem (more than 1 GB helps from PostgreSQL 17 on) or choose profile fast.",
        "https://www.postgresql.org/docs/current/progress-reporting.html#VACUUM-PROGRESS-REPORTING",
    ),
    Check(
        "database.maintenance",
        "W1.3",
        "Every step that the run was told to take came out.",
        "Read the reason, mend its cause, run again: what was not done is still a candidate.",
    ),
    Check(
        "database.integrity",
        "W1.3",
        "The content is sound: header and quick_check or integrity_check of SQLite; checksum failures of PostgreSQL.",
        "Stop the services that write to it, keep the file as it is, restore the newest verified backup beside it.",
        "https://www.sqlite.org/pragma.html#pragma_quick_check",
    ),
    Check(
        "database.foreign_keys",
        "W1.3",
        "No row refers to a row that does not exist (integrity: full).",
        "Find the rows with PRAGMA foreign_key_check and correct them; SQLite enforces keys only when told to.",
        "https://www.sqlite.org/pragma.html#pragma_foreign_key_check",
    ),
    Check(
        "database.freelist",
        "W1.3",
        "A SQLite file holds no more free pages than 20 % of it and 64 MB.",
        "Run db_vacuum in a quiet hour; a new file made with PRAGMA auto_vacuum=INCREMENTAL shrinks without a rewrite.",
        "https://www.sqlite.org/lang_vacuum.html",
    ),
    Check(
        "database.space",
        "W1.3",
        "A rewrite has room: 1.1 times the live size in SQLite's temporary folder and as much beside the database.",
        "Free space there, or point SQLITE_TMPDIR to a file system with room.",
        "https://www.sqlite.org/tempfiles.html; measured: journal or WAL grow to the live size",
    ),
    Check(
        "database.wal",
        "W1.3",
        "The write-ahead log of a SQLite database stays below 64 MB.",
        "Find the reader that keeps a transaction open (it is named where it can be seen), then checkpoint.",
        "https://www.sqlite.org/wal.html#avoiding_excessively_large_wal_files",
    ),
    Check(
        "database.filesystem",
        "W1.3",
        "A SQLite database lies on a local file system: locks over a network corrupt it.",
        "Move the file to a local disk.",
        "https://www.sqlite.org/howtocorrupt.html#_filesystems_with_broken_or_missing_lock_implementations",
    ),
    Check(
        "database.litestream",
        "W1.3",
        "No replicator follows the WAL of a database that is to be rewritten.",
        "Stop Litestream, use sqlite_strategy: into_swap, start it again: it then makes a new generation.",
        "https://litestream.io/tips/",
    ),
    Check(
        "database.backup_gate",
        "W1.3",
        "A verified backup of the database, young enough, is there before it is rewritten.",
        "Run the backup and its verification first (playbooks/backup.yml, playbooks/verify_backup.yml).",
    ),
)
