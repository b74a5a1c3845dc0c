# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics in the Prometheus text format, with the names and labels of the real services.

The request metrics are those of prometheus-fastapi-instrumentator: status codes grouped (``2xx``),
one coarse histogram per handler and one fine histogram without labels.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Iterable, Sequence

from .process_metrics import process_samples

COARSE = (0.1, 0.5, 1.0)
FINE = (
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    2.5,
    3.0,
    3.5,
    4.0,
    4.5,
    5.0,
    7.5,
    10.0,
    30.0,
    60.0,
)
TRADE = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
COLLECTOR = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """Observations counted into buckets; every bucket also counts what the smaller ones hold."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * len(self.bounds)
        self.count = 0
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Given a value, add it to every bucket whose bound is not below it."""
        self.count += 1
        self.sum += value
        for index, bound in enumerate(self.bounds):
            self.counts[index] += value <= bound

    def samples(self, name: str, labels: Labels) -> list[str]:
        """Given the metric's name and labels, return its text lines."""
        bounds = [*(str(bound) for bound in self.bounds), "+Inf"]
        buckets = [
            sample(f"{name}_bucket", (*labels, ("le", bound)), count)
            for bound, count in zip(bounds, [*self.counts, self.count])
        ]
        return [*buckets, sample(f"{name}_count", labels, self.count), sample(f"{name}_sum", labels, self.sum)]


class Registry:
    """Counters, gauges and histograms by name and labels; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, tuple[str, str, dict[Labels, float]]] = {}
        self._histograms: dict[str, tuple[str, dict[Labels, Histogram]]] = {}

    def add(self, name: str, help_text: str, **labels: str) -> None:
        """Given a counter's name, help text and labels, raise it by one."""
        with self._lock:
            values = self._values.setdefault(name, ("counter", help_text, {}))[2]
            values[as_labels(labels)] = values.get(as_labels(labels), 0) + 1

    def set(self, name: str, help_text: str, value: float, **labels: str) -> None:
        """Given a gauge's name, help text and labels, set its value."""
        with self._lock:
            self._values.setdefault(name, ("gauge", help_text, {}))[2][as_labels(labels)] = value

    def observe(self, name: str, help_text: str, value: float, bounds: Sequence[float], **labels: str) -> None:
        """Given a histogram's name, help text, bucket bounds and labels, count one value in seconds."""
        with self._lock:
            family = self._histograms.setdefault(name, (help_text, {}))[1]
            family.setdefault(as_labels(labels), Histogram(bounds)).observe(value)

    def render(self) -> str:
        """Return everything as the text that Prometheus scrapes."""
        with self._lock:
            return "\n".join([*_runtime_lines(), *self._value_lines(), *self._histogram_lines()]) + "\n"

    def _value_lines(self) -> Iterable[str]:
        for name, (kind, help_text, values) in self._values.items():
            yield from header(name, help_text, kind)
            yield from (sample(name, labels, value) for labels, value in values.items())

    def _histogram_lines(self) -> Iterable[str]:
        for name, (help_text, family) in self._histograms.items():
            yield from header(name, help_text, "histogram")
            for labels, histogram in family.items():
                yield from histogram.samples(name, labels)


def count_request(registry: Registry, *, handler: str, method: str, status: int, seconds: float) -> None:
    """Given one answered request, count it as the instrumentator does; an unknown path is handler ``none``."""
    registry.add(
        "http_requests_total",
        "Total number of requests by method, status and handler.",
        handler=handler,
        method=method,
        status=f"{status // 100}xx",
    )
    registry.observe(
        "http_request_duration_highr_seconds", "Latency with many buckets but no API specific labels.", seconds, FINE
    )
    registry.observe(
        "http_request_duration_seconds",
        "Latency with only few buckets by handler.",
        seconds,
        COARSE,
        handler=handler,
        method=method,
    )


def as_labels(labels: dict[str, str]) -> Labels:
    """Given labels, return them in the sorted order in which prometheus_client writes them."""
    return tuple(sorted(labels.items()))


def header(name: str, help_text: str, kind: str) -> list[str]:
    """Given a metric's name, help text and type, return its two comment lines."""
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]


def sample(name: str, labels: Labels, value: float) -> str:
    """Given a sample, return its line."""
    text = ",".join(f'{key}="{escape(label)}"' for key, label in labels)
    return f"{name}{{{text}}} {float(value)}" if text else f"{name} {float(value)}"


def escape(label: str) -> str:
    """Given a label's value, return it as the text format wants it quoted."""
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _runtime_lines() -> Iterable[str]:
    version = sys.version_info
    labels = as_labels(
        {
            "implementation": platform.python_implementation(),
            "major": str(version[0]),
            "minor": str(version[1]),
            "patchlevel": str(version[2]),
        }
    )
    yield from header("python_info", "Python platform information", "gauge")
    yield sample("python_info", labels, 1)
    for name, help_text, kind, value in process_samples(os.getpid()):
        yield from header(name, help_text, kind)
        yield sample(name, (), value)
