# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/recover/__init__.py; a test compares them. Change that one instead.

from __future__ import annotations

from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover import SPEC
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.action_base import MaintenanceAction


class ActionModule(MaintenanceAction):
    """The controller's half of the module recover_host."""

    _supports_check_mode = True
    area = "recover"
    spec = argument_spec(SPEC)
