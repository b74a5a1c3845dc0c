# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows refuses is never an empty answer: access denied, a provider that is not there, an error half way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.windows.collect import QUERIES as FIREWALL
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import Answers, ask
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.windows_queries import (
    DISKS,
    LOG_REACH,
    VOLUMES,
    exhaustions,
    time_events,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.windows_queries import SERVICES, events
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.windows import parse_answers
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.windows_queries import QUERIES as SOCKETS

from .controller import ansible
from .host.machine import machine
from .host.windows import WindowsHost

ASKED = {**FIREWALL, **SOCKETS, "volumes": VOLUMES, "disks": DISKS, "all_services": SERVICES}
MAY_BE_EMPTY = {
    "connections",
    "products",
    "engine",
}  # no network, no other firewall; the third is judged by what it says
NEVER_EMPTY = set(ASKED) - MAY_BE_EMPTY - {"folders"}
DAY = 86400.0
LOGGED = {**events(DAY), "exhaustions": exhaustions(DAY), "log_reach": LOG_REACH, "time_events": time_events()}
REFUSED = {
    "access denied": {"after": 0, "message": "Access is denied.", "category": "PermissionDenied"},
    "the provider is missing": {"after": 0, "message": "Invalid class", "category": "ObjectNotFound"},
    "an error half way": {"after": 1, "message": "Access is denied.", "category": "PermissionDenied"},
}
pytestmark = pytest.mark.case("WN1")


@pytest.fixture
def recorded(windows: WindowsHost, monkeypatch: pytest.MonkeyPatch) -> WindowsHost:
    """A Windows whose commands all answer, asked by this process."""
    windows.record(machine((8000, 8001, 8002, 8003, 8004)))
    for name, value in windows.environment.items():
        monkeypatch.setenv(name, value)
    return windows


def asked() -> Answers:
    return ask(choose_host(120.0), ASKED, timeout=100.0)


def empty_or_whole(answers: Answers) -> dict[str, int]:
    """Return how many objects each query that was answered gave."""
    counts: dict[str, int] = {}
    for name in ASKED:
        try:
            counts[name] = len(answers[name])
        except CoreError:
            continue
    return counts


def refuse(windows: WindowsHost, how: Mapping[str, Any]) -> None:
    for path in (windows.root / "recorded").glob("Get-*.json"):
        path.with_suffix(".refused.json").write_text(json.dumps(how), encoding="utf-8")


def test_where_nothing_is_refused_all_is_answered(recorded: WindowsHost) -> None:
    counts = empty_or_whole(asked())
    assert set(counts) == set(ASKED)
    assert [name for name in NEVER_EMPTY if not counts[name]] == []


@pytest.mark.parametrize("how", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_no_answer(recorded: WindowsHost, how: Mapping[str, Any]) -> None:
    refuse(recorded, how)
    answers = asked()
    assert set(empty_or_whole(answers)) == {"folders"}  # the environment of the process, which nobody refuses
    table = parse_answers(answers)
    assert (set(table.unread), table.sockets) == ({"tcp", "udp"}, ())
    assert "cannot be read" in table.unavailable


def test_an_empty_answer_about_what_every_windows_has_is_none(recorded: WindowsHost) -> None:
    recorded.record(dict.fromkeys(machine((8000, 8001, 8002, 8003, 8004)), ()))
    answers = asked()
    assert set(empty_or_whole(answers)) == {*MAY_BE_EMPTY, "folders"}
    assert "it answered nothing, and there always is something" in parse_answers(answers).unread["tcp"]


def logged() -> dict[str, list[Any] | str]:
    """Return what each question about the event logs is answered, or why it is not."""
    answers, told = ask(choose_host(120.0), LOGGED, timeout=100.0), dict[str, list[Any] | str]()
    for name in LOGGED:
        try:
            told[name] = answers[name]
        except CoreError as error:
            told[name] = str(error)
    return told


def test_event_logs_without_such_events_are_answered(recorded: WindowsHost) -> None:
    told = logged()
    assert {name: rows for name, rows in told.items() if not rows} == {
        "restarts": [], "nssm_restarts": [], "exhaustions": [],
    }  # fmt: skip
    assert [row["Log"] for row in told["reach"]] == ["System", "Application"]


@pytest.mark.parametrize(("fails", "reason"), [
    ("refused", "unauthorized operation"), ("down", "RPC server"), ("", "There is not an event log"),
])  # fmt: skip
def test_an_event_log_that_cannot_be_looked_at_is_not_one_without_events(
    recorded: WindowsHost, fails: str, reason: str
) -> None:
    for path in (recorded.root / "recorded").glob("Get-WinEvent.*.json"):
        if fails:
            path.with_suffix(".changed.json").write_text(json.dumps({"Fails": fails}), encoding="utf-8")
        else:
            path.unlink()
    assert {name: reason in str(told) for name, told in logged().items()} == dict.fromkeys(LOGGED, True)


def firewall_of(windows: WindowsHost) -> dict[str, str]:
    """Audit the firewall over WinRM, as a playbook does; return its checks, each with the worst that was said."""
    printed = ansible(windows.inventory(), "firewall_audit", {"policy": [{"port": 5986, "from": ["loopback"]}]})
    assert "findings" in printed.results["win"], printed.text
    found = printed.results["win"]["findings"]
    severe = ("ok", "skipped", "warning", "critical", "unknown")
    return {each["check"]: each["status"] for each in sorted(found, key=lambda each: severe.index(each["status"]))}


@pytest.mark.parametrize(("command", "how"), [
    ("Get-NetFirewallRule", "an error half way"),
    ("Get-NetFirewallPortFilter", "the provider is missing"),
    ("Get-NetIPAddress", "the provider is missing"),
])  # fmt: skip
def test_a_firewall_that_is_told_in_part_is_unknown_as_a_whole(windows: WindowsHost, command: str, how: str) -> None:
    windows.record(machine((8000, 8001, 8002, 8003, 8004)))
    (windows.root / "recorded" / f"{command}.refused.json").write_text(json.dumps(REFUSED[how]), encoding="utf-8")
    checks = firewall_of(windows)
    assert checks["firewall.rules_visible"] == "unknown"
    assert checks["firewall.unexpected_open"] == "unknown"


def test_a_firewall_that_is_told_as_a_whole_is_judged(windows: WindowsHost) -> None:
    windows.record(machine((8000, 8001, 8002, 8003, 8004)))
    checks = firewall_of(windows)
    assert (checks["firewall.rules_visible"], checks["firewall.unexpected_open"]) == ("ok", "critical")
