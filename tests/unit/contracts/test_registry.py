# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for every area: it is one record in its own folder, and all else follows from that."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from catalogue import all_checks

from ansible_collections.cryptobot.maintenance.plugins.module_utils import resources, typed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Check
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import ANNOTATIONS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import Area, areas

CHECKOUT = Path(__file__).resolve().parents[3]
CORE = CHECKOUT / "plugins" / "module_utils"
AREAS = list(areas())
NAMES = [area.name for area in AREAS]
PROCEDURES = set(re.findall(r"^ *- id: (\S+)$", (CHECKOUT / "docs" / "procedures.yml").read_text("utf-8"), re.M))
# What a run may ask for by a word of its own.
TAGS = {
    word
    for path in (*(CHECKOUT / "playbooks").glob("*.yml"), *(CHECKOUT / "roles").glob("*/tasks/*.yml"))
    for tags in re.findall(r"^ *tags: \[(.+)\]", path.read_text("utf-8"), re.M)
    for word in tags.split(", ")
}
# Of a system, of what manages services there, or of what takes physical backups.
REMEDIES = {"linux", "darwin", "windows", "systemd", "launchd", "pid_file", "pgbackrest", "basebackup"}
SOURCES = {path: path.read_text("utf-8") for path in sorted((CHECKOUT / "plugins").rglob("*.py"))}
# What Ansible's validator knows of an option.
KNOWN = {"type", "elements", "required", "choices", "default", "no_log", "options", "apply_defaults", "aliases"}
BETWEEN = {"required_if", "mutually_exclusive"}
each_area = pytest.mark.parametrize("area", AREAS, ids=NAMES)


def options(spec: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each option of a SPEC and those within, by their paths."""
    for name, option in spec.items():
        yield f"{path}{name}", option
        yield from options(option.get("options") or {}, f"{path}{name}.")


def test_every_folder_that_runs_is_an_area_and_no_other() -> None:
    assert sorted(path.parent.name for path in CORE.glob("*/run.py")) == NAMES


@each_area
def test_an_area_is_the_record_of_its_folder(area: Area) -> None:
    assert (CORE / area.name / "__init__.py").is_file()
    assert set(area.procedures) <= PROCEDURES
    assert set(area.tags) <= PROCEDURES | TAGS
    assert area.run.__code__.co_varnames[:3] == ("params", "host", "check_mode")
    assert (CHECKOUT / "docs" / "modules" / f"{area.module}.yml").is_file()


@each_area
def test_what_a_checkup_forces_is_a_choice_of_the_area_and_keeps_it_from_acting(area: Area) -> None:
    assert all(value in area.spec[name]["choices"] for name, value in area.force.items())
    assert not area.acts or area.force or area.plan_only


@each_area
def test_what_an_area_is_imports_the_core_and_shapes_of_other_areas_only(area: Area) -> None:
    """Whoever imports any file of an area loads its __init__, and what that imports. Options that are too many for one
    file have another one of their own, which imports nothing but the core either.
    """
    tree = ast.parse(SOURCES[CORE / area.name / "__init__.py"])
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    own = {str(node.module) for node in imported if node.level == 1}
    assert own <= {"source_options", "repository"}
    for name in own:
        inner = ast.walk(ast.parse(SOURCES[CORE / area.name / f"{name}.py"]))
        assert {node.level for node in inner if isinstance(node, ast.ImportFrom)} <= {0, 2}, name
    shapes = {"backup", "elsewhere", "firewall", "options", "pitr", "registry", "restore", "services", "trading"}
    assert {node.module for node in imported if node.level != 1} <= shapes
    assert {node.level for node in imported} <= {1, 2}
    assert not any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in ast.walk(tree))


@each_area
def test_every_option_says_what_it_is_in_sentences(area: Area) -> None:
    for path, option in options(area.spec):
        said = option["description"]
        sentences = [said] if isinstance(said, str) else said
        assert sentences, path
        assert all(re.search(r"\.$", sentence) and sentence[0] in sentence.upper() for sentence in sentences), path


@each_area
def test_nothing_is_said_of_an_option_that_nobody_reads(area: Area) -> None:
    """No ``fallback`` either: it would read the environment of the controller, where options are validated."""
    for path, option in options(area.spec):
        assert set(option) <= KNOWN | BETWEEN | ANNOTATIONS, path
        assert option["type"] in {*typed.TYPES, "list", "path"}, path
        assert ("elements" in option) == (option["type"] == "list"), path


@each_area
def test_a_default_is_one_of_the_choices_and_no_default_is_asked_for_twice(area: Area) -> None:
    for path, option in options(area.spec):
        default = option.get("default")
        chosen = default if isinstance(default, list) else [] if default is None else [default]
        assert not option.get("choices") or set(chosen) <= set(option["choices"]), path
        assert not (option.get("required") and "default" in option), path


def test_a_variable_of_an_inventory_has_one_shape_whichever_area_takes_it() -> None:
    shapes: dict[str, Any] = {}
    for area in AREAS:
        for option in area.spec.values():
            if "variable" in option and "options" in option:
                assert shapes.setdefault(option["variable"], option) == option, option["variable"]
    assert "cryptobot_services" in shapes


def test_the_checks_that_can_be_left_out_are_those_of_the_area() -> None:
    ids = {check.id.partition(".")[2] for check in resources.AREA.rules().checks.values()}
    assert set(resources.SKIPPABLE) == ids - {"platform"}


@each_area
def test_an_id_begins_with_its_area_or_with_a_part_that_is_no_area_of_its_own(area: Area) -> None:
    """Those of firewall_probe begin with ``firewall.probe``: they stand with what else is found of the firewall."""
    family, _line, part = area.name.partition("_")
    begins = {check_id.partition(".")[0] for check_id in area.rules().checks}
    assert family in begins
    assert all(name.startswith(f"{family}.{part}") for name in area.rules().checks if part)
    for name in begins - {family}:
        assert (CORE / name).is_dir()
        assert name not in NAMES


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
def test_a_check_has_a_procedure_a_title_and_a_remedy_for_what_is_known(check: Check) -> None:
    assert check.procedure in PROCEDURES
    assert check.summary.endswith(".")
    assert check.remedy
    assert set(check.remedies) <= REMEDIES
    assert not check.remedies or check.remedy == next(iter(check.remedies.values()))
    assert all(check.remedies.values())


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
def test_an_id_stands_whole_where_it_is_declared_and_is_declared_once(check: Check) -> None:
    """Whoever greps for the id of a finding finds the rule."""
    declared = re.compile(rf'\b(?:rule|check|Check|Threshold)\(\s*"{re.escape(check.id)}"')
    assert len([path for path, text in SOURCES.items() for _found in declared.finditer(text)]) == 1


def test_no_file_keeps_a_list_of_the_areas() -> None:
    """A literal with five names of areas is a list of them, but for what is generated."""
    kept = [
        f"{path.relative_to(CHECKOUT)}:{node.lineno}"
        for path, text in SOURCES.items()
        if "# Made by `make docs`" not in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict))
        and len({leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)} & set(NAMES)) >= 5
    ]
    assert kept == []
