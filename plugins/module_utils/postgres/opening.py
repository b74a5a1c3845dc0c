# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every session on a PostgreSQL server begins with, whatever opens it: psycopg2, psql, pg_dump or vacuumdb.

The owner of a database chooses settings for everybody who connects to it (ALTER DATABASE ... SET). With a search_path
of his, a plain name in a query of ours would mean a function of his, and it would run as us. So the settings here go
with the connection itself, which outranks his, and are set once more as the first statement, because a pooler may keep
the first from the server. SET and SHOW look no function up, so nothing of his can run before they have taken effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import CoreError

CONNECT_S = 10
APPLICATION = "cryptobot.maintenance"
LONGEST_MS = 2**31 - 1  # a timeout of the server's is a 32-bit number of milliseconds


class Limits(NamedTuple):
    """How long a statement may take, and how long it may wait for a lock, in seconds (0: no limit); whether it reads
    alone.
    """

    statement_s: float = 0.0
    lock_s: float = 0.0
    read_only: bool = False


class NotOurs(CoreError):
    """The session did not take our settings on, so nothing may be asked over it."""

    def __init__(self, where: str, path: str) -> None:
        super().__init__(
            f"{where}: the session's search_path is {path!r}, expected an empty one: "
            "a pooler that gives each statement another session cannot be used; connect to the server itself"
        )


def settings(limits: Limits) -> dict[str, str]:
    """Return the settings of a session, by name. Every server since 9.6 knows them."""
    return {
        "search_path": "",  # pg_catalog alone
        "role": "none",  # the login itself: an owner may choose another role for whoever connects
        "row_security": "off",  # rows that a policy would hide are an error, and no policy's function runs
        "standard_conforming_strings": "on",  # else a backslash in a name would end our quoting
        "quote_all_identifiers": "off",
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        "default_transaction_read_only": "on" if limits.read_only else "off",
        "statement_timeout": str(_milliseconds(limits.statement_s)),
        "lock_timeout": str(_milliseconds(limits.lock_s)),
        "idle_in_transaction_session_timeout": "0",
    }


def _milliseconds(seconds: float) -> int:
    return min(LONGEST_MS, max(1, int(seconds * 1000))) if seconds > 0 else 0


def options(limits: Limits) -> str:
    """Return the settings as libpq takes them with the connection (PGOPTIONS)."""
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings(limits).items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def first_statements(limits: Limits) -> str:
    """Return the settings as the first statements of a session."""
    return "; ".join(f"SET {name} = '{value}'" for name, value in settings(limits).items())


PROOF = "SHOW search_path"
_EMPTY = ("", '""')

# Settings of newer servers, asked for by name because an older one refuses a connection that names them. The last one
# keeps a view that was put in the place of a table from being read: its functions would run as whoever reads it.
LATER = """
SELECT pg_catalog.set_config(s.name, v.value, false)
  FROM pg_catalog.pg_settings s
  JOIN (VALUES ('idle_session_timeout', '0'), ('transaction_timeout', '0'),
               ('restrict_nonsystem_relation_kind', 'view, foreign-table')) v (name, value)
    ON v.name OPERATOR(pg_catalog.=) s.name
"""


def prove(where: str, answer: Iterable[str]) -> None:
    """Given what a session answered to PROOF, raise NotOurs unless it has our settings."""
    path = ", ".join(answer)
    if path not in _EMPTY:
        raise NotOurs(where, path)


def environment(values: Mapping[str, str], limits: Limits) -> dict[str, str]:
    """Given libpq's variables that lead to a server, return the environment in which its tools open their sessions.

    Those without a value are left to libpq's defaults.
    """
    known = {name: value for name, value in values.items() if value}
    ours = {"PGOPTIONS": options(limits), "PGAPPNAME": APPLICATION, "PGCONNECT_TIMEOUT": str(CONNECT_S)}
    return {**known, **ours}
