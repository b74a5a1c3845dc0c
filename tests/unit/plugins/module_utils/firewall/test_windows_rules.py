# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of Windows Firewall as they filter: profiles, precedence, programs, services, words for ports and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import Listener
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.windows.parse import receivers

from .small import numbers
from .windows_host import SVCHOST, SYSTEMS, altered, exposer, facts, listener, raw

SUBNET, SITE, WORLD = numbers("10.0.2.0/24"), numbers("10.0.5.0/24"), numbers("198.51.100.0/24")


def verdict(system: str, asked: Listener, sources: tuple[int, ...] = WORLD, **changed: Any) -> str:
    """Return what becomes of a connection from somewhere to a listener of a recorded system."""
    return exposer(facts(system, **changed)).outside(asked, 4).verdict(sources)


def one_rule(**properties: Any) -> dict[str, Any]:
    """Return answers with one rule, which allows TCP port 8000; of it and its conditions properties may be changed."""
    rule = {"InstanceID": "one", "DisplayName": "One", "Group": "", "Profile": "Any", "Action": "Allow"}
    conditions = {
        "port_filters": {"Protocol": "TCP", "LocalPort": "8000", "RemotePort": "Any", "DynamicTarget": "Any"},
        "address_filters": {"LocalAddress": "Any", "RemoteAddress": "Any"},
        "application_filters": {"Program": "Any", "Package": None},
        "service_filters": {"Service": "Any"},
        "interface_filters": {"InterfaceAlias": "Any"},
        "interface_type_filters": {"InterfaceType": "Any"},
        "security_filters": {
            "LocalUser": "Any",
            "RemoteUser": "Any",
            "RemoteMachine": "Any",
            "Authentication": "NotRequired",
            "OverrideBlockRules": "False",
        },
    }
    rule = {**rule, "EdgeTraversalPolicy": "Block", "PolicyStoreSourceType": "Local", "Owner": None}
    answers = {
        name: [{"InstanceID": "one", **{key: properties.get(key, value) for key, value in each.items()}}]
        for name, each in conditions.items()
    }
    return {**answers, "rules": [{key: properties.get(key, value) for key, value in rule.items()}]}


RECORDED = [
    # WinRM of a server: from everywhere in a private or domain network, from the subnet in a public one
    ("windows-server-2019", listener(5985, "System"), WORLD, "open"),
    ("windows-server-2019-de", listener(5985, "System"), WORLD, "open"),
    ("windows-11", listener(5985, "System"), WORLD, "filtered"),
    ("windows-11", listener(5985, "System"), SUBNET, "open"),
    # a rule for the kernel is none for another program on the same port
    ("windows-server-2019", listener(5985, "C:\\Python39\\python.exe"), WORLD, "filtered"),
    # nor is one for a service for another service in the same host process
    ("windows-server-2019", listener(3389, SVCHOST, "TermService"), WORLD, "open"),
    ("windows-server-2019", listener(3389, SVCHOST.upper(), "termservice", "Dhcp"), WORLD, "open"),
    ("windows-server-2019", listener(3389, SVCHOST, "Dhcp"), WORLD, "filtered"),
    ("windows-server-2019", listener(3389, SVCHOST), WORLD, "unknown"),
    ("windows-server-2019", listener(3389, "C:\\other.exe", "TermService"), WORLD, "filtered"),
    # without the path of the program nobody knows
    ("windows-server-2019", listener(3389, "svchost.exe", "TermService"), WORLD, "unknown"),
    ("windows-server-2019", listener(3389, ""), WORLD, "unknown"),
    ("windows-server-2019", listener(22, "C:\\Windows\\System32\\OpenSSH\\sshd.exe", "sshd"), WORLD, "open"),
    # what no rule names
    ("windows-server-2019", listener(445, "System"), SUBNET, "filtered"),
    # block beats allow, wherever it stands
    ("windows-server-2022", listener(8000), WORLD, "open"),
    ("windows-server-2022", listener(5432), SUBNET, "filtered"),
    # RPC: the endpoint mapper is on 135, the rest on ports that only it tells
    ("windows-server-2022", listener(135, SVCHOST, "RpcSs", "RpcEptMapper"), WORLD, "open"),
    ("windows-server-2022", listener(49666, SVCHOST, "Dhcp", "EventLog"), WORLD, "unknown"),
    ("windows-server-2022", listener(135, SVCHOST, "EventLog"), WORLD, "filtered"),
    # rules of Wi-Fi Direct, of a Store app and of another profile open nothing on a cable
    ("windows-11", listener(8002, "System"), WORLD, "filtered"),
    ("windows-11", listener(8002, "C:\\x.exe"), WORLD, "filtered"),
    ("windows-11", listener(8002, "C:\\Program Files\\WindowsApps\\Photos\\photos.exe"), WORLD, "filtered"),
    ("windows-11", listener(8002, "C:\\Python39\\python.exe"), SUBNET, "filtered"),
    # group policy: its rule counts, local ones do not
    ("windows-server-2022-gpo", listener(5985, "System"), SITE, "open"),
    ("windows-server-2022-gpo", listener(5985, "System"), WORLD, "filtered"),
    ("windows-server-2022-gpo", listener(8080), WORLD, "filtered"),
    # UDP
    ("windows-server-2019", listener(68, SVCHOST, "Dhcp", proto="udp"), WORLD, "open"),
    ("windows-server-2019", listener(5353, SVCHOST, "Dnscache", proto="udp"), WORLD, "filtered"),
    ("windows-server-2019", listener(5353, SVCHOST, "Dnscache", proto="udp"), SUBNET, "open"),
    ("windows-server-2019", listener(3544, SVCHOST, "iphlpsvc", proto="udp"), WORLD, "unknown"),
]


