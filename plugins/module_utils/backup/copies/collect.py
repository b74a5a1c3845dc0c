# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a place has: read there each time, so that nothing is believed of it that is no longer so.

A set there is one of ours where its manifest holds, is word for word that of the set here (where there still is one),
and names this host; it is whole where each of its files has the size that the manifest says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Optional

from ...errors import CoreError, SourceMissing
from ...host import Host
from ...publish import PARTIAL
from ..declared import Settings
from ..manifest import parse_manifest, parse_verification
from ..model import Catalog, Manifest
from ..names import DELETING, MANIFEST, OWNER, SIGNATURE, VERIFIED, is_set_id
from ..store.owner import identity, is_gone, is_unfinished
from ..store.signature import holds
from ..times import moment_of
from .place import NO_FILE, CopyPlace


class Copied(NamedTuple):
    """A set in a place. ``defect`` says why it cannot be relied on, ``good`` whether it counts as a backup there."""

    id: str
    manifest: Optional[Manifest] = None
    defect: str = ""
    verified: bool = False
    immutable: Optional[bool] = None

    @property
    def good(self) -> bool:
        """Whether it could be restored from, as far as can be seen without reading all of it."""
        return self.manifest is not None and self.verified and not self.defect and not self.manifest.anomalies

    @property
    def created(self) -> float:
        """When the set was begun, in seconds since the epoch."""
        return moment_of(self.id) if self.manifest is None else self.manifest.created


class Contents(NamedTuple):
    """All that a place has, sets from old to new. ``left`` are folders of runs of this host that have ended, and
    ``strange`` other names that no set has. ``free`` is in bytes; None where that cannot be answer.
    """

    sets: tuple[Copied, ...] = ()
    left: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()
    free: Optional[int] = None

    @property
    def good(self) -> tuple[Copied, ...]:
        """The sets that count, from old to new."""
        return tuple(one for one in self.sets if one.good)


class Local(NamedTuple):
    """What is known here: the options, the sets, this host, and by set what was found damaged in the place before."""

    settings: Settings
    catalog: Catalog
    host: Host
    damaged: Mapping[str, str]

    def sealed(self, set_id: str) -> str:
        """Return the checksum of the manifest of a set here; empty where it is not here any more."""
        return next((found.manifest.sha256 for found in self.catalog.sets if found.id == set_id), "")


def collect_contents(place: CopyPlace, local: Local, pulse: Callable[[], object]) -> Contents:
    """Given a place, return what it has."""
    names, sets, files = place.names(), [], {}
    left = tuple(name for name in names if _is_left(place, name, local.host))
    for name in [name for name in names if is_set_id(name) and name not in left]:
        files[name] = place.files(name)
        sets.append(_copied(place, name, files[name], local))
        pulse()
    strange = tuple(name for name in names if not is_set_id(name) and name not in left)
    ordered = sorted(sets, key=lambda one: (one.created, one.id))
    return Contents(tuple(_with_chains(ordered, files)), left, strange, place.free())


def _with_chains(sets: Iterable[Copied], files: Mapping[str, Mapping[str, int]]) -> Iterator[Copied]:
    """Yield sets from old to new; one that needs others is worth no more than they are."""
    wrong: dict[str, str] = {}
    for one in sets:
        needs = one.manifest.chain if one.manifest else ()
        lost = next((set_id for set_id in needs if set_id not in files or set_id in wrong), "")
        why = f"it needs set {lost}, which is not there, or not whole" if lost else _lacks_of_chain(one, files)
        found = one._replace(defect=one.defect or why)
        if found.defect:
            wrong[found.id] = found.defect
        yield found


def _lacks_of_chain(one: Copied, files: Mapping[str, Mapping[str, int]]) -> str:
    pieces = [piece for entry in one.manifest.sources for piece in entry.chain] if one.manifest else []
    lost = [piece for piece in pieces if files.get(piece.set_id, {}).get(piece.payload.name) != piece.payload.size]
    return f"it needs {lost[0].payload.name} of set {lost[0].set_id}, which is another there" if lost else ""


def _copied(place: CopyPlace, name: str, files: Mapping[str, int], local: Local) -> Copied:
    immutable = place.immutable(name)
    if MANIFEST not in files:
        return Copied(name, defect="it has no manifest", immutable=immutable)
    try:
        content = place.read(f"{name}/{MANIFEST}")
        manifest = parse_manifest(content, f"{name}/{MANIFEST}", name)
    except CoreError as error:
        return Copied(name, defect=str(error), immutable=immutable)
    defect = (
        _not_ours(manifest, local)
        or _lacks(files, manifest)
        or _forged(place, name, content, local.settings.sign_key)
        or local.damaged.get(name, "")
    )
    return Copied(name, manifest, defect, _is_verified(place, name, files, manifest), immutable)


def _not_ours(manifest: Manifest, local: Local) -> str:
    sealed = local.sealed(manifest.id)
    if sealed and sealed != manifest.sha256:
        return "its manifest is another one than that of the set of this id here"
    return ""


def _lacks(files: Mapping[str, int], manifest: Manifest) -> str:
    for entry in manifest.sources:
        for payload in entry.payloads:
            size = files.get(payload.name)
            if size is None:
                return f"{payload.name} is not there"
            if size != payload.size:
                answer = "is no regular file" if size == NO_FILE else f"has {size} bytes"
                return f"{payload.name} {answer}, the manifest says {payload.size} bytes"
    return ""


def _forged(place: CopyPlace, name: str, content: bytes, key: bytes) -> str:
    if not key:
        return ""
    try:
        found = place.read(f"{name}/{SIGNATURE}")
    except SourceMissing:
        return "it is not signed"
    return "" if holds(content, found, key) else "it has another signature than the key's"


def _is_verified(place: CopyPlace, name: str, files: Mapping[str, int], manifest: Manifest) -> bool:
    if VERIFIED not in files:
        return False
    try:
        found = parse_verification(place.read(f"{name}/{VERIFIED}"), f"{name}/{VERIFIED}", manifest)
    except CoreError:
        return False
    return found is not None and found.ok


def _is_left(place: CopyPlace, name: str, host: Host) -> bool:
    """Return whether a name is that of what a run of this host began or was removing, and that run is gone."""
    if is_set_id(name):
        files = {} if place.renames else place.files(name)  # there a set has its name before it has its manifest
        return OWNER in files and MANIFEST not in files and _is_of_one_that_is_gone(place, name, host)
    if not is_unfinished(name, is_set_id) or f".{identity(host)}-" not in name:
        return False
    return name.endswith(DELETING) or (name.endswith(PARTIAL) and _is_of_one_that_is_gone(place, name, host))


def _is_of_one_that_is_gone(place: CopyPlace, name: str, host: Host) -> bool:
    try:
        return is_gone(json.loads(place.read(f"{name}/{OWNER}")), host)
    except SourceMissing:
        return not place.files(name)  # it was begun, and got nothing
    except (CoreError, KeyError, TypeError, ValueError):
        return False
