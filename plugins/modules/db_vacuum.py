#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/database/__init__.py and docs/modules/db_vacuum.yml; a test compares
# them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: db_vacuum
short_description: Vacuum the PostgreSQL tables and SQLite files that need it, and say why
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Looks at every declared database, decides which tables or files need work, and does it within a window.
  - In PostgreSQL a table is vacuumed or analyzed where it has too many dead rows, an old transaction id, bloat
    that a vacuum can use, stale or no statistics. The order is the risk of wraparound, then dead bytes. The reason
    is returned for each table, also where nothing is done about it.
  - It never cancels anybody. A table that somebody else has locked, and a vacuum that could remove nothing because an
    old transaction, a prepared transaction, a replication slot or a standby holds the xmin horizon, is skipped, and
    who is in the way is named.
  - A table whose age is critical is vacuumed with emergency parameters whatever the window says.
  - In SQLite the integrity comes first. A damaged file is never written to. A file is made smaller where enough of it
    is free, where there is room for it, and where a verified backup is there.
  - What was decided decides V(changed). A second run right after the first finds no candidate and changes nothing.
  - An audit (O(mode=plan)) never writes, and reads a SQLite file without leaving a trace wherever SQLite allows that.
requirements:
  - psycopg2 where a database has O(databases[].engine=postgresql)
  - PostgreSQL 11 or later
