# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The databases that are looked after: PostgreSQL and SQLite."""

from __future__ import annotations

from typing import Any

from ..options import common_options, option
from ..registry import declare

# Where each comes from stands with the rule that uses it.
THRESHOLDS: dict[str, Any] = {
    "dead_rows": option("int", "Dead rows, if they are also more than O(thresholds.dead_ratio).", default=10_000),
    "dead_ratio": option(
        "float",
        "Dead rows as a share of the live rows, if they are also more than O(thresholds.dead_rows).",
        default=0.1,
    ),
    "analyze_rows": option(
        "int", "Rows that may change before statistics are stale, added to O(thresholds.analyze_ratio).", default=50
    ),
    "analyze_ratio": option(
        "float",
        "Share of the rows that may change before statistics are stale, added to O(thresholds.analyze_rows).",
        default=0.1,
    ),
    "xid_ratio": option("float", "Share of C(autovacuum_freeze_max_age) from which on a table is frozen.", default=0.5),
    "wraparound_warning_ratio": option(
        "float", "Share of C(autovacuum_freeze_max_age) from which on a database's age is a warning.", default=0.9
    ),
    "wraparound_critical_age": option(
        "int", "Age in transactions from which on it is critical and the table an emergency.", default=1_300_000_000
    ),
    "wraparound_critical_left": option(
        "int", "Transactions left until writes stop, below which it is critical.", default=10_000_000
    ),
    "bloat_ratio": option(
        "float", "Share of a table that may be empty, if it is also more than O(thresholds.bloat_bytes).", default=0.2
    ),
    "bloat_bytes": option(
        "str",
        "Size of a table from which on its bloat is estimated, and bytes of it that may be empty.",
        default="100M",
    ),
    "freelist_ratio": option(
        "float",
        "Share of a SQLite file that may be free, if it is also more than O(thresholds.freelist_bytes).",
        default=0.2,
    ),
    "freelist_bytes": option(
        "str",
        "Bytes of a SQLite file that may be free, if they are also more than O(thresholds.freelist_ratio).",
        default="64M",
    ),
    "wal_bytes": option(
        "str", "Size of a SQLite database's write-ahead log from which on it is checkpointed.", default="64M"
    ),
}

# A database of the list may override any of them, so these have no defaults.
_OVERRIDES: dict[str, Any] = {
    name: option(
        each["type"],
        [
            each["description"].replace("O(thresholds.", "O(databases[].thresholds."),
            f"Default is V({each['default']}), or what the option O(thresholds.{name}) of the module says.",
        ],
    )
    for name, each in THRESHOLDS.items()
}

