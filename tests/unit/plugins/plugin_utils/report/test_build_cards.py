# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's card: each area once, what changed, what failed and with which last words; and when a run fails."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import (
    build_host,
    build_report,
    must_fail,
)

from .samples import RUN, finding, result

SKIPPED = {"skipped": True}
BROKE, STOPPED = {"failed": True, "msg": "broke"}, {"failed": True, "msg": "stopped"}
WELL = result(finding("a.b", "ok"))


def card(**answers: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the report of a host that registered these answers by area."""
    return build_host("h1", {f"cryptobot_result_{area}": said for area, said in answers.items()}, "critical")


def loop(*turns: dict[str, Any]) -> dict[str, Any]:
    return {"results": list(turns)}


# (what the task of an area registered; status, changed, failed and message of the area)
CARDS = [
    (SKIPPED, ("skipped", False, False, "")),
    ({**SKIPPED, **loop(SKIPPED, SKIPPED)}, ("skipped", False, False, "")),
    (WELL, ("ok", False, False, "")),
    ({**WELL, "changed": True}, ("ok", True, False, "")),
    (loop(WELL, {**WELL, "changed": True}, SKIPPED), ("ok", True, False, "")),
    (BROKE, ("unknown", False, True, "broke")),
    (loop(WELL, BROKE, STOPPED, WELL), ("unknown", False, True, "stopped")),
    ({"failed": True}, ("unknown", False, True, "")),
    ({**WELL, "failed": True, "msg": "the disk is full"}, ("critical", False, True, "the disk is full")),
]


@pytest.mark.parametrize(("said", "told"), CARDS)
def test_an_area_is_told_once_with_the_last_words_of_what_failed(said: dict, told: tuple) -> None:
    (area,) = card(backup=said)["procedures"]
    status, changed, failed, message = told
    wanted = {"area": "backup", "status": status, "changed": changed, "failed": failed, "message": message}
    assert area == wanted


def test_areas_come_in_the_order_of_their_answers_and_have_only_what_is_their_own() -> None:
    told = card(backup={**WELL, "changed": True}, cleanup=SKIPPED, services=result(finding("c.d", "warning")))
    areas = [(area["area"], area["status"], area["changed"]) for area in told["procedures"]]
    assert areas == [("backup", "ok", True), ("cleanup", "skipped", False), ("services", "warning", False)]
    assert told["changed"]
    assert not card(backup=WELL, cleanup=SKIPPED)["changed"]


def ends(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f["subject"], f["status"]) for f in told["findings"] if f["check"] == "run.procedure"]


def test_an_end_that_failed_takes_the_place_of_one_that_did_not_of_its_area_alone() -> None:
    told = card(backup=loop(WELL, BROKE), services=loop(WELL, WELL), cleanup=SKIPPED)
    assert ends(told) == [("backup", "unknown"), ("services", "ok")]
    twice = loop({**WELL, "failed": True, "msg": "full"}, BROKE)
    assert ends(card(backup={"skipped": True, **twice})) == [("backup", "critical"), ("backup", "unknown")]


def test_an_answer_that_looked_came_to_an_end_though_it_calls_itself_skipped() -> None:
    assert ends(card(backup={**WELL, "skipped": True})) == [("backup", "ok")]


FOLLOWS = {"consequence_of": "services.state auth"}
# (what else was found, a finding, its status in the report)
ROOTS = [
    ("critical", {**finding("a.b", "skipped"), **FOLLOWS}, "skipped"),
    ("unknown", {**finding("a.b", "skipped"), **FOLLOWS}, "skipped"),
    ("ok", {**finding("a.b", "skipped"), **FOLLOWS}, "unknown"),
    ("skipped", {**finding("a.b", "skipped"), **FOLLOWS}, "unknown"),
    ("ok", {**finding("a.b", "warning"), **FOLLOWS}, "warning"),
    ("ok", {**finding("a.b", "ok"), **FOLLOWS}, "ok"),
    ("ok", {**finding("a.b", "skipped"), "consequence_of": ""}, "skipped"),
    ("ok", finding("a.b", "skipped"), "skipped"),
]


@pytest.mark.parametrize(("root", "follower", "status"), ROOTS)
def test_only_what_was_skipped_for_a_cause_that_is_not_bad_is_unknown(root: str, follower: dict, status: str) -> None:
    told = card(services=result(finding("services.state", root, "auth"), follower))
    assert [found["status"] for found in told["findings"] if found["check"] == "a.b"] == [status]


def test_a_host_whose_variables_were_looked_at_and_are_right_has_answered() -> None:
    report = build_report({"h1": {"cryptobot_result_validation": WELL}}, RUN)
    scope = report["run"]["scope"]
    assert (scope["hosts_answered"], scope["hosts_left_out"]) == (1, [])
    assert report["schema"] == 2  # of docs/report.schema.json


GOOD = {"cryptobot_result_backup": WELL}
BAD = {"cryptobot_result_backup": result(finding("a.b", "critical"))}


@pytest.mark.parametrize(
    ("hosts", "fail_on", "fails"),
    [
        ({"h1": GOOD}, "critical", False),
        ({"h1": GOOD, "h2": BAD}, "critical", True),
        ({"h1": GOOD, "h2": BAD}, "never", False),
        ({}, "critical", True),
        ({}, "never", False),
    ],
)
def test_one_bad_host_fails_a_run_and_so_does_none_at_all(hosts: dict, fail_on: str, fails: bool) -> None:
    assert must_fail(build_report(hosts, RUN, fail_on)) is fails
