# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller asks of a Windows host and what it does with the answer, with a stand-in for the host."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("ansible", reason="an action plugin needs ansible-core")

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.bridge.call import GRACE, call_bridge
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.bridge.pack import pack

PARAMS = {"timeout": 30, "name": "auth", "password": "hunter2"}
SECRETS = frozenset({"hunter2"})


class Host:
    """Answers like bridge.ps1: it says so when it lacks the core, and keeps one that it is brought."""

    def __init__(self, answer: dict[str, Any], *, cached: bool = False) -> None:
        self.answer, self.cached = answer, cached
        self.asked: list[dict[str, Any]] = []
        self.detached: list[bool] = []

    def execute(self, **call: Any) -> dict[str, Any]:
        options = call["module_args"]
        self.asked.append(options)
        self.detached.append(bool(call["wrap_async"]))
        self.cached = self.cached or "payload" in options
        if call["wrap_async"]:
            return {"started": 1, "ansible_job_id": "j1"}
        answered = self.cached and "request" in options
        return dict(self.answer) if answered else {"changed": False, "payload_present": self.cached}


def call(host: Host, variables: dict[str, Any] | None = None, **task: Any) -> dict[str, Any]:
    action = mock.MagicMock(noun="services", _execute_module=host.execute)
    action._task = mock.MagicMock(**{"async_val": 0, "check_mode": False, "delegate_to": None, **task})
    action.render = lambda value: value.replace("{{ drive }}", "C:")
    return call_bridge(action, PARAMS, SECRETS, variables or {})


def test_the_core_is_sent_only_where_the_host_lacks_it() -> None:
    host = Host({"findings": []})
    assert call(host)["findings"] == []
    assert ["payload" in options for options in host.asked] == [False, True]
    call(host)
    assert ["payload" in options for options in host.asked] == [False, True, False]


def test_what_is_asked_is_ascii_json_with_everything_that_the_core_needs() -> None:
    host = Host({}, cached=True)
    call(host, check_mode=True)
    (options,) = host.asked
    assert options["request"].isascii()
    assert json.loads(options["request"]) == {
        "noun": "services",
        "params": PARAMS,
        "check_mode": True,
        "secrets": ["hunter2"],
    }
    assert options["payload_sha256"] == pack().sha256


def test_the_core_ends_itself_before_the_bridge_would() -> None:
    host = Host({}, cached=True)
    call(host)
    assert host.asked[0]["timeout"] == 30 + GRACE


@pytest.mark.case("WN3")
def test_the_bridge_is_told_what_must_not_be_shown() -> None:
    host = Host({}, cached=True)
    call(host)
    assert host.asked[0]["secrets"] == ["hunter2"]


@pytest.mark.case("WN2")
def test_the_bridge_is_told_where_the_core_remembers() -> None:
    host = Host({}, cached=True)
    with mock.patch.dict(PARAMS, {"state_dir": "%ProgramData%\\state"}):
        call(host)
    assert host.asked[0]["state_dir"] == "%ProgramData%\\state"


def test_a_date_as_yaml_makes_it_is_sent_as_text() -> None:
    host = Host({}, cached=True)
    with mock.patch.dict(PARAMS, {"expires": dt.date(2026, 12, 31)}):
        call(host)
    assert json.loads(host.asked[0]["request"])["params"]["expires"] == "2026-12-31"


def test_secrets_are_masked_in_the_answer_and_in_the_invocation() -> None:
    result = call(Host({"msg": "login with hunter2 failed"}, cached=True))
    assert result["msg"] == "login with ******** failed"
    assert result["invocation"]["module_args"]["name"] == "auth"
    assert "hunter2" not in str(result)


# (variables of the task, host it is delegated to, expected options)
VARIABLES = [
    ({}, None, {}),
    ({"cryptobot_python": "", "cryptobot_bridge_dir": None}, None, {}),
    ({"cryptobot_python": "{{ drive }}\\Python39\\python.exe"}, None, {"python": "C:\\Python39\\python.exe"}),
    ({"cryptobot_bridge_dir": "D:\\bridge"}, None, {"dir": "D:\\bridge"}),
    (
        {"cryptobot_python": "here", "ansible_delegated_vars": {"other": {"cryptobot_python": "there"}}},
        "other",
        {"python": "there"},
    ),
]


@pytest.mark.parametrize(("variables", "delegate_to", "expected"), VARIABLES)
def test_variables_of_the_host_say_which_python_and_which_folder(
    variables: dict, delegate_to: str | None, expected: dict
) -> None:
    host = Host({}, cached=True)
    call(host, variables, delegate_to=delegate_to)
    assert {name: host.asked[0][name] for name in ("python", "dir") if name in host.asked[0]} == expected


def test_a_failure_of_the_bridge_is_handed_on_and_nothing_is_tried_again() -> None:
    host = Host({})
    failure = {"failed": True, "msg": "the cache folder is not protected", "payload_present": False}
    with mock.patch.object(host, "execute", side_effect=lambda **call: host.asked.append(call) or dict(failure)):
        assert call(host)["msg"] == "the cache folder is not protected"
    assert len(host.asked) == 1


def test_an_unreachable_host_is_handed_on() -> None:
    host = Host({})
    silence = {"unreachable": True}
    with mock.patch.object(host, "execute", side_effect=lambda **call: host.asked.append(call) or dict(silence)):
        assert call(host)["unreachable"] is True
    assert len(host.asked) == 1


@pytest.mark.parametrize(("cached", "trips"), [(True, 2), (False, 3)])
def test_a_job_of_its_own_is_started_only_when_the_host_has_the_core(cached: bool, trips: int) -> None:
    host = Host({}, cached=cached)
    assert call(host, async_val=60)["ansible_job_id"] == "j1"
    assert host.detached == [False] * (trips - 1) + [True]
    assert ["request" in options for options in host.asked] == [False] * (trips - 1) + [True]
