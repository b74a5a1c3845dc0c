# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kinds of sources have in common while they are measured, backed up and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple, Optional, Protocol

from ...errors import ActionFailed
from ...finding import EMPTY
from ...host import Host
from ..declared import Source
from ..model import BackupSet, Manifest, Notes, Payload, SourceCopy
from ..streams import Codec, Written


class Measured(NamedTuple):
    """Bytes by source; ``trouble`` says of the others why they cannot be taken.

    ``copies`` is the largest unpacked copy that taking them needs, in bytes.
    """

    sizes: Mapping[str, int]
    trouble: Mapping[str, str]
    copies: int

    @property
    def total(self) -> int:
        """The bytes of all sources that can be taken."""
        return sum(self.sizes.values())


class GivenUp(ActionFailed):
    """Another source failed, so this one is not needed any more."""


class Size(NamedTuple):
    """How much a source holds: files or rows, bytes, and bytes that are data rather than free room."""

    things: int
    raw_bytes: int
    live_bytes: int


@dataclass(frozen=True)
class Workshop:
    """Where and how one source is taken: ``folder`` is its own. ``protected`` are real paths that files leave out.

    ``halt`` is set where the whole set is given up; sources are taken side by side. ``parent`` is the set that files
    are compared with, where not all of them are to be taken, ``hashed`` as in Bench.
    """

    folder: Path
    host: Host
    codec: Codec
    protected: frozenset[str] = frozenset()
    halt: Event = field(default_factory=Event)
    parent: Optional[BackupSet] = None
    hashed: dict[Path, str] = field(default_factory=dict)

    def pulse(self) -> None:
        """Say now and then that work goes on. Raise ToolTimeout when time is up, GivenUp where nobody wants it."""
        self.host.remaining()
        if self.halt.is_set():
            raise GivenUp("the set was given up while this source was taken")

    def payload(self, name: str, role: str, written: Written) -> Payload:
        """Return a finished file of this source as a payload of the set."""
        return Payload(f"{self.folder.name}/{name}", role, written.size, written.sha256)

    def entry(
        self, source: Source, payloads: tuple[Payload, ...], size: Size, facts: Mapping[str, Any], notes: Notes
    ) -> SourceCopy:
        """Return what was taken of a source as the set's manifest lists it."""
        noted = {**facts, "declared": source.declaration, "notes": notes.as_dict()}
        return SourceCopy(source.name, source.type, self.codec.compression.name, payloads, *size, noted)


class Selection(NamedTuple):
    """What of a source is wanted; where a part of it is empty, all.

    ``paths`` are patterns of members, matched as ``exclude`` matches, from the root of the file system on. ``tables``
    are names such as ``public.trades``, as the manifest writes them.
    """

    paths: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


def _no_heartbeat() -> None:
    pass


class Bench(NamedTuple):
    """Where a set is checked or restored: its folder, and a folder for what has to be unpacked for it.

    ``platform`` is the one that made the set, which need not be that of ``host``; ``thorough`` asks for all that can
    be compared within a source (L3). ``doubt`` says why ``scratch`` is not to be written to. ``hashed`` are the
    checksums by path that this run has taken already: several sets may need one archive.

    What only a restore asks for: ``selection``; ``server``, the options of the PostgreSQL server to restore on, as a
    source of that type has them; ``tag``, a short text of a-z, 0-9 and underscores that names a scratch database;
    ``create_roles``, whether roles that the server lacks are made on it. ``heartbeat`` says that work goes on.
    """

    folder: Path
    scratch: Path
    host: Host
    platform: str = ""
    thorough: bool = False
    doubt: str = ""
    hashed: Optional[dict[Path, str]] = None
    selection: Selection = Selection()
    server: Mapping[str, Any] = EMPTY
    tag: str = ""
    create_roles: bool = False
    heartbeat: Callable[[], object] = _no_heartbeat

    def pulse(self) -> None:
        """Say now and then that work goes on. Raise ToolTimeout when time is up."""
        self.host.remaining()
        self.heartbeat()


class Reader(Protocol):
    """How a set is read back, whatever store it lies in."""

    @property
    def manifest(self) -> Manifest:
        """What the set says of itself."""

    def payload(self, name: str) -> AbstractContextManager[Path]:
        """Yield a file that has the payload's content, proved by its SHA-256. Raise ActionFailed where it has not."""

    def tree(self, entry: SourceCopy, into: Path, bench: Bench) -> Notes:
        """Write what a files source holds below an empty folder, and return what of it could not be kept.

        Raise ActionFailed, with the member named, where anything in it would be written elsewhere.
        """


class Restored(NamedTuple):
    """A source that was written beside: files, or rows of databases, as ``things``.

    ``notes`` have what could not be kept. ``proof`` is what was compared with the manifest and held.
    """

    entry: SourceCopy
    things: int
    notes: Notes
    proof: Mapping[str, Any]
