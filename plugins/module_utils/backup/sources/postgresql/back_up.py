# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking a PostgreSQL source: a custom-format dump of each database, and the roles that own what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ....errors import ActionFailed, ToolFailed
from ....host import Host
from ...declared import Source
from ...model import Notes, Payload, SourceCopy
from ..model import Size, Workshop
from . import session as psql
from .dump import contents, dump_command, file_name, globals_command, pour
from .parse import Contents, Database, Relation, parse_tool_version
from .server import Server, server_of

# Databases that a managed service keeps for itself: its customers cannot read them, and they hold nothing of theirs.
MANAGED = {
    "rdsadmin": "Amazon RDS",
    "cloudsqladmin": "Google Cloud SQL",
    "alloydbadmin": "Google AlloyDB",
    "alloydbmetadata": "Google AlloyDB",
    "azure_maintenance": "Azure Database for PostgreSQL",
    "azure_sys": "Azure Database for PostgreSQL",
    "_dodb": "DigitalOcean",
}


class Choice(NamedTuple):
    """The databases to dump, in their order. ``left_out`` has the others, each with the reason and whether that is as
    declared.
    """

    names: list[str]
    left_out: dict[str, dict[str, Any]]

    def leave_out(self, name: str, reason: str, *, as_declared: bool = False) -> None:
        """Add a database to those that are left out."""
        self.left_out[name] = {"reason": reason, "as_declared": as_declared}


# What backup_restore keeps beside a database that it has put back; its own record says until when.
_OF_A_RESTORE = re.compile(r"cryptobot_(?:old|restore)_\d{8}t\d{6}z_[0-9a-f]{6}_\d+")


def choose(databases: Iterable[Database], exclude: Sequence[str]) -> Choice:
    """Given the databases of a server and the patterns of those to leave out, return the choice."""
    choice = Choice([], {})
    for one in databases:
        pattern = next((pattern for pattern in exclude if fnmatchcase(one.name, pattern)), "")
        if pattern:
            choice.leave_out(one.name, f"excluded by {pattern}", as_declared=True)
        elif one.name in MANAGED:
            choice.leave_out(one.name, f"{MANAGED[one.name]}'s own", as_declared=True)
        elif _OF_A_RESTORE.fullmatch(one.name):
            choice.leave_out(one.name, "a restore's own, which goes with it", as_declared=True)
        elif one.trouble:
            choice.leave_out(one.name, one.trouble)
        else:
            choice.names.append(one.name)
    return choice


ALL = "*"


class Dumped(NamedTuple):
    """One database that was dumped."""

    payload: Payload
    raw_bytes: int
    facts: Mapping[str, Any]


def measure(source: Source, _protected: frozenset[str], host: Host) -> int:
    """Return what the declared databases take on the server's disk, in bytes."""
    server = server_of(source.server)
    return psql.database_bytes(server, _chosen(source, server, host).names, host)


def back_up(source: Source, workshop: Workshop) -> SourceCopy:
    """Dump the declared databases and the roles into the workshop's folder and return what was taken.

    Raise ActionFailed where a dump lacks what is in the database, or pg_dump is older than the server.
    """
    server = server_of(source.server)
    tool = _tool_version(server, workshop.host)
    choice = _chosen(source, server, workshop.host)
    dumped = _dump_each(choice, tool, server, source, workshop)
    payloads = [one.payload for one in dumped.values()]
    if source.server["globals"]:
        payloads.append(_dump_globals(server, source, workshop))
    raw = sum(one.raw_bytes for one in dumped.values())
    facts = {
        "path": None,
        "databases": {name: dict(one.facts) for name, one in dumped.items()},
        "left_out": choice.left_out,
        "rows_counted": source.server["rows"],
        "role_passwords": source.server["role_passwords"],
        "pg_dump": tool,
        "bin_dir": server.bin_dir,
    }
    return workshop.entry(source, tuple(payloads), Size(_count(dumped, source), raw, raw), facts, Notes())


