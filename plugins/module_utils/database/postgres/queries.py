# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The SQL that is asked. Functions and tables are pg_catalog's by name; operators and types are so because a session
runs with an empty search_path (postgres/opening.py), which is proved before anything is asked.
"""

from __future__ import annotations

from .features import has, progress_memory

SERVER = """
SELECT pg_catalog.current_setting('server_version_num')::int AS version,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('block_size')::int AS block_size,
       pg_catalog.current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age,
       pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_freeze_max_age,
       pg_catalog.current_setting('max_parallel_maintenance_workers')::int AS max_parallel,
       (SELECT setting::bigint * 1024 FROM pg_catalog.pg_settings
         WHERE name = 'maintenance_work_mem') AS maintenance_work_mem,
       r.rolsuper AS is_superuser,
       r.rolsuper OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions,
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory') AS data_directory,
       pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) AS next_xid,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS standbys,
       (SELECT extract(epoch FROM pg_catalog.max(replay_lag))::float8
          FROM pg_catalog.pg_stat_replication) AS replica_lag_s,
       (SELECT setting::float8 FROM pg_catalog.pg_settings
         WHERE name = 'autovacuum_vacuum_insert_threshold') AS insert_threshold,
       (SELECT setting::float8 FROM pg_catalog.pg_settings
         WHERE name = 'autovacuum_vacuum_insert_scale_factor') AS insert_scale
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
"""

REPLICA_LAG = """
SELECT extract(epoch FROM pg_catalog.max(replay_lag))::float8 AS replica_lag_s FROM pg_catalog.pg_stat_replication
"""

EXTENSIONS = """
SELECT e.extname::text AS name, n.nspname::text AS schema
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
"""

# Whoever has a transaction open or holds the xmin horizon. A running VACUUM is left out: it holds nothing back
# (PROC_IN_VACUUM). A slot's catalog_xmin only holds back system catalogs and is left out for that reason.
ACTIVITY = """
SELECT CASE a.backend_type WHEN 'client backend' THEN 'session' ELSE a.backend_type END AS kind,
       a.pid AS pid, a.application_name AS name, a.usename::text AS "user", a.datname::text AS database,
       a.state AS state, extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS seconds,
       greatest(pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)) AS xmin_age,
       pg_catalog.left(a.query, 400) AS query
  FROM pg_catalog.pg_stat_activity a
 WHERE a.pid <> pg_catalog.pg_backend_pid()
   AND (a.xact_start IS NOT NULL OR a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = a.pid)
UNION ALL
SELECT 'prepared transaction', NULL, p.gid, p.owner::text, p.database::text, 'prepared',
       extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::float8, pg_catalog.age(p.transaction), NULL
  FROM pg_catalog.pg_prepared_xacts p
UNION ALL
SELECT 'replication slot', s.active_pid, s.slot_name::text, NULL, s.database::text,
       CASE WHEN s.active THEN 'active' ELSE 'inactive' END, NULL, pg_catalog.age(s.xmin), NULL
  FROM pg_catalog.pg_replication_slots s WHERE s.xmin IS NOT NULL
"""

# The lock modes that conflict with ShareUpdateExclusiveLock, which VACUUM and ANALYZE take (13.3 Explicit Locking).
# A waiting session counts as well: a newcomer queues behind it.
LOCKS = """
SELECT l.relation::bigint AS relation, l.pid AS pid, l.mode AS mode, a.usename::text AS "user",
       a.backend_type AS kind, a.state AS state,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS seconds,
       pg_catalog.left(a.query, 400) AS query
  FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.pid <> pg_catalog.pg_backend_pid()
   AND l.database IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
   AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                  'AccessExclusiveLock')
"""

# The size of the last vacuum or analyze is good enough until 20 % have changed since; asking the files opens each
# table, which costs half of the time of this query on 2,000 tables. pg_relation_size waits for whoever has or wants
# AccessExclusiveLock, so such a table keeps the size of its last vacuum.
_EXACT_SIZE = """CASE WHEN c.relpages > 0
                       AND pg_catalog.pg_stat_get_mod_since_analyze(c.oid)
                           <= 0.2 * pg_catalog.pg_stat_get_live_tuples(c.oid)
                 THEN c.relpages * b.bytes
                 WHEN c.oid IN (SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.mode = 'AccessExclusiveLock'
                                   AND l.relation IS NOT NULL AND l.pid <> pg_catalog.pg_backend_pid())
                 THEN c.relpages * b.bytes ELSE pg_catalog.pg_relation_size(c.oid) END"""
_OLD_SIZE = "c.relpages * b.bytes"

_DATABASES = """
SELECT d.datname::text AS name, d.datallowconn AS allows_connections, d.datistemplate AS is_template,
       pg_catalog.age(d.datfrozenxid) AS xid_age, pg_catalog.mxid_age(d.datminmxid) AS mxid_age,
       {failures} AS checksum_failures
  FROM pg_catalog.pg_database d LEFT JOIN pg_catalog.pg_stat_database s ON s.datid = d.oid
 ORDER BY d.datname
