# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A set as records: what a run took of its sources, what its manifest says, whether it holds, and what a backup folder
has in it. No input or output.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..finding import EMPTY
from ..trusted import Fault
from .declared import Source, digest
from .times import CLOCK_TOLERANCE, moment_of

NAMED_NOTES = 20  # of each kind; the rest is counted


class Payload(NamedTuple):
    """One file of a set, by its path in the set's folder: ``<source>/<file>``.

    ``role`` says what it is to its source (``archive``, ``index``, ``database``, ``dump``, ``globals``).
    """

    name: str
    role: str
    size: int
    sha256: str


class EarlierArchive(NamedTuple):
    """An archive of an earlier set that an incremental one needs: whose it is, its file there, and its compression."""

    set_id: str
    payload: Payload
    compression: str


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


class SourceCopy(NamedTuple):
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
    def chain(self) -> tuple[EarlierArchive, ...]:
        """The archives of earlier sets that it needs beside its own, from the full one on; none where it is full.

        ``lies`` in the index is a place in it, and its length is this set's own.
        """
        return tuple(
            EarlierArchive(
                one["set"], Payload(one["name"], one["role"], one["size"], one["sha256"]), one["compression"]
            )
            for one in self.facts.get("chain", ())
        )

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
        return digest(self.declaration) if self.declaration is not None else ""

    def is_of(self, source: Source) -> bool:
        """Return whether this is a copy of what a source is declared to be now."""
        return self.type == source.type and self.declared in ("", source.declared)

    def payload(self, role: str) -> Payload:
        """Return the payload of a role. Raise KeyError where there is none."""
        return {payload.role: payload for payload in self.payloads}[role]


class Manifest(NamedTuple):
    """What a set says of itself, the same before it is written and after it is read.

    Moments are seconds since the epoch; ``anomalies`` name what looked emptied. ``sha256`` is empty until it is sealed.
    ``store`` says where its content lies when that is not beside it.
    ``chain`` are the sets that an incremental one needs, from the full one to its parent; of a full set there are none.
    """

    id: str
    host: str
    label: str
    name: str
    reason: str
    requested_by: str
    created: float
    seconds: float
    pin_until: Optional[float]
    sources: tuple[SourceCopy, ...]
    skipped: Mapping[str, str]
    anomalies: tuple[str, ...]
    sha256: str = ""
    platform: str = ""
    tools: Mapping[str, str] = EMPTY
    store: Mapping[str, Any] = EMPTY
    chain: tuple[str, ...] = ()

    @property
    def parent(self) -> str:
        """The set that it is the difference to; empty where it is full."""
        return self.chain[-1] if self.chain else ""

    @property
    def bytes(self) -> int:
        """What the set takes on the disk, in bytes."""
        return sum(payload.size for entry in self.sources for payload in entry.payloads)

    @property
    def title(self) -> str:
        """The name that a person gave it, else its label."""
        return self.name or self.label


class Verification(NamedTuple):
    """The last word of a verification: ``level`` 0 to 4 that the whole set reached, and whether it held."""

    level: int
    ok: bool
    at: float
    evidence: Mapping[str, Any] = EMPTY


class Lack(NamedTuple):
    """A payload of a source that is not there as the manifest says, and why."""

    source: str
    payload: str
    reason: str

    @property
    def message(self) -> str:
        """The lack as a sentence."""
        return f"{self.payload} {self.reason}"


# What a signature is worth: there is no key to tell by, it is the key's, there is none, it is another's.
UNASKED, SIGNED, UNSIGNED, FORGED = "", "signed", "unsigned", "forged"


class BackupSet(NamedTuple):
    """A set that is there, with a manifest that holds.

    ``lacks`` is what of it is not there at this moment, ``strangers`` what is in it and not in its manifest.
    ``signature`` is what its signature is worth, ``others`` which other account could have made or changed it.
    ``chain`` is what the sets that it needs do not have as it needs them.
    """

    manifest: Manifest
    folder: Path
    verification: Optional[Verification] = None
    mode: int = 0o700
    lacks: tuple[Lack, ...] = ()
    strangers: tuple[str, ...] = ()
    signature: str = UNASKED
    others: str = ""
    chain: tuple[Lack, ...] = ()

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
        """Whether the set counts as a backup: verified, all there now, and nothing in it looked emptied."""
        sound = self.verification is not None and self.verification.ok
        trusted = self.signature in (UNASKED, SIGNED)
        whole = not self.lacks and not self.chain
        return sound and trusted and whole and not self.manifest.anomalies and not self.others

    @property
    def damaged(self) -> bool:
        """Whether the set was whole once and is no longer: something there eats backups."""
        failed = self.verification is not None and not self.verification.ok and not self.manifest.anomalies
        return bool(self.lacks) or bool(self.chain) or failed or self.signature == FORGED


