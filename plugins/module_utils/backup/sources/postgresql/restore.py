# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a PostgreSQL source beside: each database as a new one of its own, by the server's pg_restore, which stops
at the first error; then its rows, tables and extensions are compared with the manifest.

No database that is there is touched. What was made is dropped again where anything fails. Roles are of the whole
server: those that it lacks are made only where that was asked for, and none that is there is changed.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ....errors import ActionFailed, CoreError, ToolFailed
from ....host import Host
from ....postgres.opening import Limits
from ...errors import CannotRestore, Unreadable
from ...model import Notes, SourceCopy
from ...stage import CHUNK, Stage
from ...streams import COMPRESSIONS, reading
from ..model import Bench, Reader, Restored
from . import session as psql
from .dump import as_list, as_sql, feed
from .parse import parse_names, parse_tool_version
from .server import Command, Server, server_of
from .statements import Globals, Listing, parse_globals, parse_making

PREFIX = "cryptobot_restore_"
_TAG = re.compile(r"[a-z0-9_]{1,32}")
_NAME = re.compile(r"[a-z0-9_]{1,63}")
FORCING = 13  # the first version that ends the sessions of a database that is dropped
_DATABASES = "SELECT pg_catalog.json_build_array(datname) FROM pg_catalog.pg_database"
_ROLES = "SELECT pg_catalog.json_build_array(rolname) FROM pg_catalog.pg_roles"
_TABLESPACES = "SELECT pg_catalog.json_build_array(spcname) FROM pg_catalog.pg_tablespace"
_EXTENSIONS = "SELECT pg_catalog.json_build_array(name) FROM pg_catalog.pg_available_extensions()"
GLOBALS_LIMIT = 64 << 20  # bytes
WRITING = "SET default_transaction_read_only = off"


def restore(entry: SourceCopy, reader: Reader, _into: Path, bench: Bench) -> Restored:
    """Restore the databases that are selected, each into a new one: ``proof`` has its name by the one that it had.

    Raise CannotRestore where the server cannot take them, ActionFailed where one is not as it was. Then none of the new
    ones is left.
    """
    target = Target(entry, reader, bench)
    names = _selected(entry, bench)
    target.require_able()
    target.see_to_globals()
    try:
        proof = {name: target.restored(name, number) for number, name in enumerate(names, start=1)}
    except BaseException:
        target.drop_all()
        raise
    rows = sum(sum(one["rows"].values()) for one in proof.values())
    return Restored(entry, rows, target.notes, {"databases": proof})


def write_dumps(entry: SourceCopy, reader: Reader, into: Path, bench: Bench) -> None:
    """Write the dumps and the roles of a source into an empty folder, as pg_restore and psql read them by hand.

    No server is asked. Raise ActionFailed where one unpacks to more than was declared, or not at all.
    """
    wanted = {entry.facts["databases"][name]["payload"] for name in _selected(entry, bench)}
    bound = _Bound(entry, bench, GLOBALS_LIMIT)
    for payload in (one for one in entry.payloads if one.role == "globals" or one.name in wanted):
        path = into / payload.name.rpartition("/")[2].removesuffix(COMPRESSIONS[entry.compression].suffix)
        try:
            with reader.payload(payload.name) as packed:
                _unpack(packed, path, entry, bench, bound)
        except Unreadable as error:
            raise ActionFailed(str(error)) from error  # pylint: disable=bad-exception-cause


def _unpack(packed: Path, path: Path, entry: SourceCopy, bench: Bench, bound: _Bound) -> None:
    with reading(packed, entry.compression, bench.host) as stream, open(path, "xb") as file:
        while chunk := stream.read(CHUNK):
            bound(len(chunk))
            file.write(chunk)


def _selected(entry: SourceCopy, bench: Bench) -> list[str]:
    """Return the databases that are wanted, in order. Raise ActionFailed where one is not in the set."""
    known, wanted = sorted(entry.facts["databases"]), bench.selection.databases
    for name in wanted:
        if name not in known:
            raise ActionFailed(f"{entry.name} has no database {name!r}, it has {', '.join(known)}")
    return [name for name in known if not wanted or name in wanted]


