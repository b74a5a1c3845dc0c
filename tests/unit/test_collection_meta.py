# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists that must agree: what is written in one file of the collection and repeated, by necessity, in another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def names(folder: str, *endings: str) -> set[str]:
    found = (path for ending in endings for path in (CHECKOUT / folder).glob(f"*{ending}"))
    return {path.stem for path in found if not path.stem.startswith("_")}


MODULES = names("plugins/modules", ".py", ".ps1", ".yml")
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir() if path.is_dir())
PINNED = sorted((CHECKOUT / "requirements").glob("*.txt"))
NOT_PYTHON = {"debian.txt"}  # Debian packages, whose release is the machine's

# Modules that only the collection itself calls: the report's renderer and the ways to hosts.
NOT_IN_GROUP = {"bridge", "report", "runner", "validate"}


def test_the_action_group_lists_every_module_that_checks_or_acts() -> None:
    groups = load(CHECKOUT / "meta/runtime.yml")["action_groups"]

    assert set(groups["maintenance"]) == MODULES - NOT_IN_GROUP


def test_the_action_group_is_sorted_and_names_nothing_twice() -> None:
    group = load(CHECKOUT / "meta/runtime.yml")["action_groups"]["maintenance"]

    assert group == sorted(set(group))


def test_every_action_plugin_has_a_module_of_its_name_that_documents_it() -> None:
    actions = names("plugins/action", ".py")

    assert actions, "no action plugin was found"
    assert actions <= MODULES


def entry_points(role: Path) -> dict[str, dict]:
    return load(role / "meta/argument_specs.yml")["argument_specs"]


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_argument_spec_documents_exactly_its_defaults(role: str) -> None:
    folder = CHECKOUT / "roles" / role
    options = {name: option for entry in entry_points(folder).values() for name, option in entry["options"].items()}
    defaults = folder / "defaults/main.yml"

    without_default = {name for name, option in options.items() if option.get("required")}
    assert set(options) - without_default == set(load(defaults) if defaults.exists() else {})


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_argument_spec_says_what_each_entry_point_and_option_is(role: str) -> None:
    for entry in entry_points(CHECKOUT / "roles" / role).values():
        assert entry["short_description"]
        for name, option in entry["options"].items():
            assert option.get("description"), name
            assert option.get("type"), name


def names_in_role(role: Path) -> set[str]:
    """Given a role's folder, return the variables that its defaults and vars define and its tasks register or set."""
    found: set[str] = set()
    for path in [*role.glob("defaults/*.yml"), *role.glob("vars/*.yml")]:
        found |= set(load(path) or {})
    for path in [*role.glob("tasks/**/*.yml"), *role.glob("handlers/*.yml")]:
        found |= names_in_tasks(load(path))
    return found


def names_in_tasks(node: object) -> set[str]:
    """Given parsed tasks, return what they register and set as facts, at any depth of blocks."""
    if isinstance(node, list):
        return set().union(*map(names_in_tasks, node))
    if not isinstance(node, dict):
        return set()
    named = {node["register"]} if isinstance(node.get("register"), str) else set()
    facts = node.get("ansible.builtin.set_fact") or {}
    return named | (set(facts) - {"cacheable"}) | set().union(*map(names_in_tasks, node.values()))


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_variables_begin_with_its_name_or_with_cryptobot(role: str) -> None:
    allowed = (f"{role}_", f"__{role}_", "cryptobot_")

    assert {name for name in names_in_role(CHECKOUT / "roles" / role) if not name.startswith(allowed)} == set()


def test_names_are_found_at_any_depth_of_a_task_file() -> None:
    tasks = yaml.safe_load(
        "- block: [{a.b.c: {}, register: in_a_block}]\n"
        "  rescue: [{ansible.builtin.set_fact: {in_a_rescue: 1, cacheable: true}}]\n"
    )

    assert names_in_tasks(tasks) == {"in_a_block", "in_a_rescue"}


def released() -> list[tuple[int, ...]]:
    changelog = CHECKOUT / "changelogs/changelog.yaml"
    return sorted(as_numbers(version) for version in load(changelog)["releases"])


def as_numbers(version: str) -> tuple[int, ...]:
    assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{version} is not a semantic version"
    return tuple(map(int, version.split(".")))


def test_the_version_is_the_last_released_one_or_with_fragments_the_next_one() -> None:
    version = as_numbers(load(CHECKOUT / "galaxy.yml")["version"])
    last = released()[-1:]
    fragments = list((CHECKOUT / "changelogs/fragments").glob("*.y*ml"))

    if fragments:
        assert not last or version > last[0], "there are fragments for a version that was released already"
    else:
        assert last == [version], "galaxy.yml names a version that no changelog describes"


def test_the_collection_requires_the_oldest_ansible_core_that_is_tested() -> None:
    tested = sorted(as_numbers(f"{path.stem.split('-')[1]}.0") for path in PINNED if path.stem.startswith("core-"))
    oldest = ".".join(map(str, tested[0]))

    assert load(CHECKOUT / "meta/runtime.yml")["requires_ansible"] == f">={oldest}"


@pytest.mark.parametrize("path", [path for path in PINNED if path.name not in NOT_PYTHON], ids=lambda path: path.name)
def test_python_requirements_are_pinned_exactly(path: Path) -> None:
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    loose = [line for line in lines if line and not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)]

    assert any(lines), "nothing is pinned"
    assert loose == []


@pytest.mark.parametrize("source", sorted((CHECKOUT / "requirements").glob("*.in")), ids=lambda path: path.name)
def test_what_a_person_asked_for_is_among_the_pins(source: Path) -> None:
    asked = {re.split(r"[~=<>#\s]", line)[0] for line in source.read_text(encoding="utf-8").splitlines()} - {""}
    outputs = [path for path in PINNED if re.fullmatch(rf"{re.escape(source.stem)}(-3\.\d+)?", path.stem)]

    assert outputs, f"no pins for {source.name}"
    for path in outputs:
        pinned = {canonical(line.split("==")[0]) for line in path.read_text(encoding="utf-8").splitlines()}
        assert {canonical(name) for name in asked} <= pinned, path.name


def canonical(name: str) -> str:
    """Given a distribution's name, return its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