class Broken(NamedTuple):
    """A folder that is named like a set and is none, with the reason. The name says when it was made."""

    id: str
    reason: str

    @property
    def created(self) -> float:
        """When the set was begun by its name, in seconds since the epoch; 0 where the name is no moment."""
        try:
            return moment_of(self.id)
        except ValueError:
            return 0.0


# What a folder is that is no set (yet, or any more): its owner works on, it may be swept, it may be so later, or nobody
# here can tell.
GROWING, DEAD, WAITING, UNCLEAR = "growing", "dead", "waiting", "unclear"


class Leftover(NamedTuple):
    """A folder that is no set: ``kind`` is ``new``, ``partial`` or ``deleting``, ``words`` say whose it is and why."""

    name: str
    kind: str
    state: str
    words: str = ""


class Stock(NamedTuple):
    """What was found in a store beside its sets: ``where`` it is (empty for the backup folder itself), ``strays`` are
    things in it that no manifest lists, ``lost`` the sets that this host made and did not remove, and that are gone.
    """

    where: str = ""
    strays: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


SAFETY = "safety"  # the label of a set of what a restore replaces: often a part, and of a state that was broken


class Catalog(NamedTuple):
    """All that a backup folder holds, sets from old to new. ``free`` is in bytes, ``mode`` the folder's own.

    ``latest`` is the id that the signpost of that name gives, or empty. ``now`` is when it was read: what is dated
    later is set aside. ``foreign`` are archives that another program put there, ``faults`` what lets another account
    change the folder itself.
    """

    dir: Path
    exists: bool
    sets: tuple[BackupSet, ...] = ()
    broken: tuple[Broken, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    free: int = 0
    mode: int = 0o700
    latest: str = ""
    now: float = math.inf
    foreign: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    store: Stock = Stock()

    @property
    def ahead(self) -> tuple[BackupSet, ...]:
        """The sets that are dated in the future: nobody knows how old they are."""
        return tuple(found for found in self.sets if found.created > self.now + CLOCK_TOLERANCE)

    @property
    def on_time(self) -> tuple[BackupSet, ...]:
        """The other sets, from old to new."""
        return tuple(found for found in self.sets if found.created <= self.now + CLOCK_TOLERANCE)

    @property
    def good(self) -> tuple[BackupSet, ...]:
        """The sets that count as backups, from old to new: none where another account can replace them."""
        return () if self.faults else tuple(found for found in self.on_time if found.good)

    @property
    def usable(self) -> tuple[BackupSet, ...]:
        """The sets for who verifies one before it is used: the good ones. Where a repository was opened on a host that
        has none, because the evidence was lost with the backup folder, those of which nothing bad is known.
        """
        unheard = (found for found in self.on_time if found.verification is None and found.manifest.store)
        known = Verification(L0, ok=True, at=0.0)
        able = tuple(found for found in unheard if found._replace(verification=known).good)
        return self.good or (() if self.faults else able)

    @property
    def newest(self) -> Optional[BackupSet]:
        """The newest set that counts, or None: one of what a restore replaced only where there is no other."""
        counting = tuple(found for found in self.good if found.manifest.label != SAFETY) or self.good
        return counting[-1] if counting else None

    def named(self, name: str) -> Optional[BackupSet]:
        """Return the newest set that a person gave this name, or None."""
        ordered = (*self.ahead, *self.on_time)
        return next((found for found in reversed(ordered) if found.manifest.name == name), None)


L0, L1, L2, L3, L4 = 0, 1, 2, 3, 4
DRILL = "drill"  # of evidence: which drill tried the application on the restored set; without it no set is at L4


class Defect(NamedTuple):
    """What does not hold at a level; ``unknown`` where it could not be looked at."""

    level: int
    subject: str
    message: str
    unknown: bool = False


@dataclass
class Report:
    """What one verification of one set found. ``partial`` says that a subset of it was looked at."""

    set_id: str
    level: int
    partial: bool = False
    defects: list[Defect] = field(default_factory=list)
    sources: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether everything that was looked at holds and nothing stayed unknown."""
        return not self.defects

    @property
    def proved(self) -> Report:
        """What was proved: where all that stayed unknown is whether sources come back (L3), that the others hold."""
        only_unknown = bool(self.defects) and all(one.level == L3 and one.unknown for one in self.defects)
        return replace(self, level=L2, defects=[]) if only_unknown else self


@dataclass
class Made:
    """What a run came to: the sources taken, those skipped and why, the verification, and at last the published set."""

    taken: dict[str, SourceCopy] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    report: Optional[Report] = None
    published: Optional[BackupSet] = None
