# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a SQLite source beside: one file, without a log or a journal, that SQLite finds sound and that has the
schema and the rows that the manifest says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ....errors import ActionFailed
from ...model import Notes, SourceCopy
from ..files.unpack import require_room
from ..model import Bench, Reader, Restored
from ..single import give_back, unpack_to
from .examine import check, examine, open_copy
from .snapshot import WITH_LOG, set_formats
from .verify import NOT_UNDERSTOOD

FILE = "database.sqlite"  # what it is called in the folder, whatever it was called
WAL, ROLLBACK, UNKNOWN = "wal", "rollback journal", "unknown"
# How it was copied tells how it was written: see snapshot.py. What a crash left was copied as it was.
JOURNALS = {"log": WAL, "steps": ROLLBACK, "held": ROLLBACK}


def restore(entry: SourceCopy, reader: Reader, into: Path, bench: Bench) -> Restored:
    """Write a database as FILE into an empty folder of ours, prove that it is the one that was taken, and give it its
    rights, owner and journal mode. The copy has no log: what lies beside the live one belongs to another state.

    Raise ActionFailed where it is another, or is not sound.
    """
    require_room(int(entry.facts["size"]), into)
    path = into / FILE
    sha256 = unpack_to(path, entry, "database", reader, bench)
    if sha256 != entry.facts["sha256"]:
        raise ActionFailed(f"{entry.name} unpacks to another content than was packed: restore from another set")
    proof = {"file": FILE, "sha256": sha256, **_proved(path, entry, bench)}
    notes = Notes()
    proof["journal_mode"] = _with_journal(path, entry, notes)
    give_back(path, entry, notes)
    if "rows" not in entry.facts:
        notes.add("rows", f"{entry.name}: they were not counted when it was copied, so they are not compared")
    rows = sum(count or 0 for count in proof["rows"].values())
    return Restored(entry, rows, notes, proof)


def _proved(path: Path, entry: SourceCopy, bench: Bench) -> dict[str, Any]:
    """Return what was compared of a database. Raise ActionFailed where something of it is not as it was taken."""
    unread = "unread" in entry.facts
    with open_copy(path) as connection:
        checked = check(connection, str(path), thorough=True)
        wrong = [line for line in checked.wrong if not (unread and line.startswith(NOT_UNDERSTOOD))]
        if wrong:
            raise ActionFailed(f"{entry.name} is damaged, integrity_check says: {'; '.join(wrong)}")
        if checked.unread and not unread:
            raise ActionFailed(f"{entry.name} cannot be read here, so nothing is proved: {checked.unread}")
        bench.pulse()
        found = examine(connection)
    if found.schema_sha256 != entry.facts.get("schema_sha256", found.schema_sha256):
        raise ActionFailed(f"{entry.name} has another schema than when it was taken")
    if found.rows != entry.facts.get("rows", found.rows):
        raise ActionFailed(f"{entry.name} has other rows than when it was taken: {_difference(found.rows, entry)}")
    result = "not possible" if checked.unread else "ok"
    return {"integrity_check": result, "rows": found.rows, "schema_sha256": found.schema_sha256}


def _difference(rows: dict[str, Any], entry: SourceCopy) -> str:
    expected = entry.facts["rows"]
    table = next(name for name in {**expected, **rows} if expected.get(name) != rows.get(name))
    return f"{table} has {rows.get(table)}, expected {expected.get(table)}"


def _with_journal(path: Path, entry: SourceCopy, notes: Notes) -> str:
    """Have a database say whether it is written with a log, as it was; return it."""
    mode = JOURNALS.get(str(entry.facts.get("copied")), UNKNOWN)
    if mode == WAL:
        set_formats(path, WITH_LOG)
    elif mode == UNKNOWN:
        notes.add("journal", f"how {entry.name} was written is not known: it has a rollback journal now")
    return mode
