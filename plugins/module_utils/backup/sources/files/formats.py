# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two texts of a files source: a tar stream, and the index beside it.

The members of the tar stream are written and read fast: POSIX ustar, with pax records for what does not fit. The
standard library's tarfile takes 0.1 to 0.2 ms a member, which for the hundreds of thousands of small files of an
installation is more than reading, hashing and compressing them. So the plain case, a short ASCII name and numbers in
range, is formatted here, and everything else is left to tarfile. Any tar reads the result: tests read it back with GNU
tar and with tarfile.

The index is one JSON line a member, in the archive's order, with what tar itself does not keep. The first line names
the columns. Checksum and size are of the bytes that went into the archive. Size, mtime_ns, ctime_ns and inode are what
an incremental run compares; inode is 0 where they would not tell a later change. ``lies`` is which member of the set's
chain the content lies in, from its full set on; the last one is the set itself (docs/backup-format.md).
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from json.encoder import encode_basestring_ascii
from typing import IO, NamedTuple, Optional

from ....errors import CoreError
from ...errors import Unreadable

BLOCK = 512
END = bytes(2 * BLOCK)
REGULAR, HARDLINK, SYMLINK, FOLDER, PAX = b"0", b"1", b"2", b"5", b"x"
_NAME, _ID_LIMIT, _SIZE_LIMIT = 100, 8**7, 8**11
_RECORD = re.compile(rb"(\d{1,9}) ([A-Za-z.]+)=")
_MAGIC, _DEVICE, _REST = b"ustar\x0000", b"0000000\0" * 2, bytes(167)  # no device numbers, no prefix, padding


class BadTar(CoreError):
    """A tar stream is not one, or ends too early."""


class Owner(NamedTuple):
    """The names of a file's account and group, as the header carries them beside the numbers."""

    account: str = ""
    group: str = ""


_ZEROS = bytes(BLOCK)


def padding(size: int) -> bytes:
    """Return the zeros that fill the last block of ``size`` bytes."""
    return _ZEROS[: -size % BLOCK]


class Headers:
    """Headers of members, most of which differ from the one before in name, size and time alone.

    What else is in one, and its share of the checksum, is formatted once for each mode, owner and kind.
    """

    def __init__(self, owner_of: Callable[[os.stat_result], Owner]) -> None:
        self._owner_of = owner_of
        self._fixed: dict[tuple[int, int, int, bytes], tuple[bytes, bytes, int]] = {}

    def of(self, name: str, kind: bytes, size: int, status: os.stat_result, link: str = "") -> bytes:
        """Given a member's name, kind and status, return its header, with pax records before it where needed."""
        if link or not _is_plain(name, size, status, ""):
            return header(name, kind, size, status, self._owner_of(status), link)
        key = (status.st_mode, status.st_uid, status.st_gid, kind)
        numbers, tail, known = self._fixed.get(key) or self._fix(key, status)
        text = name.encode("ascii").ljust(_NAME, b"\0")
        sizes = b"%011o\0%011o\0" % (size, int(status[stat.ST_MTIME]))
        return b"%b%b%b%06o\0 %b" % (text, numbers, sizes, sum(text) + sum(sizes) + known, tail)

    def _fix(self, key: tuple[int, int, int, bytes], status: os.stat_result) -> tuple[bytes, bytes, int]:
        whole = _plain_header("", key[3], 0, status, self._owner_of(status), "")
        numbers, tail = whole[_NAME : _NAME + 24], whole[_NAME + 56 :]
        self._fixed[key] = (numbers, tail, sum(numbers) + sum(tail) + 8 * 0x20)
        return self._fixed[key]


def header(name: str, kind: bytes, size: int, status: os.stat_result, owner: Owner, link: str = "") -> bytes:
    """Given a member's name, kind and status, return its header, with pax records before it where needed."""
    if _is_plain(name, size, status, link):
        return _plain_header(name, kind, size, status, owner, link)
    import tarfile  # few names need it

    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    member.mode, member.mtime = status.st_mode & 0o7777, int(status.st_mtime)
    member.uid, member.gid, member.uname, member.gname = status.st_uid, status.st_gid, owner.account, owner.group
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def sparse_map(data: Sequence[tuple[int, int]], end: int) -> bytes:
    """Given where a file holds data as (offset, bytes) and how long it is, return the map that its content begins with:
    numbers in lines, filled up to a block (GNU tar, "Storing Sparse Files", PAX format 1.0).
    """
    rows = [*data, (end, 0)]  # the last one says how long the file is where it ends with a hole
    text = "".join(f"{number}\n" for number in (len(rows), *(part for row in rows for part in row))).encode("ascii")
    return text + padding(len(text))


