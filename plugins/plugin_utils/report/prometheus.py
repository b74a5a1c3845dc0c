# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a Prometheus textfile (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import STATUSES

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_STATUS = "0 skipped, 1 ok, 2 warning, 3 unknown, 4 critical."
_HELP = {
    "cryptobot_run_finished_timestamp_seconds": "When the last whole maintenance run ended.",
    "cryptobot_run_status": f"The worst status of the run: {_STATUS}",
    "cryptobot_run_failed": "1 where the run ended non-zero, else 0.",
    "cryptobot_run_hosts": "Hosts of the run: asked for, targeted, reached, answered.",
    "cryptobot_host_status": f"The worst status of the host: {_STATUS}",
    "cryptobot_host_failed": "1 where the host made the run end non-zero, else 0.",
    "cryptobot_findings": "Findings of the host by status.",
}
# Prometheus wants base units; what areas measure in others is converted.
_BASE = {"_days": 86_400.0, "_hours": 3_600.0, "_minutes": 60.0}

Sample = tuple[str, Mapping[str, str], float]


def render_prometheus(report: Mapping[str, Any]) -> str:
    """Given a report, return its textfile: the samples of one name together, each label value escaped."""
    run = report["run"]
    where = {"playbook": str(run["title"]), "scope": str(run["scope"]["kind"])}
    by_name: dict[str, dict[str, str]] = {}
    for name, labels, value in _samples(report):
        series = f"{name}{_labels({**labels, **where})}"
        by_name.setdefault(name, {})[series] = f"{series} {float(value)!r}"  # of two alike the later is the newer
    return "".join(_block(name, list(lines.values())) for name, lines in sorted(by_name.items()))


def _block(name: str, lines: list[str]) -> str:
    help_text = _HELP.get(name, "As measured by the last maintenance run.")
    kind = "counter" if name.endswith("_total") else "gauge"
    return "\n".join([f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *lines]) + "\n"


def _samples(report: Mapping[str, Any]) -> Iterator[Sample]:
    run = report["run"]
    yield "cryptobot_run_finished_timestamp_seconds", {}, run["finished"]
    yield "cryptobot_run_status", {}, STATUSES.index(run["status"])
    yield "cryptobot_run_failed", {}, run["failed"]
    for state in ("asked", "targeted", "reached", "answered"):
        yield "cryptobot_run_hosts", {"state": state}, run["scope"][f"hosts_{state}"]
    for host in report["hosts"]:
        yield "cryptobot_host_status", {"host": host["name"]}, STATUSES.index(host["status"])
        yield "cryptobot_host_failed", {"host": host["name"]}, host["failed"]
        for status, count in host["counts"].items():
            yield "cryptobot_findings", {"host": host["name"], "status": status}, count
        yield from _measured(host)


def _measured(host: Mapping[str, Any]) -> Iterator[Sample]:
    """Yield the areas' own metrics; a name, label or value that the format does not allow is left out, not guessed."""
    for metric in host["metrics"]:
        labels = {**metric.get("labels", {}), "host": host["name"]}
        name, factor = _in_base(str(metric["name"]))
        if not (_NAME.fullmatch(name) and all(_LABEL.fullmatch(label) for label in labels)):
            continue
        with contextlib.suppress(TypeError, ValueError):
            yield name, labels, float(metric["value"]) * factor


def _in_base(name: str) -> tuple[str, float]:
    for unit, seconds in _BASE.items():
        if name.endswith(unit):
            return f"{name[: -len(unit)]}_seconds", seconds
    return name, 1.0


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escape(str(value))}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
