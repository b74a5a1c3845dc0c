# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
_spec = importlib.util.spec_from_file_location("cases_run", CHECKOUT / "scripts" / "cases" / "run.py")
run = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(run)

JUNIT = """<testsuites><testsuite>
  <testcase name="plain"/>
  <testcase name="good"><properties><property name="case" value="SV1"/><property name="case" value="SV2"/></properties>
  </testcase>
  <testcase name="bad"><properties><property name="case" value="SV1"/></properties><failure/></testcase>
  <testcase name="broken"><properties><property name="case" value="SV3"/></properties><error/></testcase>
  <testcase name="left out"><properties><property name="case" value="SV4"/></properties><skipped/></testcase>
</testsuite></testsuites>"""


def test_the_results_of_a_junit_file(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(JUNIT)
    expected = [("SV1", "passed"), ("SV2", "passed"), ("SV1", "failed"), ("SV3", "failed"), ("SV4", "skipped")]
    assert list(run.results(report)) == expected
    assert list(run.results(tmp_path / "none.xml")) == []


@pytest.mark.parametrize(
    ("counted", "verdict"),
    [
        ({}, "no test"),
        ({"skipped": 2}, "skipped"),
        ({"passed": 1, "skipped": 2}, "passed"),
        ({"passed": 5, "failed": 1}, "failed"),
    ],
)
def test_a_case_is_proven_by_a_test_that_passed_and_none_that_failed(counted, verdict):
    assert run.verdict(Counter(counted)) == verdict


def test_every_case_of_the_list_has_an_id_a_severity_and_a_situation():
    rows = run.cases(CHECKOUT / "tests" / "cases.tsv")
    assert rows and all(len(row) == 3 for row in rows)
    assert len({row[0] for row in rows}) == len(rows)


def test_an_id_that_no_case_has_is_no_success(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run.py", "SV1", "SV99"])
    assert run.main() == 2
    assert capsys.readouterr().err == "no case begins with SV99; cases.tsv lists them\n"
