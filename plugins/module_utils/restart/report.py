# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a restart: what was found, done and measured, as the module returns it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ..finding import DONE, NOT_DONE, PLANNED, Action, Metric, Result
from ..trading.declared import Endpoint
from ..trading.guard import Trading
from ..trading.rules_trading import RULES as TRADING
from ..trading.rules_trading import TradingContext
from .model import Progress, RestartPlan, Survey
from .rules_restart import RULES, RestartContext, memory_of


def report(
    survey: Survey,
    plan: RestartPlan,
    progress: Progress,
    endpoint: Endpoint,
    trading: Optional[Trading],
    after: Optional[Trading],
) -> Result:
    """Given everything that is known at the end, return the result."""
    findings = RULES.judge(RestartContext(survey, plan, progress))
    if trading is not None:
        findings += TRADING.judge(TradingContext(trading, endpoint, after))
    not_done = {**plan.left, **plan.refused}
    return Result(
        findings=findings,
        metrics=metrics_of(survey, progress),
        actions=[*progress.actions, *(Action("restart", name, NOT_DONE, why) for name, why in not_done.items())],
        data={"restart": records_of(survey, plan, progress)},
        changed=any(action.state in (PLANNED, DONE) for action in progress.actions),
        failure="; ".join(progress.failures),
    )


def metrics_of(survey: Survey, progress: Progress) -> list[Metric]:
    """Return the numbers of a restart: memory before and after, and the time that each gate took."""
    metrics = []
    for name, (before, after) in memory_of(survey, progress).items():
        labels = {"service": name}
        metrics.append(Metric("cryptobot_restart_memory_before_bytes", float(before), "bytes", labels))
        metrics.append(Metric("cryptobot_restart_memory_after_bytes", float(after), "bytes", labels))
    for name, passage in progress.passages.items():
        metrics.append(Metric("cryptobot_restart_gate_seconds", passage.seconds, "seconds", {"service": name}))
    return metrics


def records_of(survey: Survey, plan: RestartPlan, progress: Progress) -> list[dict[str, Any]]:
    """Return one record per service, as plain JSON values."""
    memory: Mapping[str, tuple[int, int]] = memory_of(survey, progress)
    return [
        {
            "name": service.name,
            "ran_before": service.name in survey.situation.running,
            "reasons": list(survey.situation.reasons.get(service.name, ())),
            "chosen": service.name in plan.restarted or service.name in plan.repair,
            "left_because": plan.left.get(service.name) or plan.refused.get(service.name),
            "memory_before_bytes": memory.get(service.name, (None, None))[0],
            "memory_after_bytes": memory.get(service.name, (None, None))[1],
        }
        for service in survey.situation.services
    ]
