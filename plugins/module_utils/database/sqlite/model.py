# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a SQLite database and of the place that it lies in, and the task of a step. Sizes are in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from ...steps import Step

NONE, FULL, INCREMENTAL = 0, 1, 2  # PRAGMA auto_vacuum
# File systems whose locks cannot be trusted (howtocorrupt.html, 2.1), as /proc/self/mountinfo and mount(8) spell them.
NETWORK = frozenset({
    "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs3",
    "nfs4", "smb2", "smb3", "smbfs", "webdav",
    "fuse.ceph", "fuse.cifs", "fuse.davfs", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
    "macfuse", "osxfuse",
    "network drive", "UNC path",  # what windows.py calls them
})  # fmt: skip


class Header(NamedTuple):
    """The part of the first 100 bytes that matters before anything is opened (fileformat2.html, 1.3)."""

    page_size: int
    is_wal: bool
    pages: int
    free_pages: int
    auto_vacuum: int


class Space(NamedTuple):
    """A folder that a rewrite writes to: which device it is on, and the bytes that are free there."""

    path: str
    device: int
    free: int


class Holder(NamedTuple):
    """A process that has the file open; ``pid`` is None where the system does not say which one it is."""

    pid: Optional[int]
    command: str


class Holders(NamedTuple):
    """The processes that have a file open. ``complete`` is false where other accounts' processes cannot be seen.

    ``unavailable`` is why nothing at all could be seen, or empty.
    """

    processes: tuple[Holder, ...]
    complete: bool
    unavailable: str = ""

    @property
    def proved_none(self) -> bool:
        """Whether it is certain that nobody has the file open."""
        return self.complete and not self.processes

    def named(self) -> str:
        """Return who has the file open, in one phrase."""
        named = (f"{one.command} (pid {one.pid})" if one.pid else one.command for one in self.processes)
        return ", ".join(named) or "a process that cannot be seen"


class Surroundings(NamedTuple):
    """The kind of file system that a file lies on, and the bytes of memory that are free; empty and None: not known."""

    filesystem: str
    memory_free: Optional[int]


class Content(NamedTuple):
    """What a read-only connection says. ``damage`` is the first complaint of the integrity check, empty when sound.

    ``orphans`` are rows that refer to nothing, None where it was not looked; ``stale`` are tables whose statistics are
    missing or old.
    """

    page_size: int
    pages: int
    free_pages: int
    auto_vacuum: int
    journal_mode: str
    user_version: int
    schema_hash: str
    damage: str
    orphans: Optional[int]
    first_orphan: str
    stale: tuple[str, ...]
    litestream_tables: bool
    temp_in_memory: bool


class LogReader(NamedTuple):
    """Who keeps the write-ahead log from being cut off: ``pid`` reads a state older than the log's end, of which
    ``movable`` frames could still be moved. ``unavailable`` is why that cannot be seen, or empty.
    """

    pid: Optional[int] = None
    movable: int = 0
    unavailable: str = ""


NO_READER = LogReader()


class FileSnapshot(NamedTuple):
    """Everything that was read for one entry of the inventory.

    ``temp`` and ``home`` are where a rewrite writes to. ``left_shm`` is whether reading left a -shm file, which SQLite
    cannot avoid where a log is waiting and nobody has the database open.
    """

    path: str
    header: Header
    content: Content
    file_bytes: int
    wal_bytes: int
    filesystem: str
    holders: Holders
    temp: Optional[Space]
    home: Optional[Space]
    memory_free: Optional[int]
    litestream_folder: bool
    left_shm: bool
    sqlite_version: tuple[int, ...]
    log_reader: LogReader = NO_READER

    @property
    def free_bytes(self) -> int:
        """The bytes of pages that hold nothing."""
        return self.content.free_pages * self.content.page_size

    @property
    def live_bytes(self) -> int:
        """The bytes of pages that hold something: the size that a rewritten file will have."""
        return (self.content.pages - self.content.free_pages) * self.content.page_size

    @property
    def free_ratio(self) -> float:
        """The share of the pages that hold nothing."""
        return self.content.free_pages / max(1, self.content.pages)

    @property
    def is_wal(self) -> bool:
        """Whether the database is in WAL mode."""
        return self.content.journal_mode == "wal" or self.header.is_wal

    @property
    def is_replicated(self) -> bool:
        """Whether Litestream follows the database, or did."""
        return self.litestream_folder or self.content.litestream_tables


class FileTask(NamedTuple):
    """What a step on one SQLite database needs. ``tables`` are those to analyze."""

    path: str
    bytes: int
    predicted_s: float
    tables: tuple[str, ...] = ()

    def step(self, action: str, subject: str, reason: str) -> Step:
        """Return the step that does it, with what an operator may want to know of it beforehand."""
        tables = {"tables": list(self.tables)} if self.tables else {}
        details = {"predicted_seconds": round(self.predicted_s, 1), "path": self.path, "bytes": self.bytes, **tables}
        return Step(action, subject, reason, self, details)


class Mount(NamedTuple):
    """Where a file system is mounted, and its type."""

    point: str
    kind: str


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
