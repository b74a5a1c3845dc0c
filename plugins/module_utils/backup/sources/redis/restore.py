# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a Redis source beside: the file that a server loads at its start, with the keys that the manifest says.

A server that keeps an append-only file ignores this one as long as it does: it is started with ``appendonly no``, and
told ``CONFIG SET appendonly yes`` once it has loaded.
"""

# pylint does not see that our errors are exceptions.
# pylint: disable=bad-exception-cause
from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ....errors import ActionFailed
from ...errors import Unreadable
from ...model import Notes, SourceCopy
from ...stage import CHUNK
from ...streams import reading
from ..files.destination import write_all
from ..files.unpack import require_room
from ..model import Bench, Reader, Restored
from .verify import judge

FILE = "dump.rdb"


def restore(entry: SourceCopy, reader: Reader, into: Path, bench: Bench) -> Restored:
    """Write the file as FILE into an empty folder of ours, prove that it is the one that was taken, and give it its
    rights and owner. Raise ActionFailed where it is another, or is damaged.
    """
    require_room(int(entry.facts["size"]), into)
    path, notes = into / FILE, Notes()
    sha256 = _unpack(entry, reader, path, bench)
    wrong = judge(path, sha256, entry, bench.host)
    if wrong:
        raise ActionFailed(f"{entry.name} {wrong[0]}: restore from another set")
    _own(path, entry, notes)
    if entry.facts["appendonly"]:
        notes.add("appendonly", f"{entry.name}: start its server with appendonly no, then CONFIG SET appendonly yes")
    proof = {"file": FILE, "sha256": sha256, "rows": entry.facts["rows"], "crc64": entry.facts["crc64"]}
    return Restored(entry, entry.things, notes, proof)


def _unpack(entry: SourceCopy, reader: Reader, path: Path, bench: Bench) -> str:
    """Write the file; return its checksum. Raise ActionFailed where it has more bytes than was declared."""
    payload, left, digest = entry.payload("rdb"), int(entry.facts["size"]), hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with reader.payload(payload.name) as packed, reading(packed, entry.compression, bench.host) as stream:
            while chunk := stream.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise ActionFailed(f"{payload.name} unpacks to more than the {entry.facts['size']} bytes declared")
                digest.update(chunk)
                write_all(descriptor, chunk)
                bench.pulse()
    except Unreadable as error:
        raise ActionFailed(str(error)) from error
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _own(path: Path, entry: SourceCopy, notes: Notes) -> None:
    facts = entry.facts
    if hasattr(os, "geteuid"):
        if os.geteuid() == 0:
            os.chown(path, int(facts["uid"]), int(facts["gid"]))
        elif (facts["uid"], facts["gid"]) != (os.geteuid(), os.getegid()):
            notes.add("owner", entry.name)
    os.chmod(path, int(facts["mode"]) & 0o777)
    os.utime(path, ns=(int(facts["mtime_ns"]), int(facts["mtime_ns"])))
