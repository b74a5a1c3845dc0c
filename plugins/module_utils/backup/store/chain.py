# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Incremental sets of the archive store: which earlier sets one needs, whether they still hold, where its files lie.

A set counts only where each set of its chain counts and has the archives that it was made against. So a broken parent
is named when the folder is read, not on the day of the restore. No input or output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Optional

from ...errors import ActionFailed
from ..declared import Settings, Source
from ..model import L1, BackupSet, Catalog, Lack, Payload, Piece, SourceCopy


class Located(NamedTuple):
    """An archive in which files of a source lie: ``path`` is where it is, ``payload`` what has to be there."""

    path: Path
    payload: Payload
    compression: str


def locate(found: BackupSet, entry: SourceCopy, catalog: Catalog) -> tuple[Located, ...]:
    """Given a set, one of its files sources and the catalog, return the archives in which its files lie.

    A row of the index has its content in the one whose place here is its ``lies``; the last one is the set's own. Raise
    ActionFailed where a set of the chain is not there, or has something else there.
    """
    by_id = {one.id: one for one in catalog.sets}
    for piece in entry.chain:
        reason = _missing(piece, by_id.get(piece.set_id))
        if reason:
            raise ActionFailed(f"set {found.id} cannot be read whole: {piece.set_id}/{piece.payload.name} {reason}")
    chained = [
        Located(by_id[one.set_id].folder / one.payload.name, one.payload, one.compression) for one in entry.chain
    ]
    own = entry.payload("archive")
    return (*chained, Located(found.folder / own.name, own, entry.compression))


def with_chains(sets: Iterable[BackupSet]) -> list[BackupSet]:
    """Return sets with what is wrong with the chain of each."""
    alone = [found._replace(chain=()) for found in sets]
    by_id = {found.id: found for found in alone}
    return [found._replace(chain=_lacks(found, by_id)) if found.manifest.chain else found for found in alone]


def _lacks(found: BackupSet, by_id: Mapping[str, BackupSet]) -> tuple[Lack, ...]:
    """Return what the sets that a set needs do not have as it needs them."""
    return tuple(
        Lack(entry.name, f"{piece.set_id}/{piece.payload.name}", reason)
        for entry in found.manifest.sources
        for piece in entry.chain
        if (reason := _reason(piece, by_id.get(piece.set_id)))
    )


def _reason(piece: Piece, holder: Optional[BackupSet]) -> str:
    missing = _missing(piece, holder)
    return missing or ("is needed, and the set counts no longer" if holder is None or not holder.good else "")


def _missing(piece: Piece, holder: Optional[BackupSet]) -> str:
    if holder is None:
        return "is needed, and there is no such set"
    payloads = [payload for entry in holder.manifest.sources for payload in entry.payloads]
    return "" if piece.payload in payloads else "is needed, and the set has another one now"


def choose_parent(settings: Settings, catalog: Catalog, host: str, platform: str) -> Optional[BackupSet]:
    """Return the set that a new one is to be the difference to; None where it is to be full."""
    if not settings.incremental:
        return None
    for found in reversed(catalog.good):
        manifest = found.manifest
        ours = manifest.host == host and manifest.platform == platform
        if ours and any(entry_for(source, found) is not None for source in settings.sources):
            return found if len(manifest.chain) + 2 <= settings.max_chain and _is_read(found) else None
    return None


def _is_read(found: BackupSet) -> bool:
    return found.verification is not None and found.verification.level >= L1


def entry_for(source: Source, parent: Optional[BackupSet]) -> Optional[SourceCopy]:
    """Return what a parent set has of a files source as it is declared now, with all of its attributes, or None."""
    if parent is None or source.type != "files":
        return None
    held = [entry for entry in parent.manifest.sources if entry.name == source.name and entry.is_of(source)]
    return next((entry for entry in held if entry.facts.get("attributes", {}).get("missing") == 0), None)
