# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The members of another program's archive, a tar or a zip, as one form: each checked before anybody gets to see it.

Nothing tells how much such an archive unpacks to, so it is bounded by what compression can do to data of this kind.
What is not written for others to unpack (setuid, links that lead out of the archive) is left out or refused.
"""

from __future__ import annotations

import gzip
import os
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, Optional, cast

from ..errors import ActionFailed
from .errors import MemberRefused, Unreadable
from .names import is_windows_name
from .sources.files.formats import BLOCK, FOLDER, HARDLINK, REGULAR, SYMLINK, BadTar
from .sources.files.headers import Counted, Header, read_headers
from .sources.files.unpack import require_own

RATIO, LEAST = 100, 256 << 20  # an archive unpacks to so many times its size, or so many bytes
MOST_NAMES = 1_000_000
_DIRECTORY = 256 << 20  # bytes of a zip's list of names
_END, _LONGEST_END = b"PK\5\6", 22 + 0xFFFF
_ENCRYPTED = 0x1
_PLAIN = 0o777
# What the standard library raises of an archive that is damaged, or made by what it does not know.
DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError)


class Opened(NamedTuple):
    """An archive: its members one after the other, and the stream that gives the content of the last one."""

    members: Iterator[Header]
    stream: Counted


def bound_of(path: Path) -> int:
    """Return how many bytes an archive may unpack to."""
    return max(LEAST, RATIO * path.stat().st_size)


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Given an archive, yield its members. Raise MemberRefused for one that is not unpacked, Unreadable where it is
    damaged.
    """
    try:
        with path.open("rb") as raw:
            begin = raw.read(4)
        if begin[:2] == b"\x1f\x8b":
            with gzip.open(path, "rb") as packed:
                stream = Counted(cast(IO[bytes], packed), bound_of(path))
                yield Opened(map(_own, read_headers(stream)), stream)
        elif begin[:2] == b"PK":
            _require_small_directory(path)
            with zipfile.ZipFile(path) as archive:
                content = _ZipContent(archive)
                yield Opened(_zip_headers(archive, content, path), Counted(cast(IO[bytes], content), bound_of(path)))
        else:
            raise Unreadable(path, "it is neither a tar.gz nor a zip")
    except (BadTar, *DAMAGED) as error:
        raise Unreadable(path, str(error)) from error


def _own(header: Header) -> Header:
    """Return a member with no more rights than a file of its owner has. Raise MemberRefused where it is none."""
    name = header.name[2:] if header.name.startswith("./") else header.name
    link = header.link[2:] if header.kind == HARDLINK and header.link.startswith("./") else header.link
    header = header._replace(name="." if header.kind == FOLDER and name in ("", ".") else name, link=link)
    if header.name != ".":
        require_own(header, "linux")
    if header.long is not None:
        raise MemberRefused(header.name, "it has holes, which no archive of the application has")
    if header.kind == SYMLINK and _leads_out(header):
        raise MemberRefused(header.name, f"it is a symlink that leads out of the archive, to {header.link!r}")
    return header._replace(mode=header.mode & _PLAIN)


def _leads_out(header: Header) -> bool:
    if header.link.startswith("/"):
        return True
    parts = list(PurePosixPath(header.name).parent.parts)
    for part in header.link.split("/"):
        if part == ".." and not parts:
            return True
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return False


class _ZipContent:
    """The content of a zip's member that was opened last, filled up with zeros as a tar would."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive, self._now, self._padding = archive, cast(Optional[IO[bytes]], None), 0

    def turn_to(self, info: zipfile.ZipInfo) -> None:
        """Go on with another member."""
        if self._now is not None:
            self._now.close()
        self._now, self._padding = self._archive.open(info), -info.file_size % BLOCK

    def read(self, size: int) -> bytes:
        """Return so many bytes of content, then of padding."""
        parts, missing = [], size
        while missing and self._now is not None and (data := self._now.read(missing)):
            parts.append(data)
            missing -= len(data)
        zeros = min(missing, self._padding)
        self._padding -= zeros
        return b"".join(parts) + bytes(zeros)


def _zip_headers(archive: zipfile.ZipFile, content: _ZipContent, path: Path) -> Iterator[Header]:
    infos = archive.infolist()
    if len(infos) > MOST_NAMES:
        raise ActionFailed(f"{path} has {len(infos)} names, {MOST_NAMES} are the most")
    _require_apart(infos)
    for info in infos:
        header = _zip_header(info)
        if header.kind == REGULAR:
            content.turn_to(info)
        yield header


def _require_apart(infos: list[zipfile.ZipInfo]) -> None:
    """Raise MemberRefused where two members have the same bytes: that is how a small zip unpacks to very much."""
    ordered = sorted(infos, key=lambda one: one.header_offset)
    for before, after in zip(ordered, ordered[1:]):
        if before.header_offset + before.compress_size >= after.header_offset:
            raise MemberRefused(after.filename, f"it overlaps with {before.filename!r} in the archive")


def _zip_header(info: zipfile.ZipInfo) -> Header:
    """Return a member of a zip. PowerShell writes its names with backslashes. Raise MemberRefused where it is none."""
    name = info.filename.replace("\\", "/")
    is_folder = name.endswith("/")
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
    if info.flag_bits & _ENCRYPTED:
        raise MemberRefused(name, "it is encrypted")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) > is_folder:
        raise MemberRefused(name, "it is no file and no folder")
    if is_folder and info.file_size:
        raise MemberRefused(name, "it is a folder and has content")
    plain = name[:-1] if is_folder else name
    if not all(is_windows_name(part) for part in plain.split("/") if part):
        raise MemberRefused(name, "it has a drive, a device or another thing in it that is no file's name on Windows")
    return _own(
        Header(
            name=plain,
            kind=FOLDER if is_folder else REGULAR,
            size=info.file_size,
            link="",
            long=None,
            mode=0o700 if is_folder else 0o600,
            uid=_me(),
            gid=_mine(),
            mtime_ns=int(time.mktime((*info.date_time, 0, 0, -1))) * 10**9,
            account="",
            group="",
        )
    )


def _me() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _mine() -> int:
    return os.getegid() if hasattr(os, "getegid") else 0


def _require_small_directory(path: Path) -> None:
    """Raise ActionFailed where a zip's list of names is so long that reading it would fill the memory."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _LONGEST_END))
        end = stream.read()
    at = end.rfind(_END)
    length = int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else 0
    if length > _DIRECTORY:
        raise ActionFailed(f"{path} has a list of names of {length} bytes, {_DIRECTORY} are the most")
