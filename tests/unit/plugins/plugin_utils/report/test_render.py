# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.history import (
    publish_report,
    publish_textfile,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.html import render_html
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.prometheus import render_prometheus
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.summary import printable, summary_lines

from .samples import HOSTILE, RUN, finding, result

METRIC = {"name": "cryptobot_disk_used_ratio", "value": 0.5, "unit": "ratio", "labels": {"mount": '/a "b"\n'}}
ACTION = {"action": "vacuum", "subject": "audit_logs", "state": "done", "reason": HOSTILE, "details": {}}
SCHEMA = Path(__file__).parents[5] / "docs" / "report.schema.json"


@pytest.fixture
def report() -> dict:
    hostile = finding("a.b", "critical", HOSTILE, HOSTILE)
    return build_report({"h1": {"cryptobot_result_x": result(hostile, metrics=[METRIC], actions=[ACTION])}}, RUN)


def test_the_report_fits_its_published_schema(report: dict) -> None:
    jsonschema.validate(report, json.loads(SCHEMA.read_text("utf-8")))


def test_the_schema_refuses_a_report_without_its_findings(report: dict) -> None:
    del report["findings"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, json.loads(SCHEMA.read_text("utf-8")))


def test_hostile_text_stays_text_in_the_page(report: dict) -> None:
    page = render_html(report)
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_the_page_names_the_hash_of_its_own_script_and_allows_no_other(report: dict) -> None:
    page = render_html(report)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1].replace("&#39;", "'")
    assert "unsafe-inline" not in policy[1]


def test_the_page_loads_nothing_from_elsewhere(report: dict) -> None:
    assert re.findall(r"<[a-z]+\b[^>]*\b(?:src|href)=", render_html(report)) == []


def test_the_textfile_escapes_labels_and_groups_names(report: dict) -> None:
    text = render_prometheus(report)
    assert 'cryptobot_disk_used_ratio{host="h1",mount="/a \\"b\\"\\n"} 0.5\n' in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["bad-name", "1st", ""])
def test_a_metric_that_the_format_does_not_allow_is_left_out(report: dict, name: str) -> None:
    report["hosts"][0]["metrics"] = [{**METRIC, "name": name}]
    assert "0.5" not in render_prometheus(report)


def test_hostile_text_cannot_steer_the_terminal(report: dict) -> None:
    text = "\n".join(line for line, _colour in summary_lines(report, "/r/report.html"))
    assert "\x1b" not in text
    assert "\\x1b" in text


def test_printable_leaves_ordinary_text_alone() -> None:
    assert printable("Überlauf 95 %") == "Überlauf 95 %"


def test_a_report_is_private_and_latest_names_it(report: dict, tmp_path: Path) -> None:
    folder = publish_report(report, tmp_path, keep=3)
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "report.json": 0o600,
        "report.html": 0o600,
        "cryptobot.prom": 0o600,
    }
    assert (tmp_path / "latest").resolve() == folder


def test_only_the_newest_runs_are_kept_and_what_a_killed_run_left_goes(report: dict, tmp_path: Path) -> None:
    (tmp_path / "20261101T000000Z-aaaaaa.partial").mkdir()
    (tmp_path / "notes").mkdir()
    for day in range(1, 6):
        publish_report({**report, "run": {**report["run"], "id": f"2026110{day}T000000Z-abcdef"}}, tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20261104T000000Z-abcdef",
        "20261105T000000Z-abcdef",
        "latest",
        "notes",
    ]


def test_the_collector_of_another_account_can_read_the_textfile(report: dict, tmp_path: Path) -> None:
    publish_textfile(report, tmp_path)
    assert (tmp_path / "cryptobot.prom").stat().st_mode & 0o777 == 0o644
