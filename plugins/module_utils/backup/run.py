# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The area ``backup``: take sets, prove that they can be read, list them, remove those that no rule keeps."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import restores
from ..errors import InputError
from ..finding import DONE, NOT_DONE, PLANNED, Action, Finding, Result
from ..host import Host
from ..lock import host_lock
from ..registry import Rules
from ..trusted import faults
from ..trusted_accounts import others_of
from . import (
    rules_anomaly,
    rules_copies,
    rules_drills,
    rules_folder,
    rules_made,
    rules_sets,
    rules_store,
    rules_verification,
)
from .access import refusal_of
from .act import Attempt, carry_out, failure_of, prune_all, stand_by, sweep_all
from .context import Context
from .copies.run import with_copies, without_copies
from .declared import ALL, NEWEST, Settings, read_settings
from .history import last_run
from .model import SAFETY, BackupSet, Catalog, Report, Verification
from .names import is_set_id
from .plan import SWEEP, SetPlan, not_done, plan_present, plan_pruned, refusal
from .platforms import collect_access
from .report import describe_catalog, describe_report, describe_retention, describe_set, describe_space, metrics
from .rules_drills import last_drill
from .rules_folder import ScratchContext
from .rules_made import judge_made, judge_set
from .rules_verification import judge_removed
from .scratch import LEFT_BY, Swept, killed, places, sweep
from .sources.kinds import measure_sources
from .sources.model import Bench, Measured
from .space import predict_space
from .store.chain import with_chains
from .store.kinds import open_store
from .store.signature import read_key
from .store.store import Store
from .verification import evidence

RULES = Rules(
    *(rules_sets.RULES, rules_folder.RULES, rules_verification.RULES, rules_anomaly.RULES, rules_made.RULES),
    rules_copies.RULES,
    rules_store.RULES,
    rules_drills.RULES,
)
RESTORING = RULES.check(
    "backup.restore_under_way",
    "No restore was left half done: what is there then is half of another state, and no set is made of it.",
    procedure="D1.4",
    remedy=restores.WAY_ON,
    source="the journals in state_dir/restores",
)
# Which kinds of rules judge which state. The state that sees to a good set says the same of the folder as the one that
# looks for it, so that what an earlier look of the same play found wanting does not stand beside what a run has made
# right since.
WHOLE = ("", "retention", "always", "folder")
KINDS: dict[str, tuple[str, ...]] = {
    "present": WHOLE,
    "verified": WHOLE,
    "listed": ("always", "folder"),
    "pruned": ("retention", "always"),
}


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of the module backup_archive, bring the backups into the state asked for, or plan to.

    Raise InputError where an option is wrong, LockHeld where another maintenance run works on this host.
    """
    settings = read_settings(params, host.platform)
    if settings.sign_key_file:
        settings = settings._replace(sign_key=read_key(settings.sign_key_file))
    if settings.trusted_accounts:
        settings = settings._replace(others=others_of("trusted_accounts", settings.trusted_accounts))
    swept = _swept(settings, host, check_mode)
    result = _with_swept(STATES[settings.state](settings, host, check_mode), swept, host, check_mode)
    result.findings.append(restores.finding(RESTORING, settings.state_dir, host))
    if not settings.copies:
        return without_copies(result, settings)
    return with_copies(result, settings, collect_catalog(settings, host), host, check_mode)


def _swept(settings: Settings, host: Host, check_mode: bool) -> Swept:
    """End and remove what killed runs left in scratch; where nothing is changed, look for it."""
    if settings.state == "listed":
        return Swept([], {})
    where = places(settings.scratch_dir, settings.dir, settings.others)
    return killed(where, host) if check_mode else sweep(where, host)


def _with_swept(result: Result, swept: Swept, host: Host, check_mode: bool) -> Result:
    state = PLANNED if check_mode else DONE
    return replace(
        result,
        findings=[*result.findings, *RULES.judge(ScratchContext(host.name(), swept.left), "scratch")],
        actions=[*(Action(SWEEP, path, state, LEFT_BY) for path in swept.removed), *result.actions],
        changed=result.changed or bool(swept.removed),
    )


def judge(context: Context) -> list[Finding]:
    """Given the context of a run, return the findings of its state's rules."""
    return [finding for kind in KINDS[context.settings.state] for finding in RULES.judge(context, kind)]


def collect_catalog(settings: Settings, host: Host) -> Catalog:
    """Return what the store of the settings holds now."""
    return open_store(settings, host).catalog()


