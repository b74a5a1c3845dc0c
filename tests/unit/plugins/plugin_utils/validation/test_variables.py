# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What validation believes each variable becomes is what the roles hand over, and what the documentation offers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import AREAS
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.names import (
    KNOWN,
    OF_PLAYBOOKS,
    ON_CONTROLLER,
    OPTIONS,
    PLAIN,
    used_areas,
)
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.validation.variables import check

CHECKOUT = Path(__file__).resolve().parents[5]
COLLECTION = "cryptobot.maintenance."
# Options that roles make of several variables, or wrap: _beside() makes the same of them, or nothing can be wrong.
COMPOSED = {
    ("cleanup", "protected"),
    ("database", "require_backup"),
    ("database", "backup_expected"),
    ("firewall", "own_paths"),
    ("firewall_probe", "heard"),
    ("firewall", "policy"),
}
# "{{ a }}", "{{ a.b | default(c) }}", "{{ a or omit }}", "{{ omit if x else a }}": one variable as it is.
ONE = re.compile(r"\{\{ (?:omit if \w+ else )?(\w+(?:\.\w+)?)(?: or omit| \| default\([^()]*\))? \}\}")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def roles() -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Yield each role: its variables, with what another role gives it, and its tasks, those in blocks too."""
    own = {role.name: (variables_of(role), tasks_in(role)) for role in sorted((CHECKOUT / "roles").iterdir())}
    for callers, tasks in list(own.values()):
        for task in tasks:
            called = task.get("ansible.builtin.import_role", task.get("ansible.builtin.include_role"))
            if called and task.get("vars"):
                given = {name: callers.get(str(value).strip("{} "), value) for name, value in task["vars"].items()}
                own[called["name"].rpartition(".")[2]][0].update(given)
    yield from own.values()


def variables_of(role: Path) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    for path in (role / "defaults" / "main.yml", role / "vars" / "main.yml", *(role / "vars" / "main").glob("*.yml")):
        variables.update(load(path) or {} if path.is_file() else {})
    return variables


def tasks_in(role: Path) -> list[Any]:
    return [task for path in sorted((role / "tasks").glob("*.yml")) for task in tasks_of(load(path))]


def tasks_of(tasks: Any) -> Iterator[dict[str, Any]]:
    for task in tasks or ():
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part))


def told() -> Iterator[tuple[str, str, Any, dict[str, Any]]]:
    """Yield each option that a role hands to a module of an area: area, option, template, the role's variables."""
    for variables, tasks in roles():
        for task in tasks:
            for module in (name for name in task if name.startswith(COLLECTION)):
                name = area_of(module)
                given = {name: task[module]} if name in AREAS else looks(name, task[module], variables)
                for area, options in given.items():
                    yield from ((area, option, value, variables) for option, value in options.items())


def area_of(module: str) -> str:
    action = import_module(f"ansible_collections.cryptobot.maintenance.plugins.action.{module[len(COLLECTION) :]}")
    return getattr(action.ActionModule, "area", "")


