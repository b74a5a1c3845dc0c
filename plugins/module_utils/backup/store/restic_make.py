# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making one set in a repository of restic: files where they are, everything else staged without compression, so that
restic finds what it has already; then an index, a proof that all can be read, and as the last snapshot the manifest.

A set is what has its manifest's snapshot. Whatever was made before that is forgotten by its full ids where the run
fails, and by the next run where this one is killed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any, Optional

from ...errors import ActionFailed
from ...host import Host
from ...publish import publish_folder
from ..access import require_own_way
from ..declared import Settings
from ..make import NotVerified, back_up_all, growing, seal_set
from ..model import SAFETY, BackupSet, Catalog, Defect, Made, Manifest
from ..names import MANIFEST, OWNER, SIGNATURE
from ..sources.files.content import FILE
from ..sources.model import Bench, Workshop
from ..verification import evidence
from .latest import lead_to
from .publish import new_id, record_verification
from .restic import Restic
from .restic_catalog import (
    KIND,
    SEAL,
    STAGE,
    discard,
    files_of,
    known_sets,
    note,
    read_stock,
    require_repository,
)
from .restic_index import (
    Merged,
    Observed,
)
from .restic_output import Snapshot
from .restic_reader import hashes
from .restic_trees import PLAIN, Run, Tree, back_up_trees, former_rows, index_entry, keep_indexes, made_of
from .restic_verify import Proof, new_packs, verify

FILES = "files"


def make_set(
    settings: Settings, catalog: Catalog, host: Host, made: Made, heartbeat: Callable[[], None], restic: Restic
) -> None:
    """Take every source but those that ``made`` has as skipped, verify and publish; as ``make.make_set`` does."""
    require_repository(settings, restic)
    restic.unlock()
    begun = host.now()
    with growing(settings, new_id(begun), host) as partial:
        workshop = Workshop(partial, host, PLAIN, settings.protected)
        run = Run(settings, host, restic, catalog, workshop, partial.stem)
        before = frozenset(files_of(restic.repository.path)) if restic.repository.path else frozenset()
        try:
            _make(run, begun, made, heartbeat, before)
        except BaseException:
            discard(settings, restic, run.set_id)
            raise


def _make(run: Run, begun: float, made: Made, heartbeat: Callable[[], None], before: frozenset[str]) -> None:
    settings, workshop = run.settings, run.workshop
    wanted = [source for source in settings.sources if source.name not in made.skipped]
    back_up_all(workshop, [one for one in wanted if one.type != FILES], settings.jobs, made, heartbeat)
    trees = back_up_trees(run, [one for one in wanted if one.type == FILES], made, heartbeat)
    store = _store(run, trees, made)
    heartbeat()
    tools = {"restic": run.restic.shown_version}
    manifest = seal_set(workshop, begun, settings, run.catalog, made, (store, tools))
    made.report = verify(
        BackupSet(manifest, workshop.folder),
        settings,
        Bench(workshop.folder, workshop.folder, run.host),
        Proof(run.restic),
        new=lambda: _read_new(run, trees, manifest, before),
    )
    if not made.report.ok:
        raise NotVerified(made.report)
    heartbeat()
    require_own_way(settings.dir, settings.others)
    made.published = _publish(run, manifest, made)


