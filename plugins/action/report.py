# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report is made where the results are: this action runs on the controller alone and connects to no host."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import PREFIX, build_report, must_fail
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.history import (
    publish_report,
    publish_textfile,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.summary import summary_lines

SPEC = {
    "dir": {"type": "path", "required": True},
    "title": {"type": "str", "default": "maintenance"},
    "fail_on": {"type": "str", "choices": ["warning", "unknown", "critical", "never"], "default": "critical"},
    "keep": {"type": "int", "default": 90},
    "textfile_dir": {"type": "path"},
}


class ActionModule(ActionBase):
    """Gather what the hosts of this play registered, publish it as a report, and fail where it is bad enough."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=SPEC)
        report = build_report(self._registered(task_vars or {}), self._facts(options["title"]))
        folder = self._publish(report, options)
        for line, colour in summary_lines(report, str(folder / "report.html")):
            Display().display(line, color=colour)
        failed = must_fail(report, options["fail_on"])
        run = report["run"]
        counts = ", ".join(f"{count} {status}" for status, count in run["counts"].items() if count)
        return {
            "changed": False,
            "failed": failed,
            "msg": f"the run is {run['status']} ({counts}); fail_on is {options['fail_on']}",
            "path": str(folder),
            "status": run["status"],
        }

    def _registered(self, task_vars: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return each targeted host's registered results, hosts that failed or were lost on the way included."""
        hostvars = task_vars["hostvars"]
        return {host: _results(hostvars.raw_get(host)) for host in task_vars["ansible_play_hosts_all"]}

    def _facts(self, title: str) -> dict[str, Any]:
        finished = time.time()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(finished))
        return {
            "id": f"{stamp}-{secrets.token_hex(3)}",
            "finished": finished,
            "title": title,
            "check_mode": self._task.check_mode,
        }

    def _publish(self, report: Mapping[str, Any], options: Mapping[str, Any]) -> Path:
        try:
            if options["textfile_dir"]:
                publish_textfile(report, Path(options["textfile_dir"]))
            return publish_report(report, Path(options["dir"]), options["keep"])
        except OSError as error:
            raise AnsibleActionFail(f"the report cannot be written to {options['dir']}: {error}") from error


def _results(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in variables.items() if name.startswith(PREFIX)}
