# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking a SQLite source: a copy of the live database, looked at, then packed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from ....errors import ActionFailed, SourceMissing
from ....host import Host
from ...streams.sink import Sink, writing
from ...streams.stage import CHUNK
from ..records import Notes, Payload, Source, Taken, Workshop
from .examine import Examined, examine, open_copy, quick_check
from .snapshot import snapshot


def measure(source: Source, _protected: frozenset[str], _host: Host) -> int:
    """Return the bytes of a database with its log. Raise SourceMissing where there is none."""
    path = source.paths[0]
    return _status(path).st_size + sum(os.path.getsize(log) for log in (f"{path}-wal",) if os.path.exists(log))


def take(source: Source, workshop: Workshop) -> Taken:
    """Copy a live database, check and describe the copy, pack it, and return what was taken.

    Raise ActionFailed where the database is damaged: a faithful copy of damage is no backup.
    """
    path, scratch = source.paths[0], workshop.folder / "scratch"
    status = _status(path)
    how = snapshot(path, scratch, workshop.pulse)
    examined = _examined(path, scratch)
    size = scratch.stat().st_size
    payload, sha256 = _pack(scratch, workshop)
    scratch.unlink()
    facts = {"path": path, "size": size, "sha256": sha256, "copied": how, **_attributes(status), **_described(examined)}
    rows = sum(count or 0 for count in examined.rows.values())
    return Taken((payload,), rows, size, examined.live_bytes, facts, Notes())


def _status(path: str) -> os.stat_result:
    if not os.path.isfile(path):
        raise SourceMissing(path)
    return os.stat(path)


def _attributes(status: os.stat_result) -> dict[str, Any]:
    return {
        "mode": status.st_mode & 0o7777,
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime_ns": status.st_mtime_ns,
    }


def _described(examined: Examined) -> dict[str, Any]:
    return {
        "quick_check": "ok",
        "rows": examined.rows,
        "schema_sha256": examined.schema_sha256,
        "user_version": examined.user_version,
    }


def _examined(path: str, scratch: Path) -> Examined:
    with open_copy(scratch) as copy:
        wrong = quick_check(copy)
        if wrong:
            raise ActionFailed(f"{path} is damaged, quick_check says: {'; '.join(wrong)}")
        return examine(copy)


def _pack(scratch: Path, workshop: Workshop) -> tuple[Payload, str]:
    """Compress the copy; return its payload and the checksum of the copy itself."""
    packed = workshop.folder / f"database.sqlite{workshop.codec.suffix}"
    with writing(packed, workshop.codec, workshop.host) as sink:
        sha256 = _pour(scratch, sink, workshop)
        written = sink.close()
    return workshop.payload(packed.name, "database", written), sha256


def _pour(source: Path, sink: Sink, workshop: Workshop) -> str:
    digest = hashlib.sha256()
    with source.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            sink.write(chunk)
            workshop.pulse()
    return digest.hexdigest()
