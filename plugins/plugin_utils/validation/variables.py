# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of an inventory, and what the core would refuse of them. Pure.

Which option of which area each variable becomes is written here once more beside the roles that hand it over; a test
compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.cryptobot.maintenance.plugins.module_utils.checkup.nouns import NOUNS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.mistakes import Mistake, find_mistakes
from ansible_collections.cryptobot.maintenance.plugins.module_utils.spelling import nearest, normal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.typed import NO_OPTION
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import mistakes_in

PREFIX = "cryptobot_"
STOP, LEAVE_OUT = "stop", "leave_out"

# By area: its options, and the variable (or part of one) that each is given.
OPTIONS: dict[str, dict[str, str]] = {
    "resources": {"thresholds": "cryptobot_thresholds"},
    "services": {"services": "cryptobot_services"},
    "backup": {
        "dir": "cryptobot_backup.dir",
        "sources": "cryptobot_backup.sources",
        "retention": "cryptobot_backup.retention",
        "fresh_for": "cryptobot_backup.fresh_for",
        "max_age_hours": "cryptobot_backup.max_age_hours",
        "sign_key_file": "cryptobot_backup.sign_key_file",
        "name": "cryptobot_backup_name",
    },
    "firewall": {
        "policy": "cryptobot_firewall_policy",
        "scope": "cryptobot_firewall_scope",
        "require_filter": "cryptobot_firewall_required",
    },
    "cleanup": {"rules": "cryptobot_cleanup_rules", "install_dir": "cryptobot_install_dir"},
    "database": {"databases": "cryptobot_databases"},
    "restart": {"services": "cryptobot_services", "trading": "cryptobot_trading", "when": "cryptobot_restart_when"},
}
# The tags by which a run asks for an area, beside its name and the procedures of its look.
TAGS = {"backup": ("B1.1", "B1.3", "DB2.2", "M4.1", "M4.2")}
# What is no option of an area: these hold for every run.
PLAIN: dict[str, dict[str, Any]] = {
    "cryptobot_install_dir": {"type": "path"},
    "cryptobot_state_dir": {"type": "path"},
    "cryptobot_python": {"type": "str"},
    "cryptobot_bridge_dir": {"type": "str"},
    "cryptobot_fail_on": {"type": "str", "choices": ["warning", "unknown", "critical", "never"]},
    "cryptobot_on_mistake": {"type": "str", "choices": [LEAVE_OUT, STOP], "default": LEAVE_OUT},
}
ON_CONTROLLER: dict[str, dict[str, Any]] = {
    "cryptobot_report_dir": {"type": "path"},
    "cryptobot_report_keep": {"type": "int"},
    "cryptobot_report_textfile_dir": {"type": "path"},
}
OF_PLAYBOOKS = ("cryptobot_hosts", "cryptobot_serial")
KNOWN = frozenset(
    {path.partition(".")[0] for options in OPTIONS.values() for path in options.values()}
    | set(PLAIN)
    | set(ON_CONTROLLER)
    | set(OF_PLAYBOOKS)
)
_OWN = re.compile(r"cryptobot_(?:result_\w+|validation)$")


class Said(NamedTuple):
    """A mistake, and whether it is of what the run uses."""

    mistake: Mistake
    counts: bool


def used_areas(run_tags: Collection[str], skip_tags: Collection[str], areas: Collection[str]) -> frozenset[str]:
    """Given the tags of a run and the areas of its playbook, return those that it uses."""
    wanted, declined = set(run_tags), set(skip_tags)
    everything = wanted & {"all", "tagged", "always"}
    found = set()
    for area in areas:
        names = {area, *NOUNS[area].procedures, *TAGS.get(area, ())}
        if (everything or wanted & names) and not (area in declined or names <= declined):
            found.add(area)
    return frozenset(found)