class Target:
    """The server that is restored on, and what was made there."""

    def __init__(self, entry: SourceCopy, reader: Reader, bench: Bench) -> None:
        if not bench.server:
            raise CannotRestore(f"{entry.name} needs a PostgreSQL server to be restored on, and none is declared")
        self._entry, self._reader, self._bench = entry, reader, bench
        self._server, self.notes = server_of(bench.server), Notes()
        self._words: list[str] = []
        self._made: list[str] = []

    @contextmanager
    def _session(self, database: str = "") -> Iterator[psql.Session]:
        server, host = self._server, self._bench.host
        with psql.session(server, database, host) if database else psql.maintenance(server, host) as conversation:
            conversation.ask(WRITING)
            yield conversation

    def _names(self, query: str) -> set[str]:
        with self._session() as conversation:
            return set(parse_names(conversation.ask(query)))

    def require_able(self) -> None:
        """Raise CannotRestore where the server, or its pg_restore, is older than what dumped."""
        made_by = int(self._entry.facts["pg_dump"])
        with self._session() as conversation:
            version = psql.server_version(conversation)
        command = self._server.command(self._bench.host, "pg_restore", "--version")
        tool = parse_tool_version(self._bench.host.run(command.argv).stdout)
        for what, has in (("the server", version), ("pg_restore", tool)):
            if has < made_by:
                raise CannotRestore(
                    f"{what} is of version {has} and {self._entry.name} was dumped by pg_dump {made_by}, "
                    f"expected {made_by} or newer: restore on such a server"
                )

    def see_to_globals(self) -> None:
        """Make the roles that the server lacks where that was asked for. Raise CannotRestore where it was not."""
        found = self._globals()
        missing = sorted(set(found.roles) - self._names(_ROLES)) if found.roles else []
        if missing and not self._bench.create_roles:
            raise CannotRestore(
                f"the server lacks the roles {', '.join(missing)} of {self._entry.name}, and none is made"
            )
        if missing:
            self._make_roles(found, missing)
        lacking = sorted(set(found.tablespaces) - self._names(_TABLESPACES)) if found.tablespaces else []
        if lacking:
            self._words.append("--no-tablespaces")
            self.notes.add("tablespace", f"{', '.join(lacking)}: what lay there lies in the default one now")

    def _globals(self) -> Globals:
        payload = next((one for one in self._entry.payloads if one.role == "globals"), None)
        if payload is None:
            self.notes.add("globals", "the set has no roles: those that are missing are not made")
            return Globals((), (), ())
        compression, host = self._entry.compression, self._bench.host
        with self._reader.payload(payload.name) as path, reading(path, compression, host) as stream:
            text = stream.read(GLOBALS_LIMIT + 1)
        if len(text) > GLOBALS_LIMIT:
            raise ActionFailed(f"{payload.name} unpacks to more than {GLOBALS_LIMIT} bytes, which no roles take")
        return parse_globals(text.decode("utf-8", "surrogateescape"))

    def _make_roles(self, found: Globals, missing: Collection[str]) -> None:
        with self._session() as conversation:
            for statement in found.making(missing):
                conversation.ask(statement)
        for role in missing:
            self.notes.add("role", f"{role} was made")
        if not self._entry.facts.get("role_passwords"):
            self.notes.add("password", "the roles that were made have no passwords: the set has none")

    def restored(self, name: str, number: int) -> dict[str, Any]:
        """Restore one database into a new one and return what was compared. Raise ActionFailed where it differs."""
        facts = self._entry.facts["databases"][name]
        with self._reader.payload(facts["payload"]) as path:
            listing = Listing(as_list(path, self._entry.compression, self._server.bin_dir, self._bench.host))
            self._require_extensions(name, listing)
            tables = self._tables(name, facts)
            scratch, settings = self._make_database(path, listing, number)
            self._fill(scratch, path, listing, tables)
        compared = self._compared(name, scratch, listing, tables)
        with self._session() as conversation:
            for statement in settings:
                conversation.ask(statement)
        return {"scratch": scratch, **compared}

    def _require_extensions(self, name: str, listing: Listing) -> None:
        missing = sorted(set(listing.extensions) - self._names(_EXTENSIONS)) if listing.extensions else []
        if missing:
            raise CannotRestore(
                f"the database {name} needs the extensions {', '.join(missing)}, which this server does not have: "
                "install the packages that bring them"
            )

    def _make_database(self, path: Path, listing: Listing, number: int) -> tuple[str, tuple[str, ...]]:
        """Make a new, empty database like the one that was dumped; return its name, and what is to be set at last."""
        scratch = f"{PREFIX}{self._tag()}_{number}"
        sql = as_sql(path, self._entry.compression, self._server.bin_dir, self._bench.host, listing.of_database)
        made = parse_making(sql, scratch)
        with self._session() as conversation:
            if scratch in parse_names(conversation.ask(_DATABASES)):
                raise ActionFailed(f"the database {scratch} is there already: it is not touched")
            try:
                conversation.ask(f"CREATE DATABASE {scratch} TEMPLATE template0{made.beginning}")
            except ToolFailed as error:  # such as a collation that this system does not have
                raise CannotRestore(f"no database like that of {path.name} can be made here: {error}") from error
            self._made.append(scratch)
        return scratch, made.afterwards

    def _tag(self) -> str:
        tag = self._bench.tag or self._reader.manifest.id.lower().replace("-", "_")
        if not _TAG.fullmatch(tag):
            raise ActionFailed(f"the tag {tag!r} of the new databases is none, expected 1 to 32 of a-z, 0-9 and _")
        return tag

    def _tables(self, name: str, facts: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the tables that are wanted of a database. Raise ActionFailed where it has no such one."""
        wanted = self._bench.selection.tables
        for table in wanted:
            if table not in facts["rows"]:
                raise ActionFailed(f"the database {name} has no table {table!r}, it has {', '.join(facts['rows'])}")
        return wanted

    def _fill(self, scratch: str, path: Path, listing: Listing, tables: Collection[str]) -> None:
        """Have pg_restore fill a database, all of it or the rows of some tables alone."""
        words = ["--exit-on-error", "--no-password", f"--dbname={scratch}", *self._words]
        with _list_for(self._server, listing.with_rows_of(tables) if tables else "") as chosen:
            command = self._writing("pg_restore", *words, *([f"--use-list={chosen}"] if chosen else []))
            stage = Stage(command.argv, self._bench.host, fed=True, env=command.environment, name=command.tool)
            try:
                feed(path, self._entry.compression, self._bench.host, stage, _Bound(self._entry, self._bench))
                stage.finish()
            except ToolFailed as error:
                raise ActionFailed(f"{path.name} could not be restored: {error}") from error
            finally:
                stage.abandon()

    def _writing(self, tool: str, *words: str) -> Command:
        """Return a command whose sessions may write."""
        host = self._bench.host
        limits = Limits(statement_s=host.remaining(), lock_s=self._server.lock_wait)
        command = self._server.command(host, tool, *words)
        return command._replace(environment=self._server.environment("", limits))

    def _compared(self, name: str, scratch: str, listing: Listing, tables: Collection[str]) -> dict[str, Any]:
        """Return what a new database has that is as it was. Raise ActionFailed where something is not."""
        facts = self._entry.facts["databases"][name]
        with self._session(scratch) as conversation:
            relations = len(psql.relations(conversation))
            rows = psql.rows(conversation, "exact", self._bench.pulse)
        if relations != listing.relations:
            raise ActionFailed(f"{name} was restored with {relations} relations, its dump lists {listing.relations}")
        expected = facts["rows"] if self._entry.facts.get("rows_counted") == "exact" else {}
        compared = {table: count for table, count in rows.items() if not tables or table in tables}
        for table in tables or {**expected, **(rows if expected else {})}:
            if expected and rows.get(table) != expected.get(table):
                raise ActionFailed(f"{name}: {table} has {rows.get(table)} rows, expected {expected.get(table)}")
        if not expected:
            self.notes.add("rows", f"{name}: they were not counted when it was dumped, so they are not compared")
        found = {"relations": relations, "extensions": list(listing.extensions), "rows_compared": bool(expected)}
        return {"rows": compared, **found}

    def drop_all(self) -> None:
        """Drop the databases that were made here."""
        with suppress(CoreError):  # the error that led here is the one to report
            drop(self._bench.server, self._made, self._bench.host)


def drop(options: Mapping[str, Any], names: Collection[str], host: Host) -> None:
    """Given a server's options and databases that ``restore`` made there, drop those that are still there.

    Raise ActionFailed for a name that it never gives, ToolFailed where the server refuses.
    """
    for name in names:
        if not name.startswith(PREFIX) or not _NAME.fullmatch(name):
            raise ActionFailed(f"{name!r} is no database that a restore made: it is not dropped")
    server = server_of(options)
    with psql.maintenance(server, host) as conversation:
        conversation.ask(WRITING)
        how = " WITH (FORCE)" if psql.server_version(conversation) >= FORCING else ""
        for name in names:
            conversation.ask(f"DROP DATABASE IF EXISTS {name}{how}")


class _Bound:
    """Counts what a dump unpacks to. Raise ActionFailed beyond what the manifest says of all of them."""

    def __init__(self, entry: SourceCopy, bench: Bench, more: int = 0) -> None:
        self._entry, self._bench, self._left = entry, bench, entry.raw_bytes + more

    def __call__(self, size: int) -> None:
        self._bench.pulse()
        self._left -= size
        if self._left < 0:
            raise ActionFailed(f"{self._entry.name} unpacks to more than the {self._entry.raw_bytes} bytes declared")


@contextmanager
def _list_for(server: Server, lines: str) -> Iterator[str]:
    """Yield a file that has lines of a table of contents and that the tools' account may read; nothing without any."""
    if not lines:
        yield ""
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as chosen:
        chosen.write(lines)
        chosen.flush()
        if server.system_user and os.geteuid() == 0:
            import pwd

            os.fchown(chosen.fileno(), pwd.getpwnam(server.system_user).pw_uid, -1)
        yield chosen.name