def _store(run: Run, trees: Sequence[Tree], made: Made) -> dict[str, Any]:
    """Write the indexes, make the snapshot of what is staged, and return what the manifest says of the store."""
    for tree in trees:
        for observed, merged in zip(tree.observed, tree.indexes):
            made.taken[observed.source.name] = index_entry(run, observed, merged.rows, unchanged=tree.unchanged)
    folders = [str(run.workshop.folder / name) for name in sorted(made.taken)]
    if folders:
        run.restic.backup(folders, run.tags(STAGE))
    found = made_of(run, read_stock(run.restic).of_set(run.set_id))
    parts = {**{tree.part: [one.source.name for one in tree.observed] for tree in trees}, STAGE: sorted(made.taken)}
    missing = [part for part in parts if part not in found]
    if missing:
        raise ActionFailed(f"restic ended well, and the snapshot of {missing[0]} is not in the repository")
    for tree in trees:
        for observed in tree.observed:
            entry = made.taken[observed.source.name]
            made.taken[entry.name] = entry._replace(facts={**entry.facts, "snapshot": found[tree.part].id})
    return {
        "kind": KIND,
        "stage": str(run.workshop.folder),
        "snapshots": [_listed(found[part], part, names) for part, names in parts.items()],
        "former": _listed_of(run.former),
    }


def _listed(snapshot: Snapshot, part: str, sources: Sequence[str]) -> dict[str, Any]:
    paths = list(snapshot.paths)
    return {"id": snapshot.id, "tree": snapshot.tree, "part": part, "sources": list(sources), "paths": paths}


def _listed_of(former: Optional[BackupSet]) -> Optional[dict[str, Any]]:
    if former is None:
        return None
    return {"set": former.id, "snapshots": {one["id"]: one["tree"] for one in former.manifest.store["snapshots"]}}


def _read_new(run: Run, trees: Sequence[Tree], manifest: Manifest, before: frozenset[str]) -> list[Defect]:
    """Read back what this run wrote. On this host the new files of the repository are compared with their names;
    elsewhere the new files of the sources are read through restic.
    """
    if run.restic.repository.path:
        return new_packs(run.restic, before)
    found: list[Defect] = []
    for tree in trees:
        for observed, merged in zip(tree.observed, tree.indexes):
            found += [] if tree.unchanged else _read_back(run, observed, merged, manifest)
    return found


def _read_back(run: Run, observed: Observed, merged: Merged, manifest: Manifest) -> list[Defect]:
    former = former_rows(run, observed.source)
    new = {path: row for path, row in merged.rows.items() if row.kind == FILE and former.get(path) != row}
    if not new:
        return []
    entry = next(one for one in manifest.sources if one.name == observed.source.name)
    found = hashes(run.restic, entry.facts["snapshot"], new.keys(), run.workshop.pulse)
    wrong = [path for path, row in new.items() if found.get(path) != row.sha256]
    return [Defect(1, entry.name, f"{path!r} was read back otherwise than it was written") for path in wrong[:5]]


def _publish(run: Run, manifest: Manifest, made: Made) -> BackupSet:
    """Store the manifest as the last snapshot, see that the whole set is there, and give its folder its name."""
    partial, settings = run.workshop.folder, run.settings
    if made.report is None:
        raise ActionFailed("the set was not verified")
    found = evidence(made.report, manifest, None, run.host.now())
    seals = [str(partial / name) for name in (MANIFEST, SIGNATURE) if (partial / name).exists()]
    run.restic.backup(seals, run.tags(SEAL))
    stock = read_stock(run.restic)
    there = stock.by_id
    lacking = [one["id"] for one in manifest.store["snapshots"] if one["id"] not in there]
    seal = stock.seals.get(manifest.id)
    if lacking or seal is None:
        raise ActionFailed(f"restic ended well, and {(lacking or ['the manifest'])[0]} is not in the repository")
    ids = [seal.id, *(one["id"] for one in manifest.store["snapshots"])]
    note(settings, run.restic, sets={**known_sets(settings, run.restic), manifest.id: ids})
    keep_indexes(run, manifest)
    for entry in manifest.sources:
        shutil.rmtree(partial / entry.name)
    if found is not None:
        record_verification(partial, manifest.id, found)
    final = partial.with_name(manifest.id)
    publish_folder(partial, final)
    (final / OWNER).unlink(missing_ok=True)
    draft = BackupSet(manifest, final, found)
    if draft.good and manifest.label != SAFETY:
        lead_to(final, run.host)
    return draft
