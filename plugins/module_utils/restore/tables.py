# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of some tables of a PostgreSQL database, put in the place of those that are there.

The set's rows are restored into a new database, compared with the manifest there, and copied into a schema of ours in
the live one. One transaction then keeps the live rows in another schema of ours and puts the restored ones into the
table, which stays the table that it is: its indexes, constraints, sequences, rights and the views on it are not
touched, and its foreign keys are checked. Whether it came to that is told by which of the two schemas is there.

All of it is done as the tables' owner, so that no function of his in an index or a constraint runs as somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..backup.model import SourceCopy
from ..backup.sources.kinds import KINDS
from ..backup.sources.model import Bench, Reader, Selection
from ..backup.sources.postgresql import session as psql
from ..backup.sources.postgresql.parse import parse_names
from ..backup.sources.postgresql.server import Server
from ..backup.sources.postgresql.statements import split_name
from ..backup.stage import CHUNK, Stage
from ..errors import ActionFailed, ToolFailed
from ..host import Host
from ..postgres.opening import Limits
from .choose import RestoreRefused
from .model import Unit

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Opening = Callable[[str], AbstractContextManager[psql.Session]]

_PLAIN = "it is no table of its own (a view, partitioned, foreign or a partition)"
_OBSTACLES = """
WITH it AS (SELECT c.* FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass({table}))
SELECT pg_catalog.json_build_array(found.why) FROM (
  SELECT 'this database has no such table' AS why WHERE NOT EXISTS (SELECT FROM it)
  UNION ALL SELECT {plain} FROM it WHERE it.relkind <> 'r' OR it.relispartition
  UNION ALL SELECT 'it inherits from a table, or one from it' FROM it
   WHERE EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE it.oid IN (i.inhrelid, i.inhparent))
  UNION ALL SELECT pg_catalog.format('its trigger %s would run', t.tgname)
    FROM pg_catalog.pg_trigger t JOIN it ON t.tgrelid = it.oid WHERE NOT t.tgisinternal
  UNION ALL SELECT pg_catalog.format('its rule %s would apply', r.rulename)
    FROM pg_catalog.pg_rewrite r JOIN it ON r.ev_class = it.oid WHERE it.relkind = 'r'
  UNION ALL SELECT 'row level security is forced on it' FROM it WHERE it.relforcerowsecurity
  UNION ALL SELECT pg_catalog.format('the foreign key %s of %s refers to it, so name both tables', k.conname,
         k.conrelid::pg_catalog.regclass) FROM pg_catalog.pg_constraint k JOIN it ON k.confrelid = it.oid
   WHERE k.contype = 'f' AND k.conrelid <> ALL (ARRAY[{all}])
  UNION ALL SELECT DISTINCT pg_catalog.format('the materialized view %s would keep the rows of now',
         v.oid::pg_catalog.regclass) FROM it
    JOIN pg_catalog.pg_depend d ON d.refobjid = it.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    JOIN pg_catalog.pg_class v ON v.oid = r.ev_class WHERE v.relkind = 'm'
) found
"""
_OWNERS = """
SELECT pg_catalog.json_build_array(found.owner) FROM (
  SELECT DISTINCT pg_catalog.pg_get_userbyid(c.relowner) AS owner FROM pg_catalog.pg_class c
   WHERE c.oid = ANY (ARRAY[{all}])) found
"""
# A column as a text that is compared, and its name as SQL where it is stored.
_COLUMNS = """
SELECT pg_catalog.json_build_array(pg_catalog.format('%I %s%s', a.attname,
         pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attgenerated = '' THEN '' ELSE ' generated' END))
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0
   AND NOT a.attisdropped ORDER BY a.attnum
"""
_STORED = """
SELECT pg_catalog.json_build_array(pg_catalog.quote_ident(a.attname)) FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY a.attnum
"""
# Serial and identity columns: a statement that raises the sequence to the largest value, and never lowers it.
_SEQUENCES = """
SELECT pg_catalog.json_build_array(pg_catalog.format(
         'SELECT pg_catalog.setval(%L, m.v) FROM (SELECT pg_catalog.max(%I) AS v FROM %s) m, %s s '
         'WHERE m.v > s.last_value', s.name, s.attname, {table}, s.name))
  FROM (SELECT a.attname, pg_catalog.pg_get_serial_sequence({table}, a.attname) AS name
          FROM pg_catalog.pg_attribute a WHERE a.attrelid = {table}::pg_catalog.regclass AND a.attnum > 0
           AND NOT a.attisdropped) s WHERE s.name IS NOT NULL
"""
_REFERRED = """
SELECT pg_catalog.json_build_array(k.confrelid::bigint::text) FROM pg_catalog.pg_constraint k
 WHERE k.contype = 'f' AND k.conrelid = {table}::pg_catalog.regclass AND k.confrelid <> k.conrelid
"""
_OID = "SELECT pg_catalog.json_build_array({table}::pg_catalog.regclass::oid::bigint::text)"
_SCHEMAS = "SELECT pg_catalog.json_build_array(n.nspname) FROM pg_catalog.pg_namespace n"
_ENCODING = "SELECT pg_catalog.json_build_array(pg_catalog.current_setting('server_encoding'))"
_COUNT = "SELECT pg_catalog.json_build_array(pg_catalog.count(*)::text) FROM {table}"


def quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"{}"'.format(name.replace('"', '""'))


def literal(text: str) -> str:
    """Return a text as a quoted SQL literal; backslashes mean themselves in our sessions."""
    return "'{}'".format(text.replace("'", "''"))


def sql_name(table: str) -> str:
    """Given a table as the manifest writes it, return it as SQL."""
    return ".".join(map(quoted, split_name(table)))


class LiveTable(NamedTuple):
    """A table: its name as SQL, its stored columns, and what raises its sequences."""

    name: str
    columns: str
    sequences: tuple[str, ...]


def database_of(entry: SourceCopy, databases: Sequence[str], tables: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return which database of a source has some tables, and these as the manifest writes them.

    Raise RestoreRefused where none has, or several have.
    """
    full = tuple(table if "." in table else f"public.{table}" for table in tables)
    known: dict[str, Any] = entry.facts["databases"]
    having = [name for name, one in known.items() if all(table in one["rows"] for table in full)]
    having = [name for name in having if not databases or name in databases]
    if len(having) != 1:
        found = f"the databases {', '.join(having)} have" if having else "no database has"
        raise RestoreRefused(f"{found} {', '.join(full)} in the set: name the one by databases, a table by its schema")
    return having[0], full


def require_possible(conversation: psql.Session, tables: Sequence[str]) -> None:
    """Raise RestoreRefused where the rows of a table cannot be exchanged without anything else being harmed."""
    for table in tables:
        every = ", ".join(f"pg_catalog.to_regclass({literal(sql_name(one))})::oid" for one in tables)
        query = _OBSTACLES.format(table=literal(sql_name(table)), plain=literal(_PLAIN), all=every)
        found = parse_names(conversation.ask(query))
        if found:
            raise RestoreRefused(f"the rows of {table} alone are not restored: {found[0]}; or restore the database")
    if len(_owners(conversation, tables)) != 1:
        raise RestoreRefused(f"{', '.join(tables)} are of several owners: restore them one by one, or the database")


def _owners(conversation: psql.Session, tables: Sequence[str]) -> list[str]:
    every = ", ".join(f"{literal(sql_name(one))}::pg_catalog.regclass::oid" for one in tables)
    return parse_names(conversation.ask(_OWNERS.format(all=every)))


def restore_beside(
    entry: SourceCopy, reader: Reader, unit: Unit, database: str, bench: Bench, opening: Opening
) -> tuple[dict[str, Any], str]:
    """Restore the tables of a unit into a new database; return what was compared, and its name. Raise CoreError."""
    chosen = Selection(databases=(database,), tables=unit.tables)
    restored = KINDS["postgresql"].restore(entry, reader, bench.folder, bench._replace(selection=chosen))
    one = restored.proof["databases"][database]
    with opening(str(one["scratch"])) as scratch, opening(database) as live:
        if parse_names(scratch.ask(_ENCODING)) != parse_names(live.ask(_ENCODING)):
            raise ActionFailed(f"the database {database} has another encoding than in the set: restore all of it")
        for table in unit.tables:
            query = _COLUMNS.format(table=literal(sql_name(table)))
            if sorted(parse_names(scratch.ask(query))) != sorted(parse_names(live.ask(query))):
                raise ActionFailed(f"the table {table} has other columns than in the set: restore the whole database")
    return dict(one["rows"]), str(one["scratch"])


def copy_into(unit: Unit, scratch: str, database: str, server: Server, host: Host, opening: Opening) -> list[int]:
    """Copy the rows of a unit's tables from a new database into a schema of ours in the live one; return how many.

    Raise CoreError.
    """
    with opening(database) as live:
        owner = quoted(_owners(live, unit.tables)[0])
        live.ask(f"DROP SCHEMA IF EXISTS {quoted(unit.new)} CASCADE")
        live.ask(f"CREATE SCHEMA {quoted(unit.new)} AUTHORIZATION {owner}")
        tables = [_table(live, table) for table in unit.tables]
        live.ask(f"SET ROLE {owner}")
        for number, table in enumerate(tables):
            live.ask(_keeping(table, _slot(unit.new, number)) + " WITH NO DATA")
    for number, table in enumerate(tables):
        giving = f"COPY {table.name} ({table.columns}) TO STDOUT"
        _pipe(server, host, (scratch, giving), (database, f"COPY {_slot(unit.new, number)} FROM STDIN"))
    with opening(database) as live:
        counts = [live.ask(_COUNT.format(table=_slot(unit.new, number))) for number in range(len(tables))]
    return [int(parse_names(count)[0]) for count in counts]


def _keeping(table: LiveTable, slot: str) -> str:
    """Return the statement that keeps the rows of a table in a slot: a table of ours without any constraint."""
    return f"CREATE TABLE {slot} AS SELECT {table.columns} FROM {table.name}"  # noqa: S608 - quoted


def _slot(schema: str, number: int) -> str:
    return f"{quoted(schema)}.rows_{number}"


def _table(conversation: psql.Session, table: str) -> LiveTable:
    name = sql_name(table)
    stored = parse_names(conversation.ask(_STORED.format(table=literal(name))))
    sequences = parse_names(conversation.ask(_SEQUENCES.format(table=literal(name))))
    return LiveTable(name, ", ".join(stored), tuple(sequences))


def _pipe(server: Server, host: Host, giving: tuple[str, str], taking: tuple[str, str]) -> None:
    """Have what one COPY prints read by another. Raise ToolFailed."""
    words = ("-XwAtq", "-v", "ON_ERROR_STOP=1", "-c")
    source = server.command(host, "psql", *words, giving[1], database=giving[0])
    target = server.command(host, "psql", *words, taking[1], database=taking[0])
    limits = Limits(statement_s=host.remaining(), lock_s=server.lock_wait)
    writing = server.environment(taking[0], limits)
    left = Stage(source.argv, host, env=source.environment, name=source.tool)
    right = Stage(target.argv, host, fed=True, env=writing, name=target.tool)
    try:
        while chunk := left.give.read(CHUNK):
            right.put(chunk)
        left.finish()
        right.end_input()
        right.finish()
    except BrokenPipeError:
        right.finish()
        raise
    finally:
        left.abandon()
        right.abandon()


def is_swapped(unit: Unit, conversation: psql.Session) -> bool:
    """Return whether the restored rows are in the tables."""
    return unit.old in parse_names(conversation.ask(_SCHEMAS))


def exchange(unit: Unit, conversation: psql.Session, come_from: str, go_to: str) -> None:
    """Put the rows that one schema of ours keeps into the tables, and keep theirs in another; it may be done twice.

    Raise ActionFailed where the rows are not there, or do not fit what is there beside them; then nothing was done.
    """
    schemas = parse_names(conversation.ask(_SCHEMAS))
    if go_to in schemas and come_from not in schemas:
        return
    if come_from not in schemas:
        raise ActionFailed(f"the schema {come_from} with the rows of {', '.join(unit.tables)} is not there any more")
    tables = {number: _table(conversation, table) for number, table in enumerate(unit.tables)}
    order = _referred_first(conversation, [table.name for table in tables.values()])
    owner = quoted(_owners(conversation, unit.tables)[0])
    try:
        conversation.ask(f"BEGIN; CREATE SCHEMA {quoted(go_to)} AUTHORIZATION {owner}; SET LOCAL ROLE {owner}")
        named = ", ".join(table.name for table in tables.values())
        conversation.ask(f"LOCK TABLE {named} IN ACCESS EXCLUSIVE MODE")
        for number, table in tables.items():
            conversation.ask(_keeping(table, _slot(go_to, number)))
        conversation.ask(f"TRUNCATE TABLE {named}")
        for number in order:
            _fill(conversation, tables[number], _slot(come_from, number))
        conversation.ask(f"DROP SCHEMA {quoted(come_from)} CASCADE; COMMIT")
    except ToolFailed as error:
        raise ActionFailed(f"the rows of {', '.join(unit.tables)} do not fit what is there: {error}") from error


def _fill(conversation: psql.Session, table: LiveTable, slot: str) -> None:
    conversation.ask(
        f"INSERT INTO {table.name} ({table.columns}) OVERRIDING SYSTEM VALUE SELECT {table.columns} FROM {slot}"  # noqa: S608
    )
    counts = [parse_names(conversation.ask(_COUNT.format(table=one)))[0] for one in (table.name, slot)]
    if counts[0] != counts[1]:
        raise ActionFailed(f"{table.name} has {counts[0]} rows after {counts[1]} were put into it: nothing was changed")
    for statement in table.sequences:
        conversation.ask(statement)


def _referred_first(conversation: psql.Session, names: Sequence[str]) -> list[int]:
    """Return the numbers of tables in an order in which each comes after those that it refers to."""
    oids = [parse_names(conversation.ask(_OID.format(table=literal(name))))[0] for name in names]
    needs = [set(parse_names(conversation.ask(_REFERRED.format(table=literal(name))))) & set(oids) for name in names]
    order: list[int] = []
    while len(order) < len(names):
        done = {oids[number] for number in order}
        left = [number for number in range(len(names)) if number not in order]
        order.append(next((number for number in left if needs[number] <= done), left[0]))
    return order


def drop_schemas(unit: Unit, conversation: psql.Session) -> None:
    """Drop what is ours of the tables of a restore: the rows that were kept, and those that were not put in."""
    for schema in (unit.new, unit.old):
        conversation.ask(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")
