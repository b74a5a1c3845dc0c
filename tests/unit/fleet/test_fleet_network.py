# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and commands of the network: a fleet never takes another's namespaces for its own."""

from __future__ import annotations

from fleet import network, plan

OURS = ["cbfleet-lab", "cbfleet-lab.app1", "cbfleet-lab.db1"]
OTHERS = ["cbfleet-lab2", "cbfleet-lab2.app1", "cbfleet-lab-b.app1", "vpn"]


def test_a_fleet_owns_its_switch_and_its_hosts_and_nothing_of_a_fleet_with_a_similar_name():
    assert network.of_fleet("lab", [*OURS, *OTHERS]) == ["cbfleet-lab.db1", "cbfleet-lab.app1", "cbfleet-lab"]


def test_fleets_are_known_from_what_is_left_of_them():
    assert network.fleets(["cbfleet-b.app1", "cbfleet-a", "vpn"]) == {"a", "b"}


def test_names_lead_back_to_the_fleet():
    made = [network.switch("lab"), network.namespace("lab", "app1")]
    assert sorted(network.of_fleet("lab", made)) == sorted(made)


def test_a_host_gets_its_own_addresses_and_the_switch_as_gateway(planned):
    commands = network.host_commands(planned.host("db1"))
    assert "addr add 10.77.0.12/24 dev eth0" in commands
    assert "addr add fd77::12/64 dev eth0 nodad" in commands
    assert f"route add default via {plan.GATEWAY}" in commands


def test_the_bridge_holds_the_gateway_and_forwards_at_once():
    commands = network.switch_commands()
    assert "link add br0 type bridge forward_delay 0" in commands
    assert f"addr add {plan.GATEWAY}/24 dev br0" in commands


def test_each_host_is_plugged_into_a_port_of_its_own():
    assert network.link_commands(1, "cbfleet-lab.db1") == [
        "link add port1 type veth peer name eth0 netns cbfleet-lab.db1",
        "link set port1 master br0 up",
    ]


def test_a_command_enters_the_network_namespace_and_nothing_else():
    assert network.inside("cbfleet-lab", ["ping", "-c1", "app1"]) == [
        "nsenter",
        "--net=/run/netns/cbfleet-lab",
        "--",
        "ping",
        "-c1",
        "app1",
    ]
