# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of places, and all places served side by side: one that hangs, is full or away costs itself alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NamedTuple, Optional

from ...errors import CoreError, LockHeld
from ...finding import DONE, FAILED, NOT_DONE, PLANNED, Action, Finding, Metric, Result
from ...host import Host
from ...lock import host_lock
from ...memory import recall, remember
from ..declared import Settings
from ..model import Catalog, SourceCopy
from ..plan import PRUNE, PUBLISH
from ..rules_copies import RULES, CopiesContext
from . import folder, rclone, sftp
from .act import Served, carry_out, reread
from .collect import Contents, Local, collect_contents
from .context import CopyContext
from .declared import Copy, needed_of
from .place import CopyPlace
from .plan import New, plan_copy
from .report import describe_copies, describe_score, metrics
from .score import score, score_alone

Opened = Callable[[Copy, Settings, Host], AbstractContextManager[CopyPlace]]
KINDS: dict[str, Opened] = {"folder": folder.opened, "sftp": sftp.opened, "rclone": rclone.opened}
MEMORY = "backup_copies"
ACTING = ("present", "pruned")
ARCHIVE = "archive"
NO_FILES = "copies are made of sets of the archive store; a repository of restic is copied by restic copy"


class Job(NamedTuple):
    """What is to be done at each place: the set of this run, the ids that it removes here, and whether to act."""

    catalog: Catalog
    new: Optional[New] = None
    leaving: frozenset[str] = frozenset()
    acts: bool = False


def without_copies(result: Result, settings: Settings) -> Result:
    """Given the result of a run for which no place is declared, return it with the score of what there is."""
    points = score_alone(any(one.name == "cryptobot_backup_sets" and one.value > 0 for one in result.metrics))
    if settings.state not in ("present", "verified"):
        return result
    return replace(
        result,
        findings=[*result.findings, *RULES.judge(CopiesContext(settings, (), points, 0), "copies")],
        metrics=[*result.metrics, *metrics((), points)],
        data={**result.data, "copies": {}, "score_3_2_1_1_0": describe_score(points)},
    )


def with_copies(result: Result, settings: Settings, catalog: Catalog, host: Host, check_mode: bool) -> Result:
    """Given the result of a run over the sets here, and these, return it with what was done, or would be, at the other
    places.
    """
    job = _job(result, settings, catalog, check_mode)
    if getattr(settings, "store", ARCHIVE) != ARCHIVE:
        served = [Served(copy, trouble=NO_FILES) for copy in settings.copies]
    else:
        served = _locked(settings, job, host) if job.acts else serve_all(settings, job, host)
    return _joined(result, settings, host, job, served)


def _job(result: Result, settings: Settings, catalog: Catalog, check_mode: bool) -> Job:
    made = next((one for one in result.actions if one.action == PUBLISH and one.state in (PLANNED, DONE)), None)
    new = None
    if made is not None:
        answer = result.data.get("set") or {}
        new = New(answer.get("id", ""), answer.get("good", True)) if made.state == DONE else New()
    leaving = frozenset(one.subject for one in result.actions if (one.action, one.state) == (PRUNE, PLANNED))
    return Job(catalog, new, leaving, settings.state in ACTING and not check_mode)


def _locked(settings: Settings, job: Job, host: Host) -> list[Served]:
    """Serve all places while no other run works on this host; where one does, say so of each."""
    try:
        with host_lock(settings.state_dir, "B1.1 backup_archive copies", host) as heartbeat:
            return serve_all(settings, job, host, heartbeat)
    except LockHeld as error:
        return [Served(copy, trouble=str(error)) for copy in settings.copies]


def serve_all(settings: Settings, job: Job, host: Host, heartbeat: Callable[[], None] = lambda: None) -> list[Served]:
    """Serve every place in a thread of its own, and return what came of each, in the order in which they are declared.

    A file system that is gone can hold a thread for ever: it is left behind then, and named.
    """
    known = _known(settings)
    served = [Served(copy) for copy in settings.copies]
    threads = [
        threading.Thread(target=_serve, args=(one, settings, job, host, known.get(one.copy.name, {})), daemon=True)
        for one in served
    ]
    for thread in threads:
        thread.start()
    for thread, one in zip(threads, served):
        while thread.is_alive() and _time_left(host):
            thread.join(1.0)
            heartbeat()
        if thread.is_alive():
            one.trouble = one.trouble or "it did not come to an end in the time of this run"
    if settings.state == "verified" or job.acts:
        _note(settings, known, served)
    return served


