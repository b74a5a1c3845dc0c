# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import calendar
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake
from ansible_collections.cryptobot.maintenance.plugins.module_utils.seam import seal
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.history import (
    first_of,
    publish_report,
    publish_textfile,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.html import render_html
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.prometheus import render_prometheus
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.scope import Call
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.summary import summary_lines
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.hosts import Line
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.variables import Said

from .samples import HOSTILE, RUN, document, finding, result

METRIC = {"name": "cryptobot_disk_used_ratio", "value": 0.5, "unit": "ratio", "labels": {"mount": '/a "b"\n'}}
ACTION = {"action": "vacuum", "subject": "audit_logs", "state": "done", "reason": HOSTILE, "details": {}}
CHECKOUT = Path(__file__).parents[5]
SCHEMA = CHECKOUT / "docs" / "report.schema.json"


@pytest.fixture
def report() -> dict:
    hostile = finding("a.b", "critical", HOSTILE, HOSTILE)
    return build_report({"h1": {"cryptobot_result_x": result(hostile, metrics=[METRIC], actions=[ACTION])}}, RUN)


def test_the_report_fits_its_published_schema(report: dict) -> None:
    jsonschema.validate(document(report), json.loads(SCHEMA.read_text("utf-8")))


def test_the_schema_refuses_a_report_without_its_findings(report: dict) -> None:
    told = document(report)
    del told["findings"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told, json.loads(SCHEMA.read_text("utf-8")))


def test_hostile_text_stays_text_in_the_page(report: dict) -> None:
    page = render_html(report)
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "&lt;script&gt;" in page


TURNED = "a\u200bb exe\u202egol \u2066x \x1b[2J \udcff"
SHOWN = "a\\u200bb exe\\u202egol \\u2066x \\x1b[2J \\xff"


def test_what_would_turn_or_steer_a_line_is_escaped_once_wherever_a_finding_is_shown() -> None:
    turned = {**finding("a.b", "critical", TURNED, TURNED), "expected": TURNED, "actual": [TURNED], "remedy": TURNED}
    answer = build_report({"h1": {"cryptobot_result_x": seal(result(turned))}}, RUN)
    (shown,) = (line for line, _colour in summary_lines(answer, "x") if "a.b" in line)
    assert shown.endswith(f"[{SHOWN}]: {SHOWN}")
    (said,) = (each for each in answer["findings"] if each["check"] == "a.b")
    assert (said["expected"], said["actual"], said["remedy"]) == (SHOWN, [SHOWN], SHOWN)
    page = render_html(answer)
    assert page.count(SHOWN) >= 3
    assert "\u202e" not in page


def test_a_mistake_is_told_without_what_would_turn_its_line() -> None:
    mistake = Mistake("port\u202e", "'x\\u2066'", "one of \u2066y", "\u200bz")
    line = Line(Said(mistake, counts=True), ("h\u202e1",))
    told = "port\\u202e is 'x\\u2066': expected one of \\u2066y; did you mean \\u200bz?"
    assert (str(mistake), str(line)) == (told, f"h\\u202e1: {told}")


def test_the_page_names_the_hash_of_its_own_script_and_allows_no_other(report: dict) -> None:
    page = render_html(report)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1].replace("&#39;", "'")
    assert "unsafe-inline" not in policy[1]


def test_the_page_loads_nothing_from_elsewhere(report: dict) -> None:
    """A link is followed by whoever clicks it; nothing else names another place."""
    assert re.findall(r"<(?!a\b|base\b)[a-z]+\b[^>]*\b(?:src|href)=", render_html(report)) == []


