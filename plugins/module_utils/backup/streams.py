# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file of a set as a stream: which compressions there are, where a source's bytes go (into a new file, hashed on the
way, on the disk before it counts), and reading such a file back, through the decompressor, to its very end.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any, Callable, NamedTuple, Optional, Protocol

from ..errors import CoreError, InputError, ToolFailed, ToolMissing
from ..host import Host
from ..reading import regular_itself
from .errors import CannotJudge, NoSpace, Unreadable
from .stage import CHUNK, Stage


class Compression(NamedTuple):
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


class Codec(NamedTuple):
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


def choose_codec(wanted: str, level: Optional[int], threads: int, host: Host) -> Codec:
    """Given the options, return the codec: what was asked for, or with ``auto`` zstd where it is installed, else gzip.

    Raise ToolMissing where the one asked for is not there, InputError where it has no such level.
    """
    found = {"auto": "zstd" if host.which("zstd") else "gzip"}
    compression = COMPRESSIONS[found.get(wanted, wanted)]
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


FLUSH_EVERY = 64 << 20  # bytes; a steady trickle to the disk instead of one long stall at the end
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class Written(NamedTuple):
    """A file that is complete and on the disk."""

    size: int
    sha256: str


class Sink(Protocol):
    """What a source writes to; ``close`` returns what came of it, ``abandon`` forgets it."""

    def write(self, data: bytes) -> None:
        """Take more bytes. Raise CoreError where they cannot be kept."""

    def close(self) -> Written:
        """Finish the file. Raise CoreError where any part of it failed."""

    def abandon(self) -> None:
        """Stop; the file is worthless."""


class Packer(Protocol):
    """What zlib's and lzma's compressor objects have in common."""

    def compress(self, data: bytes, /) -> bytes:
        """Return the bytes that are ready."""

    def flush(self) -> bytes:
        """Return the rest."""


class _Plain:
    """The packer of the compression ``none``."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def is_full(error: OSError) -> bool:
    """Return whether an error of the system says that there is no room."""
    return error.errno in _FULL


class _File:
    """A new file, 0600, whose bytes are hashed as they are written. Raise FileExistsError where the name is taken."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._stream = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=CHUNK)
        self._path, self._hash, self._size, self._flushed = path, hashlib.sha256(), 0, 0

    def write(self, data: bytes) -> None:
        with self._naming_full_disk():
            self._stream.write(data)
            self._hash.update(data)
            self._size += len(data)
            if self._size - self._flushed > FLUSH_EVERY:
                self._sync()

    def _sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._flushed = self._size

    def close(self) -> Written:
        with self._naming_full_disk():
            self._sync()
            forget_cached(self._stream.fileno())
            self._stream.close()
        return Written(self._size, self._hash.hexdigest())

    def abandon(self) -> None:
        with suppress(OSError):  # a full disk says so once more for what is still buffered
            self._stream.close()

    @contextmanager
    def _naming_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if is_full(error):
                raise NoSpace(f"the disk was full after {self._size} bytes of {self._path.name}") from error
            raise CoreError(f"{self._path} could not be written: {error}") from error


def forget_cached(descriptor: int) -> None:
    """Ask the system to drop the file from its cache: the check that follows then reads the disk, not memory."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


class _LibrarySink:
    """Compression by the standard library, in this process."""

    def __init__(self, path: Path, packer: Packer) -> None:
        self._packer, self._file = packer, _File(path)

    def write(self, data: bytes) -> None:
        self._file.write(self._packer.compress(data))

    def close(self) -> Written:
        self._file.write(self._packer.flush())
        return self._file.close()

    def abandon(self) -> None:
        self._file.abandon()


class _ToolSink:
    """Compression by a program beside this process; a thread stores and hashes what it gives."""

    def __init__(self, path: Path, codec: Codec, host: Host) -> None:
        self._file, self._stage = _File(path), Stage(codec.argv(), host, fed=True)
        self._error: Optional[CoreError] = None
        self._thread = Thread(target=self._store, daemon=True)
        self._thread.start()

    def _store(self) -> None:
        try:
            while chunk := self._stage.give.read1(CHUNK):  # type: ignore[attr-defined]  # BufferedReader has it
                self._file.write(chunk)
        except CoreError as error:
            self._error = error
            self._stage.kill()  # else it would wait for ever for somebody to read, and the writer for it

    def write(self, data: bytes) -> None:
        try:
            self._stage.put(data)
        except (BrokenPipeError, ValueError):
            self._explain()

    def close(self) -> Written:
        with suppress(BrokenPipeError):  # the exit code, or the error of the thread, says why
            self._stage.end_input()
        self._thread.join()
        if self._error is not None:
            self._explain()
        self._stage.finish()
        return self._file.close()

    def _explain(self) -> None:
        """Raise the reason why the compressor no longer takes bytes."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        self._stage.finish()
        raise ToolFailed((self._stage.name,), 0, "it ended before its input did")

    def abandon(self) -> None:
        self._stage.kill()
        self._thread.join()
        self._stage.abandon()
        self._file.abandon()


def _packer(codec: Codec) -> Packer:
    if codec.compression.name == "gzip":
        return zlib.compressobj(codec.level, zlib.DEFLATED, 31)  # 31: a gzip header and trailer, not zlib's
    if codec.compression.name == "lzma":
        return lzma.LZMACompressor(preset=codec.level)
    return _Plain()


def open_sink(path: Path, codec: Codec, host: Host) -> Sink:
    """Given a new file's path, return what compresses into it."""
    if codec.compression.tool:
        return _ToolSink(path, codec, host)
    return _LibrarySink(path, _packer(codec))


@contextmanager
def writing(path: Path, codec: Codec, host: Host) -> Iterator[Sink]:
    """Given a new file's path, yield its Sink, which the block has to close; where the block fails it is abandoned."""
    sink = open_sink(path, codec, host)
    try:
        yield sink
    except BaseException:
        sink.abandon()
        raise


def sha256_of(path: Path, heartbeat: Callable[[], object]) -> str:
    """Return the checksum of a file itself. Raise OSError, also where a link or no file has its name."""
    digest, buffer = hashlib.sha256(), bytearray(CHUNK)
    window = memoryview(buffer)
    with open(path, "rb", buffering=0, opener=regular_itself) as stream:
        while count := stream.readinto(buffer):
            digest.update(window[:count])
            heartbeat()
    return digest.hexdigest()


LIBRARY: dict[str, Callable[[Path, str], Any]] = {"gzip": gzip.open, "lzma": lzma.open, "none": open}


@contextmanager
def reading(path: Path, compression: str, host: Host) -> Iterator[IO[bytes]]:
    """Given a file and the name of its compression, yield its content as a stream.

    When the block ends the rest is read as well, so that an error anywhere in the file is seen. Raise Unreadable where
    there is one, CannotJudge where the program that could read it is not on this host.
    """
    if compression not in COMPRESSIONS:
        raise CannotJudge(f"{path} is compressed with {compression!r}, expected one of {sorted(COMPRESSIONS)}")
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
        raise CannotJudge(f"{path} cannot be read: {error}") from error
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
