# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run would do, decided from what there is and nothing else. Check mode shows the plan, a run carries it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Optional

from ..errors import InputError
from ..finding import EMPTY, FAILED, NOT_DONE, Action
from ..steps import Step
from ..units import human_seconds
from .access import refusal_of
from .declared import LEVELS, Settings, Source
from .model import DEAD, BackupSet, Catalog
from .retention import Candidate, Decisions, Series, decide
from .sources.model import Measured
from .space import Space, predict_space, space_message
from .store.chain import choose_parent, entry_for
from .times import pin_end

BACK_UP, VERIFY, PUBLISH, PRUNE, SWEEP = "back up", "verify", "publish", "prune", "sweep"
NEW = "the set of this run"


class SetPlan(NamedTuple):
    """The whole run over a folder. No set is taken where ``there`` is one already, because of ``not_needed``.

    ``left_out`` says why optional sources are not taken, ``impossible`` why others cannot be, which ends the run.
    ``parent`` is the set that the new one is the difference to, where it is not full.
    """

    catalog: Catalog
    sources: tuple[Step, ...] = ()
    finishing: tuple[Step, ...] = ()
    sweep: tuple[Step, ...] = ()
    prune: tuple[Step, ...] = ()
    there: Optional[BackupSet] = None
    not_needed: str = ""
    left_out: Mapping[str, str] = EMPTY
    impossible: Mapping[str, str] = EMPTY
    space: Optional[Space] = None
    retention: Optional[Decisions] = None
    parent: Optional[BackupSet] = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in the order in which they are taken."""
        return (*self.sweep, *self.sources, *self.finishing, *self.prune)

    def planned(self) -> list[Action]:
        """Return every step as planned."""
        return [step.planned() for step in self.steps]

    def made(self, skipped: Mapping[str, str]) -> list[Action]:
        """Return the steps that make a set as done; a source that was skipped on the way says why."""
        return [
            step.ended(NOT_DONE, skipped[step.subject])
            if step.action == BACK_UP and step.subject in skipped
            else step.ended()
            for step in (*self.sources, *self.finishing)
        ]

    def failed(self, failures: Mapping[str, str], why: str) -> list[Action]:
        """Return the steps of a set that was not made: those that failed, and those that were given up with them."""
        return [
            step.ended(FAILED, failures[step.subject])
            if step.action == BACK_UP and step.subject in failures
            else step.ended(NOT_DONE, why)
            for step in (*self.sources, *self.finishing, *self.prune)
        ]

    def decided_against(self, settings: Settings) -> list[Action]:
        """Return what is left out from the start: sources of a set that is not needed, optional ones not there."""
        unneeded = {source.name: self.not_needed for source in settings.sources} if self.not_needed else self.left_out
        return [Action(BACK_UP, name, NOT_DONE, why) for name, why in unneeded.items()]


def not_done(steps: Iterable[Step], why: str) -> list[Action]:
    """Return steps that were planned and are not done, for one reason."""
    return [step.ended(NOT_DONE, why) for step in steps]


def plan_present(
    settings: Settings, catalog: Catalog, measured: Measured, now: float, host: str, platform: str = ""
) -> SetPlan:
    """Given the options, the folder, what the sources hold, the time and this host's name, plan ``state: present``."""
    there, not_needed = already_there(settings, catalog, now)
    if there is not None:
        return _without_taking(settings, catalog, now, host, there, not_needed)
    optional = {source.name for source in settings.sources if source.optional}
    taken = [source for source in settings.sources if source.name not in measured.trouble]
    parent = choose_parent(settings, catalog, host, platform)
    retention = decide_now(settings, catalog, now, host, taken, parent)
    return SetPlan(
        catalog,
        sources=_back_up(settings, measured, optional, parent),
        finishing=_finishing(settings),
        sweep=_sweep(catalog),
        prune=_prune(retention),
        left_out={name: why for name, why in measured.trouble.items() if name in optional},
        impossible={name: why for name, why in measured.trouble.items() if name not in optional},
        space=predict_space(settings, catalog, measured, parent),
        retention=retention,
        parent=parent,
    )


def _without_taking(
    settings: Settings, catalog: Catalog, now: float, host: str, there: Optional[BackupSet], not_needed: str
) -> SetPlan:
    retention = decide_now(settings, catalog, now, host)
    return SetPlan(
        catalog,
        sweep=_sweep(catalog),
        prune=_prune(retention),
        there=there,
        not_needed=not_needed,
        retention=retention,
    )


def plan_pruned(settings: Settings, catalog: Catalog, now: float, host: str) -> SetPlan:
    """Given the options, the folder, the time and this host's name, plan ``state: pruned``."""
    return _without_taking(settings, catalog, now, host, None, "")


