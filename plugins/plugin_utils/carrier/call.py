# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of the carrier: ask, send the core where the host lacks it and ask again, mask the answer.

Both halves speak the same on every system; on Windows the module bridge is the other one, elsewhere the module runner.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.pack import Payload, payload

BRIDGE = "cryptobot.maintenance.bridge"
RUNNER = "cryptobot.maintenance.runner"
WAYS = ("runner", "ansiballz")  # the values of cryptobot_carrier
WAY, KEEP = "cryptobot_carrier", "cryptobot_carrier_keep"
# Options of the module bridge by the host variables that set them.
VARIABLES = {"python": "cryptobot_python", "dir": "cryptobot_bridge_dir"}
# The core bounds itself by its own timeout, and may go on a while to put together what it took apart. The bridge ends
# it only where it does not: after that many seconds more.
GRACE = 120


class Action(Protocol):
    """What the carrier needs of an action plugin."""

    area: str
    _task: Any

    def _execute_module(self, **kwargs: Any) -> dict[str, Any]: ...

    def on_windows(self) -> bool:
        """Return whether the host is a Windows host."""

    def render(self, value: Any) -> Any:
        """Return a variable's value with its templates resolved."""


class Trip(NamedTuple):
    """What is to be asked of a host: by which module, with which options, and the payload that it needs."""

    action: Action
    module: str
    options: Mapping[str, Any]
    payload: Payload
    task_vars: dict[str, Any]
    keep: bool = True

    def ask(self, *, wrap_async: int = 0, without: Iterable[str] = (), bring: bool = False) -> dict[str, Any]:
        """Run the module once; ``bring`` the payload with it. A job of async fails where it is gone by then."""
        options = {name: value for name, value in self.options.items() if name not in without}
        if wrap_async:
            options["detached"] = True
        if bring:
            options["payload"] = self.payload.to_travel()
        return self.action._execute_module(
            module_name=self.module, module_args=options, task_vars=self.task_vars, wrap_async=wrap_async
        )


def call_carrier(
    action: Action, params: Mapping[str, Any], secrets: frozenset[str], task_vars: dict[str, Any]
) -> dict[str, Any]:
    """Given an action with its checked arguments, have the host's Python run its area and return the result."""
    trip = (_by_bridge if action.on_windows() else _by_runner)(action, params, secrets, task_vars)
    result = _detached(trip) if action._task.async_val else _attached(trip)
    if "payload_present" in result or "invocation" not in result:  # no answer of the core, which tells its own
        result["invocation"] = {"module_args": dict(params)}
    return remove_values(result, secrets)


def by_ansiballz(action: Action, task_vars: Mapping[str, Any]) -> bool:
    """Return whether a host's variables want the Python module itself to travel. Raise AnsibleActionFail."""
    given = variables_of(action, task_vars).get(WAY)
    way = action.render(given) if given else WAYS[0]
    if way not in WAYS:
        raise AnsibleActionFail(f"{WAY} is {way!r}, expected one of {', '.join(WAYS)}")
    return bool(way == "ansiballz") and not action.on_windows()


def variables_of(action: Action, task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the variables of the host that does it, which is the one that the task is delegated to."""
    return (task_vars.get("ansible_delegated_vars") or {}).get(action._task.delegate_to) or task_vars


def _by_runner(action: Action, params: Mapping[str, Any], secrets: frozenset[str], task_vars: dict[str, Any]) -> Trip:
    packed = payload(areas_of(action.area, params))
    keep = _keep(action, task_vars)
    options = {
        "keep": keep,
        "payload_sha256": packed.sha256,
        # Ansible replaces words of its own in the finished module, and in base64 there are none.
        "request": base64.b64encode(request(action, params, secrets).encode("ascii")).decode("ascii"),
        "rlimit_nofile": constants.config.get_config_value("PYTHON_MODULE_RLIMIT_NOFILE", variables=task_vars),
    }
    return Trip(action, RUNNER, options, packed, task_vars, keep)


def _by_bridge(action: Action, params: Mapping[str, Any], secrets: frozenset[str], task_vars: dict[str, Any]) -> Trip:
    packed = payload(areas_of(action.area, params))
    options = {
        **host_options(action, task_vars),
        "payload_sha256": packed.sha256,
        "request": request(action, params, secrets),
        "secrets": sorted(secrets),
        "state_dir": params.get("state_dir"),
        "timeout": int(params["timeout"]) + GRACE,
    }
    return Trip(action, BRIDGE, options, packed, task_vars)


def areas_of(area: str, params: Mapping[str, Any]) -> list[str]:
    """Return the areas that a request is about: a checkup is about those that it names too."""
    return [area, *(params["checks"] if area == "checkup" else ())]


def _keep(action: Action, task_vars: Mapping[str, Any]) -> bool:
    """Return whether the host may keep what it is sent."""
    given = variables_of(action, task_vars).get(KEEP)
    value = True if given is None else action.render(given)
    try:
        return bool(boolean(value))
    except TypeError:
        raise AnsibleActionFail(f"{KEEP} is {value!r}, expected true or false") from None


def host_options(action: Action, task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bridge's options that variables of the host set."""
    variables = variables_of(action, task_vars)
    named = {option: variables[name] for option, name in VARIABLES.items() if variables.get(name)}
    return {option: action.render(value) for option, value in named.items()}


def request(action: Action, params: Mapping[str, Any], secrets: frozenset[str]) -> str:
    """Return what the core's entry.py reads: one line of ASCII JSON."""
    asked = {
        "area": action.area,
        "params": params,
        "check_mode": bool(action._task.check_mode),
        "secrets": sorted(secrets),
    }
    return json.dumps(asked, cls=get_module_encoder("legacy", Direction.CONTROLLER_TO_MODULE), ensure_ascii=True)


def _attached(trip: Trip, without: Iterable[str] = ()) -> dict[str, Any]:
    """Ask; where the host has not got the core, bring it and ask again. What it may not keep is brought at once."""
    result = trip.ask(without=without, bring=not trip.keep)
    if trip.keep and _lacks(result):
        result = trip.ask(without=without, bring=True)
    return result


def _lacks(result: Mapping[str, Any]) -> bool:
    return result.get("payload_present") is False and not result.get("failed")


def _detached(trip: Trip) -> dict[str, Any]:
    """See to it that the host has the core, then ask in a job of its own, whose result nobody here sees.

    Where the host cannot keep the core, the job brings it.
    """
    ready = _attached(trip, without=("request",)) if trip.keep else {"kept": False}
    if ready.get("failed") or ready.get("unreachable"):
        return ready
    return trip.ask(wrap_async=trip.action._task.async_val, bring=ready.get("kept") is False)