_DATABASE: dict[str, Any] = {
    "name": option("str", "The name by which findings speak of it.", required=True),
    "engine": option("str", "The kind of database.", required=True, choices=["postgresql", "sqlite"]),
    "path": option("path", "Absolute path of the SQLite file."),
    "database": option(
        "str", "Name of the PostgreSQL database. V(*) means every one that allows connections and is no template."
    ),
    "login_host": option(
        "str",
        (
            "Name or address of the PostgreSQL server. Without it and O(databases[].login_unix_socket) the default "
            "socket is used."
        ),
    ),
    "login_unix_socket": option("path", "Folder of the PostgreSQL server's socket."),
    "login_port": option("int", "Port of the PostgreSQL server.", default=5432),
    "login_user": option("str", "Role to log in as. Without it, the name of the account that connects."),
    "login_password": option("str", "Password of the role.", no_log=True),
    "login_passfile": option("path", "A file with the password in the form of C(.pgpass), mode 0600.", no_log=False),
    "login_db": option(
        "str", "Database for the questions about the whole server where O(databases[].database=*).", default="postgres"
    ),
    "ssl_mode": option(
        "str",
        "How much the connection insists on TLS, as libpq's C(sslmode).",
        choices=["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        default="prefer",
    ),
    "ssl_rootcert": option("path", "Path of the certificate authority that signed the server's certificate."),
    "system_user": option(
        "str",
        [
            "Account of the host to connect as, which peer authentication asks for.",
            (
                "The module must run as root (C(become)) to use another account than its own. It only takes it on for "
                "the moment of connecting."
            ),
            "Windows knows no peer authentication. There, it is an error that says so.",
        ],
    ),
    "include": option(
        "list of str",
        (
            "Regular expressions. Only tables are looked at whose C(database.schema.table) one of them is found in. "
            "Without any, all are."
        ),
        default=[],
    ),
    "exclude": option(
        "list of str",
        "Regular expressions. Tables whose C(database.schema.table) one of them is found in are left out.",
        default=[],
    ),
    "thresholds": option("dict", "Thresholds of this database that differ from O(thresholds).", options=_OVERRIDES),
}

SPEC: dict[str, Any] = {
    "databases": option(
        "list of dict",
        "The databases, in the shape of the inventory's C(cryptobot_databases).",
        required=True,
        options=_DATABASE,
        required_if=[("engine", "sqlite", ("path",)), ("engine", "postgresql", ("database",))],
        mutually_exclusive=[("login_host", "login_unix_socket"), ("login_password", "login_passfile")],
        variable="cryptobot_databases",
    ),
    "mode": option(
        "str",
        ["V(run) does what the plan says.", "V(plan) only looks, writes nothing and never reports a change."],
        choices=["plan", "run"],
        default="run",
    ),
    "profile": option(
        "str",
        [
            (
                "How hard a vacuum may work. V(gentle) keeps autovacuum's own pace (40 MB/s of changed pages), "
                "V(normal) ten times that, V(fast) has no throttle and uses parallel workers."
            ),
            (
                "V(emergency) vacuums every candidate as an emergency, which leaves indexes alone and ignores the "
                "window. Tables of critical age are treated so in every profile."
            ),
        ],
        choices=["gentle", "normal", "fast", "emergency"],
        default="normal",
    ),
    "window_minutes": option(
        "int",
        [
            (
                "How long the work may take. What is predicted not to end within the window is not started, and what "
                "does not end is stopped by the server and undone."
            ),
            "The prediction is the speed that earlier runs had on the same table.",
        ],
        default=120,
    ),
    "jobs": option(
        "int", "Tables of one database that are worked on at the same time, each over its own connection.", default=1
    ),
    "freeze": option(
        "str",
        [
            "V(auto) freezes the tables that are candidates for their age.",
            "V(never) takes age as a reason only once it is critical.",
            "V(force) freezes every table that is vacuumed.",
        ],
        choices=["auto", "never", "force"],
        default="auto",
    ),
    "analyze": option(
        "str",
        [
            "V(auto) analyzes the tables whose statistics are stale or missing.",
            "V(always) also analyzes every table that is vacuumed, V(never) none.",
            (
                "V(stages) first takes quick statistics of the tables that have none, as after a restore. V(auto) does "
                "so by itself where at least 20 tables and half of all have none."
            ),
        ],
        choices=["auto", "always", "never", "stages"],
        default="auto",
    ),
    "truncate": option(
        "str",
        [
            "Whether a vacuum cuts off the empty end of a table, for which it locks the table for a moment.",
            "V(auto) does not where standbys follow, or for O(hot_tables).",
        ],
        choices=["auto", "always", "never"],
        default="auto",
    ),
    "rewrite": option(
        "str",
        [
            "What to do about bloat, which a plain vacuum cannot give back.",
            "V(advise) reports gain, needed room, time and lock. V(never) says nothing of it.",
            (
                "V(allow) rewrites the table (C(VACUUM FULL)) where O(services_stopped=true), no other client is "
                "connected, O(require_backup) is satisfied and there is room."
            ),
        ],
        choices=["never", "advise", "allow"],
        default="advise",
    ),
    "exact": option(
        "bool",
        "Ask the extension pgstattuple, where it is installed, instead of estimating bloat. It reads the table.",
        default=False,
    ),
    "max_xmin_age": option(
        "int",
        "Transactions that the xmin horizon may be held back before a vacuum is not worth starting.",
        default=50_000_000,
    ),
    "max_txn_age": option(
        "str", "How long a transaction may hold the xmin horizon before a vacuum is not worth starting.", default="15m"
    ),
    "lock_timeout": option(
        "str",
        "How long a statement may wait for a lock. Tables that are locked are skipped without waiting.",
        default="2s",
    ),
    "thresholds": option(
        "dict", "From which value on a table or file needs work.", apply_defaults=True, options=THRESHOLDS
    ),
    "hot_tables": option(
        "list of str",
        "Tables (C(table), C(schema.table) or C(database.schema.table)) that must not be locked even for a moment.",
        default=["trades", "orders"],
    ),
    "replica_lag_max": option("str", "Replay lag of a standby above which no further table is begun.", default="30s"),
    "load_max": option(
        "float",
        [
            "Load of the last minute per core above which a run pauses before a table, for 20 s in all.",
            "Windows has no load averages. A run there does not pause.",
        ],
        default=4.0,
    ),
    "require_backup": option(
        "dict",
        [
            (
                "The verified backup that must be there before a SQLite file is rewritten in place or a table is "
                "rewritten."
            ),
            (
                "A set counts that lists the database among its sources, was verified to level L2 or higher, and is "
                "young enough."
            ),
        ],
        options={
            "dir": option("path", "Folder that holds the backup sets.", required=True),
            "max_age_hours": option("float", "Age in hours that the set may have.", default=26.0),
            "trusted_accounts": option(
                "list of str",
                "Who may own the folder or write to it, by the same words as for the module that takes the sets.",
                default=[],
            ),
        },
    ),
    "backup_expected": option(
        "bool",
        [
            "Take the backup as given, because the same play makes one before this task.",
            "Meant for check mode, in which that earlier step did not really make it.",
        ],
        default=False,
    ),
    "integrity": option(
        "str",
        [
            "V(quick) runs C(quick_check) on a SQLite file (about 1 GB/s).",
            (
                "V(full) runs C(integrity_check) and C(foreign_key_check), which takes ten times as long. A database "
                "that is not in WAL mode cannot be written to meanwhile."
            ),
        ],
        choices=["quick", "full"],
        default="quick",
    ),
    "sqlite_strategy": option(
        "str",
        [
            (
                "How a SQLite file is made smaller. V(in_place) is C(VACUUM). V(incremental) frees pages in slices of "
                "at most 0.2 s, in a file made with C(auto_vacuum=INCREMENTAL)."
            ),
            (
                "V(into_swap) writes a compact copy, proves it and puts it in place of the file, while nobody has it "
                "open. Windows refuses to replace a file that anybody has open; it is then left as it was, and the "
                "finding says so."
            ),
            "V(advise) only says what there is to gain.",
            "V(auto) takes V(incremental) where the file was made for it, else V(in_place).",
        ],
        choices=["auto", "in_place", "into_swap", "incremental", "advise"],
        default="auto",
    ),
    "services_stopped": option(
        "bool",
        "Whether the services that use the databases are down. What can be seen to the contrary wins.",
        default=False,
    ),
    **common_options(9000, "Seconds that the whole run may take, emergencies included."),
}

AREA = declare(
    __name__,
    module="db_vacuum",
    spec=SPEC,
    procedures=("W1.3",),
    force={"mode": "plan"},
    plan_only=True,
    acts=True,
)
