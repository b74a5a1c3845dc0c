# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of accounts and groups by number, each asked for once. Windows has neither."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ....errors import SourceDenied
from ....folders import NotEntered
from ...model import Notes
from ...stage import CHUNK
from ...streams import Sink
from .content import FILE, JUNCTION, LINK, SPARSE, SWAPPED, VANISHED, Found, data_of, has_changed, opened
from .content import FOLDER as A_FOLDER
from .formats import END, FOLDER, HARDLINK, HEAD, REGULAR, SYMLINK, Owner, header, padding, sparse_header, sparse_map
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
SQLITE_MAGIC = b"SQLite format 3\0"
# Each member: what was found, its name, its kind, its status, and its descriptor; -1 where it has none.
Heard = Callable[[Found, str, str, os.stat_result, int], None]


def _unheard(_found: Found, _name: str, _kind: str, _status: os.stat_result, _descriptor: int) -> None:
    pass


class Body(NamedTuple):
    """What was written of a file: the bytes in the archive with their checksum, and how long a sparse file is."""

    size: int
    sha256: str
    kind: str = FILE
    long: int = 0


class Archive:
    """Writes members to one sink and their rows to another. ``files`` and ``bytes`` count what has content.

    ``report`` hears of each member when it has been written.
    """

    def __init__(
        self,
        sink: Sink,
        index: Sink,
        pulse: Callable[[], None],
        system: System = POSIX,
        report: Heard = _unheard,
    ) -> None:
        self._sink, self._index, self._pulse = sink, index, pulse
        self._system, self._report = system, report
        self._batch: list[bytes] = []
        self._batched = 0
        self._rows: list[str] = [HEAD]
        self._first_names: dict[tuple[int, int], str] = {}
        self._owners = Owners()
        self.files = self.bytes = 0
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
        name, owner = self._system.member_name(found.path), self._owners.of(status)
        if own is None:
            self._write(header(name, SYMLINK, 0, status, owner, link))
        elif name:  # the root of the file system has no name of its own
            self._write(header(f"{name}/", FOLDER, 0, status, owner))
        if name:
            self._row(found, found.kind, 0, "", status, link)
            self._report(found, name, found.kind, status, own.descriptor if own is not None else -1)

    def _add_file(self, found: Found) -> None:
        for last in (False,) * (ATTEMPTS - 1) + (True,):
            with opened(found) as (descriptor, status):
                known = self._is_known(found, descriptor, status)
                if known or not self._read(found, descriptor, status, keep=last):
                    return
        self.note("changed", found.path)

    def _is_known(self, found: Found, descriptor: int, status: os.stat_result) -> bool:
        """Write a second name of a file that is in the archive already as a link to it; tell whether that was so."""
        first = self._first_names.get((status.st_dev, status.st_ino)) if status.st_nlink > 1 else None
        name = self._system.member_name(found.path)
        if first is None or first == name:
            return False
        self._write(header(name, HARDLINK, 0, status, self._owners.of(status), first))
        self._row(found, "hardlink", 0, "", status, first)
        self._report(found, name, "hardlink", status, descriptor)
        return True

    def _read(self, found: Found, descriptor: int, status: os.stat_result, *, keep: bool) -> bool:
        """Write an open file as a member; return whether it changed meanwhile.

        A small file that changed is not written unless ``keep``. A large one cannot be taken back out of the stream:
        it is written again, and of two members of one name the later one counts, as in every tar.
        """
        if status.st_size > CHUNK:
            return self._stream(found, descriptor, status)
        data = os.read(descriptor, status.st_size)
        changed = len(data) != status.st_size or has_changed(descriptor, status)
        if keep or not changed:
            name = self._system.member_name(found.path)
            self._write(header(name, REGULAR, len(data), status, self._owners.of(status)))
            self._write(data)
            self._end(found, data[:16], Body(len(data), hashlib.sha256(data).hexdigest()), status, descriptor)
        return changed

    def _stream(self, found: Found, descriptor: int, status: os.stat_result) -> bool:
        """Write a large file; of one with holes the map of its data and then the data (GNU's sparse format 1.0)."""
        name, owner, data = self._system.member_name(found.path), self._owners.of(status), data_of(descriptor, status)
        segments = [(0, status.st_size)] if data is None else data
        size = sum(length for _offset, length in segments)
        start = b"" if data is None else sparse_map(data, status.st_size)
        if data is None:
            self._write(header(name, REGULAR, size, status, owner))
        else:
            self._write(sparse_header(name, len(start) + size, status, owner))
        self._write(start)
        digest, whole, head = hashlib.sha256(start), True, b""
        for offset, length in segments:
            if data is not None:
                os.lseek(descriptor, offset, os.SEEK_SET)
            for chunk, real in self._chunks(descriptor, length):
                head, whole = head or chunk[:16], whole and real
                digest.update(chunk)
                self._write(chunk)
        body = Body(len(start) + size, digest.hexdigest(), SPARSE if data is not None else FILE, status.st_size)
        self._end(found, head, body, status, descriptor)
        return not whole or has_changed(descriptor, status)

    def _chunks(self, descriptor: int, length: int) -> Iterator[tuple[bytes, bool]]:
        """Yield so many bytes of a file, and zeros where it shrank: the header has promised them."""
        while length > 0:
            data = os.read(descriptor, min(CHUNK, length))
            real = bool(data)
            data = data or bytes(min(CHUNK, length))
            length -= len(data)
            yield data, real
            self._pulse()

    def _end(self, found: Found, head: bytes, body: Body, status: os.stat_result, descriptor: int) -> None:
        self._write(padding(body.size))
        self._row(found, body.kind, body.long or body.size, body.sha256, status)
        name = self._system.member_name(found.path)
        self._report(found, name, FILE, status, descriptor)
        self.files, self.bytes = self.files + 1, self.bytes + body.size
        if status.st_nlink > 1:
            self._first_names[(status.st_dev, status.st_ino)] = name
        if head == SQLITE_MAGIC:
            self.note("database", found.path)

    def _row(self, found: Found, kind: str, size: int, sha256: str, status: os.stat_result, link: str = "") -> None:
        name = self._system.member_name(found.path)
        numbers = (status.st_mode & 0o7777, status.st_uid, status.st_gid, status.st_mtime_ns)
        self._rows.append(json.dumps((name, kind, size, sha256, *numbers, link)) + "\n")
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
