# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proving that an archive holds what its index says, to the last byte of its last member."""

from __future__ import annotations

import hashlib
from itertools import zip_longest
from typing import IO, Optional

from ...model import SourceCopy
from ...names import member_refusal
from ...stage import CHUNK
from ...streams import reading
from ..model import Bench
from .attributes import verify_attributes
from .content import SPARSE
from .formats import FOLDER, HARDLINK, REGULAR, SYMLINK, BadTar, Member, Row, Rows, read_content, read_members

KINDS = {REGULAR: ("file", SPARSE), FOLDER: ("folder",), SYMLINK: ("link", "junction"), HARDLINK: ("hardlink",)}
NAMED = 5  # members that differ, named in full; one is enough to condemn a set


def verify(entry: SourceCopy, bench: Bench) -> list[str]:
    """Given a files source of a set, return what does not hold: members that differ from the index, or must not be.

    Raise Unreadable where either file cannot be read to its end.
    """
    wrong = _verify_archive(entry, bench)
    return wrong or verify_attributes(entry, bench)


def _verify_archive(entry: SourceCopy, bench: Bench) -> list[str]:
    archive, index = entry.payload("archive"), entry.payload("index")
    paths, packed = [bench.folder / payload.name for payload in (archive, index)], entry.compression
    with reading(paths[0], packed, bench.host) as stream, reading(paths[1], packed, bench.host) as rows:
        try:
            return _compare(stream, Rows(rows, index.name, len(entry.chain)), entry.things, bench)
        except BadTar as error:
            return [f"{archive.name}: {error}"]


def _compare(stream: IO[bytes], rows: Rows, count: int, bench: Bench) -> list[str]:
    wrong: list[str] = []
    files = 0
    for member, row in zip_longest(read_members(stream), rows):
        difference = _difference(member, row, stream, bench.platform)
        files += member is not None and member.kind == REGULAR
        if difference:
            wrong.append(difference)
        if member is None or row is None or len(wrong) >= NAMED:
            return wrong
        bench.host.remaining()
    files += rows.carried
    return wrong if files == count else [f"the archive holds {files} files, the manifest says {count}"]


def _difference(member: Optional[Member], row: Optional[Row], stream: IO[bytes], platform: str) -> str:
    if row is None:
        return f"{member.name if member else ''!r} is in the archive and not in the index"
    if member is None:
        return f"{row.path!r} is in the index and not in the archive"
    refusal = _refusal(member, platform)
    if refusal:
        return refusal
    digest = hashlib.sha256()
    for data in read_content(stream, member.size, CHUNK):
        digest.update(data)
    sha256 = digest.hexdigest() if member.kind == REGULAR else ""
    found = (member.name, member.size if member.long is None else member.long, sha256, member.link)
    alike = row.kind in KINDS.get(member.kind, ()) and (row.kind == SPARSE) == (member.long is not None)
    same = alike and found == (row.path, row.size, row.sha256, row.link)
    return "" if same else f"{row.path!r} is not what the index says"


def _refusal(member: Member, platform: str) -> str:
    """Return why a member must not be unpacked, whatever the index says of it, or an empty text."""
    for name in (member.name, member.link) if member.kind == HARDLINK else (member.name,):
        why = member_refusal(name, platform)
        if why:
            return f"{name!r} is no name that a set of ours has: {why}"
    return ""
