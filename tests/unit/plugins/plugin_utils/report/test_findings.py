# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The findings of a report are a list for whoever reads them, and its document has one of them a line."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.answers import results_of
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.document import TOGETHER, parts_of_document
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.findings import Findings, uncollected

from .fleet import fleet
from .samples import RUN, document, finding, result


def findings_of(*said: dict[str, Any], host: str = "h1") -> Findings:
    found: Findings = build_report({host: {"cryptobot_result_x": result(*said)}}, RUN)["findings"]
    return found


def test_findings_are_a_list_worst_first() -> None:
    found = findings_of(
        finding("b.c", "ok"), finding("a.b", "skipped"), finding("a.b", "ok"), finding("c.d", "critical")
    )
    told = [(each["status"], each["check"]) for each in found]
    assert told[0] == ("critical", "c.d")
    assert told[1:] == [
        ("ok", "a.b"),
        ("ok", "b.c"),
        ("ok", "run.procedure"),
        ("ok", "run.reached"),
        ("skipped", "a.b"),
    ]
    assert len(found) == 6
    assert [found[at] for at in range(6)] == list(found) == found[:]
    assert (found[-1], found[1:3]) == (list(found)[-1], list(found)[1:3])
    with pytest.raises(IndexError):
        found[6]


def test_findings_of_hosts_stand_in_the_order_of_their_status_and_then_of_their_hosts() -> None:
    said = result(finding("a.b", "warning"), finding("a.b", "ok"), finding("a.b", "skipped"))
    worse = result(*said["findings"], finding("a.b", "critical"))
    answers = {"h2": worse, "h1": said}
    report = build_report({name: {"cryptobot_result_x": answer} for name, answer in answers.items()}, RUN)
    told = [(each["status"], each["host"]) for each in report["findings"] if each["check"] == "a.b"]
    others = [(status, host) for status in ("warning", "ok", "skipped") for host in ("h1", "h2")]
    assert told == [("critical", "h2"), *others]


@pytest.mark.parametrize("status", ["ok", "critical"])
def test_a_finding_is_of_the_host_and_area_that_said_it_whatever_it_says_of_itself(status: str) -> None:
    said = {**finding("a.b", status), "host": "h9", "area": "run"}
    (told,) = (each for each in findings_of(said) if each["check"] == "a.b")
    assert (told["host"], told["area"]) == ("h1", "x")


@pytest.mark.parametrize("status", ["ok", "warning"])
def test_what_a_finding_leaves_out_is_empty(status: str) -> None:
    (told,) = (each for each in findings_of({"status": status, "check": "a.b"}) if each["check"] == "a.b")
    nothing = {"subject": "", "message": "", "expected": None, "actual": None, "remedy": "", "procedure": ""}
    assert told == {"host": "h1", "area": "x", "check": "a.b", "status": status, **nothing}
    told = next(each for each in findings_of({"status": status, "remedy": None}) if each["subject"] == "")
    assert (told["check"], told["remedy"]) == ("run.complete", "")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(["host", "name", "x"]), each, max_size=3),
)
SAID = st.builds(
    lambda status, message, actual: {**finding("a.b", status, message=message), "actual": actual},
    st.sampled_from(["ok", "skipped", "critical"]),
    st.sampled_from(["said", '},{"host":"h9"', "line\nline", '\\"'])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    VALUES | st.just([{"host": 1}, {"host": 2}]),
)


@given(st.lists(SAID, max_size=5), st.sampled_from(["h1", "h<>2"]))
def test_a_reader_of_the_document_gets_the_report(said: list[dict[str, Any]], host: str) -> None:
    report = build_report({host: {"cryptobot_result_x": result(*said)}}, RUN)
    assert document(report) == {**report, "findings": list(report["findings"])}
    lines = "".join(parts_of_document(report)).split("\n")
    members = [json.loads(line.rstrip(",")) for line in lines[1:] if line.startswith("{")]
    assert members == [*report["hosts"], *report["findings"]]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_document_has_a_host_and_a_finding_a_line_and_no_blanks(count: int) -> None:
    report = build_report(fleet(count), RUN)
    head, *lines = "".join(parts_of_document(report)).split("\n")
    assert (head[:12], head[-1]) == ('{"schema":2,', ",")
    assert [line for line in lines if not line.startswith("{")] == ['"hosts":[', "],", '"findings":[', "]}", ""]
    members = [line.removesuffix(",") for line in lines if line.startswith("{")]
    told = [*report["hosts"], *report["findings"]]
    assert members == [json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in told]
    assert len(members) == 147 * count
    assert document(report) == {**report, "findings": list(report["findings"])}
    assert TOGETHER < 3 * 146  # more than once as many as are written together


def test_python_looks_for_cycles_again_after_a_report_and_never_where_it_did_not_before() -> None:
    states = []
    look = uncollected(lambda: states.append(gc.isenabled()))
    look()
    assert gc.isenabled()
    gc.disable()
    try:
        look()
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(ZeroDivisionError):
        uncollected(lambda: 1 / 0)()
    assert gc.isenabled()
    assert states == [False, False]


def test_results_are_sealed_where_they_were_not_and_all_else_is_left_alone() -> None:
    sealed = result(finding("a.b", "ok"))
    odd = result(finding("a.b", "ok", message="\x1b[2J"))
    variables = {"cryptobot_result_a": sealed, "cryptobot_result_b": odd, "cryptobot_result_c": "text", "other": odd}
    told = results_of(variables)
    assert list(told) == ["cryptobot_result_a", "cryptobot_result_b"]
    assert told["cryptobot_result_a"] is sealed
    assert told["cryptobot_result_b"]["findings"][0]["message"] == "\\x1b[2J"
