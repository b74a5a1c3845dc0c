# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics page: the names and labels of the real services, in a text that Prometheus can read."""

from __future__ import annotations

import re

import pytest
from cryptobot_demo.catalog import SERVICES
from cryptobot_demo.endpoints import Application
from cryptobot_demo.metrics import Registry, count_request, sample
from cryptobot_demo.traffic import play, set_gauges

LINE = re.compile(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+')
LABEL_ORDER = re.compile(r'([a-z_]+)="')

COMMON = (
    "http_requests_total{handler,method,status}",
    "http_request_duration_seconds_bucket{handler,method,le}",
    "http_request_duration_seconds_sum{handler,method}",
    "http_request_duration_seconds_count{handler,method}",
    "http_request_duration_highr_seconds_bucket{le}",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
)
OWN = {
    "data": (
        "data_collector_messages_received_total{exchange,symbol,type}",
        "data_collector_processing_latency_seconds_bucket{exchange,symbol,type,le}",
        "data_collector_connection_errors_total{exchange,reason,symbol}",
        "data_collector_cache_hits_total{endpoint}",
        "data_collector_cache_misses_total{endpoint}",
    ),
    "trade": (
        "order_execution_total{exchange,side,status,symbol}",
        "order_execution_latency_seconds_bucket{exchange,symbol,le}",
        "order_retry_total{exchange,symbol}",
        "circuit_breaker_trips_total{exchange}",
        "circuit_breaker_state{exchange}",
        "reconciliation_mismatch_percentage{exchange}",
        "reconciliation_total{exchange,status}",
    ),
}
WANTED = [
    (name, shape) for name in ("data", "strategy", "backtest", "trade") for shape in (*COMMON, *OWN.get(name, ()))
]

# value as given, value as the text format wants it
LABELS = (('a"b', 'a\\"b'), ("a\\b", "a\\\\b"), ("a\nb", "a\\nb"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return {name: page_of(Application(service, tmp_path_factory.mktemp(name))) for name, service in SERVICES.items()}


def page_of(app):
    set_gauges(app)
    play(app, 0, 60)
    return app.registry.render()


def shapes(page):
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    names = [(line.split("{")[0].split(" ")[0], ",".join(LABEL_ORDER.findall(line))) for line in lines]
    return {f"{name}{{{labels}}}" if labels else name for name, labels in names}


@pytest.mark.parametrize(("service", "shape"), WANTED)
def test_the_page_has_the_real_names_and_labels(pages, service, shape):
    assert shape in shapes(pages[service])


@pytest.mark.parametrize("service", SERVICES)
def test_every_line_is_a_comment_or_a_sample(pages, service):
    assert [
        line for line in pages[service].splitlines() if not line.startswith("# ") and not LINE.fullmatch(line)
    ] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_metric_is_declared_once(pages, service):
    declared = [line.split()[2] for line in pages[service].splitlines() if line.startswith("# TYPE ")]
    assert sorted(set(declared)) == sorted(declared)


def test_status_codes_are_grouped_and_unknown_paths_share_one_handler():
    registry = Registry()
    count_request(registry, handler="none", method="GET", status=404, seconds=0.2)
    assert 'http_requests_total{handler="none",method="GET",status="4xx"} 1.0' in registry.render()


def test_buckets_are_cumulative():
    registry = Registry()
    for seconds in (0.05, 0.3, 9.0):
        count_request(registry, handler="/", method="GET", status=200, seconds=seconds)
    found = re.findall(r'duration_seconds_bucket\{handler="/",method="GET",le="([^"]+)"\} (\S+)', registry.render())
    assert found == [("0.1", "1.0"), ("0.5", "2.0"), ("1.0", "2.0"), ("+Inf", "3.0")]


def test_errors_and_slow_answers_stay_below_the_usual_alerts(pages):
    for name in ("data", "strategy", "backtest", "trade"):
        counts = re.findall(r'http_requests_total\{.*status="(.)xx"\} (\S+)', pages[name])
        failed = sum(float(count) for group, count in counts if group == "5")
        assert failed / sum(float(count) for _unused, count in counts) < 0.05


@pytest.mark.parametrize(("value", "text"), LABELS)
def test_label_values_are_escaped(value, text):
    assert sample("name", (("label", value),), 1) == f'name{{label="{text}"}} 1.0'
