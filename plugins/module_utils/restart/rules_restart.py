# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restart finds, and its numbers: what an interrupted one left, why each service is restarted, and how. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..finding import CRITICAL, DONE, FAILED, OK, UNKNOWN, WARNING, Check, Finding, Metric
from ..registry import Outcome, Rules
from ..services.order import needs
from ..units import human_bytes
from .claim import DOUBT
from .model import Launch, Progress, RestartPlan, Survey

RULES = Rules()


class RestartContext(NamedTuple):
    """What was found before the first step, what was planned, and what came of it."""

    survey: Survey
    plan: RestartPlan
    progress: Progress

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding of the service that it names."""
        status, message, expected, actual, remedy, subject = outcome
        return check.finding(status, subject, message, expected=expected, actual=actual, remedy=remedy)


@RULES.rule(
    "restart.interrupted",
    procedure="W1.4",
    remedy="Find out what ended that run (power, kill, reboot). What it had stopped has been started again.",
    source="the record is written before the first service is stopped and removed when all run again",
)
def judge_interrupted(context: RestartContext) -> Iterator[Outcome]:
    """No earlier restart was interrupted half way."""
    record = context.survey.record
    if record is not None:
        text = f"an earlier restart of {', '.join(record.running)} was interrupted half way"
        yield Outcome(WARNING, text, actual=list(record.running), subject="service_restart")
    for name in context.survey.lost:
        text = f"{name} ran before that restart and is not declared any more; start it by hand"
        yield Outcome(CRITICAL, text, subject=name)
    yield from _void(context.survey)


def _void(survey: Survey) -> Iterator[Outcome]:
    """What an interrupted restart had stopped and this one leaves stopped: because somebody else decided since, or
    because it would not run as it ran.
    """
    for name, why in survey.situation.void.items():
        if name not in survey.situation.running:
            way = survey.before.launches.get(name)
            is_lost = isinstance(way, Launch) and bool(way.lost) and why.startswith(way.lost)
            status = CRITICAL if is_lost else UNKNOWN if why == DOUBT else WARNING
            text = f"{name} ran before a restart that was interrupted and does not run now; it is left so: {why}"
            yield Outcome(status, text, subject=name)


@RULES.rule(
    "restart.needed",
    procedure="W1.4",
    remedy="None needed.",
    source="replaced program files, changed unit or configuration, uptime, growth of memory",
)
def judge_needed(context: RestartContext) -> Iterator[Outcome]:
    """A service is restarted when there is a reason, and otherwise left alone."""
    situation, plan = context.survey.situation, context.plan
    for name, why in plan.left.items():
        unknown = name in situation.unavailable or name in situation.unnamed
        yield Outcome(UNKNOWN if unknown else OK, f"{name} is left alone: {why}", subject=name)
    for name in (name for name in plan.restarted if name not in context.progress.refused):
        reasons = situation.reasons.get(name, ("it depends on what is restarted",))
        yield Outcome(OK, f"{name} is restarted: {'; '.join(reasons)}", actual=list(reasons), subject=name)


@RULES.rule(
    "restart.refused",
    procedure="W1.4",
    remedy="Remove what stands in the way, then run it again.",
    source="whatever depends on a service is restarted with it, so what must not be stopped protects all it depends on",
)
def judge_refused(context: RestartContext) -> Iterator[Outcome]:
    """A restart that is needed can be made: trading allows it, and nothing that depends on the service is excepted."""
    for name, why in {**context.plan.refused, **context.progress.refused}.items():
        yield Outcome(WARNING, f"{name} is not restarted: {why}", subject=name)


@RULES.rule(
    "restart.gate",
    procedure="W1.4",
    remedy="Read the log of the service since its start; service_check says what is wrong with it.",
    source="the rules of service_check for state, port and health; what was not well before is not demanded",
)
def judge_gate(context: RestartContext) -> Iterator[Outcome]:
    """A restarted service is as well as before: it runs, holds its port and answers its probe."""
    passages = context.progress.passages
    failed = [name for name, passage in passages.items() if passage.fault]
    for name, passage in passages.items():
        if passage.fault:
            status, after = _behind(context.survey, name, failed)
            text = f"{name} is not as well as before its restart: {passage.fault}{after}"
            yield Outcome(status, text, subject=name)
        else:
            text = f"{name} was as well as before {passage.seconds:.1f} s after its start"
            yield Outcome(OK, text, actual=round(passage.seconds, 2), subject=name)


def _behind(survey: Survey, name: str, bad: Sequence[str]) -> tuple[str, str]:
    """Return the status of something bad, and where to look first: a trouble is critical once, where it begins."""
    graph = survey.situation.graph
    behind = needs(graph, name) & set(bad)
    roots = sorted(root for root in behind if not needs(graph, root) & behind)
    return (WARNING, f" (look at {', '.join(roots)} first: {name} depends on it)") if roots else (CRITICAL, "")


@RULES.rule(
    "restart.left",
    procedure="W1.4",
    remedy="Start what is named here by hand, in the order of the inventory, or run service_restart again.",
)
def judge_left(context: RestartContext) -> Iterator[Outcome]:
    """Everything that ran before the restart runs after it, also where a step failed."""
    progress, plan = context.progress, context.plan
    for name in progress.not_running:
        status, after = _behind(context.survey, name, progress.not_running)
        yield Outcome(status, f"{name} ran before the restart and does not run now{after}", subject=name)
    for name in progress.gone:
        text = f"{name} was active before the restart and is not now, though nothing that was stopped takes it along"
        yield Outcome(WARNING, text, subject=name)
    if not progress.not_running and any(action.state in (DONE, FAILED) for action in progress.actions):
        number = len(plan.restarted) + len(plan.repair)
        text = f"all {number} services that ran before run now"
        yield Outcome(OK, text, actual=number, subject="services")


@RULES.rule(
    "restart.memory",
    procedure="W1.4",
    remedy="None needed.",
    title="How much memory a restart gave back. Where that is little week after week, the restart is not worth its "
    "risk.",
)
def judge_memory(context: RestartContext) -> Iterator[Outcome]:
    """Say what the restart of each service gave back, or why that is not known."""
    for name, (before, after) in memory_of(context.survey, context.progress).items():
        gained = f"gave {human_bytes(before - after)} back" if before > after else "gave nothing back"
        then = f"{human_bytes(before)} before its restart and {human_bytes(after)} once it was settled"
        yield Outcome(OK, f"{name} used {then}: it {gained}", before, after, subject=name)
    for name, why in context.progress.young.items():
        yield Outcome(UNKNOWN, f"what the restart of {name} gave back is not known: {why}", subject=name)


def memory_of(survey: Survey, progress: Progress) -> dict[str, tuple[int, int]]:
    """Return the resident memory in bytes before and after, of the services for which both are known."""
    before = {observed.name: observed.rss for observed in survey.before.snapshot.services}
    return {name: (before[name], rss) for name, rss in progress.memory.items() if rss and before.get(name)}


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
