# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file that Redis saves (RDB): its checksum, and how many keys each database in it has.

The form is that of rdb.h and rdb.c of Redis 7.4; what a newer server writes that is not known here ends the count, and
nothing else: the checksum needs no knowledge of what is in the file.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import IO, NamedTuple, Optional

from ...stage import CHUNK

MAGICS = (b"REDIS", b"VALKEY")
END, SELECT, EXPIRE_S, EXPIRE_MS, RESIZE, AUX = 255, 254, 253, 252, 251, 250
FREQUENCY, IDLE, MODULE_AUX, FUNCTION, SLOT = 249, 248, 247, 245, 244
SUM = 8  # bytes at the end of the file
_POLYNOMIAL = 0x95AC9329AC4BC9B5  # crc64.c: that of Jones, reflected
_TEXTS = {0, 9, 10, 11, 12, 13, 16, 17, 20}  # one text holds the whole value
_REPEATED = {1: 1, 2: 1, 4: 2, 14: 1}  # a count, then so many texts for each
_STREAMS = {15: 1, 19: 2, 21: 3}


class BadRdb(Exception):
    """The file is not what Redis writes."""


class UnknownRdb(Exception):
    """The file is of a newer form than is known here."""


class Keys(NamedTuple):
    """What a file holds: keys by database, how many of them expire, and the bytes of those that do not."""

    version: int
    created: Optional[int]
    databases: dict[str, int]
    expiring: int
    lasting_bytes: int


@cache
def _tables() -> list[list[int]]:
    """Return the tables of a CRC that takes eight bytes at a time."""
    first = []
    for byte in range(256):
        crc = byte
        for _bit in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        first.append(crc)
    tables = [first]
    for _more in range(7):
        tables.append([first[value & 255] ^ (value >> 8) for value in tables[-1]])
    return tables


