# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is one packed file in a set, a SQLite database or a Redis dump: unpacked to be looked at, or to be restored.

Whatever the packed file says, no more bytes are written than the manifest declares.
"""

# pylint does not see that our errors are exceptions.
# pylint: disable=bad-exception-cause
from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from ...errors import ActionFailed
from ...units import human_bytes
from ..errors import CannotJudge, Unreadable
from ..model import Notes, SourceCopy
from ..scratch import owned_folder
from ..stage import CHUNK
from ..streams import reading
from .files.destination import write_all
from .model import Bench, Reader
from .owners import numbers_of


class Unpacked(NamedTuple):
    """A file that was unpacked, and its checksum."""

    path: Path
    sha256: str


@contextmanager
def unpacked(entry: SourceCopy, role: str, bench: Bench) -> Iterator[Unpacked]:
    """Yield the one file of a source, unpacked into scratch; it is gone afterwards.

    Raise Unreadable where it cannot be unpacked, CannotJudge where there is no room for it that is ours.
    """
    payload, size = entry.payload(role), int(entry.facts["size"])
    free = shutil.disk_usage(bench.scratch).free
    if free < size:
        has, needs = human_bytes(free), human_bytes(size)
        raise CannotJudge(f"{bench.scratch} has {has} free, {payload.name} unpacks to {needs}")
    if bench.doubt:
        raise CannotJudge(f"nothing is unpacked into {bench.scratch}: {bench.doubt}")
    with owned_folder(bench.scratch, bench.host) as folder:
        path = folder / "unpacked"
        yield Unpacked(path, _unpack_for(path, entry, payload.name, bench))


def _unpack_for(path: Path, entry: SourceCopy, name: str, bench: Bench) -> str:
    """Write what a file unpacks to; return its checksum. Raise CannotJudge where that is not to be had here."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)

    def put(chunk: bytes) -> None:
        try:
            write_all(handle, chunk)
        except OSError as error:
            raise CannotJudge(f"{bench.scratch} could not take the unpacked copy: {error}") from error

    try:
        with reading(bench.folder / name, entry.compression, bench.host) as stream:
            return _pass_on(stream, put, entry, name, bench)
    finally:
        os.close(handle)


def unpack_to(path: Path, entry: SourceCopy, role: str, reader: Reader, bench: Bench) -> str:
    """Write the one file of a source to a path where nothing is; return its checksum. Raise ActionFailed."""
    payload = entry.payload(role)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with reader.payload(payload.name) as packed, reading(packed, entry.compression, bench.host) as stream:
            return _pass_on(stream, lambda chunk: write_all(handle, chunk), entry, payload.name, bench)
    except Unreadable as error:
        raise ActionFailed(str(error)) from error
    finally:
        os.close(handle)


def _pass_on(stream: IO[bytes], put: Callable[[bytes], None], entry: SourceCopy, name: str, bench: Bench) -> str:
    left, digest = int(entry.facts["size"]), hashlib.sha256()
    while chunk := stream.read(CHUNK):
        left -= len(chunk)
        if left < 0:
            raise ActionFailed(f"{name} unpacks to more than the {entry.facts['size']} bytes declared")
        digest.update(chunk)
        put(chunk)
        bench.pulse()
    return digest.hexdigest()


def give_back(path: Path, entry: SourceCopy, notes: Notes) -> None:
    """Give a restored file the owner, rights and time that it had, as far as they are known; note what is not given."""
    facts = entry.facts
    if hasattr(os, "geteuid") and "uid" in facts:
        numbers = numbers_of(facts)
        if os.geteuid() == 0:
            os.chown(path, *numbers)
        elif numbers != (os.geteuid(), os.getegid()):
            notes.add("owner", entry.name)
    if "mode" in facts:
        os.chmod(path, int(facts["mode"]) & 0o777)
    if "mtime_ns" in facts:
        os.utime(path, ns=(int(facts["mtime_ns"]), int(facts["mtime_ns"])))
