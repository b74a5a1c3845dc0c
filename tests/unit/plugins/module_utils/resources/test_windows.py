# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at a Windows host: one call, every source taken away in turn, and the same findings as anywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolMissing, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    OK,
    SKIPPED,
    UNKNOWN,
    WARNING,
    Result,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import SKIPPABLE, SPEC, windows_queries
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.run import RULES, run

from .answers import WINDOWS, windows
from .examples import DAY, defaults, mount_options, options

EVERY = set(RULES.checks) - {"resources.platform"}


def look(host: FakeHost, tmp_path: Path, **changes: Any) -> Result:
    return run({**defaults(SPEC), "state_dir": str(tmp_path / "state"), **changes}, host)


def status_of(result: Result) -> dict[str, str]:
    """Return the status of each check; of one with several findings the worst."""
    return {found["check"]: found["status"] for found in reversed(result.as_dict()["findings"])}


@pytest.mark.parametrize("system", WINDOWS)
def test_every_check_of_linux_has_its_finding_on_windows(system: str, tmp_path: Path) -> None:
    result = look(windows(system), tmp_path)
    assert set(status_of(result)) == EVERY
    assert [found for found in result.findings if found.status == UNKNOWN and found.subject != "F:\\"] == []


def test_one_powershell_answers_everything(tmp_path: Path) -> None:
    host = windows()
    look(host, tmp_path)
    assert len(host.ran) == 1


def test_what_windows_does_not_have_is_skipped_with_a_reason(tmp_path: Path) -> None:
    found = {one.check: one for one in look(windows(), tmp_path).findings}
    for check in ("iowait", "steal", "connections", "deleted_open_files", "inodes"):
        assert found[f"resources.{check}"].status == SKIPPED
    assert found["resources.inodes"].message == "NTFS has no fixed number of inodes"


def test_a_host_in_trouble_says_so(tmp_path: Path) -> None:
    found = {one.check: one for one in look(windows("windows-server-2022"), tmp_path).findings}
    assert found["resources.memory"].status == CRITICAL
    assert "commit limit" in found["resources.memory"].message
    assert found["resources.load"].status == WARNING
    assert "processor queue" in found["resources.load"].message
    assert found["resources.cpu"].status == WARNING, "nine threads wait, so it is no peak"
    assert found["resources.oom_kills"].status == WARNING
    assert "store.exe (pid 7580" in found["resources.oom_kills"].message
    assert found["resources.swap"].status == SKIPPED


def test_busy_processors_for_which_nothing_waits_are_a_peak(tmp_path: Path) -> None:
    idle = {"value": [{"ProcessorQueueLength": 0, "Processors": 4}]}
    found = {one.check: one for one in look(windows("windows-server-2022", queue=idle), tmp_path).findings}
    assert (found["resources.cpu"].status, "a peak" in found["resources.cpu"].message) == (OK, True)


# the query that is refused, and the checks that are unknown then
REFUSED = [
    ("system", {"memory"}),
    ("page_files", {"swap"}),
    ("queue", {"load"}),
    ("handles", {"open_files"}),
    ("cpu", {"cpu", "iowait", "steal"}),
    ("time_service", {"clock"}),
    ("exhaustions", {"oom_kills"}),
    ("log_reach", {"oom_kills"}),
    ("volumes", {"mounts", "not_looked_at"}),
]


@pytest.mark.parametrize(("query", "checks"), REFUSED)
@pytest.mark.parametrize("answer", [
    {"error": "Zugriff verweigert", "kind": "PermissionDenied"}, {"error": "x", "missing": "Get-CimInstance"},
    {"value": ["garbage", None]}, {"value": [{"Name": None}]},
])  # fmt: skip
def test_a_source_that_is_missing_makes_its_checks_unknown_and_no_others(
    query: str, checks: set[str], answer: dict[str, Any], tmp_path: Path
) -> None:
    status = status_of(look(windows(**{query: answer}), tmp_path))
    unknown = {check.split(".")[1] for check, value in status.items() if value == UNKNOWN}
    assert unknown == checks