options:
  databases:
    description: The databases, in the shape of the inventory's C(cryptobot_databases).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name by which findings speak of it.
        type: str
        required: true
      engine:
        description: The kind of database.
        type: str
        required: true
        choices: [postgresql, sqlite]
      path:
        description: Absolute path of the SQLite file.
        type: path
      database:
        description: Name of the PostgreSQL database. V(*) means every one that allows connections and is no template.
        type: str
      login_host:
        description: Name or address of the PostgreSQL server. Without it and O(databases[].login_unix_socket) the
          default socket is used.
        type: str
      login_unix_socket:
        description: Folder of the PostgreSQL server's socket.
        type: path
      login_port:
        description: Port of the PostgreSQL server.
        type: int
        default: 5432
      login_user:
        description: Role to log in as. Without it, the name of the account that connects.
        type: str
      login_password:
        description: Password of the role.
        type: str
      login_passfile:
        description: A file with the password in the form of C(.pgpass), mode 0600.
        type: path
      login_db:
        description: Database for the questions about the whole server where O(databases[].database=*).
        type: str
        default: postgres
      ssl_mode:
        description: How much the connection insists on TLS, as libpq's C(sslmode).
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
        default: prefer
      ssl_rootcert:
        description: Path of the certificate authority that signed the server's certificate.
        type: path
      system_user:
        description:
          - Account of the host to connect as, which peer authentication asks for.
          - The module must run as root (C(become)) to use another account than its own. It only takes it on for the
            moment of connecting.
          - Windows knows no peer authentication. There, it is an error that says so.
        type: str
      include:
        description: Regular expressions. Only tables are looked at whose C(database.schema.table) one of them is found
          in. Without any, all are.
        type: list
        elements: str
        default: []
      exclude:
        description: Regular expressions. Tables whose C(database.schema.table) one of them is found in are left out.
        type: list
        elements: str
        default: []
      thresholds:
        description: Thresholds of this database that differ from O(thresholds).
        type: dict
        suboptions:
          dead_rows:
            description:
              - Dead rows, if they are also more than O(databases[].thresholds.dead_ratio).
              - Default is V(10000), or what the option O(thresholds.dead_rows) of the module says.
            type: int
          dead_ratio:
            description:
              - Dead rows as a share of the live rows, if they are also more than O(databases[].thresholds.dead_rows).
              - Default is V(0.1), or what the option O(thresholds.dead_ratio) of the module says.
            type: float
          analyze_rows:
            description:
              - Rows that may change before statistics are stale, added to O(databases[].thresholds.analyze_ratio).
              - Default is V(50), or what the option O(thresholds.analyze_rows) of the module says.
            type: int
          analyze_ratio:
            description:
              - Share of the rows that may change before statistics are stale, added to
                O(databases[].thresholds.analyze_rows).
              - Default is V(0.1), or what the option O(thresholds.analyze_ratio) of the module says.
            type: float
          xid_ratio:
            description:
              - Share of C(autovacuum_freeze_max_age) from which on a table is frozen.
              - Default is V(0.5), or what the option O(thresholds.xid_ratio) of the module says.
            type: float
          wraparound_warning_ratio:
            description:
              - Share of C(autovacuum_freeze_max_age) from which on a database's age is a warning.
              - Default is V(0.9), or what the option O(thresholds.wraparound_warning_ratio) of the module says.
            type: float
          wraparound_critical_age:
            description:
              - Age in transactions from which on it is critical and the table an emergency.
              - Default is V(1300000000), or what the option O(thresholds.wraparound_critical_age) of the module says.
            type: int
          wraparound_critical_left:
            description:
              - Transactions left until writes stop, below which it is critical.
              - Default is V(10000000), or what the option O(thresholds.wraparound_critical_left) of the module says.
            type: int
          bloat_ratio:
            description:
              - Share of a table that may be empty, if it is also more than O(databases[].thresholds.bloat_bytes).
              - Default is V(0.2), or what the option O(thresholds.bloat_ratio) of the module says.
            type: float
          bloat_bytes:
            description:
              - Size of a table from which on its bloat is estimated, and bytes of it that may be empty.
              - Default is V(100M), or what the option O(thresholds.bloat_bytes) of the module says.
            type: str
          freelist_ratio:
            description:
              - Share of a SQLite file that may be free, if it is also more than
                O(databases[].thresholds.freelist_bytes).
              - Default is V(0.2), or what the option O(thresholds.freelist_ratio) of the module says.
            type: float
          freelist_bytes:
            description:
              - Bytes of a SQLite file that may be free, if they are also more than
                O(databases[].thresholds.freelist_ratio).
              - Default is V(64M), or what the option O(thresholds.freelist_bytes) of the module says.
            type: str
          wal_bytes:
            description:
              - Size of a SQLite database's write-ahead log from which on it is checkpointed.
              - Default is V(64M), or what the option O(thresholds.wal_bytes) of the module says.
            type: str
  mode:
    description:
      - V(run) does what the plan says.
      - V(plan) only looks, writes nothing and never reports a change.
    type: str
    choices: [plan, run]
    default: run
  profile:
    description:
      - How hard a vacuum may work. V(gentle) keeps autovacuum's own pace (40 MB/s of changed pages), V(normal)
        ten times that, V(fast) has no throttle and uses parallel workers.
      - V(emergency) vacuums every candidate as an emergency, which leaves indexes alone and ignores the window. Tables
        of critical age are treated so in every profile.
    type: str
    choices: [gentle, normal, fast, emergency]
    default: normal
  window_minutes:
    description:
      - How long the work may take. What is predicted not to end within the window is not started, and what does not
        end is stopped by the server and undone.
      - The prediction is the speed that earlier runs had on the same table.
    type: int
    default: 120
  jobs:
    description: Tables of one database that are worked on at the same time, each over its own connection.
    type: int
    default: 1
  freeze:
    description:
      - V(auto) freezes the tables that are candidates for their age.
      - V(never) takes age as a reason only once it is critical.
      - V(force) freezes every table that is vacuumed.
    type: str
    choices: [auto, never, force]
    default: auto
  analyze:
    description:
      - V(auto) analyzes the tables whose statistics are stale or missing.
      - V(always) also analyzes every table that is vacuumed, V(never) none.
      - V(stages) first takes quick statistics of the tables that have none, as after a restore. V(auto) does so
        by itself where at least 20 tables and half of all have none.
    type: str
    choices: [auto, always, never, stages]
    default: auto
  truncate:
    description:
      - Whether a vacuum cuts off the empty end of a table, for which it locks the table for a moment.
      - V(auto) does not where standbys follow, or for O(hot_tables).
    type: str
    choices: [auto, always, never]
    default: auto
  rewrite:
    description:
      - What to do about bloat, which a plain vacuum cannot give back.
      - V(advise) reports gain, needed room, time and lock. V(never) says nothing of it.
      - V(allow) rewrites the table (C(VACUUM FULL)) where O(services_stopped=true), no other client is connected,
        O(require_backup) is satisfied and there is room.
    type: str
    choices: [never, advise, allow]
    default: advise
  exact:
    description: Ask the extension pgstattuple, where it is installed, instead of estimating bloat. It reads the table.
    type: bool
    default: false
  max_xmin_age:
    description: Transactions that the xmin horizon may be held back before a vacuum is not worth starting.
    type: int
    default: 50000000
  max_txn_age:
    description: How long a transaction may hold the xmin horizon before a vacuum is not worth starting.
    type: str
    default: 15m
  lock_timeout:
    description: How long a statement may wait for a lock. Tables that are locked are skipped without waiting.
    type: str
    default: 2s
  thresholds:
    description: From which value on a table or file needs work.
    type: dict
    suboptions:
      dead_rows:
        description: Dead rows, if they are also more than O(thresholds.dead_ratio).
        type: int
        default: 10000
      dead_ratio:
        description: Dead rows as a share of the live rows, if they are also more than O(thresholds.dead_rows).
        type: float
        default: 0.1
      analyze_rows:
        description: Rows that may change before statistics are stale, added to O(thresholds.analyze_ratio).
        type: int
        default: 50
      analyze_ratio:
        description: Share of the rows that may change before statistics are stale, added to O(thresholds.analyze_rows).
        type: float
        default: 0.1
      xid_ratio:
        description: Share of C(autovacuum_freeze_max_age) from which on a table is frozen.
        type: float
        default: 0.5
      wraparound_warning_ratio:
        description: Share of C(autovacuum_freeze_max_age) from which on a database's age is a warning.
        type: float
        default: 0.9
      wraparound_critical_age:
        description: Age in transactions from which on it is critical and the table an emergency.
        type: int
        default: 1300000000
      wraparound_critical_left:
        description: Transactions left until writes stop, below which it is critical.
        type: int
        default: 10000000
      bloat_ratio:
        description: Share of a table that may be empty, if it is also more than O(thresholds.bloat_bytes).
        type: float
        default: 0.2
      bloat_bytes:
        description: Size of a table from which on its bloat is estimated, and bytes of it that may be empty.
        type: str
        default: 100M
      freelist_ratio:
        description: Share of a SQLite file that may be free, if it is also more than O(thresholds.freelist_bytes).
        type: float
        default: 0.2
      freelist_bytes:
        description: Bytes of a SQLite file that may be free, if they are also more than O(thresholds.freelist_ratio).
        type: str
        default: 64M
      wal_bytes:
        description: Size of a SQLite database's write-ahead log from which on it is checkpointed.
        type: str
        default: 64M
  hot_tables:
    description: Tables (C(table), C(schema.table) or C(database.schema.table)) that must not be locked even for
      a moment.
    type: list
    elements: str
    default: [trades, orders]
  replica_lag_max:
    description: Replay lag of a standby above which no further table is begun.
    type: str
    default: 30s
  load_max:
    description:
      - Load of the last minute per core above which a run pauses before a table, for 20 s in all.
      - Windows has no load averages. A run there does not pause.
    type: float
    default: 4.0
  require_backup:
    description:
      - The verified backup that must be there before a SQLite file is rewritten in place or a table is rewritten.
      - A set counts that lists the database among its sources, was verified to level L2 or higher, and is young enough.
    type: dict
    suboptions:
      dir:
        description: Folder that holds the backup sets.
        type: path
        required: true
      max_age_hours:
        description: Age in hours that the set may have.
        type: float
        default: 26.0
      trusted_accounts:
        description: Who may own the folder or write to it, by the same words as for the module that takes the sets.
        type: list
        elements: str
        default: []
  backup_expected:
    description:
      - Take the backup as given, because the same play makes one before this task.
      - Meant for check mode, in which that earlier step did not really make it.
    type: bool
    default: false
  integrity:
    description:
      - V(quick) runs C(quick_check) on a SQLite file (about 1 GB/s).
      - V(full) runs C(integrity_check) and C(foreign_key_check), which takes ten times as long. A database that is not
        in WAL mode cannot be written to meanwhile.
    type: str
    choices: [quick, full]
    default: quick
  sqlite_strategy:
    description:
      - How a SQLite file is made smaller. V(in_place) is C(VACUUM). V(incremental) frees pages in slices of at most
        0.2 s, in a file made with C(auto_vacuum=INCREMENTAL).
      - V(into_swap) writes a compact copy, proves it and puts it in place of the file, while nobody has it open.
        Windows refuses to replace a file that anybody has open; it is then left as it was, and the finding says
        so.
      - V(advise) only says what there is to gain.
      - V(auto) takes V(incremental) where the file was made for it, else V(in_place).
    type: str
    choices: [auto, in_place, into_swap, incremental, advise]
    default: auto
  services_stopped:
    description: Whether the services that use the databases are down. What can be seen to the contrary wins.
    type: bool
    default: false
  state_dir:
    description:
      - Folder in which the collection remembers what it compares with at the next run, and where its lock is held.
      - It is made, readable by its owner only, where it does not exist. An audit also works where it cannot be written.
    type: path
    default: /var/lib/cryptobot-maintenance
  timeout:
    description: Seconds that the whole run may take, emergencies included.
    type: int
    default: 9000
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: It looks at everything and returns as planned exactly the actions that a run would take.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: A run changes something only where a table or file needs it; right after it nothing does.
  platform:
    support: full
    platforms: linux, macos, windows
    details:
      - Tried on real Linux hosts. On macOS and Windows nothing was tried on real ones; the tests stand in for C(lsof),
        C(mount) and what Windows answers. The questions to Windows were evaluated by the real engine of PowerShell 7.
