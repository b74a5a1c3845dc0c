# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``state: pruned``: remove the sets that no rule of the policy keeps."""

from __future__ import annotations

from dataclasses import replace

from ...finding import NOT_DONE, Action, Result
from ...host import Host
from ...lock import host_lock
from ..access.way import refusal_of
from ..act import failure_of, prune_all, sweep_all
from ..catalog.gather import read_catalog
from ..context import Context
from ..judge import judge
from ..plan import Plan, plan_pruned
from ..report import describe_catalog, describe_retention, metrics
from ..rules_verification import judge_removed
from ..settings import Settings
from ..steps import not_done, planned

PROCEDURE = "B1.2 backup_archive"


def pruned(settings: Settings, host: Host, check_mode: bool) -> Result:
    """Remove what the plan says, or in check mode return the plan."""
    plan = _plan(settings, host)
    refused = refusal_of(plan.catalog.faults, str(settings.dir))
    if refused:
        return replace(_result(settings, host, plan, not_done(plan.steps, refused)), failure=refused)
    if check_mode or not plan.steps:
        return _result(settings, host, plan, planned(plan))
    with host_lock(settings.state_dir, PROCEDURE, host):
        plan = _plan(settings, host)
        done = [*sweep_all(plan.sweep, settings, host), *prune_all(plan.prune, settings, host)]
        return _result(settings, host, plan, done)


def _plan(settings: Settings, host: Host) -> Plan:
    return plan_pruned(
        settings, read_catalog(settings.dir, host, settings.sign_key, settings.others), host.now(), host.name()
    )


def _result(settings: Settings, host: Host, plan: Plan, done: list[Action]) -> Result:
    catalog = read_catalog(settings.dir, host, settings.sign_key, settings.others)
    context = Context(settings, catalog, host.now(), retention=plan.retention, platform=host.platform)
    return Result(
        findings=[*judge_removed(plan.catalog, done), *judge(context)],
        metrics=metrics(context),
        actions=done,
        data={**describe_catalog(catalog), "retention": describe_retention(plan.retention)},
        changed=any(one.state != NOT_DONE for one in done),
        failure=failure_of(done),
    )
