# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a repository of restic holds, as sets: a set is there where its manifest's snapshot is, and whole where every
snapshot that the manifest names is there with the tree that it had.

``restic check`` ends well after a snapshot was deleted, and nothing stops another program from adding one. So each set
is compared with its manifest, and all of them with the inventory that this host keeps of what it made. The backup
folder has the manifest and the evidence of each set; where they are lost, the repository has the manifest.
"""

# pylint does not see that our errors are exceptions.
# pylint: disable=bad-exception-cause
from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Union

from ...errors import ActionFailed, CoreError
from ...host import Host
from ...memory import recall, remember
from ...publish import PARTIAL, patiently, publish_file
from ...trusted import faults
from ..declared import Settings
from ..manifest import parse_manifest
from ..model import DEAD, UNASKED, WAITING, BackupSet, Broken, Catalog, Lack, Leftover, Manifest, Stock
from ..names import DELETING, MANIFEST, SIGNATURE, is_set_id
from ..times import from_iso, to_iso
from .collect import free_bytes, lacks, read_catalog, signature_of
from .owner import SWEEP_AFTER
from .publish import remove as remove_folder
from .publish import sweep as sweep_folder
from .restic import Restic, ResticFailed
from .restic_output import ABSENT, Snapshot

OURS, SET, PART = "cryptobot", "set", "part"
TREES, STAGE, SEAL = "trees", "stage", "manifest"
MEMORY = "restic"
KIND = "restic"
_OWN_FILE = re.compile(r"config|(?:keys|locks|snapshots|index)/[0-9a-f]{64}|data/([0-9a-f]{2})/\1[0-9a-f]{62}")
NAMED = 20


class Stocked(NamedTuple):
    """The snapshots of a repository; ``exists`` is whether it is there."""

    exists: bool
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def by_id(self) -> dict[str, Snapshot]:
        """The snapshots by their full ids."""
        return {one.id: one for one in self.snapshots}

    def of_set(self, set_id: str) -> list[Snapshot]:
        """Return the snapshots that carry a set's tag."""
        return [one for one in self.snapshots if OURS in one.tags and one.tag(SET) == set_id]

    @property
    def seals(self) -> dict[str, Snapshot]:
        """The newest manifest snapshot by set id."""
        return {
            one.tag(SET): one
            for one in self.snapshots
            if OURS in one.tags and one.tag(PART) == SEAL and is_set_id(one.tag(SET))
        }


def inventory(settings: Settings, restic: Restic) -> dict[str, Any]:
    """Return what this host knows of a repository: its id, the sets that it made, and the turn of ``check``."""
    found = recall(settings.state_dir, MEMORY).get(restic.key)
    return found if isinstance(found, dict) else {}


def note(settings: Settings, restic: Restic, **changed: Any) -> None:
    """Remember something of a repository. Raise ActionFailed where that cannot be kept: it is what is compared with."""
    known = {**inventory(settings, restic), **changed}
    if not remember(settings.state_dir, MEMORY, {**recall(settings.state_dir, MEMORY), restic.key: known}):
        raise ActionFailed(f"the inventory of {restic.repository.shown} cannot be written to {settings.state_dir}")


def known_sets(settings: Settings, restic: Restic) -> dict[str, list[str]]:
    """Return the full ids of the snapshots of each set that this host made and did not remove."""
    return dict(inventory(settings, restic).get("sets", {}))


def read_stock(restic: Restic) -> Stocked:
    """Return what a repository holds. Raise ActionFailed where it cannot be opened."""
    try:
        return Stocked(True, tuple(restic.snapshots()))
    except ResticFailed as error:
        if error.meaning == ABSENT:
            return Stocked(False)
        raise restic.explained(error) from error


def read(settings: Settings, host: Host, restic: Restic) -> Catalog:
    """Return what the backup folder and the repository hold. Raise ActionFailed where it cannot be opened."""
    stock = read_stock(restic)
    local = read_catalog(
        settings.dir,
        host,
        settings.sign_key,
        settings.others,
        lambda folder, manifest: lacking(folder, manifest, stock),
    )
    held = {found.id for found in local.sets}
    absent = [one for set_id, one in stock.seals.items() if set_id not in held]
    adopted = [_adopted(one, settings, restic, stock) for one in absent]
    there = {one.id for one in adopted}
    sets = [*local.sets, *(one for one in adopted if isinstance(one, BackupSet))]
    broken = [one for one in local.broken if one.id not in there]
    broken += [one for one in adopted if isinstance(one, Broken)]
    ids = {one.id for one in sets} | {one.id for one in broken}
    path = restic.repository.path
    return local._replace(
        exists=local.exists or stock.exists,
        sets=tuple(sorted(sets, key=lambda item: (item.created, item.id))),
        broken=tuple(broken),
        leftovers=_leftovers(local, stock, ids, host, inventory(settings, restic).get("given_up", ())),
        free=min(local.free, free_bytes(Path(path))) if path else local.free,
        now=host.now(),
        faults=(*local.faults, *(faults(path, settings.others) if path and os.path.isdir(path) else ())),
        store=_compared(settings, restic, stock, sets, ids),
    )


