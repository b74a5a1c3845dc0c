# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our own index of what a snapshot holds: what it is compared with when it is verified and restored.

Restic ends well for a source that it skipped, and an exclude that hit too much looks like any other. So the sources are
walked before it runs, what it says that it took is compared with that, and the checksum of each file is taken here. A
file that is as it was in the former set (size, both times, inode) keeps the checksum that it had there.
"""

from __future__ import annotations

import calendar
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple, Optional

from ...errors import ActionFailed, ParseError, SourceDenied, SourceMissing
from ...folders import FILE_FLAGS, NotEntered
from ...host import Host
from ...restores import is_own
from ..declared import Source
from ..errors import Unreadable
from ..model import Notes
from ..sources.files.back_up import real_paths
from ..sources.files.content import FILE, FOLDER, LINK, SPECIAL, VANISHED, Found
from ..sources.files.system import POSIX, SYSTEMS, System
from ..sources.files.walk import leaving_out, walk
from ..stage import CHUNK

COLUMNS = ("path", "kind", "size", "sha256", "mode", "uid", "gid", "mtime_ns", "ctime_ns", "inode", "link")
HEAD = json.dumps(COLUMNS) + "\n"
KINDS = {"file": FILE, "dir": FOLDER, "symlink": LINK}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_PLAIN = re.compile(r"[A-Za-z0-9._*?-]+")
_INVALID = re.compile("[\udc80-\udcff]")


class Item(NamedTuple):
    """One thing that a snapshot holds. ``sha256`` is empty for what is no file, ``link`` for what is no link."""

    path: str
    kind: str
    size: int
    sha256: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    link: str

    @property
    def same(self) -> tuple[Any, ...]:
        """What stays as it is while nobody touches the thing."""
        return (self.kind, self.size, self.mode, self.uid, self.gid, self.mtime_ns, self.ctime_ns, self.inode)


class Observed(NamedTuple):
    """What a walk over a source found: rows without checksums by path, and what restic has to be told to leave out."""

    source: Source
    roots: tuple[str, ...]
    rows: dict[str, Item]
    excludes: list[str]
    left_out: Callable[[str], bool]
    notes: Notes

    @property
    def files(self) -> int:
        """How many regular files there are."""
        return sum(row.kind == FILE for row in self.rows.values())


def observe(source: Source, protected: frozenset[str], host: Host) -> Observed:
    """Given a files source, return what it holds now. Raise SourceMissing or SourceDenied where it cannot be told."""
    rows: dict[str, Item] = {}
    system, notes = SYSTEMS[host.platform], Notes()
    chosen = _Chosen(source, protected, system)
    roots = real_paths(source.paths, system)
    for root in roots:
        try:
            with system.resolved(root) as place:
                if place.path in protected:
                    continue
                below = chosen.below(place.path)
                for found in walk(place, below, (), system, notes.add):
                    _add(found, rows, chosen, notes)
                    host.remaining()
        except NotEntered as reason:
            raise SourceDenied(system.shown(root), str(reason)) from reason
    links = [path for path in sorted({*source.paths}) if _is_link(path)]
    for path in links:
        rows[path] = _row(path, LINK, os.lstat(path), os.readlink(path))
    named = tuple(dict.fromkeys([*roots, *links]))
    return Observed(source, named, rows, chosen.excludes(roots), chosen.is_left_out, notes)


def _is_link(path: str) -> bool:
    return os.path.islink(path.rstrip(os.sep))


class _Chosen:
    """Which things below a declared path are left out, and how restic is told."""

    def __init__(self, source: Source, protected: frozenset[str], system: System) -> None:
        self._protected = protected
        self._exact: list[str] = []
        self._roots: list[str] = []
        self._declared = leaving_out(source.exclude, system.matched)
        plain = [pattern for pattern in source.exclude if _PLAIN.fullmatch(pattern)] if system == POSIX else []
        self._names, self._by_name = plain, leaving_out(plain)

    def _rule(self, below: str, name: str) -> bool:
        return is_own(name) or self._declared(below, name)

    def below(self, root: str) -> Callable[[str, str], bool]:
        """Return what tells by its path below a root whether something is left out; it keeps a list."""
        self._roots.append(root)
        above = root.rstrip(os.sep)

        def left_out(below: str, name: str) -> bool:
            path = f"{above}/{below}"
            if path not in self._protected and not self._rule(below, name):
                return False
            if path in self._protected or not self._by_name(below, name):
                self._exact.append(path)
            return True

        return left_out

    def leave(self, path: str) -> None:
        """Have something left out by its path."""
        self._exact.append(path)

    def is_left_out(self, path: str) -> bool:
        """Return whether a path, or one above it, is left out by its declaration."""
        root = next((root for root in self._roots if path.startswith(root.rstrip(os.sep) + "/")), "")
        below = path[len(root.rstrip(os.sep)) + 1 :].split("/") if root else []
        parts = ["/".join(below[:count]) for count in range(1, len(below) + 1)]
        return path in self._protected or any(self._rule(part, part.rsplit("/", 1)[-1]) for part in parts)

    def excludes(self, roots: Iterable[str]) -> list[str]:
        """Return the patterns for restic: absolute ones, because any other hits at every depth of every source."""
        by_name = [f"{escaped(root.rstrip(os.sep))}/**/{name}" for root in roots for name in self._names]
        return [*by_name, *map(escaped, self._exact)]


def escaped(path: str) -> str:
    """Given a path, return it as a line of an exclude file that means nothing else: restic expands variables there."""
    line = re.sub(r"([*?\[\\])", r"\\\1", path).replace("$", "$$")
    line = re.sub(r"[\r\n]", "?", line)
    return re.sub(r"\s$", "[ ]", line)


def _add(found: Found, rows: dict[str, Item], chosen: _Chosen, notes: Notes) -> None:
    if found.kind == SPECIAL:
        chosen.leave(found.path)
        notes.add(SPECIAL, found.path)
        return
    try:
        status = found.own.status if found.own is not None else found.holder.lstat(found.name)
        link = found.holder.link(found.name) if found.kind == LINK else ""
    except FileNotFoundError:
        notes.add(VANISHED, found.path)
        return
    rows[found.path] = _row(found.path, found.kind, status, link)


def _row(path: str, kind: str, status: os.stat_result, link: str) -> Item:
    size = status.st_size if kind == FILE else 0
    mode, times = status.st_mode & 0o7777, (status.st_mtime_ns, status.st_ctime_ns)
    return Item(path, kind, size, "", mode, status.st_uid, status.st_gid, *times, status.st_ino, link)


def groups(observed: Sequence[Observed]) -> list[list[Observed]]:
    """Given what sources hold, return which may share a snapshot: an exclude of one must not hit another's files."""
    found: list[list[Observed]] = []
    for one in observed:
        fitting = next((group for group in found if not any(_overlap(one, other) for other in group)), None)
        if fitting is None:
            found.append([one])
        else:
            fitting.append(one)
    return found


