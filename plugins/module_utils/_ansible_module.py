# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where the core meets Ansible: a module object goes in, an exit with plain JSON comes out.

This file is the shell, not the core. It still imports nothing of Ansible: it only calls the module object it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .errors import CoreError
from .finding import Result
from .host import Host, choose_host

Run = Callable[[dict[str, Any], Host, bool], Result]


class Module(Protocol):
    """What this shell needs of an AnsibleModule."""

    params: dict[str, Any]
    check_mode: bool

    def exit_json(self, **kwargs: Any) -> None:
        """End the process, successful."""

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        """End the process, failed."""


def exit_with(module: Module, run: Run, *, low_priority: bool = True) -> None:
    """Run a noun on this host and end the module with its result.

    ``params["timeout"]`` seconds bound the whole run. An error of the core, or an action that did not succeed, fails
    the task; whatever had been found by then is still returned.
    """
    try:
        host = choose_host(module.params["timeout"])
        if low_priority:
            host.lower_priority()
        result = run(module.params, host, module.check_mode)
    except CoreError as error:
        return module.fail_json(msg=str(error))
    if result.failure:
        return module.fail_json(msg=result.failure, **result.as_dict())
    return module.exit_json(**result.as_dict())