def sparse_header(name: str, size: int, status: os.stat_result, owner: Owner) -> bytes:
    """Given a file with holes and the bytes of its map and its data, return its header."""
    import tarfile

    member = tarfile.TarInfo(f"{os.path.dirname(name)}/GNUSparseFile.0/{os.path.basename(name)}".lstrip("/"))
    member.size, member.mode, member.mtime = size, status.st_mode & 0o7777, int(status.st_mtime)
    member.uid, member.gid, member.uname, member.gname = status.st_uid, status.st_gid, owner.account, owner.group
    numbers = {"major": "1", "minor": "0", "name": name, "realsize": str(status.st_size)}
    member.pax_headers = {f"GNU.sparse.{key}": value for key, value in numbers.items()}
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _is_plain(name: str, size: int, status: os.stat_result, link: str) -> bool:
    return (
        name.isascii()
        and link.isascii()
        and len(name) <= _NAME
        and len(link) <= _NAME
        and size < _SIZE_LIMIT
        and max(status.st_uid, status.st_gid) < _ID_LIMIT
        and 0 <= status[stat.ST_MTIME] < _SIZE_LIMIT
    )


def _plain_header(name: str, kind: bytes, size: int, status: os.stat_result, owner: Owner, link: str) -> bytes:
    numbers = (status.st_mode & 0o7777, status.st_uid, status.st_gid, size, int(status[stat.ST_MTIME]))
    head = name.encode("ascii").ljust(_NAME, b"\0") + b"%07o\0%07o\0%07o\0%011o\0%011o\0" % numbers
    names = owner.account.encode()[:31].ljust(32, b"\0") + owner.group.encode()[:31].ljust(32, b"\0")
    tail = kind + link.encode("ascii").ljust(_NAME, b"\0") + _MAGIC + names + _DEVICE + _REST
    checksum = sum(head) + sum(tail) + 8 * 0x20  # the checksum's own field counts as eight spaces
    return b"%b%06o\0 %b" % (head, checksum, tail)


class Member(NamedTuple):
    """A member's header as it was read; ``size`` bytes of content follow. ``link`` is what a link says.

    ``long`` is how long a file with holes is, None for any other.
    """

    name: str
    kind: bytes
    size: int
    link: str = ""
    long: Optional[int] = None


def read_members(stream: IO[bytes]) -> Iterator[Member]:
    """Yield the members of a tar stream, to its end mark. The caller reads each one's content with ``read_content``.

    Raise BadTar where a header's checksum is wrong or the stream ends before its end mark.
    """
    records: dict[str, str] = {}
    while (block := _exactly(stream, BLOCK, "a header")) != bytes(BLOCK):
        kind, size = block[156:157], _number(block[124:136])
        if _checksum(block) != _number(block[148:156]):
            raise BadTar("a header's checksum is wrong")
        if kind == PAX:
            records = _pax_records(_exactly(stream, size, "pax records"))
            _read_padding(stream, size)
            continue
        prefix, name = _text(block[345:500]), _text(block[:_NAME])
        name = records.get("path", f"{prefix}/{name}" if prefix else name)
        size = _number(records["size"].encode(), 10) if "size" in records else size
        link = records.get("linkpath", _text(block[157:257]))
        long = None
        if "GNU.sparse.realsize" in records:
            name, long = records.get("GNU.sparse.name", name), _number(records["GNU.sparse.realsize"].encode(), 10)
        yield Member(name.rstrip("/") or name[:1], kind, size if kind == REGULAR else 0, link, long)
        records = {}


def read_content(stream: IO[bytes], size: int, chunk: int) -> Iterator[bytes]:
    """Yield a member's content in chunks, and read its padding. Raise BadTar where the stream ends before."""
    left = size
    while left > 0:
        data = _exactly(stream, min(left, chunk), "a file's content")
        left -= len(data)
        yield data
    _read_padding(stream, size)


def _read_padding(stream: IO[bytes], size: int) -> None:
    if size % BLOCK and _exactly(stream, -size % BLOCK, "padding") != padding(size):
        raise BadTar("there is something where only zeros belong")


def _exactly(stream: IO[bytes], size: int, what: str) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise BadTar(f"the archive ends in the middle of {what}")
    return data


def _checksum(block: bytes) -> int:
    return sum(block) - sum(block[148:156]) + 8 * 0x20


