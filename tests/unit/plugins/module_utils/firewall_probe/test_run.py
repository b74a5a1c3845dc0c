# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The area as a whole: a step, its result; check mode sends nothing and plans what a run does."""

from __future__ import annotations

from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe import AREA, SPEC, run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.collect import Door, Reply

from ..firewall.audits import audit, opening, socket

POLICY = [{"port": "22", "proto": "tcp", "from": ["any"]}, {"port": "5432", "proto": "tcp", "from": ["loopback"]}]
DB1 = {"host": "db1", "enabled": True, "host_address": "203.0.113.10", "addresses": ["2001:db8::10"], "policy": POLICY}


def params(**given: Any) -> dict[str, Any]:
    return {**{name: option.get("default") for name, option in SPEC.items()}, **given}


@pytest.fixture
def knocked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return what is connected to, instead of any connection."""
    begun: list[tuple[str, int]] = []

    def connect(address: str, port: int, _wait: float) -> Reply:
        begun.append((address, port))
        return Reply("open" if port == 22 else "timeout", 1.0)

    monkeypatch.setattr(run, "DOOR", Door(lambda address: "2001:db8::7" if ":" in address else "203.0.113.7", connect))
    return begun


def test_what_is_planned_is_what_is_done_and_a_plan_sends_nothing(knocked: list[tuple[str, int]]) -> None:
    given = params(enabled=True, targets=[DB1, {**DB1, "host": "db2", "enabled": False}])
    planned = AREA.run(given, FakeHost(), True)
    assert knocked == []
    done = AREA.run(given, FakeHost(), False)
    assert sorted(knocked) == [(address, port) for address in ("2001:db8::10", "203.0.113.10") for port in (22, 5432)]
    assert [(each.action, each.subject, each.details) for each in planned.actions] == [
        ("knock", "db1 203.0.113.10", {"ports": "22, 5432"}),
        ("knock", "db1 2001:db8::10", {"ports": "22, 5432"}),
    ]
    shape = [(each.action, each.subject, each.reason, each.details) for each in planned.actions]
    assert [(each.action, each.subject, each.reason, each.details) for each in done.actions] == shape
    assert ({each.state for each in planned.actions}, {each.state for each in done.actions}) == ({"planned"}, {"done"})
    assert (planned.changed, done.changed, planned.data["knocks"]) == (False, False, {})
    assert done.data["left_out"] == planned.data["left_out"] == {"db2": "cryptobot_firewall_probe is not true for it"}


@pytest.mark.parametrize("check_mode", [True, False])
def test_who_does_not_take_part_knocks_at_nothing(knocked: list[tuple[str, int]], check_mode: bool) -> None:
    result = AREA.run(params(targets=[DB1]), FakeHost(), check_mode)
    assert (knocked, result.actions, result.status) == ([], [], "skipped")


def compared(monkeypatch: pytest.MonkeyPatch, answer: str, **given: Any) -> Any:
    """Return what db1 says, which lets ssh in and on which postgres listens, of what app1 got there."""
    made = audit(opening("-p tcp --dport 22 -j ACCEPT"), [socket(port=22), socket(port=5432)])
    monkeypatch.setattr(run, "context_of", lambda _params, _host: made)
    rows = [
        {"address": "203.0.113.10", "port": port, "source": "203.0.113.7", "ms": 1.0, "why": ""} for port in (22, 5432)
    ]
    heard = {"app1": [{**rows[0], "answer": "open"}, {**rows[1], "answer": answer}]}
    own = {"step": "compare", "enabled": True, "host_address": "203.0.113.10", "policy": POLICY, "heard": heard}
    return AREA.run(params(**{**own, **given}), FakeHost(), given.pop("check_mode", False))


@pytest.mark.parametrize(("answer", "status"), [("timeout", "ok"), ("refused", "ok"), ("open", "critical")])
def test_what_others_got_is_held_against_the_packet_filter(
    monkeypatch: pytest.MonkeyPatch, answer: str, status: str
) -> None:
    result = compared(monkeypatch, answer)
    assert result.status == status
    ssh, postgres = result.data["pairs"]
    assert (ssh["verdict"], ssh["listener"], ssh["status"]) == ("open", "tcp 0.0.0.0:22", "ok")
    assert (postgres["verdict"], postgres["status"]) == ("filtered", status)
    numbers = {metric.name.rpartition("probe_")[2]: metric.value for metric in result.metrics}
    disagreed = int(status == "critical")
    assert numbers == {"pairs": 2, "agreed": 2 - disagreed, "not_compared": 0, "disagreed": disagreed}


def test_a_plan_and_a_host_that_takes_no_part_ask_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "context_of", None)
    own = {"step": "compare", "host_address": "203.0.113.10", "policy": POLICY, "heard": {"app1": []}}
    for enabled, check_mode in ((True, True), (False, False), (False, True)):
        result = AREA.run(params(**own, enabled=enabled), FakeHost(), check_mode)
        assert (result.status, result.data["pairs"]) == ("skipped", [])


def test_a_system_that_is_not_read_compares_nothing_and_says_so() -> None:
    own = {"step": "compare", "enabled": True, "host_address": "203.0.113.10", "policy": POLICY}
    row = {"address": "203.0.113.10", "port": 22, "source": "203.0.113.7", "ms": 1.0, "why": "", "answer": "open"}
    result = AREA.run(params(**own, heard={"app1": [row]}), FakeHost("sunos"), False)
    assert result.status == "unknown"
    assert "the packet filter of a sunos host cannot be read" in result.findings[0].message
