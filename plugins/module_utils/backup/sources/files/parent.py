# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an incremental set knows of its parent: which files it had, how they were, and where their content lies."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
# In JSON no text holds a quote without a backslash before it, so these are no part of a name.
_KINDS = ('", "file", ', '", "sparse", ')


class Rows:
    """The lines of the parent's index that are of files with content. A run asks for them in their order, mostly."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._lines = [line for line in lines if any(kind in line for kind in _KINDS)]
        self._next, self._places = 0, dict[str, int]()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._lines)

    def same(self, name: str, status: os.stat_result) -> str:
        """Return the line of a file that is as it was: size, mode, owner, both times and inode. Else an empty text."""
        key = f"[{as_json(name)}, "
        place = self._next
        if place >= len(self._lines) or not self._lines[place].startswith(key):
            place = self._place_of(key)
            if place < 0:
                return ""
        self._next, line = place + 1, self._lines[place]
        head = f'{key}"file", {status.st_size}, "'
        if not line.startswith(head):
            head = f'{key}"sparse", {status.st_size}, "'
        tail = (
            f'", {stat.S_IMODE(status.st_mode)}, {status.st_uid}, {status.st_gid}, {status.st_mtime_ns}, "", '
            f"{status.st_ctime_ns}, {status.st_ino}, "
        )
        same = line.startswith(head) and line.startswith(tail, len(head) + _SHA256)
        return line if same and status.st_ino else ""

    def _place_of(self, key: str) -> int:
        """Return where the last line of a name is, -1 where there is none."""
        if not self._places:
            self._places = {line[: line.index('", "') + 3]: place for place, line in enumerate(self._lines)}
        return self._places.get(key, -1)


class Parent(NamedTuple):
    """The files of the parent set, ``attributes`` by member. ``own`` is the place of the new set in the chain,
    ``begun`` when it began to be read.
    """

    rows: Rows = Rows()
    attributes: Mapping[str, Mapping[str, Any]] = EMPTY
    own: int = 0
    begun: float = 0.0


NO_PARENT = Parent()


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
        with ThreadPoolExecutor(1) as pool:  # hashing runs beside the interpreter
            hashing = [pool.submit(_require_piece, found.folder.parent, piece, workshop) for piece in pieces]
            rows = _proved(found.folder, entry, "index", workshop, _rows)
            noted = _proved(found.folder, entry, "attributes", workshop, _attributes)
            for one in hashing:
                one.result()
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


def _require_piece(backups: Path, piece: Piece, workshop: Workshop) -> None:
    _require_written(backups / piece.set_id / piece.payload.name, piece.payload, workshop)


def _require_written(path: Path, payload: Payload, workshop: Workshop) -> None:
    found = workshop.hashed[path] = sha256_of(path, workshop.pulse)
    if found != payload.sha256:
        raise Unreadable(
            f"{path.parent.parent.name}/{payload.name}", "it has another checksum than when it was written"
        )


def _rows(stream: IO[bytes], name: str) -> Rows:
    text = stream.read().decode("ascii")
    head, end, lines = text.partition("\n")
    if head + end != HEAD:
        raise Unreadable(name, "it has no columns to compare by: it is of an older release")
    return Rows(lines.splitlines(keepends=True))


def _attributes(stream: IO[bytes], name: str) -> dict[str, dict[str, Any]]:
    return dict(read_noted(stream, name))
