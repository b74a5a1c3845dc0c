# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run firewall_audit as its module does, with options from stdin and the defaults of its argument_spec."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall import POLICY, SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed


class Narrowed(LinuxHost):
    """This host without its tools, as one where nothing is installed."""

    def which(self, tool: str) -> Optional[str]:
        return None

    def run(self, argv: Sequence[str], **_options: Any) -> Completed:
        if argv[0] != "ip":
            raise ToolMissing(argv[0])
        return super().run(argv)


def main() -> None:
    """Print the result. ``_account`` is the account to become before, ``_bare`` takes the tools away."""
    options = json.load(sys.stdin)
    host = Narrowed(60) if options.pop("_bare", False) else LinuxHost(60)
    account = options.pop("_account", None)
    if account is not None:
        os.setgroups([])
        os.setuid(account)
    params = {name: option.get("default") for name, option in SPEC.items()}
    params.update({"state_dir": "/nonexistent", **options})  # nothing that another run remembers
    defaults = {name: option.get("default") for name, option in POLICY.items()}
    params["policy"] = [{**defaults, **entry, "port": str(entry["port"])} for entry in params["policy"]]
    print(json.dumps(run(params, host, check_mode=True).as_dict()))


if __name__ == "__main__":
    main()
