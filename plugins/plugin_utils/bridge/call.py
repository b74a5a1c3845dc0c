# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of the bridge: ask, send the core where the host lacks it and ask again, mask the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.bridge.pack import Payload, pack

MODULE = "cryptobot.maintenance.bridge"
# Options of the module bridge by the host variables that set them.
VARIABLES = {"python": "cryptobot_python", "dir": "cryptobot_bridge_dir"}
# The core bounds itself by its own timeout, and may go on a while to put together what it took apart. The bridge ends
# it only where it does not: after that many seconds more.
GRACE = 120


class Action(Protocol):
    """What the bridge needs of an action plugin."""

    noun: str
    _task: Any

    def _execute_module(self, **kwargs: Any) -> dict[str, Any]: ...

    def render(self, value: Any) -> Any:
        """Return a variable's value with its templates resolved."""


def call_bridge(
    action: Action, params: Mapping[str, Any], secrets: frozenset[str], task_vars: dict[str, Any]
) -> dict[str, Any]:
    """Given an action with its checked arguments, have the host's Python run its noun and return the result."""
    payload = pack()
    options = {
        **host_options(action, task_vars),
        "payload_sha256": payload.sha256,
        "request": request(action, params, secrets),
        "secrets": sorted(secrets),
        "state_dir": params.get("state_dir"),
        "timeout": int(params["timeout"]) + GRACE,
    }
    answer = _detached if action._task.async_val else _attached
    result = answer(action, options, payload, task_vars)
    result["invocation"] = {"module_args": dict(params)}
    return remove_values(result, secrets)


def host_options(action: Action, task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """Return the module's options that variables of the host set, which is the one that the task is delegated to."""
    delegated = (task_vars.get("ansible_delegated_vars") or {}).get(action._task.delegate_to)
    variables = delegated or task_vars
    named = {option: variables[name] for option, name in VARIABLES.items() if variables.get(name)}
    return {option: action.render(value) for option, value in named.items()}


def request(action: Action, params: Mapping[str, Any], secrets: frozenset[str]) -> str:
    """Return what the core's entry.py reads: one line of ASCII JSON."""
    asked = {
        "noun": action.noun,
        "params": params,
        "check_mode": bool(action._task.check_mode),
        "secrets": sorted(secrets),
    }
    return json.dumps(asked, cls=get_module_encoder("legacy", Direction.CONTROLLER_TO_MODULE), ensure_ascii=True)


def _attached(
    action: Action, options: Mapping[str, Any], payload: Payload, task_vars: dict[str, Any]
) -> dict[str, Any]:
    """Ask; where the host has not got the core, bring it and ask again."""
    result = _bridge(action, options, task_vars)
    if result.get("payload_present") is False and not result.get("failed"):
        result = _bridge(action, {**options, "payload": payload.to_travel()}, task_vars)
    return result


def _detached(
    action: Action, options: Mapping[str, Any], payload: Payload, task_vars: dict[str, Any]
) -> dict[str, Any]:
    """See to it that the host has the core, then ask in a job of its own, whose result nobody here sees."""
    silent = {name: value for name, value in options.items() if name != "request"}
    ready = _attached(action, silent, payload, task_vars)
    if ready.get("failed") or ready.get("unreachable"):
        return ready
    return _bridge(action, options, task_vars, wrap_async=action._task.async_val)


def _bridge(
    action: Action, options: Mapping[str, Any], task_vars: dict[str, Any], *, wrap_async: int = 0
) -> dict[str, Any]:
    """Run the module bridge once."""
    return action._execute_module(
        module_name=MODULE, module_args=dict(options), task_vars=task_vars, wrap_async=wrap_async
    )
