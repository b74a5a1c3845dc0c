# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a Redis source beside: the file that a server loads at its start, with the keys that the manifest says.

A server that keeps an append-only file ignores this one as long as it does: it is started with ``appendonly no``, and
told ``CONFIG SET appendonly yes`` once it has loaded.
"""

from __future__ import annotations

from pathlib import Path

from ....errors import ActionFailed
from ...model import Notes, SourceCopy
from ..files.unpack import require_room
from ..model import Bench, Reader, Restored
from ..single import give_back, unpack_to
from .verify import judge

FILE = "dump.rdb"


def restore(entry: SourceCopy, reader: Reader, into: Path, bench: Bench) -> Restored:
    """Write the file as FILE into an empty folder of ours, prove that it is the one that was taken, and give it its
    rights and owner. Raise ActionFailed where it is another, or is damaged.
    """
    require_room(int(entry.facts["size"]), into)
    path, notes = into / FILE, Notes()
    sha256 = unpack_to(path, entry, "rdb", reader, bench)
    wrong = judge(path, sha256, entry, bench.host)
    if wrong:
        raise ActionFailed(f"{entry.name} {wrong[0]}: restore from another set")
    give_back(path, entry, notes)
    if entry.facts["appendonly"]:
        notes.add("appendonly", f"{entry.name}: start its server with appendonly no, then CONFIG SET appendonly yes")
    proof = {"file": FILE, "sha256": sha256, "rows": entry.facts["rows"], "crc64": entry.facts["crc64"]}
    return Restored(entry, entry.things, notes, proof)
