# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SQL that pg_dumpall and pg_restore print, taken apart: the roles that a server lacks, and what belongs to a database
as a whole. Nothing here asks a server.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

# A comment, a command of psql's, a string (with backslashes where an E is before it), a quoted name, an end, the rest.
_PART = re.compile(r"""--[^\n]*|\\[^\n]*|\b[Ee]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|;|\w+|.""", re.DOTALL)
_IDENT = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
_CREATE_ROLE = re.compile(rf"CREATE ROLE ({_IDENT})")
_OF_ROLE = re.compile(rf"(?:ALTER ROLE|COMMENT ON ROLE) ({_IDENT}) (?!IN DATABASE)", re.DOTALL)
_MEMBER = re.compile(rf"GRANT ({_IDENT}) TO ({_IDENT})(?: |$)")
_TABLESPACE = re.compile(rf"CREATE TABLESPACE ({_IDENT}) ")
_OF_DATABASE = re.compile(
    r"((?:CREATE|ALTER|COMMENT ON) DATABASE |(?:GRANT|REVOKE) [A-Z, ]+ ON DATABASE "
    rf"|ALTER ROLE {_IDENT} IN DATABASE )({_IDENT})( .*)",
    re.DOTALL,
)
# What a new database has to have from the beginning; where it lies is this server's matter.
_FROM_THE_BEGINNING = re.compile(
    r" (ENCODING|LOCALE_PROVIDER|LOCALE|LC_COLLATE|LC_CTYPE|ICU_LOCALE|ICU_RULES|BUILTIN_LOCALE) = ('(?:[^']|'')*'|\w+)"
)


def statements(text: str) -> Iterator[str]:
    """Given SQL, yield its statements, without comments and commands of psql's."""
    parts: list[str] = []
    for part in _PART.findall(text):
        if part == ";":
            yield "".join(parts).strip()
            parts = []
        elif not part.startswith(("--", "\\")):
            parts.append(part)


def plain(ident: str) -> str:
    """Given a name as SQL has it, return the name."""
    return ident[1:-1].replace('""', '"') if ident.startswith('"') else ident


class Globals(NamedTuple):
    """What pg_dumpall tells of a server: its roles and tablespaces, and the statements that make the roles."""

    roles: tuple[str, ...]
    tablespaces: tuple[str, ...]
    statements: tuple[str, ...]

    def making(self, missing: Collection[str]) -> Iterator[str]:
        """Yield the statements that make some of the roles what they were; none changes another role."""
        for statement in self.statements:
            made, of, member = (form.match(statement) for form in (_CREATE_ROLE, _OF_ROLE, _MEMBER))
            if ((made or of) and plain((made or of)[1]) in missing) or (member and plain(member[2]) in missing):  # type: ignore[index]  # one of them is there
                yield statement


def parse_globals(text: str) -> Globals:
    """Given what ``pg_dumpall --globals-only`` prints, return it."""
    found = tuple(statements(text))
    roles = tuple(plain(match[1]) for one in found if (match := _CREATE_ROLE.fullmatch(one)))
    return Globals(roles, tuple(plain(match[1]) for one in found if (match := _TABLESPACE.match(one))), found)


# Lines of a dump's table of contents: the database itself, its settings, who may connect to it.
_DATABASE_ENTRY = re.compile(
    r"^\d+; \d+ \d+ (?:DATABASE|DATABASE PROPERTIES|(?:ACL|COMMENT|SECURITY LABEL) - DATABASE) .*$", re.MULTILINE
)
_RELATION_ENTRY = re.compile(r"^\d+; 1259 \d+ (?:TABLE|VIEW|MATERIALIZED VIEW|SEQUENCE|FOREIGN TABLE) ", re.MULTILINE)
_EXTENSION_ENTRY = re.compile(r"^\d+; 3079 \d+ EXTENSION - (.*?) *$", re.MULTILINE)
_DATA_ENTRY = re.compile(r"\d+; \d+ \d+ TABLE DATA (.*)")
# What of a table needs the rows of others, or would run the code of a user's.
_NEEDS_OTHERS = re.compile(r"\d+; \d+ \d+ (?:FK CONSTRAINT|TRIGGER|EVENT TRIGGER|MATERIALIZED VIEW DATA) ")


class Listing(NamedTuple):
    """A dump's table of contents, as pg_restore prints it."""

    text: str

    @property
    def relations(self) -> int:
        """How many tables, views, sequences and foreign tables it makes."""
        return len(_RELATION_ENTRY.findall(self.text))

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions that it needs."""
        return tuple(_EXTENSION_ENTRY.findall(self.text))

    @property
    def of_database(self) -> str:
        """The lines of the database itself."""
        return "\n".join(_DATABASE_ENTRY.findall(self.text)) + "\n"

    def with_rows_of(self, tables: Collection[str]) -> str:
        """Return the lines that make all of the schema, and the rows of some tables alone."""
        wanted = tuple(" ".join(split_name(table)) + " " for table in tables)
        lines = [line for line in self.text.splitlines() if not line.startswith(";")]
        rows = {line: found[1] for line in lines if (found := _DATA_ENTRY.match(line))}
        kept = [
            line for line in lines if rows.get(line, wanted[0]).startswith(wanted) and not _NEEDS_OTHERS.match(line)
        ]
        return "\n".join(kept) + "\n"


def split_name(name: str) -> tuple[str, str]:
    """Given a table as the manifest writes it (``public."Odd name"``), return its schema and its name as they are."""
    found = re.fullmatch(rf"({_IDENT})\.({_IDENT})", name)
    return (plain(found[1]), plain(found[2])) if found else ("", name)


class Made(NamedTuple):
    """How a database is made anew under another name: what it has from the beginning, and what is set afterwards."""

    beginning: str
    afterwards: tuple[str, ...]


def parse_making(sql: str, scratch: str) -> Made:
    """Given the SQL that makes a database, return how one of another name is made like it."""
    beginning, afterwards = "", []
    for statement in statements(sql):
        found = _OF_DATABASE.fullmatch(statement)
        if found is None:
            continue
        if found[1].startswith("CREATE"):
            beginning = "".join(f" {key} = {value}" for key, value in _FROM_THE_BEGINNING.findall(found[3]))
        else:
            afterwards.append(f"{found[1]}{scratch}{found[3]}")
    return Made(beginning, tuple(afterwards))
