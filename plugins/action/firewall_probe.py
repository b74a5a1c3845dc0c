# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake, shown
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.action_base import MaintenanceAction

VARIABLE = str(SPEC["addresses"]["variable"])


class ActionModule(MaintenanceAction):
    """The controller's half of the module firewall_probe: nothing is contacted that is no address of the inventory."""

    _supports_check_mode = True
    area = "firewall_probe"
    spec = argument_spec(SPEC)

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        variables = (task_vars or {}).get("hostvars") or {}
        self.refuse([*strangers(self._task.args.get("targets") or (), variables)])
        return super().run(tmp, task_vars)


def strangers(targets: Any, inventory: Mapping[str, Mapping[str, Any]]) -> Iterator[Mistake]:
    """Given targets and the variables of all hosts, yield a mistake for each host or address that is none of them.

    What is no list of mappings is for the validation of the options to say.
    """
    for at, target in enumerate(targets if isinstance(targets, (list, tuple)) else ()):
        if isinstance(target, Mapping):
            yield from _of_target(f"targets[{at}]", target, inventory)


def _of_target(place: str, target: Mapping[str, Any], inventory: Mapping[str, Mapping[str, Any]]) -> Iterator[Mistake]:
    name = str(target.get("host"))
    if name not in inventory:
        yield Mistake(f"{place}.host", shown(name), "a host of the inventory: nothing else is knocked at")
        return
    own = inventory[name]
    known = {"host_address": [own.get("ansible_host", name)], "addresses": own.get(VARIABLE, [])}
    for option, allowed in known.items():
        given = target.get(option) or []
        for value in given if isinstance(given, (list, tuple)) else [given]:
            if str(value) not in map(str, allowed):
                cure = f"an address of {name} in the inventory (ansible_host, {VARIABLE}): add it there if it is one"
                yield Mistake(f"{place} ({name}).{option}", shown(value), cure)
