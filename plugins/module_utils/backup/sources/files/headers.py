# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the headers of any tar so that nothing in them is believed before it is checked.

Unlike what verifies our own archives (formats.py) this tells owners and modes, and reads what other tars write: GNU's
long names, global pax records, numbers in base 256. Where two readers of tar would see two things (a file whose name
ends with a slash, a link with content, a record given twice, something behind the end mark) it sees none and refuses:
a check that reads otherwise than the program that unpacks is none.

No header makes us read more than LIMIT bytes at a time, and a stream gives no more bytes in all than was declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple, Optional

from ...errors import MemberRefused
from ...stage import CHUNK
from .formats import BLOCK, FOLDER, HARDLINK, PAX, REGULAR, SYMLINK, BadTar

LIMIT = 1 << 20  # bytes of pax records, or of a long name, of one member
LONGEST = 1 << 50  # bytes of a file with holes, which cost nothing here and whoever reads it afterwards
MEMBERS = 50_000_000
REST = 1 << 20  # zeros behind the end mark; GNU tar fills its last record of 10 KiB, or as many as it was told
_OLD, _CONTIGUOUS, _GLOBAL, _LONG_NAME, _LONG_LINK = b"\0", b"7", b"g", b"L", b"K"
_KNOWN = {REGULAR: REGULAR, _OLD: REGULAR, HARDLINK: HARDLINK, SYMLINK: SYMLINK, FOLDER: FOLDER}
_WORDS = {b"3": "a character device", b"4": "a block device", b"6": "a pipe", _CONTIGUOUS: "a contiguous file"}
_SPARSE = "GNU.sparse."


class Header(NamedTuple):
    """A member as its header says; ``size`` bytes of content follow. ``mtime_ns`` is as exact as the header is.

    ``long`` is how long a file with holes is, whose content begins with its map; None for any other.
    """

    name: str
    kind: bytes
    size: int
    link: str
    long: Optional[int]
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    account: str
    group: str


