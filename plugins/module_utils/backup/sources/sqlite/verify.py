# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving that a packed SQLite database opens: unpacked into scratch, compared, and looked at by SQLite."""

from __future__ import annotations

from pathlib import Path

from ...errors import CannotJudge
from ...model import SourceCopy
from ..model import Bench
from ..single import unpacked
from .examine import check, open_copy, pragma, schema_sha256

NOT_UNDERSTOOD = "malformed database schema"  # as it was when the copy was taken, where the manifest says so


def verify(entry: SourceCopy, bench: Bench) -> list[str]:
    """Given a SQLite source of a set, return what does not hold of its content, its structure or its schema.

    Of one that could not be read where it was taken (``unread``) no more is demanded than that the bytes are the same
    and that what can be read of it is sound.
    Raise Unreadable where it cannot be unpacked, CannotJudge where there is no room for it that is ours.
    """
    with unpacked(entry, "database", bench) as copy:
        return _judge(copy.path, copy.sha256, entry, thorough=bench.thorough)


def _judge(copy: Path, sha256: str, entry: SourceCopy, *, thorough: bool) -> list[str]:
    payload = entry.payload("database")
    if sha256 != entry.facts["sha256"]:
        return [f"{payload.name} unpacks to something else than was packed"]
    with open_copy(copy) as connection:
        checked = check(connection, str(copy), thorough=thorough)
        unread = "unread" in entry.facts
        if checked.unread and not unread:
            raise CannotJudge(f"{payload.name} cannot be read here: {checked.unread}")
        lines = [line for line in checked.wrong if not (unread and line.startswith(NOT_UNDERSTOOD))]
        wrong = [f"{payload.name}: {pragma(thorough)} says {line}" for line in lines]
        if not wrong and schema_sha256(connection) != entry.facts["schema_sha256"]:
            wrong = [f"{payload.name}: its schema is another than when it was taken"]
    return wrong
