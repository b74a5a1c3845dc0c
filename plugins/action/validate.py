# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validation runs on the controller alone and opens no connection, before anything acts, once a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec, option
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import preload
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.hosts import (
    Alike,
    Line,
    alike,
    answers,
    by_said,
    count,
    lines_of,
    nowhere,
    own,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.names import (
    OF_PLAYBOOKS,
    OPTIONS,
    STOP,
    used_areas,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.reading import readable
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.values import resolve
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.variables import (
    NO_VARIABLE,
    Said,
    check,
    defect,
)

SPEC = {
    "hosts": option("list of str", "The hosts whose variables are checked.", required=True),
    "pattern": option(
        "str", "What the hosts were chosen by, for the message where there are none.", default="cryptobot"
    ),
    "areas": option(
        "list of str",
        "What the playbook looks at. A mistake in what it does not is named and does not count.",
        choices=list(OPTIONS),
        default=list(OPTIONS),
    ),
    "run_tags": option(
        "list of str", "The tags that were asked for, C(ansible_run_tags); they narrow O(areas).", default=["all"]
    ),
    "skip_tags": option("list of str", "The tags that were declined, C(ansible_skip_tags).", default=[]),
    "fail": option(
        "bool",
        "Whether the task fails where there is a mistake, or only says which hosts are to be left out.",
        default=True,
    ),
}
MISPLACED = "is of no effect in an inventory, which is read when the hosts are chosen: give it with -e"
ROLE = Path(__file__).resolve().parents[2] / "roles" / "inventory"

preload()  # the plays that follow ask the same of each host, in a process for each


class ActionModule(ActionBase):
    """Find every mistake in the variables of all hosts, say each in one line, and name the hosts to be left out."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=argument_spec(SPEC))
        given = task_vars or {}
        if not options["hosts"]:
            return _nowhere(options)
        used = used_areas(options["run_tags"], options["skip_tags"], options["areas"])
        variables, unreadable = readable(sorted(options["hosts"]), given["hostvars"].raw_get)
        groups = alike(variables)
        looks = [self._look(group, given, used) for group in groups]
        stop = any(known.get("cryptobot_on_mistake") == STOP for known, _said in looks)
        lines = [*by_said(unreadable), *lines_of([(group, said) for group, (_known, said) in zip(groups, looks)])]
        return _result(lines, options, groups, stop=stop, fail=options["fail"] or bool(unreadable))

    def _look(
        self, group: Alike, of_play: Mapping[str, Any], used: Collection[str]
    ) -> tuple[dict[str, Any], list[Said]]:
        """Return the variables of a group and all that is said of them, whatever comes up while they are looked at."""
        known: dict[str, Any] = {}
        try:
            known, wrong = self._values(group, of_play)
            return known, [*wrong, *check(known, own(group.raw), group.platform, used)]
        except Exception as error:  # noqa: BLE001 - the other hosts are to be looked at, and to go on
            return known, [Said(defect(error, "its variables"), counts=True)]

    def _values(self, group: Alike, of_play: Mapping[str, Any]) -> tuple[dict[str, Any], list[Said]]:
        """Return the variables of a group with their defaults and templates resolved, and what is wrong before that."""
        defaults, fixed = (self._load(part) for part in ("defaults", "vars"))
        values, wrong = resolve({**group.raw, **fixed}, defaults, group.platform, self._value)
        for name in OF_PLAYBOOKS:  # a play is told them before it has a host
            values.pop(name, None)
            if name in of_play:
                values[name] = plain(self._templar.template(of_play[name]))
        given = load_extra_vars(self._loader)
        misplaced = [name for name in OF_PLAYBOOKS if name in group.raw and name not in given]
        wrong += [Said(Mistake(name, "", MISPLACED), counts=True) for name in misplaced]
        return values, [*group.endless, *wrong]

    def _value(self, name: str, variables: Mapping[str, Any]) -> Any:
        """Return the value of a variable with all templates in it resolved. Raise AnsibleError."""
        templar = self._templar.copy_with_new_env(available_variables=variables)
        return plain(templar.template(variables[name]))

    def _load(self, part: str) -> dict[str, Any]:
        path = str(ROLE / part / "main.yml")
        return dict(self._loader.load_from_file(path, trusted_as_template=True))


def _nowhere(options: Mapping[str, Any]) -> dict[str, Any]:
    hosts = nowhere(options["pattern"])
    text = hosts[options["pattern"]]["findings"][0]["message"]
    Display().display(text, color=constants.COLOR_ERROR)
    none = {"mistakes": [], "notes": [], "excluded": "", "changed": False}
    whole = {**none, "failed": options["fail"], "msg": text, "hosts": hosts, "nowhere": True}
    return _short(whole) if options["fail"] else whole


def _short(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is left of a result where the task fails: Ansible prints all of it, after the lines."""
    return {name: result[name] for name in ("changed", "failed", "msg")}


def _result(
    lines: Sequence[Line], options: Mapping[str, Any], groups: Sequence[Alike], *, stop: bool, fail: bool
) -> dict[str, Any]:
    """Say all lines, and return the result."""
    counting = [line for line in lines if line.said.counts]
    for line in counting:
        Display().display(str(line), color=constants.COLOR_ERROR)
    notes = [f"{line}{_aside(line)}" for line in lines if not line.said.counts]
    for note in notes:
        Display().display(note, color=constants.COLOR_WARN)
    asked = options["hosts"]
    hosts = answers(counting, asked, stop=stop)
    wrong_hosts = {host for line in counting for host in line.hosts}
    fine = f"the variables of {count(len(asked), 'host')} are right ({count(len(groups), 'different set')})"
    wrong = f"{count(len(counting), 'mistake')} in the variables of {len(wrong_hosts)} of {count(len(asked), 'host')}"
    if not counting:
        Display().display(fine, color=constants.COLOR_OK)
    result = {
        "changed": False,
        "failed": bool(counting) and fail,
        "msg": wrong if counting else fine,
        "mistakes": [str(line) for line in counting],
        "notes": notes,
        "hosts": hosts,
        "nowhere": False,
        "excluded": "".join(f":!{host}" for host in hosts),
        **_instead(counting),
    }
    return _short(result) if result["failed"] else result


def _instead(lines: Sequence[Line]) -> dict[str, str]:
    """Return what the plays are to use instead of a variable that Ansible itself would stumble over."""
    wrong = any(line.said.mistake.place == "cryptobot_serial" and line.said.mistake.value for line in lines)
    return {"serial": "100%"} if wrong else {}


def _aside(line: Line) -> str:
    return "" if line.said.mistake.expected == NO_VARIABLE else " (not used by this run)"


def plain(value: Any) -> Any:
    """Return a value whose templates are resolved, all the way down."""
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value
