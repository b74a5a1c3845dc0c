# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the things of a set belong on this host, how large they are, and in which folder of ours they are restored
beside: the nearest one above the target, on its file system, that no other account can lead elsewhere.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional

from ..backup.model import SourceCopy
from ..backup.sources.files.listed import Listed, read_listed
from ..backup.sources.model import Reader
from ..backup.streams import reading
from ..errors import SourceDenied, SourceMissing
from ..folders import Folder, NotEntered, resolved
from ..host import Host
from ..reading import real_path
from ..restores import PREFIX
from ..sqlite_place import locate
from ..trusted import Others, faults
from .choose import RestoreRefused, is_within, outside
from .model import Identity


class Target(NamedTuple):
    """One thing of a source and where it belongs: ``member`` is its path in what is unpacked."""

    path: str
    member: str
    bytes: int
    folder: bool = False


class Beside(NamedTuple):
    """Where a target is: the folder of ours for it, and the device that both are on."""

    workshop: str
    device: int


def targets_of(entry: SourceCopy, reader: Reader, patterns: Sequence[str], host: Host) -> list[Target]:
    """Given a source of a set and what reads it, return its things. Raise RestoreRefused where none matches."""
    if entry.type == "sqlite":
        return [Target(_sqlite_path(entry), ".sqlite", int(entry.facts["size"]))]
    index = entry.payload("index")
    with reader.payload(index.name) as path, reading(path, entry.compression, host) as stream:
        rows = [row._replace(path=row.path.lstrip("/")) for row in read_listed(stream, index.name)]
    found = _matching(rows, patterns) if patterns else _roots(rows)
    if not found:
        raise RestoreRefused(f"no file of the source {entry.name} matches {', '.join(patterns)}")
    return found


def _sqlite_path(entry: SourceCopy) -> str:
    declared = str(entry.facts["path"])
    try:
        return locate(declared).path
    except SourceMissing:
        return real_path(declared)


def _roots(rows: Sequence[Listed]) -> list[Target]:
    """Return what no folder of the archive holds: the declared paths, without links, and links that were declared."""
    known = {row.path for row in rows}
    sizes: dict[str, int] = {}
    tops: dict[str, Listed] = {}
    for row in rows:
        top = _top(row.path, known)
        sizes[top] = sizes.get(top, 0) + row.size
        if row.path == top:
            tops[top] = row
    return [Target(f"/{top}", top, sizes[top], row.kind == "folder") for top, row in tops.items()]


def _top(path: str, known: set[str]) -> str:
    while os.path.dirname(path) in known:
        path = os.path.dirname(path)
    return path


def _matching(rows: Sequence[Listed], patterns: Sequence[str]) -> list[Target]:
    """Return what matches a pattern and is in no folder that does."""
    chosen: dict[str, Listed] = {}
    for row in rows:
        above = any(row.path.startswith(f"{other}/") for other in chosen if chosen[other].kind == "folder")
        if not above and any(fnmatch.fnmatchcase(f"/{row.path}", pattern) for pattern in patterns):
            chosen[row.path] = row
    return [Target(f"/{path}", path, _size(rows, row), row.kind == "folder") for path, row in chosen.items()]


def _size(rows: Sequence[Listed], top: Listed) -> int:
    if top.kind != "folder":
        return top.size
    return sum(row.size for row in rows if row.path.startswith(f"{top.path}/"))


def require_declared(entry: SourceCopy, targets: Sequence[Target], paths: Sequence[str]) -> None:
    """Raise RestoreRefused where a source would be put where nothing of it is declared."""
    stray = outside([target.path for target in targets], [*paths, *map(real_path, paths)])
    if stray is not None:
        text = f"the source {entry.name} of the set would be put at {stray}, expected a path in {', '.join(paths)}"
        raise RestoreRefused(f"{text}; give into to restore it elsewhere")


def place_of(target: str, others: Others, restore_id: str, swapped: Sequence[str]) -> Beside:
    """Given where a thing belongs and all that is swapped, return the folder of ours for it, which is in none of that.

    Raise RestoreRefused where the target is a mount point, or no folder above it on its file system is ours alone.
    """
    above = _existing(os.path.dirname(target))
    device = os.stat(above).st_dev
    if _device(target) not in (None, device):
        raise RestoreRefused(f"{target} is a file system of its own, which no rename can replace: restore it by into")
    while True:
        found = faults(above, others)
        if not found and not is_within(above, swapped):
            return Beside(os.path.join(above, PREFIX + restore_id), device)
        higher = os.path.dirname(above)
        if higher == above or os.stat(higher).st_dev != device:
            why = found[0].words if found else f"all of it is swapped ({', '.join(swapped)})"
            raise RestoreRefused(f"there is no folder of ours alone on the file system of {target}: {why}")
        above = higher


def _device(path: str) -> Optional[int]:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return None


def _existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return real_path(path)


def identity_of(path: str) -> Optional[Identity]:
    """Return what lies at a path, whatever it is called; None where nothing does."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def files_below(path: str) -> Iterator[str]:
    """Yield a path and, where it is a folder, every file below it that somebody may have open."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            yield path
            return
    except OSError:
        return
    for folder, _folders, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in names)


def parent_of(path: str) -> Folder:
    """Return the folder that holds a path, open, reached by no link of another account. Raise SourceDenied or OSError.

    The caller closes it.
    """
    try:
        with resolved(os.path.dirname(path) or "/") as place:
            if place.name == ".":
                return Folder(os.dup(place.holder.descriptor), place.path)
            return place.holder.enter(place.name)
    except NotEntered as reason:
        raise SourceDenied(path, str(reason)) from reason