def listed(settings: Settings, host: Host, _check_mode: bool) -> Result:
    """``state: listed``: return every set with what its manifest and its verification say. Reads only."""
    catalog = open_store(settings, host).catalog()
    context = Context(settings, catalog, host.now(), access=collect_access(catalog, host), platform=host.platform)
    return Result(findings=judge(context), metrics=metrics(context), data=describe_catalog(catalog))


def pruned(settings: Settings, host: Host, check_mode: bool) -> Result:
    """``state: pruned``: remove the sets that no rule of the policy keeps, or in check mode return the plan."""
    store = open_store(settings, host)
    plan = _plan_pruned(settings, host, store)
    refused = refusal_of(plan.catalog.faults, str(settings.dir))
    if refused:
        return replace(_result_of_pruning(settings, host, store, plan, not_done(plan.steps, refused)), failure=refused)
    if check_mode or not plan.steps:
        return _result_of_pruning(settings, host, store, plan, plan.planned())
    with host_lock(settings.state_dir, "B1.2 backup_archive", host):
        plan = _plan_pruned(settings, host, store)
        done = [*sweep_all(plan.sweep, settings, store), *prune_all(plan.prune, settings, host, store)]
        return _result_of_pruning(settings, host, store, plan, done)


def _plan_pruned(settings: Settings, host: Host, store: Store) -> SetPlan:
    return plan_pruned(settings, store.catalog(), host.now(), host.name())


def _result_of_pruning(settings: Settings, host: Host, store: Store, plan: SetPlan, done: list[Action]) -> Result:
    catalog = store.catalog()
    context = Context(settings, catalog, host.now(), retention=plan.retention, platform=host.platform)
    return Result(
        findings=[*judge_removed(plan.catalog, done), *judge(context)],
        metrics=metrics(context),
        actions=done,
        data={**describe_catalog(catalog), "retention": describe_retention(plan.retention)},
        changed=any(one.state != NOT_DONE for one in done),
        failure=failure_of(done),
    )


def present(settings: Settings, host: Host, check_mode: bool) -> Result:
    """``state: present``: take a set unless one makes that unnecessary, prove that it can be read, and remove what the
    policy no longer keeps; or return the plan of that.
    """
    restores.require_none_under_way(settings.state_dir, "no set is made of what is there")
    store = open_store(settings, host)
    store.ready()
    measured = measure_sources(settings, host)
    plan = _plan_present(settings, measured, host, store)
    if check_mode or refusal(plan) or not plan.steps:
        return _result_of_set(settings, host, store, stand_by(settings, plan, host, check_mode))
    with host_lock(settings.state_dir, "B1.1 backup_archive", host) as heartbeat:
        plan = _plan_present(settings, measured, host, store)  # another run may have taken the missing set a moment ago
        if refusal(plan) or not plan.steps:
            return _result_of_set(settings, host, store, stand_by(settings, plan, host, check_mode))
        return _result_of_set(settings, host, store, carry_out(settings, plan, store, host, heartbeat))


def _plan_present(settings: Settings, measured: Measured, host: Host, store: Store) -> SetPlan:
    return plan_present(settings, store.catalog(), measured, host.now(), host.name(), host.platform)


def _result_of_set(settings: Settings, host: Host, store: Store, attempt: Attempt) -> Result:
    plan, made, catalog = attempt.plan, attempt.made, store.catalog()
    context = Context(
        settings=settings,
        catalog=catalog,
        now=host.now(),
        reports=(made.report,) if made.report else (),
        space=plan.space,
        retention=plan.retention,
        last_run=last_run(settings),
        drilled=last_drill(settings, catalog, host),
        access=collect_access(catalog, host),
        platform=host.platform,
    )
    found = made.published or plan.there
    return Result(
        findings=[*_judge_attempt(settings, attempt), *judge(context)],
        metrics=metrics(context),
        actions=attempt.actions,
        data={
            "set": describe_set(found) if found else None,
            "verification": describe_report(made.report) if made.report else None,
            "retention": describe_retention(plan.retention),
            "space": describe_space(plan.space),
            "free_bytes": catalog.free,
        },
        changed=attempt.changed,
        failure=attempt.why or failure_of(attempt.actions),
    )


def _judge_attempt(settings: Settings, attempt: Attempt) -> list[Finding]:
    """Return what is said of the set that was to be made; of one that would be, nothing is known of its sources."""
    if not attempt.acted:
        return judge_set(settings, attempt.plan, attempt.made)
    findings = judge_made(settings, attempt.plan, attempt.made, attempt.failures, attempt.why)
    return findings if attempt.why else [*findings, *judge_removed(attempt.plan.catalog, attempt.actions)]


