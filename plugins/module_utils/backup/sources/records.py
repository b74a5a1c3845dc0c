# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kinds of sources have in common: what is declared, what a run took of it, and what a set says of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple, Optional

from ...errors import ActionFailed
from ...host import Host
from ..streams.codec import Codec
from ..streams.sink import Written

# Options of a PostgreSQL source that say what it holds; the others say how it is reached.
WHICH_DATABASES = ("database", "exclude_databases", "login_host", "login_unix_socket", "login_port", "globals")
NAMED_NOTES = 20  # of each kind; the rest is counted


@dataclass(frozen=True)
class Source:
    """One declared source. ``paths`` are absolute; ``server`` are the options of a PostgreSQL source; ``lock_wait`` is
    how many seconds it may be locked by others, on end.
    """

    name: str
    type: str
    optional: bool = False
    may_be_empty: bool = False
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    server: Mapping[str, Any] = field(default_factory=dict)
    lock_wait: float = 60.0

    @property
    def declaration(self) -> dict[str, Any]:
        """What the source is, whatever it is called: without what says how it is reached or how well it must do."""
        given = {key: self.server[key] for key in WHICH_DATABASES if self.server.get(key)}
        return {"type": self.type, "paths": sorted(self.paths), "exclude": sorted(self.exclude), **given}

    @property
    def declared(self) -> str:
        """The declaration as a short text that is compared."""
        return _digest(self.declaration)


def _digest(declaration: Mapping[str, Any]) -> str:
    text = json.dumps(declaration, sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


@dataclass(frozen=True)
class Measured:
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


@dataclass(frozen=True)
class Payload:
    """One file of a set, by its path in the set's folder: ``<source>/<file>``.

    ``role`` says what it is to its source (``archive``, ``index``, ``database``, ``dump``, ``globals``).
    """

    name: str
    role: str
    size: int
    sha256: str


class Size(NamedTuple):
    """How much a source holds: files or rows, bytes, and bytes that are data rather than free room."""

    things: int
    raw_bytes: int
    live_bytes: int


@dataclass(frozen=True)
class Workshop:
    """Where and how one source is taken: ``folder`` is its own. ``protected`` are real paths that files leave out.

    ``halt`` is set where the whole set is given up; sources are taken side by side.
    """

    folder: Path
    host: Host
    codec: Codec
    protected: frozenset[str] = frozenset()
    halt: Event = field(default_factory=Event)

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
    ) -> Entry:
        """Return what was taken of a source as the set's manifest lists it."""
        noted = {**facts, "declared": source.declaration, "notes": notes.as_dict()}
        return Entry(source.name, source.type, self.codec.compression.name, payloads, *size, noted)


@dataclass
class Notes:
    """Things worth knowing that are no failure, by kind: how many, and the first few by name."""

    counts: dict[str, int] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, what: str) -> None:
        """Note one more ``what`` of a kind (``changed``, ``vanished``, ``special``, ``database``)."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        named = self.named.setdefault(kind, [])
        if len(named) < NAMED_NOTES:
            named.append(what)

    def as_dict(self) -> dict[str, Any]:
        """Return the notes as plain JSON values."""
        return {kind: {"count": count, "first": self.named[kind]} for kind, count in sorted(self.counts.items())}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Notes:
        """Return the notes that were turned into plain JSON values."""
        counts = {kind: one["count"] for kind, one in plain.items()}
        return cls(counts, {kind: one["first"] for kind, one in plain.items()})


@dataclass(frozen=True)
class Entry:
    """One source as a run took it and as a manifest lists it.

    ``things`` is how many files or rows it has, ``live_bytes`` how much of it is data rather than free room: the two
    numbers that tell an emptied source. ``facts`` are its keys that only its own kind understands.
    """

    name: str
    type: str
    compression: str
    payloads: tuple[Payload, ...]
    things: int
    raw_bytes: int
    live_bytes: int
    facts: Mapping[str, Any]

    @property
    def notes(self) -> Notes:
        """What was noted while it was taken."""
        return Notes.of(self.facts.get("notes", {}))

    @property
    def declaration(self) -> Optional[Mapping[str, Any]]:
        """What the source was declared to be; None where the set is of a release that did not note it."""
        noted = self.facts.get("declared")
        if isinstance(noted, dict):
            return noted
        paths = self.facts.get("paths") if self.type == "files" else [self.facts.get("path")]
        if self.type not in ("files", "sqlite") or not isinstance(paths, list) or not all(paths):
            return None
        return {"type": self.type, "paths": sorted(paths), "exclude": sorted(self.facts.get("exclude", ()))}

    @property
    def declared(self) -> str:
        """The declaration as a short text that is compared; empty where it is not known."""
        return _digest(self.declaration) if self.declaration is not None else ""

    def is_of(self, source: Source) -> bool:
        """Return whether this is a copy of what a source is declared to be now."""
        return self.type == source.type and self.declared in ("", source.declared)

    def payload(self, role: str) -> Payload:
        """Return the payload of a role. Raise KeyError where there is none."""
        return {payload.role: payload for payload in self.payloads}[role]


@dataclass(frozen=True)
class Bench:
    """Where a set is checked: its folder, and a folder for what has to be unpacked for it.

    ``platform`` is the one that made the set, which need not be that of ``host``; ``thorough`` asks for all that can
    be compared within a source (L3). ``doubt`` says why ``scratch`` is not to be written to.
    """

    folder: Path
    scratch: Path
    host: Host
    platform: str = ""
    thorough: bool = False
    doubt: str = ""