def _overlap(one: Observed, other: Observed) -> bool:
    pairs = [(first.rstrip("/") + "/", second.rstrip("/") + "/") for first in one.roots for second in other.roots]
    return any(first.startswith(second) or second.startswith(first) for first, second in pairs)


def read_rows(stream: IO[bytes], name: str) -> Iterator[Item]:
    """Given an index as a stream, yield its rows. Raise Unreadable where it is none."""
    if stream.readline() != HEAD.encode("ascii"):
        raise Unreadable(name, "its first line does not name the columns of an index of a restic set")
    for number, line in enumerate(stream, start=2):
        try:
            path, *rest = json.loads(line)
            yield Item(f"/{path}", *rest)
        except (ValueError, TypeError) as error:
            raise Unreadable(name, f"line {number} is no row of an index") from error


def row_lines(rows: Iterable[Item], at_a_time: int = 1000) -> Iterator[bytes]:
    """Given rows, yield the content of an index in parts. Paths are written as in the index of an archive."""
    lines = [HEAD]
    for row in rows:
        lines.append(json.dumps([row.path[1:], *row[1:]]) + "\n")
        if len(lines) >= at_a_time:
            yield "".join(lines).encode("ascii")
            lines = []
    yield "".join(lines).encode("ascii")


@lru_cache(maxsize=4096)
def _second(text: str) -> int:
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


def to_ns(text: str) -> int:
    """Given a time as restic prints it, return nanoseconds since the epoch. Raise ParseError where it is none."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ParseError("restic ls --json", 1, text, "it is no time")
    zone = found.group(3)
    shift = 0 if zone == "Z" else (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
    return (_second(found.group(1)) - shift) * 10**9 + int((found.group(2) or "0").ljust(9, "0"))


class Node(NamedTuple):
    """One thing of a snapshot as ``ls --json`` shows it."""

    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int


def parse_node(line: bytes) -> Optional[tuple[str, Node]]:
    """Given a line of ``ls --json``, return a path and what is there; None for the line of the snapshot itself."""
    try:
        found = json.loads(line)
        if found.get("struct_type") == "snapshot" or found.get("message_type") == "snapshot":
            return None
        kind = KINDS.get(found["type"], SPECIAL)
        numbers = (int(found.get(key) or 0) for key in ("size", "mode", "uid", "gid"))
        size, mode, uid, gid = numbers
        return found["path"], Node(kind, size, _permissions(mode), uid, gid, to_ns(found["mtime"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParseError("restic ls --json", 1, line.decode(errors="replace"), f"it is no node ({error!r})") from error


def _permissions(mode: int) -> int:
    """Given Go's file mode, return the twelve bits of POSIX."""
    special = ((23, 0o4000), (22, 0o2000), (20, 0o1000))
    return (mode & 0o777) | sum(bit for place, bit in special if mode >> place & 1)


