# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an incremental set knows of its parent: which files it had, how they were, and where their content lies."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Callable, NamedTuple, TypeVar

from ....errors import CoreError
from ....finding import EMPTY
from ...declared import Source
from ...errors import Unreadable
from ...model import Payload, Piece, SourceCopy
from ...store.chain import entry_for
from ...streams import reading, sha256_of
from ..model import Workshop
from .attributes import read_noted
from .formats import HEAD, as_json

_SHA256 = 64  # characters
_KINDS = ('"file"', '"sparse"')


class Parent(NamedTuple):
    """The files of the parent set. ``rows`` are lines of its index without the name, by the name as JSON has it.

    ``attributes`` are by member; ``own`` is the place of the new set in the chain, ``begun`` when it began to be read.
    """

    rows: Mapping[str, str] = EMPTY
    attributes: Mapping[str, Mapping[str, Any]] = EMPTY
    own: int = 0
    begun: float = 0.0

    def row_of(self, name: str, status: os.stat_result) -> str:
        """Return the line of a file that is as it was: size, mode, owner, both times and inode. Else an empty text."""
        key = as_json(name)
        row = self.rows.get(key)
        if row is None or not status.st_ino:
            return ""
        kind = '"sparse"' if row.startswith('"sparse"') else '"file"'
        head = f'{kind}, {status.st_size}, "'
        tail = (
            f'", {stat.S_IMODE(status.st_mode)}, {status.st_uid}, {status.st_gid}, {status.st_mtime_ns}, "", '
            f"{status.st_ctime_ns}, {status.st_ino}, "
        )
        same = row.startswith(head) and row.startswith(tail, len(head) + _SHA256)
        return f"[{key}, {row}" if same else ""


NO_PARENT = Parent()


def rows_by_name(lines: Iterable[str]) -> dict[str, str]:
    """Given the lines of an index, return those of files with content: what follows the name, by the name.

    In JSON no text holds ``", "``: a quote in it has a backslash before it.
    """
    rows = {}
    for line in lines:
        end = line.find('", "') + 1
        if line.startswith(_KINDS, end + 2):
            rows[line[1:end]] = line[end + 2 :]
    return rows


class Comparison(NamedTuple):
    """What a source is compared with: the parent, and the archives that the new set then needs. ``why`` says why it is
    taken whole although there is a parent set.
    """

    parent: Parent
    pieces: tuple[Piece, ...] = ()
    why: str = ""


def compare_with(source: Source, workshop: Workshop) -> Comparison:
    """Given a source and where it is taken, return what it is compared with: nothing where it is to be taken whole."""
    begun, found = workshop.host.now(), workshop.parent
    entry = entry_for(source, found)
    if found is None or entry is None:
        return Comparison(Parent(begun=begun))
    pieces = (*entry.chain, Piece(found.id, entry.payload("archive"), entry.compression))
    try:
        for piece in pieces:
            _require_written(found.folder.parent / piece.set_id / piece.payload.name, piece.payload, workshop)
        rows = _proved(found.folder, entry, "index", workshop, _rows)
        noted = _proved(found.folder, entry, "attributes", workshop, _attributes)
    except (CoreError, OSError, KeyError) as error:
        return Comparison(Parent(begun=begun), why=f"set {found.id}, its parent, cannot be read: {error}")
    return Comparison(Parent(rows, noted, len(pieces), begun), pieces)


_Read = TypeVar("_Read")


def _proved(
    folder: Path, entry: SourceCopy, role: str, workshop: Workshop, read: Callable[[IO[bytes], str], _Read]
) -> _Read:
    """Return what a file of a set says. Raise Unreadable where it is not what was written, before or afterwards."""
    payload = entry.payload(role)
    path = folder / payload.name
    _require_written(path, payload, workshop)
    with reading(path, entry.compression, workshop.host) as stream:
        found = read(stream, payload.name)
    _require_written(path, payload, workshop)
    return found


def _require_written(path: Path, payload: Payload, workshop: Workshop) -> None:
    found = workshop.hashed[path] = sha256_of(path, workshop.pulse)
    if found != payload.sha256:
        raise Unreadable(
            f"{path.parent.parent.name}/{payload.name}", "it has another checksum than when it was written"
        )


def _rows(stream: IO[bytes], name: str) -> dict[str, str]:
    text = stream.read().decode("ascii")
    head, end, lines = text.partition("\n")
    if head + end != HEAD:
        raise Unreadable(name, "it has no columns to compare by: it is of an older release")
    return rows_by_name(lines.splitlines(keepends=True))


def _attributes(stream: IO[bytes], name: str) -> dict[str, dict[str, Any]]:
    return dict(read_noted(stream, name))
