# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site on real systemd hosts: the demo as systemd units on two Debian generations, PostgreSQL, nftables, over ssh."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from fleet.handle import CHECKOUT, Fleet, executable

from integration.site.report import Report, newest

SITE = CHECKOUT / "tests" / "integration" / "site"
WEEKLY = CHECKOUT / "playbooks" / "weekly.yml"
INVENTORY = ["-i", str(SITE / "inventory")]
HOSTS = ["app1", "app2", "db1"]
LAYERS = {"app1": ["admin"], "app2": ["admin"], "db1": ["admin", "pg"]}
RELEASES = {"app2": "trixie"}
GROUPS = {"cryptobot_app": ["app1", "app2"], "cryptobot_db": ["db1"]}


class Site:
    """A fleet with the application installed, and the playbooks a user would run on it."""

    def __init__(self, fleet: Fleet, reports: Path) -> None:
        self.fleet = fleet
        self.reports = reports

    @classmethod
    def install(cls, bring_up: Callable[..., Fleet], reports: Path) -> Site:
        """Bring the hosts up and make them a site."""
        site = cls(bring_up(HOSTS, layers=LAYERS, release=RELEASES, groups=GROUPS), reports)
        ended = site.playbook(SITE / "install.yml")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return site

    def playbook(self, playbook: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook on the site to its end."""
        return self.fleet.playbook(playbook, *INVENTORY, *words, environment=self._environment())

    def weekly(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the weekly maintenance to its end."""
        return self.playbook(WEEKLY, *words)

    def start_weekly(self, *words: str) -> subprocess.Popen[str]:
        """Start the weekly maintenance; its output can be read line by line, and ends within five minutes."""
        ansible = [executable("ansible-playbook"), "-i", str(self.fleet.inventory), *INVENTORY]
        return subprocess.Popen(
            ["timeout", "300", *ansible, str(WEEKLY), *words],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment()},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def _environment(self) -> dict[str, str]:
        return {"ANSIBLE_NOCOLOR": "1", "CRYPTOBOT_TEST_REPORTS": str(self.reports)}

    def report(self) -> Report:
        """Return the newest report."""
        return Report(newest(self.reports))