@pytest.mark.parametrize(("system", "asked", "sources", "expected"), RECORDED)
def test_a_socket_is_open_to_those_whom_the_recorded_rules_let_in(
    system: str, asked: Listener, sources: tuple[int, ...], expected: str
) -> None:
    assert verdict(system, asked, sources) == expected


def test_two_programs_on_ports_that_no_rule_tells_apart_are_not_mixed_up() -> None:
    asked = exposer(facts("windows-server-2019"))
    programs = [("System",), ("C:\\Python39\\python.exe",), (SVCHOST, "TermService"), (SVCHOST, "Dhcp")]
    found = [asked.outside(listener(port, *who), 4).verdict(WORLD) for who in programs for port in (5985, 3389)]
    assert found == ["open", "filtered", "filtered", "filtered", "filtered", "open", "filtered", "filtered"]


def test_of_several_processes_that_share_a_socket_the_most_open_one_counts() -> None:
    asked = exposer(facts("windows-server-2019"))
    shared = listener(5985, "System")._replace(exes=("C:\\x.exe", "System"))
    assert asked.outside(shared, 4).verdict(WORLD) == "open"


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_host_reaches_itself_whatever_the_rules_say(system: str) -> None:
    assert exposer(facts(system)).inside(listener(4444), 4).verdict((0x7F000001, 0x7F000002)) == "open"