def verified(settings: Settings, host: Host, check_mode: bool) -> Result:
    """``state: verified``: is there a backup, young enough and complete, and does it hold?

    Look at the chosen sets to the level asked for and judge the whole folder. Outside of check mode the outcome is
    recorded beside each set: evidence, which counts as no change. Nothing is recorded where another account could lead
    us elsewhere.
    """
    hashed: dict[Path, str] = {}
    store = open_store(settings, host)
    with host_lock(settings.state_dir, "B1.3 backup_archive", host) if store.alone else nullcontext():
        catalog = store.catalog()
        reports = [_verify(found, settings, host, store, hashed) for found in chosen(catalog, settings)]
        judged = with_evidence(catalog, reports, host.now())
        if not check_mode and not catalog.faults:
            _record(catalog, judged, store)
    context = _context_of_verified(settings, judged, reports, host)
    data = {
        **describe_catalog(judged),
        "verifications": [describe_report(report) for report in reports],
        "retention": describe_retention(context.retention),
        "space": describe_space(context.space),
    }
    return Result(findings=judge(context), metrics=metrics(context), data=data)


def chosen(catalog: Catalog, settings: Settings) -> list[BackupSet]:
    """Return the sets that ``set`` names. Raise InputError where it names one that is not there."""
    if settings.which == ALL:
        return list(catalog.sets)
    if settings.which == NEWEST:
        made = [found for found in catalog.on_time if found.manifest.label != SAFETY]
        return (made or list(catalog.on_time))[-1:]
    broken = {one.id for one in catalog.broken}
    by_id = [found for found in catalog.sets if found.id == settings.which]
    by_name = catalog.named(settings.which)
    found = by_id or ([by_name] if by_name else [])
    if not found and not (is_set_id(settings.which) and settings.which in broken):
        raise InputError("set", settings.which, f"the id or name of a set in {settings.dir}")
    return found


def _verify(found: BackupSet, settings: Settings, host: Host, store: Store, hashed: dict[Path, str]) -> Report:
    scratch = settings.scratch_dir or Path(tempfile.gettempdir())
    return store.verify(found, Bench(found.folder, scratch, host, doubt=_doubt_of(scratch), hashed=hashed))


def _doubt_of(scratch: Path) -> str:
    """Return why another account could take the place of a file of ours in a folder; empty where none can.

    Where all may make names, as in /tmp, none can take ours away: the way ends at a name that is not there.
    """
    return next((fault.words for fault in faults(str(scratch / f"cryptobot-{secrets.token_hex(8)}"))), "")


def with_evidence(catalog: Catalog, reports: Sequence[Report], now: float) -> Catalog:
    """Return the catalog as it is after these verifications."""
    by_id = {report.set_id: report for report in reports}
    return catalog._replace(sets=tuple(with_chains(_with_report(found, by_id, now) for found in catalog.sets)))


def _with_report(found: BackupSet, reports: dict[str, Report], now: float) -> BackupSet:
    if found.id not in reports:
        return found
    new = evidence(reports[found.id], found.manifest, found.verification, now)
    return found if new is None else found._replace(verification=new)


def _record(before: Catalog, after: Catalog, store: Store) -> None:
    store.adopt(before)
    for old, new in zip(before.sets, after.sets):
        if new.verification is not None and new.verification is not old.verification and not new.others:
            _write(new, new.verification, store)


def _write(found: BackupSet, verification: Verification, store: Store) -> None:
    # An account that may only read still learns what holds; without evidence nothing is claimed later.
    with suppress(OSError):
        store.record(found, verification)


def _context_of_verified(settings: Settings, catalog: Catalog, reports: Sequence[Report], host: Host) -> Context:
    measured = measure_sources(settings, host)
    known = [found for found in catalog.good if found.manifest.label == settings.label]
    missing = "; ".join(measured.trouble.values()) or "no sources are declared and there is no set to go by"
    predictable = bool(known) or (bool(settings.sources) and not measured.trouble)
    return Context(
        settings=settings,
        catalog=catalog,
        now=host.now(),
        reports=tuple(reports),
        space=predict_space(settings, catalog, measured) if predictable else None,
        space_unknown=missing,
        retention=plan_pruned(settings, catalog, host.now(), host.name()).retention,
        last_run=last_run(settings),
        drilled=last_drill(settings, catalog, host),
        access=collect_access(catalog, host),
        platform=host.platform,
    )


STATES = {"present": present, "verified": verified, "listed": listed, "pruned": pruned}