def test_a_finding_leads_to_its_rule_in_the_page_itself_and_that_to_its_line() -> None:
    follows = {**finding("services.http", "skipped"), "consequence_of": "services.port_owner x"}
    answer = result(finding("services.port_owner", "critical"), finding("resources.cpu", "warning"), follows)
    page = render_html(build_report({"h1": {"cryptobot_result_x": answer}}, RUN))
    links = re.findall(r'<a href="#([^"]*)"><code>([^<]*)</code></a>', page)
    assert {("services.port_owner",) * 2, ("resources.cpu",) * 2} <= set(links)
    assert all(link == check and page.count(f'<dt id="{link}">') == 1 for link, check in links)
    (place,) = re.findall(r'<dt id="services.port_owner">.*?Declared in <code>([^<]*)</code>', page, re.S)
    path, line = place.split(":")
    assert '"services.port_owner",' in (CHECKOUT / path).read_text("utf-8").splitlines()[int(line) - 1]
    assert "Changed by `cryptobot_thresholds.cpu_busy_warning` (80)." in page
    assert "example.org" not in page


def test_the_page_says_of_which_release_its_rules_are() -> None:
    page = render_html(build_report({"h1": {"cryptobot_result_x": result(finding("resources.cpu", "warning"))}}, RUN))
    (version,) = re.findall(r"^version: (\S+)$", (CHECKOUT / "galaxy.yml").read_text("utf-8"), re.M)
    assert f"as cryptobot.maintenance {version} has them" in page


def test_an_id_that_no_check_has_leads_nowhere() -> None:
    """Ids come from hosts, like all else on the page."""
    odd = finding('a.b" onclick="x', "critical")
    page = render_html(build_report({"h1": {"cryptobot_result_x": result(odd)}}, RUN))
    assert "<code>a.b&#34; onclick=&#34;x</code>" in page
    assert 'onclick="' not in page
    assert "<a href" not in re.sub(r'<a href="#run\.', "", page)


def test_the_textfile_escapes_labels_and_groups_names(report: dict) -> None:
    text = render_prometheus(report)
    labels = 'mount="/a \\"b\\"\\n",host="h1",playbook="weekly",scope="whole"'
    assert f"cryptobot_disk_used_ratio{{{labels}}} 0.5\n" in text
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


def test_a_report_is_private_and_latest_names_it(report: dict, tmp_path: Path) -> None:
    folder = publish_report(report, tmp_path, keep=3)
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "report.json": 0o600,
        "report.html": 0o600,
        "cryptobot.prom": 0o600,
    }
    assert (tmp_path / "latest").resolve() == folder


def dated(report: dict, day: int) -> dict:
    at = calendar.timegm((2026, 11, day, 0, 0, 0))
    return {**report, "run": {**report["run"], "id": f"202611{day:02}T000000Z-abcdef", "finished": at}}


@pytest.mark.case("RP8")
def test_only_the_newest_runs_are_kept_and_what_a_killed_run_left_goes_when_it_is_old(
    report: dict, tmp_path: Path
) -> None:
    (tmp_path / "20261101T000000Z-aaaaaa.partial").mkdir()
    (tmp_path / "20261101T000000Z-bbbbbb.partial").mkdir()  # young: another run writes it at this moment
    os.utime(tmp_path / "20261101T000000Z-aaaaaa.partial", (0, 0))
    (tmp_path / "notes").mkdir()
    for day in range(1, 6):
        publish_report(dated(report, day), tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".lock",
        "20261101T000000Z-bbbbbb.partial",
        "20261104T000000Z-abcdef",
        "20261105T000000Z-abcdef",
        "latest",
        "notes",
    ]


@pytest.mark.case("RP8")
@pytest.mark.parametrize(("days", "newest"), [((2, 1), 2), ((1, 2), 2), ((28, 1), 1)])
def test_latest_names_the_newest_run_unless_its_date_lies_ahead(
    report: dict, tmp_path: Path, days: tuple, newest: int
) -> None:
    for day in days:
        one = dated(report, day)
        # runs that end at the same time end in any order; one dated weeks ahead had a wrong clock
        one["run"]["finished"] = dated(report, 2)["run"]["finished"]
        publish_report(one, tmp_path, keep=9)
    assert os.readlink(tmp_path / "latest") == f"202611{newest:02}T000000Z-abcdef"
    assert len([path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()]) == 2


