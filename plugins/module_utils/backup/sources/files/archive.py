# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of accounts and groups by number, each asked for once. Windows has neither."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from ....errors import SourceDenied
from ....folders import NotEntered
from ...model import Notes
from ...stage import CHUNK
from ...streams import Sink
from .attributes import Members
from .content import FILE, JUNCTION, LINK, SPARSE, SWAPPED, VANISHED, Found, data_of, has_changed, opened
from .content import FOLDER as A_FOLDER
from .formats import (
    BLOCK,
    END,
    FOLDER,
    HARDLINK,
    HEAD,
    REGULAR,
    SYMLINK,
    Content,
    Headers,
    Owner,
    padding,
    row_of,
    sparse_header,
    sparse_map,
)
from .parent import NO_PARENT, Parent
from .system import POSIX, System

try:
    import grp
    import pwd
except ImportError:
    HAS_NAMES = False
else:
    HAS_NAMES = True


def _name(ask: Callable[[int], Any], number: int) -> str:
    try:
        return str(ask(number)[0])
    except KeyError:
        return ""


class Owners:
    """Owner by status."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Owner] = {}

    @property
    def numbers(self) -> Collection[tuple[int, int]]:
        """The accounts and groups of all that was asked for."""
        return self._known.keys()

    def of(self, status: os.stat_result) -> Owner:
        """Return the names for a file's numbers, empty where they have none."""
        key = (status.st_uid, status.st_gid)
        if key not in self._known:
            self._known[key] = self._ask(*key)
        return self._known[key]

    def _ask(self, account: int, group: int) -> Owner:
        if not HAS_NAMES:
            return Owner()
        return Owner(_name(pwd.getpwuid, account), _name(grp.getgrgid, group))


ATTEMPTS = 2
ROWS = 4096  # of the index, written at a time
# What becomes of something between its being listed and its being read, by what the system says then: a symlink was put
# in the place of a file or folder, a file in that of a folder or of a symlink.
MEANWHILE = {
    errno.ENOENT: VANISHED,
    errno.ESTALE: VANISHED,
    errno.ELOOP: SWAPPED,
    errno.EMLINK: SWAPPED,
    errno.ENOTDIR: SWAPPED,
    errno.EINVAL: SWAPPED,
    errno.ENXIO: SWAPPED,
}
# A write right after our read, in the same tick of the clock, leaves no trace in the times of a file; nor does one
# through a mapping whose page is not written back yet, which takes Linux 35 s by default.
TICK, WRITTEN_BACK = 2 * 10**9, 120 * 10**9  # nanoseconds
SQLITE_MAGIC = b"SQLite format 3\0"


class Body(NamedTuple):
    """What was written of a file: the bytes in the archive with their checksum, its first bytes, whether it changed
    while it was read, and how long a sparse file is.
    """

    size: int
    sha256: str
    head: bytes
    changed: bool
    kind: str = FILE
    long: int = 0


