# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deleting what the declared rules allow, and nothing else: procedure W1.2."""

from __future__ import annotations

import time
from typing import Any

from ..finding import DONE, PLANNED, Result
from ..host import Host
from ..lock import host_lock
from ..registry import Rules
from ..restores import require_none_under_way
from . import report
from .act import carry_out
from .collect import Bounds, free_space, identities, named_by, scan, usage
from .declared import read_options
from .model import CleanupPlan, Context, Removal
from .plan import plan
from .platforms import PLATFORMS, Platform
from .rules_deletion import RULES as DELETION
from .rules_deletion import unsupported
from .sealed import Sealed, seal

LOCK = "W1.2 disk_cleanup"
RULES = Rules(DELETION)


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of disk_cleanup, delete what its rules allow; in check mode only say what that would be.

    Raise InputError for a rule that is not safe, before anything is looked at, and LockHeld where another maintenance
    run works on this host. A deletion that the system refuses is a finding and does not stop the rest.
    """
    if host.platform not in PLATFORMS:
        return Result(findings=[unsupported(host.platform, PLATFORMS)])
    require_none_under_way(params["state_dir"], "nothing is deleted")
    platform = PLATFORMS[host.platform]()
    options = read_options(params, platform.places)
    bounds = Bounds(options.max_entries, time.monotonic() + options.scan_seconds)
    paths = (*options.sealed, *named_by(platform.places.variables))
    sealed = seal(platform.disk, identities(paths), paths, options.declared, options.roots)
    scans = [scan(rule, platform.disk, sealed, bounds) for rule in options.rules]
    in_use = platform.in_use(host)
    planned = plan(scans, in_use, host.now(), options.budget, options.max_files, platform.places.key)
    before = free_space(scans)
    removals = _removals(planned, options.state_dir, host, platform, check_mode, sealed)
    used = {root: usage(root, platform.disk, bounds) for root in options.usage_roots}
    return _result(Context(scans, in_use, planned, removals, options.budget, options.reclaimable_warning, used), before)


def _removals(
    planned: CleanupPlan, state_dir: str, host: Host, platform: Platform, check_mode: bool, sealed: Sealed
) -> list[Removal]:
    """Return what became of each step. Only a run that has something to do takes the host's lock."""
    if check_mode or not planned.steps:
        return [Removal(step, PLANNED, step.reason) for step in planned.steps]
    with host_lock(state_dir, LOCK, host) as heartbeat:
        return list(carry_out(planned.steps, host, platform.disk, heartbeat, sealed))


def _result(context: Context, before: dict[str, int]) -> Result:
    after = free_space(context.scans)
    filesystems = [{"path": path, "free_before": size, "free_after": after.get(path)} for path, size in before.items()]
    return Result(
        findings=RULES.judge(context),
        metrics=report.metrics(context),
        actions=report.actions(context),
        data={"cleanup": report.as_data(context, filesystems)},
        changed=any(removal.state in (PLANNED, DONE) for removal in context.removals),
        diff=report.diff(context),
    )