CONDITIONS = [
    ({}, WORLD, "open"),
    ({"LocalPort": "7000-9000"}, WORLD, "open"),
    ({"LocalPort": "1\n2\n8000"}, WORLD, "open"),
    ({"LocalPort": "Any"}, WORLD, "open"),
    ({"LocalPort": "1-7999"}, WORLD, "filtered"),
    ({"LocalPort": "8001\nIPHTTPSIn"}, WORLD, "filtered"),
    ({"LocalPort": "8001\nRPC"}, WORLD, "unknown"),
    ({"LocalPort": "8000\nRPC"}, WORLD, "open"),
    ({"LocalPort": "RPC-EPMap"}, WORLD, "filtered"),
    ({"LocalPort": "SomethingNew"}, WORLD, "unknown"),
    ({"LocalPort": "9-8"}, WORLD, "unknown"),
    ({"LocalPort": ""}, WORLD, "unknown"),
    ({"Protocol": "UDP"}, WORLD, "filtered"),
    ({"Protocol": "6"}, WORLD, "open"),
    ({"Protocol": "Any"}, WORLD, "open"),
    ({"Protocol": "ICMPv4", "LocalPort": "RPC"}, WORLD, "filtered"),
    ({"Protocol": "99999"}, WORLD, "unknown"),
    ({"RemotePort": "443"}, WORLD, "open"),  # a sender chooses its port
    ({"DynamicTarget": "WifiDirectDevices"}, WORLD, "filtered"),
    ({"RemoteAddress": "198.51.100.0/255.255.255.0"}, WORLD, "open"),
    ({"RemoteAddress": "198.51.100.0-198.51.100.255"}, WORLD, "open"),
    ({"RemoteAddress": "198.51.100.0-198.51.100.127"}, WORLD, "limited"),
    ({"RemoteAddress": "fe80::/64\n198.51.100.7"}, WORLD, "limited"),
    ({"RemoteAddress": "fd00::/8"}, WORLD, "filtered"),
    ({"RemoteAddress": "LocalSubnet"}, SUBNET, "open"),
    ({"RemoteAddress": "LocalSubnet6"}, SUBNET, "filtered"),
    ({"RemoteAddress": "DNS"}, numbers("10.0.2.3"), "open"),
    ({"RemoteAddress": "DefaultGateway"}, numbers("10.0.2.2"), "open"),
    ({"RemoteAddress": "DefaultGateway"}, WORLD, "filtered"),
    ({"RemoteAddress": "Internet"}, WORLD, "unknown"),
    ({"RemoteAddress": "300.1.1.1"}, WORLD, "unknown"),
    ({"RemoteAddress": ""}, WORLD, "unknown"),
    ({"LocalAddress": "10.0.2.15"}, WORLD, "open"),
    ({"LocalAddress": "10.0.2.16"}, WORLD, "filtered"),
    ({"Program": "c:\\X.EXE"}, WORLD, "open"),
    ({"Program": "%SystemDrive%\\x.exe"}, WORLD, "open"),
    ({"Program": "%NoSuch%\\x.exe"}, WORLD, "unknown"),
    ({"Program": "C:\\y.exe"}, WORLD, "filtered"),
    ({"Program": "System"}, WORLD, "filtered"),
    ({"Program": "x.exe"}, WORLD, "unknown"),
    ({"Program": "\\Device\\HarddiskVolume3\\x.exe"}, WORLD, "unknown"),
    ({"Program": ""}, WORLD, "unknown"),
    ({"Package": "S-1-15-2-1"}, WORLD, "filtered"),
    ({"Package": "*"}, WORLD, "filtered"),
    ({"Service": "*"}, WORLD, "filtered"),
    ({"Service": ""}, WORLD, "unknown"),
    ({"InterfaceAlias": "Ethernet"}, WORLD, "open"),
    ({"InterfaceAlias": "Wi-Fi\nEthernet"}, WORLD, "open"),
    ({"InterfaceAlias": "Wi-Fi"}, WORLD, "filtered"),
    ({"InterfaceAlias": "Eth?rnet"}, WORLD, "unknown"),
    ({"InterfaceType": "Wired"}, WORLD, "unknown"),
    ({"Authentication": "Required"}, WORLD, "unknown"),
    ({"RemoteUser": "O:LSD:(A;;CC;;;S-1-5-20)"}, WORLD, "unknown"),
    ({"Owner": "S-1-5-21-1"}, WORLD, "unknown"),
    ({"Profile": "Domain, Private"}, WORLD, "open"),
    ({"Profile": "Domain, Public"}, WORLD, "filtered"),
    ({"Profile": "Domain, Private, Public"}, WORLD, "open"),
    ({"Profile": "Zuhause"}, WORLD, "unknown"),
    ({"Action": "Block"}, WORLD, "filtered"),
    ({"Action": "NotConfigured"}, WORLD, "unknown"),
]


@pytest.mark.parametrize(("properties", "sources", "expected"), CONDITIONS)
def test_a_condition_of_a_rule_means_what_windows_means(
    properties: dict[str, Any], sources: tuple[int, ...], expected: str
) -> None:
    assert verdict("windows-server-2019", listener(8000), sources, **one_rule(**properties)) == expected


SHORT = [
    ("C:\\PROGRA~1\\x.exe", "unknown"),
    ("c:\\app\\LONGNA~12.exe", "unknown"),
    ("%SystemDrive%\\a~1.exe", "unknown"),
    ("C:\\a~b\\y.exe", "filtered"),
]


@pytest.mark.case("FW50")
@pytest.mark.parametrize(("program", "expected"), SHORT)
def test_a_program_that_is_named_by_its_short_path_may_be_any(program: str, expected: str) -> None:
    assert verdict("windows-server-2019", listener(8000), **one_rule(Program=program)) == expected


def test_a_rule_of_more_than_64_combinations_is_doubtful_as_a_whole() -> None:
    words = ["RPC"] * 64  # each means some port above 1023, and only Windows knows which
    low, high = listener(80), listener(8000)
    assert verdict("windows-server-2019", low, **one_rule(LocalPort="\n".join(words))) == "filtered"
    assert verdict("windows-server-2019", high, **one_rule(LocalPort="\n".join(words))) == "unknown"
    assert verdict("windows-server-2019", low, **one_rule(LocalPort="\n".join([*words, "RPC"]))) == "unknown"


