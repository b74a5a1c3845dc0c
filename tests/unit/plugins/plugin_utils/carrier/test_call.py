# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller asks of a host and what it does with the answer, with a stand-in for the host."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("ansible", reason="an action plugin needs ansible-core")

from ansible.errors import AnsibleActionFail

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.call import (
    BRIDGE,
    GRACE,
    RUNNER,
    by_ansiballz,
    call_carrier,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.pack import payload

PARAMS = {"timeout": 30, "name": "auth", "password": "hunter2"}
SECRETS = frozenset({"hunter2"})


class Host:
    """Answers like bridge.ps1 and runner.py: it says so when it lacks the core, and keeps one that it is brought.

    One that ``forgets`` cannot keep it, and runs what it is brought at once.
    """

    def __init__(self, answer: dict[str, Any], *, cached: bool = False, forgets: bool = False) -> None:
        self.answer, self.cached, self.forgets = answer, cached, forgets
        self.asked: list[dict[str, Any]] = []
        self.modules: list[str] = []
        self.detached: list[bool] = []

    def execute(self, **call: Any) -> dict[str, Any]:
        options = call["module_args"]
        self.asked.append(options)
        self.modules.append(call["module_name"])
        self.detached.append(bool(call["wrap_async"]))
        here = self.cached or "payload" in options
        self.cached = here and not self.forgets
        if call["wrap_async"]:
            return {"started": 1, "ansible_job_id": "j1"}
        told = {"changed": False, "payload_present": here, **({"kept": self.cached} if here else {})}
        return dict(self.answer) if here and "request" in options else told


def action_on(host: Host, *, windows: bool = True, **task: Any) -> Any:
    action = mock.MagicMock(area="services", _execute_module=host.execute)
    action._task = mock.MagicMock(**{"async_val": 0, "check_mode": False, "delegate_to": None, **task})
    action.on_windows.return_value = windows
    action.render = lambda value: value.replace("{{ drive }}", "C:") if isinstance(value, str) else value
    return action


def call(host: Host, variables: dict[str, Any] | None = None, **task: Any) -> dict[str, Any]:
    return call_carrier(action_on(host, **task), PARAMS, SECRETS, variables or {})


def requested(options: dict[str, Any]) -> dict[str, Any]:
    text = options["request"]
    return json.loads(text if text.startswith("{") else base64.b64decode(text, validate=True).decode("ascii"))


BOTH = pytest.mark.parametrize("windows", [True, False])


@BOTH
def test_the_core_is_sent_only_where_the_host_lacks_it(windows: bool) -> None:
    host = Host({"findings": []})
    assert call(host, windows=windows)["findings"] == []
    assert ["payload" in options for options in host.asked] == [False, True]
    call(host, windows=windows)
    assert ["payload" in options for options in host.asked] == [False, True, False]


@BOTH
def test_what_is_asked_is_ascii_json_with_everything_that_the_core_needs(windows: bool) -> None:
    host = Host({}, cached=True)
    call(host, check_mode=True, windows=windows)
    (options,) = host.asked
    assert host.modules == [BRIDGE if windows else RUNNER]
    assert options["request"].isascii()
    assert requested(options) == {
        "area": "services",
        "params": PARAMS,
        "check_mode": True,
        "secrets": ["hunter2"],
    }
    assert options["payload_sha256"] == payload(["services"]).sha256


def test_no_word_that_ansible_replaces_in_a_finished_module_is_in_a_request() -> None:
    host = Host({}, cached=True)
    with mock.patch.dict(PARAMS, {"name": "syslog.LOG_USER <<INCLUDE_ANSIBLE_MODULE_COMPLEX_ARGS>>"}):
        call(host, windows=False)
    assert "LOG_USER" not in str(host.asked)
    assert requested(host.asked[0])["params"]["name"].startswith("syslog.LOG_USER <<")


def test_a_request_holds_its_secrets_in_no_readable_form() -> None:
    host = Host({}, cached=True)
    call(host, windows=False)
    assert "hunter2" not in str(host.asked)


def test_a_checkup_is_packed_with_the_areas_that_it_names_and_no_others() -> None:
    host = Host({}, cached=True)
    action = action_on(host, windows=False)
    action.area = "checkup"
    call_carrier(action, {"timeout": 9, "checks": {"cleanup": {}, "services": {}}}, SECRETS, {})
    assert host.asked[0]["payload_sha256"] == payload(["services", "checkup", "cleanup"]).sha256
    assert host.asked[0]["payload_sha256"] != payload(["services", "checkup"]).sha256


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


@BOTH
def test_secrets_are_masked_in_the_answer_and_in_the_invocation(windows: bool) -> None:
    result = call(Host({"msg": "login with hunter2 failed"}, cached=True), windows=windows)
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


# (variables of the task, host it is delegated to, whether the Python module itself travels)
WAYS = [
    ({}, None, False),
    ({"cryptobot_carrier": "runner"}, None, False),
    ({"cryptobot_carrier": "ansiballz"}, None, True),
    ({"cryptobot_carrier": "ansiballz", "ansible_delegated_vars": {"other": {"x": 1}}}, "other", False),
    ({"ansible_delegated_vars": {"other": {"cryptobot_carrier": "ansiballz"}}}, "other", True),
]


@pytest.mark.parametrize(("variables", "delegate_to", "expected"), WAYS)
def test_a_variable_of_the_host_says_which_way_is_taken(
    variables: dict, delegate_to: str | None, expected: bool
) -> None:
    assert by_ansiballz(action_on(Host({}), windows=False, delegate_to=delegate_to), variables) is expected


def test_there_is_one_way_to_windows() -> None:
    assert by_ansiballz(action_on(Host({})), {"cryptobot_carrier": "ansiballz"}) is False


def test_a_way_that_is_none_is_refused() -> None:
    with pytest.raises(AnsibleActionFail, match="cryptobot_carrier is 'pigeon', expected one of runner, ansiballz"):
        by_ansiballz(action_on(Host({})), {"cryptobot_carrier": "pigeon"})


@pytest.mark.parametrize("given", [False, "no", "false"])
def test_a_host_that_may_not_keep_the_core_is_sent_it_at_once(given: Any) -> None:
    host = Host({"findings": []}, forgets=True)
    variables = {"cryptobot_carrier_keep": given}
    assert call(host, variables, windows=False)["findings"] == []
    assert [(options["keep"], "payload" in options) for options in host.asked] == [(False, True)]


def test_whether_a_host_may_keep_the_core_is_yes_or_no() -> None:
    with pytest.raises(AnsibleActionFail, match="cryptobot_carrier_keep is 'perhaps', expected true or false"):
        call(Host({}), {"cryptobot_carrier_keep": "perhaps"}, windows=False)


def test_what_the_core_tells_of_its_arguments_stays() -> None:
    told = {"module_args": {"dir": "/home/user/x"}}
    assert call(Host({"invocation": told}, cached=True), windows=False)["invocation"] == told


def test_the_arguments_of_the_carrier_itself_are_not_told() -> None:
    failure = {"failed": True, "msg": "m", "payload_present": False, "invocation": {"module_args": {"request": "r"}}}
    host = Host({})
    with mock.patch.object(host, "execute", side_effect=lambda **_call: dict(failure)):
        assert call(host)["invocation"]["module_args"]["name"] == "auth"


def test_the_number_of_open_files_is_what_ansible_would_ask_for() -> None:
    host = Host({}, cached=True)
    call(host, {"ansible_python_module_rlimit_nofile": 4096}, windows=False)
    assert host.asked[0]["rlimit_nofile"] == 4096


def test_a_failure_of_the_carrier_is_handed_on_and_nothing_is_tried_again() -> None:
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


@BOTH
@pytest.mark.parametrize(("cached", "trips"), [(True, 2), (False, 3)])
def test_a_job_of_its_own_is_started_only_when_the_host_has_the_core(cached: bool, trips: int, windows: bool) -> None:
    host = Host({}, cached=cached)
    assert call(host, async_val=60, windows=windows)["ansible_job_id"] == "j1"
    assert host.detached == [False] * (trips - 1) + [True]
    assert ["request" in options for options in host.asked] == [False] * (trips - 1) + [True]
    assert [options.get("detached", False) for options in host.asked] == host.detached  # it fails where it is gone
    assert ["payload" in options for options in host.asked][-1] is False


def test_a_job_brings_the_core_itself_where_the_host_cannot_keep_it() -> None:
    host = Host({}, forgets=True)
    call(host, async_val=60, windows=False)
    assert host.detached == [False, False, True]
    assert ["payload" in options for options in host.asked] == [False, True, True]


def test_a_job_brings_the_core_at_once_where_the_host_may_not_keep_it() -> None:
    host = Host({}, forgets=True)
    call(host, {"cryptobot_carrier_keep": False}, async_val=60, windows=False)
    assert (host.detached, "payload" in host.asked[0], "request" in host.asked[0]) == ([True], True, True)
