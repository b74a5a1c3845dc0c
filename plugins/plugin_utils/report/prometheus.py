# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a Prometheus textfile (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

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

_NONE: Mapping[str, str] = {}
_OURS = frozenset({"host", "playbook", "scope"})  # labels that no area has a say in


class Sample(NamedTuple):
    """A number, its labels, and the label that says which host it is of, as it is written: empty for none."""

    name: str
    labels: Mapping[str, str]
    host: str
    value: float


def render_prometheus(report: Mapping[str, Any]) -> str:
    """Given a report, return its textfile."""
    return "".join(parts_of_textfile(report))


def parts_of_textfile(report: Mapping[str, Any]) -> Iterator[str]:
    """Given a report, yield its textfile name by name: the samples of one together, each label value escaped."""
    run = report["run"]
    where = _written({"playbook": str(run["title"]), "scope": str(run["scope"]["kind"])})[:-1]
    by_name: dict[str, list[Sample]] = {}
    for sample in _samples(report):
        by_name.setdefault(sample.name, []).append(sample)
    for name, samples in sorted(by_name.items()):
        # of two alike the later is the newer
        values = {_written(each.labels) + each.host: float(each.value) for each in samples}
        yield _block(name, [f"{name}{{{labels}{where}}} {value!r}" for labels, value in values.items()])


def _block(name: str, lines: list[str]) -> str:
    help_text = _HELP.get(name, "As measured by the last maintenance run.")
    kind = "counter" if name.endswith("_total") else "gauge"
    return "\n".join([f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *lines]) + "\n"


def _samples(report: Mapping[str, Any]) -> Iterator[Sample]:
    run = report["run"]
    yield Sample("cryptobot_run_finished_timestamp_seconds", _NONE, "", run["finished"])
    yield Sample("cryptobot_run_status", _NONE, "", STATUSES.index(run["status"]))
    yield Sample("cryptobot_run_failed", _NONE, "", run["failed"])
    for state in ("asked", "targeted", "reached", "answered"):
        yield Sample("cryptobot_run_hosts", {"state": state}, "", run["scope"][f"hosts_{state}"])
    for host in report["hosts"]:
        own = _written({"host": host["name"]})
        yield Sample("cryptobot_host_status", _NONE, own, STATUSES.index(host["status"]))
        yield Sample("cryptobot_host_failed", _NONE, own, host["failed"])
        for status, count in host["counts"].items():
            yield Sample("cryptobot_findings", {"host": host["name"], "status": status}, "", count)
        yield from _measured(host["metrics"], own)


def _measured(metrics: Iterable[Mapping[str, Any]], host: str) -> Iterator[Sample]:
    """Yield the areas' own metrics; a name, label or value that the format does not allow is left out, not guessed."""
    for metric in metrics:
        labels = metric.get("labels", _NONE)
        if not _OURS.isdisjoint(labels):
            labels = {label: value for label, value in labels.items() if label not in _OURS}
        name, factor = _in_base(str(metric["name"]))
        if name and all(map(_LABEL.fullmatch, labels)):
            try:
                yield Sample(name, labels, host, float(metric["value"]) * factor)
            except (TypeError, ValueError):
                continue


@functools.lru_cache(maxsize=1_000)
def _in_base(name: str) -> tuple[str, float]:
    """Given a name, return it in base units, empty if it is not allowed, and what its values are multiplied by."""
    for unit, seconds in _BASE.items():
        if name.endswith(unit):
            name, factor = f"{name[: -len(unit)]}_seconds", seconds
            break
    else:
        factor = 1.0
    return (name if _NAME.fullmatch(name) else ""), factor


def _written(labels: Mapping[str, str]) -> str:
    """Given labels, return them as they are written, with a comma behind each."""
    return "".join([_label(name, str(value)) for name, value in labels.items()])


@functools.lru_cache(maxsize=10_000)
def _label(name: str, value: str) -> str:
    return f'{name}="{_escape(value)}",'


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
