# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resources of a host in one look: procedure D1.1."""

from __future__ import annotations

from typing import Any

from ..finding import UNKNOWN, Result
from ..host import Host
from ..memory import recall, remember
from .checks import CHECKS
from .collect import COLLECTORS
from .declared import check_seconds, read_thresholds
from .history import as_memory, extended, read_history
from .remedies import in_words_of
from .report import as_data, metrics
from .rules_use import judge

NOUN = "resources"


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
        return _unsupported(host.platform)
    snapshot = collect(
        host,
        sample=params["sample_seconds"],
        scan=params["scan_seconds"],
        window=limits.oom_window,
        skip=skip,
    )
    before = read_history(recall(params["state_dir"], NOUN))
    after = extended(before, snapshot)
    findings = in_words_of(host.platform, judge(snapshot, limits, after.with_kills(before.kills), skip))
    kept = not check_mode and remember(params["state_dir"], NOUN, as_memory(after))
    data = {**as_data(snapshot, findings), "remembered": kept}
    return Result(findings=findings, metrics=metrics(snapshot, after), data={NOUN: data})


def _unsupported(platform: str) -> Result:
    known = ", ".join(sorted(COLLECTORS))
    message = f"the resources of {platform} cannot be looked at yet; expected one of {known}"
    return Result(findings=[CHECKS["resources.platform"].finding(UNKNOWN, platform, message)])
