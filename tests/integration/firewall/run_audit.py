# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run firewall_audit as its module does, with options from stdin and the defaults of its argument_spec."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import conftest  # noqa: F401  (makes the checkout importable as a collection)

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.spec import POLICY, SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost


def main() -> None:
    """Print the result."""
    options = json.load(sys.stdin)
    params = {name: option.get("default") for name, option in SPEC.items()}
    params.update(options)
    defaults = {name: option.get("default") for name, option in POLICY.items()}
    params["policy"] = [{**defaults, **entry, "port": str(entry["port"])} for entry in params["policy"]]
    print(json.dumps(run(params, LinuxHost(60)).as_dict()))


if __name__ == "__main__":
    main()