def printed(path: str) -> str:
    """Given a path, return it as restic prints it in JSON: what is no UTF-8 is replaced, byte by byte."""
    return _INVALID.sub("\ufffd", path)


def unchanged(observed: Observed, former: Mapping[str, Item]) -> bool:
    """Return whether a source is in every respect as it was in the former set."""
    if len(former) != len(observed.rows):
        return False
    return all((row := former.get(path)) is not None and row.same == now.same for path, now in observed.rows.items())


def hash_live(row: Item, pulse: Callable[[], object]) -> str:
    """Return the checksum of a file where it is, all the time, what a row says; else an empty text."""
    try:
        descriptor = os.open(row.path, FILE_FLAGS)
    except OSError:
        return ""
    try:
        if not _is(descriptor, row):
            return ""
        digest, size = hashlib.sha256(), row.size
        while chunk := os.read(descriptor, CHUNK):
            digest.update(chunk)
            if size > CHUNK:
                pulse()
        return digest.hexdigest() if _is(descriptor, row) else ""
    except OSError as error:
        raise SourceDenied(row.path, error.strerror or str(error)) from error
    finally:
        os.close(descriptor)


def _is(descriptor: int, row: Item) -> bool:
    now = os.fstat(descriptor)
    return (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino) == (
        row.size,
        row.mtime_ns,
        row.ctime_ns,
        row.inode,
    )


class Merged(NamedTuple):
    """The rows of a source as its snapshot holds it, in the order of paths; those in ``unhashed`` lack a checksum."""

    rows: dict[str, Item]
    unhashed: list[str]


def merge(
    observed: Observed, nodes: Mapping[str, Node], hashes: Mapping[str, str], former: Mapping[str, Item]
) -> Merged:
    """Given what was seen before restic ran, what its snapshot holds, and the checksums that are known of what was
    observed, return the index. Raise ActionFailed where it lacks what is there, or has what was to be left out.
    """
    names = {printed(path): path for path in observed.rows}
    _require_taken(observed, nodes, names)
    merged = Merged({}, [])
    for name in sorted(nodes):
        node, path = nodes[name], names.get(name, name)
        if node.kind == SPECIAL:  # it came after the walk; what is no file, folder or link is in no index
            observed.notes.add(SPECIAL, path)
            continue
        row = observed.rows.get(path)
        if row is None or not _shows(row, node):
            if row is None and observed.left_out(path):
                raise ActionFailed(f"restic took {path}, which the source {observed.source.name} leaves out")
            row = _afterwards(path, node)
        sha256 = hashes.get(path, "") if row.ctime_ns else ""
        if not sha256 and path in former and former[path].same == row.same:
            sha256 = former[path].sha256
        merged.rows[path] = row._replace(sha256=sha256)
        if row.kind == FILE and not sha256:
            merged.unhashed.append(path)
    return merged


def _shows(row: Item, node: Node) -> bool:
    """Return whether a snapshot has a thing as it was seen."""
    if (row.kind, row.mode, row.uid, row.gid) != (node.kind, node.mode, node.uid, node.gid):
        return node.kind == LINK == row.kind
    return row.kind == FOLDER or (row.size, row.mtime_ns) == (node.size if row.kind == FILE else 0, node.mtime_ns)


def _afterwards(path: str, node: Node) -> Item:
    """Return the row of something that changed or came between the walk and restic: what restic says of it."""
    size = node.size if node.kind == FILE else 0
    link = ""
    if node.kind == LINK and os.path.islink(path):
        link = os.readlink(path)
    return Item(path, node.kind, size, "", node.mode, node.uid, node.gid, node.mtime_ns, 0, 0, link)


def _require_taken(observed: Observed, nodes: Mapping[str, Node], names: Mapping[str, str]) -> None:
    for root in observed.roots:
        if root in observed.rows and printed(root) not in nodes and root != "/":
            raise SourceMissing(root)
    missing = [path for name, path in names.items() if name not in nodes and path != "/"]
    for path in missing:
        if os.path.lexists(path):
            total = f"{len(missing)} of {len(names)} things"
            raise ActionFailed(f"the snapshot lacks {total} of the source {observed.source.name}, among them {path}")
        observed.notes.add(VANISHED, path)


def below_roots(observed: Observed, nodes: Mapping[str, Node]) -> dict[str, Node]:
    """Given all nodes of a snapshot, return those of a source."""
    roots = tuple(printed(root) for root in observed.roots)
    above = tuple(root.rstrip("/") + "/" for root in roots)
    return {path: node for path, node in nodes.items() if path in roots or path.startswith(above)}


def cached_index(folder: Path, source: str) -> Path:
    """Return where the index of a source's newest set is kept, to be compared with."""
    return folder / f"{source}.jsonl"