"""

_PROGRESS = """
SELECT pid, relid::bigint AS relid, phase, heap_blks_total, heap_blks_scanned, index_vacuum_count,
       {used} AS memory_used, {limit} AS memory_limit
  FROM pg_catalog.pg_stat_progress_vacuum WHERE pid = ANY(%(pids)s)
"""

_TABLES = """
WITH RECURSIVE block AS (SELECT pg_catalog.current_setting('block_size')::bigint AS bytes),
me AS (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
home AS (
  SELECT pg_catalog.pg_has_role(datdba, 'USAGE') AS owned, dattablespace AS space
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
indexes AS (
  SELECT i.indrelid AS oid, pg_catalog.sum(x.relpages)::bigint AS pages
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid GROUP BY i.indrelid),
tree AS (
  SELECT i.inhparent AS root, i.inhrelid AS leaf FROM pg_catalog.pg_inherits i
   UNION SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.leaf),
looked AS (
  SELECT t.root, pg_catalog.pg_stat_get_live_tuples(t.leaf) AS live,
         pg_catalog.pg_stat_get_mod_since_analyze(t.leaf) AS modified,
         greatest(pg_catalog.pg_stat_get_last_analyze_time(t.leaf),
                  pg_catalog.pg_stat_get_last_autoanalyze_time(t.leaf))
         > greatest(pg_catalog.pg_stat_get_last_analyze_time(t.root),
                    pg_catalog.pg_stat_get_last_autoanalyze_time(t.root)) AS later
    FROM tree t),
children AS (
  SELECT l.root AS oid, pg_catalog.count(*) AS n, pg_catalog.sum(l.live)::bigint AS live,
         pg_catalog.sum(l.modified)::bigint AS modified,
         pg_catalog.sum(CASE WHEN l.later THEN greatest(l.live, l.modified) ELSE l.modified END)::bigint AS since
    FROM looked l GROUP BY l.root),
sized AS (
  SELECT c.*, n.nspname, ({size})::bigint AS heap_bytes
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, block b
   WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't')
SELECT c.oid::bigint AS oid, c.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       c.relisshared AS shared, c.reltuples::float8 AS reltuples, c.relallvisible AS all_visible,
       c.heap_bytes AS heap_bytes, coalesce(i.pages, 0) * b.bytes AS index_bytes,
       coalesce(t.relpages, 0) * b.bytes AS toast_bytes,
       pg_catalog.pg_stat_get_live_tuples(c.oid) AS live, pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead,
       pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS modified,
       coalesce(pg_catalog.pg_stat_get_live_tuples(t.oid), 0) AS toast_live,
       coalesce(pg_catalog.pg_stat_get_dead_tuples(t.oid), 0) AS toast_dead,
       extract(epoch FROM greatest(pg_catalog.pg_stat_get_last_vacuum_time(c.oid),
                                   pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)))::float8 AS last_vacuum,
       extract(epoch FROM greatest(pg_catalog.pg_stat_get_last_analyze_time(c.oid),
                                   pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)))::float8 AS last_analyze,
       coalesce(greatest(CASE WHEN c.relfrozenxid <> '0' THEN pg_catalog.age(c.relfrozenxid) END,
                         CASE WHEN t.relfrozenxid <> '0' THEN pg_catalog.age(t.relfrozenxid) END), 0) AS xid_age,
       coalesce(greatest(CASE WHEN c.relminmxid <> '0' THEN pg_catalog.mxid_age(c.relminmxid) END,
                         CASE WHEN t.relminmxid <> '0' THEN pg_catalog.mxid_age(t.relminmxid) END), 0) AS mxid_age,
       me.rolsuper OR pg_catalog.pg_has_role(c.relowner, 'USAGE')
         OR (home.owned AND NOT c.relisshared){maintain} AS may_maintain,
       coalesce(k.n, 0) AS children, coalesce(k.live, 0) AS child_rows,
       coalesce(k.modified, 0) AS child_modified, coalesce(k.since, 0) AS child_since, {inserted} AS inserted,
       pg_catalog.array_to_string(c.reloptions, ',') AS options,
       pg_catalog.pg_tablespace_location(CASE c.reltablespace WHEN 0 THEN home.space ELSE c.reltablespace END)
         AS location,
       w.columns AS columns, w.seen AS columns_seen, w.width AS row_width, w.nulls AS has_nulls,
       {exact} AS exact_bloat
  FROM sized c CROSS JOIN block b CROSS JOIN me CROSS JOIN home
  LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
  LEFT JOIN indexes i ON i.oid = c.oid
  LEFT JOIN children k ON k.oid = c.oid
  LEFT JOIN LATERAL (
    SELECT CASE WHEN c.heap_bytes >= %(bloat_bytes)s
                THEN (SELECT pg_catalog.count(*)::int FROM pg_catalog.pg_attribute a
                       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) END AS columns,
           pg_catalog.count(s.attname)::int AS seen, pg_catalog.sum((1 - s.null_frac) * s.avg_width)::float8 AS width,
           pg_catalog.bool_or(s.null_frac > 0) AS nulls
      FROM pg_catalog.pg_stats s
     WHERE c.heap_bytes >= %(bloat_bytes)s
       AND s.schemaname = c.nspname AND s.tablename = c.relname AND NOT s.inherited) w ON true
