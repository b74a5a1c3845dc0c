# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks that both engines make, each by rules of its own (postgres/rules_*.py, sqlite/rules_file.py)."""

from __future__ import annotations

from collections.abc import Callable

from ..finding import Check
from ..registry import Judge, Rule, Rules

RULES = Rules()

REACHABLE = RULES.check(
    "database.reachable",
    "The declared database can be opened, and the library that speaks to it is installed.",
    procedure="W1.3",
    remedy="Run the same login by hand on that host (psql or sqlite3), then correct the entry in cryptobot_databases.",
)
INTEGRITY = RULES.check(
    "database.integrity",
    "The content is sound: header and quick_check or integrity_check of SQLite; checksum failures of PostgreSQL.",
    procedure="W1.3",
    remedy="Stop the services that write to it, keep the file as it is, restore the newest verified backup beside it.",
    source="https://www.sqlite.org/pragma.html#pragma_quick_check",
)
STATISTICS = RULES.check(
    "database.statistics",
    "The planner's statistics are newer than 50 rows plus 10 % of changes, and every table with rows has some; "
    "those of a parent are judged by what changes in its partitions or heirs, which autovacuum does not do.",
    procedure="W1.3",
    remedy="Run db_vacuum, or ANALYZE the tables that are named.",
    source="autovacuum_analyze_threshold and autovacuum_analyze_scale_factor",
)
LOCKED = RULES.check(
    "database.locked",
    "No table that needs work is locked by somebody else, another vacuum included.",
    procedure="W1.3",
    remedy="Run again when the named sessions are done; db_vacuum never cancels anyone.",
)
WINDOW = RULES.check(
    "database.window",
    "What needs work fits into the window.",
    procedure="W1.3",
    remedy="Widen window_minutes, raise jobs or choose a faster profile; the next run begins with what is left.",
)
BACKUP_GATE = RULES.check(
    "database.backup_gate",
    "A verified backup of the database, young enough, is there before it is rewritten.",
    procedure="W1.3",
    remedy="Run the backup and its verification first: ansible-playbook cryptobot.maintenance.backup, then "
    "cryptobot.maintenance.verify_backup.",
)
SPACE = RULES.check(
    "database.space",
    "A rewrite has room: 1.1 times the live size in SQLite's temporary folder and as much beside the database.",
    procedure="W1.3",
    remedy="Free space there, or point SQLITE_TMPDIR to a file system with room.",
    source="https://www.sqlite.org/tempfiles.html; measured: journal or WAL grow to the live size",
)
MAINTENANCE = RULES.check(
    "database.maintenance",
    "Every step that the run was told to take came out.",
    procedure="W1.3",
    remedy="Read the reason, mend its cause, run again: what was not done is still a candidate.",
)


def judges(rules: Rules, check: Check) -> Callable[[Judge], Judge]:
    """Return the decorator that makes a function the rule of one engine for a check that both make."""

    def declare(judge: Judge) -> Judge:
        rules.all.append(Rule(check, judge))
        return judge

    return declare