def test_without_sight_of_volumes_the_disks_with_letters_are_looked_at_and_the_rest_is_unknown(tmp_path: Path) -> None:
    host = windows("windows-server-2022", volumes={"error": "Access denied", "kind": "PermissionDenied"})
    result = look(host, tmp_path)
    assert {one.subject for one in result.findings if one.check == "resources.disk_space"} == {"C:\\", "E:\\"}
    blind = [one for one in result.findings if one.status == UNKNOWN]
    assert [(one.check, one.subject) for one in blind] == [
        ("resources.mounts", "the volumes of Windows"),
        ("resources.not_looked_at", "mounts"),
    ]
    assert all("Access denied" in one.message for one in blind)


@pytest.mark.parametrize("failure", [ToolMissing("powershell.exe"), ToolTimeout("powershell.exe", 60), "no json", "[]"])
def test_without_powershell_everything_it_would_have_said_is_unknown(failure: Any, tmp_path: Path) -> None:
    status = status_of(look(FakeHost("windows", commands={"powershell.exe": failure}), tmp_path))
    assert {value for check, value in status.items()} == {UNKNOWN, SKIPPED}
    assert {c for c, v in status.items() if v == SKIPPED} == {"resources.connections", "resources.deleted_open_files"}


TIMES: list[tuple[dict[str, Any], str, str]] = [
    ({"time_service": {"value": [{"State": "Stopped", "StartMode": "Manual", "Type": "NTP"}]}}, WARNING, "Stopped"),
    ({"time_service": {"value": [{"State": "Running", "StartMode": "Auto", "Type": "NoSync"}]}}, WARNING, "NoSync"),
    ({"time_status": {"value": ["Fehler: 0x80070005"]}}, OK, "the last event of W32Time"),
    ({"time_status": {"value": []}, "time_events": {"value": [{"Id": 36}]}}, WARNING, "the last event of W32Time"),
    ({"time_status": {"value": []}, "time_events": {"value": []}}, UNKNOWN, "expected 16 lines"),
    ({"time_service": {"value": []}}, UNKNOWN, "no service W32Time"),
]


@pytest.mark.parametrize(("changes", "status", "text"), TIMES)
def test_the_clock_is_judged_by_the_service_then_its_status_then_its_last_event(
    changes: dict[str, Any], status: str, text: str, tmp_path: Path
) -> None:
    (found,) = [one for one in look(windows(**changes), tmp_path).findings if one.check == "resources.clock"]
    assert (found.status, text in found.message) == (status, True), found.message


def test_a_declared_volume_is_found_however_its_letter_is_written_and_missed_when_it_is_gone(tmp_path: Path) -> None:
    mounts = [mount_options("c:", disk_free_warning=99.0), mount_options("D:\\data\\"), mount_options("G:\\")]
    result = look(windows("windows-server-2022"), tmp_path, thresholds=options(mounts=mounts))
    space = {one.subject: one.status for one in result.findings if one.check == "resources.disk_space"}
    assert space == {"C:\\": WARNING, "D:\\data": OK, "E:\\": OK}
    lost = [one.subject for one in result.findings if one.check == "resources.mounts" and one.status == CRITICAL]
    assert lost == ["G:\\"]


def test_what_is_left_out_is_not_even_asked(tmp_path: Path) -> None:
    everything = frozenset(SKIPPABLE)
    assert set(windows_queries.queries(0.5, DAY, everything)) == {"volumes", "disks", "system"}
    result = look(windows(), tmp_path, skip=list(SKIPPABLE))
    assert set(status_of(result).values()) == {SKIPPED}


def test_the_queries_take_nothing_but_numbers_into_their_text() -> None:
    asked = windows_queries.queries(0.25, 2 * DAY, frozenset())
    assert "-Milliseconds 250" in asked["cpu"]
    assert "<= 172800000" in asked["exhaustions"] and "EventID=2004" in asked["exhaustions"]
