# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a place for copies can do, whatever it is, and how a file gets there. Names are relative, with slashes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Optional, Protocol

from ...errors import ActionFailed, CoreError
from ...reading import regular_itself
from ..stage import CHUNK

NO_FILE = -1  # the size of what is there and is no regular file
MAX_SMALL = 256 << 20  # bytes of a file that is kept in memory


class Away(CoreError):
    """A place cannot be reached: nothing is mounted there, or nobody answers."""


class CopyPlace(Protocol):
    """A place while it is open. ``renames`` is whether a folder gets another name in one step.

    Every method raises a CoreError where it cannot do what it is for, NoSpace where there is no room.
    """

    renames: bool

    def names(self) -> list[str]:
        """Return what lies in the place; nothing where it does not exist yet."""

    def files(self, folder: str) -> Mapping[str, int]:
        """Return the size of each file below a folder, by its name in there, and NO_FILE of what is none."""

    def read(self, name: str) -> bytes:
        """Return a small file. Raise SourceMissing where it is not there."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield what a file has, read from there and not from memory, as far as that can be asked for."""

    def make(self, folder: str) -> None:
        """Make a folder, for its owner only. Raise ActionFailed where that name is taken."""

    def put(self, name: str, source: Sent) -> None:
        """Write a new file, and have it on the disk there."""

    def rename(self, old: str, new: str) -> None:
        """Give a folder a name that is not taken. Raise ActionFailed where it is."""

    def remove_file(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""

    def remove(self, folder: str) -> None:
        """Remove a folder with all that is in it."""

    def free(self) -> Optional[int]:
        """Return the bytes that may be written there; None where that cannot be answer."""

    def immutable(self, folder: str) -> Optional[bool]:
        """Return whether a folder can neither be changed nor removed; None where that cannot be seen."""


class Sent(NamedTuple):
    """A file on its way: where it lies here or, where that is None, what it has. ``pulse`` is called on the way, and
    ``rate`` is in bytes a second (0: as fast as it goes).
    """

    path: Optional[Path]
    content: bytes
    size: int
    sha256: str
    rate: int
    pulse: Callable[[], object]

    def chunks(self) -> Iterator[bytes]:
        """Yield the file, not faster than it may travel. Raise ActionFailed where it is not what was to be sent."""
        digest, count, begun = hashlib.sha256(), 0, time.monotonic()
        for chunk in self._parts():
            yield chunk
            digest.update(chunk)
            count += len(chunk)
            self.pulse()
            ahead = count / self.rate - (time.monotonic() - begun) if self.rate else 0.0
            while ahead > 0:
                time.sleep(min(1.0, ahead))
                self.pulse()
                ahead -= 1.0
        if (count, digest.hexdigest()) != (self.size, self.sha256):
            raise ActionFailed(f"{self.path} is not what the manifest of its set says: it was not copied")

    def _parts(self) -> Iterator[bytes]:
        # small steps where it is slowed, so that it is slow at any moment and not on the average
        step = min(CHUNK, max(4096, self.rate // 8)) if self.rate else CHUNK
        if self.path is None:
            yield from (self.content[at : at + step] for at in range(0, len(self.content), step))
            return
        with open(self.path, "rb", opener=regular_itself) as stream:
            while chunk := stream.read(step):
                yield chunk


def sha256_of(chunks: Iterable[bytes], pulse: Callable[[], object]) -> str:
    """Return the checksum of what comes."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        pulse()
    return digest.hexdigest()