def _time_left(host: Host) -> bool:
    try:
        return host.remaining() > 0
    except CoreError:
        return False


def _serve(served: Served, settings: Settings, job: Job, host: Host, damaged: dict[str, str]) -> None:
    local = Local(settings, job.catalog, host, damaged)
    try:
        with KINDS[served.copy.type](served.copy, settings, host) as place:
            served.contents = collect_contents(place, local, host.remaining)
            _act(place, served, local, job)
    except (CoreError, OSError) as error:
        served.trouble = served.trouble or str(error)
    except Exception as error:  # noqa: BLE001 - a defect in one kind must not cost the other places
        served.trouble = f"{type(error).__name__}: {error} (a defect of the kind {served.copy.type}, please report it)"


def _act(place: CopyPlace, served: Served, local: Local, job: Job) -> None:
    settings, contents = local.settings, served.contents or Contents()
    if settings.state in ACTING:
        plan = plan_copy(served.copy, contents, local, job.new, job.leaving)
        if settings.state == "pruned":
            plan = plan._replace(copying=())
        if job.acts:
            carry_out(place, plan, served, local)
        else:
            served.actions += [step.planned() for step in plan.steps]
    elif settings.state == "verified" and settings.copies_reread:
        for one, entries in _share(contents, settings):
            served.reread[one.id] = reread(place, one, local.host, entries)


def _share(contents: Contents, settings: Settings) -> Iterator[tuple[Any, Optional[list[SourceCopy]]]]:
    """Yield what is read again: the newest set whole, or of every set the sources in the share that is asked for."""
    if settings.subset is None:
        yield from ((one, None) for one in contents.good[-1:])
        return
    for one in contents.sets:
        entries = one.manifest.sources if one.manifest else ()
        chosen = [entry for entry in entries if settings.subset.has(one.id, entry.name)]
        if chosen:
            yield one, chosen


def _known(settings: Settings) -> dict[str, dict[str, str]]:
    """Return by place and set what was found damaged by earlier runs: sizes alone would not say so again."""
    found = recall(settings.state_dir, MEMORY).get(str(settings.dir))
    return found if isinstance(found, dict) else {}


def _note(settings: Settings, known: dict[str, dict[str, str]], served: list[Served]) -> None:
    """Remember what is damaged; what was read again whole and holds is so no more, and what is gone is forgotten."""
    now = {one.copy.name: _damaged(one, known.get(one.copy.name, {}), settings) for one in served}
    if now != {name: known.get(name, {}) for name in now}:
        memory = recall(settings.state_dir, MEMORY)
        remember(settings.state_dir, MEMORY, {**memory, str(settings.dir): now})


def _damaged(one: Served, before: dict[str, str], settings: Settings) -> dict[str, str]:
    if one.contents is None:
        return before
    there = {copied.id for copied in one.contents.sets}
    found = {set_id: why for set_id, why in before.items() if set_id in there}
    for set_id, why in one.reread.items():
        if why:
            found[set_id] = why
        elif settings.subset is None:
            found.pop(set_id, None)
    return found


def _joined(result: Result, settings: Settings, host: Host, job: Job, served: list[Served]) -> Result:
    contexts = [CopyContext(settings, one, Local(settings, job.catalog, host, {}), host.now()) for one in served]
    points = score(job.catalog, contexts)
    whole = CopiesContext(settings, contexts, points, needed_of(settings.copies_policy, len(served)), job.acts)
    findings: list[Finding] = [finding for one in contexts for finding in RULES.judge(one, "copy")]
    if settings.state in ("present", "verified"):
        findings += RULES.judge(whole, "copies")
    actions: list[Action] = [action for one in served for action in one.actions]
    found: list[Metric] = metrics(contexts, points)
    failure = whole.failure if job.acts and settings.state == "present" else ""
    return replace(
        result,
        findings=[*result.findings, *findings],
        metrics=[*result.metrics, *found],
        actions=[*result.actions, *actions],
        data={**result.data, "copies": describe_copies(contexts), "score_3_2_1_1_0": describe_score(points)},
        changed=result.changed or any(one.state not in (NOT_DONE, FAILED) for one in actions),
        failure="; ".join(text for text in (result.failure, failure) if text),
    )
