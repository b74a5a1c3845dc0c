# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bytes of a database header and lines of mount tables -> frozen records. Pure."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

from ...errors import ParseError
from .records import FULL, INCREMENTAL, NONE, Header

MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100
WAL_VERSION = 2

# File systems whose locks cannot be trusted (howtocorrupt.html, 2.1), as /proc/self/mountinfo and mount(8) spell them.
NETWORK = frozenset({
    "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs3",
    "nfs4", "smb2", "smb3", "smbfs", "webdav",
    "fuse.ceph", "fuse.cifs", "fuse.davfs", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
    "macfuse", "osxfuse",
    "network drive", "UNC path",  # what sqlite/windows calls them
})  # fmt: skip


class Mount(NamedTuple):
    """Where a file system is mounted, and its type."""

    point: str
    kind: str


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


def parse_mountinfo(text: str) -> list[Mount]:
    """Given /proc/self/mountinfo (proc(5)), return the mounts in their order. Raise ParseError naming the line."""
    mounts = []
    for number, line in enumerate(text.splitlines(), 1):
        left, separator, right = line.partition(" - ")
        fields = left.split()
        if not separator or len(fields) < 6 or not right:
            raise ParseError("/proc/self/mountinfo", number, line, "expected the fields of proc(5)")
        mounts.append(Mount(_unescaped(fields[4]), right.split()[0]))
    return mounts


def _unescaped(text: str) -> str:
    """Return a mount point with its octal escapes (040 is a space) resolved."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


_MOUNT_LINE = re.compile(r".* on (?P<point>/.*) \((?P<kind>\w+)[,)]")


def parse_mount(text: str) -> list[Mount]:
    """Given what mount(8) of macOS prints, return the mounts in their order. Lines of another form are no mounts."""
    matches = (_MOUNT_LINE.match(line) for line in text.splitlines())
    return [Mount(match.group("point"), match.group("kind")) for match in matches if match]


def filesystem_of(path: str, mounts: Sequence[Mount]) -> str:
    """Given an absolute path without symlinks, return the type of the file system that it lies on, or an empty text.

    The longest mount point wins, among equals the last one, because a later mount hides an earlier one.
    """
    best = Mount("", "")
    for mount in mounts:
        below = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if below and len(mount.point) >= len(best.point):
            best = mount
    return best.kind


def is_network(kind: str) -> bool:
    """Given the type of a file system, return whether it is reached over a network."""
    return kind in NETWORK
