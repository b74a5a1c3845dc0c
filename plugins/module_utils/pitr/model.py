# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen of a cluster, of its WAL on the way to the archive, and of the repository that keeps both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Optional, Union

from ..finding import EMPTY
from .declared import Cluster
from .wal import Archive, Base, Gap, Segment, Window, all_gaps, broken, parse_name, windows


class Unavailable(NamedTuple):
    """Why something could not be seen."""

    reason: str


class Archiver(NamedTuple):
    """pg_stat_archiver. Times are seconds since the epoch; names are empty and times None where there was none."""

    last_wal: str
    last_time: Optional[float]
    failed_wal: str
    failed_time: Optional[float]
    failed: int


class ServerState(NamedTuple):
    """A running server at one moment. ``position`` is the end of what it has written, ``size`` that of a segment."""

    now: float
    version: int
    recovery: bool
    position: int
    timeline: int
    size: int
    system_id: str
    settings: Mapping[str, str]
    archiver: Archiver

    @property
    def major(self) -> int:
        """The major version."""
        return self.version // 10000

    @property
    def wal_dir(self) -> str:
        """The folder of the server's WAL."""
        return f"{self.settings.get('data_directory', '')}/pg_wal"


class Waiting(NamedTuple):
    """Segments that wait to be archived, and since when the oldest does (None where there is none)."""

    ready: int
    oldest: Optional[float]


class Backup(NamedTuple):
    """One physical backup. ``error`` is whether pages of it were broken when it was taken; None where nobody looked."""

    label: str
    kind: str
    error: Optional[bool]
    started: float
    ended: float
    first_wal: str
    last_wal: str
    size: int = 0

    def base(self, size: int) -> Optional[Base]:
        """Given the size of a segment, return what a restore needs of it; None where its segments are not named."""
        first, last = parse_name(self.first_wal, size), parse_name(self.last_wal, size)
        return Base(self.label, first.timeline, first.number, last.number, self.ended) if first and last else None


class Repository(NamedTuple):
    """One repository: pgBackRest's own word on it (code 0 is ok), its backups and its WAL."""

    key: int
    code: int
    message: str
    backups: tuple[Backup, ...]
    archive: Union[Archive, Unavailable]
    system_id: str = ""
    archive_id: str = ""

    def bases(self) -> tuple[Base, ...]:
        """Return the backups as a restore needs them."""
        size = self.archive.size if isinstance(self.archive, Archive) else 0
        found = (backup.base(size) for backup in self.backups) if size else ()
        return tuple(base for base in found if base is not None)

    def lacks(self, server: ServerState) -> str:
        """Return the segment that a server says it has archived last and that is not here; empty where it is."""
        if isinstance(self.archive, Unavailable):
            return ""
        segment = parse_name(server.archiver.last_wal, server.size)
        there = segment is None or segment in self.archive.segments or segment in self.archive.partial
        return "" if there else server.archiver.last_wal

    def gaps(self) -> tuple[Gap, ...]:
        """Return what is missing in the archive."""
        return all_gaps(self.archive, self.bases()) if isinstance(self.archive, Archive) else ()

    def broken(self) -> dict[str, Gap]:
        """Return the backups that cannot be started, each with what it lacks."""
        return broken(self.archive, self.bases()) if isinstance(self.archive, Archive) else {}

    def windows(self) -> tuple[Window, ...]:
        """Return from when to when can be restored to."""
        return windows(self.archive, self.bases()) if isinstance(self.archive, Archive) else ()

    def newest_window(self, timeline: int) -> Optional[Window]:
        """Return the window that reaches furthest on a timeline."""
        own = [window for window in self.windows() if window.timeline == timeline]
        return max(own, key=lambda window: (window.last.number, window.since), default=None)


class Config(NamedTuple):
    """What a configuration of pgBackRest says, without its secrets: options by section and name; who may read it."""

    options: Mapping[str, str] = EMPTY
    secret: bool = False
    mode: int = 0
    owner: str = ""


class Room(NamedTuple):
    """A file system, in bytes."""

    path: str
    free: int
    total: int


class Strangers(NamedTuple):
    """Files of the repository and beside it that are not the server's account's: it cannot write them.

    ``whole`` is whether all were looked at.
    """

    paths: tuple[str, ...]
    found: int
    looked: int
    whole: bool


class Exposure(NamedTuple):
    """What would be lost with the host: changes since then (None: none). ``exact`` is whether the first of them was
    read in the WAL; otherwise it is a bound, and ``why`` says what kept us from reading.
    """

    since: Optional[float]
    exact: bool
    bytes: int
    archived: Optional[Segment] = None
    why: str = ""


class Observation(NamedTuple):
    """One cluster as it was seen. ``restorable`` is when the last commit in the archive was made, where it was read."""

    cluster: Cluster
    server: Union[ServerState, Unavailable]
    waiting: Union[Waiting, Unavailable]
    tool: Union[tuple[int, ...], Unavailable]
    repositories: Union[tuple[Repository, ...], Unavailable]
    config: Union[Config, Unavailable, None]
    rooms: Mapping[str, Union[Room, Unavailable]]
    strangers: Union[Strangers, Unavailable, None]
    exposure: Union[Exposure, Unavailable]
    restorable: Optional[float] = None
    verified: Union[str, Unavailable, None] = None
