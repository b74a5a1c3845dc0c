# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run says on the terminal, line by line with its colour, and where it stops and counts instead."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.summary import summary_lines

WHOLE = {"check_mode": False, "why": []}


def host(name: str, status: str = "ok", failed: bool = False, *states: str) -> dict[str, Any]:
    return {"name": name, "status": status, "failed": failed, "actions": [{"state": state} for state in states]}


def found(subject: str, status: str, message: str = "said") -> dict[str, str]:
    return {"host": "h1", "check": "a.b", "subject": subject, "status": status, "message": message}


def lines(hosts: list, findings: list, status: str = "ok", scope: dict | None = None) -> list[tuple[str, str]]:
    counts = {"critical": 0, "unknown": 1, "warning": 0, "ok": 2, "skipped": 0}
    run = {"id": "R1", "status": status, "counts": counts, "scope": scope or WHOLE}
    return list(summary_lines({"run": run, "hosts": hosts, "findings": findings}, "/r/report.html"))


def test_a_run_is_told_from_its_status_to_the_place_of_its_report() -> None:
    hosts = [host("h1", "critical", True, "done", "failed", "done", "skipped"), host("h2", "ok", False, "planned")]
    findings = [found("x", "critical", "is down"), found("y", "skipped"), found("z", "warning", "is old")]
    assert lines(hosts, findings, "critical") == [
        ("Maintenance run R1: CRITICAL (1 unknown, 2 ok)", "red"),
        ("  h1: critical (failed) (actions: 2 done, 1 failed)", "red"),
        ("  h2: ok (actions: 1 planned)", "green"),
        ("  critical  h1 a.b [x]: is down", "red"),
        ("   warning  h1 a.b [z]: is old", "yellow"),
        ("Report: /r/report.html", "normal"),
    ]


COLOURS = [("critical", "red"), ("unknown", "purple"), ("warning", "yellow"), ("ok", "green"), ("skipped", "cyan")]


@pytest.mark.parametrize(("status", "colour"), COLOURS)
def test_each_status_has_its_own_colour(status: str, colour: str) -> None:
    first, second, _place = lines([host("h1", status)], [], status)
    assert (first[1], second) == (colour, (f"  h1: {status}", colour))


CHECK = "planned only (check mode): nothing was changed"
# (what narrowed the run, whether it was in check mode, what is told of that)
SCOPES = [
    ([], False, []),
    ([], True, [f"  {CHECK}"]),
    (["--limit h1", "--tags x"], False, ["  a part of it: --limit h1, --tags x"]),
    (["--limit h1"], True, [f"  {CHECK}; a part of it: --limit h1"]),
]


@pytest.mark.parametrize(("why", "check_mode", "told"), SCOPES)
def test_only_what_is_no_whole_real_run_is_told_to_be_none(why: list, check_mode: bool, told: list) -> None:
    scope = {"check_mode": check_mode, "why": why}
    assert lines([], [], "ok", scope)[1:-1] == [(text, "normal") for text in told]


def test_fifty_hosts_are_named_and_of_the_others_each_status_is_counted() -> None:
    hosts = [host(f"h{n}") for n in range(50)]
    assert [text for text, _colour in lines(hosts, [])[-2:]] == ["  h49: ok", "Report: /r/report.html"]
    more = [*hosts, host("h50"), host("h51", "skipped"), host("h52")]
    assert lines(more, [])[-3:-1] == [("  h49: ok", "green"), ("  ... and 3 more hosts: 2 ok, 1 skipped", "normal")]


def test_twenty_findings_are_told_and_the_others_counted() -> None:
    findings = [found(f"s{n}", "unknown") for n in range(20)]
    last = ("   unknown  h1 a.b [s19]: said", "purple")
    assert lines([], findings)[-2:] == [last, ("Report: /r/report.html", "normal")]
    more = [*findings, found("well", "ok"), found("s20", "warning"), found("s21", "warning")]
    assert lines([], more)[-3:-1] == [last, ("  ... and 2 more in the report", "normal")]
