# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The compressions a set may be written in: which there are, and which one this host gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ...errors import InputError, ToolMissing
from ...host import Host


@dataclass(frozen=True)
class Compression:
    """One compression. ``tool`` is the program that does it; without one the standard library does."""

    name: str
    suffix: str
    tool: str
    level: int
    highest: int


# Levels: zstd's and gzip's own defaults; xz at 1, because its default of 6 compresses about 3 MB/s a core.
COMPRESSIONS = {
    "zstd": Compression("zstd", ".zst", "zstd", 3, 19),
    "gzip": Compression("gzip", ".gz", "", 6, 9),
    "lzma": Compression("lzma", ".xz", "", 1, 9),
    "none": Compression("none", "", "", 0, 0),
}


@dataclass(frozen=True)
class Codec:
    """A compression chosen for one run. ``threads`` 0 means one for each core."""

    compression: Compression
    level: int
    threads: int = 0

    @property
    def suffix(self) -> str:
        """What the names of files written with it end in."""
        return self.compression.suffix

    def argv(self) -> tuple[str, ...]:
        """Return the command that compresses its standard input to its standard output."""
        return (self.compression.tool, "-q", "-c", f"-T{self.threads}", f"-{self.level}")


def choose_codec(wish: str, level: Optional[int], threads: int, host: Host) -> Codec:
    """Given the options, return the codec: what was asked for, or with ``auto`` zstd where it is installed, else gzip.

    Raise ToolMissing where the one asked for is not there, InputError where it has no such level.
    """
    found = {"auto": "zstd" if host.which("zstd") else "gzip"}
    compression = COMPRESSIONS[found.get(wish, wish)]
    if compression.tool and not host.which(compression.tool):
        raise ToolMissing(compression.tool)
    return Codec(compression, check_level(compression.name, level), threads)


def check_level(name: str, level: Optional[int]) -> int:
    """Given the name of a compression and a level, return the level, or its own where none is given.

    Raise InputError where it has no such level.
    """
    compression = COMPRESSIONS[name]
    chosen = compression.level if level is None else level
    if not min(1, compression.highest) <= chosen <= compression.highest:
        raise InputError("compression_level", level, f"1 to {compression.highest} for {compression.name}")
    return chosen
