# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The weekly checks by our playbook against the same checks written with stock modules, and against one ping each.

On 8 and on 20 hosts, which are names for this machine over local connections, so the CPU figure holds controller and
modules together. All run with the project's ansible.cfg (pipelining on) and read the same demo, on ports that are free.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pair import Cost, emit, measure

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests"))
from integration.windows.controller import environment  # noqa: E402 - the path is set above

STOCK = CHECKOUT / "tests" / "benchmark" / "stock" / "weekly.yml"
CHECKS = "D1.1,D1.2,D1.4,W2.3"
RUNS = int(os.environ.get("CRYPTOBOT_BENCH_RUNS", "3"))
COUNTS = [int(count) for count in os.environ.get("CRYPTOBOT_BENCH_HOSTS", "8,20").split(",")]
AIMS = {"stock": {"cpu": 1 / 0.11, "wall": 1 / 0.13}, "ping": {"cpu": 1 / 2.3}}  # the peer's cost by ours


def manage(verb: str, root: Path) -> None:
    subprocess.run(
        [sys.executable, str(CHECKOUT / "tests/demo/manage.py"), verb, "--root", str(root)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def inventory(folder: Path, count: int) -> Path:
    """Write an inventory of ``count`` names for this machine beside a link to the demo's variables."""
    place = folder / f"hosts-{count}"
    place.mkdir()
    (place / "group_vars").symlink_to(CHECKOUT / "inventories" / "demo" / "group_vars")
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    hosts = {f"h{number}": local for number in range(count)}
    (place / "hosts.yml").write_text(
        json.dumps({"all": {"children": {"cryptobot": {"hosts": hosts}}}}), encoding="utf-8"
    )
    return place


def play(playbook: Path, hosts: Path, root: Path, *arguments: str) -> Cost:
    """Run a playbook and return its cost; a finding that makes the run fail is as good a run as any."""
    ansible = str(Path(sys.executable).with_name("ansible-playbook"))
    extra = json.dumps({"cryptobot_demo_root": str(root), "cryptobot_serial": "100%"})
    argv = [ansible, "-i", str(hosts), str(playbook), "-e", extra, *arguments]
    return measure(argv, cwd=CHECKOUT, env=environment(), expect=(0, 2))


def ping(hosts: Path, root: Path) -> Cost:
    """Ping each host once and return the cost."""
    argv = [str(Path(sys.executable).with_name("ansible")), "cryptobot", "-i", str(hosts), "-m", "ansible.builtin.ping"]
    return measure([*argv, "-e", json.dumps({"cryptobot_demo_root": str(root)})], cwd=CHECKOUT, env=environment())


def compare(folder: Path, root: Path, count: int) -> None:
    """Run all sides in turn on ``count`` hosts and print wall and CPU."""
    hosts, ours = inventory(folder, count), []
    peers: dict[str, list[Cost]] = {name: [] for name in AIMS}
    for _run in range(RUNS):
        ours.append(play(CHECKOUT / "playbooks" / "weekly.yml", hosts, root, "--tags", CHECKS))
        peers["stock"].append(play(STOCK, hosts, root))
        peers["ping"].append(ping(hosts, root))
    for peer, aims in AIMS.items():
        for figure, aim in aims.items():
            mine, theirs = [getattr(c, figure) for c in ours], [getattr(c, figure) for c in peers[peer]]
            emit(f"weekly.{count}_hosts.{peer}.{figure}", mine, theirs, "s", round(aim, 2))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), Path(name, "demo")
        manage("up", root)
        try:
            first = inventory(folder, 1)
            play(CHECKOUT / "playbooks" / "weekly.yml", first, root)  # takes the backup
            play(CHECKOUT / "playbooks" / "weekly.yml", first, root, "--tags", CHECKS)  # brings the core
            for count in COUNTS:
                compare(folder, root, count)
        finally:
            manage("clean", root)


if __name__ == "__main__":
    main()
