# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SFTP of version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions, spoken through the system's ssh.

Keys, known hosts, jumps and ciphers are ssh's. What it carries is spoken here, because the program sftp prints for
people: no exit code of its own tells a full disk from a name that is taken, and a file cannot be read as a stream.
"""

# pylint does not see that our errors are exceptions.
# pylint: disable=bad-exception-cause
from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, Optional

from ...errors import ActionFailed, SourceDenied, SourceMissing, ToolFailed, ToolTimeout
from ..stage import Stage
from .place import Away

INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT = 1, 2, 3, 4, 5, 6, 7
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, RENAME = 11, 12, 13, 14, 15, 18
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
EXTENDED, EXTENDED_REPLY = 200, 201
OK, END, NO_SUCH_FILE, PERMISSION_DENIED = 0, 1, 2, 3
TO_READ, TO_CREATE = 0x01, 0x02 | 0x08 | 0x20  # pflags: read; write, create, and only where the name is free
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES, _HAS_MORE = 1, 2, 4, 8, 0x80000000
BLOCK, AHEAD = 32768, 32  # bytes of one request, requests on their way
MAX_PACKET = 1 << 20
SILENCE = 120.0  # seconds without an answer after which the connection is given up


class Entry(NamedTuple):
    """A name in a folder, its size, and its mode with the kind of file."""

    name: str
    size: int
    mode: int


class SftpRefused(ActionFailed):
    """The server said no; ``code`` is its word for why."""

    def __init__(self, what: str, code: int, words: str) -> None:
        super().__init__(f"{what}: the server says {words or code!r}")
        self.code = code


def _text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


class Parser:
    """The fields of one packet in order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, size: int = 4) -> int:
        """Return the next number of so many bytes."""
        return int.from_bytes(self._bytes(size), "big")

    def text(self) -> bytes:
        """Return the next text."""
        return self._bytes(self.number())

    def attributes(self) -> tuple[int, int]:
        """Return the size and the mode of a file; 0 where the server does not say."""
        flags = self.number()
        size = self.number(8) if flags & _HAS_SIZE else 0
        self._bytes(8 if flags & _HAS_OWNER else 0)
        mode = self.number() if flags & _HAS_MODE else 0
        self._bytes(8 if flags & _HAS_TIMES else 0)
        for _pair in range(self.number() if flags & _HAS_MORE else 0):
            self.text(), self.text()
        return size, mode

    def _bytes(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) < count:
            raise ActionFailed("the server sent a packet that ends too early")
        self._at += count
        return found