@pytest.mark.parametrize(("length", "shown"), [(80, 80), (81, 80)])
def test_80_characters_of_a_condition_are_shown(length: int, shown: int) -> None:
    path = "C:\\" + "x" * (length - 3)
    exposure = exposer(facts("windows-server-2019", **one_rule(Program=path))).outside(listener(8000, path), 4)
    assert exposure.decided_by(WORLD) == (
        f'Windows Firewall Private rule one: allow "One" TCP port 8000 program {path[:shown]}'
    )


@pytest.mark.parametrize("missing", [name for name in one_rule() if name != "rules"])
def test_a_rule_without_one_of_its_conditions_is_doubtful(missing: str) -> None:
    assert verdict("windows-server-2019", listener(8000), **{**one_rule(), missing: []}) == "unknown"


def test_two_rules_of_one_id_with_other_conditions_are_doubtful_and_alike_ones_are_not() -> None:
    answers = one_rule()
    other = {**answers["port_filters"][0], "LocalPort": "1"}
    assert (
        verdict("windows-server-2019", listener(8000), **{**answers, "port_filters": answers["port_filters"] * 2})
        == "open"
    )
    both = {**answers, "port_filters": [*answers["port_filters"], other]}
    assert verdict("windows-server-2019", listener(8000), **both) == "unknown"


def test_a_rule_that_overrides_blocks_goes_before_them() -> None:
    rules = altered("hostile", "rules", PolicyStoreSourceType="Local")
    assert verdict("hostile", listener(23), rules=rules) == "open"
    assert (
        verdict(
            "hostile",
            listener(23),
            rules=rules,
            security_filters=altered("hostile", "security_filters", OverrideBlockRules="False"),
        )
        == "filtered"
    )


PROFILES = [
    ({}, "open"),
    ({"AllowInboundRules": "False"}, "filtered"),
    ({"AllowLocalFirewallRules": "False"}, "filtered"),
    ({"DefaultInboundAction": "NotConfigured"}, "open"),
]


@pytest.mark.parametrize(("properties", "expected"), PROFILES)
def test_a_profile_decides_which_rules_count(properties: dict[str, Any], expected: str) -> None:
    changed = {"profiles": altered("windows-server-2019", "profiles", **properties), **one_rule()}
    assert verdict("windows-server-2019", listener(8000), **changed) == expected
    assert verdict("windows-server-2019", listener(8001), **changed) == "filtered"


OPENED = [
    ({"DefaultInboundAction": "Allow"}, "inet Windows Firewall Private: policy accept"),
    ({"Enabled": "False"}, "no rule of the kernel stops it"),
    ({"DisabledInterfaceAliases": "Wi-Fi\nEthernet"}, "no rule of the kernel stops it"),
]


@pytest.mark.parametrize(("properties", "decided_by"), OPENED)
def test_a_profile_that_lets_in_what_no_rule_names(properties: dict[str, Any], decided_by: str) -> None:
    known = facts("windows-server-2019", profiles=altered("windows-server-2019", "profiles", **properties))
    exposure = exposer(known).outside(listener(4444), 4)
    assert (exposure.verdict(WORLD), exposure.decided_by(WORLD)) == ("open", decided_by)


@pytest.mark.parametrize("products", [[{"displayName": "Norton", "productState": 266256}], "the namespace is refused"])
def test_a_profile_that_is_off_is_unknown_while_another_product_may_filter(products: Any) -> None:
    off = altered("windows-11", "profiles", Enabled="False")
    assert verdict("windows-11", listener(4444), profiles=off, products=products) == "unknown"


def test_a_product_beside_a_firewall_that_is_on_is_a_blind_spot() -> None:
    known = facts("windows-11", products=[{"displayName": "Norton", "productState": 266256}])
    assert known.unavailable == {"other firewalls": "Norton is registered as firewall; what it stops is not read"}


