# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of an inventory's variables: what each becomes, which are this collection's, which a run uses. Pure.

Which option of which area each variable becomes stands with the option; a test compares it with what the roles hand
over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import option
from ansible_collections.cryptobot.maintenance.plugins.module_utils.spelling import nearest, normal
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import AREAS

PREFIX = "cryptobot_"
STOP, LEAVE_OUT = "stop", "leave_out"

# By area: its options, and the variable (or part of one) that each is given.
OPTIONS: dict[str, dict[str, str]] = {
    name: {option: each["variable"] for option, each in area.spec.items() if "variable" in each}
    for name, area in AREAS.items()
}
# What is no option of an area: these hold for every run.
PLAIN: dict[str, dict[str, Any]] = {
    "cryptobot_install_dir": option("path", "Folder in which Cryptobot is installed."),
    "cryptobot_state_dir": option(
        "path",
        "Folder on the host in which the collection remembers what it compares with, and where its lock is held.",
    ),
    "cryptobot_python": option(
        "str",
        "The Python (3.9 or newer) that runs the collection's core on a Windows host, a path or a name on its "
        "PATH; python.exe where it is not set. Linux and macOS hosts are asked by Ansible's own "
        "ansible_python_interpreter.",
    ),
    "cryptobot_bridge_dir": option(
        "str",
        "Folder on a Windows host in which the core is kept, for administrators alone; "
        "%ProgramData%\\cryptobot-maintenance\\bridge where it is not set.",
    ),
    "cryptobot_fail_on": option(
        "str",
        "From which status of a finding on a run ends non-zero.",
        choices=["warning", "unknown", "critical", "never"],
    ),
    "cryptobot_on_mistake": option(
        "str",
        "Whether a mistake in the variables of a host leaves that host out of the run, and has it in the report as "
        "unknown, or stops the run for all hosts. One host that says stop is enough.",
        choices=[LEAVE_OUT, STOP],
        default=LEAVE_OUT,
    ),
    "cryptobot_firewall_manager": option(
        "str",
        "Which program has the rules of a host, for the playbook firewall_apply. V(auto) takes the one that is "
        "enabled; one that is named is enabled where none is.",
        choices=["auto", "ufw", "firewalld", "nftables", "windows"],
    ),
    "cryptobot_firewall_apply": option(
        "bool", "Whether the playbook firewall_apply may change the firewall; given with -e where it is run."
    ),
    "cryptobot_carrier": option(
        "str",
        "How a Linux or macOS host gets the collection's core. The runner sends what is asked for once, and has the "
        "host keep it; ansiballz sends it anew with each task, as Ansible does with any module. Windows hosts have the "
        "bridge.",
        choices=["runner", "ansiballz"],
    ),
    "cryptobot_carrier_keep": option(
        "bool",
        "Whether a Linux or macOS host may keep what the runner has sent. If not, it is sent with each task and leaves "
        "nothing behind.",
    ),
}
ON_CONTROLLER: dict[str, dict[str, Any]] = {
    "cryptobot_report_dir": option("path", "Folder of the reports on the controller."),
    "cryptobot_report_keep": option("int", "Number of runs whose reports are kept."),
    "cryptobot_report_keep_size": option(
        "str",
        "How much the reports of all runs together may hold, such as 500M or 2G; the oldest go first, the newest "
        "stays.",
    ),
    "cryptobot_report_textfile_dir": option(
        "path", "Folder of a node exporter's textfile collector on the controller; empty where there is none."
    ),
}
FOLDERS = ("cryptobot_install_dir", "cryptobot_state_dir", "cryptobot_report_dir")
OF_PLAYBOOKS: dict[str, dict[str, Any]] = {
    "cryptobot_hosts": option("list of str", "The hosts of a run, as patterns; given with -e."),
    "cryptobot_serial": option("list of str", "How many of them at once; given with -e."),
}
KNOWN = frozenset(
    {path.partition(".")[0] for options in OPTIONS.values() for path in options.values()}
    | set(PLAIN)
    | set(ON_CONTROLLER)
    | set(OF_PLAYBOOKS)
)
# How to say that there is nothing, where that can be meant; what has no line here has nothing but its default then.
NOTHING = {
    **{
        option["variable"]: {"list": "[]", "dict": "{}"}[option["type"]]
        for area in AREAS.values()
        for option in area.spec.values()
        if option["type"] in ("list", "dict") and "variable" in option and "." not in option["variable"]
    },
    "cryptobot_report_textfile_dir": "''",
}


def is_null(name: str, variables: Mapping[str, Any]) -> bool:
    """Return whether a variable is written and has no value, as where all lines below it are commented out.

    Ansible puts that over the default, and each module would take it for something else.
    """
    value = variables.get(name)
    return name in variables and (value is None or (value == "" and NOTHING.get(name) in ("[]", "{}")))


def used_areas(run_tags: Collection[str], skip_tags: Collection[str], areas: Collection[str]) -> frozenset[str]:
    """Given the tags of a run and the areas of its playbook, return those that it uses."""
    wanted, declined = set(run_tags), set(skip_tags)
    everything = wanted & {"all", "tagged", "always"}
    found = set()
    for area in areas:
        names = {area, *AREAS[area].procedures, *AREAS[area].tags}
        if ((everything and not AREAS[area].opt_in) or wanted & names) and not (area in declined or names <= declined):
            found.add(area)
    return frozenset(found)


def is_used_by(name: str, used: Collection[str]) -> bool:
    """Return whether a run of some areas uses a variable: what is of no area is used by each."""
    areas = {area for area, paths in OPTIONS.items() for path in paths.values() if path.partition(".")[0] == name}
    return name in PLAIN or not areas or not areas.isdisjoint(used)


def known_by_its_end(name: str) -> str:
    """Return the variable whose name this is but for a slip of the hand in its prefix; empty where it is none."""
    written = normal(name)
    ends = [each for each in KNOWN if written.endswith(each[len(PREFIX) :])]
    return "" if is_own(name) or not ends else nearest(written, ends)


def is_own(name: str) -> bool:
    """Return whether a variable is this collection's, or would be but for its case or a hyphen."""
    return normal(name).startswith(PREFIX)
