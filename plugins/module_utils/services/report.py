# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What service_check returns beside findings: one record and some metrics per service. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..finding import OK, SKIPPED, Finding, Metric, worst
from .context import Context
from .exits import exit_record
from .rules_state import state_of


def service_record(context: Context, findings: Sequence[Finding]) -> dict[str, Any]:
    """Given a service with its findings, return it as plain JSON values."""
    observed, unit = context.observed, context.observed.unit
    answer, age = observed.answer, context.age
    return {
        "name": observed.name,
        "manager": observed.service.manager or None,
        "unit": unit.id if unit else observed.service.unit or None,
        "state": unit.active if unit else state_of(context),
        "substate": unit.sub if unit else None,
        "enabled": unit.file_state if unit else None,
        "pid": observed.main.pid if observed.main else None,
        "since": round(context.snapshot.now - age) if age is not None else None,
        "uptime_s": round(age, 1) if age is not None else None,
        "restarts": {"window": context.restarts.number, "total": context.restarts.total},
        "exit": exit_record(unit) if unit else None,
        "ports": [port.port for port in observed.service.ports],
        "http": {"status": answer.status, "p95_s": round(answer.p95, 4), "problem": answer.fault} if answer else None,
        "resources": _resources(context),
        "drift": [f"{claim.source}: {claim.port or claim.unavailable}" for claim in observed.claims],
        "suppressed_by": sorted({f.consequence_of.rpartition(" ")[2] for f in findings if f.consequence_of}),
        "verdict": _worst_of(findings),
    }


def _worst_of(findings: Sequence[Finding]) -> str:
    """Return the worst of what a service says of itself; skipped where it is well but for what follows from others."""
    status = worst(f.status for f in findings if f.status != SKIPPED)
    return SKIPPED if status == OK and any(f.consequence_of for f in findings) else status


def _resources(context: Context) -> dict[str, Any]:
    observed = context.observed
    return {
        "rss_bytes": observed.rss,
        "open_files": sum(detail.open_files for detail in observed.details.values()),
        "threads": sum(process.threads for process in observed.processes) or None,
        "processes": len(observed.processes),
        "cpu_s": round(sum(process.cpu for process in observed.processes), 2),
        "growth_bytes_per_day": round(context.growth.per_day) if context.growth else None,
    }


def service_metrics(context: Context) -> list[Metric]:
    """Given a service, return its numbers; what could not be seen has none."""
    observed, labels = context.observed, {"service": context.observed.name}
    if observed.alive is None:
        return []
    values = [("up", float(bool(observed.alive)), ""), ("restarts", float(context.restarts.number), "")]
    if context.age is not None:
        values.append(("uptime_seconds", context.age, "seconds"))
    if observed.rss:
        values.append(("resident_memory_bytes", float(observed.rss), "bytes"))
    threads = sum(process.threads for process in observed.processes)  # 0: macOS does not tell
    if threads:
        values.append(("threads", float(threads), ""))
    if observed.processes:
        values.append(("cpu_seconds", sum(p.cpu for p in observed.processes), "seconds"))
    if observed.details and not observed.denied:
        values.append(("open_files", float(sum(d.open_files for d in observed.details.values())), ""))
    if observed.answer and observed.answer.seconds:
        values.append(("probe_seconds", observed.answer.p95, "seconds"))
    return [Metric(f"cryptobot_service_{name}", value, unit, labels) for name, value, unit in values]
