# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell around the core: what becomes of a result, an error of the core and a defect."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils import _ansible_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import CRITICAL, OK, Finding, Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host


class Exited(Exception):
    """AnsibleModule's exits end the process; a fake that returned would run code that production never reaches."""


SECRET = 'hunter2 "and" more'


class FakeModule:
    def __init__(self, check_mode: bool = False, **params: Any) -> None:
        self.params, self.check_mode = {"timeout": 30, **params}, check_mode
        self.no_log_values = {SECRET}
        self.failed = False
        self.answer: dict[str, Any] = {}

    def exit_json(self, **answer: Any) -> None:
        self.answer = answer
        raise Exited

    def fail_json(self, msg: str, **answer: Any) -> None:
        self.failed, self.answer = True, {"msg": msg, **answer}
        raise Exited


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """Put a host in place whose priority is noted instead of lowered."""
    fake = FakeHost()
    fake.lowered = 0  # type: ignore[attr-defined]

    def lower() -> None:
        fake.lowered += 1  # type: ignore[attr-defined]

    fake.lower_priority = lower  # type: ignore[method-assign]
    monkeypatch.setattr(_ansible_module, "choose_host", lambda budget: fake)
    return fake


def _run(result: Result, module: FakeModule, **options: Any) -> FakeModule:
    with pytest.raises(Exited):
        exit_with(module, lambda _params, _host, _check: result, **options)
    return module


def test_a_result_ends_the_module_well_even_where_its_findings_are_bad() -> None:
    module = _run(Result([Finding("a.rule", "x", CRITICAL, "bad")]), FakeModule())
    assert (module.failed, module.answer["status"], module.answer["changed"]) == (False, CRITICAL, False)


def test_an_action_that_did_not_succeed_fails_the_task_and_still_returns_what_was_found() -> None:
    module = _run(Result([Finding("a.rule", "x", OK, "")], failure="it broke", changed=True), FakeModule())
    assert (module.failed, module.answer["msg"]) == (True, "it broke")
    assert (len(module.answer["findings"]), module.answer["changed"]) == (1, True)


def test_an_error_of_the_core_fails_the_task_with_its_message_alone() -> None:
    def run(_params: dict[str, Any], _host: Host, _check: bool) -> Result:
        raise InputError("age", "soon", "a duration")

    module = FakeModule()
    with pytest.raises(Exited):
        exit_with(module, run)
    assert (module.failed, module.answer["msg"]) == (True, "age is 'soon', expected a duration")
    assert set(module.answer) == {"msg", "invocation"}


@pytest.mark.case("WN3")
def test_a_defect_of_the_core_is_called_one_and_names_its_place_without_secrets() -> None:
    def run(_params: dict[str, Any], _host: Host, _check: bool) -> Result:
        raise KeyError(SECRET)

    module = FakeModule()
    with pytest.raises(Exited):
        exit_with(module, run)
    assert module.failed
    assert module.answer["msg"].startswith("KeyError: '********' at module_utils/test_ansible_module.py:")
    assert "a defect of the collection" in module.answer["msg"]
    assert "hunter2" not in module.answer["exception"]


@pytest.mark.case("BK8", "WN4")
@pytest.mark.parametrize("failure", ["", "set \udcff is half \ud800 made"])
def test_what_cannot_be_written_as_utf8_does_not_keep_an_answer_from_leaving(failure: str) -> None:
    finding = Finding("a.rule", "name \udcff", OK, "half a pair \ud83d", actual={"\udce9": ["\udfff"]})
    module = _run(Result([finding], failure=failure, data={"sets": ["\udc80"]}), FakeModule(dir="/x/\udcff"))
    json.dumps(module.answer, ensure_ascii=False).encode("utf-8")
    found = module.answer["findings"][0]
    assert (found["subject"], found["message"]) == ("name \\xff", "half a pair \\ud83d")
    assert found["actual"] == {"\\xe9": ["\\udfff"]}
    assert module.answer["invocation"]["module_args"]["dir"] == "/x/\\xff"


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_area_gets_its_parameters_the_host_and_the_mode(check_mode: bool, host: FakeHost) -> None:
    seen: list[Any] = []

    def run(params: dict[str, Any], host: Host, check: bool) -> Result:
        seen.extend([params, host, check])
        return Result()

    with pytest.raises(Exited):
        exit_with(FakeModule(check_mode, age="7d"), run)
    assert seen == [{"timeout": 30, "age": "7d"}, host, check_mode]


@pytest.mark.parametrize(("low_priority", "times"), [(True, 1), (False, 0)])
def test_priority_is_lowered_unless_the_module_says_otherwise(low_priority: bool, times: int, host: FakeHost) -> None:
    _run(Result(), FakeModule(), low_priority=low_priority)
    assert host.lowered == times  # type: ignore[attr-defined]


def test_a_system_without_a_host_fails_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_for(_budget: float) -> Host:
        raise CoreError("the platform is 'plan9'")

    monkeypatch.setattr(_ansible_module, "choose_host", none_for)
    assert _run(Result(), module := FakeModule()).failed
    assert "plan9" in module.answer["msg"]


def test_a_look_that_hangs_in_a_call_of_the_system_is_ended_and_what_acts_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_ansible_module, "GRACE", 0.05)
    pipe = tmp_path / "a pipe in place of a file"
    os.mkfifo(pipe)

    def look(_params: dict[str, Any], _host: Host, _check_mode: bool) -> Result:
        return Result(message=str(os.open(pipe, os.O_RDONLY)))

    module = FakeModule(timeout=0)
    with pytest.raises(Exited):
        exit_with(module, look, acts=False)
    assert module.failed
    assert module.answer["msg"] == "a call of the system was ended after 0.1 s, the time it may take"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)

    def act(_params: dict[str, Any], _host: Host, _check_mode: bool) -> Result:
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        return Result()

    acting = FakeModule(timeout=0)
    with pytest.raises(Exited):
        exit_with(acting, act)
    assert not acting.failed