"""
_MAINTAIN = " OR pg_catalog.has_table_privilege(c.oid, 'MAINTAIN')"
# pgstattuple_approx reads what the visibility map does not vouch for: the share of free and dead space in percent.
# The extension's takes a regclass, and one of that type alone is called: in the same schema its owner may have made
# another of that name, which takes an oid.
_EXACT = """CASE WHEN c.heap_bytes >= %(bloat_bytes)s AND c.relkind IN ('r', 'm')
            THEN (SELECT (p.approx_free_percent + p.dead_tuple_percent) / 100
                    FROM {schema}.pgstattuple_approx(c.oid::pg_catalog.regclass) p) END"""

STATE = """
SELECT pg_catalog.pg_stat_get_vacuum_count(c.oid) AS vacuums, pg_catalog.pg_stat_get_analyze_count(c.oid) AS analyzes,
       pg_catalog.pg_stat_get_live_tuples(c.oid) AS live, pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead,
       pg_catalog.pg_total_relation_size(c.oid) AS bytes,
       coalesce(greatest(CASE WHEN c.relfrozenxid <> '0' THEN pg_catalog.age(c.relfrozenxid) END,
                         CASE WHEN t.relfrozenxid <> '0' THEN pg_catalog.age(t.relfrozenxid) END), 0) AS xid_age
  FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = %(oid)s
"""

OTHER_CLIENTS = """
SELECT pg_catalog.count(*) AS others FROM pg_catalog.pg_stat_activity
 WHERE datname = pg_catalog.current_database() AND backend_type = 'client backend'
   AND application_name <> %(application)s
"""


def databases(version: int) -> str:
    """Given a server_version_num, return the query for the ages of all databases."""
    failures = "s.checksum_failures" if has(version, "checksum_failures") else "NULL::bigint"
    return _DATABASES.format(failures=failures)


def tables(version: int, *, exact_sizes: bool, pgstattuple: str = "") -> str:
    """Given a server_version_num, return the one query for all tables of a database.

    ``exact_sizes`` asks the files instead of the last vacuum, ``pgstattuple`` is the quoted schema of that extension.
    """
    return _TABLES.format(
        size=_EXACT_SIZE if exact_sizes else _OLD_SIZE,
        inserted="pg_catalog.pg_stat_get_ins_since_vacuum(c.oid)" if has(version, "inserts") else "NULL::bigint",
        maintain=_MAINTAIN if has(version, "maintain") else "",
        exact=_EXACT.format(schema=pgstattuple) if pgstattuple else "NULL::float8",
    )


def progress(version: int) -> str:
    """Given a server_version_num, return the query for how far the vacuums of some sessions are."""
    used, limit = progress_memory(version)
    return _PROGRESS.format(used=used, limit=limit)
