# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report, must_fail
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.html import render_html
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.scope import Call

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


@pytest.mark.case("L10b")
def test_a_checkup_that_was_asked_for_none_of_its_areas_is_no_procedure() -> None:
    skipped = {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"}
    answers = {"cryptobot_result_checkup": skipped, "cryptobot_result_database": result()}
    (host,) = build_report({"a": answers}, RUN)["hosts"]
    assert [procedure["area"] for procedure in host["procedures"]] == ["database"]
    (nothing,) = build_report({"a": {"cryptobot_result_checkup": skipped}}, RUN)["hosts"]
    assert (nothing["reached"], nothing["failed"]) == (False, True)


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


@pytest.mark.case("L10a")
def test_hosts_with_wrong_variables_are_left_out_of_a_whole_run_and_did_not_answer() -> None:
    mistaken = {"findings": [finding("run.inventory", "unknown", "cryptobot_services")], "left_out": True}
    results = {"a1": {"cryptobot_result_backup": result()}, "a2": {"cryptobot_result_validation": mistaken}}
    call = Call("weekly.yml", False, asked=["a1", "a2", "a3"])
    scope = build_report(results, RUN, call=call._replace(asked=["a1", "a2"]))["run"]["scope"]
    assert (scope["kind"], scope["why"]) == ("whole", [])
    assert (scope["hosts_reached"], scope["hosts_answered"], scope["hosts_left_out"]) == (1, 1, ["a2"])
    limited = build_report(results, RUN, call=call)["run"]["scope"]
    assert (limited["kind"], limited["why"]) == ("partial", ["1 of 3 hosts were left out"])
    assert limited["hosts_left_out"] == ["a2", "a3"]


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
    report = build_report({"h1": {"cryptobot_result_x": result(finding("a.b", status))}}, RUN, fail_on)
    assert must_fail(report) is fails


@pytest.mark.parametrize("registered", [{}, {"cryptobot_result_x": LOST}, {"cryptobot_result_x": FAILED_TO_LOOK}])
@pytest.mark.parametrize(("fail_on", "fails"), [("critical", True), ("never", False)])
def test_no_news_fails_the_run_like_bad_news(registered: dict, fail_on: str, fails: bool) -> None:
    assert must_fail(build_report({"h1": registered}, RUN, fail_on)) is fails


def test_an_area_that_a_checkup_could_not_look_at_fails_the_run_and_a_run_of_no_host_does() -> None:
    blind = result(finding("checkup.ran", "unknown", "services"))
    assert must_fail(build_report({"h1": {"cryptobot_result_checkup": blind}}, RUN))
    assert must_fail(build_report({}, RUN))
    assert not must_fail(build_report({}, RUN, "never"))


# Two findings of one answer about one subject: none may take the place of the other, in whichever order they came.
TWINS = [("critical", "warning"), ("warning", "critical"), ("critical", "unknown"), ("ok", "critical"), ("ok", "ok")]


@pytest.mark.case("RP1")
@pytest.mark.parametrize("statuses_", TWINS)
@pytest.mark.parametrize("wrap", ["plain", "checkup", "loop"])
def test_nothing_within_one_answer_is_ever_dropped(statuses_: tuple, wrap: str) -> None:
    twins = result(*(finding("backup.checksum", status, "set", f"said {at}") for at, status in enumerate(statuses_)))
    said = {
        "plain": {"cryptobot_result_backup": twins},
        "checkup": {"cryptobot_result_checkup": checkup(backup=twins)},
        "loop": {"cryptobot_result_backup": {"results": [result(each) for each in twins["findings"]]}},
    }[wrap]
    report = build_report({"h1": said}, RUN)
    assert sorted(statuses(report, "backup.checksum")) == sorted(statuses_)
    assert must_fail(report) is ("critical" in statuses_)


@pytest.mark.case("RP1")
def test_a_later_answer_replaces_what_an_earlier_one_of_its_area_said_of_the_same_and_nothing_else() -> None:
    earlier = checkup(
        backup=result(finding("backup.present", "critical"), finding("backup.age", "critical")),
        services=result(finding("services.state", "critical", "auth")),
    )
    later = result(finding("backup.present", "ok"), finding("backup.present", "warning"))
    report = build_report({"h1": {"cryptobot_result_backup": later, "cryptobot_result_checkup": earlier}}, RUN)
    assert sorted(statuses(report, "backup.present")) == ["ok", "warning"]
    assert statuses(report, "backup.age") == ["critical"]  # of that nobody said anything since
    assert statuses(report, "services.state") == ["critical"]


@pytest.mark.case("RP1")
@pytest.mark.parametrize("later", [LOST, FAILED_TO_LOOK, SKIPPED, result()])
def test_an_answer_without_findings_replaces_nothing(later: dict) -> None:
    earlier = checkup(backup=result(finding("backup.present", "critical")))
    report = build_report({"h1": {"cryptobot_result_backup": later, "cryptobot_result_checkup": earlier}}, RUN)
    assert statuses(report, "backup.present") == ["critical"]


@pytest.mark.case("RP9")
def test_a_card_says_of_an_area_what_its_findings_amount_to() -> None:
    registered = {
        "cryptobot_result_backup": result(finding("backup.present", "ok"), changed=True),
        "cryptobot_result_checkup": checkup(backup=result(finding("backup.present", "critical"), status="critical")),
    }
    (host,) = build_report({"h1": registered}, RUN)["hosts"]
    cards = {procedure["area"]: (procedure["status"], procedure["changed"]) for procedure in host["procedures"]}
    assert cards == {"checkup": ("ok", False), "backup": ("ok", True)}
    assert host["status"] == "ok"


@pytest.mark.case("RP1")
@pytest.mark.parametrize("odd", ["no mapping", {"status": "fine", "check": "a.b"}, {"check": "a.b", "subject": "x"}])
def test_a_finding_that_cannot_be_read_is_unknown(odd: object) -> None:
    report = build_report({"h1": {"cryptobot_result_x": result(odd)}}, RUN)  # type: ignore[arg-type]
    assert report["run"]["status"] == "unknown"


def test_findings_that_did_not_fit_an_answer_are_said() -> None:
    cut = result(finding("a.b", "ok"), cut=["findings: 4000 of 9000 left out", "data.findings: x"])
    report = build_report({"h1": {"cryptobot_result_x": cut}}, RUN)
    assert statuses(report, "run.complete") == ["unknown"]
    assert must_fail(report)
    less = build_report({"h1": {"cryptobot_result_x": result(finding("a.b", "ok"), cut=["data.sets: 1 of 2"])}}, RUN)
    assert statuses(less, "run.complete") == []


ROOT = finding("services.state", "critical", "auth", "does not run")
FOLLOWS = {**finding("services.http", "skipped", "trade", "cannot ask auth"), "consequence_of": "services.state auth"}


@pytest.mark.case("RP1")
def test_what_follows_from_another_finding_is_not_counted_again_and_stands_under_it() -> None:
    report = build_report({"h1": {"cryptobot_result_x": result(ROOT, FOLLOWS)}}, RUN)
    assert (report["run"]["counts"]["critical"], report["run"]["counts"]["unknown"]) == (1, 0)
    page = render_html(report)
    assert page.index("does not run") < page.index("1 more follows from it") < page.index("cannot ask auth")


@pytest.mark.case("RP1")
@pytest.mark.parametrize(
    "root", [finding("services.state", "ok", "auth"), finding("services.state", "critical", "data")]
)
def test_what_follows_from_nothing_that_is_there_is_unknown(root: dict) -> None:
    report = build_report({"h1": {"cryptobot_result_x": result(root, FOLLOWS)}}, RUN)
    assert statuses(report, "services.http") == ["unknown"]


def test_two_tasks_of_one_area_are_told_apart_by_what_follows_two_lines() -> None:
    """Both count for the area, and what the later one says of the same stands."""
    knock = result(finding("a.b", "critical"), finding("a.c", "warning"))
    answers = {"cryptobot_result_x__knock": knock, "cryptobot_result_x": result(finding("a.d", "ok"))}
    report = build_report({"h1": answers}, RUN)
    (host,) = report["hosts"]
    assert [(each["area"], each["status"]) for each in host["procedures"]] == [("x", "critical")]
    assert [statuses(report, check) for check in ("a.b", "a.c", "a.d")] == [["critical"], ["warning"], ["ok"]]
    assert {found["area"] for found in report["findings"] if found["check"].startswith("a.")} == {"x"}
    later = {"cryptobot_result_x": knock, "cryptobot_result_x__later": result(finding("a.b", "ok"))}
    assert statuses(build_report({"h1": later}, RUN), "a.b") == ["ok"]
