# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a set of the archive store back: each file is proved by its checksum before anybody uses it, and to be the
same file still when he is done.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from ...errors import ActionFailed, SourceDenied, SourceMissing
from ...host import Host
from ...reading import regular_itself
from ..model import Manifest, Notes, Payload, SourceCopy
from ..names import is_set_id
from ..sources.files.unpack import unpack
from ..sources.model import Bench
from ..stage import CHUNK

_Identity = tuple[int, ...]


class ArchiveReader:
    """Reads the set in ``folder``, of which ``manifest`` is what was read and found to hold."""

    def __init__(self, manifest: Manifest, folder: Path, host: Host, heartbeat: Callable[[], object] = str) -> None:
        self.manifest, self._folder, self._host, self._heartbeat = manifest, folder, host, heartbeat
        self._payloads = {payload.name: payload for entry in manifest.sources for payload in entry.payloads}

    def payload(self, name: str) -> AbstractContextManager[Path]:
        """Yield the path of a payload whose bytes are those that were written.

        Raise ActionFailed where they are not, or where the file was exchanged or changed while it was in use.
        """
        return self._open(self._folder / name, self._payloads[name])

    def piece(self, piece: Mapping[str, Any]) -> AbstractContextManager[Path]:
        """Yield the same of an archive of an earlier set that an incremental one needs, as its manifest has it."""
        expected = Payload(*(piece[key] for key in ("name", "role", "size", "sha256")))
        if not is_set_id(piece["set"]) or any(part in ("", ".", "..") for part in expected.name.split("/")):
            raise ActionFailed(f"{piece['set']}/{expected.name} is no archive of a set beside this one")
        return self._open(self._folder.parent / piece["set"] / expected.name, expected)

    @contextmanager
    def _open(self, path: Path, expected: Payload) -> Iterator[Path]:
        before = self._proved(path, expected)
        yield path
        if _identity(os.lstat(path)) != before:
            raise ActionFailed(f"{path} was changed while it was read: nothing that came of it counts")

    def tree(self, entry: SourceCopy, into: Path, bench: Bench) -> Notes:
        """Write what a files source holds below an empty folder; return what could not be kept."""
        return unpack(entry, self, into, bench)

    def _proved(self, path: Path, expected: Payload) -> _Identity:
        try:
            with open(path, "rb", buffering=0, opener=regular_itself) as stream:
                identity = _identity(os.fstat(stream.fileno()))
                digest, size = hashlib.sha256(), 0
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    self._pulse()
        except FileNotFoundError:
            raise SourceMissing(str(path)) from None
        except OSError as error:
            raise SourceDenied(str(path), error.strerror or str(error)) from error
        if (size, digest.hexdigest()) != (expected.size, expected.sha256):
            raise ActionFailed(
                f"{path} has {size} bytes with the SHA-256 {digest.hexdigest()[:16]}..., the manifest says "
                f"{expected.size} and {expected.sha256[:16]}...: restore from another set"
            )
        return identity

    def _pulse(self) -> None:
        self._host.remaining()
        self._heartbeat()


def _identity(status: os.stat_result) -> _Identity:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
