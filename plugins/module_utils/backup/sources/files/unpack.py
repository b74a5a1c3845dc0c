# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unpacking a tar into an empty folder of ours: each member is compared with the index, checked, and only then written.

What an archive says of itself is not believed: a member that the index does not have so, a name that leads out of the
folder, a kind that is no file, folder or link, a name that was there before, more bytes than were declared, end it with
the member named. A file that is written again right behind itself is no such doublet: a large file that changed while
it was read is in an archive of ours twice, and the later one counts.
"""

# pylint does not see that our errors are exceptions.
# pylint: disable=bad-exception-cause
from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Optional, Protocol

from ....errors import ActionFailed
from ....host import Host
from ....printable import printable
from ....units import human_bytes
from ...errors import MemberRefused, NoSpace
from ...model import Notes, SourceCopy
from ...names import member_refusal
from ...stage import CHUNK
from ...streams import is_full, reading
from ..model import Bench, Reader
from .content import SPARSE
from .destination import LINK, Attributes, Destination, destination_in, length_refusal, write_all
from .formats import BLOCK, FOLDER, HARDLINK, REGULAR, SYMLINK, BadTar
from .headers import REST, Counted, Header, exactly, read_headers
from .kept import Accounts, Kept, read_kept
from .listed import Listed, Selected, read_listed

UNBOUNDED = 1 << 62  # of an archive of an earlier set, which was read to its end when that was verified
SMALL = 256 << 10  # bytes
SEGMENTS = 1_000_000  # of one file with holes
KINDS = {REGULAR: ("file", SPARSE), FOLDER: ("folder",), SYMLINK: ("link", "junction"), HARDLINK: ("hardlink",)}


class ChainReader(Reader, Protocol):
    """A reader of the archive store, whose sets may need the archives of earlier ones."""

    def piece(self, piece: Mapping[str, Any]) -> AbstractContextManager[Path]:
        """Yield an archive of an earlier set, proved by the checksum that this set has of it."""


def unpack(entry: SourceCopy, reader: ChainReader, into: Path, bench: Bench) -> Notes:
    """Given a files source of the archive store, write what it holds below an empty folder; return what could not be
    kept. What of it lies in earlier sets is read from those, and nothing else of theirs.

    Raise ActionFailed, MemberRefused where a member is the reason, NoSpace before anything is written.
    """
    notes, selected = Notes(), Selected(bench.selection.paths)
    if not bench.selection.paths:
        require_room(entry.raw_bytes, into)
    with ExitStack() as stack:
        files = {one.role: stack.enter_context(reader.payload(one.name)) for one in entry.payloads}
        kept = read_kept(files.get("attributes"), entry, bench.host)
        selected.learn(files["index"], entry, bench)
        destination = stack.enter_context(destination_in(into, notes))
        stream = Counted(stack.enter_context(reading(files["archive"], entry.compression, bench.host)), entry.raw_bytes)
        rows = read_listed(stack.enter_context(reading(files["index"], entry.compression, bench.host)), "the index")
        unpacking = Unpacking(destination, stream, kept, selected, bench)
        try:
            earlier = _unpack_own(unpacking, rows, stream, entry, reader.manifest.platform)
            for place, piece in enumerate(entry.facts.get("chain", ())):
                _unpack_earlier(unpacking, piece, earlier.get(place, {}), reader)
        except BadTar as error:
            where = f"behind the member '{printable(unpacking.last)}'" if unpacking.last else "at its beginning"
            raise ActionFailed(f"the archive of {entry.name} is not unpacked, {where}: {error}") from error
        unpacking.finish()
    if not bench.selection.paths and unpacking.files != entry.things:
        raise ActionFailed(f"{entry.name} has {unpacking.files} files, the manifest says {entry.things}")
    return notes


def require_room(size: int, into: Path) -> None:
    """Raise NoSpace where a folder has not so many bytes free, before anything is written."""
    free = shutil.disk_usage(into).free
    if free < size:
        raise NoSpace(f"{into} has {human_bytes(free)} free, what is to be unpacked takes {human_bytes(size)}")


ByPath = dict[str, Listed]


def _unpack_own(
    unpacking: Unpacking, rows: Iterator[Listed], stream: Counted, entry: SourceCopy, platform: str
) -> dict[int, ByPath]:
    """Unpack a set's own archive, which has the members of the index in its order; return those that lie in earlier
    ones, by place.
    """
    members, own = read_headers(stream), len(entry.facts.get("chain", ()))
    earlier: dict[int, ByPath] = {}
    for row in rows:
        if own and row.lies != own:
            _remember(earlier, row, own)
            continue
        stream.allow(row.room)
        header = next(members, None)
        if header is None:
            raise MemberRefused(row.path, "it is in the index and not in the archive")
        require_own(header, platform)
        _require_listed(header, row)
        unpacking.add(header, row.sha256, row.mtime_ns)
    stream.allow(REST)
    more = next(members, None)
    if more is not None:
        raise MemberRefused(more.name, "it is in the archive and not in the index")
    return earlier


def _remember(earlier: dict[int, ByPath], row: Listed, own: int) -> None:
    known = earlier.setdefault(row.lies, {})
    if not 0 <= row.lies < own or row.kind not in KINDS[REGULAR]:
        raise MemberRefused(row.path, f"its content lies in place {row.lies} of a chain of {own}, or it is no file")
    if row.path in known:
        raise MemberRefused(row.path, "it is in the index twice")
    known[row.path] = row


def _unpack_earlier(unpacking: Unpacking, piece: Mapping[str, Any], wanted: ByPath, reader: ChainReader) -> None:
    """Unpack from the archive of an earlier set what the index has there. Of a file that was written twice right behind
    itself the later one counts.
    """
    if not wanted:
        return
    left = dict(wanted)
    with reader.piece(piece) as path, reading(path, str(piece["compression"]), unpacking.host) as packed:
        unpacking.stream = Counted(packed, UNBOUNDED)
        for header in read_headers(unpacking.stream):
            row = wanted.get(header.name) if header.kind == REGULAR else None
            if row is None:
                unpacking.skip(header)
                continue
            require_own(header, reader.manifest.platform)
            _require_listed(header, row)
            if unpacking.add(header, row.sha256, row.mtime_ns, may_differ=header.size > CHUNK):
                left.pop(row.path, None)
    if left:
        first = next(iter(left))
        raise MemberRefused(first, f"it is not in {piece['set']}/{piece['name']} as the index has it")


def require_own(header: Header, platform: str) -> None:
    """Raise MemberRefused where a member has a name, or is another name of one, that no set of ours has."""
    for name in (header.name, header.link) if header.kind == HARDLINK else (header.name,):
        why = member_refusal(name, platform) or length_refusal(name)
        if why:
            raise MemberRefused(header.name, why if name == header.name else f"of what it leads to, {name!r}: {why}")
    if header.kind == SYMLINK and (why := _link_refusal(header.link)):
        raise MemberRefused(header.name, why)


def _link_refusal(text: str) -> str:
    try:
        size = len(os.fsencode(text))
    except UnicodeEncodeError:
        return "what it says is of characters that no path has here"
    if not text or "\0" in text or size > LINK:
        return f"it is a symlink that says {size} bytes, 1 to {LINK} without a NUL are expected"
    return ""


def _require_listed(header: Header, row: Listed) -> None:
    """Raise MemberRefused where the archive has another member than the index: one of them lies."""
    size = header.size if header.long is None else header.long
    alike = row.kind in KINDS[header.kind] and (row.kind == SPARSE) == (header.long is not None)
    link = header.link if header.kind in (SYMLINK, HARDLINK) else ""
    found = (header.name, size, link, header.mode, header.uid, header.gid)
    if not alike or found != (row.path, row.size, row.link, row.mode, row.uid, row.gid):
        raise MemberRefused(header.name, f"it is another than the index says, which has {row.kind} {row.path!r} there")


class Differs(MemberRefused):
    """A file has another content than it is to have; it is written even so."""


class _Link(NamedTuple):
    """A link that is made when all files are there."""

    name: str
    text: str
    attributes: Attributes


class Unpacking:
    """Writes members as they come, and at last what has to wait. ``files`` counts what has content, wanted or not;
    ``last`` is the name of the member that came last, ``stream`` what its content is read from.
    """

    def __init__(self, destination: Destination, stream: Counted, kept: Kept, selected: Selected, bench: Bench) -> None:
        self._destination, self.stream, self._kept, self._selected, self._bench = (
            destination,
            stream,
            kept,
            selected,
            bench,
        )
        self._accounts = Accounts(destination.notes)
        self._folders: dict[str, Attributes] = {}
        self._needed: set[str] = set()
        self._links: list[_Link] = []
        self._hardlinks: list[_Link] = []
        self._before: Optional[Header] = None  # the file that was written last
        self.files, self.last = 0, ""

    @property
    def host(self) -> Host:
        """The host that is written on."""
        return self._bench.host

    def add(
        self,
        header: Header,
        sha256: Optional[str] = None,
        mtime_ns: Optional[int] = None,
        *,
        may_differ: bool = False,
    ) -> bool:
        """Write a member that was found to be ours, and read its content; ``sha256`` is what that has to have.

        Return whether it has. Raise MemberRefused where it cannot be written as what it is, or has another content and
        may not differ.
        """
        self._bench.pulse()
        self.last = header.name
        try:
            self._add(header, sha256, header.mtime_ns if mtime_ns is None else mtime_ns)
        except Differs:
            if not may_differ:
                raise
            return False
        except OSError as error:
            if is_full(error):
                raise NoSpace(f"the disk was full when {header.name!r} was unpacked: {error}") from error
            raise MemberRefused(header.name, error.strerror or str(error)) from error
        return True

    def _add(self, header: Header, sha256: Optional[str], mtime_ns: int) -> None:
        uid, gid = self._accounts.of(header)
        attributes = Attributes(header.mode, uid, gid, mtime_ns, self._kept.xattrs(header.name))
        wanted = header.name in self._selected
        if header.kind == REGULAR:
            name = header.name if wanted else self._selected.renamed.get(header.name, "")
            self._add_file(header, name, sha256, attributes)
            self.files += 1
        elif header.kind == FOLDER:
            if header.name in self._folders:
                raise MemberRefused(header.name, "it is in the archive twice")
            self._folders[header.name] = attributes
        elif wanted:
            links = self._links if header.kind == SYMLINK else self._hardlinks
            links.append(_Link(header.name, header.link, attributes))
        if wanted and header.kind == FOLDER:
            self._destination.make_folder(header.name)
        if wanted:
            self._need(header.name)

    def _need(self, name: str) -> None:
        while name and name not in self._needed:
            self._needed.add(name)
            name = name.rpartition("/")[0]

    def _add_file(self, header: Header, name: str, sha256: Optional[str], attributes: Attributes) -> None:
        before, self._before = self._before, header
        again = before is not None and before.name == header.name and before.size > CHUNK
        digest = hashlib.sha256()
        if not name:
            self.skip(header)
            return
        descriptor = self._destination.make_file(name, again=again)
        try:
            for chunk in self._written(header, descriptor):
                digest.update(chunk)
                self._bench.pulse()
            if sha256 is not None and digest.hexdigest() != sha256:
                raise Differs(header.name, "its content is another than the index says")
            self._destination.finish(descriptor, name, attributes)
        finally:
            os.close(descriptor)

    def skip(self, header: Header) -> None:
        """Read a file's content that nobody wants."""
        left = header.size + -header.size % BLOCK
        while left > 0:
            left -= len(exactly(self.stream, min(left, CHUNK), "a file's content"))
            self._bench.pulse()

    def _written(self, header: Header, descriptor: int) -> Iterator[bytes]:
        """Write a file's content, and yield it as it is in the archive."""
        if header.long is None and header.size <= SMALL:  # most are, and two reads of the stream would be two too many
            data = exactly(self.stream, header.size + -header.size % BLOCK, "a file's content")[: header.size]
            write_all(descriptor, data)
            yield data
            return
        segments = [(0, header.size)]
        if header.long is not None:
            described, segments = read_map(self.stream, header)
            yield described
        for offset, size in segments:
            os.lseek(descriptor, offset, os.SEEK_SET)
            left = size
            while left > 0:
                chunk = exactly(self.stream, min(left, CHUNK), "a file's content")
                left -= len(chunk)
                write_all(descriptor, chunk)
                yield chunk
        if header.long is not None:
            os.ftruncate(descriptor, header.long)
        exactly(self.stream, -header.size % BLOCK, "padding")

    def finish(self) -> None:
        """Make the links, then give the folders what is theirs, the deepest first."""
        for link in self._hardlinks:
            first = self._selected.renamed.get(link.text)
            if first != link.name:  # else it is what got the content
                self._destination.make_hardlink(link.name, first or link.text)
        for link in self._links:
            self._destination.make_link(link.name, link.text, link.attributes)
        for name in reversed(self._folders):
            if name in self._needed:
                self._destination.finish_folder(name, self._folders[name])
        self._kept.note_rest(self._destination.notes, self._selected)


