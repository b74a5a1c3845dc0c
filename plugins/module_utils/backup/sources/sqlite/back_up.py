# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking a SQLite source: a copy of the live database, looked at, then packed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from ....errors import ActionFailed
from ....host import Host
from ....sqlite_place import locate
from ...declared import Source
from ...model import Notes, Payload, SourceCopy
from ...stage import CHUNK
from ...streams import Sink, writing
from ..model import Size, Workshop
from ..owners import owner_facts
from .examine import Checked, Examined, check, examine, open_copy
from .snapshot import snapshot


def measure(source: Source, _protected: frozenset[str], _host: Host) -> int:
    """Return the bytes of a database with its log. Raise SourceMissing where there is none, SourceDenied
    where it is not to be opened.
    """
    path = locate(source.paths[0]).path  # the log lies beside the file itself
    return sum(os.path.getsize(name) for name in (path, f"{path}-wal") if os.path.exists(name))


def back_up(source: Source, workshop: Workshop) -> SourceCopy:
    """Copy a live database, check and describe the copy, pack it, and return what was taken.

    Raise ActionFailed where the database is damaged: a faithful copy of damage is no backup.
    """
    path, scratch = source.paths[0], workshop.folder / "scratch"
    status = os.lstat(locate(path).path)
    how = snapshot(path, scratch, source.lock_wait, workshop.pulse, workshop.host)
    checked, examined = _examined(path, scratch)
    size = scratch.stat().st_size
    payload, sha256 = _pack(scratch, workshop)
    scratch.unlink()
    facts = {
        "path": path,
        "size": size,
        "sha256": sha256,
        "copied": how,
        **_attributes(status),
        **_described(checked, examined),
    }
    rows = sum(count or 0 for count in examined.rows.values())
    return workshop.entry(source, (payload,), Size(rows, size, examined.live_bytes), facts, Notes())


def _attributes(status: os.stat_result) -> dict[str, Any]:
    return {
        "mode": status.st_mode & 0o7777,
        **owner_facts(status),
        "mtime_ns": status.st_mtime_ns,
    }


def _described(checked: Checked, examined: Examined) -> dict[str, Any]:
    unread = {"unread": checked.unread} if checked.unread else {}
    return {
        **unread,
        "quick_check": "not possible" if unread else "ok",
        "rows": examined.rows,
        "schema_sha256": examined.schema_sha256,
        "user_version": examined.user_version,
    }


def _examined(path: str, scratch: Path) -> tuple[Checked, Examined]:
    with open_copy(scratch) as copy:
        checked = check(copy, path)
        if checked.wrong:
            raise ActionFailed(f"{path} is damaged, quick_check says: {'; '.join(checked.wrong)}")
        return checked, examine(copy)


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
