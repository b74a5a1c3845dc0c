# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole area: what a run returns, what it remembers, and what it never does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import OK, SKIPPED, UNKNOWN, WARNING, Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import HeldFile
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import run as run_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.model import (
    Absent,
    HeldFiles,
    Snapshot,
    Unavailable,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.run import run

from .examples import DAY, GIB, HEALTHY, NOW, defaults, mounted, observed, options


def look(tmp_path: Path, seen: Snapshot = HEALTHY, check_mode: bool = False, **changes: Any) -> Result:
    """Run the area on a host that shows ``seen``."""
    params = {**defaults(SPEC), "state_dir": str(tmp_path / "state"), **changes}
    return run(params, FakeHost(now=seen.at), check_mode)


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let every host show the observation that the test has put last into the list."""
    asked: list[dict[str, Any]] = [{"seen": HEALTHY}]

    def observe(_host: Any, **options: Any) -> Snapshot:
        asked.append(options)
        seen: Snapshot = asked[0]["seen"]
        return seen

    monkeypatch.setitem(run_module.COLLECTORS, "linux", observe)
    return asked


def test_a_healthy_host_is_ok_and_nothing_changed(tmp_path: Path) -> None:
    answer = look(tmp_path).as_dict()
    assert (answer["status"], answer["changed"], answer["actions"]) == (OK, False, [])
    assert json.loads(json.dumps(answer)) == answer


def test_the_data_tells_what_was_seen_and_what_was_not(tmp_path: Path, shown: list[dict[str, Any]]) -> None:
    shown[0]["seen"] = observed(clock=Unavailable("nobody knows"), swap=Absent("none"))
    data = look(tmp_path).as_dict()["resources"]
    assert data["mounts"][0]["usage"]["available"] == 50 * GIB
    assert data["clock"] == {"unknown": "nobody knows"}
    assert data["swap"] == {"absent": "none"}
    assert data["blind_spots"] == ["resources.clock clock: could not be looked at: nobody knows"]


def test_of_many_deleted_files_the_largest_are_returned_and_all_are_counted(
    tmp_path: Path, shown: list[dict[str, Any]]
) -> None:
    files = tuple(HeldFile(f"/x{number}", 1000 - number, ()) for number in range(200))
    shown[0]["seen"] = observed(held=HeldFiles(files))
    result = look(tmp_path)
    held = result.as_dict()["resources"]["held"]
    assert (len(held["files"]), held["count"], held["files"][0]["path"]) == (50, 200, "/x0")
    sizes = [metric.value for metric in result.metrics if metric.name == "cryptobot_resources_deleted_open_bytes"]
    assert sizes == [sum(range(801, 1001))]


def test_what_could_not_be_measured_is_no_metric(tmp_path: Path, shown: list[dict[str, Any]]) -> None:
    fields = ("mounts", "memory", "swap", "load", "cpu", "open_files", "connections", "clock", "oom", "held")
    shown[0]["seen"] = observed(**{name: Unavailable("no") for name in fields})
    result = look(tmp_path)
    assert (result.metrics, result.status) == ([], UNKNOWN)


def test_every_metric_bears_the_name_of_its_area_and_each_is_told_once(tmp_path: Path) -> None:
    metrics = look(tmp_path).metrics
    names = [(metric.name, tuple(sorted(metric.labels.items()))) for metric in metrics]
    assert len(set(names)) == len(names) >= 15
    assert all(name.startswith("cryptobot_resources_") for name, _labels in names)


def test_runs_over_days_forecast_when_the_disk_is_full(tmp_path: Path, shown: list[dict[str, Any]]) -> None:
    for day in range(4):  # 20 GiB a day; the last day ends with 15 GiB free
        used = (85 - 20 * (3 - day)) * GIB
        shown[0]["seen"] = observed(at=NOW + day * DAY, mounts=mounted(used=used, available=100 * GIB - used))
        result = look(tmp_path)
    (forecast,) = [found for found in result.findings if found.check == "resources.disk_forecast"]
    assert (forecast.status, forecast.actual) == (WARNING, "full in 18.0 h")
    full_in = [metric.value for metric in result.metrics if metric.name == "cryptobot_resources_disk_full_in_seconds"]
    assert full_in == [pytest.approx(18 * 3600)]


def test_check_mode_remembers_nothing(tmp_path: Path) -> None:
    result = look(tmp_path, check_mode=True)
    assert result.data["resources"]["remembered"] is False
    assert not (tmp_path / "state").exists()


def test_a_state_folder_that_cannot_be_written_is_told_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    result = look(tmp_path)
    assert (result.status, result.data["resources"]["remembered"]) == (OK, False)


def test_thresholds_that_contradict_each_other_are_refused_before_anything_is_looked_at(
    tmp_path: Path, shown: list[dict[str, Any]]
) -> None:
    with pytest.raises(InputError, match="disk_free_critical"):
        look(tmp_path, thresholds=options(disk_free_critical=50.0))
    assert shown[1:] == []


@pytest.mark.parametrize(("name", "value"), [("sample_seconds", -1.0), ("sample_seconds", 61.0), ("scan_seconds", 1e9)])
def test_times_out_of_reason_are_refused(name: str, value: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=name):
        look(tmp_path, **{name: value})


def test_the_options_reach_the_look(tmp_path: Path, shown: list[dict[str, Any]]) -> None:
    look(tmp_path, sample_seconds=3.0, scan_seconds=7.0, skip=["clock"], thresholds=options(oom_window="2d"))
    assert shown[1] == {"sample": 3.0, "scan": 7.0, "window": 2 * DAY, "skip": {"clock"}}


def test_a_check_that_the_inventory_leaves_out_is_left_out(tmp_path: Path, shown: list[dict[str, Any]]) -> None:
    shown[0]["seen"] = observed(clock=Unavailable("nobody knows"), swap=Unavailable("nobody knows"))
    result = look(tmp_path, skip=["swap"], thresholds=options(skip=["clock"]))
    assert shown[1]["skip"] == {"clock", "swap"}
    status = {found.check: found.status for found in result.findings}
    assert (status["resources.clock"], status["resources.swap"]) == (SKIPPED, SKIPPED)


def test_a_platform_that_nobody_can_look_at_yet_is_unknown(tmp_path: Path) -> None:
    result = run({**defaults(SPEC), "state_dir": str(tmp_path)}, FakeHost("plan9"))
    assert [(found.check, found.status) for found in result.findings] == [("resources.platform", UNKNOWN)]
    assert "plan9" in result.findings[0].message