notes:
  - Linux and macOS (C(lsof), as root) name who has a SQLite file open. Windows only tells whether somebody has,
    because it refuses to open it for one alone then. Where not even that can be found out, a file is rewritten
    only while O(services_stopped=true).
  - On Windows a database on a network drive or a server (UNC path) is never written to, as on any network file system.
    A replaced file is given the owner and access rights of the old one.
  - Connect to the server itself, not through a pooler in transaction mode, which loses the session's settings.
  - Sizes of PostgreSQL tables are those of their last vacuum or analyze while less than 20 % of their rows have changed
    since.
seealso:
  - module: cryptobot.maintenance.checkup
  - module: cryptobot.maintenance.backup_archive
  - name: PostgreSQL, routine vacuuming
    description: Why and when PostgreSQL needs VACUUM.
    link: https://www.postgresql.org/docs/current/routine-vacuuming.html
  - name: SQLite, VACUUM
    description: What VACUUM does to a SQLite file.
    link: https://www.sqlite.org/lang_vacuum.html
"""

EXAMPLES = r"""
- name: Vacuum what needs it, in the night's quiet hour
  cryptobot.maintenance.db_vacuum:
    databases:
      - name: main
        engine: postgresql
        database: "*"
        system_user: postgres
      - name: strategies
        engine: sqlite
        path: /opt/cryptobot/database/cryptobot.db
    window_minutes: 60
    profile: gentle
    require_backup:
      dir: /var/backups/cryptobot
  become: true
  register: cryptobot_result_database

