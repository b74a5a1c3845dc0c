# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a set of a repository of restic back: each file is proved by its checksum before anybody uses it.

Restic ends well with nothing restored, and writes through links that lie in its target. So it gets an empty folder of
ours alone, and what came of it is compared with what the set says of itself.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...errors import ActionFailed, ToolFailed
from ...reading import regular_itself
from ..model import Manifest, Notes, SourceCopy
from ..scratch import owned_folder
from ..sources.files.content import FILE
from ..sources.files.walk import leaving_out
from ..sources.model import Bench
from ..stage import CHUNK
from .restic import Restic
from .restic_catalog import STAGE
from .restic_index import Item, read_rows

MOST_CHOSEN = 500  # of what is restored by name; a command line has an end


class ResticReader:
    """Reads the set that ``manifest`` describes; what is read is written below ``scratch`` and removed again."""

    def __init__(
        self, manifest: Manifest, restic: Restic, scratch: Path, heartbeat: Callable[[], object] = str
    ) -> None:
        self.manifest, self._restic, self._scratch, self._heartbeat = manifest, restic, scratch, heartbeat
        self._payloads = {payload.name: payload for entry in manifest.sources for payload in entry.payloads}

    @contextmanager
    def payload(self, name: str) -> Iterator[Path]:
        """Yield a file with the content of a payload, proved by its size and SHA-256. Raise ActionFailed."""
        expected, where = self._payloads[name], f"{self.manifest.store['stage']}/{name}"
        with owned_folder(self._scratch, self._restic.host) as own:
            folder = own / "restored"
            folder.mkdir(mode=0o700)
            self._restic.restore(stage_of(self.manifest)["id"], folder, [included(where)])
            path = folder / where.lstrip("/")
            try:
                actual = (path.lstat().st_size, sha256_of(path, self._pulse))
            except OSError as error:
                raise ActionFailed(f"{name} did not come out of the repository: {error.strerror}") from error
            if actual != (expected.size, expected.sha256):
                raise ActionFailed(
                    f"{name} has {actual[0]} bytes with the SHA-256 {actual[1][:16]}..., the manifest says "
                    f"{expected.size} and {expected.sha256[:16]}...: restore from another set"
                )
            yield path

    def tree(self, entry: SourceCopy, into: Path, bench: Bench) -> Notes:
        """Write what a files source holds below an empty folder, and compare it with the index by size and checksum.

        Raise ActionFailed where anything is missing, differs, or is there that the index does not list.
        """
        patterns = bench.selection.paths
        with self.payload(entry.payload("index").name) as path, open(path, "rb") as stream:
            rows = list(read_rows(stream, entry.name))
        chosen = _chosen(rows, patterns) if patterns else list(entry.facts["roots"])
        wanted = [row for row in rows if _is_below(row.path, chosen)]
        self._pulse()
        self._restic.restore(entry.facts["snapshot"], into, [included(one) for one in chosen if one != "/"])
        for row in wanted:
            self._pulse()
            _require_as_listed(row, into)
        return _strangers_refused(wanted, into, entry)

    def _pulse(self) -> None:
        self._restic.host.remaining()
        self._heartbeat()


def _chosen(rows: Sequence[Item], patterns: Sequence[str]) -> list[str]:
    """Return the uppermost paths that match patterns, which are relative to the root. Raise ActionFailed for none."""
    found: list[str] = []
    matches = leaving_out(patterns)
    for row in rows:
        if matches(row.path[1:], row.path.rsplit("/", 1)[-1]) and not _is_below(row.path, found[-1:]):
            found.append(row.path)
    if not found or len(found) > MOST_CHOSEN:
        raise ActionFailed(f"{len(found)} things match {', '.join(patterns)}, expected 1 to {MOST_CHOSEN}")
    return found


def _is_below(path: str, chosen: Sequence[str]) -> bool:
    return any(path == one or path.startswith(one.rstrip("/") + "/") for one in chosen)


def _require_as_listed(row: Item, into: Path) -> None:
    path = into / row.path.lstrip("/")
    try:
        status = path.lstat()
        if row.kind == FILE:
            same = (status.st_size, sha256_of(path, str)) == (row.size, row.sha256)
        else:
            same = not row.link or os.readlink(path) == row.link or _is_linked_again(row, path, into)
    except OSError as error:
        raise ActionFailed(f"{row.path} did not come out of the repository: {error.strerror}") from error
    if not same:
        raise ActionFailed(f"{row.path} came out of the repository otherwise than it was")


def _is_linked_again(row: Item, path: Path, into: Path) -> bool:
    """Return whether a link was made as the index has it, because restic cannot: it keeps targets as UTF-8 alone."""
    above = os.path.join(os.path.realpath(into), os.path.dirname(row.path.lstrip("/")))
    if _is_utf8(row.link) or not path.is_symlink() or os.path.realpath(path.parent) != above.rstrip("/"):
        return False
    folder, link = os.lstat(above), path.lstat()
    path.unlink()
    os.symlink(row.link, path)
    os.lchown(path, link.st_uid, link.st_gid)
    os.utime(path, ns=(row.mtime_ns, row.mtime_ns), follow_symlinks=False)
    os.utime(above, ns=(folder.st_atime_ns, folder.st_mtime_ns))
    return True


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes that came as surrogates
        return False
    return True


def _strangers_refused(wanted: Sequence[Item], into: Path, entry: SourceCopy) -> Notes:
    """Return what could not be kept of what was written. Raise ActionFailed for what no index lists."""
    listed, notes = {row.path: row for row in wanted}, Notes()
    above = {parent for row in wanted for parent in _parents(row.path)}
    for folder, folders, files in os.walk(into):
        for name in (*folders, *files):
            path = "/" + os.path.relpath(os.path.join(folder, name), into)
            if path not in listed and path not in above:
                raise ActionFailed(
                    f"{path} came out of the repository, and the index of {entry.name} has no such thing"
                )
            row = listed.get(path)
            if row is not None:
                status = os.lstat(os.path.join(folder, name))
                if (status.st_uid, status.st_gid) != (row.uid, row.gid):
                    notes.add("owner", path)
    return notes


def _parents(path: str) -> list[str]:
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[:end]) for end in range(1, len(parts))]


def stage_of(manifest: Manifest) -> Mapping[str, str]:
    """Return the snapshot of a set that has what was staged."""
    return next(one for one in manifest.store["snapshots"] if one["part"] == STAGE)


def included(path: str) -> str:
    """Given a path, return it as a pattern that matches nothing else."""
    return re.sub(r"([*?\[\\])", r"\\\1", path)


def sha256_of(path: Path, pulse: Callable[[], object]) -> str:
    """Return the checksum of a regular file. Raise OSError."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0, opener=regular_itself) as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            pulse()
    return digest.hexdigest()


def hashes(restic: Restic, snapshot: str, wanted: Collection[str], pulse: Callable[[], object]) -> dict[str, str]:
    """Given a snapshot and paths in it, return the checksums of those that it has, as it gives them now."""
    found: dict[str, str] = {}
    with restic.streaming("dump", "--no-lock", "--archive=tar", snapshot, "/") as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
                for member in archive:
                    path = "/" + member.name.strip("/")
                    content = archive.extractfile(member) if member.isreg() and path in wanted else None
                    if content is not None:
                        found[path] = digest_of(content, pulse)
        except tarfile.TarError as error:
            raise ToolFailed(("restic dump",), 0, f"its archive cannot be read: {error}") from error
    return found


def digest_of(stream: IO[bytes], pulse: Callable[[], object]) -> str:
    """Return the checksum of the rest of a stream."""
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
        pulse()
    return digest.hexdigest()