def read_map(stream: Counted, header: Header) -> tuple[bytes, list[tuple[int, int]]]:
    """Given a file with holes, return its map as it is in the archive, and where its data belongs, as (offset, bytes).

    Raise MemberRefused where the map says what cannot be.
    """
    described: list[bytes] = []
    numbers: list[int] = []
    rest = b""
    while not numbers or len(numbers) < 1 + 2 * numbers[0]:
        if len(described) * BLOCK >= header.size or (numbers and numbers[0] > SEGMENTS):
            raise MemberRefused(header.name, "its map of holes has no end")
        described.append(exactly(stream, BLOCK, "a map of holes"))
        *lines, rest = (rest + described[-1]).split(b"\n")
        if len(rest) > BLOCK or not all(line.isdigit() and len(line) < 20 for line in lines):
            raise MemberRefused(header.name, "its map of holes has something else than numbers")
        numbers += map(int, lines)
    segments = list(zip(numbers[1 : 1 + 2 * numbers[0] : 2], numbers[2 : 2 + 2 * numbers[0] : 2]))
    ends = [0, *(offset + size for offset, size in segments)]
    in_order = all(before <= offset for before, (offset, size) in zip(ends, segments))
    size = len(described) * BLOCK + sum(size for offset, size in segments)
    if not in_order or ends[-1] > (header.long or 0) or size != header.size:
        raise MemberRefused(header.name, "its map of holes does not fit its size")
    return b"".join(described), segments
