# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restart says of itself: findings, metrics and records. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from ..finding import CRITICAL, DONE, FAILED, OK, UNKNOWN, WARNING, Finding, Metric
from ..services.order import needs
from ..units import human_bytes
from .checks import CHECKS
from .claim import DOUBT
from .model import Launch, Outcome, Plan, Survey
from .record import Record


def judge(survey: Survey, plan: Plan, outcome: Outcome) -> list[Finding]:
    """Given what was found, planned and done, return the findings."""
    refused = {**plan.refused, **outcome.refused}
    return [
        *_interrupted(survey.record, survey.lost),
        *_void(survey),
        *_left_alone(survey, plan, outcome),
        *(CHECKS["restart.refused"].finding(WARNING, n, f"{n} is not restarted: {why}") for n, why in refused.items()),
        *_gates(survey, outcome),
        *_left_stopped(survey, plan, outcome),
        *_memory(survey, outcome),
    ]


def _interrupted(record: Optional[Record], lost: tuple[str, ...]) -> Iterator[Finding]:
    check = CHECKS["restart.interrupted"]
    if record is not None:
        text = f"an earlier restart of {', '.join(record.running)} was interrupted half way"
        yield check.finding(WARNING, "service_restart", text, actual=list(record.running))
    for name in lost:
        yield check.finding(
            CRITICAL, name, f"{name} ran before that restart and is not declared any more; start it by hand"
        )


def _void(survey: Survey) -> Iterator[Finding]:
    """What an interrupted restart had stopped and this one leaves stopped: because somebody else decided since, or
    because it would not run as it ran.
    """
    for name, why in survey.situation.void.items():
        if name not in survey.situation.running:
            way = survey.before.launches.get(name)
            is_lost = isinstance(way, Launch) and bool(way.lost) and why.startswith(way.lost)
            status = CRITICAL if is_lost else UNKNOWN if why == DOUBT else WARNING
            text = f"{name} ran before a restart that was interrupted and does not run now; it is left so: {why}"
            yield CHECKS["restart.interrupted"].finding(status, name, text)


def _left_alone(survey: Survey, plan: Plan, outcome: Outcome) -> Iterator[Finding]:
    check = CHECKS["restart.needed"]
    for name, why in plan.left.items():
        unknown = name in survey.situation.blind or name in survey.situation.unnamed
        status = UNKNOWN if unknown else OK
        yield check.finding(status, name, f"{name} is left alone: {why}")
    for name in (name for name in plan.restarted if name not in outcome.refused):
        reasons = survey.situation.reasons.get(name, ("it depends on what is restarted",))
        yield check.finding(OK, name, f"{name} is restarted: {'; '.join(reasons)}", actual=list(reasons))


def _gates(survey: Survey, outcome: Outcome) -> Iterator[Finding]:
    check = CHECKS["restart.gate"]
    failed = [name for name, passage in outcome.passages.items() if passage.problem]
    for name, passage in outcome.passages.items():
        if passage.problem:
            status, after = _behind(survey, name, failed)
            text = f"{name} is not as well as before its restart: {passage.problem}{after}"
            yield check.finding(status, name, text)
        else:
            text = f"{name} was as well as before {passage.seconds:.1f} s after its start"
            yield check.finding(OK, name, text, actual=round(passage.seconds, 2))


def _behind(survey: Survey, name: str, bad: Sequence[str]) -> tuple[str, str]:
    """Return the status of something bad, and where to look first: a trouble is critical once, where it begins."""
    graph = survey.situation.graph
    behind = needs(graph, name) & set(bad)
    roots = sorted(root for root in behind if not needs(graph, root) & behind)
    return (WARNING, f" (look at {', '.join(roots)} first: {name} depends on it)") if roots else (CRITICAL, "")


def _left_stopped(survey: Survey, plan: Plan, outcome: Outcome) -> Iterator[Finding]:
    check = CHECKS["restart.left"]
    for name in outcome.not_running:
        status, after = _behind(survey, name, outcome.not_running)
        yield check.finding(status, name, f"{name} ran before the restart and does not run now{after}")
    for name in outcome.gone:
        text = f"{name} was active before the restart and is not now, though nothing that was stopped takes it along"
        yield check.finding(WARNING, name, text)
    if not outcome.not_running and any(action.state in (DONE, FAILED) for action in outcome.actions):
        count = len(plan.restarted) + len(plan.repair)
        yield check.finding(OK, "services", f"all {count} services that ran before run now", actual=count)


def _memory(survey: Survey, outcome: Outcome) -> Iterator[Finding]:
    for name, (before, after) in memory_of(survey, outcome).items():
        gained = f"gave {human_bytes(before - after)} back" if before > after else "gave nothing back"
        then = f"{human_bytes(before)} before its restart and {human_bytes(after)} once it was settled"
        text = f"{name} used {then}: it {gained}"
        yield CHECKS["restart.memory"].finding(OK, name, text, expected=before, actual=after)
    for name, why in outcome.young.items():
        text = f"what the restart of {name} gave back is not known: {why}"
        yield CHECKS["restart.memory"].finding(UNKNOWN, name, text)


def memory_of(survey: Survey, outcome: Outcome) -> dict[str, tuple[int, int]]:
    """Return the resident memory in bytes before and after, of the services for which both are known."""
    before = {seen.name: seen.rss for seen in survey.before.snapshot.services}
    return {name: (before[name], rss) for name, rss in outcome.memory.items() if rss and before.get(name)}


def metrics_of(survey: Survey, outcome: Outcome) -> list[Metric]:
    """Return the numbers of a restart: memory before and after, and the time that each gate took."""
    metrics = []
    for name, (before, after) in memory_of(survey, outcome).items():
        labels = {"service": name}
        metrics.append(Metric("cryptobot_restart_memory_before_bytes", float(before), "bytes", labels))
        metrics.append(Metric("cryptobot_restart_memory_after_bytes", float(after), "bytes", labels))
    for name, passage in outcome.passages.items():
        metrics.append(Metric("cryptobot_restart_gate_seconds", passage.seconds, "seconds", {"service": name}))
    return metrics


def records_of(survey: Survey, plan: Plan, outcome: Outcome) -> list[dict[str, Any]]:
    """Return one record per service, as plain JSON values."""
    memory: Mapping[str, tuple[int, int]] = memory_of(survey, outcome)
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
