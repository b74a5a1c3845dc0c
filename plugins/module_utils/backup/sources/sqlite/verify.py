# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving that a packed SQLite database opens: unpacked into scratch, compared, and looked at by SQLite."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

from ....units import human_bytes
from ...errors import CannotJudge
from ...model import SourceCopy
from ...stage import CHUNK
from ...streams import reading
from ..model import Bench
from .examine import check, open_copy, pragma, schema_sha256

NOT_UNDERSTOOD = "malformed database schema"  # as it was when the copy was taken, where the manifest says so


def verify(entry: SourceCopy, bench: Bench) -> list[str]:
    """Given a SQLite source of a set, return what does not hold of its content, its structure or its schema.

    Of one that could not be read where it was taken (``unread``) no more is demanded than that the bytes are the same
    and that what can be read of it is sound.
    Raise Unreadable where it cannot be unpacked, CannotJudge where there is no room for it that is ours.
    """
    payload, size = entry.payload("database"), int(entry.facts["size"])
    free = shutil.disk_usage(bench.scratch).free
    if free < size:
        has, needs = human_bytes(free), human_bytes(size)
        raise CannotJudge(f"{bench.scratch} has {has} free, {payload.name} unpacks to {needs}")
    if bench.doubt:
        raise CannotJudge(f"nothing is unpacked into {bench.scratch}: {bench.doubt}")
    handle, name = tempfile.mkstemp(prefix="cryptobot-", suffix=".sqlite", dir=bench.scratch)
    try:
        packed = bench.folder / payload.name
        with os.fdopen(handle, "wb") as copy, reading(packed, entry.compression, bench.host) as stream:
            sha256 = _unpack(stream, copy, bench)
        return _judge(Path(name), sha256, entry, thorough=bench.thorough)
    finally:
        os.unlink(name)


def _unpack(stream: IO[bytes], copy: IO[bytes], bench: Bench) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
        _store(chunk, copy, bench)
        bench.host.remaining()
    return digest.hexdigest()


def _store(chunk: bytes, copy: IO[bytes], bench: Bench) -> None:
    try:
        copy.write(chunk)
    except OSError as error:
        raise CannotJudge(f"{bench.scratch} could not take the unpacked copy: {error}") from error


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