class Counted:
    """A stream that gives so many bytes and no more, and few at a time. Raise BadTar beyond ``limit``."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._left, self._limit = stream, limit, limit

    def allow(self, more: int) -> None:
        """Let the stream give so many bytes more: of a member that is listed elsewhere."""
        self._left, self._limit = self._left + more, self._limit + more

    def read(self, size: int) -> bytes:
        """Return up to so many bytes. Raise BadTar where that would be more than was declared."""
        if not 0 <= size <= max(LIMIT, CHUNK):  # of less than none a stream would give all that there is
            raise BadTar(f"a header asks for {size} bytes at once, 0 to {LIMIT} are expected")
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise BadTar(f"it unpacks to more than the {self._limit} bytes that were declared")
        return data


def read_headers(stream: Counted) -> Iterator[Header]:
    """Yield the members of a tar stream, to its end mark and to the end of the stream behind it. The caller reads the
    content of each with ``formats.read_content`` before he asks for the next.

    Raise BadTar where the stream is no tar, MemberRefused where a member is none that is ever unpacked.
    """
    lasting: dict[str, str] = {}
    records: dict[str, str] = {}
    count = 0
    while (block := exactly(stream, BLOCK, "a header")) != bytes(BLOCK):
        _require_checksum(block)
        kind, size = block[156:157], number(block[124:136])
        if kind in (PAX, _GLOBAL):
            found = pax_records(_body(stream, size, "pax records"))
            lasting, records = ({**lasting, **found}, records) if kind == _GLOBAL else (lasting, found)
        elif kind in (_LONG_NAME, _LONG_LINK):
            text = _body(stream, size, "a long name").rstrip(b"\0").decode("utf-8", "surrogateescape")
            records = {**records, ("path" if kind == _LONG_NAME else "linkpath"): text}
        else:
            count += 1
            if count > MEMBERS:
                raise BadTar(f"it has more than {MEMBERS} members")
            yield _header(block, kind, size, {**lasting, **records})
            records = {}
    _require_end(stream)


def exactly(stream: Counted, size: int, what: str) -> bytes:
    """Return so many bytes. Raise BadTar where the stream ends before."""
    data = stream.read(size)
    if len(data) != size:
        raise BadTar(f"the archive ends in the middle of {what}")
    return data


def _body(stream: Counted, size: int, what: str) -> bytes:
    data = exactly(stream, size, what)
    exactly(stream, -size % BLOCK, "padding")
    return data


def _require_checksum(block: bytes) -> None:
    if sum(block) - sum(block[148:156]) + 8 * 0x20 != number(block[148:156]):
        raise BadTar("a header's checksum is wrong")


def _require_end(stream: Counted) -> None:
    """Read the stream to its end. Raise BadTar where anything but some zeros is behind the end mark."""
    read = 0
    while data := stream.read(CHUNK):
        read += len(data)
        if data.strip(b"\0") or read > REST:
            raise BadTar("there is something behind the end mark")


def _header(block: bytes, kind: bytes, size: int, records: dict[str, str]) -> Header:
    """Return a member. Raise MemberRefused where it is of a kind that is never unpacked, or is two things at once."""
    name = _name(block, records)
    if kind not in _KNOWN:
        raise MemberRefused(name, f"it is {_WORDS.get(kind, f'of the unknown kind {kind!r}')}")
    kind, size = _KNOWN[kind], _decimal(records["size"]) if "size" in records else size
    if size < 0 or (kind != REGULAR and size):
        raise MemberRefused(name, f"it has {size} bytes of content: readers of tar differ on it")
    if kind == REGULAR and name.endswith("/"):
        raise MemberRefused(name, "it is a file whose name ends with a slash: readers of tar differ on it")
    seconds = records.get("mtime")
    return Header(
        name=name[:-1] if kind == FOLDER and name.endswith("/") else name,
        kind=kind,
        size=size,
        link=records.get("linkpath", _text(block[157:257])),
        long=_long(name, records),
        mode=number(block[100:108]) & 0o7777,
        uid=_decimal(records["uid"]) if "uid" in records else number(block[108:116]),
        gid=_decimal(records["gid"]) if "gid" in records else number(block[116:124]),
        mtime_ns=number(block[136:148]) * 10**9 if seconds is None else nanoseconds(seconds),
        account=records.get("uname", _text(block[265:297])),
        group=records.get("gname", _text(block[297:329])),
    )


def _name(block: bytes, records: dict[str, str]) -> str:
    if _SPARSE + "name" in records:
        return records[_SPARSE + "name"]
    if "path" in records:
        return records["path"]
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""  # GNU's own has other things there
    name = _text(block[:100])
    return f"{prefix}/{name}" if prefix else name


def _long(name: str, records: dict[str, str]) -> Optional[int]:
    """Return how long a file with holes is. Raise MemberRefused where its map is of another form than ours."""
    given = {key: value for key, value in records.items() if key.startswith(_SPARSE)}
    if not given:
        return None
    form = (given.get(_SPARSE + "major"), given.get(_SPARSE + "minor"))
    if form != ("1", "0") or _SPARSE + "realsize" not in given:
        raise MemberRefused(name, "it has holes that are described in another form than 1.0")
    long = _decimal(given[_SPARSE + "realsize"])
    if long > LONGEST:
        raise MemberRefused(name, f"it is {long} bytes long with its holes, {LONGEST} are the most")
    return long


def number(field: bytes) -> int:
    """Given a header's field, return its number: octal, or base 256 where the first bit says so. Raise BadTar."""
    if field[:1] in (b"\x80", b"\xff"):
        return int.from_bytes(field[1:], "big", signed=False) - (256 ** (len(field) - 1) if field[0] == 0xFF else 0)
    text = field.strip(b"\0 ") or b"0"
    if text.strip(b"01234567"):
        raise BadTar(f"a header has {field!r} where a number belongs")
    return int(text, 8)


def _decimal(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise BadTar(f"pax records have {text[:30]!r} where a number belongs")
    return int(text)


def nanoseconds(text: str) -> int:
    """Given a moment as pax records have it (``-12.5``), return it in whole nanoseconds. Raise BadTar."""
    sign, plain = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, _dot, part = plain.partition(".")
    return sign * (_decimal(whole) * 10**9 + (_decimal(part[:9].ljust(9, "0")) if part else 0))


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def pax_records(data: bytes) -> dict[str, str]:
    """Given pax records (``<length> <key>=<value>`` and a newline, POSIX.1-2001), return them. Raise BadTar."""
    records: dict[str, str] = {}
    position = 0
    while position < len(data):
        digits = data[position : position + 10].split(b" ", 1)[0]
        end = position + int(digits) if digits.isdigit() else position
        key, equals, value = data[position + len(digits) + 1 : end - 1].partition(b"=")
        name = key.decode("utf-8", "surrogateescape")
        if end <= position or end > len(data) or data[end - 1 : end] != b"\n" or not equals or name in records:
            raise BadTar(f"pax records are damaged at {data[position : position + 20]!r}, or have one twice")
        records[name] = value.decode("utf-8", "surrogateescape")
        position = end
    return records
