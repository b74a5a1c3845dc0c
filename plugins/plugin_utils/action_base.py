# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action base: what the controller does for every module of the collection before and after the trip to a host.

It validates the arguments, so that a typo is reported without a trip; it chooses the way to the host by its shell (on
POSIX the Python module itself); and it masks secrets in what comes back, because an action plugin's result is not
cleaned by anybody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Optional

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase


def validate(spec: Mapping[str, Any], arguments: Mapping[str, Any], where: str) -> set[str]:
    """Given an argument_spec and the arguments of a task, return the secret values among them.

    Raise AnsibleActionFail, naming the module, the option, its value and what is allowed, where they do not fit.
    """
    outcome = ArgumentSpecValidator(dict(spec)).validate(dict(arguments))
    if outcome.error_messages:
        raise AnsibleActionFail(f"{where}: {'; '.join(outcome.error_messages)}")
    return set(outcome._no_log_values)  # the validator offers no public name for them


class MaintenanceAction(ActionBase):
    """The base of all action plugins of this collection; a subclass names its argument_spec."""

    _supports_check_mode = False  # each action opts in: the default of ActionBase is True
    _supports_async = True
    spec: ClassVar[Mapping[str, Any]]

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        secrets = self.secrets(self._task.args)
        self.require_posix()
        answer = self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        return remove_values(answer, secrets)

    def secrets(self, arguments: Mapping[str, Any]) -> Iterable[str]:
        """Validate the arguments and return the secret values among them. Raise AnsibleActionFail."""
        return validate(self.spec, arguments, self._task.action)

    def require_posix(self) -> None:
        """Raise AnsibleActionFail on a host that this release has no way to run the core on."""
        if getattr(self._connection._shell, "_IS_WINDOWS", False):
            raise AnsibleActionFail(
                f"{self._task.action}: {self._task.delegate_to or self._connection.host or 'this host'} is a Windows "
                "host, expected Linux: this release of cryptobot.maintenance does not run on Windows yet"
            )