def check(variables: Mapping[str, Any], given: Mapping[str, Any], platform: str, used: Collection[str]) -> list[Said]:
    """Given the variables with all defaults, those that the inventory gives and the platform, return all mistakes.

    ``used`` are the areas that the run uses; what is wrong elsewhere is said and does not count.
    """
    said: dict[str, Said] = {}
    for area in OPTIONS:
        for mistake in _of_area(area, variables, platform):
            counts = area in used or (str(mistake) in said and said[str(mistake)].counts)
            said[str(mistake)] = Said(mistake, counts)
    for mistake in (*_plain(variables, platform), *_unknown(given)):
        said[str(mistake)] = Said(mistake, counts=bool(mistake.meant) or mistake.expected != NO_VARIABLE)
    return list(said.values())


NO_VARIABLE = "no variable of this collection"


def _plain(variables: Mapping[str, Any], platform: str) -> Iterator[Mistake]:
    for spec, where in ((PLAIN, platform), (ON_CONTROLLER, "linux")):
        given = {name: variables[name] for name in spec if variables.get(name) is not None}
        yield from find_mistakes(spec, given, lambda _options: None, where)


def _unknown(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the variables that nothing knows: neither this collection nor another variable that is made of it."""
    for name in given:
        if name not in KNOWN and not _OWN.match(name) and not _is_used(name, given):
            yield Mistake(name, "", NO_VARIABLE, nearest(name, KNOWN, PREFIX))


def is_own(name: str) -> bool:
    """Return whether a variable is this collection's, or would be but for its case or a hyphen."""
    return normal(name).startswith(PREFIX)


def _is_used(name: str, given: Mapping[str, Any]) -> bool:
    return any(
        re.search(rf"\b{re.escape(name)}\b", text)
        for other, value in given.items()
        if other != name
        for text in texts(value)
    )


def texts(value: Any) -> Iterator[str]:
    """Yield every text within a value."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts(key)
            yield from texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def _of_area(area: str, variables: Mapping[str, Any], platform: str) -> Iterator[Mistake]:
    paths, options = OPTIONS[area], {}
    for name in sorted({path.partition(".")[0] for path in paths.values() if "." in path}):
        inner = variables.get(name)
        if not isinstance(inner, Mapping):
            yield Mistake(name, type(inner).__name__, "a mapping")
            return
        known = [path.partition(".")[2] for path in paths.values() if path.startswith(f"{name}.")]
        for key in inner:
            if key not in known:
                meant = nearest(str(key), known)
                yield Mistake(
                    f"{name}.{key}", "", NO_OPTION if meant else f"{NO_OPTION}, expected one of {known}", meant
                )
    for option, path in paths.items():
        variable, _dot, part = path.partition(".")
        value = variables.get(variable)
        value = value.get(part) if part else value
        if value not in (None, ""):
            options[option] = value
    for mistake in mistakes_in(area, {**options, **_beside(area, variables)}, (platform,)):
        yield mistake._replace(place=_place(mistake.place, paths))


def _beside(area: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that the roles make of several variables."""
    backup = variables.get("cryptobot_backup")
    folder = backup.get("dir") if isinstance(backup, Mapping) else None
    if area == "database" and isinstance(folder, str):
        return {"require_backup": {"dir": folder}}
    if area != "cleanup":
        return {}
    databases = variables.get("cryptobot_databases")
    files = [each.get("path") for each in databases if isinstance(each, Mapping)] if isinstance(databases, list) else []
    places = [folder, variables.get("cryptobot_report_dir"), variables.get("cryptobot_state_dir"), *files]
    return {
        "protected": [place for place in places if (isinstance(place, str) and place[:1] in "/~$%\\") or _drive(place)]
    }


def _drive(place: Any) -> bool:
    return isinstance(place, str) and re.match(r"[A-Za-z]:[\\/]", place) is not None


def _place(place: str, paths: Mapping[str, str]) -> str:
    """Return where a mistake is in the inventory, given where it is among the options of an area."""
    option = re.match(r"\w+", place)
    name = option.group() if option else ""
    return f"{paths[name]}{place[len(name) :]}" if name in paths else place