def _number(field: bytes, base: int = 8) -> int:
    try:
        return int(field.rstrip(b"\0 ") or b"0", base)
    except ValueError:
        raise BadTar(f"a header has {field!r} where a number belongs") from None


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _pax_records(data: bytes) -> dict[str, str]:
    """Given pax records (``<length> <key>=<value>`` and a newline, POSIX.1-2001), return them."""
    records = {}
    while data:
        found = _RECORD.match(data)
        length = int(found.group(1)) if found else 0
        if found is None or length <= found.end() or data[length - 1 : length] != b"\n":
            raise BadTar(f"pax records are damaged at {data[:20]!r}")
        records[found.group(2).decode("ascii")] = data[found.end() : length - 1].decode("utf-8", "surrogateescape")
        data = data[length:]
    return records


as_json = encode_basestring_ascii  # what json.dumps makes of a text
COLUMNS = (
    *("path", "kind", "size", "sha256", "mode", "uid", "gid", "mtime_ns", "link"),
    *("ctime_ns", "inode", "lies"),  # sets of older releases do not have these
)
OLDER = len(COLUMNS) - 3
HEAD = json.dumps(COLUMNS) + "\n"
HEADS = {json.dumps(COLUMNS[:number]).encode("ascii") + b"\n" for number in (OLDER, len(COLUMNS))}


class Content(NamedTuple):
    """What the index says of a member's content: its kind, how long it is, and its checksum."""

    kind: str
    size: int = 0
    sha256: str = ""


def row_of(name: str, content: Content, status: os.stat_result, link: str, inode: int, lies: int) -> str:
    """Given a member, its status, the inode to compare it by and where it lies, return its line of the index."""
    return (
        f'[{as_json(name)}, "{content.kind}", {content.size}, "{content.sha256}", '
        f"{stat.S_IMODE(status.st_mode)}, {status.st_uid}, {status.st_gid}, {status.st_mtime_ns}, "
        f"{as_json(link)}, {status.st_ctime_ns}, {inode}, {lies}]\n"
    )


class Row(NamedTuple):
    """One member as the index lists it; ``sha256`` is empty for what has no content, ``link`` for what is no link.

    ``lies`` is the place of its content in the set's chain; 0 is the full set.
    """

    path: str
    kind: str
    size: int
    sha256: str
    link: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    lies: int = 0


# The line of a file that an earlier set of the chain has: there may be hundreds of thousands of them.
_CARRIED = re.compile(
    rb'\["(?:[^"\\]|\\.)+", "(?:file|sparse)", \d+, "[0-9a-f]{64}", \d+, \d+, \d+, -?\d+, "", -?\d+, [1-9]\d*, (\d)\]\n'
)


def read_rows(stream: IO[bytes], name: str) -> Iterator[Row]:
    """Given an index, yield all its rows, whichever set of its chain has their content. Raise Unreadable where it is
    none.
    """
    if stream.readline() not in HEADS:
        raise Unreadable(name, "its first line does not name the columns of an index")
    for number, line in enumerate(stream, start=2):
        row = _row(line)
        if row is None:
            raise Unreadable(name, f"line {number} is no row of an index")
        yield row


class Rows:
    """The rows of an index whose content is in the set's own archive, in its order. ``own`` is its place in the chain.

    ``carried`` counts those before that are of files of earlier sets. Raise Unreadable where it is no index.
    """

    def __init__(self, stream: IO[bytes], name: str, own: int = 0) -> None:
        self._stream, self._name, self._own, self.carried = stream, name, own, 0

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""
        if self._stream.readline() not in HEADS:
            raise Unreadable(self._name, "its first line does not name the columns of an index")
        for number, line in enumerate(self._stream, start=2):
            earlier = _CARRIED.fullmatch(line) if self._own else None
            if earlier is not None and int(earlier.group(1)) < self._own:
                self.carried += 1
                continue
            row = _row(line)
            if row is None or row.lies != self._own:
                raise Unreadable(self._name, f"line {number} is no row of an index")
            yield row


def _row(line: bytes) -> Optional[Row]:
    try:
        path, kind, size, sha256, mode, uid, gid, mtime_ns, link, *newer = json.loads(line)
        lies = newer[2] if newer else 0
        numbers = (int(mode), int(uid), int(gid), int(mtime_ns), int(lies))
        return Row(str(path), str(kind), int(size), str(sha256), str(link), *numbers)
    except (ValueError, TypeError, IndexError):
        return None
