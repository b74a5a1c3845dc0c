# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module whose area returns what no module should: names that are no UTF-8, its own secret in several forms."""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding, Result

SPEC = {"timeout": {"type": "int", "default": 30}, "password": {"type": "str", "no_log": True}}


def run(params: dict[str, Any], _host: Any, _check_mode: bool = False) -> Result:
    secret = params["password"]
    message = f"name \udcff half \ud83d {secret} {json.dumps(secret)} {secret!r} \x1b[2J"
    return Result([Finding("a.rule", "made \udce9", "ok", message)], changed=True)


if __name__ == "__main__":
    exit_with(AnsibleModule(argument_spec=SPEC), run)
