# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the code itself says of its checks and procedures: the source of the generated pages."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.cryptobot.maintenance.plugins"
LICENCE = "\n".join((CHECKOUT / "galaxy.yml").read_text("utf-8").splitlines()[:3])
ON_CONTROLLER = ("report", "validate")  # modules whose action plugin does all, and has their SPEC


def catalogues() -> dict[str, dict[str, Any]]:
    """Return the checks by the area that their id begins with, in the order in which they are declared."""
    found: dict[str, dict[str, Any]] = {}
    for check_id, check in checks().items():
        found.setdefault(check_id.partition(".")[0], {})[check_id] = check
    return dict(sorted(found.items()))


def checks() -> dict[str, Any]:
    """Return all checks by their ids: those of the areas' rules, and those that the controller itself makes."""
    found: dict[str, Any] = {}
    for area in areas():
        found.update(area.rules().checks)
    for path in sorted((CHECKOUT / "plugins" / "plugin_utils").glob("*/checks.py")):
        found.update(importlib.import_module(f"{PACKAGE}.plugin_utils.{path.parent.name}.checks").CHECKS)
    return found


def areas() -> list[Any]:
    """Return all areas, by name."""
    return list(importlib.import_module(f"{PACKAGE}.module_utils.registry").areas())


def looked_at() -> list[Any]:
    """Return the areas that a checkup may look at."""
    return [area for area in areas() if area.procedures]


def modules_by_area() -> dict[str, str]:
    """Return which module runs which area."""
    return {area.name: area.module for area in areas()}


def spec_of(module: str) -> dict[str, Any]:
    """Return the SPEC that a module has; those that run on the controller alone have theirs beside their action."""
    of_areas = {area.module: area.spec for area in areas()}
    return dict(of_areas.get(module) or importlib.import_module(f"{PACKAGE}.action.{module}").SPEC)


def option(path: str) -> dict[str, Any]:
    """Given the path of an option, such as ``db_vacuum.require_backup.dir``, return the option."""
    module, *names = path.split(".")
    found: dict[str, Any] = {"options": spec_of(module)}
    for name in names:
        found = found["options"][name]
    return found


def said(option: dict[str, Any]) -> Any:
    """Return what a page says of an option: a text, or several of them."""
    description = option["description"]
    if option.get("example") is None:
        return description if isinstance(description, str) else list(description)
    return [*([description] if isinstance(description, str) else description), f"Such as V({option['example']})."]


def options_of_variables() -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the option that each variable of an inventory becomes, and those that the parts of each become.

    They speak of each other as options do; there each is called by its variable, where it has one.
    """
    whole: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for area in areas():
        variables = {name: option["variable"] for name, option in area.spec.items() if "variable" in option}
        for option, variable in variables.items():
            name, _dot, part = variable.partition(".")
            renamed = called_by_variables(area.spec[option], variables)
            (parts.setdefault(name, {}) if part else whole).setdefault(part or name, renamed)
    return whole, parts


def called_by_variables(option: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Given an option and the variables that options become, return it with these in what it says of others."""

    def renamed(text: str) -> str:
        return re.sub(r"\bO\((\w+)(?=[\[.=)])", lambda m: f"O({variables.get(m[1], m[1])}", text)

    said, within = option["description"], option.get("options", {})
    found = {**option, "description": renamed(said) if isinstance(said, str) else [renamed(text) for text in said]}
    if within:
        found["options"] = {name: called_by_variables(each, variables) for name, each in within.items()}
    return found


def plain_variables() -> dict[str, Any]:
    """Return the variables that hold for every run, each as an option."""
    names = importlib.import_module(f"{PACKAGE}.plugin_utils.validation.names")
    return {**names.PLAIN, **names.ON_CONTROLLER}


def procedures() -> list[dict]:
    """Return the sections of docs/procedures.yml."""
    return yaml.safe_load((CHECKOUT / "docs" / "procedures.yml").read_text("utf-8"))


def tagged_playbooks() -> dict[str, set[str]]:
    """Return, for each procedure id, the playbooks that a tag of that id narrows to it."""
    known = {entry["id"] for section in procedures() for entry in section["procedures"]}
    found: dict[str, set[str]] = {}
    for path in sorted((CHECKOUT / "playbooks").glob("*.yml")):
        text = path.read_text("utf-8")
        roles = re.findall(r"cryptobot\.maintenance\.(\w+)", text)
        # the tags of tasks, and for tasks of many procedures the list that the tags choose from
        files = [file for role in roles for file in (CHECKOUT / "roles" / role).glob("*/*.yml")]
        told = [file.read_text("utf-8") for file in files if file.parent.name in ("tasks", "defaults")]
        words = set(re.findall(r"\b[A-Z]{1,2}\d\.\d\b", " ".join([text, *told])))
        for procedure in words & known:
            found.setdefault(procedure, set()).add(path.name)
    return found


def make_importable() -> None:
    """Let the collection's imports resolve to this checkout; tests/conftest.py knows how."""
    sys.path.insert(0, str(CHECKOUT / "tests"))
    importlib.import_module("conftest")
