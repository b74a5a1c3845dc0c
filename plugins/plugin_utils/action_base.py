# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action base: what the controller does for every module of the collection before and after the trip to a host.

It validates the arguments, so that a typo is reported without a trip; it chooses the way to the host by its shell (on
POSIX the Python module itself, on Windows the bridge); and it masks secrets in what comes back, because an action
plugin's result is not cleaned by anybody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Optional

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.bridge.call import call_bridge
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.bridge.options import windows_spec


@dataclass(frozen=True)
class Checked:
    """Arguments that fit: ``params`` has the defaults filled in, ``secrets`` are the values that must not be shown."""

    params: dict[str, Any]
    secrets: frozenset[str]


def validate(spec: Mapping[str, Any], arguments: Mapping[str, Any], where: str) -> Checked:
    """Given an argument_spec and the arguments of a task, return them checked.

    Raise AnsibleActionFail, naming the module, the option, its value and what is allowed, where they do not fit.
    """
    outcome = ArgumentSpecValidator(dict(spec)).validate(dict(arguments))
    if outcome.error_messages:
        raise AnsibleActionFail(f"{where}: {'; '.join(outcome.error_messages)}")
    secrets = frozenset(outcome._no_log_values)  # the validator offers no public name for them
    return Checked(outcome.validated_parameters, secrets)


class MaintenanceAction(ActionBase):
    """The base of all action plugins of this collection; a subclass names its noun and that noun's argument_spec."""

    _supports_check_mode = False  # each action opts in: the default of ActionBase is True
    _supports_async = True
    noun: ClassVar[str]
    spec: ClassVar[Mapping[str, Any]]

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        checked = self.check(self._task.args)
        if self.on_windows():
            return call_bridge(self, checked.params, checked.secrets, task_vars or {})
        answer = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        return remove_values(answer, checked.secrets)

    def check(self, arguments: Mapping[str, Any]) -> Checked:
        """Return the arguments checked. Raise AnsibleActionFail where they do not fit."""
        return validate(self.here(self.spec), arguments, self._task.action)

    def here(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """Given an argument_spec, return it as it holds on this kind of host."""
        return windows_spec(spec) if self.on_windows() else spec

    def render(self, value: Any) -> Any:
        """Return a variable's value with its templates resolved."""
        return self._templar.template(value)

    def on_windows(self) -> bool:
        """Return whether the host is a Windows host, by whatever connection it is reached."""
        return bool(getattr(self._connection._shell, "_IS_WINDOWS", False))
