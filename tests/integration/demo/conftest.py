# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A demo installation of its own for each test module, and the playbook a user would run against it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
MANAGE = [sys.executable, str(CHECKOUT / "tests" / "demo" / "manage.py")]
PORTS = 5


def free_ports() -> int:
    """Return the first of five consecutive ports that nobody listens on."""
    for base in range(20000, 32000, PORTS):
        if all(_is_free(base + offset) for offset in range(PORTS)):
            return base
    raise RuntimeError("no five free ports in a row on this machine")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Demo:
    """One running demo: ``manage`` steers it, ``play`` runs a playbook on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_ports()

    def manage(self, verb: str, *arguments: str) -> str:
        argv = [*MANAGE, verb, *arguments, "--root", str(self.root)]
        # quiet: an access log line would be a byte that the planned run did not change
        argv += ["--base-port", str(self.port), "--quiet"] if verb == "up" else []
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, f"manage.py {verb} ended with {ended.returncode}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def play(self, *arguments: str, playbook: str = "weekly") -> subprocess.CompletedProcess[str]:
        extra = {"cryptobot_demo_root": str(self.root), "cryptobot_demo_base_port": self.port}
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventories/demo"]
        argv += [f"playbooks/{playbook}.yml", "-e", json.dumps(extra), *arguments]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(
            argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def report(self) -> dict[str, Any]:
        """Return the newest report, whatever the scope of its run was."""
        found = (self.root / "reports").glob("**/report.json")
        runs = [path for path in found if path.parent.name != "latest"]
        return json.loads(max(runs, key=lambda path: path.parent.stat().st_mtime_ns).read_text("utf-8"))

    def statuses(self, check: str) -> set[str]:
        return {finding["status"] for finding in self.report()["findings"] if finding["check"] == check}

    def actions(self, state: str) -> list[tuple[str, str, str]]:
        host = self.report()["hosts"][0]
        return [(act["area"], act["action"], act["subject"]) for act in host["actions"] if act["state"] == state]

    def tree_hash(self) -> dict[str, str]:
        """Return every file, link and folder below the root with its mode, owner, time and content; not the reports."""
        found = sorted(self.root.rglob("*"))
        names = {path: path.relative_to(self.root) for path in found}
        return {str(names[path]): _digest(path) for path in found if names[path].parts[0] != "reports"}


def _digest(path: Path) -> str:
    facts = path.lstat()
    identity = f"{facts.st_mode:o} {facts.st_uid} {facts.st_gid}"
    if path.is_symlink():
        return f"{identity} {os.readlink(path)}"
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return f"{identity} {facts.st_mtime_ns if path.is_file() else ''} {content}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    started = Demo(tmp_path_factory.mktemp("demo") / "root")
    started.manage("up")
    try:
        yield started
    finally:
        started.manage("clean")
