# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The numbers of the kernel that the model rests on, by other sources than its own tables, and what a packet is."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.iptables_tests import (
    _ALL_FLAGS as FLAGS,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.nft_tests import CONNECTION_STATUS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import (
    BITS,
    contains,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import (
    ANY_SOURCE,
    LINK_LOCAL,
    LOOPBACK_ADDRESS,
    LOOPBACK_SOURCES,
    Network,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import (
    ACK,
    SYN,
    TCP,
    UDP,
    Packet,
    fit,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    ACCEPT,
    ADDRESS_TYPES,
    CONNECTION_STATES,
    PACKET_TYPES,
    PROTOCOLS,
    XTABLES,
    Chain,
    FilterRule,
    Match,
    Ruleset,
    Table,
    Verdict,
)

from .small import OWN4, ask, filter_table, numbers, ruleset

SSH = Packet(4, 6, OWN4, 22, 40000, "eth0")


def opens(*tests: str, packet: Packet = SSH) -> bool:
    """Return whether a rule of iptables with one of some tests fits a packet."""
    (table,) = ruleset(filter_table(*(f"-A INPUT {test} -j ACCEPT" for test in tests))).tables
    return any(all(fit(test, packet)[1] for test in rule.tests) for rule in table.chains["INPUT"].rules)


def test_protocols_have_the_numbers_that_the_c_library_and_iana_give_them() -> None:
    of_c = {"icmp", "igmp", "tcp", "udp", "gre", "esp", "ah", "icmpv6", "sctp"}
    assert {name: PROTOCOLS[name] for name in of_c} == {
        name: int(getattr(socket, f"IPPROTO_{name.upper()}")) for name in of_c
    }
    others = {name: number for name, number in PROTOCOLS.items() if name not in of_c}
    assert others == {"dccp": 33, "ipv6-icmp": 58, "comp": 108, "udplite": 136}
    assert (TCP, UDP) == (socket.IPPROTO_TCP, socket.IPPROTO_UDP)


def test_kinds_of_addresses_and_packets_have_the_numbers_of_the_kernels_headers() -> None:
    assert ADDRESS_TYPES["local"] == 2  # RTN_LOCAL
    assert ADDRESS_TYPES["multicast"] == 5  # RTN_MULTICAST
    assert (ADDRESS_TYPES["unspec"], ADDRESS_TYPES["prohibit"]) == (0, 8)  # the first and the last of nine
    assert len(ADDRESS_TYPES) == 9
    sent_to = {"broadcast": socket.PACKET_BROADCAST, "multicast": socket.PACKET_MULTICAST}
    host = dict.fromkeys(("host", "unicast"), socket.PACKET_HOST)
    assert {**host, **sent_to, "other": socket.PACKET_OTHERHOST} == PACKET_TYPES


def test_states_of_connections_are_bits_as_the_kernel_counts_them() -> None:
    printed = ["invalid", "established", "related", "new", "untracked"]  # NF_CT_STATE_BIT and its like
    assert [CONNECTION_STATES[name] for name in printed] == [0b1, 0b10, 0b100, 0b1000, 0b1000000]
    assert all(bin(number).count("1") == 1 for number in CONNECTION_STATES.values())
    assert len(set(CONNECTION_STATES.values())) == len(CONNECTION_STATES) == 7


def test_the_status_of_connections_are_the_kernels_bits() -> None:
    bits = {name: number.bit_length() - 1 for name, number in CONNECTION_STATUS.items()}  # enum ip_conntrack_status
    named = {"expected": 0, "seen-reply": 1, "assured": 2, "confirmed": 3, "snat": 4, "dnat": 5, "dying": 9}
    assert bits == named


def test_a_first_packet_has_syn_alone_and_its_answer_syn_and_ack() -> None:
    assert (SYN, ACK) == (FLAGS["SYN"], FLAGS["ACK"]) == (2, 16)


FIRST = [
    ("-p tcp --syn", True),
    ("-p tcp --tcp-flags SYN,ACK SYN,ACK", False),
    ("-m mark --mark 0x0", True),
    ("-m mark ! --mark 0x0", False),
    ("-m connmark --mark 0x0", True),
    ("-m conntrack --ctdir ORIGINAL", True),
    ("-m conntrack --ctdir REPLY", False),
    ("-m conntrack --ctstate DNAT", False),
    ("-m conntrack --ctstate NEW", True),
    ("-m pkttype --pkt-type host", True),
    ("-m pkttype --pkt-type broadcast", False),
    ("-m addrtype --dst-type LOCAL", True),
    ("-m addrtype --src-type LOCAL", False),
    ("-m addrtype --src-type UNICAST", True),
]


@pytest.mark.parametrize(("test", "expected"), FIRST)
def test_a_first_packet_is_new_unmarked_and_sent_to_this_host(test: str, expected: bool) -> None:
    assert opens(test) is expected


ANSWER = [
    ("-m conntrack --ctdir REPLY", True),
    ("-m conntrack --ctdir ORIGINAL", False),
    ("-m conntrack --ctstate ESTABLISHED", True),
    ("-p tcp --tcp-flags ALL SYN,ACK", True),
    ("-p tcp --sport 22 --dport 40000 -d 198.51.100.7", True),
]


@pytest.mark.parametrize(("test", "expected"), ANSWER)
def test_an_answer_comes_from_the_port_that_was_asked_to_the_port_that_asked(test: str, expected: bool) -> None:
    assert opens(test, packet=SSH.answered().tracked()) is expected


def test_a_test_of_protocol_6_is_one_of_tcp_and_its_flags() -> None:
    udp = Packet(4, 17, OWN4, 53, 40000, "eth0")
    assert [opens(test, packet=udp) for test in ("-p udp", "-p tcp --syn", "-p tcp ! --syn")] == [True, False, False]


BITS_OF = {"saddr": ["unknown", "unknown"], "daddr": ["filtered", "filtered"], "dport": ["filtered", "open"]}


@pytest.mark.case("FW5")
@pytest.mark.parametrize("field", BITS_OF)
def test_of_the_peers_address_some_bits_that_are_no_network_are_not_known_to_fit(field: str) -> None:
    odd = Match((field,), (((1, 2),),), f"{field} & 1 == 1", mask=1)
    rules = (FilterRule("1", "", (odd,), (), Verdict(ACCEPT)),)
    tables = (Table(XTABLES, "ip", "", {"": Chain("", rules, "input", policy="drop")}),)
    found = [
        piece.verdict
        for port in (22, 23)
        for piece in ask(Ruleset(tables), Packet(4, 6, OWN4, port, 40000, "eth0"), (1, 100))
    ]
    assert found == BITS_OF[field]


def test_bits_of_a_mark_are_compared_under_their_mask() -> None:
    odd = Match(("mark",), (((1, 2),),), "", mask=1)
    marks = [bool(fit(odd, Packet(4, 6, OWN4, 22, 40000, "eth0", mark))[1]) for mark in (0, 1, 2, 3)]
    assert marks == [False, True, False, True]


def test_rows_that_fit_are_taken_together() -> None:
    pairs = Match(("saddr", "dport"), (((1, 5), (22, 23)), ((7, 9), (22, 24)), ((20, 30), (23, 24))), "")
    assert fit(pairs, SSH) == ((1, 5, 7, 9), (1, 5, 7, 9))


SENDERS = [
    ("0.255.255.255", False), ("1.0.0.0", True), ("126.255.255.255", True), ("127.0.0.0", False),
    ("127.255.255.255", False), ("128.0.0.0", True), ("223.255.255.255", True), ("224.0.0.0", False),
    ("255.255.255.255", False), ("::", False), ("::1", False), ("::2", True),
    ("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", True), ("ff00::", False),
]  # fmt: skip


@pytest.mark.parametrize(("address", "expected"), SENDERS)
def test_a_sender_has_no_address_of_this_host_loopback_multicast_or_beyond(address: str, expected: bool) -> None:
    parsed = ipaddress.ip_address(address)
    assert contains(ANY_SOURCE[parsed.version], int(parsed)) is expected


def test_loopback_and_links_have_the_addresses_that_python_calls_so() -> None:
    assert {4: numbers("127.0.0.0/8"), 6: numbers("::1/128")} == LOOPBACK_SOURCES
    assert ipaddress.IPv6Address(LOOPBACK_ADDRESS[6]).is_loopback
    assert str(ipaddress.IPv4Address(LOOPBACK_ADDRESS[4])) == "127.0.0.1"
    inside = [ipaddress.IPv6Address(number).is_link_local for number in (LINK_LOCAL[0] - 1, *LINK_LOCAL)]
    assert inside == [False, True, False]
    assert BITS == {4: ipaddress.IPV4LENGTH, 6: ipaddress.IPV6LENGTH}


def test_the_hosts_own_addresses_are_those_that_it_has_and_loopback() -> None:
    host = Network({4: (OWN4,), 6: (7, 9)}, {})
    assert host.local == {
        4: (0x7F000000, 0x80000000, OWN4, OWN4 + 1),
        6: (1, 2, 7, 8, 9, 10),
    }


def test_a_host_is_known_to_neighbours_only_where_all_its_ipv6_addresses_are_of_its_links() -> None:
    near = LINK_LOCAL[0]
    found = [Network({4: (near,), 6: six}, {}) for six in ((), (near,), (near, 2), (2,))]
    assert [host.only_link_local(6) for host in found] == [True, True, False, False]
    assert not any(host.only_link_local(4) for host in found)


def test_rules_that_the_filter_adds_by_itself_are_not_counted() -> None:
    chain = Chain("", (FilterRule("1", ""), FilterRule("2", "", implied=True), FilterRule("3", "", implied=False)))
    tables = tuple(Table(XTABLES, "ip", name, {"": chain}) for name in "ab")
    assert Ruleset(tables).rule_count == 4


DECIDING = [
    ([Chain("a")], False),
    ([Chain("a", policy="drop")], True),
    ([Chain("a", (FilterRule("1", ""),))], True),
    ([Chain("a"), Chain("b", policy="drop")], True),
    ([], False),
]


@pytest.mark.parametrize(("chains", "expected"), DECIDING)
def test_a_table_holds_rules_where_any_of_its_chains_decides(chains: list[Chain], expected: bool) -> None:
    assert Table(XTABLES, "ip", "", {chain.name: chain for chain in chains}).holds_rules is expected
