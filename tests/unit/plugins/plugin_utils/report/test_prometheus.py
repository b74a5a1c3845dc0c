# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The textfile line by line: what a run says of itself, and which of the areas' numbers become which samples."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.prometheus import render_prometheus

WHERE = 'playbook="weekly",scope="whole"'
OWN = ("cryptobot_run_", "cryptobot_host_", "cryptobot_findings")


def metric(name: str, value: object, **labels: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "", "labels": labels}


def textfile(*metrics: dict[str, Any]) -> str:
    """Return the textfile of a run of one host that measured so."""
    scope = {"kind": "whole", "hosts_asked": 4, "hosts_targeted": 3, "hosts_reached": 2, "hosts_answered": 1}
    counts = {"critical": 1, "ok": 5}
    host = {"name": "h1", "status": "critical", "failed": True, "counts": counts, "metrics": metrics}
    run = {"title": "weekly", "status": "unknown", "failed": False, "finished": 1_795_312_800.0, "scope": scope}
    return render_prometheus({"run": run, "hosts": [host]})


def measured(*metrics: dict[str, Any]) -> list[str]:
    """Return the samples that are of no run and host itself."""
    return [line for line in textfile(*metrics).splitlines() if not line.startswith(("#", *OWN))]


def test_a_run_without_a_measurement_is_told_whole() -> None:
    statuses = "0 skipped, 1 ok, 2 warning, 3 unknown, 4 critical."
    assert textfile().splitlines() == [
        "# HELP cryptobot_findings Findings of the host by status.",
        "# TYPE cryptobot_findings gauge",
        f'cryptobot_findings{{host="h1",status="critical",{WHERE}}} 1.0',
        f'cryptobot_findings{{host="h1",status="ok",{WHERE}}} 5.0',
        "# HELP cryptobot_host_failed 1 where the host made the run end non-zero, else 0.",
        "# TYPE cryptobot_host_failed gauge",
        f'cryptobot_host_failed{{host="h1",{WHERE}}} 1.0',
        f"# HELP cryptobot_host_status The worst status of the host: {statuses}",
        "# TYPE cryptobot_host_status gauge",
        f'cryptobot_host_status{{host="h1",{WHERE}}} 4.0',
        "# HELP cryptobot_run_failed 1 where the run ended non-zero, else 0.",
        "# TYPE cryptobot_run_failed gauge",
        f"cryptobot_run_failed{{{WHERE}}} 0.0",
        "# HELP cryptobot_run_finished_timestamp_seconds When the last whole maintenance run ended.",
        "# TYPE cryptobot_run_finished_timestamp_seconds gauge",
        f"cryptobot_run_finished_timestamp_seconds{{{WHERE}}} 1795312800.0",
        "# HELP cryptobot_run_hosts Hosts of the run: asked for, targeted, reached, answered.",
        "# TYPE cryptobot_run_hosts gauge",
        f'cryptobot_run_hosts{{state="asked",{WHERE}}} 4.0',
        f'cryptobot_run_hosts{{state="targeted",{WHERE}}} 3.0',
        f'cryptobot_run_hosts{{state="reached",{WHERE}}} 2.0',
        f'cryptobot_run_hosts{{state="answered",{WHERE}}} 1.0',
        f"# HELP cryptobot_run_status The worst status of the run: {statuses}",
        "# TYPE cryptobot_run_status gauge",
        f"cryptobot_run_status{{{WHERE}}} 3.0",
    ]
    assert textfile().endswith("\n")  # https://prometheus.io/docs/instrumenting/exposition_formats/: the last line too


# (name and value as an area measures them, as they are told)
UNITS = [
    ("x_days", 2, "x_seconds", "172800.0"),
    ("x_hours", 2, "x_seconds", "7200.0"),
    ("x_minutes", 2, "x_seconds", "120.0"),
    ("x_bytes", 2, "x_bytes", "2.0"),
    ("x_days_total", 2, "x_days_total", "2.0"),
    ("x_ratio", "0.5", "x_ratio", "0.5"),
]


@pytest.mark.parametrize(("name", "value", "told_name", "told"), UNITS)
def test_what_is_no_base_unit_is_converted_to_one(name: str, value: object, told_name: str, told: str) -> None:
    assert measured(metric(name, value)) == [f'{told_name}{{host="h1",{WHERE}}} {told}']


def test_labels_that_say_whose_a_number_is_are_ours_alone() -> None:
    told = measured(metric("x_total", 1, path="/a", host="other", playbook="other", scope="other"))
    assert told == [f'x_total{{path="/a",host="h1",{WHERE}}} 1.0']


# What the format does not allow: a name, a label beside one that it allows, a value.
ODD = [
    metric("bad-name", 1.5),
    metric("x_bytes", 1.5, mount="/", **{"mount-point": "/"}),
    metric("x_bytes", "much", mount="/"),
    metric("x_bytes", None, mount="/"),
]


@pytest.mark.parametrize("odd", ODD, ids=["name", "label", "word", "none"])
def test_a_number_that_the_format_does_not_allow_takes_no_other_with_it(odd: dict[str, Any]) -> None:
    told = measured(metric("a_ratio", 0.25), odd, metric("b_ratio", 0.75))
    assert told == [f'a_ratio{{host="h1",{WHERE}}} 0.25', f'b_ratio{{host="h1",{WHERE}}} 0.75']


def test_of_two_numbers_of_one_series_the_later_is_told_and_another_label_is_another_series() -> None:
    told = measured(metric("x_total", 1, path="/a"), metric("x_total", 2, path="/b"), metric("x_total", 3, path="/a"))
    assert told == [f'x_total{{path="/a",host="h1",{WHERE}}} 3.0', f'x_total{{path="/b",host="h1",{WHERE}}} 2.0']
    assert "# TYPE x_total counter\n" in textfile(metric("x_total", 1))