- name: Show what was done to which table, and why
  ansible.builtin.debug:
    msg: "{{ item.action }} of {{ item.subject }} is {{ item.state }}: {{ item.reason }}"
  loop: "{{ cryptobot_result_database.actions }}"
  loop_control:
    label: "{{ item.subject }}"

- name: Only look, over TCP, with a role that may read the statistics
  cryptobot.maintenance.db_vacuum:
    databases:
      - name: main
        engine: postgresql
        database: cryptobot
        login_host: db1.example.com
        login_user: maintenance
        login_password: "{{ vault_maintenance_password }}"
        ssl_mode: verify-full
    mode: plan

- name: Rewrite bloated tables and SQLite files while the services are down
  cryptobot.maintenance.db_vacuum:
    databases: "{{ cryptobot_databases }}"
    services_stopped: true
    rewrite: allow
    sqlite_strategy: into_swap
    require_backup:
      dir: /var/backups/cryptobot
      max_age_hours: 4
  become: true
"""

RETURN = r"""
status:
  description: The worst status of the findings, one of V(ok), V(warning), V(unknown), V(critical).
  returned: always
  type: str
  sample: warning
findings:
  description: What was found, worst first. C(docs/checks.md) lists every check by its id.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: Stable id of the check.
      type: str
      sample: database.dead_rows
    subject:
      description: What it speaks of, the database's name, and for PostgreSQL the database or table after a colon.
      type: str
      sample: main:cryptobot
    status:
      description: One of V(ok), V(warning), V(critical), V(unknown), V(skipped).
      type: str
      sample: warning
    message:
      description: What was seen, in a sentence.
      type: str
      sample: '50,000 dead rows in 1 table: public.trades'
    expected:
      description: What was expected.
      type: raw
    actual:
      description: What was seen, as a value.
      type: raw
    remedy:
      description: What to do next; empty where all is well.
      type: str
    procedure:
      description: Id of the procedure in C(docs/procedures.md).
      type: str
      sample: W1.3
