# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A conversation with psql in one transaction, whose snapshot pg_dump shares: rows counted here are the rows dumped.

The questions asked of the server. Each answers in JSON lines, because a name may hold anything, even newlines.
Functions and tables are pg_catalog's by name; operators and types are so because a session runs with an empty
search_path (postgres/opening.py). No question plans a query on a table of a user's: see ``ROWS_EXACT``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from typing import cast

from ....errors import ToolFailed
from ....host import Host
from ....postgres.opening import LATER, PROOF, first_statements, prove
from ...stage import CHUNK, Stage
from .parse import Database, Relation, parse_copies, parse_databases, parse_names, parse_relations, parse_rows
from .server import Server

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
# A server in recovery (a standby, one that goes back to a time) has no rows of unlogged tables and refuses to look.
ROWS_EXACT = f"""
SELECT pg_catalog.json_build_array({_NAME}, CASE WHEN c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery()
         THEN 'SELECT WHERE false' ELSE pg_catalog.format('COPY %I.%I%s TO STDOUT', n.nspname, c.relname,
         (SELECT pg_catalog.format(' (%I)', a.attname) FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             AND coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') = ''
           ORDER BY a.attlen < 0, a.attlen, a.attnum LIMIT 1)) END) {_USERS_OWN}
   AND c.relkind = 'r' ORDER BY n.nspname, c.relname
"""  # noqa: S608 - of constants


MAINTENANCE = ("postgres", "template1")  # one of them is there, as vacuumdb believes


class Session:
    """An open conversation. ``ask`` raises ToolFailed, with what the server said, where a question fails."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ask(self, query: str) -> list[str]:
        """Given a query, or several, return the lines of the answer."""
        end = self._put(query)
        lines: list[str] = []
        while (line := self._line()) != end:
            lines.append(line)
        return lines

    def count(self, query: str, heartbeat: Callable[[], None]) -> int:
        """Given a query, return how many lines its answer has, which are not kept; ``heartbeat`` is called between."""
        end = self._put(query).encode()
        lines, tail = 0, b""
        while not tail.endswith((end + b"\n", end + b"\r\n")):
            chunk = cast(BufferedReader, self._stage.give).read1(CHUNK)
            if not chunk:
                self._explain()
            lines += chunk.count(b"\n")
            tail = (tail + chunk)[-len(end) - 2 :]
            heartbeat()
        return lines - 1

    def _put(self, query: str) -> str:
        """Ask a question and return the line that will stand behind its answer."""
        end = f"end-{secrets.token_hex(8)}"
        self._send(f"{query};\n\\echo {end}\n")
        return end

    def _line(self) -> str:
        """Return the next line of the answer; that of Windows ends with two characters."""
        line = self._stage.give.readline()
        if not line:
            self._explain()
        return line.decode("utf-8", "replace").rstrip("\r\n")

    def _send(self, text: str) -> None:
        try:
            self._stage.put(text.encode("utf-8"))
            self._stage.flush()
        except BrokenPipeError:
            self._explain()

    def _explain(self) -> None:
        self._stage.finish()
        raise ToolFailed((self._stage.name,), 0, "it ended in the middle of an answer")


@contextmanager
def session(server: Server, database: str, host: Host) -> Iterator[Session]:
    """Given a server and a database, yield a conversation with it. Raise NotOurs where it keeps settings of others."""
    command = server.command(host, "psql", "-XwAtq", "-v", "ON_ERROR_STOP=1", database=database)
    stage = Stage(command.argv, host, fed=True, env=command.environment, name=command.tool)
    try:
        conversation = Session(stage)
        conversation.ask(first_statements(server.limits(host)))
        prove(f"database {database!r}", conversation.ask(PROOF))
        conversation.ask(LATER)
        yield conversation
    finally:
        stage.abandon()


def databases(server: Server, host: Host) -> list[Database]:
    """Return all databases of a server but templates, each with what keeps it from being dumped."""
    with maintenance(server, host) as conversation:
        return parse_databases(conversation.ask(DATABASES))


@contextmanager
def maintenance(server: Server, host: Host, avoid: str = "") -> Iterator[Session]:
    """Yield a conversation about the server as a whole, in the first database of MAINTENANCE that lets us in.

    One of them may be what the conversation is about, or closed while it is swapped: that one is to avoid.
    """
    first, second = (ExitStack(), ExitStack())
    places = [name for name in MAINTENANCE if name != avoid]
    try:
        conversation = first.enter_context(session(server, places[0], host))
    except ToolFailed as error:
        if not places[1:]:
            raise
        try:
            conversation = second.enter_context(session(server, places[1], host))
        except ToolFailed:
            raise error from None
    with first, second:
        yield conversation


def server_version(conversation: Session) -> int:
    """Return the server's major version."""
    return int(parse_names(conversation.ask(VERSION))[0])


def database_bytes(server: Server, names: list[str], host: Host) -> int:
    """Return what databases take on the server's disk, in bytes."""
    with session(server, names[0], host) as conversation:
        quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
        answer = parse_names(conversation.ask(SIZE.format(names=f"ARRAY[{quoted}]::name[]")))
    return int(answer[0]) if answer[0] != "None" else 0


def begin(conversation: Session) -> str:
    """Begin the transaction that the dump stands on, and return its snapshot's name."""
    conversation.ask(BEGIN)
    return parse_names(conversation.ask(SNAPSHOT))[0]


def relations(conversation: Session) -> list[Relation]:
    """Return the relations that a dump of this database has to hold."""
    return parse_relations(conversation.ask(RELATIONS))


def rows(conversation: Session, how: str, heartbeat: Callable[[], None]) -> dict[str, int]:
    """Return the rows of each table: ``exact``, ``estimated`` by the server, or with ``none`` nothing."""
    if how == "exact":
        copies = parse_copies(conversation.ask(ROWS_EXACT))
        return {table: conversation.count(copy, heartbeat) for table, copy in copies.items()}
    return parse_rows(conversation.ask(ROWS_ESTIMATED)) if how == "estimated" else {}