def test_each_interface_has_the_profile_of_its_network_and_public_without_one() -> None:
    addresses = [*raw("windows-server-2019")["own_addresses"]["value"]]
    addresses.append(
        {"InterfaceAlias": "Wi-Fi", "IPAddress": "192.168.7.2", "PrefixLength": 24, "AddressState": "Preferred"}
    )
    routes = [
        *raw("windows-server-2019")["routes"]["value"],
        {"DestinationPrefix": "192.168.7.0/24", "InterfaceAlias": "Wi-Fi"},
    ]
    changed = {"own_addresses": addresses, "routes": routes}
    asked = listener(5985, "System")
    assert verdict("windows-server-2019", asked, WORLD, **changed) == "open"
    assert (
        verdict("windows-server-2019", asked, numbers("192.168.7.0/24"), **changed) == "open"
    )  # LocalSubnet of Public
    known = facts("windows-server-2019", **changed)
    assert sorted(known.notes) == ["profile Private", "profile Public"]
    rdp = verdict(
        "windows-server-2019", listener(8000), numbers("192.168.7.0/24"), **changed, **one_rule(Profile="Private")
    )
    assert rdp == "filtered"


UNSEEN = ["profiles", "connections", "rules", "own_addresses", *[name for name in one_rule() if name != "rules"]]


@pytest.mark.parametrize("query", UNSEEN)
def test_without_one_of_the_answers_nothing_is_called_closed_or_open(query: str) -> None:
    known = facts("windows-server-2019", **{query: "Zugriff verweigert"})
    assert "Zugriff verweigert" in known.ruleset.why_unavailable(4)
    assert exposer(known).outside(listener(4444), 4).verdict(WORLD) == "unknown"


def test_a_firewall_whose_service_does_not_run_is_unknown() -> None:
    known = facts("windows-server-2019", engine=[{"Name": "mpssvc", "State": "Stopped"}])
    assert known.ruleset.why_unavailable(6) == "the service mpssvc, which is the firewall, is Stopped"


DOUBTED = [
    ("folders", listener(3389, SVCHOST, "TermService")),
    ("resolvers", listener(8000)),
    ("adapters", listener(8000)),
]


@pytest.mark.parametrize(("query", "asked"), DOUBTED)
def test_a_word_whose_meaning_could_not_be_read_is_doubtful(query: str, asked: Listener) -> None:
    words = {"resolvers": {"RemoteAddress": "DNS"}, "adapters": {"DynamicTarget": "WifiDirectDevices"}}
    changed = one_rule(**words[query]) if query in words else {}
    assert verdict("windows-server-2019", asked, **{**changed, query: "denied"}) == "unknown"


CLIENT_PORTS = [
    ([{"DynamicPortRangeStartPort": 1024, "DynamicPortRangeNumberOfPorts": 64511}], (1024, 65534)),
    ([{"DynamicPortRangeStartPort": None}], (49152, 65535)),
    ([{"DynamicPortRangeStartPort": 60000, "DynamicPortRangeNumberOfPorts": 60000}], (49152, 65535)),
    ([], (49152, 65535)),
    ("denied", (49152, 65535)),
]


@pytest.mark.parametrize(("answer", "expected"), CLIENT_PORTS)
def test_the_range_of_clients_ports_is_the_hosts_or_the_default(answer: Any, expected: tuple[int, int]) -> None:
    assert facts("windows-server-2019", client_ports=answer).ephemeral == expected


def test_a_process_whose_services_could_not_be_learned_may_host_any() -> None:
    (found,) = receivers(listener(1, "C:\\x.exe", known=False))
    assert (found.program, found.services, found.package) == ("c:\\x.exe", None, "")


def test_local_rules_that_a_policy_overrules_are_named_and_those_of_windows_itself_are_not() -> None:
    (view,) = facts("windows-server-2022-gpo").managers
    assert view.differences == (
        'group policy lets no local rules count: allow "Allow Inbound TCP Port 8080" TCP port 8080',
    )


def test_a_hostile_answer_leaves_the_other_rules_readable() -> None:
    known = facts("hostile")
    assert known.ruleset.rule_count > 10
    assert exposer(known).outside(listener(23), 4).verdict(WORLD) == "open"


def test_link_local_addresses_and_those_not_in_use_are_read_as_they_are() -> None:
    known = facts("windows-server-2019", own_addresses=[
        {"InterfaceAlias": "Ethernet", "IPAddress": "10.0.2.15", "PrefixLength": 24, "AddressState": "Preferred"},
        {"InterfaceAlias": "Ethernet", "IPAddress": "10.0.2.16", "PrefixLength": 24, "AddressState": "Duplicate"},
        {"InterfaceAlias": "Ethernet", "IPAddress": "fe80::1%12", "PrefixLength": 64, "AddressState": "Preferred"},
    ])  # fmt: skip
    assert known.network.addresses == {4: (0x0A00020F,), 6: ((0xFE80 << 112) + 1,)}