def looks(area: str, given: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkup is told by area; nothing of another module, which is of no area."""
    if area != "checkup":
        return {}
    role = re.fullmatch(r"\{\{ __(\w+)_checks \}\}", given["checks"])
    assert role, given
    assert f"__{role[1]}_looks" in variables[f"__{role[1]}_checks"]
    found: dict[str, Any] = variables[f"__{role[1]}_looks"]
    return found


def source(value: Any, variables: Mapping[str, Any]) -> str:
    """Return the variable that an option is given as it is, through a default of the role; empty where it is none."""
    found = ONE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return ""
    name = found.group(1)
    return source(variables[name], variables) if name in variables else name


def handed_over() -> set[tuple[str, str, str]]:
    """Return (area, option, variable) of all options that are given one variable of an inventory."""
    given = {(area, option, source(value, variables)) for area, option, value, variables in told()}
    of_every_run = {"cryptobot_state_dir"}
    return {row for row in given if row[2].startswith("cryptobot_") and row[2] not in of_every_run}


def believed() -> set[tuple[str, str, str]]:
    return {(area, option, path) for area, options in OPTIONS.items() for option, path in options.items()}


@pytest.mark.case("RP2", "RP3", "L11a")
def test_each_variable_becomes_the_option_that_validation_takes_it_for() -> None:
    assert handed_over() == believed()


@pytest.mark.case("RP2", "RP3")
def test_an_area_is_told_the_same_wherever_a_role_tells_it() -> None:
    """What the look of a run goes by, and what acts later, are one declaration."""
    by_role: dict[tuple[str, str], set[str]] = {}
    for area, option, value, variables in told():
        by_role.setdefault((area, option), set()).add(source(value, variables))
    assert [row for row, sources in by_role.items() if len(sources) > 1 and row not in COMPOSED] == []


@pytest.mark.case("BK17")
def test_whatever_looks_at_backups_is_told_of_the_key() -> None:
    """A look without the key would count a set as good whose manifest was written by somebody else."""
    keyed = [options for options in backups() if "sign_key_file" in options]
    assert [options for options in keyed if "trusted_accounts" not in options] == []
    assert len(keyed) == len(list(backups())) == 4  # taken, verified, looked at each day and by the weekly run


def backups() -> Iterator[Mapping[str, Any]]:
    for variables, tasks in roles():
        if "__weekly_looks" in variables:
            yield variables["__weekly_looks"]["backup"]
        yield from (task[f"{COLLECTION}backup_archive"] for task in tasks if f"{COLLECTION}backup_archive" in task)


@pytest.mark.case("RP2")
def test_what_is_made_of_several_variables_is_named() -> None:
    """An option that mentions a variable and is not compared above stands in COMPOSED, so that none slips through."""
    mixed = {
        (area, option)
        for area, option, value, variables in told()
        if not source(value, variables) and "cryptobot_" in str(variables.get(str(value).strip("{} "), value))
    }
    assert mixed == COMPOSED


@pytest.mark.parametrize(
    ("tags", "used"), [("all", False), ("W2.3", False), ("always", False), ("probe", True), ("T3.2", True)]
)
def test_a_run_that_does_not_knock_uses_nothing_of_it(tags: str, used: bool) -> None:
    """A mistake in what only ``--tags probe`` needs leaves no host out of its weekly maintenance."""
    mistake = {"cryptobot_firewall_probe_addresses": ["db1"]}
    said = check(mistake, mistake, "linux", used_areas([tags], [], list(OPTIONS)))
    assert [one.counts for one in said if "probe_addresses" in str(one.mistake)] == [used]


@pytest.mark.case("RP3")
def test_every_variable_that_is_documented_is_known_and_the_other_way_round() -> None:
    documented = load(CHECKOUT / "roles" / "inventory" / "meta" / "argument_specs.yml")["argument_specs"]["variables"]
    options, of_one_run = documented["options"], {"cryptobot_backup_name", *OF_PLAYBOOKS}
    assert set(options) == KNOWN - of_one_run
    assert {*PLAIN, *ON_CONTROLLER} <= set(options)
    known = {path.partition(".")[2] for path in OPTIONS["backup"].values() if path.startswith("cryptobot_backup.")}
    assert set(options["cryptobot_backup"]["options"]) == known


@pytest.mark.case("RP3", "L7b")
def test_each_option_of_a_backup_that_is_documented_is_accepted() -> None:
    documented = load(CHECKOUT / "roles" / "inventory" / "meta" / "argument_specs.yml")["argument_specs"]["variables"]
    backup = documented["options"]["cryptobot_backup"]
    source_of = {"name": "config", "type": "files", "path": "/etc/cryptobot"}
    values = {
        "dir": "/b",
        "sources": [source_of],
        "retention": {"daily": 7},
        "fresh_for": "20h",
        "max_age_hours": 26,
        "drill_days": 90,
    }
    values = {**values, "sign_key_file": "/etc/cryptobot/key", "trusted_accounts": ["nobody"]}
    archive = {
        **values,
        "incremental": True,
        "copies": [{"name": "nas", "type": "folder", "path": "/mnt/nas"}],
        "copies_policy": "any",
    }
    restic = {**values, "store": "restic", "repository": "/srv/r", "restic": "/usr/bin/restic"}
    told = {**restic, "repository_password": "x", "repository_environment": {"AWS_REGION": "x"}}
    by_file = {**restic, "repository_password_file": "/etc/cryptobot/repository"}
    assert {*archive, *told, *by_file} == set(backup["options"])
    for options in (archive, told, by_file):
        given = {"cryptobot_backup": options}
        said = [one.mistake for one in check(given, given, "linux", ["backup"]) if "backup" in str(one.mistake)]
        assert said == []
