# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PostgreSQL: each database is restored into a new one on its server, proved there, and the two change their names.

Both renames are one transaction, so there is no moment without a database, whatever is killed. What lies under a name
is told by its oid. From the look until the start nobody is let in; the old database stays closed while it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ..backup.model import SourceCopy
from ..backup.sources.kinds import KINDS
from ..backup.sources.model import Bench, Reader, Selection
from ..backup.sources.postgresql import session as psql
from ..backup.sources.postgresql.parse import parse_names
from ..backup.sources.postgresql.restore import write_dumps as write_into
from ..backup.sources.postgresql.server import server_of
from ..errors import ActionFailed, ToolFailed
from ..host import Host
from .choose import RestoreRefused
from .declared import Request
from .model import Identity, Unit

if TYPE_CHECKING:
    from .work import Work

KIND = "postgresql"
NEW, OLD = "cryptobot_restore_", "cryptobot_old_"
PATIENCE, POLL = 15.0, 0.5  # seconds for sessions to end after their services did
WRITING = "SET default_transaction_read_only = off"
_OIDS = "SELECT pg_catalog.json_build_array(d.oid::bigint || ' ' || d.datname) FROM pg_catalog.pg_database d"
_SESSIONS = """
SELECT pg_catalog.json_build_array(pg_catalog.format('pid %s as %s from %s (%s)', a.pid, a.usename,
         coalesce(pg_catalog.host(a.client_addr), 'the local socket'), a.application_name))
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = {name} AND a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()
"""
_DATA = "SELECT pg_catalog.json_build_array(pg_catalog.current_setting('data_directory'))"
_AMCHECK = "SELECT pg_catalog.json_build_array(name) FROM pg_catalog.pg_available_extensions() WHERE name = 'amcheck'"
# Within one transaction that is rolled back, so that the extension is not in what was restored.
_SCHEMA = """
SELECT pg_catalog.json_build_array(pg_catalog.quote_ident(n.nspname)) FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'
"""
_INDEXES = """
WITH found AS MATERIALIZED (
  SELECT c.oid FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = c.relam
   WHERE m.amname = 'btree' AND i.indisvalid AND c.relkind = 'i' AND c.relpersistence <> 't')
SELECT pg_catalog.json_build_array({schema}.bt_index_check(f.oid::pg_catalog.regclass, true)::text) FROM found f
"""


def quoted(name: str) -> str:
    """Given the name of a database, return it as a quoted SQL identifier."""
    return '"{}"'.format(name.replace('"', '""'))


def literal(text: str) -> str:
    """Given a text, return it as a quoted SQL literal; backslashes mean themselves in our sessions."""
    return "'{}'".format(text.replace("'", "''"))


def name_of(unit: Unit) -> str:
    """Return the name of the database that a unit is about."""
    return unit.target.partition(":")[2]


def tag_of(restore_id: str) -> str:
    """Return what names the new databases of a restore, and no others."""
    return restore_id.lower().replace("-", "_")


def units_of(entry: SourceCopy, request: Request, host: Host, restore_id: str) -> list[Unit]:
    """Return the databases of a source that are swapped. Raise RestoreRefused where one is not in the set."""
    known = sorted(entry.facts["databases"])
    unknown = [name for name in request.databases if name not in known]
    if unknown:
        raise RestoreRefused(
            f"the source {entry.name} of the set has no database {unknown[0]}, it has {', '.join(known)}"
        )
    if request.tables:
        raise RestoreRefused(
            "rows of single tables are taken over for sqlite sources; restore the database by databases"
        )
    wanted, tag = [name for name in known if name in (request.databases or known)], tag_of(restore_id)
    size = entry.raw_bytes // max(1, len(known))
    return [
        Unit(entry.name, KIND, f"{entry.name}:{name}", f"{NEW}{tag}_{number}", f"{OLD}{tag}_{number}", size)
        for number, name in enumerate(wanted, start=1)
    ]


def data_folder(source: str, request: Request, host: Host) -> str:
    """Return where a server on this host has its data; empty where it is elsewhere or does not say so."""
    try:
        with _session(source, request, host) as conversation:
            found = parse_names(conversation.ask(_DATA))
    except ToolFailed:
        return ""
    return found[0] if found and os.path.isdir(found[0]) else ""


@contextmanager
def _session(source: str, request: Request, host: Host, database: str = "", avoid: str = "") -> Iterator[psql.Session]:
    """Yield a conversation that may write, in a database or in one of maintenance that is not the one to avoid."""
    declared = request.source(source)
    if declared is None or declared.type != KIND:
        raise ActionFailed(f"no source {source} of the type {KIND} is declared now, so its server is not known")
    server = server_of(declared.server)
    place = psql.session(server, database, host) if database else psql.maintenance(server, host, avoid)
    with place as conversation:
        conversation.ask(WRITING)
        yield conversation


def restore_beside(entry: SourceCopy, reader: Reader, units: Sequence[Unit], work: Work) -> list[Unit]:
    """Restore the databases of a source into new ones, and return their units with what these are. Raise CoreError."""
    request, host, source = work.request, work.host, work.request.source(entry.name)
    for unit in units:
        drop(unit, unit.new, request, host)  # of a run that was ended while it filled it
    bench: Bench = work.bench._replace(
        server=source.server if source else {},
        tag=tag_of(work.journal.id),
        create_roles=True,
        selection=Selection(databases=tuple(name_of(unit) for unit in units)),
    )
    restored = KINDS[KIND].restore(entry, reader, Path("/"), bench)
    work.notes += [f"{kind} of {entry.name}: {what['first'][0]}" for kind, what in restored.notes.as_dict().items()]
    named = {name: str(one["scratch"]) for name, one in restored.proof["databases"].items()}
    found = [unit._replace(new=named[name_of(unit)]) for unit in units]
    for unit in found:
        _check_indexes(unit, request, host)
    oids = oids_of(entry.name, request, host)
    return [unit._replace(got=(oids[unit.new], 0)) for unit in found]


