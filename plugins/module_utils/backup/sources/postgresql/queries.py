# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions asked of the server. Each answers in JSON lines, because a name may hold anything, even newlines.

Functions and tables are pg_catalog's by name; operators and types are so because a session runs with an empty
search_path (postgres/opening.py). No question plans a query on a table of a user's: see ``ROWS_EXACT``.
"""

from __future__ import annotations

# All databases but templates, each with what keeps it from being dumped. A DROP DATABASE that was interrupted leaves
# one that nobody can connect to (datconnlimit -2 since 15.4).
DATABASES = """
SELECT pg_catalog.json_build_array(d.datname, CASE
         WHEN d.datconnlimit = -2 THEN 'its DROP DATABASE was interrupted, so it is invalid: drop it again'
         WHEN NOT d.datallowconn THEN 'it allows no connections'
         WHEN NOT pg_catalog.has_database_privilege(d.oid, 'CONNECT') THEN 'the login has no CONNECT on it'
         ELSE '' END)
  FROM pg_catalog.pg_database d WHERE NOT d.datistemplate ORDER BY d.datname
"""
SIZE = """
SELECT pg_catalog.json_build_array(pg_catalog.sum(pg_catalog.pg_database_size(datname))::bigint)
  FROM pg_catalog.pg_database WHERE datname = ANY ({names})
"""
VERSION = "SELECT pg_catalog.json_build_array(pg_catalog.current_setting('server_version_num')::int / 10000)"

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
SNAPSHOT = "SELECT pg_catalog.json_build_array(pg_catalog.pg_export_snapshot())"

_USERS_OWN = """
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
         SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e' AND (
           d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid OR
           d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid))
"""
_NAME = "pg_catalog.format('%I.%I', n.nspname, c.relname)"

# tables, partitioned tables, views, materialized views, sequences, foreign tables
RELATIONS = f"""
SELECT pg_catalog.json_build_array(c.oid::bigint, {_NAME}) {_USERS_OWN}
   AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') ORDER BY c.oid
"""
ROWS_ESTIMATED = f"""
SELECT pg_catalog.json_build_array({_NAME}, greatest(c.reltuples, 0)::bigint) {_USERS_OWN}
   AND c.relkind = 'r' ORDER BY n.nspname, c.relname
"""
# Each table with the statement that prints one line for each of its rows. It is COPY, as in a dump, and no count(*):
# whoever plans a query on a table works out the calls with constants in the expressions of its indexes, so that the
# table's owner could have us run a function of his. COPY of a table plans nothing, and it refuses a view that was put
# in the table's place meanwhile. One column is enough, the narrowest that is stored (a generated one is not copied).
ROWS_EXACT = f"""
SELECT pg_catalog.json_build_array({_NAME}, pg_catalog.format('COPY %I.%I%s TO STDOUT', n.nspname, c.relname,
         (SELECT pg_catalog.format(' (%I)', a.attname) FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') = ''
           ORDER BY a.attlen < 0, a.attlen, a.attnum LIMIT 1))) {_USERS_OWN}
   AND c.relkind = 'r' ORDER BY n.nspname, c.relname
"""  # noqa: S608 - of constants
