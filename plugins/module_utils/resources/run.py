# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resources of a host in one look: procedure D1.1."""

from __future__ import annotations

from typing import Any

from ..finding import Result
from ..host import Host
from ..memory import recall, remember
from ..registry import Rules
from .collect import COLLECTORS
from .context import Context
from .declared import check_seconds, read_thresholds
from .history import as_memory, extended, read_history
from .report import as_data, metrics
from .rules_disks import RULES as DISKS
from .rules_disks import unsupported
from .rules_events import RULES as EVENTS
from .rules_use import RULES as USE

NAME = "resources"
RULES = Rules(DISKS, USE, EVENTS)


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of resource_check, return what the host's resources are and mean. It changes nothing.

    What it remembers for the forecast and for kills is written only outside check mode. Raise InputError for
    thresholds that contradict each other.
    """
    limits = read_thresholds(params["thresholds"])
    check_seconds(params)
    skip = frozenset((*params["skip"], *limits.skip))
    collect = COLLECTORS.get(host.platform)
    if collect is None:
        return Result(findings=[unsupported(host.platform, ", ".join(sorted(COLLECTORS)))])
    sample, scan = params["sample_seconds"], params["scan_seconds"]
    snapshot = collect(host, sample=sample, scan=scan, window=limits.oom_window, skip=skip)
    before = read_history(recall(params["state_dir"], NAME))
    after = extended(before, snapshot)
    context = Context(snapshot, limits, after.with_kills(before.kills), skip, host.platform)
    findings = context.judged_by(RULES)
    kept = not check_mode and remember(params["state_dir"], NAME, as_memory(after))
    data = {**as_data(snapshot, findings), "remembered": kept}
    return Result(findings=findings, metrics=metrics(snapshot, after), data={NAME: data})
