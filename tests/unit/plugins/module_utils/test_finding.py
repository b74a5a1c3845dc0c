# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding, Check, Action and Result: what may be said, and in which order a reader sees it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    ACTION_STATES,
    CRITICAL,
    DONE,
    OK,
    PLANNED,
    SKIPPED,
    STATUSES,
    UNKNOWN,
    WARNING,
    Action,
    Check,
    Finding,
    Metric,
    Result,
    catalogue,
    worst,
)

WORST = [
    ([], UNKNOWN),  # nothing was looked at
    ([SKIPPED], SKIPPED),
    ([SKIPPED, OK], OK),
    ([OK, WARNING], WARNING),
    ([WARNING, UNKNOWN], UNKNOWN),  # unknown is never ok, and worse than a warning
    ([UNKNOWN, CRITICAL, OK], CRITICAL),
]

BAD_CHECK_IDS = ["", "services", "Services.state", "services.", ".state", "services state", "services.state ", "a-b.c"]

CHECK = Check("services.state", "D1.2", "Whether each service runs.", "Start it.", "goss")


@pytest.mark.parametrize(("statuses", "expected"), WORST)
def test_the_worst_of_several_statuses_stands_for_all(statuses: list[str], expected: str) -> None:
    assert worst(statuses) == expected


def test_a_status_nobody_defined_cannot_be_the_worst() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        worst([OK, "fine"])


@pytest.mark.parametrize("check", BAD_CHECK_IDS)
def test_a_check_id_of_another_form_is_refused(check: str) -> None:
    with pytest.raises(ValueError, match=r"area\.rule"):
        Finding(check, "auth", OK, "runs")


def test_a_status_of_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="fine"):
        Finding("services.state", "auth", "fine", "runs")


@pytest.mark.parametrize("status", STATUSES)
def test_a_finding_of_a_check_bears_its_id_and_procedure(status: str) -> None:
    finding = CHECK.finding(status, "auth", "as seen", expected="running", actual="dead")
    assert (finding.check, finding.procedure, finding.status) == ("services.state", "D1.2", status)
    assert (finding.expected, finding.actual) == ("running", "dead")


@pytest.mark.parametrize("status", [status for status in STATUSES if status != OK])
def test_a_finding_that_is_not_ok_carries_the_remedy_of_its_check(status: str) -> None:
    assert CHECK.finding(status, "auth", "as seen").remedy == "Start it."


def test_a_remedy_given_with_the_finding_replaces_the_one_of_the_check() -> None:
    assert CHECK.finding(CRITICAL, "auth", "dead", remedy="Read its log.").remedy == "Read its log."


def test_an_ok_finding_offers_no_remedy() -> None:
    assert CHECK.finding(OK, "auth", "runs", remedy="Start it.").remedy == ""


def test_a_check_id_may_stand_only_once_in_a_catalogue() -> None:
    with pytest.raises(ValueError, match="twice"):
        catalogue(CHECK, Check("services.state", "W1.4", "Another.", "Another."))


def test_a_catalogue_gives_each_check_by_its_id() -> None:
    other = Check("services.restarts", "D1.2", "Restarts.", "Read its log.")
    assert catalogue(CHECK, other) == {"services.state": CHECK, "services.restarts": other}


def test_an_action_state_of_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="later"):
        Action("delete", "/tmp/x", "later", "old")


@pytest.mark.parametrize("state", ACTION_STATES)
def test_an_action_becomes_plain_json(state: str) -> None:
    action = Action("delete", "/tmp/x", state, "old", {"bytes": 3})
    assert json.loads(json.dumps(action.as_dict())) == {
        "action": "delete",
        "subject": "/tmp/x",
        "state": state,
        "reason": "old",
        "details": {"bytes": 3},
    }


def test_a_result_without_findings_is_unknown() -> None:
    assert Result().status == UNKNOWN
    assert Result().as_dict()["status"] == UNKNOWN


def _mixed_result() -> Result:
    findings = [
        Finding("b.rule", "x", OK, ""),
        Finding("a.rule", "y", CRITICAL, ""),
        Finding("a.rule", "x", CRITICAL, ""),
        Finding("c.rule", "x", UNKNOWN, ""),
        Finding("c.rule", "y", SKIPPED, ""),
    ]
    return Result(findings, [Metric("cryptobot_x_bytes", 1.5, "bytes", {"mount": "/"})], data={"services": [{"n": 1}]})


def test_a_result_lists_its_findings_worst_first_then_by_check_and_subject() -> None:
    listed = [(f["status"], f["check"], f["subject"]) for f in _mixed_result().as_dict()["findings"]]
    assert listed == [
        (CRITICAL, "a.rule", "x"),
        (CRITICAL, "a.rule", "y"),
        (UNKNOWN, "c.rule", "x"),
        (OK, "b.rule", "x"),
        (SKIPPED, "c.rule", "y"),
    ]


def test_a_result_becomes_plain_json_with_the_data_of_its_area() -> None:
    answer = json.loads(json.dumps(_mixed_result().as_dict()))
    assert answer["services"] == [{"n": 1}]
    assert answer["metrics"] == [{"name": "cryptobot_x_bytes", "value": 1.5, "unit": "bytes", "labels": {"mount": "/"}}]
    assert (answer["status"], answer["changed"], answer["actions"]) == (CRITICAL, False, [])


def test_the_data_of_an_area_cannot_hide_what_every_result_has() -> None:
    result = Result([Finding("a.rule", "x", WARNING, "")], data={"status": OK, "findings": [], "changed": True})
    answer = result.as_dict()
    assert (answer["status"], len(answer["findings"]), answer["changed"]) == (WARNING, 1, False)


def test_a_diff_is_returned_only_where_there_is_one() -> None:
    assert "diff" not in Result().as_dict()
    assert Result(diff={"before": "a", "after": "b"}).as_dict()["diff"] == {"before": "a", "after": "b"}


def test_planned_and_done_are_different_words_for_the_same_step() -> None:
    steps = [Action("delete", "/tmp/x", state, "old") for state in (PLANNED, DONE)]
    assert {(step.action, step.subject) for step in steps} == {("delete", "/tmp/x")}


def test_a_finding_that_follows_from_another_names_it_and_others_do_not_speak_of_it() -> None:
    follows = Finding("services.http", "data", SKIPPED, "no answer", consequence_of="services.state auth")
    assert follows.as_dict()["consequence_of"] == "services.state auth"
    assert "consequence_of" not in Finding("services.http", "data", SKIPPED, "no answer").as_dict()
