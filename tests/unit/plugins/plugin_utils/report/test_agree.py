# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever came back and whoever was lost: exit code, recap, report, card, textfile and terminal say the same."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import STATUSES
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.answers import answers_of, standing
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import (
    build_host,
    build_report,
    must_fail,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.html import render_html
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.prometheus import render_prometheus
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.scope import Call
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.summary import summary_lines

from .samples import RUN, document, finding
from .test_render import SCHEMA

AREAS = ("backup", "services", "checkup")
FINDINGS = st.builds(
    finding,
    st.sampled_from(["services.state", "backup.present", "checkup.ran"]),
    st.sampled_from(STATUSES),
    st.sampled_from(["one", "two"]),
    st.sampled_from(["said", "<b>\x1b[2J"]),
)
ENDS = st.sampled_from([{}, {"failed": True, "msg": "broke"}, {"unreachable": True, "msg": "lost"}, {"skipped": True}])
ANSWERS = st.builds(
    lambda findings, end, **more: {"changed": False, "actions": [], "metrics": [], **findings, **end, **more},
    st.one_of(st.just({}), st.lists(FINDINGS, max_size=4).map(lambda found: {"findings": found})),
    ENDS,
    changed=st.booleans(),
)
CHECKUPS = st.builds(
    lambda answer, areas, turns: {**answer, "areas": areas, "results": turns},
    ANSWERS,
    st.dictionaries(st.sampled_from(AREAS), ANSWERS, max_size=2),
    st.lists(ANSWERS, max_size=2),
)
HOSTS = st.dictionaries(
    st.sampled_from(["web", "db", "h'o<s>t"]),
    st.dictionaries(st.sampled_from([f"cryptobot_result_{area}" for area in AREAS]), CHECKUPS, max_size=3),
    max_size=3,
)
CALLS = st.builds(
    Call,
    st.just("weekly.yml"),
    st.booleans(),
    tags=st.sampled_from([["all"], ["W1.3"]]),
    limit=st.sampled_from(["", "web"]),
    asked=st.lists(st.sampled_from(["web", "db", "gone"]), max_size=3),
)
FAIL_ON = st.sampled_from(["warning", "unknown", "critical", "never"])


@pytest.mark.case("RP1", "RP7", "RP9")
@settings(max_examples=200)
@given(HOSTS, CALLS, FAIL_ON)
def test_all_that_tell_of_a_run_agree(hosts: dict[str, Any], call: Call, fail_on: str) -> None:
    report = build_report(hosts, RUN, fail_on, call)
    jsonschema.validate(document(report), json.loads(SCHEMA.read_text("utf-8")))
    said = {host["name"]: host for host in report["hosts"]}
    assert set(said) == set(hosts)
    # the recap: each host judges itself by what is its own
    judged = {name: build_host(name, variables, fail_on)["failed"] for name, variables in hosts.items()}
    assert judged == {name: host["failed"] for name, host in said.items()}
    # the exit code is that of the recap
    assert must_fail(report) is (any(judged.values()) or (not hosts and fail_on != "never"))
    proven_textfile(render_prometheus(report), report)
    proven_page(render_html(report), report)
    lines = [line for line, _colour in summary_lines(report, "x")]
    assert report["run"]["status"].upper() in lines[0]
    for name, host in said.items():
        mine = next(line for line in lines if line.startswith(f"  {name}: "))
        assert mine.startswith(f"  {name}: {host['status']}")
        assert ("(failed)" in mine) is host["failed"]


def proven_textfile(text: str, report: dict[str, Any]) -> None:
    samples = dict(re.findall(r"^(cryptobot_\w+\{.*\}) (\S+)$", text, re.MULTILINE))
    where = f'playbook="weekly",scope="{report["run"]["scope"]["kind"]}"'
    assert float(samples[f"cryptobot_run_status{{{where}}}"]) == STATUSES.index(report["run"]["status"])
    assert bool(float(samples[f"cryptobot_run_failed{{{where}}}"])) is report["run"]["failed"]
    for host in report["hosts"]:
        mine = f'{{host="{host["name"]}",{where}}}'
        assert float(samples[f"cryptobot_host_status{mine}"]) == STATUSES.index(host["status"])
        assert bool(float(samples[f"cryptobot_host_failed{mine}"])) is host["failed"]
        for status, count in host["counts"].items():
            assert float(samples[f'cryptobot_findings{{host="{host["name"]}",status="{status}",{where}}}']) == count


def proven_page(page: str, report: dict[str, Any]) -> None:
    assert f"<title>Cryptobot maintenance: {report['run']['status']}</title>" in page
    cards = Counter(re.findall(r'<article class="card (\w+)">', page))
    assert cards == Counter(host["status"] for host in report["hosts"])
    bad = {
        status: count for status, count in report["run"]["counts"].items() if status not in ("ok", "skipped") and count
    }
    assert Counter(re.findall(r'<tr class="finding" data-status="(\w+)">', page)) == bad


@pytest.mark.case("RP1", "RP9")
@settings(max_examples=200)
@given(HOSTS, FAIL_ON)
def test_no_finding_is_milder_in_the_report_than_in_its_modules_answer(hosts: dict[str, Any], fail_on: str) -> None:
    report = build_report(hosts, RUN, fail_on)
    for name, variables in hosts.items():
        told = [found for answer in standing(answers_of(variables)) for found in answer.said.get("findings", [])]
        shown = [found for found in report["findings"] if found["host"] == name]
        wanted = Counter((found["check"], found["subject"], found["status"]) for found in told)
        assert wanted <= Counter((found["check"], found["subject"], found["status"]) for found in shown)
        (host,) = [host for host in report["hosts"] if host["name"] == name]
        assert sum(host["counts"].values()) == len(shown)
        for procedure in host["procedures"]:
            own = [found["status"] for found in shown if found["area"] == procedure["area"]]
            assert not own or procedure["status"] == max(own, key=STATUSES.index)
        # what was replaced was replaced by a later look of the same area
        replaced = {answer.area for answer in answers_of(variables)} - {a.area for a in standing(answers_of(variables))}
        assert replaced == set()