def lacking(folder: Path, manifest: Manifest, stock: Stocked) -> tuple[Lack, ...]:
    """Given a set's manifest, return what of it is not there; a set of the other store has its files in its folder."""
    if manifest.store.get("kind") != KIND:
        return lacks(folder, manifest)
    there, found = stock.by_id, []
    if not any(one.tag(PART) == SEAL for one in stock.of_set(manifest.id)):
        found.append(Lack("manifest", MANIFEST, "has no snapshot in the repository any more"))
    for one in manifest.store["snapshots"]:
        snapshot = there.get(one["id"])
        reason = "is not in the repository any more" if snapshot is None else ""
        if snapshot is not None and snapshot.tree != one["tree"]:
            reason = f"has the tree {snapshot.tree[:8]}, the manifest says {one['tree'][:8]}"
        found += [Lack(name, f"snapshot {one['id'][:8]}", reason) for name in one["sources"] if reason]
    return tuple(found)


def _adopted(seal: Snapshot, settings: Settings, restic: Restic, stock: Stocked) -> Union[BackupSet, Broken]:
    """Return a set whose folder is not here, from the manifest that the repository has. Nothing is known to hold."""
    set_id = seal.tag(SET)
    try:
        content, signature = _sealed(seal, restic)
        manifest = parse_manifest(content, f"snapshot {seal.id[:8]}", set_id)
        folder = settings.dir / set_id
        worth = signature_of(content, signature, settings.sign_key) if settings.sign_key else UNASKED
        return BackupSet(manifest, folder, lacks=lacking(folder, manifest, stock), signature=worth)
    except CoreError as error:
        return Broken(set_id, f"its manifest in the repository cannot be read: {error}")


def _sealed(seal: Snapshot, restic: Restic) -> tuple[bytes, bytes]:
    """Return a manifest and its signature as the repository has them."""
    found = {os.path.basename(path): restic.dump(seal.id, path) for path in seal.paths}
    return found.get(MANIFEST, b""), found.get(SIGNATURE, b"")


def adopt(catalog: Catalog, settings: Settings, restic: Restic) -> None:
    """Write the manifests of sets whose folders are not here into the backup folder, so that evidence can be kept."""
    absent = [found for found in catalog.sets if not os.path.lexists(found.folder)]
    seals = read_stock(restic).seals if absent else {}
    for found in absent:
        if found.id in seals:
            content, signature = _sealed(seals[found.id], restic)
            settings.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            found.folder.mkdir(mode=0o700)
            publish_file(found.folder / MANIFEST, content)
            if signature:
                publish_file(found.folder / SIGNATURE, signature)


def _leftovers(
    local: Catalog, stock: Stocked, ids: set[str], host: Host, given_up: Sequence[str]
) -> tuple[Leftover, ...]:
    """Return what runs left: their folders, and snapshots of sets that have no manifest and no folder. Those that were
    ``given_up`` by a run that could not forget them are nobody's any more.
    """
    # A run that is gone has no other door to the repository; it need not be waited for as in a folder that others share
    found = [
        one._replace(state=DEAD) if one.state == WAITING and one.kind == "partial" else one for one in local.leftovers
    ]
    named = {one.name.partition(".")[0] for one in found} | ids
    stray: dict[str, list[Snapshot]] = {}
    for one in stock.snapshots:
        set_id = one.tag(SET)
        if OURS in one.tags and one.host == host.name() and is_set_id(set_id) and set_id not in named:
            stray.setdefault(set_id, []).append(one)
    for set_id, snapshots in stray.items():
        quiet = _moment(snapshots[-1]) + host.budget + SWEEP_AFTER
        state = DEAD if host.now() > quiet or set_id in given_up else WAITING
        words = f"{len(snapshots)} snapshots without a manifest"
        words += "" if state == DEAD else f"; they are swept by a run after {to_iso(quiet)}"
        found.append(Leftover(f"{set_id}{PARTIAL}", "partial", state, words))
    return tuple(found)


def _moment(snapshot: Snapshot) -> float:
    try:
        return from_iso(f"{snapshot.time[:19]}Z")
    except ValueError:
        return 0.0


def _compared(settings: Settings, restic: Restic, stock: Stocked, sets: Sequence[BackupSet], ids: set[str]) -> Stock:
    known = known_sets(settings, restic)
    listed = {one["id"] for found in sets for one in found.manifest.store.get("snapshots", ())}
    listed |= {one.id for one in stock.seals.values()}
    listed |= {one for made in known.values() for one in made}
    strays = [
        f"snapshot {one.id[:8]} of {one.host} ({', '.join(one.paths[:2])})"
        for one in stock.snapshots
        if one.id not in listed and not _is_unfinished(one, ids)
    ]
    lost = [set_id for set_id in known if set_id not in ids]
    return Stock(restic.repository.shown, (*strays, *_stray_files(restic.repository.path)), tuple(lost))


