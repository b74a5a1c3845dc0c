# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``state: present``: a verified set is there afterwards, and what the policy no longer keeps is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...errors import CoreError
from ...finding import NOT_DONE, Action, Finding, Result
from ...host import Host
from ...lock import host_lock
from .. import steps
from ..access.gather import gather_access
from ..act import failure_of, give_way, prune_all, sweep_all
from ..catalog.gather import read_catalog
from ..context import Context
from ..gather import last_run, measure_sources, remember_run
from ..judge import judge
from ..made import Made
from ..make import SourceFailed, make_set
from ..plan import Plan, plan_present, refusal
from ..report import describe_report, describe_retention, describe_set, describe_space, metrics
from ..rules_made import judge_made, judge_set
from ..rules_verification import judge_removed
from ..settings import Settings
from ..sources.records import Measured
from ..streams.codec import Codec, choose_codec

PROCEDURE = "B1.1 backup_archive"
Beat = Callable[[], None]


@dataclass
class Outcome:
    """What one run came to."""

    made: Made
    findings: list[Finding] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    changed: bool = False
    failure: str = ""


def present(settings: Settings, host: Host, check_mode: bool) -> Result:
    """Take a set unless one makes that unnecessary, prove that it can be read, prune; or return the plan of that."""
    codec = choose_codec(settings.compression, settings.compression_level, settings.threads, host)
    measured = measure_sources(settings, host)
    plan = _plan(settings, measured, host)
    if check_mode or refusal(plan) or not plan.steps:
        return _without_acting(settings, plan, host, check_mode)
    with host_lock(settings.state_dir, PROCEDURE, host) as beat:
        plan = _plan(settings, measured, host)  # another run may have taken the missing set a moment ago
        if refusal(plan) or not plan.steps:
            return _without_acting(settings, plan, host, check_mode)
        return _result(settings, plan, host, _run(settings, plan, codec, host, beat))


def _plan(settings: Settings, measured: Measured, host: Host) -> Plan:
    return plan_present(
        settings,
        read_catalog(settings.dir, host, settings.sign_key, settings.others),
        measured,
        host.now(),
        host.name(),
    )


def _without_acting(settings: Settings, plan: Plan, host: Host, check_mode: bool) -> Result:
    """Return the plan, or why no set can be begun. A run whose plan is empty ends here too."""
    made, why = Made(skipped=dict(plan.left_out)), refusal(plan)
    if why:
        done = steps.failed(plan, plan.impossible, why)
        found = judge_made(settings, plan, made, plan.impossible, why)
        if not check_mode:
            remember_run(settings, host.now(), ok=False, message=why)
        return _result(settings, plan, host, Outcome(made, found, done, failure=why))
    done = [*steps.planned(plan), *steps.decided_against(settings, plan)]
    outcome = Outcome(made, judge_set(settings, plan, made), done, changed=bool(plan.steps))
    return _result(settings, plan, host, outcome)


def _run(settings: Settings, plan: Plan, codec: Codec, host: Host, beat: Beat) -> Outcome:
    """Sweep, make the set where one is planned, and prune where that set counts."""
    swept, made = sweep_all(plan.sweep, settings, host), Made(skipped=dict(plan.left_out))
    if plan.sources:
        give_way(host)
        try:
            make_set(settings, plan.catalog, codec, host, made, beat)
        except CoreError as error:
            return _failed(settings, plan, host, Outcome(made, actions=swept, changed=bool(swept)), error)
        remember_run(settings, host.now(), ok=True, message=f"{settings.title} was made")
    done = [*swept, *steps.made(plan, made.skipped), *_prune(settings, plan, made, host)]
    done += steps.decided_against(settings, plan)
    findings = [*judge_made(settings, plan, made, {}), *judge_removed(plan.catalog, done)]
    return Outcome(made, findings, done, changed=any(one.state != NOT_DONE for one in done), failure=failure_of(done))


def _prune(settings: Settings, plan: Plan, made: Made, host: Host) -> list[Action]:
    """Remove what the plan says; nothing goes on behalf of a new set that turned out not to count."""
    if made.published is not None and not made.published.good:
        return steps.not_done(plan.prune, f"the new set {made.published.id} does not count as a backup")
    return prune_all(plan.prune, settings, host)


def _failed(settings: Settings, plan: Plan, host: Host, so_far: Outcome, error: CoreError) -> Outcome:
    failures = {error.source: error.reason} if isinstance(error, SourceFailed) else {}
    remember_run(settings, host.now(), ok=False, message=str(error))
    actions = [*so_far.actions, *steps.failed(plan, failures, str(error))]
    findings = judge_made(settings, plan, so_far.made, failures, str(error))
    return Outcome(so_far.made, findings, actions, so_far.changed, str(error))


def _result(settings: Settings, plan: Plan, host: Host, outcome: Outcome) -> Result:
    catalog = read_catalog(settings.dir, host, settings.sign_key, settings.others)
    context = Context(
        settings=settings,
        catalog=catalog,
        now=host.now(),
        reports=(outcome.made.report,) if outcome.made.report else (),
        space=plan.space,
        retention=plan.retention,
        last_run=last_run(settings),
        access=gather_access(catalog, host),
        platform=host.platform,
    )
    return Result(
        findings=[*outcome.findings, *judge(context)],
        metrics=metrics(context),
        actions=outcome.actions,
        data=_data(plan, context, outcome.made),
        changed=outcome.changed,
        failure=outcome.failure,
    )


def _data(plan: Plan, context: Context, made: Made) -> dict[str, Any]:
    found = made.published or plan.there
    return {
        "set": describe_set(found) if found else None,
        "verification": describe_report(made.report) if made.report else None,
        "retention": describe_retention(plan.retention),
        "space": describe_space(plan.space),
        "free_bytes": context.catalog.free,
    }
