# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half, without a host: arguments validated before any trip, secrets masked in what comes back."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

pytest.importorskip("ansible", reason="an action plugin needs ansible-core")

from ansible.errors import AnsibleActionFail

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.action_base import MaintenanceAction, validate

SPEC = {
    "port": {"type": "int", "required": True},
    "login": {"type": "dict", "options": {"password": {"type": "str", "no_log": True}}},
}


class Action(MaintenanceAction):
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
    assert run_with({"port": 80}, {"findings": [{"actual": 80}]}) == {"findings": [{"actual": 80}]}


def test_validate_returns_the_secrets_of_nested_options() -> None:
    assert validate(SPEC, {"port": 80, "login": {"password": "hunter2"}}, "here").secrets == {"hunter2"}


def test_check_mode_is_off_until_an_action_opts_in() -> None:
    assert MaintenanceAction._supports_check_mode is False
