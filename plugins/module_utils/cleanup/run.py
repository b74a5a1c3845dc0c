# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deleting what the declared rules allow, and nothing else: procedure W1.2."""

from __future__ import annotations

import time
from typing import Any

from ..finding import DONE, PLANNED, UNKNOWN, Result
from ..host import Host
from ..lock import host_lock
from . import report
from .act import carry_out
from .checks import CHECKS
from .gather import free_space, identities, named_by, scan, usage
from .judge import Run, Usage, judge
from .plan import plan
from .platforms import PLATFORMS, Platform
from .records import Outcome, Plan
from .sealed import Sealed, seal
from .settings import read_settings
from .walk import Bounds

LOCK = "W1.2 disk_cleanup"


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of disk_cleanup, delete what its rules allow; in check mode only say what that would be.

    Raise InputError for a rule that is not safe, before anything is looked at, and LockHeld where another maintenance
    run works on this host. A deletion that the system refuses is a finding and does not stop the rest.
    """
    platform = PLATFORMS.get(host.platform)
    if platform is None:
        return _unsupported(host.platform)
    wanted = read_settings(params, platform.places)
    bounds = Bounds(wanted.max_entries, time.monotonic() + wanted.scan_seconds)
    paths = (*wanted.sealed, *named_by(platform.places.variables))
    sealed = seal(platform.disk, identities(paths), paths, wanted.declared, wanted.roots)
    scans = [scan(rule, platform.disk, sealed, bounds) for rule in wanted.rules]
    in_use = platform.in_use(host)
    planned = plan(scans, in_use, host.now(), wanted.budget, wanted.max_files, platform.places.key)
    before = free_space(scans)
    outcomes = _outcomes(planned, wanted.state_dir, host, platform, check_mode, sealed)
    looked = {root: Usage(*usage(root, platform.disk, bounds)) for root in wanted.usage_roots}
    return _result(Run(scans, in_use, planned, outcomes, wanted.budget, wanted.reclaimable_warning, looked), before)


def _unsupported(platform: str) -> Result:
    message = f"nothing is deleted on {platform}; expected one of {', '.join(sorted(PLATFORMS))}"
    return Result(findings=[CHECKS["cleanup.platform"].finding(UNKNOWN, platform, message)])


def _outcomes(
    planned: Plan, state_dir: str, host: Host, platform: Platform, check_mode: bool, sealed: Sealed
) -> list[Outcome]:
    """Return what became of each step. Only a run that has something to do takes the host's lock."""
    if check_mode or not planned.steps:
        return [Outcome(step, PLANNED, step.reason) for step in planned.steps]
    with host_lock(state_dir, LOCK, host) as beat:
        return list(carry_out(planned.steps, host, platform.disk, beat, sealed))


def _result(run: Run, before: dict[str, int]) -> Result:
    after = free_space(run.scans)
    filesystems = [{"path": path, "free_before": size, "free_after": after.get(path)} for path, size in before.items()]
    return Result(
        findings=judge(run),
        metrics=report.metrics(run),
        actions=report.actions(run),
        data={"cleanup": report.as_data(run, filesystems)},
        changed=any(outcome.state in (PLANNED, DONE) for outcome in run.outcomes),
        diff=report.diff(run),
    )
