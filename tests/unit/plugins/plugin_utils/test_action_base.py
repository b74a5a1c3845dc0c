# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half, without a host: arguments validated before any trip, secrets masked in what comes back."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("ansible", reason="an action plugin needs ansible-core")

from ansible.errors import AnsibleActionFail
from ansible.module_utils._internal import _messages

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.action_base import MaintenanceAction, validate

SPEC = {
    "port": {"type": "int", "required": True},
    "login": {"type": "dict", "options": {"password": {"type": "str", "no_log": True}}},
}


class Action(MaintenanceAction):
    area = "thing"  # an area that the core lacks: what it would refuse is not looked for
    spec = SPEC


def run_with(arguments: dict[str, Any], answer: dict[str, Any], *, windows: bool = False) -> dict[str, Any]:
    task = mock.MagicMock(
        args=arguments, action="cryptobot.maintenance.thing", async_val=0, check_mode=False, delegate_to=None
    )
    connection = mock.MagicMock()
    connection._shell._IS_WINDOWS = windows
    action = Action(task, connection, mock.MagicMock(), mock.MagicMock(), mock.MagicMock(), None)
    with mock.patch.object(action, "_execute_module", return_value=answer) as trip:
        try:
            return action.run(task_vars={})
        finally:
            run_with.trips = trip.call_count  # type: ignore[attr-defined]


# (arguments, what the error must name)
WRONG = [
    ({}, "port"),
    ({"port": "eighty"}, "eighty"),
    ({"port": 80, "prot": "tcp"}, "prot"),
    ({"port": 1, "login": {"user": "x"}}, "user"),
]


@pytest.mark.parametrize(("arguments", "named"), WRONG)
def test_a_wrong_argument_is_named_before_any_trip_to_the_host(arguments: dict, named: str) -> None:
    with pytest.raises(AnsibleActionFail, match=named):
        run_with(arguments, {})
    assert run_with.trips == 0  # type: ignore[attr-defined]


def test_a_secret_argument_is_masked_wherever_it_comes_back() -> None:
    answer = run_with(
        {"port": 80, "login": {"password": "hunter2"}}, {"msg": "login with hunter2 failed", "list": ["hunter2"]}
    )
    assert "hunter2" not in str(answer)
    assert answer["msg"] == "login with ******** failed"


def test_what_is_no_secret_comes_back_as_it_is() -> None:
    told = {"invocation": {"module_args": {"port": 80, "login": None}}}
    assert run_with({"port": 80}, {"findings": [{"actual": 80}], **told}) == {"findings": [{"actual": 80}], **told}


def test_validate_returns_the_secrets_of_nested_options() -> None:
    assert validate(SPEC, {"port": 80, "login": {"password": "hunter2"}}, "here").secrets == {"hunter2"}


def test_check_mode_is_off_until_an_action_opts_in() -> None:
    assert MaintenanceAction._supports_check_mode is False


SECRET = "p@ss/w\"or'd\\é-of-the-house"


def login(answer: dict[str, Any], **options: Any) -> dict[str, Any]:
    return run_with({"port": 80, "login": {"password": SECRET}}, answer, **options)


@pytest.mark.case("WN3")
@pytest.mark.parametrize("write", [str, json.dumps, repr, lambda text: json.dumps({"a": repr(text)})])
@pytest.mark.parametrize("name", ["msg", "module_stderr", "stderr", "list"])
def test_a_secret_is_masked_in_each_form_before_anything_is_cut(name: str, write: Any) -> None:
    text = "x" * 980 + write(SECRET) + "y" * 3_000_000
    answer = login({name: [text] if name == "list" else text, "failed": True})
    assert not [part for part in ("p@ss", "ss/w", "or'd", "or\\'d", "house") if part in str(answer)]
    assert len(str(answer)) < 20_000


@pytest.mark.case("WN3", "RP11")
def test_what_is_no_answer_is_told_in_one_sentence_and_ansibles_own_error_does_not_hold_the_secret() -> None:
    event = _messages.Event(msg=f"deserialization failed: {SECRET!r}")
    left = {
        "failed": True,
        "exception": _messages.ErrorSummary(event=event),
        "msg": "Module result deserialization failed.",
    }
    said = f'Traceback\n  File "x"\nImportError: no module named {SECRET!r}\n'
    answer = login({**left, "module_stdout": f"greetings {SECRET}", "module_stderr": said, "rc": 1})
    assert answer["msg"] == (
        "the Python of this host gave no answer (exit code 1): ImportError: no module named '********'"
    )
    assert "house" not in str(answer)
    assert "exception" not in answer


@pytest.mark.case("WN3")
def test_a_program_that_echoes_what_it_was_given_is_not_quoted_in_the_message() -> None:
    answer = login(
        {"failed": True, "msg": "x", "module_stdout": json.dumps({"a": SECRET}), "module_stderr": "", "rc": 0}
    )
    assert "it printed 42 characters and no complaint" in answer["msg"]


@pytest.mark.case("BK8")
def test_what_a_host_says_can_be_written_whatever_it_says() -> None:
    answer = login({"msg": "a \udcff b \ud800 c", "findings": [{"subject": "\udce9"}]})
    assert (answer["msg"], answer["findings"]) == ("a \\xff b \\ud800 c", [{"subject": "\\xe9"}])


@pytest.mark.case("WN3")
def test_what_is_wrong_with_arguments_is_told_without_their_secrets() -> None:
    with pytest.raises(AnsibleActionFail) as raised:
        run_with({"port": f"eighty {SECRET!r}", "login": {"password": SECRET}}, {})
    assert "house" not in str(raised.value)
    assert "eighty" in str(raised.value)
