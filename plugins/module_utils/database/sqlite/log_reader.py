# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a reader keeps a write-ahead log from being moved and cut off, seen without touching the database.

A reader holds a lock on one byte of the log's index (the -shm file), and the index says up to which frame the readers
of that lock look (walformat.html, 2.1 and 2.3). The kernel tells who has such a lock, without taking it.
"""

from __future__ import annotations

import importlib
import struct
from typing import Any, NamedTuple, Optional

from ...host import Host
from ...reading import regular
from .model import NO_READER, LogReader

READ_LOCKS = 123  # the first of five bytes; that of number 0 is held by readers of the database alone
LAST_FRAME = 16  # offset of mxFrame, a 32-bit number in the machine's own order
BACKFILLED = 96  # offset of nBackfill, followed by the five marks of the readers
NO_MARK = 0xFFFFFFFF


class LockRecord(NamedTuple):
    """The kernel's record of a lock (struct flock in fcntl.h) with its fields in the system's order."""

    form: str
    order: tuple[str, ...]


RECORDS = {
    "linux": LockRecord("hh4xqqi4x", ("type", "whence", "start", "length", "pid")),
    "darwin": LockRecord("qqihh", ("start", "length", "pid", "type", "whence")),
}


def log_reader(path: str, host: Host) -> LogReader:
    """Given a database in WAL mode, return who reads an older state than its log's end, if anybody does."""
    record = RECORDS.get(host.platform)
    if record is None or struct.calcsize("P") != 8:
        return LogReader(unavailable="this system does not say who reads it")
    try:
        with open(f"{path}-shm", "rb", buffering=0, opener=regular) as index:
            return _behind(index, record)
    except FileNotFoundError:
        return NO_READER  # whoever has it open has made one
    except (OSError, struct.error) as error:
        return LogReader(unavailable=f"the index of its log cannot be read ({error})")


def _behind(index: Any, record: LockRecord) -> LogReader:
    raw = index.read(READ_LOCKS + 5)
    last = struct.unpack_from("=I", raw, LAST_FRAME)[0]
    backfilled, *marks = struct.unpack_from("=6I", raw, BACKFILLED)
    found: list[tuple[int, int]] = []
    for number, mark in enumerate(marks):
        limit = 0 if number == 0 else mark
        if limit != NO_MARK and limit < last and (holder := _holder(index, READ_LOCKS + number, record)) is not None:
            found.append((limit, holder))
    if not found:
        return NO_READER
    oldest, pid = min(found)
    return LogReader(pid, max(0, oldest - backfilled))


def _holder(index: Any, byte: int, record: LockRecord) -> Optional[int]:
    """Return the pid of a process that has a lock on a byte, or None where nobody has."""
    fcntl = importlib.import_module("fcntl")
    asked = {"type": fcntl.F_WRLCK, "whence": 0, "start": byte, "length": 1, "pid": 0}
    answer = fcntl.fcntl(index, fcntl.F_GETLK, struct.pack(record.form, *(asked[name] for name in record.order)))
    known = dict(zip(record.order, struct.unpack(record.form, answer)))
    return None if known["type"] == fcntl.F_UNLCK else int(known["pid"])
