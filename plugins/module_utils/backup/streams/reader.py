# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a file of a set back, through the decompressor, to its very end."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Callable

from ...errors import ToolFailed, ToolMissing
from ...host import Host
from ..errors import CannotTell, Unreadable
from .codec import COMPRESSIONS
from .stage import CHUNK, Stage

LIBRARY: dict[str, Callable[[Path, str], Any]] = {"gzip": gzip.open, "lzma": lzma.open, "none": open}


@contextmanager
def reading(path: Path, compression: str, host: Host) -> Iterator[IO[bytes]]:
    """Given a file and the name of its compression, yield its content as a stream.

    When the block ends the rest is read as well, so that an error anywhere in the file is seen. Raise Unreadable where
    there is one, CannotTell where the program that could read it is not on this host.
    """
    if compression not in COMPRESSIONS:
        raise CannotTell(f"{path} is compressed with {compression!r}, expected one of {sorted(COMPRESSIONS)}")
    opened = _by_tool if COMPRESSIONS[compression].tool else _by_library
    with opened(path, compression, host) as stream:
        yield stream


@contextmanager
def _by_library(path: Path, compression: str, _host: Host) -> Iterator[IO[bytes]]:
    try:
        with LIBRARY[compression](path, "rb") as stream:
            yield stream
            _read_rest(stream)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise Unreadable(path, str(error)) from error


@contextmanager
def _by_tool(path: Path, compression: str, host: Host) -> Iterator[IO[bytes]]:
    try:
        stage = Stage([COMPRESSIONS[compression].tool, "-dcq", str(path)], host)
    except ToolMissing as error:
        raise CannotTell(f"{path} cannot be read: {error}") from error
    try:
        yield stage.give
        _read_rest(stage.give)
        stage.finish()
    except ToolFailed as error:
        raise Unreadable(path, str(error)) from error
    finally:
        stage.abandon()


def _read_rest(stream: IO[bytes]) -> None:
    while stream.read(CHUNK):
        pass
