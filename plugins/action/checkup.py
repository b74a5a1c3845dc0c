# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ansible.errors import AnsibleActionFail

from ansible_collections.cryptobot.maintenance.plugins.module_utils.checkup import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.action_base import (
    Checked,
    MaintenanceAction,
    validate,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import AREAS, mistakes_in


class ActionModule(MaintenanceAction):
    """The controller's half of the module checkup: the options of each area are validated by that area's own SPEC."""

    _supports_check_mode = True
    area = "checkup"
    spec = argument_spec(SPEC)

    def check(self, arguments: Mapping[str, Any]) -> Checked:
        own = super().check(arguments).params
        areas = {name: self._check_area(name, options, own) for name, options in own["checks"].items()}
        # All of "checks" counts as secret by the spec; what really is secret is for each area's own SPEC to say.
        secrets = frozenset().union(*(area.secrets for area in areas.values()))
        return Checked({**own, "checks": {name: area.params for name, area in areas.items()}}, secrets)

    def _check_area(self, name: str, options: Optional[Mapping[str, Any]], own: Mapping[str, Any]) -> Checked:
        if name not in AREAS:
            raise AnsibleActionFail(f"{self._task.action}: checks names {name!r}, expected one of {sorted(AREAS)}")
        given = {"state_dir": own["state_dir"], **(options or {}), **AREAS[name].force}
        self.refuse(mistakes_in(name, given, self.platforms()), f"checks.{name}: ")
        return validate(self.here(argument_spec(AREAS[name].spec)), given, f"{self._task.action}: checks.{name}")
