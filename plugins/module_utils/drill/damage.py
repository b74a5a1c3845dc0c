# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to a restored copy in a drill, and that it is noticed: by the checksum of each file, and by how random
their bytes are, which tells encryption from work.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple, Optional, cast

from ..backup.stage import CHUNK
from . import CHANGE, DELETE, ENCRYPT, FLIP

RANDOM = 7.2  # bits a byte; text has 4 to 5, what is compressed or encrypted nearly 8
SAMPLE = 1 << 16
LEAST = 512  # bytes; of fewer nobody can tell how random they are


class Print(NamedTuple):
    """A file as it is: its checksum, and how many bits each of its first bytes holds; None for a short one."""

    sha256: str
    entropy: Optional[float]


def entropy_of(data: bytes) -> float:
    """Return how many bits of information each byte holds: 0 where all are alike, 8 where they are random."""
    total = len(data)
    return -sum(count / total * math.log2(count / total) for count in Counter(data).values()) if total else 0.0


class There(NamedTuple):
    """A regular file by its name in an open folder: a path may be longer than the kernel takes at once."""

    path: str
    name: str
    folder: int

    def open(self, mode: str) -> IO[bytes]:
        """Return it opened, links not followed. Raise OSError."""

        def opener(name: str, flags: int) -> int:
            return os.open(name, flags | os.O_NOFOLLOW, dir_fd=self.folder)

        return cast("IO[bytes]", open(self.name, mode, opener=opener))

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False).st_size


def files_below(root: Path) -> Iterator[There]:
    """Yield each regular file below a folder, with its path there, while its folder is open. Raise OSError."""
    for folder, _folders, names, descriptor in os.fwalk(root, onerror=_fail):
        for name in sorted(names):
            if stat.S_ISREG(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                yield There(os.path.relpath(os.path.join(folder, name), root), name, descriptor)


def _fail(error: OSError) -> None:
    raise error


def fingerprints(root: Path) -> dict[str, Print]:
    """Return each regular file below a folder, by its path there."""
    return {file.path: _print_of(file) for file in files_below(root)}


def _print_of(file: There) -> Print:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        first = stream.read(SAMPLE)
        digest.update(first)
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return Print(digest.hexdigest(), entropy_of(first) if len(first) >= LEAST else None)


def _delete(file: There) -> None:
    os.unlink(file.name, dir_fd=file.folder)


def _encrypt(file: There) -> None:
    size = file.size
    with file.open("r+b") as stream:
        for position in range(0, size, CHUNK):
            stream.write(os.urandom(min(CHUNK, size - position)))


def _flip(file: There) -> None:
    middle = file.size // 2
    with file.open("r+b") as stream:
        stream.seek(middle)
        byte = stream.read(1)
        stream.seek(middle)
        stream.write(bytes([byte[0] ^ 1]))


def _change(file: There) -> None:
    with file.open("ab") as stream:
        stream.write(b"\n# a deploy that went wrong\n")


DAMAGES: dict[str, Callable[[There], None]] = {DELETE: _delete, ENCRYPT: _encrypt, FLIP: _flip, CHANGE: _change}


def damage(root: Path, kind: str) -> int:
    """Do the damage to every file below a folder that is not empty; return how many there are."""
    count = 0
    for file in files_below(root):
        if file.size:
            os.chmod(file.name, 0o600, dir_fd=file.folder)
            DAMAGES[kind](file)
            count += 1
    return count


class Noticed(NamedTuple):
    """What differs between two looks at the same files: how many are gone, changed, and random now that were not."""

    gone: int
    changed: int
    random: int

    @property
    def all(self) -> int:
        """How many files are not what they were."""
        return self.gone + self.changed

    def __str__(self) -> str:
        """Return it as a person would say it."""
        words = f"{self.gone} files are gone, {self.changed} have other content"
        return f"{words}, {self.random} of them look encrypted" if self.random else words


def compare(before: Mapping[str, Print], now: Mapping[str, Print]) -> Noticed:
    """Given files as they were and as they are, return what became of them."""
    changed = [name for name in before if name in now and now[name].sha256 != before[name].sha256]
    random = [name for name in changed if (now[name].entropy or 0) > RANDOM >= (before[name].entropy or 0)]
    return Noticed(sum(name not in now for name in before), len(changed), len(random))
