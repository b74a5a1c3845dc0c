# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to a host is chosen by its shell, not by its connection, of which there is but a stand-in here."""

from __future__ import annotations

import base64
import importlib
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("ansible", reason="an action plugin needs ansible-core")

from ansible.plugins.loader import shell_loader

from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.action_base import MaintenanceAction
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.call import BRIDGE, RUNNER
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.options import DEFAULTS, spec_of_host

PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
PACKAGE = "ansible_collections.cryptobot.maintenance.plugins"
AREA_ACTIONS = sorted(
    path.stem for path in (PLUGINS / "action").glob("*.py") if path.stem not in ("report", "validate")
)
SPEC = {
    "state_dir": {"type": "path", "default": "/var/lib/cryptobot-maintenance"},
    "timeout": {"type": "int", "default": 60},
    "paths": {"type": "list", "elements": "path"},
    "rules": {"type": "list", "elements": "dict", "options": {"path": {"type": "path"}}},
}


class Action(MaintenanceAction):
    area = "thing"
    spec = SPEC
    _supports_check_mode = True


def run_over(transport: str, shell: str, arguments: dict[str, Any], **variables: Any) -> list[dict[str, Any]]:
    """Run the action over a stand-in connection and return the modules that it had executed."""
    task = mock.MagicMock(args=arguments, action="x", async_val=0, check_mode=False, delegate_to=None)
    connection = mock.MagicMock(transport=transport, _shell=shell_loader.get(shell))
    templar = mock.MagicMock(template=lambda value: value)
    action = Action(task, connection, mock.MagicMock(), mock.MagicMock(), templar, None)
    with mock.patch.object(action, "_execute_module", return_value={"changed": False}) as executed:
        action.run(task_vars=variables)
    return [each.kwargs for each in executed.call_args_list]


# (connection, its shell, whether the host is a Windows host)
TRANSPORTS = [
    ("winrm", "powershell", True),
    ("psrp", "powershell", True),
    ("ssh", "powershell", True),
    ("ssh", "cmd", True),
    ("ssh", "sh", False),
    ("local", "sh", False),
]


@pytest.mark.parametrize(("transport", "shell", "windows"), TRANSPORTS)
def test_the_bridge_is_taken_where_the_shell_is_that_of_windows(transport: str, shell: str, windows: bool) -> None:
    (executed,) = run_over(transport, shell, {})
    assert executed["module_name"] == (BRIDGE if windows else RUNNER)


def test_a_windows_path_arrives_as_it_was_written() -> None:
    given = {"state_dir": r"%ProgramData%\x", "paths": ["~\\logs", "$HOME\\x", "~/y"], "rules": [{"path": "~"}]}
    (executed,) = run_over("winrm", "powershell", given)
    asked = json.loads(executed["module_args"]["request"])
    assert asked["params"] == {**given, "timeout": 60}


def test_a_path_is_not_resolved_by_the_home_and_the_environment_of_the_controller() -> None:
    given = {"state_dir": "~/$HOME/x", "paths": ["~/logs"], "rules": [{"path": "~"}]}
    (executed,) = run_over("ssh", "sh", given)
    asked = json.loads(base64.b64decode(executed["module_args"]["request"]))
    assert asked["params"] == {**given, "timeout": 60}


def test_the_module_itself_travels_where_a_variable_says_so() -> None:
    (executed,) = run_over("ssh", "sh", {}, cryptobot_carrier="ansiballz")
    assert "module_name" not in executed


def test_a_windows_host_has_a_default_state_dir_of_its_own() -> None:
    (executed,) = run_over("winrm", "powershell", {})
    assert json.loads(executed["module_args"]["request"])["params"]["state_dir"] == DEFAULTS["state_dir"]


def test_the_spec_itself_is_not_changed() -> None:
    spec_of_host(SPEC, windows=True)
    assert SPEC["state_dir"] == {"type": "path", "default": "/var/lib/cryptobot-maintenance"}
    assert SPEC["rules"]["options"] == {"path": {"type": "path"}}


@pytest.mark.parametrize("name", AREA_ACTIONS)
def test_an_action_names_the_area_whose_options_it_validates(name: str) -> None:
    action = importlib.import_module(f"{PACKAGE}.action.{name}").ActionModule
    assert action.spec == argument_spec(importlib.import_module(f"{PACKAGE}.module_utils.{action.area}").SPEC)
    assert (PLUGINS / "module_utils" / action.area / "run.py").is_file()
