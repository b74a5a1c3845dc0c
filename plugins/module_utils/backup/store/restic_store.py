# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store ``restic``: what the rest of the code asks of a store, answered from a repository."""

from __future__ import annotations

from typing import Optional

from ...errors import ActionFailed, CoreError
from ...host import Host
from ..declared import Settings
from ..model import BackupSet, Catalog, Leftover, Report
from ..sources.model import Bench
from ..verification import verify as verify_archive
from . import restic_catalog as catalog
from .publish import record_verification
from .restic import Restic
from .restic_make import make_set
from .restic_reader import ResticReader
from .restic_verify import PARTS, Proof, verify
from .store import Store


def open_store(settings: Settings, host: Host) -> Store:
    """Given the options, return the store. Raise InputError where its password is not kept from others."""
    if settings.repository is None:
        raise ActionFailed("no repository is declared")
    restic = Restic(settings.repository, host, settings.state_dir)
    proof = Proof(restic, int(catalog.inventory(settings, restic).get("turn", 1)))

    def looked_into(found: BackupSet, bench: Bench) -> Report:
        if found.manifest.store.get("kind") != catalog.KIND:
            return verify_archive(found.manifest, bench, settings.verify_level, settings.subset)
        return verify(found, settings, bench, proof, subset=settings.subset)

    def left(name: str) -> Optional[Leftover]:
        return next((one for one in catalog.read(settings, host, restic).leftovers if one.name == name), None)

    def adopt(found: Catalog) -> None:
        catalog.adopt(found, settings, restic)
        if proof.in_turn:
            catalog.note(settings, restic, turn=proof.turn % PARTS + 1)

    return Store(
        where=restic.repository.shown,
        ready=lambda: restic.version,
        catalog=lambda: catalog.read(settings, host, restic),
        make=lambda plan, made, heartbeat: make_set(settings, plan.catalog, host, made, heartbeat, restic),
        verify=looked_into,
        record=lambda found, verification: record_verification(found.folder, found.id, verification),
        left=left,
        remove=lambda set_id: catalog.remove(settings, host, restic, set_id),
        sweep=lambda name: catalog.sweep(settings, restic, name),
        settle=lambda: _prune(restic),
        adopt=adopt,
        reader=lambda found, scratch, heartbeat: ResticReader(found.manifest, restic, scratch, heartbeat),
        alone=True,
    )


def _prune(restic: Restic) -> str:
    try:
        restic.unlock()
        restic.run("prune")
    except CoreError as error:
        return str(error)
    return ""