def crc64(data: bytes, crc: int = 0) -> int:
    """Return Redis's checksum of bytes that follow those whose checksum is ``crc``."""
    t0, t1, t2, t3, t4, t5, t6, t7 = _tables()
    whole = len(data) // 8
    for eight in struct.unpack_from(f"<{whole}Q", data):
        word = eight ^ crc
        crc = (
            t7[word & 255]
            ^ t6[word >> 8 & 255]
            ^ t5[word >> 16 & 255]
            ^ t4[word >> 24 & 255]
            ^ t3[word >> 32 & 255]
            ^ t2[word >> 40 & 255]
            ^ t1[word >> 48 & 255]
            ^ t0[word >> 56]
        )
    for byte in data[whole * 8 :]:
        crc = t0[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc


class Sum:
    """The checksum of a file that is fed piece by piece; its last bytes say what it has to be."""

    def __init__(self) -> None:
        self._crc, self._held = 0, b""

    def add(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        data = self._held + data
        self._crc, self._held = crc64(data[:-SUM], self._crc), data[-SUM:]

    def outcome(self) -> str:
        """Return ``ok``, ``off`` where the server was info to write none, or ``wrong``."""
        if len(self._held) < SUM:
            return "wrong"
        claimed = int.from_bytes(self._held, "little")
        if claimed == 0:
            return "off"
        return "ok" if claimed == self._crc else "wrong"


class _Walk:
    """A file read from its begin to its end, value by value."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.position = stream, 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise BadRdb(f"it ends after {self.position + len(data)} bytes, within a value")
        self.position += size
        return data

    def skip(self, size: int) -> None:
        while size > CHUNK:
            size -= len(self.read(CHUNK))
        self.read(size)

    def byte(self) -> int:
        return self.read(1)[0]

    def length(self) -> int:
        value, special = self._length()
        if special:
            raise BadRdb(f"the length at byte {self.position} is none")
        return value

    def _length(self) -> tuple[int, bool]:
        first = self.byte()
        kind, low = first >> 6, first & 63
        if kind == 0:
            return low, False
        if kind == 1:
            return low << 8 | self.byte(), False
        if kind == 3:
            return low, True
        if first not in (0x80, 0x81):
            raise BadRdb(f"the length at byte {self.position} is of no known form")
        return int.from_bytes(self.read(4 if first == 0x80 else 8), "big"), False

    def text(self, *, keep: bool = False) -> bytes:
        """Pass a text; return it where it is to be kept and is written as it is."""
        size, special = self._length()
        if not special:
            if keep and size <= 256:
                return self.read(size)
            self.skip(size)
        elif size < 3:
            number = int.from_bytes(self.read(1 << size), "little", signed=True)
            return b"%d" % number
        elif size == 3:
            packed, _unpacked = self.length(), self.length()
            self.skip(packed)
        else:
            raise BadRdb(f"the text at byte {self.position} is of no known form")
        return b""

    def texts(self, count: int) -> None:
        for _one in range(count):
            self.text()

    def value(self, kind: int) -> None:
        """Pass the value of a key. Raise UnknownRdb where its kind is not known."""
        if kind in _TEXTS:
            self.text()
        elif kind in _REPEATED:
            self.texts(self.length() * _REPEATED[kind])
        elif kind in (3, 5):
            self._scores(old=kind == 3)
        elif kind == 7:
            self.length()
            self.module()
        elif kind in _STREAMS:
            self._stream_of(_STREAMS[kind])
        elif kind == 18:
            for _node in range(self.length()):
                self.length()
                self.text()
        elif kind in (24, 25):
            self._expiring_fields(packed=kind == 25)
        else:
            raise UnknownRdb(f"the value at byte {self.position} is of kind {kind}, which is not known here")

    def _scores(self, *, old: bool) -> None:
        for _member in range(self.length()):
            self.text()
            size = self.byte() if old else 8
            self.skip(0 if size > 252 else size)

    def _expiring_fields(self, *, packed: bool) -> None:
        self.skip(8)
        if packed:
            self.text()
            return
        for _field in range(self.length()):
            self.length()
            self.texts(2)

    def module(self) -> None:
        """Pass what a module wrote, which is a row of values of five kinds."""
        while kind := self.length():
            if kind in (1, 2):
                self.length()
            elif kind in (3, 4):
                self.skip(4 if kind == 3 else 8)
            elif kind == 5:
                self.text()
            else:
                raise UnknownRdb(f"what a module wrote at byte {self.position} is not known here")

    def _stream_of(self, form: int) -> None:
        self.texts(self.length() * 2)
        for _number in range(3 if form == 1 else 8):
            self.length()
        for _group in range(self.length()):
            self.text()
            for _number in range(2 if form == 1 else 3):
                self.length()
            for _pending in range(self.length()):
                self.skip(24)
                self.length()
            for _consumer in range(self.length()):
                self.text()
                self.skip(8 if form < 3 else 16)
                self.skip(self.length() * 16)


def count_keys(stream: IO[bytes]) -> Keys:
    """Given an RDB file from its begin, return what it holds.

    Raise BadRdb where it is damaged, UnknownRdb where a newer server wrote what is not known here.
    """
    walk = _Walk(stream)
    version = _version(walk)
    counts: dict[str, int] = {}
    created, database, expiring, lasting = None, "db0", 0, 0
    expires, begin = False, walk.position
    while (code := walk.byte()) != END:
        if code == SELECT:
            database = f"db{walk.length()}"
        elif code == AUX:
            name, value = walk.text(keep=True), walk.text(keep=True)
            created = int(value) if name == b"ctime" and value.isdigit() else created
        elif code in (EXPIRE_S, EXPIRE_MS):
            walk.skip(4 if code == EXPIRE_S else 8)
            expires = True
            continue
        elif code in (FREQUENCY, IDLE):
            walk.skip(1) if code == FREQUENCY else walk.length()
            continue
        elif code >= SLOT:
            _between(walk, code)
        else:
            walk.text()
            walk.value(code)
            counts[database] = counts.get(database, 0) + 1
            expiring += expires
            lasting += 0 if expires else walk.position - begin
        expires, begin = False, walk.position
    if version >= 5:
        walk.skip(SUM)
    if stream.read(1):
        raise BadRdb(f"something follows its end at byte {walk.position}")
    return Keys(version, created, counts, expiring, lasting)


def _version(walk: _Walk) -> int:
    head = walk.read(9)
    magic = next((one for one in MAGICS if head.startswith(one)), None)
    if magic is None or not head[len(magic) :].isdigit():
        raise BadRdb(f"it begins with {head!r}, expected REDIS and the number of its form")
    return int(head[len(magic) :])


def _between(walk: _Walk, code: int) -> None:
    """Pass what stands between keys."""
    if code == RESIZE:
        walk.length()
        walk.length()
    elif code == SLOT:
        for _number in range(3):
            walk.length()
    elif code == FUNCTION:
        walk.text()
    elif code == MODULE_AUX:
        for _number in range(3):
            walk.length()
        walk.module()
    else:
        raise UnknownRdb(f"what stands at byte {walk.position} has the code {code}, which is not known here")
