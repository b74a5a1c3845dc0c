# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a SQLite database, as frozen records. Sizes are in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional

NONE, FULL, INCREMENTAL = 0, 1, 2  # PRAGMA auto_vacuum


class Header(NamedTuple):
    """The part of the first 100 bytes that matters before anything is opened (fileformat2.html, 1.3)."""

    page_size: int
    is_wal: bool
    pages: int
    free_pages: int
    auto_vacuum: int


class Place(NamedTuple):
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

    ``blind`` is why nothing at all could be seen, or empty.
    """

    processes: tuple[Holder, ...]
    complete: bool
    blind: str = ""

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
    ``movable`` frames could still be moved. ``blind`` is why that cannot be seen, or empty.
    """

    pid: Optional[int] = None
    movable: int = 0
    blind: str = ""


NO_READER = LogReader()


@dataclass(frozen=True)
class Seen:
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
    temp: Optional[Place]
    home: Optional[Place]
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