def _is_unfinished(snapshot: Snapshot, ids: set[str]) -> bool:
    """Return whether a snapshot belongs to a set that is no set yet, or was never one: a leftover says so."""
    return OURS in snapshot.tags and is_set_id(snapshot.tag(SET)) and snapshot.tag(SET) not in ids


def _stray_files(path: str) -> list[str]:
    """Given the folder of a repository, return the files in it that restic would never give such a name."""
    if not path or not os.path.isdir(path):
        return []
    found = [name for name in files_of(path) if not _OWN_FILE.fullmatch(name) and not _is_draft(name)]
    return [f"file {name}" for name in found[:NAMED]]


def _is_draft(name: str) -> bool:
    """Return whether a file is one that restic was writing when it died: its name and a number behind it."""
    return re.search(r"/[0-9a-f]{64}-tmp-\d+$", name) is not None


def files_of(path: str) -> list[str]:
    """Given the folder of a repository, return the names of all that is in it and no folder."""
    found = []
    for folder, folders, files in os.walk(path):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        found += [os.path.relpath(os.path.join(folder, name), path).replace(os.sep, "/") for name in (*files, *links)]
    return sorted(found)


def require_repository(settings: Settings, restic: Restic) -> None:
    """Make the repository where there was never one. Raise ActionFailed where the one that was known is gone, or where
    another stands in its place.
    """
    known = str(inventory(settings, restic).get("repository", ""))
    if not read_stock(restic).exists:
        if known:
            gone = f"the repository {restic.repository.shown}, known as {known[:8]}, is gone"
            raise ActionFailed(f"{gone}; none is made in its place: is something not mounted?")
        restic.init()
    now = restic.config_id()
    if known and now != known:
        text = f"{restic.repository.shown} is the repository {now[:8]}, expected {known[:8]}, which this host knows"
        raise ActionFailed(text)
    if not known:
        note(settings, restic, repository=now)


def remove(settings: Settings, host: Host, restic: Restic, set_id: str) -> None:
    """Remove a set: first its manifest, so that nobody takes what is left for one. Only the snapshots that it is made
    of, by their full ids. Raise ActionFailed, or FileNotFoundError where it is not there.
    """
    catalog = read(settings, host, restic)
    found = next((one for one in catalog.sets if one.id == set_id), None)
    if found is None:
        raise FileNotFoundError(set_id)
    if found.manifest.store.get("kind") != KIND:
        remove_folder(settings.dir, set_id)
        return
    least = settings.policy.min_keep if settings.policy else 1
    left = [one for one in catalog.good if one.id != set_id]
    if len(left) < least:
        raise ActionFailed(f"{set_id} stays: without it only {len(left)} good sets are left, expected {least}")
    doomed = settings.dir / f"{set_id}{DELETING}"
    there = os.path.lexists(found.folder)
    if there:
        patiently(lambda: os.rename(found.folder, doomed))
    try:
        _forget_all(read_stock(restic), set_id, restic, found.manifest)
    except CoreError:
        if there:
            patiently(lambda: os.rename(doomed, found.folder))
        raise
    if there:
        sweep_folder(settings.dir, doomed.name)
    drop(settings, restic, set_id)


def _forget_all(stock: Stocked, set_id: str, restic: Restic, manifest: Union[Manifest, None]) -> None:
    """Forget what a set is made of, its manifest first. Only what carries its tag and is here."""
    of_set = stock.of_set(set_id)
    listed = {one["id"] for one in manifest.store["snapshots"]} if manifest else {one.id for one in of_set}
    seals = [one.id for one in of_set if one.tag(PART) == SEAL]
    parts = [one.id for one in of_set if one.id in listed and one.id not in seals]
    restic.unlock()
    for ids in (seals, parts):
        if ids:
            restic.forget(ids)


def drop(settings: Settings, restic: Restic, set_id: str) -> None:
    """Take a set out of the inventory: it was removed by us."""
    note(settings, restic, sets={name: ids for name, ids in known_sets(settings, restic).items() if name != set_id})


def sweep(settings: Settings, restic: Restic, name: str) -> None:
    """Remove what a dead run left: its snapshots, but for those of a set that has its manifest, then its folder."""
    set_id = name.partition(".")[0]
    stock = read_stock(restic)
    if stock.exists and set_id not in stock.seals:
        _forget_all(stock, set_id, restic, None)
    if os.path.lexists(settings.dir / name):
        sweep_folder(settings.dir, name)


def discard(settings: Settings, restic: Restic, set_id: str) -> None:
    """Forget the snapshots of a set that was given up; what cannot be forgotten now is swept later."""
    try:
        stock = read_stock(restic)
        if stock.of_set(set_id):
            _forget_all(stock, set_id, restic, None)
    except CoreError:
        given_up = inventory(settings, restic).get("given_up", [])
        with suppress(CoreError):
            note(settings, restic, given_up=[*given_up, set_id])
