# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that is read of a SQLite database and of the places that a rewrite would write to."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from typing import Optional

from ...errors import CoreError, SourceMissing
from ...host import Host
from .holders import holders
from .parse import HEADER_BYTES, filesystem_of, parse_header, parse_mount, parse_mountinfo
from .reader import read_content
from .records import Place, Seen

# The order in which SQLite looks for a folder for its temporary files on Unix (tempfiles.html, 5).
TEMP_VARIABLES = ("SQLITE_TMPDIR", "TMPDIR")
TEMP_FOLDERS = ("/var/tmp", "/usr/tmp", "/tmp", ".")  # noqa: S108 - they are asked about, nothing is made there
_MEMORY_LINE = "MemAvailable:"


def gather(declared: str, host: Host, *, full: bool) -> Seen:
    """Given a database's path as declared, return what is to be known of it.

    Raise SourceMissing, SourceDenied, ParseError for a bad header, and the errors of reader.py.
    """
    path = os.path.realpath(declared)
    header = parse_header(declared, host.read_bytes(path, HEADER_BYTES))
    wal_bytes, had_shm = _size(f"{path}-wal"), os.path.exists(f"{path}-shm")
    users = holders(path, host)
    # whoever reads or writes a database in WAL mode has made a -shm file first (walformat.html, 1)
    still = header.is_wal and not wal_bytes and (users.proved_none or not had_shm)
    content = read_content(path, standing_still=still, full=full, seconds=host.remaining())
    return Seen(
        path=path,
        header=header,
        content=content,
        file_bytes=_size(path),
        wal_bytes=wal_bytes,
        filesystem=_filesystem(path, host),
        holders=users,
        temp=place(temp_folder(os.environ, _usable)),
        home=place(os.path.dirname(path)),
        memory_free=_memory_free(host),
        litestream_folder=os.path.isdir(os.path.join(os.path.dirname(path), f".{os.path.basename(path)}-litestream")),
        left_shm=not had_shm and os.path.exists(f"{path}-shm"),
        sqlite_version=sqlite3.sqlite_version_info,
    )


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def temp_folder(environment: Mapping[str, str], usable: Callable[[str], bool]) -> str:
    """Given the environment, return the folder that SQLite takes for its temporary files: the first usable one."""
    named = [environment[name] for name in TEMP_VARIABLES if environment.get(name)]
    return next((folder for folder in (*named, *TEMP_FOLDERS) if usable(folder)), "")


def _usable(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def place(folder: str) -> Optional[Place]:
    """Given a folder, return its device and free bytes, or None where that cannot be seen."""
    try:
        room, status = os.statvfs(folder), os.stat(folder)
    except (OSError, AttributeError):  # Windows has no statvfs
        return None
    return Place(folder, status.st_dev, room.f_bavail * room.f_frsize)


def _filesystem(path: str, host: Host) -> str:
    """Return the type of the file system that the database lies on; an empty text where the host does not say."""
    try:
        return _FILESYSTEMS[host.platform](path, host)
    except CoreError:
        return ""


def _linux_filesystem(path: str, host: Host) -> str:
    return filesystem_of(path, parse_mountinfo(host.read("/proc/self/mountinfo")))


def _darwin_filesystem(path: str, host: Host) -> str:
    return filesystem_of(path, parse_mount(host.run(["mount"]).stdout))


def _windows_filesystem(path: str, _host: Host) -> str:
    raise SourceMissing(f"the file system type of {path}")


_FILESYSTEMS: dict[str, Callable[[str, Host], str]] = {
    "linux": _linux_filesystem,
    "darwin": _darwin_filesystem,
    "windows": _windows_filesystem,
}


def _memory_free(host: Host) -> Optional[int]:
    """Return the bytes of memory that are free for use, or None where the host does not say."""
    try:
        lines = host.read("/proc/meminfo").splitlines()
    except CoreError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(_MEMORY_LINE)), None)