PUBLISH = """
import sys
sys.path[:0] = sys.argv[1:3]
import conftest, pathlib, secrets, time
from plugins.plugin_utils.report.samples import RUN, finding, result
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.history import publish_report
for _ in range(50):
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    run = {**RUN, "id": f"{stamp}-{secrets.token_hex(3)}", "finished": time.time()}
    report = build_report({"h1": {"cryptobot_result_x": result(finding("a.b", "ok"))}}, run)
    assert (publish_report(report, pathlib.Path(sys.argv[3]), keep=1000) / "report.json").is_file()
"""


@pytest.mark.case("RP8")
def test_two_processes_that_publish_fifty_reports_each_lose_none(tmp_path: Path) -> None:
    tests = Path(__file__).parents[4]
    argv = [sys.executable, "-c", PUBLISH, str(tests / "unit"), str(tests), str(tmp_path)]
    running = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _each in range(2)]
    assert [process.communicate(timeout=300)[1] for process in running] == ["", ""]
    kept = [path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(kept) == 100
    assert all((path / "report.json").is_file() and (path / "report.html").is_file() for path in kept)
    assert os.readlink(tmp_path / "latest") in {path.name for path in kept}


@pytest.mark.case("RP8")
def test_a_run_writes_one_report_whoever_asks(tmp_path: Path) -> None:
    assert [first_of(tmp_path, "run-1"), first_of(tmp_path, "run-1"), first_of(tmp_path, "run-2")] == [
        True,
        False,
        True,
    ]
    os.utime(tmp_path / ".once" / "run-1", (0, 0))
    assert first_of(tmp_path, "run-3")
    assert not (tmp_path / ".once" / "run-1").exists()


def narrowed(**how: object) -> dict:
    call = Call("weekly.yml", bool(how.pop("check_mode", False)), **how)  # type: ignore[arg-type]
    return build_report({"h1": {"cryptobot_result_x": result(finding("a.b", "ok"))}}, RUN, call=call)


# (how ansible-playbook was called, the place of the report, what narrowed it)
SCOPES = [
    ({}, "whole", []),
    ({"tags": ["all"]}, "whole", []),
    ({"asked": ["h1"]}, "whole", []),
    ({"check_mode": True}, "check", []),
    ({"tags": ["W1.3"]}, "partial", ["--tags W1.3"]),
    ({"tags": ["all", "never"]}, "partial", ["--tags all,never"]),
    ({"skip_tags": ["backup"]}, "partial", ["--skip-tags backup"]),
    ({"limit": "h1"}, "partial", ["--limit h1"]),
    ({"narrowed": ["--step"]}, "partial", ["--step"]),
    ({"asked": ["h1", "h2"]}, "partial", ["1 of 2 hosts were left out"]),
    ({"check_mode": True, "limit": "h1"}, "partial", ["--limit h1"]),
]


@pytest.mark.case("RP5")
@pytest.mark.parametrize(("how", "kind", "why"), SCOPES)
def test_only_a_whole_real_run_moves_latest_and_the_textfile(how: dict, kind: str, why: list, tmp_path: Path) -> None:
    report = narrowed(**how)
    folder, metrics = tmp_path / "reports", tmp_path / "metrics"
    final = publish_report(report, folder, keep=3)
    publish_textfile(report, metrics)
    assert (report["run"]["scope"]["kind"], report["run"]["scope"]["why"]) == (kind, why)
    assert final.parent == folder / {"whole": "", "check": "check", "partial": "partial"}[kind]
    assert (folder / "latest").exists() is (kind == "whole")
    assert (final.parent / "latest").resolve() == final
    assert [path.name for path in metrics.glob("*")] == (["cryptobot_weekly.prom"] if kind == "whole" else [])
    assert f'playbook="weekly",scope="{kind}"' in (final / "cryptobot.prom").read_text("utf-8")
    jsonschema.validate(document(report), json.loads(SCHEMA.read_text("utf-8")))


def test_the_collector_of_another_account_can_read_the_textfile(report: dict, tmp_path: Path) -> None:
    publish_textfile(report, tmp_path)
    assert (tmp_path / "cryptobot_weekly.prom").stat().st_mode & 0o777 == 0o644
