# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A conversation with psql in one transaction, whose snapshot pg_dump shares: rows counted here are the rows dumped."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from ....errors import ToolFailed
from ....host import Host
from ...streams.stage import Stage
from . import queries
from .parse import Relation, parse_names, parse_relations, parse_rows
from .server import Server


class Session:
    """An open conversation. ``ask`` raises ToolFailed, with what the server said, where a question fails."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def ask(self, query: str) -> list[str]:
        """Given a query, or several, return the lines of the answer."""
        end = f"end-{secrets.token_hex(8)}"
        ending = "" if query.endswith("\\gexec") else ";"
        self._tell(f"{query}{ending}\n\\echo {end}\n")
        lines: list[str] = []
        while (line := self._line()) != end:
            lines.append(line)
        return lines

    def _line(self) -> str:
        """Return the next line of the answer; that of Windows ends with two characters."""
        line = self._stage.give.readline()
        if not line:
            self._explain()
        return line.decode("utf-8", "replace").rstrip("\r\n")

    def _tell(self, text: str) -> None:
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
    """Given a server and a database, yield a conversation with it."""
    command = server.command(host, "psql", "-XwAtq", "-v", "ON_ERROR_STOP=1", database=database)
    stage = Stage(command.argv, host, fed=True, env=command.environment, name=command.tool)
    try:
        yield Session(stage)
    finally:
        stage.abandon()


def databases(server: Server, host: Host) -> list[str]:
    """Return the names of all databases that can be connected to, templates aside."""
    with session(server, "postgres", host) as conversation:
        return parse_names(conversation.ask(queries.DATABASES))


def server_version(conversation: Session) -> int:
    """Return the server's major version."""
    return int(parse_names(conversation.ask(queries.VERSION))[0])


def database_bytes(server: Server, names: list[str], host: Host) -> int:
    """Return what databases take on the server's disk, in bytes."""
    with session(server, names[0], host) as conversation:
        quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
        answer = parse_names(conversation.ask(queries.SIZE.format(names=f"ARRAY[{quoted}]::name[]")))
    return int(answer[0]) if answer[0] != "None" else 0


def begin(conversation: Session, lock_wait_seconds: int) -> str:
    """Begin the transaction that the dump stands on, and return its snapshot's name."""
    conversation.ask(queries.BEGIN.format(lock_wait=lock_wait_seconds * 1000))
    return parse_names(conversation.ask(queries.SNAPSHOT))[0]


def relations(conversation: Session) -> list[Relation]:
    """Return the relations that a dump of this database has to hold."""
    return parse_relations(conversation.ask(queries.RELATIONS))


def rows(conversation: Session, how: str) -> dict[str, int]:
    """Return the rows of each table: ``exact``, ``estimated`` by the server, or with ``none`` nothing."""
    asked = {"exact": queries.ROWS_EXACT, "estimated": queries.ROWS_ESTIMATED}
    return parse_rows(conversation.ask(asked[how])) if how in asked else {}