def refusal(plan: SetPlan) -> str:
    """Return why no set can be begun, or an empty text."""
    refused = refusal_of(plan.catalog.faults, str(plan.catalog.dir))
    if refused:
        return f"no set was begun, {refused}"
    for name, why in plan.impossible.items():
        return f"no set was begun, the source {name} cannot be taken: {why}"
    if plan.space is not None and not plan.space.enough:
        return f"no set was begun, there is not enough room: {space_message(plan.space)}"
    return ""


def already_there(settings: Settings, catalog: Catalog, now: float) -> tuple[Optional[BackupSet], str]:
    """Return the set that makes a new one unnecessary and why, or None and an empty text."""
    limit = settings.fresh_for
    if limit is None:
        return None, ""
    for found in reversed(catalog.good):
        age = now - found.created
        if 0 <= age < limit and _stands_for_new(settings, found):
            old = f"{human_seconds(age)} old, verified, and younger than {human_seconds(limit)} (fresh_for)"
            return found, f"set {found.id} ({found.manifest.title}) is {old}, so it stands for a new one"
    return None, ""


def _stands_for_new(settings: Settings, found: BackupSet) -> bool:
    if found.manifest.label != settings.label or (settings.name and found.manifest.name != settings.name):
        return False
    if found.verification is None or found.verification.level < settings.verify_level:
        return False
    return all(_has(found, source) for source in settings.sources)


def _has(found: BackupSet, source: Source) -> bool:
    """Return whether a set holds what a source is declared to be, or left it out because it is optional."""
    held = {entry.name: entry for entry in found.manifest.sources}
    if source.name in held:
        return held[source.name].is_of(source)
    return source.optional and source.name in found.manifest.skipped


def _back_up(
    settings: Settings, measured: Measured, optional: set[str], parent: Optional[BackupSet]
) -> tuple[Step, ...]:
    left_out = optional & set(measured.trouble)
    return tuple(
        Step(BACK_UP, source.name, f"{source.type} source of set {settings.title}{_since(source, parent)}")
        for source in settings.sources
        if source.name not in left_out
    )


def _since(source: Source, parent: Optional[BackupSet]) -> str:
    if parent is None or entry_for(source, parent) is None:
        return ""
    return f", what is not in set {parent.id}"


def _finishing(settings: Settings) -> tuple[Step, ...]:
    level = LEVELS[settings.verify_level]
    return (
        Step(VERIFY, settings.title, f"read back to {level} before it counts"),
        Step(PUBLISH, settings.title, f"into {settings.dir}"),
    )


def _sweep(catalog: Catalog) -> tuple[Step, ...]:
    dead = [leftover for leftover in catalog.leftovers if leftover.state == DEAD]
    return tuple(Step(SWEEP, leftover.name, f"left by a run that ended early: {leftover.words}") for leftover in dead)


def _prune(retention: Optional[Decisions]) -> tuple[Step, ...]:
    removed = retention.removed if retention else {}
    return tuple(Step(PRUNE, set_id, reason) for set_id, reason in removed.items())


def decide_now(
    settings: Settings,
    catalog: Catalog,
    now: float,
    host: str,
    taking: Sequence[Source] = (),
    parent: Optional[BackupSet] = None,
) -> Optional[Decisions]:
    """Return what the policy decides; a set that this run is about to take of some sources counts as good.

    Nothing is removed on that promise: the run prunes only after the set is there and counts, and decides again.
    """
    pin = pin_of(settings, now) if taking else None
    if settings.policy is None:
        return None
    candidates = [
        Candidate(
            found.id,
            found.created,
            found.good,
            found.manifest.pin_until,
            found.manifest.host == host,
            tuple(Series(found.manifest.label, entry.name, entry.declared) for entry in found.manifest.sources),
            found.damaged,
            found.manifest.chain,
        )
        for found in catalog.sets
    ]
    holds = tuple(Series(settings.label, source.name, source.declared) for source in taking)
    chain = (*parent.manifest.chain, parent.id) if parent else ()
    new = [Candidate(NEW, now, good=True, pin_until=pin, holds=holds, chain=chain)] if taking else []
    return decide([*candidates, *new], settings.policy, now, [broken.created for broken in catalog.broken])


def pin_of(settings: Settings, now: float) -> Optional[float]:
    """Return until when the set of this run is pinned, or None. Raise InputError where that lies in the past."""
    if not settings.pin_until:
        return None
    end = pin_end(settings.pin_until, now)
    if end <= now:
        raise InputError("pin_until", settings.pin_until, "a moment that is still to come")
    return end
