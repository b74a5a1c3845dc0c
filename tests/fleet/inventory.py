# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Ansible, ssh and testinfra reach a fleet from the machine's own network namespace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from . import network
from .plan import FleetPlan

# Seconds after which a host that drops packets, or was switched off in the middle, counts as unreachable.
CONNECT_SECONDS = 5
ALIVE_SECONDS = 3
ALIVE_TRIES = 3
PERSIST = "60s"


def ssh_config(plan: FleetPlan, state: Path, runtime: Path) -> str:
    """Given the plan and the fleet's two folders, return an ssh configuration that knows this fleet and nothing else.

    The connection is opened inside the switch by netcat, which hands the open socket to ssh and
    ends (ProxyUseFdpass), so no process stands between ssh and the host.
    """
    switch = network.path(network.switch(plan.name))
    lines = [f"Host {host.name}\n  HostName {host.address}" for host in plan.hosts]
    general = {
        "User": "root",
        "IdentityFile": state / "key",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": state / "known_hosts",
        "GlobalKnownHostsFile": "none",
        "ConnectTimeout": CONNECT_SECONDS,
        "ServerAliveInterval": ALIVE_SECONDS,
        "ServerAliveCountMax": ALIVE_TRIES,
        "ControlMaster": "auto",
        "ControlPersist": PERSIST,
        "ControlPath": runtime / "%h",
        "KexAlgorithms": "curve25519-sha256",  # a tenth of the processor time of the default
        "ProxyUseFdpass": "yes",
        "ProxyCommand": f"nsenter --net={switch} nc -F -w {CONNECT_SECONDS} %h %p",
    }
    lines += ["Host *", *(f"  {option} {value}" for option, value in general.items())]

    return "\n".join(lines) + "\n"


def known_hosts(plan: FleetPlan, keys: Mapping[str, str]) -> str:
    """Given each host's public key, return the known_hosts text: names and addresses with the one key each may show."""
    lines = (
        f"{host.name},{host.address},{host.address6} {' '.join(keys[host.name].split()[:2])}\n" for host in plan.hosts
    )

    return "".join(lines)


def inventory(plan: FleetPlan, state: Path, runtime: Path) -> str:
    """Return the Ansible inventory, as JSON, which is YAML too."""
    variables: dict[str, object] = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        # In place of the configuration's ssh_args, whose options would win over those of the file.
        "ansible_ssh_args": f"-F {state / 'ssh_config'} -o ControlMaster=auto -o ControlPersist={PERSIST}",
        "ansible_ssh_timeout": CONNECT_SECONDS,
        # Ansible names its shared connections after host and user alone, which two fleets have in common.
        "ansible_control_path_dir": str(runtime / "ansible"),
    }
    groups = {group: {"hosts": dict.fromkeys(names)} for group, names in plan.groups.items()}
    hosts = {host.name: {"ansible_host": host.address} for host in plan.hosts}
    everything = {"all": {"vars": variables, "hosts": hosts, "children": groups}}

    return json.dumps(everything, indent=2) + "\n"
