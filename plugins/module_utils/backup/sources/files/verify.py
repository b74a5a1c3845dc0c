# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving that an archive holds what its index says, to the last byte of its last member."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from typing import IO, Optional

from ...streams.reader import reading
from ...streams.stage import CHUNK
from ..records import Bench, Entry
from .index import Row, read_rows
from .tar_format import FOLDER, HARDLINK, REGULAR, SYMLINK, BadTar, Member, read_content, read_members

KINDS = {REGULAR: "file", FOLDER: "folder", SYMLINK: "link", HARDLINK: "hardlink"}
NAMED = 5  # members that differ, named in full; one is enough to condemn a set


def verify(entry: Entry, bench: Bench) -> list[str]:
    """Given a files source of a set, return what does not hold: members that differ from the index, nothing else.

    Raise Unreadable where either file cannot be read to its end.
    """
    archive, index = entry.payload("archive"), entry.payload("index")
    paths, packed = [bench.folder / payload.name for payload in (archive, index)], entry.compression
    with reading(paths[0], packed, bench.host) as stream, reading(paths[1], packed, bench.host) as rows:
        try:
            return _compare(stream, read_rows(rows, index.name), entry.count, bench)
        except BadTar as error:
            return [f"{archive.name}: {error}"]


def _compare(stream: IO[bytes], rows: Iterator[Row], count: int, bench: Bench) -> list[str]:
    wrong: list[str] = []
    files = 0
    for member, row in zip_longest(read_members(stream), rows):
        difference = _difference(member, row, stream)
        files += member is not None and member.kind == REGULAR
        if difference:
            wrong.append(difference)
        if member is None or row is None or len(wrong) >= NAMED:
            return wrong
        bench.host.remaining()
    return wrong if files == count else [f"the archive holds {files} files, the manifest says {count}"]


def _difference(member: Optional[Member], row: Optional[Row], stream: IO[bytes]) -> str:
    if row is None:
        return f"{member.name if member else ''!r} is in the archive and not in the index"
    if member is None:
        return f"{row.path!r} is in the index and not in the archive"
    digest = hashlib.sha256()
    for data in read_content(stream, member.size, CHUNK):
        digest.update(data)
    sha256 = digest.hexdigest() if member.kind == REGULAR else ""
    found = (member.name, KINDS.get(member.kind, "unknown"), member.size, sha256)
    return "" if found == (row.path, row.kind, row.size, row.sha256) else f"{row.path!r} is not what the index says"
