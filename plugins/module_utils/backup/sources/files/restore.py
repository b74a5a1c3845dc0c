# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a files source beside: written below an empty folder by the store that has it, then compared with the index
by a second way, the folder itself.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ....errors import ActionFailed
from ....folders import Folder, NotEntered, opened
from ....printable import printable
from ...model import SourceCopy
from ...stage import CHUNK
from ...streams import reading
from ..model import Bench, Reader, Restored
from .content import FILE, LINK, SPARSE, kind_of
from .content import FOLDER as A_FOLDER
from .listed import Listed, Selected, read_listed

_KINDS = {"file": FILE, SPARSE: FILE, "hardlink": FILE, "folder": A_FOLDER, "link": LINK, "junction": LINK}
COARSE_NS = 2 * 10**9  # FAT keeps every second second


def restore(entry: SourceCopy, reader: Reader, into: Path, bench: Bench) -> Restored:
    """Write what a files source holds below an empty folder of ours, each member where it was below the root of the
    file system, and return what was compared with the index.

    Raise ActionFailed where anything of it is not there as it was.
    """
    notes = reader.tree(entry, into, bench)
    proof = compare(entry, reader, into, bench)
    return Restored(entry, proof["files"], notes, proof)


def compare(entry: SourceCopy, reader: Reader, into: Path, bench: Bench) -> dict[str, int]:
    """Given where a files source was written, compare each member with the index: its kind, size, time, rights, what a
    link says, and where ``bench`` is thorough its content. Return how many members, files and bytes that were.

    Raise ActionFailed with the first that differs.
    """
    index, wanted = entry.payload("index"), Selected(bench.selection.paths)
    found = {"members": 0, "files": 0, "bytes": 0}
    with ExitStack() as stack:
        path = stack.enter_context(reader.payload(index.name))
        stream = stack.enter_context(reading(path, entry.compression, bench.host))
        finder = stack.enter_context(finding(into))
        for listed in _last_of_each(read_listed(stream, index.name)):
            row = listed._replace(path=listed.path.lstrip("/"))  # a repository of restic lists whole paths
            if row.path in wanted:
                bench.pulse()
                found["bytes"] += _compared(row, finder, bench)
                found["members"] += 1
                found["files"] += _KINDS[row.kind] == FILE
    return found


def _last_of_each(rows: Iterator[Listed]) -> Iterator[Listed]:
    """Yield rows without those of a file that was written again right behind itself."""
    before = next(rows, None)
    for row in rows:
        if before is not None and before.path != row.path:
            yield before
        before = row
    if before is not None:
        yield before


class Finder:
    """Finds members below a folder, without following a link. Members of one folder come one after the other."""

    def __init__(self, root: Folder) -> None:
        self._root, self._path, self._holder = root, "", root

    def holder(self, path: str) -> Folder:
        """Return the open folder that a member lies in. Raise OSError or NotEntered where there is none."""
        above = path.rpartition("/")[0]
        if above != self._path:
            self.close()
            for part in above.split("/") if above else ():
                inner = self._holder.enter(part)
                self.close()
                self._holder = inner
            self._path = above
        return self._holder

    def close(self) -> None:
        """Let the folder go."""
        if self._holder is not self._root:
            self._holder.close()
        self._holder, self._path = self._root, ""


@contextmanager
def finding(into: Path) -> Iterator[Finder]:
    """Yield what finds members below a folder. Raise ActionFailed where it is no plain folder any more."""
    try:
        with opened(os.path.join(os.path.realpath(into.parent), into.name)) as root:
            finder = Finder(root)
            try:
                yield finder
            finally:
                finder.close()
    except NotEntered as error:
        raise ActionFailed(f"{into} is not what was written there any more: {error}") from error


def _compared(row: Listed, finder: Finder, bench: Bench) -> int:
    """Compare a member; return the bytes of content that were read for it. Raise ActionFailed where it differs."""
    name = row.path.rpartition("/")[2]
    try:
        holder = finder.holder(row.path)
        status = holder.lstat(name)
        differs = _differs(row, status, holder.link(name) if stat.S_ISLNK(status.st_mode) else "")
        if not differs and row.kind == "hardlink" and not bench.selection.paths:
            differs = _other_file(row, status, finder)
        elif not differs and row.kind == "file" and bench.thorough:
            return _content(row, holder, name, bench)
    except (OSError, NotEntered) as error:
        differs = f"it cannot be looked at ({error})"
    if differs:
        raise ActionFailed(f"{printable(row.path)!r} was restored and is another than the index says: {differs}")
    return 0


def _differs(row: Listed, status: os.stat_result, text: str) -> str:
    """Return what a member is that the index says otherwise, or an empty text."""
    kind = kind_of(status.st_mode)
    if (kind, text) != (_KINDS[row.kind], row.link if kind == LINK else ""):
        return f"it is a {kind} {printable(text)}, expected a {row.kind} {printable(row.link)}".rstrip()
    if row.kind == "hardlink":
        return ""  # the file has what its first name has; a live one may have changed between the two
    if row.kind in ("file", SPARSE) and status.st_size != row.size:
        return f"it has {status.st_size} bytes, expected {row.size}"
    if abs(status.st_mtime_ns - row.mtime_ns) >= COARSE_NS:
        return f"it is of {status.st_mtime_ns}, expected {row.mtime_ns} (nanoseconds since the epoch)"
    kept = 0o7777 if os.geteuid() == 0 else 0o1777
    if kind != LINK and (status.st_mode ^ row.mode) & kept:
        return f"its mode is {status.st_mode & kept:04o}, expected {row.mode & kept:04o}"
    return ""


def _other_file(row: Listed, status: os.stat_result, finder: Finder) -> str:
    first = finder.holder(row.link).lstat(row.link.rpartition("/")[2])
    same = (first.st_dev, first.st_ino) == (status.st_dev, status.st_ino)
    return "" if same else f"it is not the same file as {printable(row.link)!r}"


def _content(row: Listed, holder: Folder, name: str, bench: Bench) -> int:
    digest, size = hashlib.sha256(), 0
    with os.fdopen(holder.open_file(name), "rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            bench.pulse()
    if digest.hexdigest() != row.sha256:
        raise ActionFailed(f"{printable(row.path)!r} was restored and has another content than the index says")
    return size
