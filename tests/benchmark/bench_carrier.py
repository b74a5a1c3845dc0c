# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the carrier costs: a checkup of four areas, and one area, against ansible.builtin.ping, each on one host.

Both are `ansible -m ...` over a local connection, in turn; the CPU figure holds controller and host. The demo is looked
at. ``kept`` is a host that has the core, ``from_memory`` one that may not keep it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench_weekly import CHECKOUT, environment, manage
from pair import Cost, emit, measure

RUNS = int(os.environ.get("CRYPTOBOT_BENCH_RUNS", "5"))
AIM = round(1 / 1.05, 2)
VARIABLES = CHECKOUT / "inventories" / "demo"
SERVICES = {"services": "{{ cryptobot_services }}"}
CHECKS: dict[str, Any] = {
    "resources": {"thresholds": "{{ cryptobot_thresholds | default({}) }}"},
    "services": SERVICES,
    "backup": {"dir": "{{ cryptobot_backup.dir }}", "sources": "{{ cryptobot_backup.sources }}"},
    "firewall": {"policy": "{{ cryptobot_firewall_policy }}"},
}


def call(module: str, arguments: dict[str, Any], root: Path, **variables: object) -> Cost:
    """Return what one call of a module on the demo's host costs."""
    ansible = str(Path(sys.executable).with_name("ansible"))
    extra = json.dumps({"cryptobot_demo_root": str(root), **variables})
    argv = [ansible, "cryptobot", "-i", str(VARIABLES), "-m", module, "-a", json.dumps(arguments), "-e", extra]
    return measure(argv, cwd=CHECKOUT, env=environment())


def compare(root: Path) -> None:
    """Run all in turn and print their ratios to a ping."""
    state = {"state_dir": str(root / "state")}
    checkup = ("cryptobot.maintenance.checkup", {"checks": CHECKS, **state})
    service = ("cryptobot.maintenance.service_check", {**SERVICES, **state})
    for ours in (checkup, service):
        call(*ours, root)  # brings the core
    costs: dict[str, list[Cost]] = {
        name: [] for name in ("ping", "checkup.kept", "checkup.from_memory", "service.kept")
    }
    for _run in range(RUNS):
        costs["ping"].append(call("ansible.builtin.ping", {"data": "pong"}, root))
        costs["checkup.kept"].append(call(*checkup, root))
        costs["checkup.from_memory"].append(call(*checkup, root, cryptobot_carrier_keep=False))
        costs["service.kept"].append(call(*service, root))
    ping = costs.pop("ping")
    for name, ours_costs in costs.items():
        aim = AIM if name.endswith("kept") else AIM / 1.4
        emit(f"carrier.{name}.cpu", [cost.cpu for cost in ours_costs], [cost.cpu for cost in ping], "s", round(aim, 2))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "demo")
        manage("up", root)
        try:
            compare(root)
        finally:
            manage("clean", root)


if __name__ == "__main__":
    main()