def write_dumps(entry: SourceCopy, reader: Reader, into: Path, work: Work) -> None:
    """Write the dumps of the databases that are asked for into a new folder, to look into. Raise CoreError, OSError."""
    into.mkdir(mode=0o700)
    selection = Selection(databases=work.request.databases)
    write_into(entry, reader, into, work.bench._replace(selection=selection))


def _check_indexes(unit: Unit, request: Request, host: Host) -> None:
    """Have amcheck look at each B-tree of a restored database, where the server has it. Raise ActionFailed."""
    with _session(unit.source, request, host, unit.new) as conversation:
        if not conversation.ask(_AMCHECK):
            return
        try:
            conversation.ask("BEGIN; CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA public")
            schema = parse_names(conversation.ask(_SCHEMA))[0]
            conversation.ask(_INDEXES.format(schema=schema))
        except ToolFailed as error:
            raise ActionFailed(f"what was restored of {unit.target} does not pass amcheck: {error}") from error
        conversation.ask("ROLLBACK")


def oids_of(source: str, request: Request, host: Host, avoid: str = "") -> dict[str, int]:
    """Return the oid of each database of a server by its name."""
    with _session(source, request, host, avoid=avoid) as conversation:
        rows = (line.partition(" ") for line in parse_names(conversation.ask(_OIDS)))
        return {name: int(oid) for oid, _blank, name in rows}


def identity_of(unit: Unit, request: Request, host: Host) -> Optional[Identity]:
    """Return which database has the name of a unit now, or None."""
    oid = oids_of(unit.source, request, host, name_of(unit)).get(name_of(unit))
    return None if oid is None else (oid, 0)


def is_touched(unit: Unit, request: Request, host: Host) -> bool:
    """Return whether a name is another database's than before."""
    return unit.noted and identity_of(unit, request, host) != unit.had


def close_doors(units: Sequence[Unit], request: Request, host: Host) -> None:
    """Let nobody into the databases any more, and wait until nobody is in one. Raise ActionFailed where one stays."""
    for unit in units:
        _allow(unit, request, host, allowed=False)
    waited = 0.0
    while (inside := _inside(units, request, host)) and waited < PATIENCE:
        host.pause(POLL)
        waited += POLL
    if inside:
        raise ActionFailed(f"{inside}, so nothing is swapped; end it, or declare it as a service")


def open_doors(units: Sequence[Unit], request: Request, host: Host) -> None:
    """Let everybody into the databases again who may be."""
    for unit in units:
        _allow(unit, request, host, allowed=True)


def _allow(unit: Unit, request: Request, host: Host, *, allowed: bool) -> None:
    name = name_of(unit)
    with _session(unit.source, request, host, avoid=name) as conversation:
        names = [line.partition(" ")[2] for line in parse_names(conversation.ask(_OIDS))]
        if name in names:
            conversation.ask(f"ALTER DATABASE {quoted(name)} ALLOW_CONNECTIONS {'true' if allowed else 'false'}")


def _inside(units: Sequence[Unit], request: Request, host: Host) -> str:
    for unit in units:
        with _session(unit.source, request, host, avoid=name_of(unit)) as conversation:
            found = parse_names(conversation.ask(_SESSIONS.format(name=literal(name_of(unit)))))
        if found:
            return f"somebody is in the database {name_of(unit)} ({found[0]})"
    return ""


def forwards(unit: Unit, work: Work) -> str:
    """Give the restored database the name, and the one that has it another. It may be done twice."""
    request, host = work.request, work.host
    if not unit.noted:
        unit = unit._replace(noted=True, had=identity_of(unit, request, host))
        work.journal.put(unit)
        work.write()
    _put(unit, unit.got, unit.old, request, host)
    return f"swapped by name; what was there is kept as {unit.old}" if unit.had else "put where nothing was"


def backwards(unit: Unit, request: Request, host: Host) -> None:
    """Give the database that was there before its name again. It may be done twice."""
    _put(unit, unit.had, unit.new, request, host)


def _put(unit: Unit, wanted: Optional[Identity], go_to: str, request: Request, host: Host) -> None:
    name = name_of(unit)
    oids = oids_of(unit.source, request, host, name)
    there, names = oids.get(name), {oid: each for each, oid in oids.items()}
    if there is not None and wanted is not None and there == wanted[0]:
        return
    renames = [(name, go_to)] if there is not None else []
    if wanted is not None:
        if wanted[0] not in names:
            raise ActionFailed(f"the database that is to be {name} is not there any more; look who has dropped it")
        renames.append((names[wanted[0]], name))
    statements = [f"ALTER DATABASE {quoted(old)} RENAME TO {quoted(new)}" for old, new in renames]
    with _session(unit.source, request, host, avoid=name) as conversation:
        conversation.ask("; ".join(["BEGIN", *statements, "COMMIT"]))


def drop_slots(unit: Unit, request: Request, host: Host) -> None:
    """Drop what is ours of a restore: a database that was not swapped in, or the one that was kept."""
    for name in (unit.new, unit.old):
        drop(unit, name, request, host)


def drop(unit: Unit, name: str, request: Request, host: Host) -> None:
    """Drop a database of ours, told by its name, which no other restore gives. Raise ToolFailed."""
    if not name.startswith((NEW, OLD)):
        raise ActionFailed(f"{name} is no database of a restore; it is not dropped")
    with _session(unit.source, request, host) as conversation:
        conversation.ask(f"DROP DATABASE IF EXISTS {quoted(name)}")