class Archive:
    """Writes members to one sink and their rows to another. ``files`` and ``bytes`` count what has content.

    ``members`` hears of each member when it has been written. What is as it was in the ``parent`` set is not stored
    again.
    """

    def __init__(
        self,
        sink: Sink,
        index: Sink,
        pulse: Callable[[], None],
        members: Members,
        system: System = POSIX,
        parent: Parent = NO_PARENT,
    ) -> None:
        self._parent, self._settled = parent, int(parent.begun * 1e9)
        self._sink, self._index, self._pulse = sink, index, pulse
        self._system, self._members = system, members
        self._batch: list[bytes] = []
        self._rows: list[str] = [HEAD]
        self._first_names: dict[tuple[int, int], str] = {}
        self.owners = Owners()
        self._headers = Headers(self.owners.of)
        self._batched = self.files = self.bytes = self.stored_files = self.stored_bytes = 0
        self.notes = Notes()

    def add(self, found: Found) -> None:
        """Add what was found. What is gone or has become something else meanwhile is noted.

        Raise SourceDenied where it cannot be read.
        """
        try:
            if found.kind == FILE:
                self._add_file(found)
            elif found.kind in {A_FOLDER, LINK, JUNCTION}:
                self._add_name(found)
            else:
                self.note(found.kind, found.path)  # sockets, pipes and devices have no content to keep
        except NotEntered:
            self.note(SWAPPED, found.path)
        except OSError as error:
            kind = MEANWHILE.get(error.errno or 0)
            if kind is None:
                raise SourceDenied(self._system.shown(found.path), self._system.reason(error)) from error
            self.note(kind, found.path)

    def note(self, kind: str, path: str) -> None:
        """Note something of a kind, by its path in the form for people."""
        self.notes.add(kind, self._system.shown(path))

    def _add_name(self, found: Found) -> None:
        own = found.own
        status = found.holder.lstat(found.name) if own is None else own.status
        link = "" if own is not None else self._system.link_text(found.holder.link(found.name))
        name = self._system.member_name(found.path)
        if own is None:
            self._write(self._headers.of(name, SYMLINK, 0, status, link))
        elif name:  # the root of the file system has no name of its own
            self._write(self._headers.of(f"{name}/", FOLDER, 0, status))
        if name:
            self._row(name, Content(found.kind), status, link=link)
            self._members.report(found, name, found.kind, status, own.descriptor if own is not None else -1)

    def _add_file(self, found: Found) -> None:
        name = self._system.member_name(found.path)
        if self._parent.rows and self._is_unchanged(found, name):
            return
        for attempt in range(1, ATTEMPTS + 1):
            with opened(found) as (descriptor, status):
                if status.st_nlink > 1 and self._is_known(found, name, descriptor, status):
                    return
                if not self._read(found, name, descriptor, status, keep=attempt == ATTEMPTS):
                    return
        self.note("changed", found.path)

    def _is_unchanged(self, found: Found, name: str) -> bool:
        """Take the row of a file that is as it was in the parent set, whose chain has its content; tell whether so."""
        status = found.holder.lstat(found.name)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            return False
        row = self._parent.rows.same(name, status)
        if not row:
            return False
        self._rows.append(row)
        self.owners.of(status)
        if len(self._rows) >= ROWS:
            self._flush_rows()
        self._members.carry(found, name, status)
        size = status.st_size
        self.files, self.bytes = self.files + 1, self.bytes + min(size, getattr(status, "st_blocks", size) * 512)
        return True

    def _is_known(self, found: Found, name: str, descriptor: int, status: os.stat_result) -> bool:
        """Write a second name of a file that is in the archive already as a link to it; tell whether that was so."""
        first = self._first_names.get((status.st_dev, status.st_ino))
        if first is None or first == name:
            return False
        self._write(self._headers.of(name, HARDLINK, 0, status, first))
        self._row(name, Content("hardlink"), status, link=first)
        self._members.report(found, name, "hardlink", status, descriptor)
        return True

    def _read(self, found: Found, name: str, descriptor: int, status: os.stat_result, *, keep: bool) -> bool:
        """Write an open file as a member; return whether it changed meanwhile.

        A small file that changed is not written unless ``keep``. A large one cannot be taken back out of the stream:
        it is written again, and of two members of one name the later one counts, as in every tar.
        """
        if status.st_size > CHUNK:
            return self._stream(found, name, descriptor, status)
        data = os.read(descriptor, status.st_size)
        size = len(data)
        changed = size != status.st_size or has_changed(descriptor, status)
        if keep or not changed:
            self._batch += (self._headers.of(name, REGULAR, size, status), data)
            self._batched += BLOCK + size
            body = Body(size, hashlib.sha256(data).hexdigest(), data[:16], changed)
            self._end(found, name, body, status, descriptor)
        return changed

    def _stream(self, found: Found, name: str, descriptor: int, status: os.stat_result) -> bool:
        """Write a large file; of one with holes the map of its data and then the data (GNU's sparse format 1.0)."""
        data = data_of(descriptor, status)
        segments = [(0, status.st_size)] if data is None else data
        size = sum(length for _offset, length in segments)
        start = b"" if data is None else sparse_map(data, status.st_size)
        if data is None:
            self._write(self._headers.of(name, REGULAR, size, status))
        else:
            self._write(sparse_header(name, len(start) + size, status, self.owners.of(status)))
        self._write(start)
        digest, whole, head = hashlib.sha256(start), True, b""
        for offset, length in segments:
            if data is not None:
                os.lseek(descriptor, offset, os.SEEK_SET)
            for chunk, real in self._chunks(descriptor, length):
                head, whole = head or chunk[:16], whole and real
                digest.update(chunk)
                self._write(chunk)
        changed = not whole or has_changed(descriptor, status)
        kind = SPARSE if data is not None else FILE
        body = Body(len(start) + size, digest.hexdigest(), head, changed, kind, status.st_size)
        self._end(found, name, body, status, descriptor)
        return changed

    def _chunks(self, descriptor: int, length: int) -> Iterator[tuple[bytes, bool]]:
        """Yield so many bytes of a file, and zeros where it shrank: the header has promised them."""
        while length > 0:
            data = os.read(descriptor, min(CHUNK, length))
            real = bool(data)
            data = data or bytes(min(CHUNK, length))
            length -= len(data)
            yield data, real
            self._pulse()

    def _end(self, found: Found, name: str, body: Body, status: os.stat_result, descriptor: int) -> None:
        self._write(padding(body.size))
        database = body.head == SQLITE_MAGIC
        settled = not (body.changed or database) and self._is_settled(status)
        content = Content(body.kind, body.long or body.size, body.sha256)
        self._row(name, content, status, inode=status.st_ino if settled else 0)
        self._members.report(found, name, FILE, status, descriptor)
        self.files, self.bytes = self.files + 1, self.bytes + body.size
        self.stored_files, self.stored_bytes = self.stored_files + 1, self.stored_bytes + body.size
        if status.st_nlink > 1:
            self._first_names[(status.st_dev, status.st_ino)] = name
        if database:
            self.note("database", found.path)

    def _is_settled(self, status: os.stat_result) -> bool:
        """Return whether a write after ours shows in the times of a file: both are old enough."""
        return status.st_mtime_ns < self._settled - WRITTEN_BACK and status.st_ctime_ns < self._settled - TICK

    def _row(self, name: str, content: Content, status: os.stat_result, *, link: str = "", inode: int = 0) -> None:
        self._rows.append(row_of(name, content, status, link, inode, self._parent.own))
        if len(self._rows) >= ROWS:
            self._flush_rows()

    def _flush_rows(self) -> None:
        self._pulse()
        self._index.write("".join(self._rows).encode("ascii"))
        self._rows.clear()

    def _write(self, data: bytes) -> None:
        self._batch.append(data)
        self._batched += len(data)
        if self._batched >= CHUNK:
            self._flush()

    def _flush(self) -> None:
        self._sink.write(b"".join(self._batch))
        self._batch.clear()
        self._batched = 0

    def finish(self) -> None:
        """Write the end mark and what is still held back."""
        self._write(END)
        self._flush()
        self._flush_rows()
