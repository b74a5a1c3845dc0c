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

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec, option
from ansible_collections.cryptobot.maintenance.plugins.module_utils.units import parse_bytes
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.aggregate import FAIL_ON, counted
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.answers import LEFT_OUT, results_of
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.build import build_host, build_report
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.history import (
    first_of,
    publish_report,
    publish_textfile,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.scope import Call
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.report.summary import MAX_HOSTS, summary_lines

SPEC = {
    "dir": option(
        "path",
        [
            (
                "Folder of the reports on the controller. Each run gets C(<dir>/<run id>/) with C(report.json), "
                "C(report.html) and C(cryptobot.prom), readable by its owner only, and C(<dir>/latest) is switched to "
                "it in one step."
            ),
            (
                "A run in check mode is kept in C(<dir>/check), one narrowed by tags, limit or the like in "
                "C(<dir>/partial), each with a C(latest) of its own."
            ),
        ],
        required=True,
    ),
    "title": option("str", "Name of the run in the report, such as the playbook's.", default="maintenance"),
    "fail_on": option(
        "str",
        [
            "The status of a finding from which on the run fails.",
            "A host that was lost and a procedure that failed make the run fail with any value but V(never).",
        ],
        choices=list(FAIL_ON),
        default="critical",
    ),
    "keep": option(
        "int", "Number of runs that are kept; older ones are removed after the new one has been published.", default=90
    ),
    "keep_size": option(
        "str",
        [
            (
                "How much all runs together may hold, such as V(500M) or V(2G). While it is more, the oldest are "
                "removed, whichever place they are in, but for this run and what each C(latest) names."
            ),
            "Nothing is ever removed that this module did not write. A run in whose folder lies something else stays.",
        ],
        default="2G",
    ),
    "textfile_dir": option(
        "path",
        (
            "Folder of a node exporter's textfile collector on the controller. The metrics of a whole run are put "
            "there as C(cryptobot_<title>.prom), readable by everybody."
        ),
    ),
    "hosts_asked": option(
        "list of str", "Names of the hosts that a whole run is about. A run that targets fewer is a part.", default=[]
    ),
    "judge": option("bool", "Write nothing, and fail where this host is bad.", default=False),
}


class ActionModule(ActionBase):
    """Gather what the hosts of this play registered, publish it as a report; and judge each host by what is its own."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=argument_spec(SPEC))
        given = task_vars or {}
        return self._judge(given, options) if options["judge"] else self._write(given, options)

    def _judge(self, task_vars: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return this host's verdict. Ansible prints no excerpt of our source where a condition is what failed."""
        name = task_vars["inventory_hostname"]
        host = build_host(name, _results(task_vars["hostvars"].raw_get(name)), options["fail_on"])
        failed = {"failed_when_result": True} if host["failed"] else {}
        return {"changed": False, "status": host["status"], "msg": host["verdict"], **failed}

    def _write(self, task_vars: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Write the report once, also where the strategy of the play asks for it once for each host."""
        folder, most = Path(options["dir"]), _bytes(options["keep_size"])
        try:
            if not first_of(folder, str(self._task._uuid)):
                return {"changed": False, "skipped": True, "skip_reason": "the report of this run is made once"}
            report = self._report(task_vars, options)
            final = publish_report(report, folder, options["keep"], most)
            if options["textfile_dir"]:
                publish_textfile(report, Path(options["textfile_dir"]))
        except OSError as error:
            raise AnsibleActionFail(f"the report cannot be written to {folder}: {error}") from error
        for line, colour in summary_lines(report, str(final / "report.html")):
            Display().display(line, color=colour)
        return _told(report, str(final))

    def _report(self, task_vars: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the report of all targeted hosts, those that failed or were lost on the way included."""
        hostvars = task_vars["hostvars"]
        validation = task_vars.get("cryptobot_validation") or {}
        clean: set[str] = set()
        registered = {host: _results(hostvars.raw_get(host), clean) for host in task_vars["ansible_play_hosts_all"]}
        if validation.get("nowhere"):  # the play is that of the validation, and its hosts are none of ours
            registered = {name: {LEFT_OUT: answer} for name, answer in validation["hosts"].items()}
        return build_report(
            registered, self._facts(options["title"]), options["fail_on"], self._call(task_vars, options)
        )

    def _facts(self, title: str) -> dict[str, Any]:
        finished = time.time()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(finished))
        return {
            "id": f"{stamp}-{secrets.token_hex(3)}",
            "finished": finished,
            "title": title,
            "check_mode": self._task.check_mode,
        }

    def _call(self, task_vars: Mapping[str, Any], options: Mapping[str, Any]) -> Call:
        """Return how ansible-playbook was called."""
        return Call(
            playbook=str((context.CLIARGS.get("args") or (options["title"],))[0]),
            check_mode=bool(self._task.check_mode),
            tags=list(task_vars.get("ansible_run_tags") or ["all"]),
            skip_tags=list(task_vars.get("ansible_skip_tags") or []),
            limit=str(task_vars.get("ansible_limit") or ""),
            narrowed=_narrowed(context.CLIARGS),
            asked=options["hosts_asked"],
        )


def _bytes(size: str) -> int:
    """Given a size as it is declared, return it in bytes."""
    try:
        return parse_bytes("keep_size", size)
    except InputError as error:
        raise AnsibleActionFail(str(error)) from error


def _narrowed(arguments: Mapping[str, Any]) -> list[str]:
    """Given the words of the command line, return those that make a run a part of itself, but for tags and limit."""
    start, hosts = arguments.get("start_at_task"), "cryptobot_hosts" in str(arguments.get("extra_vars") or "")
    told = {f"--start-at-task {start}": start, "--step": arguments.get("step"), "-e cryptobot_hosts": hosts}
    return [words for words, is_set in told.items() if is_set]


def _told(report: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the result of the task; what it tells AWX as artifacts is among it."""
    run = report["run"]
    verdict = {
        "status": run["status"],
        "failed": run["failed"],
        "failed_hosts": [host["name"] for host in report["hosts"] if host["failed"]][:MAX_HOSTS],
        "scope": run["scope"]["kind"],
        "path": place,
    }
    return {
        "changed": False,
        "msg": f"the run is {run['status']} ({counted(run['counts'])}); fail_on is {run['fail_on']}",
        "path": place,
        "status": run["status"],
        "ansible_stats": {"data": {"cryptobot_report": verdict}, "per_host": False, "aggregate": False},
    }


def _results(variables: Mapping[str, Any], clean: Optional[set[str]] = None) -> dict[str, Any]:
    """Given a host's variables, return its results, and why it was left out where it was."""
    left_out = (variables.get("cryptobot_validation") or {}).get("hosts") or {}
    name = variables.get("inventory_hostname")
    return results_of({**variables, LEFT_OUT: left_out[name]} if name in left_out else variables, clean)