class Wire:
    """A connection. One request after the other, but for blocks of a file, of which several are on their way."""

    def __init__(self, stage: Stage, what: str) -> None:
        self._stage, self._what, self._next = stage, what, 0
        self._heard, self._silent, self._why = time.monotonic(), False, ""
        self._done = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        self._send_raw(struct.pack(">BI", INIT, 3))
        reply = Parser(self._packet())
        if reply.number(1) != VERSION or reply.number() != 3:
            raise Away(f"{what} does not speak SFTP of version 3")

    def close(self) -> None:
        """End the connection."""
        self._done.set()
        self._stage.abandon()

    def _watch(self) -> None:
        while not self._done.wait(1.0):
            if time.monotonic() - self._heard > SILENCE:
                self._silent = True
                self._stage.kill()
                return

    def _send_raw(self, body: bytes) -> None:
        try:
            self._stage.put(struct.pack(">I", len(body)) + body)
            self._stage.flush()
        except (BrokenPipeError, ValueError):
            self._lost()

    def _send(self, kind: int, body: bytes) -> int:
        self._next += 1
        self._send_raw(struct.pack(">BI", kind, self._next) + body)
        return self._next

    def _packet(self) -> bytes:
        size = int.from_bytes(self._exactly(4), "big")
        if not 0 < size <= MAX_PACKET:
            raise Away(f"{self._what} answered what is no SFTP")
        return self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        try:
            data = self._stage.give.read(count)
        except ValueError:  # it was closed when the connection was lost
            data = b""
        self._heard = time.monotonic()
        if len(data) < count:
            self._lost()
        return data

    def _lost(self) -> None:
        """Raise why the connection is gone, each time in the same words."""
        if not self._why:
            self._why = f"{self._what} ended the connection"
            try:
                self._stage.finish()
            except (ToolFailed, ToolTimeout) as error:
                self._why = f"{self._what} cannot be reached: {error}"
        raise Away(f"{self._what} gave no answer for {SILENCE:.0f} s" if self._silent else self._why)

    def _reply(self, number: int, wanted: int, doing: str) -> Parser:
        reply = Parser(self._packet())
        kind = reply.number(1)
        if reply.number() != number:
            raise Away(f"{self._what} answered another question than was asked")
        if kind == wanted and kind != STATUS:
            return reply
        code, words = (reply.number(), reply.text()) if kind == STATUS else (-1, b"an answer of another kind")
        if code == OK == wanted - STATUS:
            return reply
        if code == NO_SUCH_FILE:
            raise SourceMissing(doing)
        if code == PERMISSION_DENIED:
            raise SourceDenied(doing)
        raise SftpRefused(doing, code, words[:200].decode(errors="replace"))

    def ask(self, kind: int, wanted: int, path: str, more: bytes = b"") -> Parser:
        """Ask something about a path and return the answer. Raise SourceMissing, SourceDenied or SftpRefused."""
        return self._reply(self._send(kind, _text(path.encode("utf-8", "surrogateescape")) + more), wanted, path)

    def rename(self, old: str, new: str) -> None:
        """Give another name, which must not be taken."""
        self.ask(RENAME, STATUS, old, _text(new.encode("utf-8", "surrogateescape")))

    def entries(self, path: str) -> list[Entry]:
        """Return what a folder has."""
        handle = self.ask(OPENDIR, HANDLE, path).text()
        found: list[Entry] = []
        with suppress(EOFError):
            while True:
                found += self._some_entries(handle, path)
        self._close(handle, path)
        return [entry for entry in found if entry.name not in (".", "..")]

    def _some_entries(self, handle: bytes, path: str) -> Iterator[Entry]:
        try:
            reply = self._reply(self._send(READDIR, _text(handle)), NAME, path)
        except SftpRefused as error:
            if error.code == END:
                raise EOFError from error
            raise
        for _entry in range(reply.number()):
            name = reply.text().decode("utf-8", "surrogateescape")
            reply.text()  # a line for people
            yield Entry(name, *reply.attributes())

    def read(self, path: str) -> Iterator[bytes]:
        """Yield what a file has. A server may send less than was asked for, at the end and anywhere else."""
        handle = self.ask(OPEN, HANDLE, path, struct.pack(">II", TO_READ, 0)).text()
        asked: deque[tuple[int, int]] = deque()
        at, data = 0, b"more"
        while data:
            while len(asked) < AHEAD:
                asked.append((self._send(READ, _text(handle) + struct.pack(">QI", at, BLOCK)), at))
                at += BLOCK
            number, place = asked.popleft()
            data = self._data(number, path)
            yield data
            if len(data) < BLOCK:
                while asked:
                    self._data(asked.popleft()[0], path)
                at = place + len(data)
        self._close(handle, path)

    def _data(self, number: int, path: str) -> bytes:
        """Return a block; an empty one where the file ends before it."""
        try:
            return self._reply(number, DATA, path).text()
        except SftpRefused as error:
            if error.code == END:
                return b""
            raise

    def write(self, path: str, chunks: Iterator[bytes]) -> None:
        """Write a new file of mode 0600, and ask for it to be on the disk."""
        attributes = struct.pack(">II", _HAS_MODE, 0o600)
        handle = self.ask(OPEN, HANDLE, path, struct.pack(">I", TO_CREATE) + attributes).text()
        asked: deque[int] = deque()
        try:
            self._send_blocks(handle, path, chunks, asked)
        except (SftpRefused, ActionFailed, SourceDenied):
            while asked:  # else their answers would be taken for those to what is asked next
                with suppress(SftpRefused, SourceDenied):
                    self._reply(asked.popleft(), STATUS, path)
            raise
        with suppress(SftpRefused):  # a server without the extension has no other word for it
            self._reply(self._send(EXTENDED, _text(b"fsync@openssh.com") + _text(handle)), STATUS, path)
        self._close(handle, path)

    def _send_blocks(self, handle: bytes, path: str, chunks: Iterator[bytes], asked: deque[int]) -> None:
        at = 0
        for chunk in chunks:
            for start in range(0, len(chunk), BLOCK):
                block = chunk[start : start + BLOCK]
                asked.append(self._send(WRITE, _text(handle) + struct.pack(">Q", at) + _text(block)))
                at += len(block)
                while len(asked) >= AHEAD:
                    self._reply(asked.popleft(), STATUS, path)
        while asked:
            self._reply(asked.popleft(), STATUS, path)

    def _close(self, handle: bytes, path: str) -> None:
        self._reply(self._send(CLOSE, _text(handle)), STATUS, path)

    def free(self, path: str) -> Optional[int]:
        """Return the bytes that may be written below a path; None where the server does not tell."""
        body = _text(b"statvfs@openssh.com") + _text(path.encode("utf-8", "surrogateescape"))
        try:
            reply = self._reply(self._send(EXTENDED, body), EXTENDED_REPLY, path)
        except (SftpRefused, SourceMissing, SourceDenied):
            return None
        numbers = [reply.number(8) for _field in range(5)]  # f_bsize, f_frsize, f_blocks, f_bfree, f_bavail
        return numbers[1] * numbers[4]
