# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ansible and ssh are told: only this fleet, strict about host keys, bounded in time, nothing shared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fleet import inventory, paths

STATE = Path("/cache/state/lab")
RUNTIME = Path("/run/cryptobot-fleet/lab")

EXPECTED_OPTIONS = [
    "StrictHostKeyChecking yes",
    "UserKnownHostsFile /cache/state/lab/known_hosts",
    "GlobalKnownHostsFile none",
    "IdentityFile /cache/state/lab/key",
    "ConnectTimeout 5",
    "ControlPath /run/cryptobot-fleet/lab/%h",
    "ProxyUseFdpass yes",
    "ProxyCommand nsenter --net=/run/netns/cbfleet-lab nc -F -w 5 %h %p",
]


@pytest.fixture
def variables(planned):
    return json.loads(inventory.inventory(planned, STATE, RUNTIME))["all"]["vars"]


def test_the_inventory_has_every_host_by_its_address_and_the_groups(planned):
    everything = json.loads(inventory.inventory(planned, STATE, RUNTIME))["all"]
    assert everything["hosts"] == {"app1": {"ansible_host": "10.77.0.11"}, "db1": {"ansible_host": "10.77.0.12"}}
    assert everything["children"] == {"cryptobot_db": {"hosts": {"db1": None}}}


def test_ansible_uses_the_fleet_s_ssh_configuration_and_keeps_connections_open(variables):
    assert variables["ansible_ssh_args"].split() == [
        "-F",
        "/cache/state/lab/ssh_config",
        "-o",
        "ControlMaster=auto",
        "-o",
        "ControlPersist=60s",
    ]


def test_ansible_keeps_its_connections_apart_from_those_of_other_fleets(variables):
    assert variables["ansible_control_path_dir"] == "/run/cryptobot-fleet/lab/ansible"


def test_ansible_waits_no_longer_than_ssh_for_a_host_that_drops_packets(variables):
    assert variables["ansible_ssh_timeout"] == inventory.CONNECT_SECONDS


@pytest.mark.parametrize("option", EXPECTED_OPTIONS)
def test_ssh_is_told(planned, option):
    lines = [line.strip() for line in inventory.ssh_config(planned, STATE, RUNTIME).splitlines()]
    assert option in lines


def test_a_host_s_own_options_come_before_the_general_ones(planned):
    text = inventory.ssh_config(planned, STATE, RUNTIME)
    assert text.index("Host app1\n  HostName 10.77.0.11\n") < text.index("Host *\n")


def test_each_host_may_show_its_own_key_alone(planned):
    text = inventory.known_hosts(planned, {"app1": "ssh-ed25519 AAAA1 app1\n", "db1": "ssh-ed25519 AAAA2 db1\n"})
    assert text == "app1,10.77.0.11,fd77::11 ssh-ed25519 AAAA1\ndb1,10.77.0.12,fd77::12 ssh-ed25519 AAAA2\n"


def test_the_longest_socket_path_fits_into_the_kernel_s_107_bytes(monkeypatch):
    monkeypatch.undo()  # the real folder under /run
    longest = paths.runtime("f" * 30)
    while_connecting = "." + 16 * "X"  # ssh first binds a temporary name (openssh, mux.c)
    assert len(str(longest / "ansible" / "0123456789") + while_connecting) <= 107
    assert len(str(longest / ("h" * 30 + ".ready"))) <= 107
