# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One inventory, three systems: only values of variables depend on the system, never what a role or playbook does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="the core's own environments have no YAML; the controller's has")
pytest.importorskip("ansible", reason="an inventory is read by ansible-core")

CHECKOUT = Path(__file__).resolve().parents[3]
EXAMPLE = CHECKOUT / "inventories" / "example"
SYSTEMS = {"linux", "macos", "windows"}
# What a condition on the system would name: facts, connections, groups.
SYSTEM = re.compile(
    r"\bansible_(?:os_family|system|distribution\w*|connection|shell_type|facts)\b"
    r"|\b__inventory_system\b|\b(?:windows|macos|darwin|linux|win32nt)\b",
    re.IGNORECASE,
)
DECIDING = ("when", "changed_when", "failed_when", "until", "loop", "include_tasks", "ansible.builtin.include_tasks")


def playbooks_and_tasks() -> list[Path]:
    return sorted([*CHECKOUT.glob("playbooks/*.yml"), *CHECKOUT.glob("roles/*/tasks/**/*.yml")])


def decisions(node: Any) -> Iterator[str]:
    """Yield what every play, block and task makes depend on something."""
    if isinstance(node, list):
        for each in node:
            yield from decisions(each)
    if isinstance(node, dict):
        yield from (json.dumps(value) for key, value in node.items() if key in DECIDING)
        for value in node.values():
            yield from decisions(value)


def asks_for_the_system(text: str) -> list[str]:
    return [decision for decision in decisions(yaml.safe_load(text)) if SYSTEM.search(decision)]


@pytest.mark.parametrize("path", playbooks_and_tasks(), ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_no_task_depends_on_the_system_of_its_host(path: Path) -> None:
    assert asks_for_the_system(path.read_text("utf-8")) == []


SPLIT = [
    "- name: x\n  ansible.builtin.debug:\n  when: ansible_os_family == 'Windows'\n",
    "- name: x\n  block:\n    - ansible.builtin.debug:\n      when: [a, \"'windows' in group_names\"]\n",
    '- ansible.builtin.include_tasks: "{{ __inventory_system }}.yml"\n',
    "- name: x\n  ansible.builtin.debug:\n  loop: \"{{ [1] if ansible_connection == 'ssh' else [] }}\"\n",
]


@pytest.mark.parametrize("text", SPLIT)
def test_a_task_that_would_depend_on_it_is_seen(text: str) -> None:
    assert asks_for_the_system(text)


def test_no_task_of_a_role_is_a_module_of_one_system_alone() -> None:
    """But for the calls of what has the rules of a firewall, where the module chooses the file by what it finds, and
    for what sets up a program that a person asked for: pgBackRest beside PostgreSQL, restic, and a bare host.
    """
    one_program = ("roles/firewall_apply/tasks/call_*.yml", "roles/backup/tasks/restic.yml")
    drives = (*one_program, "roles/pitr/tasks/*.yml", "roles/recover/tasks/*.yml")
    paths = [path for path in playbooks_and_tasks() if not any(map(path.match, drives))]
    texts = {path: path.read_text("utf-8") for path in paths}
    used = {name for text in texts.values() for name in re.findall(r"^\s*-?\s*((?:\w+\.){2}\w+):", text, re.MULTILINE)}
    ours = {f"cryptobot.maintenance.{path.stem}" for path in (CHECKOUT / "plugins" / "action").glob("*.py")}
    on_the_controller = {
        "import_role",
        "import_tasks",
        "include_role",
        "include_tasks",
        "wait_for_connection",
        "meta",
        "debug",
        "set_fact",
        "assert",
        "fail",
        "group_by",
        "file",  # dr_drill, for its sheets, delegated to localhost
        "copy",
    }
    assert used - ours - {f"ansible.builtin.{name}" for name in on_the_controller} == set()


def defaults() -> dict[str, Any]:
    return yaml.safe_load((CHECKOUT / "roles" / "inventory" / "defaults" / "main.yml").read_text("utf-8"))


def test_every_default_that_differs_is_given_for_each_system() -> None:
    places = yaml.safe_load((CHECKOUT / "roles/inventory/vars/main.yml").read_text("utf-8"))["__inventory_places"]
    assert set(places) == SYSTEMS
    names = [set(places[system]) for system in sorted(SYSTEMS)]
    assert names == [names[0]] * len(SYSTEMS)


def test_every_service_has_a_name_in_each_system() -> None:
    nameless = [s["name"] for s in defaults()["cryptobot_services"] if not {"unit", "label", "service"} <= set(s)]
    assert nameless == []


def ansible(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    argv = [str(found), "-i", str(EXAMPLE), *words]
    variables = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(argv, cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The example inventory, as ansible-inventory lists it."""
    listed = ansible("ansible-inventory", "--list")
    assert listed.returncode == 0, listed.stderr
    assert "WARNING" not in listed.stderr
    return dict(json.loads(listed.stdout))


def members(example: dict[str, Any], group: str) -> set[str]:
    below = (members(example, child) for child in example[group].get("children", ()))
    return set(example[group].get("hosts", ())).union(*below)


def test_every_host_of_the_example_is_in_the_group_of_one_system(example: dict[str, Any]) -> None:
    by_system = [members(example, system) for system in sorted(SYSTEMS)]
    assert all(by_system)
    assert sum(map(len, by_system)) == len(set().union(*by_system)) == len(example["_meta"]["hostvars"])
    assert set().union(*by_system) == members(example, "cryptobot")


def test_the_example_shows_each_way_to_a_windows_host(example: dict[str, Any]) -> None:
    hosts = [example["_meta"]["hostvars"][name] for name in members(example, "windows")]
    ways = {(host["ansible_connection"], host.get("ansible_winrm_transport", "")) for host in hosts}
    assert ways == {("winrm", "ntlm"), ("winrm", "kerberos"), ("winrm", "certificate"), ("psrp", ""), ("ssh", "")}


def test_no_host_of_the_example_goes_without_tls_or_its_validation(example: dict[str, Any]) -> None:
    for name in members(example, "windows"):
        host = example["_meta"]["hostvars"][name]
        said = {key: value for key, value in host.items() if re.search(r"scheme|protocol|cert_validation", key)}
        assert set(said.values()) <= {"https", "validate"}, name
        assert len(said) == (0 if host["ansible_connection"] == "ssh" else 2), name


def test_no_secret_of_the_example_lies_in_clear() -> None:
    for path in EXAMPLE.rglob("*.yml"):
        for name, value in re.findall(r"^\s*(\w*(?:password|secret|token)\w*):\s*(.+)$", path.read_text("utf-8"), re.M):
            assert "{{ vault_" in value, f"{path}: {name}"


def test_the_variables_of_every_host_of_the_example_are_valid(example: dict[str, Any], tmp_path: Path) -> None:
    play = tmp_path / "validate.yml"
    tasks = [{"ansible.builtin.import_role": {"name": "cryptobot.maintenance.inventory"}}]
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    nowhere = {"ansible_connection": "local", "ansible_become": False, "vault_windows_password": "from the vault"}
    ended = ansible("ansible-playbook", str(play), "-e", json.dumps(nowhere))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{len(example['_meta']['hostvars'])} hosts" in ended.stdout
