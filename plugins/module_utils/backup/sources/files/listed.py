# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The index of a files source, read back with all of its columns, and which of its members are wanted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from ....errors import ActionFailed
from ...errors import Unreadable
from ...model import SourceCopy
from ...streams import reading
from ..model import Bench
from .walk import leaving_out

LINE = 1 << 20  # bytes of a line of an index
ROOM = 8 << 10  # bytes that headers and padding of one member take beside its names
COLUMNS = ("path", "kind", "size", "sha256", "mode", "uid", "gid", "mtime_ns", "link")
LIES = "lies"  # of an incremental set: the place of the archive that has the content


class Listed(NamedTuple):
    """One member as the index lists it. ``lies`` is the place of the archive that has it in the chain of sets."""

    path: str
    kind: str
    size: int
    sha256: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    link: str
    lies: int = 0

    @property
    def room(self) -> int:
        """How many bytes a tar may take for it beside its content."""
        return ROOM + 8 * (len(self.path) + len(self.link))  # twice, and at most four bytes of a character


def read_listed(stream: IO[bytes], name: str) -> Iterator[Listed]:
    """Given an index as a stream, yield its rows, whatever columns it has beside those. Raise Unreadable where it is
    none.
    """
    columns = _columns(stream.readline(LINE), name)
    places = [columns.index(column) for column in COLUMNS]
    lies = columns.index(LIES) if LIES in columns else -1
    for line in iter(lambda: stream.readline(LINE), b""):
        try:
            values = json.loads(line)
            path, kind, size, sha256, *numbers, link = (values[place] for place in places)
            mode, uid, gid, mtime_ns = map(int, numbers)
            place = int(values[lies]) if lies >= 0 else 0
            row = Listed(str(path), str(kind), int(size), str(sha256), mode, uid, gid, mtime_ns, str(link), place)
        except (ValueError, TypeError, LookupError):
            raise Unreadable(name, f"it has a line that is no row of an index: {line[:80]!r}") from None
        yield row


def _columns(line: bytes, name: str) -> list[str]:
    try:
        columns = json.loads(line)
    except ValueError:
        columns = None
    if not isinstance(columns, list) or not set(COLUMNS) <= set(map(str, columns)):
        raise Unreadable(name, "its first line does not name the columns of an index")
    return columns


class Selected:
    """Which members are wanted: those that match a pattern and all below them, or all where there is none."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns, self._matches = tuple(patterns), leaving_out(patterns)
        self.renamed: dict[str, str] = {}  # files that are wanted by another name of theirs alone
        self.any = not patterns

    def __contains__(self, path: object) -> bool:
        if not self._patterns:
            return True
        parts = str(path).split("/")
        return any(self._matches("/".join(parts[: end + 1]), part) for end, part in enumerate(parts))

    def learn(self, index: Path, entry: SourceCopy, bench: Bench) -> None:
        """Given the index, find the files of which only another name is wanted. Raise ActionFailed where nothing is."""
        if not self._patterns:
            return
        with reading(index, entry.compression, bench.host) as stream:
            for row in read_listed(stream, "the index"):
                wanted = row.path in self
                self.any = self.any or wanted
                if wanted and row.kind == "hardlink" and row.link not in self:
                    self.renamed.setdefault(row.link, row.path)
        if not self.any:
            raise ActionFailed(f"nothing in {entry.name} matches {', '.join(self._patterns)}: see its index")
