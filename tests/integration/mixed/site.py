# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One inventory of three systems: two Linux hosts and a "macOS" one of a fleet over ssh, a "Windows" one over WinRM."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleet.handle import CHECKOUT, Fleet

from ..site.report import Report, newest
from ..windows.controller import environment
from ..windows.host.windows import WindowsHost
from ..windows.site import WindowsSite, play
from .macos.host import PYTHON, become_macos

LINUX, MACOS, WINDOWS = ("lin1", "lin2"), "mac1", "win1"
HOSTS = (*LINUX, MACOS, WINDOWS)
SITE = CHECKOUT / "tests" / "integration" / "site"


class MixedSite:
    """The four hosts with Cryptobot on each, and the weekly maintenance over all of them."""

    def __init__(self, bring_up: Callable[..., Fleet], folder: Path, pwsh: str) -> None:
        groups = {"cryptobot_app": [*LINUX, MACOS], "linux": list(LINUX), "macos": [MACOS]}
        self.reports, self.folder = folder / "reports", folder
        self.fleet = bring_up([*LINUX, MACOS], layers=["admin"], release={LINUX[1]: "trixie"}, groups=groups)
        installed = self.fleet.playbook(SITE / "install.yml", "-i", str(SITE / "inventory"))
        assert installed.returncode == 0, installed.stdout + installed.stderr
        become_macos(self.fleet, MACOS)
        self.windows = WindowsSite(WindowsHost(folder / "drive c", pwsh), self.reports)
        self.inventory = self._write_inventory()

    def close(self) -> None:
        """Have the "Windows" host listen no longer; whoever brought the fleet up takes it down."""
        self.windows.close()
        self.windows.host.close()

    def _write_inventory(self) -> str:
        """Write what the fleet's inventory does not hold: the "Windows" host, and what differs from the defaults."""
        home = {"hosts": {WINDOWS: {}}}
        macos = {
            "ansible_python_interpreter": PYTHON,
            # the demo is where it is on Linux: the fleet installs it so
            "cryptobot_install_dir": "/opt/cryptobot",
        }
        everyone = {"cryptobot_report_dir": str(self.reports), **_small_demo()}
        content = {
            "all": {
                "children": {
                    "cryptobot": {"children": {"cryptobot_app": {**home, "vars": everyone}}},
                    "windows": home,
                    "macos": {"vars": macos},
                },
                "hosts": {WINDOWS: self.windows.variables()},
            }
        }
        path = self.folder / "mixed.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    def weekly(self, *words: str) -> tuple[str, Report]:
        """Run the weekly maintenance over all hosts; return what was printed, and the report."""
        ended = play(str(self.fleet.inventory), self.inventory, words=words, environment=environment())
        printed = ended.stdout + ended.stderr
        assert list(self.reports.glob("**/report.json")), printed
        return printed, Report(newest(self.reports))


def _small_demo() -> dict[str, Any]:
    """Return what the demo's small size asks for, on POSIX hosts; the "Windows" host has variables of its own."""
    home = "{{ cryptobot_install_dir }}"
    return {
        "cryptobot_databases": [
            {
                "name": "cryptobot",
                "engine": "sqlite",
                "path": f"{home}/database/cryptobot.db",
                "thresholds": {"freelist_bytes": "100K"},
            }
        ],
    }
