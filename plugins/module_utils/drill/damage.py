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
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Optional

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


def fingerprints(root: Path) -> dict[str, Print]:
    """Return each regular file below a folder, by its path there."""
    return {str(path.relative_to(root)): _print_of(path) for path in _files(root)}


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def _print_of(path: Path) -> Print:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        first = stream.read(SAMPLE)
        digest.update(first)
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return Print(digest.hexdigest(), entropy_of(first) if len(first) >= LEAST else None)


def _delete(path: Path) -> None:
    path.unlink()


def _encrypt(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as stream:
        for position in range(0, size, CHUNK):
            stream.write(os.urandom(min(CHUNK, size - position)))


def _flip(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(size // 2)
        byte = stream.read(1)
        stream.seek(size // 2)
        stream.write(bytes([byte[0] ^ 1]))


def _change(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"\n# a deploy that went wrong\n")


DAMAGES: dict[str, Callable[[Path], None]] = {DELETE: _delete, ENCRYPT: _encrypt, FLIP: _flip, CHANGE: _change}


def damage(root: Path, kind: str) -> int:
    """Do the damage to every file below a folder that is not empty; return how many there are."""
    files = [path for path in _files(root) if path.stat().st_size]
    for path in files:
        path.chmod(0o600)
        DAMAGES[kind](path)
    return len(files)


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
