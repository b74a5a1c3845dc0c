# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report, must_fail

from .samples import RUN, checkup, finding, result

LOST = {"unreachable": True, "msg": "Connection timed out", "changed": False}
FAILED_TO_LOOK = {"failed": True, "msg": "dir is required", "changed": False}
FAILED_TO_ACT = result(finding("database.space", "critical"), failed=True, msg="the disk is full")
SKIPPED = {"skipped": True, "changed": False}

# (what a host registered, the check asked for, its status)
CASES = [
    ({"cryptobot_result_x": result(finding("a.b", "warning"))}, "a.b", "warning"),
    ({"cryptobot_result_checkup": checkup(services=result(finding("a.b", "critical")))}, "a.b", "critical"),
    ({"cryptobot_result_x": {"results": [result(finding("a.b", "warning"))], "changed": False}}, "a.b", "warning"),
    ({"cryptobot_result_x": result(finding("a.b", "ok"))}, "run.reached", "ok"),
    ({}, "run.reached", "unknown"),
    ({"cryptobot_result_x": LOST}, "run.reached", "unknown"),
    ({"cryptobot_result_x": LOST}, "run.procedure", "unknown"),
    ({"cryptobot_result_x": FAILED_TO_LOOK}, "run.procedure", "unknown"),
    ({"cryptobot_result_x": FAILED_TO_ACT}, "run.procedure", "critical"),
    ({"cryptobot_result_x": FAILED_TO_ACT}, "database.space", "critical"),
    ({"cryptobot_result_x": result(finding("a.b", "ok"))}, "run.procedure", "ok"),
]


def statuses(report: dict, check: str) -> list[str]:
    return [found["status"] for found in report["findings"] if found["check"] == check]


@pytest.mark.parametrize(("registered", "check", "status"), CASES)
def test_each_way_a_task_can_end_becomes_its_finding(registered: dict, check: str, status: str) -> None:
    assert statuses(build_report({"h1": registered}, RUN), check) == [status]


def test_a_skipped_procedure_makes_no_finding_of_its_own() -> None:
    report = build_report(
        {"h1": {"cryptobot_result_y": SKIPPED, "cryptobot_result_x": result(finding("a.b", "ok"))}}, RUN
    )
    assert [found["subject"] for found in report["findings"] if found["check"] == "run.procedure"] == ["x"]


def test_a_lost_host_keeps_what_was_found_before_it_went() -> None:
    report = build_report(
        {"h1": {"cryptobot_result_a": result(finding("a.b", "warning")), "cryptobot_result_b": LOST}}, RUN
    )
    assert statuses(report, "a.b") == ["warning"]
    assert report["hosts"][0]["status"] == "unknown"


def test_a_later_look_at_the_same_subject_replaces_that_of_the_checkup() -> None:
    registered = {
        "cryptobot_result_backup": result(finding("backup.present", "ok")),
        "cryptobot_result_checkup": checkup(backup=result(finding("backup.present", "critical"))),
    }
    assert statuses(build_report({"h1": registered}, RUN), "backup.present") == ["ok"]


def test_another_subject_of_the_same_check_is_kept() -> None:
    registered = {"cryptobot_result_x": result(finding("a.b", "ok", "one"), finding("a.b", "critical", "two"))}
    assert sorted(statuses(build_report({"h1": registered}, RUN), "a.b")) == ["critical", "ok"]


def test_the_worst_host_and_the_worst_finding_come_first() -> None:
    hosts = {
        name: {"cryptobot_result_x": result(finding("a.b", status))}
        for name, status in [("good", "ok"), ("bad", "critical")]
    }
    report = build_report(hosts, RUN)
    assert [host["name"] for host in report["hosts"]] == ["bad", "good"]
    assert report["findings"][0]["status"] == report["run"]["status"] == "critical"


def test_other_variables_of_a_host_are_left_alone() -> None:
    registered = {"cryptobot_password": "hunter2", "cryptobot_result_x": result(finding("a.b", "ok"))}
    assert "hunter2" not in str(build_report({"h1": registered}, RUN))


# (status of the one finding, fail_on, the run fails)
EXITS = [
    ("critical", "critical", True),
    ("critical", "never", False),
    ("warning", "critical", False),
    ("warning", "warning", True),
    ("unknown", "critical", False),
    ("unknown", "unknown", True),
    ("ok", "warning", False),
]


@pytest.mark.parametrize(("status", "fail_on", "fails"), EXITS)
def test_the_run_fails_from_the_declared_status_on(status: str, fail_on: str, fails: bool) -> None:
    report = build_report({"h1": {"cryptobot_result_x": result(finding("a.b", status))}}, RUN)
    assert must_fail(report, fail_on) is fails


@pytest.mark.parametrize("registered", [{}, {"cryptobot_result_x": LOST}, {"cryptobot_result_x": FAILED_TO_LOOK}])
@pytest.mark.parametrize(("fail_on", "fails"), [("critical", True), ("never", False)])
def test_no_news_fails_the_run_like_bad_news(registered: dict, fail_on: str, fails: bool) -> None:
    assert must_fail(build_report({"h1": registered}, RUN), fail_on) is fails
