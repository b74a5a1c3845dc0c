# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run on a test site reported, and what it has to report after break.yml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

# (check, a word of its subject) that must be critical on the first application host after break.yml
BROKEN = [
    ("services.state", "backtest"),
    ("services.http", "trade"),
    ("firewall.expected_closed", "tcp/8000-8004"),
    ("firewall.unexpected_open", "9999"),
    ("backup.checksum", "database"),
]


def newest(reports: Path) -> Path:
    """Given the folder of reports, return that of the newest run, whatever its scope was."""
    runs = [path.parent for path in reports.glob("**/report.json") if path.parent.name != "latest"]
    return max(runs, key=lambda run: run.stat().st_mtime_ns)


class Deed(NamedTuple):
    """An action without its reason, so that what was planned can be compared with what was done."""

    area: str
    action: str
    subject: str


class Report:
    """One report.json, asked by host."""

    def __init__(self, run: Path) -> None:
        """Read the report of a run's folder."""
        self.content: dict[str, Any] = json.loads((run / "report.json").read_text("utf-8"))

    def statuses(self, host: str, check: str, subject: str = "") -> set[str]:
        """Return the statuses of a check's findings about subjects that hold that word."""
        return {
            finding["status"]
            for finding in self.content["findings"]
            if (finding["host"], finding["check"]) == (host, check) and subject in finding["subject"]
        }

    def of(self, host: str, check: str) -> list[dict[str, Any]]:
        """Return a check's findings on a host."""
        return [one for one in self.content["findings"] if (one["host"], one["check"]) == (host, check)]

    def bad(self) -> list[dict[str, Any]]:
        """Return the findings that are critical, and those of what could not be looked at."""
        return [finding for finding in self.content["findings"] if finding["status"] in ("critical", "unknown")]

    def deeds(self, host: str, state: str) -> list[Deed]:
        """Return the host's actions in a state: planned, done or skipped."""
        actions = self._host(host)["actions"]
        return [Deed(one["area"], one["action"], one["subject"]) for one in actions if one["state"] == state]

    def changed(self, host: str) -> bool:
        """Return whether the run changed the host."""
        return bool(self._host(host)["changed"])

    def status(self, host: str) -> str:
        """Return the worst of the host's findings."""
        return str(self._host(host)["status"])

    def _host(self, name: str) -> dict[str, Any]:
        return next(host for host in self.content["hosts"] if host["name"] == name)