def _chosen(source: Source, server: Server, host: Host) -> Choice:
    """Return the databases to dump. Raise ActionFailed where there are none."""
    declared = str(source.server["database"])
    if declared != ALL:
        return Choice([declared], {})
    choice = choose(psql.databases(server, host), source.exclude)
    if not choice.names:
        named = "; ".join(f"{name}: {one['reason']}" for name, one in choice.left_out.items())
        raise ActionFailed(f"the server of source {source.name} has no database that can be dumped ({named or 'none'})")
    return choice


def _dump_each(choice: Choice, tool: int, server: Server, source: Source, workshop: Workshop) -> dict[str, Dumped]:
    """Dump the chosen databases. One that can no longer be connected to is added to those that are left out."""
    dumped = {}
    for name in choice.names:
        try:
            dumped[name] = _dump(name, tool, server, source, workshop)
        except ToolFailed:
            gone = "" if source.server["database"] != ALL else _gone(name, server, workshop.host)
            if not gone:
                raise
            (workshop.folder / file_name(name, workshop.codec.suffix)).unlink(missing_ok=True)
            choice.leave_out(name, gone)
    if not dumped:
        raise ActionFailed(f"no database of source {source.name} could be dumped: {choice.left_out}")
    return dumped


def _gone(name: str, server: Server, host: Host) -> str:
    """Return why a database cannot be connected to any more, or an empty text where it can."""
    known = {one.name: one.trouble for one in psql.databases(server, host)}
    return known.get(name, "it was dropped while the others were dumped")


def _tool_version(server: Server, host: Host) -> int:
    return parse_tool_version(host.run(server.command(host, "pg_dump", "--version").argv).stdout)


def _count(dumped: Mapping[str, Dumped], source: Source) -> int:
    """Return rows where they were really counted, else objects: a server that was never analyzed estimates nothing."""
    kind = "rows" if source.server["rows"] == "exact" else "objects"
    counts = [one.facts[kind] for one in dumped.values()]
    return sum(sum(count.values()) if isinstance(count, dict) else int(count) for count in counts)


def _dump(database: str, tool: int, server: Server, source: Source, workshop: Workshop) -> Dumped:
    path = workshop.folder / file_name(database, workshop.codec.suffix)
    with psql.session(server, database, workshop.host) as conversation:
        version = psql.server_version(conversation)
        if version > tool:
            raise ActionFailed(f"pg_dump is of version {tool}, expected {version} or newer, as the server is")
        command = dump_command(server, workshop.host, database, psql.begin(conversation))
        expected = psql.relations(conversation)
        rows = psql.rows(conversation, source.server["rows"], workshop.pulse)
        raw, written = pour(command, path, workshop)
    found = contents(path, workshop.codec.compression.name, server.bin_dir, workshop.host)
    _require_complete(database, found, expected)
    payload = workshop.payload(path.name, "dump", written)
    facts = {"payload": payload.name, "server_version": version, "objects": found.entries, "rows": rows}
    return Dumped(payload, raw, facts)


def _require_complete(database: str, found: Contents, expected: list[Relation]) -> None:
    """Raise ActionFailed where a dump holds nothing, or lacks a relation that the database had in the same snapshot."""
    missing = [relation.name for relation in expected if relation.id not in found.relations]
    if missing:
        share = f"{len(missing)} of {len(expected)} relations"
        raise ActionFailed(f"the dump of {database} lacks {share}, among them {missing[0]}")
    if found.entries == 0:
        raise ActionFailed(f"the dump of {database} holds no objects at all")


def _dump_globals(server: Server, source: Source, workshop: Workshop) -> Payload:
    path = workshop.folder / f"globals.sql{workshop.codec.suffix}"
    command = globals_command(server, workshop.host, role_passwords=source.server["role_passwords"])
    _raw, written = pour(command, path, workshop)
    return workshop.payload(path.name, "globals", written)
