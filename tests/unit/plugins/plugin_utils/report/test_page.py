# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a page shows by its size: all that is not ok in full, and of the rest what there is room for."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.html import render_html
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.view import PAGE, Room

from .fleet import FINDINGS, fleet
from .samples import RUN, finding, result

BY_CHECK, BY_HOST = "What is ok or did not apply, by check", "What is ok or did not apply, by host"


def size(page: str) -> int:
    return len(page.encode())


def rows(page: str) -> int:
    return page.count('<tr class="finding"')


@pytest.fixture(scope="module")
def thousand() -> tuple[dict[str, Any], str]:
    report = build_report(fleet(1_000), RUN)
    return report, render_html(report)


@pytest.mark.case("RP10")
def test_a_page_of_a_thousand_hosts_has_all_that_is_not_ok_in_full(thousand: tuple) -> None:
    report, page = thousand
    assert len(report["findings"]) == 1_000 * FINDINGS
    bad = report["findings"].bad
    assert size(page) < PAGE == 5_000_000
    assert rows(page) == len(bad) > 3_000
    shown = Counter(re.findall(r"correct `\w+` in the inventory of (host-\d+)\.", page))
    assert shown == Counter(each["host"] for each in bad)
    assert "more are in report.json" not in page.partition('id="actions"')[0]


@pytest.mark.case("RP10")
def test_of_a_thousand_hosts_what_is_ok_is_counted_by_check_and_by_host(thousand: tuple) -> None:
    report, page = thousand
    fine = Counter(said.check for said in report["findings"].fine)
    sums = re.findall(r"<code>([a-z._]+)</code></td><td>(\d+)</td><td>(\d+)</td>", page)
    assert {check: int(count) for check, count, _hosts in sums} == dict(fine)
    host = report["hosts"][700]
    mine = Counter(said.check for said in report["findings"].fine if said.host == host["name"])
    listed = ", ".join(f"{check} {count}" for check, count in sorted(mine.items()))
    head = f"<summary>{host['name']}: {host['counts']['ok']} ok, {host['counts']['skipped']} skipped</summary>"
    assert f"<details>{head}<p>{listed}</p></details>" in page
    assert page.count(" skipped</summary><p>") == 1_000
    assert all(f"host-{number:04}" in page.partition('id="hosts"')[2] for number in range(1_000))


@pytest.mark.parametrize(("count", "opens"), [(1, " open"), (20, "")])
def test_of_few_hosts_each_finding_that_is_ok_is_listed(count: int, opens: str) -> None:
    report = build_report(fleet(count), RUN)
    page = render_html(report)
    listed = page.partition(BY_HOST)[2].partition('id="hosts"')[0]
    assert listed.count("<li>") == len(report["findings"].fine)
    assert listed.count(f"<details{opens}><summary>host-") == count
    assert "bind of auth is as it is declared, and was 0 days ago" in listed
    assert size(page) < 1_000_000


def test_what_is_ok_is_listed_up_to_a_size_whatever_the_number_of_hosts() -> None:
    long = result(*(finding("a.b", "ok", f"{number}", "is well " * 150) for number in range(900)))
    short = result(*(finding("a.b", "ok", f"{number}", "is well") for number in range(700)))
    assert "is well" in render_html(build_report({"h1": {"cryptobot_result_x": short}}, RUN))
    page = render_html(build_report({"h1": {"cryptobot_result_x": long}}, RUN))
    assert "is well" not in page
    assert "<p>a.b 900, run.procedure 1, run.reached 1</p>" in page


def test_a_host_of_which_nothing_is_ok_has_no_list() -> None:
    page = render_html(build_report({"h1": {}}, RUN))
    assert BY_CHECK not in page
    assert BY_HOST not in page


def test_what_is_ok_is_text_too() -> None:
    hostile = finding("a.b", "ok", "</li><script>x</script>", "<img src=x>")
    page = render_html(build_report({"<h1>": {"cryptobot_result_x": result(hostile)}}, RUN))
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "&lt;img src=x&gt;" in page.partition(BY_HOST)[2]


@pytest.mark.case("RP10")
@pytest.mark.parametrize("letter", ["z", "<", "\u65e5"])
def test_a_page_of_nothing_but_bad_news_is_bounded_too_and_says_what_it_leaves_out(letter: str) -> None:
    ill = result(*(finding("a.b", "critical", f"{number}", letter * 5_000) for number in range(30)))
    page = render_html(build_report({f"host-{number:04}": {"cryptobot_result_x": ill} for number in range(200)}, RUN))
    assert size(page) < PAGE
    left = 6_000 - rows(page)
    assert left > 3_000
    assert f"{left} more are in report.json" in page
    # what has no room is named by check, with the first of its hosts, and each host is on the page
    more = re.search(r"critical</span></td><td><code>a.b</code></td><td>(\d+)</td><td>(.*) and (\d+) more</td>", page)
    assert more is not None
    assert int(more[1]) == left
    assert all(f"host-{number:04}" in page for number in range(200))


def measured(count: int) -> list[dict[str, Any]]:
    metric = {"name": "cryptobot_x_used_ratio", "unit": "ratio", "value": 0.5}
    return [{**metric, "labels": {"mount": f"{at}<" * 900}} for at in range(count)]


def test_numbers_without_end_leave_room_for_the_names_of_all_hosts() -> None:
    names = [f"{'name<' * 10}-{number:04}" for number in range(2_000)]
    said = result(finding("a.b", "critical"), metrics=measured(40))
    hosts = {name: {"cryptobot_result_x": said if at < 70 else result()} for at, name in enumerate(names)}
    page = render_html(build_report(hosts, RUN))
    assert size(page) < PAGE
    assert page.count('<article class="card') < 60
    others = page.partition("other hosts</summary>")[2].partition("</details>")[0]
    assert others.count("name&lt;-") == 2_000 - page.count('<article class="card')


def test_names_and_actions_without_end_take_no_more_room_than_there_is() -> None:
    deed = {"action": "vacuum", "state": "done", "details": {}, "reason": "r<" * 800}
    said = result(finding("a.b", "ok"), actions=[{**deed, "subject": f"{at}"} for at in range(600)])
    page = render_html(build_report({"h1": {"cryptobot_result_x": said}}, RUN))
    actions = page.partition('id="actions"')[2]
    assert size(page) < PAGE
    assert actions.count("<tr><td>") == 500
    assert "100 more are in report.json" in actions
    names = [f"{'long<name' * 300}-{number:04}" for number in range(2_000)]
    page = render_html(build_report({name: {"cryptobot_result_x": said} for name in names}, RUN))
    assert size(page) < PAGE
    left = re.search(r"and (\d+) more in report.json", page)
    assert left is not None
    assert page.partition("other hosts</summary>")[2].count("name-") == 2_000 - int(left[1]) > 1_000


def test_a_room_is_filled_to_its_last_byte_and_no_further() -> None:
    room = Room(30)
    assert room.fill(["a" * 6, "b" * 6], str, 10) == ["a" * 6, "b" * 6]  # each, and 4 bytes between two
    assert room.left == 10
    assert room.fill(["c"], str, 6) == []
    assert room.fill(["\u65e5\u65e5", "c"], str) == ["\u65e5\u65e5"]
    assert room.left == 0
