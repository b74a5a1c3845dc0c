# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the Windows bridge costs: a module of ours against ansible.windows.win_ping, over the same WinRM endpoint.

Both go to the same loopback host, whose PowerShell is real (tests/integration/windows), one call after the other. A
first call brings the core, a later one finds it there. The module has nothing to do, and asks no PowerShell of its
own: what is measured is the way, WinRM, Ansible's wrappers, the bridge, a Python that imports the core and answers.
Absolute times are not those of a Windows host; the ratio is fair, because both sides compile the same Ansible.Basic
first.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from pair import LEFT_OUT, Cost, emit, measure

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests"))

from integration.windows.controller import ANSIBLE, environment  # noqa: E402
from integration.windows.host.windows import WindowsHost, find_pwsh  # noqa: E402

RUNS = int(os.environ.get("CRYPTOBOT_BENCH_RUNS", "3"))
CALLS = 5  # names for the host in one run, visited in turn: the start of `ansible` itself is shared by all
AIM = 0.87  # ours may take 1.15 times as long


def inventory(host: WindowsHost, name: str, folders: list[str]) -> str:
    """Write an inventory with one name for the host per call, each with the cache folder that it is to use."""
    hosts = {
        f"call{number}": {**host.variables(), "cryptobot_bridge_dir": folder} for number, folder in enumerate(folders)
    }
    path = host.root / f"{name}.json"
    path.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    return str(path)


def per_call(hosts: str, module: str, arguments: dict[str, object]) -> Cost:
    """Return what one call of a module takes. The endpoint runs in this process, so CPU holds both sides of the way."""
    argv = [str(ANSIBLE), "all", "-i", hosts, "--forks", "1", "-m", module, "-a", json.dumps(arguments)]
    cost = measure(argv, cwd=CHECKOUT, env=environment())
    return Cost(cost.wall / CALLS, cost.cpu / CALLS)


def compare(host: WindowsHost) -> None:
    """Run first calls, later calls and pings in turn and print their ratios."""
    ours = ("cryptobot.maintenance.disk_cleanup", {"rules": [], "state_dir": str(host.root / "state")})
    cached = inventory(host, "cached", [str(host.bridge_dir)] * CALLS)
    per_call(cached, *ours)  # brings the core
    first, later, ping = [], [], []
    for run in range(RUNS):
        fresh = inventory(host, f"first{run}", [str(host.root / f"fresh {run}.{number}") for number in range(CALLS)])
        ping.append(per_call(cached, "ansible.windows.win_ping", {"data": "pong"}))
        first.append(per_call(fresh, *ours))
        later.append(per_call(cached, *ours))
    for figure in ("wall", "cpu"):
        figures = [[getattr(cost, figure) for cost in costs] for costs in (first, later, ping)]
        emit(f"bridge.first_call.{figure}", figures[0], figures[2], "s", AIM / 2)  # two trips
        emit(f"bridge.cached_call.{figure}", figures[1], figures[2], "s", AIM)


def main() -> None:
    pwsh = find_pwsh()
    if pwsh is None:
        print("PowerShell is needed: no `pwsh` on PATH", file=sys.stderr)
        sys.exit(LEFT_OUT)
    with tempfile.TemporaryDirectory() as folder:
        host = WindowsHost(Path(folder, "drive c"), pwsh)
        try:
            compare(host)
        finally:
            host.close()


if __name__ == "__main__":
    main()
