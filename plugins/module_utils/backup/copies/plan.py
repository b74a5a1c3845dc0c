# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done at a place, decided from what is there and what is here, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from ...steps import Step
from ..declared import Settings
from ..model import BackupSet
from ..plan import NEW, PRUNE, SWEEP, pin_of
from ..retention import Candidate, Decisions, Series, decide
from ..store.chain import choose_parent
from .collect import Contents, Copied, Local
from .declared import Copy

COPY = "copy"


class New(NamedTuple):
    """The set of this run: its id, which is empty where it is only planned, and whether it counts."""

    id: str = ""
    good: bool = True


class CopyPlan(NamedTuple):
    """What is done at one place, in this order. The task of a copying step is the set, None for one that is planned."""

    sweep: tuple[Step, ...] = ()
    copying: tuple[Step, ...] = ()
    prune: tuple[Step, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps."""
        return (*self.sweep, *self.copying, *self.prune)


def plan_copy(
    copy: Copy, contents: Contents, local: Local, new: Optional[New], leaving: frozenset[str] = frozenset()
) -> CopyPlan:
    """Given a place and what it has, what is here, the set of this run and the ids of those that this run removes here,
    return what is to be done there.
    """
    taken = new is not None and _is_meant(copy, local.settings.label)
    promised = chain_of_new(local) if taken and new is not None and not new.id else None
    wanted = [found for found in missing(copy, contents, local, promised or ()) if found.id not in leaving]
    copying = _in_order(copy, local, wanted, new, promised)
    coming = [step.task for step in copying if step.task is not None]
    gone = decide_copy(copy, contents, local, coming, promised)
    return CopyPlan(
        tuple(Step(SWEEP, f"{name} at {copy.name}", "left by a run that ended early") for name in contents.left),
        tuple(copying),
        tuple(prune_step(copy, set_id, why) for set_id, why in (gone.removed if gone else {}).items()),
    )


def chain_of_new(local: Local) -> tuple[str, ...]:
    """Return the sets that the planned set of this run needs; none where it is to be full."""
    parent = choose_parent(local.settings, local.catalog, local.host.name(), local.host.platform)
    return (*parent.manifest.chain, parent.id) if parent else ()


def _in_order(
    copy: Copy, local: Local, wanted: Sequence[BackupSet], new: Optional[New], promised: Optional[tuple[str, ...]]
) -> list[Step]:
    """Return the steps that copy: the newest set, which is what the policy asks for, behind those that it needs; then
    some of what was missed, the oldest first. ``promised`` is what a planned set needs; None where none is planned.
    """
    newest = wanted[-1] if wanted and promised is None else None
    chain = promised or (newest.manifest.chain if newest else ())
    first = [found for found in wanted if found.id in chain]
    rest = [found for found in wanted if found is not newest and found.id not in chain]
    steps = [_step(copy, local.settings, found, new) for found in (*first, *([newest] if newest else []))]
    if promised is not None:
        steps.append(Step(COPY, f"{local.settings.title} to {copy.name}", f"the set of this run, to {copy.path}"))
    bound = local.settings.copies_at_once
    return [*steps, *(_step(copy, local.settings, found, new) for found in rest[:bound])]


def _step(copy: Copy, settings: Settings, found: BackupSet, new: Optional[New]) -> Step:
    if new is not None and found.id == new.id:
        return Step(COPY, f"{settings.title} to {copy.name}", f"the set of this run, to {copy.path}", found)
    return Step(COPY, f"{found.id} to {copy.name}", f"it is not in {copy.path} yet", found)


def prune_step(copy: Copy, set_id: str, why: str) -> Step:
    """Return the step that removes a set from a place."""
    return Step(PRUNE, f"{set_id} at {copy.name}", why, set_id)


def _is_meant(copy: Copy, label: str) -> bool:
    return not copy.labels or label in copy.labels


def meant(copy: Copy, local: Local) -> list[BackupSet]:
    """Return the sets here that belong into a place, from old to new: good ones of this host and of its labels."""
    host = local.host.name()
    return [
        found for found in local.catalog.good if found.manifest.host == host and _is_meant(copy, found.manifest.label)
    ]


def missing(copy: Copy, contents: Contents, local: Local, chain: Sequence[str] = ()) -> list[BackupSet]:
    """Return those that are not there, and the sets that they or a planned one (``chain``) need, from old to new,
    without those that the retention of the place would remove at once.
    """
    there = {one.id for one in contents.sets}
    found = [one for one in meant(copy, local) if one.id not in there]
    needed = {*chain, *(set_id for one in found for set_id in one.manifest.chain)} - there
    found = [one for one in local.catalog.good if one in found or one.id in needed]
    decided = decide_copy(copy, contents, local, found, tuple(chain) if chain else None)
    return [one for one in found if decided is None or one.id not in decided.removed]


def decide_copy(
    copy: Copy,
    contents: Contents,
    local: Local,
    coming: Sequence[BackupSet] = (),
    promised: Optional[tuple[str, ...]] = None,
) -> Optional[Decisions]:
    """Return what the retention of a place says of what is there, of what comes, and of a planned set that needs those
    that are ``promised`` (None where none is planned); None where the place has no retention.
    """
    if copy.policy is None:
        return None
    settings, host, now = local.settings, local.host.name(), local.host.now()
    there = [_candidate(one, host) for one in contents.sets]
    news = [_candidate(Copied(found.id, found.manifest, verified=True), host) for found in coming]
    holds = tuple(Series(settings.label, source.name, source.declared) for source in settings.sources)
    pin = pin_of(settings, now)
    new = [] if promised is None else [Candidate(NEW, now, True, pin, holds=holds, chain=promised)]
    return decide([*there, *news, *new], copy.policy, now)


def _candidate(one: Copied, host: str) -> Candidate:
    if one.manifest is None:  # whose it is, and what it holds, nobody can tell: it is not for us to remove
        return Candidate(one.id, one.created, good=False, ours=False)
    manifest = one.manifest
    holds = tuple(Series(manifest.label, entry.name, entry.declared) for entry in manifest.sources)
    mine = manifest.host == host
    damaged = bool(one.defect)
    return Candidate(one.id, one.created, one.good, manifest.pin_until, mine, holds, damaged, manifest.chain)
