# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a Prometheus textfile (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import STATUSES

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_HELP = {
    "cryptobot_run_finished_timestamp_seconds": "When the last maintenance run ended.",
    "cryptobot_run_status": "The worst status of the run: 0 skipped, 1 ok, 2 warning, 3 unknown, 4 critical.",
    "cryptobot_host_status": "The worst status of the host: 0 skipped, 1 ok, 2 warning, 3 unknown, 4 critical.",
    "cryptobot_findings": "Findings of the host by status.",
}

Sample = tuple[str, Mapping[str, str], float]


def render_prometheus(report: Mapping[str, Any]) -> str:
    """Given a report, return its textfile: the samples of one name together, each label value escaped."""
    by_name: dict[str, list[str]] = {}
    for name, labels, value in _samples(report):
        by_name.setdefault(name, []).append(f"{name}{_labels(labels)} {float(value)!r}")
    return "".join(_block(name, lines) for name, lines in by_name.items())


def _block(name: str, lines: list[str]) -> str:
    help_text = _HELP.get(name, "As measured by the last maintenance run.")
    # a sample may stand only once: of two with the same labels the later is the newer
    unique = {line.rsplit(" ", 1)[0]: line for line in lines}
    return "\n".join([f"# HELP {name} {help_text}", f"# TYPE {name} gauge", *unique.values()]) + "\n"


def _samples(report: Mapping[str, Any]) -> Iterator[Sample]:
    run = report["run"]
    yield "cryptobot_run_finished_timestamp_seconds", {}, run["finished"]
    yield "cryptobot_run_status", {}, STATUSES.index(run["status"])
    for host in report["hosts"]:
        yield "cryptobot_host_status", {"host": host["name"]}, STATUSES.index(host["status"])
        for status, count in host["counts"].items():
            yield "cryptobot_findings", {"host": host["name"], "status": status}, count
        yield from _measured(host)


def _measured(host: Mapping[str, Any]) -> Iterator[Sample]:
    """Yield the nouns' own metrics; a name or label that the format does not allow is left out, not guessed at."""
    for metric in host["metrics"]:
        labels = {"host": host["name"], **metric.get("labels", {})}
        if _NAME.fullmatch(metric["name"]) and all(_LABEL.fullmatch(label) for label in labels):
            yield metric["name"], labels, float(metric["value"])


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escape(str(value))}"' for name, value in labels.items()) + "}" if labels else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