metrics:
  description: Sizes, ages, dead rows, freed bytes, seconds and forecasts as numbers with Prometheus-style names.
  returned: always
  type: list
  elements: dict
  sample:
    - name: cryptobot_database_xid_age
      value: 2131
      unit: transactions
      labels:
        database: main
        engine: postgresql
        name: cryptobot
actions:
  description: What was done (V(done)), would be done in check mode (V(planned)), was decided against (V(skipped)) or
    did not succeed (V(failed)), with the reason.
  returned: always
  type: list
  elements: dict
  sample:
    - action: vacuum_analyze
      subject: main:cryptobot.public.trades
      state: done
      reason: 50,000 dead rows, more than 40,000
      details:
        predicted_seconds: 0.3
        seconds: 0.225
        removed: 50000
        index_scans: 1
changed:
  description: Whether anything on the host was changed, in check mode whether a run would change it.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
databases:
  description: One entry for each declared database.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    engine:
      description: V(postgresql) or V(sqlite).
      type: str
    version:
      description: The server's version number (PostgreSQL).
      type: int
      sample: 150018
    databases:
      description: The databases of the server, each with C(xid_age_max), C(oldest_xmin) with its holder, and C(tables),
        which lists the tables that have a reason with C(reason), C(before), C(after), C(seconds), C(mb_s), C(result)
        and C(why).
      type: list
      elements: dict
    next_candidates:
      description: The tables that will need work next, with how near they are to a threshold (1 is at it).
      type: list
      elements: dict
      sample:
        - table: cryptobot.public.audit_logs
          nearness: 0.82
    forecast:
      description: Days until autovacuum is forced to freeze (C(days_to_freeze_trigger)), or the reason why they cannot
        be told.
      type: dict
      sample:
        days_to_freeze_trigger: 118.4
        reason: ''
    freelist_count:
      description: Free pages of the file (SQLite). It comes with C(page_size), C(page_count), C(size_bytes),
        C(wal_bytes), C(auto_vacuum), C(journal_mode), C(user_version), C(schema_hash), C(filesystem) and C(open_in).
      type: int
    freed_bytes:
      description: Bytes that this run gave back to the file system.
      type: int
freed_bytes:
  description: Bytes that this run gave back to the file system, all databases together.
  returned: always
  type: int
  sample: 163119104
remembered:
  description: Whether O(state_dir) could be written, so that the next run can compare.
  returned: when the module acted
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    exit_with(module, run)


if __name__ == "__main__":
    main()
