# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive in the making: each file is read once, hashed and written as a member, with its row in the index."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable

from ....errors import SourceDenied
from ...streams.sink import Sink
from ...streams.stage import CHUNK
from ..records import Notes
from .content import has_changed, opened
from .index import HEAD
from .kinds import FILE, JUNCTION, LINK
from .kinds import FOLDER as A_FOLDER
from .owners import Owners
from .system import POSIX, System
from .tar_format import END, FOLDER, HARDLINK, REGULAR, SYMLINK, header, padding

ATTEMPTS = 2
ROWS = 4096  # of the index, written at a time
SQLITE_MAGIC = b"SQLite format 3\0"
Tell = Callable[[str, str, str, os.stat_result], None]  # path, member, kind and status of each member


def _tell_nobody(_path: str, _name: str, _kind: str, _status: os.stat_result) -> None:
    pass


class Archive:
    """Writes members to one sink and their rows to another. ``files`` and ``bytes`` count what has content.

    ``tell`` hears of each member when it has been written.
    """

    def __init__(
        self, sink: Sink, index: Sink, pulse: Callable[[], None], system: System = POSIX, tell: Tell = _tell_nobody
    ) -> None:
        self._sink, self._index, self._pulse = sink, index, pulse
        self._system, self._tell = system, tell
        self._batch: list[bytes] = []
        self._batched = 0
        self._rows: list[str] = [HEAD]
        self._first_names: dict[tuple[int, int], str] = {}
        self._owners = Owners()
        self.files = self.bytes = 0
        self.notes = Notes()

    def add(self, path: str, kind: str) -> None:
        """Add what was found at a path. What is gone meanwhile is noted. Raise SourceDenied where it cannot be read."""
        try:
            if kind == FILE:
                self._add_file(path)
            elif kind in {A_FOLDER, LINK, JUNCTION}:
                self._add_name(path, kind)
            else:
                self.note(kind, path)  # sockets, pipes and devices have no content to keep
        except OSError as error:
            # ELOOP: a symlink was put in the file's place after it was found
            if not isinstance(error, FileNotFoundError) and error.errno != errno.ELOOP:
                raise SourceDenied(self._system.shown(path), self._system.reason(error)) from error
            self.note("vanished", path)

    def note(self, kind: str, path: str) -> None:
        """Note something of a kind, by its path in the form for people."""
        self.notes.add(kind, self._system.shown(path))

    def _add_name(self, path: str, kind: str) -> None:
        status = os.lstat(path)
        name, link = self._system.member_name(path), "" if kind == A_FOLDER else self._system.shown(os.readlink(path))
        owner = self._owners.of(status)
        if kind != A_FOLDER:
            self._write(header(name, SYMLINK, 0, status, owner, link))
        elif name:  # the root of the file system has no name of its own
            self._write(header(f"{name}/", FOLDER, 0, status, owner))
        if name:
            self._row(path, kind, 0, "", status, link)

    def _add_file(self, path: str) -> None:
        for last in (False,) * (ATTEMPTS - 1) + (True,):
            with opened(path, self._system) as (descriptor, status):
                if self._is_known(path, status) or not self._read(path, descriptor, status, keep=last):
                    return
        self.note("changed", path)

    def _is_known(self, path: str, status: os.stat_result) -> bool:
        """Write a second name of a file that is in the archive already as a link to it; tell whether that was so."""
        first = self._first_names.get((status.st_dev, status.st_ino)) if status.st_nlink > 1 else None
        name = self._system.member_name(path)
        if first is None or first == name:
            return False
        self._write(header(name, HARDLINK, 0, status, self._owners.of(status), first))
        self._row(path, "hardlink", 0, "", status, first)
        return True

    def _read(self, path: str, descriptor: int, status: os.stat_result, *, keep: bool) -> bool:
        """Write an open file as a member; return whether it changed meanwhile.

        A small file that changed is not written unless ``keep``. A large one cannot be taken back out of the stream:
        it is written again, and of two members of one name the later one counts, as in every tar.
        """
        if status.st_size > CHUNK:
            return self._stream(path, descriptor, status)
        data = os.read(descriptor, status.st_size)
        changed = len(data) != status.st_size or has_changed(descriptor, status)
        if keep or not changed:
            name = self._begin(path, len(data), status)
            self._write(data)
            self._end(name, path, data[:16], len(data), hashlib.sha256(data).hexdigest(), status)
        return changed

    def _stream(self, path: str, descriptor: int, status: os.stat_result) -> bool:
        name, digest, left, head = self._begin(path, status.st_size, status), hashlib.sha256(), status.st_size, b""
        shrunk = False
        while left > 0:
            data = os.read(descriptor, min(CHUNK, left))
            shrunk = shrunk or not data
            data = data or bytes(min(CHUNK, left))  # it shrank, and the header has promised this many bytes
            head, left = head or data[:16], left - len(data)
            digest.update(data)
            self._write(data)
            self._pulse()
        self._end(name, path, head, status.st_size, digest.hexdigest(), status)
        return shrunk or has_changed(descriptor, status)

    def _begin(self, path: str, size: int, status: os.stat_result) -> str:
        name = self._system.member_name(path)
        self._write(header(name, REGULAR, size, status, self._owners.of(status)))
        return name

    def _end(self, name: str, path: str, head: bytes, size: int, sha256: str, status: os.stat_result) -> None:
        self._write(padding(size))
        self._row(path, FILE, size, sha256, status)
        self.files, self.bytes = self.files + 1, self.bytes + size
        if status.st_nlink > 1:
            self._first_names[(status.st_dev, status.st_ino)] = name
        if head == SQLITE_MAGIC:
            self.note("database", path)

    def _row(self, path: str, kind: str, size: int, sha256: str, status: os.stat_result, link: str = "") -> None:
        name = self._system.member_name(path)
        self._tell(path, name, kind, status)
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
