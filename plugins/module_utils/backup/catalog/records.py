# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backup folder as frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from ..sources.records import Entry


@dataclass(frozen=True)
class Manifest:
    """What a set says of itself. Moments are seconds since the epoch; ``anomalies`` name what looked emptied."""

    id: str
    host: str
    label: str
    name: str
    reason: str
    requested_by: str
    created: float
    seconds: float
    pin_until: Optional[float]
    sources: tuple[Entry, ...]
    skipped: Mapping[str, str]
    anomalies: tuple[str, ...]
    sha256: str
    platform: str = ""

    @property
    def bytes(self) -> int:
        """What the set takes on the disk, in bytes."""
        return sum(payload.size for entry in self.sources for payload in entry.payloads)

    @property
    def title(self) -> str:
        """The name that a person gave it, else its label."""
        return self.name or self.label


@dataclass(frozen=True)
class Verification:
    """The last word of a verification: ``level`` 0 to 2 that the whole set reached, and whether it held."""

    level: int
    ok: bool
    at: float
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BackupSet:
    """A set that is there, with a manifest that holds."""

    manifest: Manifest
    folder: Path
    verification: Optional[Verification] = None
    mode: int = 0o700

    @property
    def id(self) -> str:
        """The set's id, which is its folder's name and sorts by time."""
        return self.manifest.id

    @property
    def created(self) -> float:
        """When the set was begun, in seconds since the epoch."""
        return self.manifest.created

    @property
    def good(self) -> bool:
        """Whether the set counts as a backup: verified, and nothing in it looked emptied."""
        return self.verification is not None and self.verification.ok and not self.manifest.anomalies


@dataclass(frozen=True)
class Broken:
    """A folder that is named like a set and is none, with the reason."""

    id: str
    reason: str


@dataclass(frozen=True)
class Leftover:
    """What a run left that ended early: ``kind`` is ``partial`` or ``deleting``; ``alive`` while its owner works on."""

    name: str
    kind: str
    alive: bool
    owner: str = ""


@dataclass(frozen=True)
class Catalog:
    """All that a backup folder holds, sets from old to new. ``free`` is in bytes, ``mode`` the folder's own.

    ``latest`` is the id that the signpost of that name gives, or empty.
    """

    dir: Path
    exists: bool
    sets: tuple[BackupSet, ...] = ()
    broken: tuple[Broken, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    free: int = 0
    mode: int = 0o700
    latest: str = ""

    @property
    def good(self) -> tuple[BackupSet, ...]:
        """The sets that count as backups, from old to new."""
        return tuple(found for found in self.sets if found.good)

    def named(self, name: str) -> Optional[BackupSet]:
        """Return the newest set that a person gave this name, or None."""
        return next((found for found in reversed(self.sets) if found.manifest.name == name), None)
