# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.cryptobot.maintenance.plugins.module_utils.checkup.nouns import NOUNS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.checkup.spec import SPEC
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.action_base import MaintenanceAction, validate


class ActionModule(MaintenanceAction):
    """The controller's half of the module checkup: the options of each noun are validated by that noun's own spec."""

    _supports_check_mode = True
    spec = SPEC

    def secrets(self, arguments: Mapping[str, Any]) -> Iterable[str]:
        validate(self.spec, arguments, self._task.action)
        found: set[str] = set()
        for name, options in arguments["checks"].items():
            if name not in NOUNS:
                raise AnsibleActionFail(f"{self._task.action}: checks names {name!r}, expected one of {sorted(NOUNS)}")
            given = {**(options or {}), **NOUNS[name].force}
            found |= validate(NOUNS[name].spec, given, f"{self._task.action}: checks.{name}")
        return found
