# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's inventory says of the services what the demo knows of them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from cryptobot_demo.catalog import SERVICES, ports_from
from cryptobot_demo.faults.declared import BACKUP_AGE, DISK
from cryptobot_demo.processes import SERVICE_SCRIPT, command_of
from cryptobot_demo.root import DEFAULT_BASE_PORT, MARKER, Demo

WHY = "Jinja and PyYAML come with Ansible; the layers that have Ansible run this file"
jinja2 = pytest.importorskip("jinja2", reason=WHY)
yaml = pytest.importorskip("yaml", reason=WHY)

INVENTORY = Path(__file__).resolve().parents[3] / "inventories" / "demo"


def variables():
    merged = {}
    for path in sorted((INVENTORY / "group_vars" / "all").glob("*.yml")):
        merged.update(yaml.safe_load(path.read_text()))
    return merged


def render(template, context):
    return jinja2.Environment().from_string(template).render(context)


def port_of(template, base):
    """Given the template of a port, return the number: the base, plus what the template adds to it."""
    assert "cryptobot_demo_base_port | int" in template
    added = re.search(r"\+ (\d+)", template)
    return base + (int(added.group(1)) if added else 0)


def test_services_probes_dependencies_and_ports_agree():
    declared = variables()
    assert f"default({DEFAULT_BASE_PORT})" in declared["cryptobot_demo_base_port"]
    assert MARKER in declared["cryptobot_demo_base_port"]  # where `up` notes the ports that it took
    base = DEFAULT_BASE_PORT
    assert {
        service["name"]: (service["health"]["path"], tuple(service["depends_on"]), port_of(service["port"], base))
        for service in declared["cryptobot_services"]
    } == {name: (service.probe, service.depends_on, ports_from(base)[name]) for name, service in SERVICES.items()}


def test_the_commands_are_those_that_up_starts():
    demo = Demo(Path("/srv/demo"), DEFAULT_BASE_PORT)
    declared = variables()
    context = {
        "ansible_playbook_python": sys.executable,
        "cryptobot_demo_program": str(SERVICE_SCRIPT),
        "cryptobot_install_dir": str(demo.install_dir),
        "cryptobot_demo_root": str(demo.root),
        "cryptobot_demo_base_port": DEFAULT_BASE_PORT,
    }
    for service in declared["cryptobot_services"]:
        assert [render(word, context) for word in service["command"]] == command_of(demo, service["name"])
        assert render(service["pid_file"], context) == str(demo.pid_file(service["name"]))
        assert re.search(service["process"], " ".join(command_of(demo, service["name"])))


def test_the_program_of_the_inventory_is_the_one_that_up_starts():
    template = variables()["cryptobot_demo_program"]
    environment = jinja2.Environment()
    environment.filters["realpath"] = os.path.realpath
    assert environment.from_string(template).render(inventory_dir=str(INVENTORY)) == str(SERVICE_SCRIPT)


def test_the_policy_allows_the_ports_of_all_services_and_no_others():
    declared = variables()
    ports = [service["port"] for service in declared["cryptobot_services"]]
    (allowed,) = [rule["port"] for rule in declared["cryptobot_firewall_policy"]]
    assert allowed == "{{ cryptobot_demo_base_port }}-{{ cryptobot_demo_base_port | int + 4 }}"
    assert ports[0] == "{{ cryptobot_demo_base_port | int }}"
    assert ports[1:] == [f"{{{{ cryptobot_demo_base_port | int + {offset} }}}}" for offset in range(1, 5)]


def test_the_declared_faults_change_thresholds_that_the_inventory_uses():
    text = "".join(path.read_text() for path in (INVENTORY / "group_vars" / "all").glob("*.yml"))
    unused = [name for name in {**DISK, **BACKUP_AGE} if f"cryptobot_demo_faults.{name} | default(" not in text]
    assert unused == []


def test_hosts_are_in_the_groups_of_the_contract():
    groups = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["all"]["children"]
    assert set(groups) == {"cryptobot", "linux"}
    assert set(groups["cryptobot"]["children"]) == {"cryptobot_app", "cryptobot_db"}
