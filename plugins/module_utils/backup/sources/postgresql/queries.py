# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions asked of the server. Each answers in JSON lines, because a name may hold anything, even newlines."""

from __future__ import annotations

DATABASES = (
    "SELECT json_build_array(datname) FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname"
)
SIZE = "SELECT json_build_array(sum(pg_database_size(datname))::bigint) FROM pg_database WHERE datname = ANY ({names})"
VERSION = "SELECT json_build_array(current_setting('server_version_num')::int / 10000)"

# A statement or idle timeout of the server's must not end a transaction that a long dump stands on.
# A table that stays locked must end the counting as it ends the dump: {lock_wait} is in milliseconds.
BEGIN = (
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = {lock_wait:d}; "
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
)
SNAPSHOT = "SELECT json_build_array(pg_export_snapshot())"

_USERS_OWN = (
    "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS ("
    "SELECT FROM pg_depend d WHERE d.deptype = 'e' AND ("
    "d.classid = 'pg_class'::regclass AND d.objid = c.oid OR "
    "d.classid = 'pg_namespace'::regclass AND d.objid = n.oid))"
)
_FROM = "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE"

# tables, partitioned tables, views, materialized views, sequences, foreign tables
RELATIONS = (
    "SELECT json_build_array(c.oid::bigint, format('%I.%I', n.nspname, c.relname)) "
    f"{_FROM} c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND {_USERS_OWN} ORDER BY c.oid"
)
ROWS_ESTIMATED = (
    "SELECT json_build_array(format('%I.%I', n.nspname, c.relname), greatest(c.reltuples, 0)::bigint) "
    f"{_FROM} c.relkind = 'r' AND {_USERS_OWN} ORDER BY 1::text"
)
# psql runs what this query answers (\gexec): the server does the quoting of names.
_COUNTING = "SELECT json_build_array(%L::text, count(*)) FROM ONLY %I.%I"
ROWS_EXACT = (
    f"SELECT format('{_COUNTING}', format('%I.%I', n.nspname, c.relname), n.nspname, c.relname) "
    f"{_FROM} c.relkind = 'r' AND {_USERS_OWN} ORDER BY n.nspname, c.relname \\gexec"
)
