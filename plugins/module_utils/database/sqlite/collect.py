# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that is read of a SQLite database and of the places that a rewrite would write to."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple, Optional

from ...errors import ParseError
from ...host import Host
from ...sqlite_place import locate, require_still
from . import linux, macos, windows
from .holders import holders
from .log_reader import log_reader
from .model import FULL, INCREMENTAL, NO_READER, NONE, FileSnapshot, Header, Space, Surroundings
from .reader import read_content

MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100
WAL_VERSION = 2


class TempFolders(NamedTuple):
    """Where SQLite looks for a folder for its temporary files: variables that name one, then fixed ones."""

    variables: tuple[str, ...]
    folders: tuple[str, ...]


# They are asked about, nothing is made there. Unix: tempfiles.html, 5; Windows: GetTempPath, which SQLite calls.
UNIX_TEMP = TempFolders(("SQLITE_TMPDIR", "TMPDIR"), ("/var/tmp", "/usr/tmp", "/tmp", "."))  # noqa: S108
WINDOWS_TEMP = TempFolders(("TMP", "TEMP", "USERPROFILE", "SystemRoot"), ())
TEMP_FOLDERS = {"linux": UNIX_TEMP, "darwin": UNIX_TEMP, "windows": WINDOWS_TEMP}


def parse_header(path: str, raw: bytes) -> Header:
    """Given the beginning of a database file, return its header. Raise ParseError where it is none."""
    if not raw:
        raise ParseError(path, 0, "", "the file is empty, expected a SQLite database")
    if len(raw) < HEADER_BYTES or not raw.startswith(MAGIC):
        head = raw[:16].decode("latin-1")
        raise ParseError(path, 0, head, "no SQLite header (another format, encrypted, or overwritten)")
    page_size = struct.unpack_from(">H", raw, 16)[0]
    pages, free_pages = struct.unpack_from(">I", raw, 28)[0], struct.unpack_from(">I", raw, 36)[0]
    largest_root, incremental = struct.unpack_from(">I", raw, 52)[0], struct.unpack_from(">I", raw, 64)[0]
    page_size = 65536 if page_size == 1 else page_size
    if page_size < 512 or page_size & (page_size - 1):
        raise ParseError(path, 0, str(page_size), "the page size is no power of two from 512 to 65536")
    mode = NONE if not largest_root else INCREMENTAL if incremental else FULL
    return Header(page_size, raw[18] == WAL_VERSION, pages, free_pages, mode)


def collect(declared: str, host: Host, *, full: bool) -> FileSnapshot:
    """Given a database's path as declared, return what is to be known of it.

    Raise SourceMissing, SourceDenied, ParseError for a bad header, and the errors of reader.py.
    """
    location = locate(declared)
    path = location.path
    header = parse_header(declared, host.read_bytes(path, HEADER_BYTES))
    wal_bytes, had_shm = _size(f"{path}-wal"), os.path.exists(f"{path}-shm")
    users = holders(path, host)
    reader = log_reader(path, host) if wal_bytes else NO_READER
    # whoever reads or writes a database in WAL mode has made a -shm file first (walformat.html, 1)
    still = header.is_wal and not wal_bytes and (users.proved_none or not had_shm)
    around = surroundings(path, host)
    content = read_content(path, standing_still=still, full=full, seconds=host.remaining())
    require_still(location)
    return FileSnapshot(
        path=path,
        header=header,
        content=content,
        file_bytes=_size(path),
        wal_bytes=wal_bytes,
        filesystem=around.filesystem,
        holders=users,
        temp=space(temp_folder(os.environ, _usable, TEMP_FOLDERS[host.platform])),
        home=space(os.path.dirname(path)),
        memory_free=around.memory_free,
        litestream_folder=os.path.isdir(os.path.join(os.path.dirname(path), f".{os.path.basename(path)}-litestream")),
        left_shm=not had_shm and os.path.exists(f"{path}-shm"),
        sqlite_version=sqlite3.sqlite_version_info,
        log_reader=reader,
    )


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def temp_folder(environment: Mapping[str, str], usable: Callable[[str], bool], known: TempFolders = UNIX_TEMP) -> str:
    """Given the environment, return the folder that SQLite takes for its temporary files: the first usable one."""
    named = [environment[name] for name in known.variables if environment.get(name)]
    return next((folder for folder in (*named, *known.folders) if usable(folder)), "")


def _usable(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def space(folder: str) -> Optional[Space]:
    """Given a folder, return its device and free bytes, or None where that cannot be seen."""
    try:
        return Space(folder, os.stat(folder).st_dev, shutil.disk_usage(folder).free)
    except OSError:
        return None


def surroundings(path: str, host: Host) -> Surroundings:
    """Given a database's path, return what the host says of the place it lies in."""
    return _SURROUNDINGS[host.platform](path, host)


_SURROUNDINGS: dict[str, Callable[[str, Host], Surroundings]] = {
    "linux": linux.surroundings,
    "darwin": macos.surroundings,
    "windows": windows.surroundings,
}
