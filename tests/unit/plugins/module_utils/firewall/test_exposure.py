# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who can reach a listener: addresses, families, what a sender may choose."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import (
    Listener,
    is_client,
    listeners_of,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import Exposer, Exposure
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import merge, subtract
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import ANY_SOURCE, Network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Socket

from .small import HOST, OWN4, OWN6, filter_table, numbers, ruleset

LOOP4, LOOP6 = 0x7F000001, 1
LINK_LOCAL = 0xFE80 << 112 | 5


def listener(address: str, port: int = 8080, proto: str = "tcp", v6only: bool = False) -> Listener:
    return listeners_of([Socket(proto, 6 if ":" in address else 4, address, port, 1, 0, v6only)])[0]


def outside(rules: Ruleset, waiting: Listener, family: int = 4, network: Network = HOST) -> Exposure:
    return Exposer(rules, network).outside(waiting, family)


BOUND = [
    ("0.0.0.0", False, {4: None}, {4: LOOP4}),
    ("127.0.0.1", False, {}, {4: LOOP4}),
    ("127.0.0.53", False, {}, {4: 0x7F000035}),
    ("203.0.113.10", False, {4: OWN4}, {4: OWN4}),
    ("::", True, {6: None}, {6: LOOP6}),
    ("::", False, {4: None, 6: None}, {4: LOOP4, 6: LOOP6}),
    ("::1", False, {}, {6: LOOP6}),
    ("224.0.0.251", False, {}, {}),
    ("ff02::fb", False, {}, {}),
    ("::ffff:127.0.0.1", False, {}, {4: LOOP4}),
    ("::ffff:203.0.113.10", False, {4: OWN4}, {4: OWN4}),
]


@pytest.mark.parametrize(("address", "v6only", "bound", "inside"), BOUND)
def test_an_address_says_which_families_reach_a_socket_and_where(
    address: str, v6only: bool, bound: dict[int, int], inside: dict[int, int]
) -> None:
    waiting = listener(address, v6only=v6only)
    assert (waiting.bound, waiting.inside) == (bound, inside)


def test_an_ipv6_socket_of_which_it_is_not_known_takes_ipv4_as_well() -> None:
    assert listeners_of([Socket("tcp", 6, "::", 80, 1, 0, None)])[0].bound == {4: None, 6: None}


def test_sockets_that_share_a_port_are_one_listener_with_all_owners() -> None:
    group = [
        Socket("tcp", 4, "0.0.0.0", 80, inode, 33, None, (pid,), "/usr/sbin/nginx", "www", "nginx.service")
        for inode, pid in ((1, 20), (2, 10))
    ]
    (found,) = listeners_of(group)
    assert (found.pids, found.owner()) == ((10, 20), "nginx.service (pid 10, 20)")


OWNERS = [
    (Socket("tcp", 4, "0.0.0.0", 80, 1, 0, None, (7,), "/bin/x", "root"), "/bin/x (pid 7)"),
    (Socket("tcp", 4, "0.0.0.0", 80, 1, 0, user="root"), "a process of root"),
    (Socket("tcp", 4, "0.0.0.0", 80, 1, 0), "unknown"),
]


@pytest.mark.parametrize(("socket", "expected"), OWNERS)
def test_an_owner_is_named_as_far_as_it_is_known(socket: Socket, expected: str) -> None:
    assert listeners_of([socket])[0].owner() == expected


CLIENTS = [
    ("udp", 40000, True),
    ("udp", 68, True),
    ("udp", 546, True),
    ("udp", 53, False),
    ("udp", 123, False),
    ("tcp", 40000, False),
]


@pytest.mark.parametrize(("proto", "port", "expected"), CLIENTS)
def test_a_udp_socket_on_a_clients_port_is_a_client(proto: str, port: int, expected: bool) -> None:
    assert is_client(listener("0.0.0.0", port, proto), (32768, 60999)) is expected


def test_a_loopback_listener_is_never_reached_from_outside() -> None:
    exposure = outside(Ruleset(), listener("127.0.0.1"))
    assert (exposure.verdict(ANY_SOURCE[4]), exposure.why_none) == ("filtered", "it is bound to loopback")


def test_a_family_in_which_the_host_has_no_address_is_not_reached() -> None:
    only4 = Network({4: (OWN4,), 6: ()}, HOST.ways)
    exposure = outside(Ruleset(), listener("::"), 6, only4)
    assert (exposure.verdict(ANY_SOURCE[6]), exposure.why_none) == (
        "filtered",
        "this host has no IPv6 address beyond loopback",
    )


def test_without_routes_nothing_is_known_of_the_outside() -> None:
    unavailable = Network({4: (), 6: ()}, {4: {}, 6: {}}, unavailable="ip is not installed")
    exposure = outside(Ruleset(), listener("0.0.0.0"), network=unavailable)
    assert (exposure.verdict(ANY_SOURCE[4]), exposure.decided_by(ANY_SOURCE[4])) == ("unknown", "ip is not installed")


VERDICTS = [
    ("203.0.113.0/24", "open"),
    ("10.0.0.0/8", "limited"),
    ("198.51.100.0/24", "filtered"),
    ("192.0.2.0/24", "unknown"),
    ("192.0.2.0/23", "unknown"),
]


@pytest.mark.parametrize(("source", "expected"), VERDICTS)
def test_a_source_class_is_open_limited_filtered_or_unknown(source: str, expected: str) -> None:
    text = filter_table(
        "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        "-A INPUT -s 203.0.113.0/24 -j ACCEPT",
        "-A INPUT -s 10.1.0.0/16 -j ACCEPT",
        "-A INPUT -s 192.0.2.0/24 -m time --timestart 08:00 -j ACCEPT",
    )
    assert outside(ruleset(text), listener("0.0.0.0")).verdict(numbers(source)) == expected


def test_a_few_banned_addresses_leave_a_port_nearly_open_and_half_the_world_does_not() -> None:
    banned = ruleset(
        filter_table("-A INPUT -s 192.0.2.66 -j DROP", "-A INPUT -s 198.51.100.0/24 -j DROP", policy="ACCEPT")
    )
    halved = ruleset(filter_table("-A INPUT -s 0.0.0.0/1 -j DROP", policy="ACCEPT"))
    everybody = ANY_SOURCE[4]
    assert [outside(rules, listener("0.0.0.0")).nearly_open(everybody) for rules in (banned, halved)] == [True, False]


CHOICES = [
    ("a source port that lets through", "-A INPUT -p tcp --sport 53 -j ACCEPT", "open"),
    ("one of the host's addresses that lets through", "-A INPUT -d 203.0.113.10 -p tcp -j ACCEPT", "open"),
    ("an address that the host has not", "-A INPUT -d 203.0.113.99 -p tcp -j ACCEPT", "filtered"),
    ("an interface that the source does not come by", "-A INPUT -i eth1 -p tcp -j ACCEPT", "filtered"),
]


@pytest.mark.parametrize(
    ("rule", "expected"), [choice[1:] for choice in CHOICES], ids=[choice[0] for choice in CHOICES]
)
def test_what_a_sender_may_choose_counts_at_its_most_open(rule: str, expected: str) -> None:
    assert outside(ruleset(filter_table(rule)), listener("0.0.0.0")).verdict(ANY_SOURCE[4]) == expected


NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n"
FILTER = filter_table(
    "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-A INPUT -m conntrack --ctstate DNAT -j ACCEPT"
)


def test_a_port_is_open_by_the_port_that_is_redirected_to_it() -> None:
    assert outside(ruleset(NAT + FILTER), listener("0.0.0.0", 8080)).verdict(ANY_SOURCE[4]) == "open"
    assert outside(ruleset(FILTER), listener("0.0.0.0", 8080)).verdict(ANY_SOURCE[4]) == "filtered"


def test_a_port_that_is_redirected_away_is_not_reached_and_says_where_to() -> None:
    exposure = outside(ruleset(NAT + FILTER), listener("0.0.0.0", 80))
    assert (exposure.verdict(ANY_SOURCE[4]), exposure.decided_by(ANY_SOURCE[4])) == (
        "filtered",
        "port 80 is redirected to port 8080",
    )


def test_a_link_local_address_is_reached_from_its_link_only() -> None:
    rules = ruleset(ipv6=filter_table("-A INPUT -d fe80::/64 -j ACCEPT"))
    both = Network({4: (), 6: (OWN6, LINK_LOCAL)}, HOST.ways)
    assert outside(rules, listener("::"), 6, both).open == numbers("fe80::/10")


def test_a_source_is_looked_at_on_the_interface_that_its_route_names() -> None:
    site = numbers("10.0.0.0/8")
    two = Network({4: (OWN4,), 6: ()}, {4: {"eth0": subtract(ANY_SOURCE[4], site), "docker0": site}, 6: {}})
    rules = ruleset(filter_table("-A INPUT -i docker0 -j ACCEPT"))
    assert outside(rules, listener("0.0.0.0"), network=two).open == merge([site])


def test_ports_that_no_rule_tells_apart_share_one_answer() -> None:
    exposer = Exposer(ruleset(filter_table("-A INPUT -p tcp --dport 22 -j ACCEPT")), HOST)
    answers = [exposer.port("tcp", port, 4, (OWN4,)) for port in (8000, 8001, 21, 22)]
    assert answers[0] is answers[1]
    assert answers[2].verdict(ANY_SOURCE[4]) != answers[3].verdict(ANY_SOURCE[4])


def behind(*prerouting: str, accepting: str) -> Ruleset:
    """Return a redirect and what the filter lets through."""
    lines = "".join(f"-A PREROUTING {line}\n" for line in prerouting)
    return ruleset(f"*nat\n:PREROUTING ACCEPT [0:0]\n{lines}COMMIT\n" + filter_table(f"-A INPUT {accepting} -j ACCEPT"))


TO_8080 = "-p tcp --dport 1000:2000 -j REDIRECT --to-ports 8080"


def test_a_source_port_that_lets_through_behind_a_redirect_is_tried() -> None:
    rules = behind(TO_8080, accepting="-p tcp -m tcp --dport 8080 --sport 53 -m conntrack --ctstate DNAT")
    assert outside(rules, listener("0.0.0.0", 8080)).verdict(ANY_SOURCE[4]) == "open"


def test_of_a_redirected_range_every_part_that_rules_tell_apart_is_tried() -> None:
    early = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport {} -j DROP\nCOMMIT\n"
    nat = f"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {TO_8080}\nCOMMIT\n"
    accepted = filter_table("-A INPUT -p tcp --dport 8080 -m conntrack --ctstate DNAT -j ACCEPT")
    found = [
        outside(ruleset(early.format(ports) + nat + accepted), listener("0.0.0.0", 8080)).verdict(ANY_SOURCE[4])
        for ports in ("1000:1999", "1000:2000", "1001:2000")
    ]
    assert found == ["open", "filtered", "open"]


def test_a_redirect_that_may_happen_may_lead_to_its_port() -> None:
    rules = behind(
        "-p tcp --dport 80 -m time --timestart 08:00 -j REDIRECT --to-ports 8080",
        accepting="-m conntrack --ctstate DNAT",
    )
    found = {port: outside(rules, listener("0.0.0.0", port)).verdict(ANY_SOURCE[4]) for port in (80, 8080, 8081)}
    assert found == {80: "unknown", 8080: "unknown", 8081: "filtered"}


def test_what_becomes_of_packets_that_are_not_redirected_says_nothing_of_the_port_behind_the_redirect() -> None:
    rules = behind("-s 10.0.0.0/8 -p tcp --dport 80 -j REDIRECT --to-ports 8080", accepting="-p tcp --dport 80")
    exposure = outside(rules, listener("0.0.0.0", 8080))
    assert [exposure.verdict(numbers(net)) for net in ("10.0.0.0/8", "192.0.2.0/24")] == ["filtered", "filtered"]


def test_a_doubt_behind_a_redirect_to_another_port_is_no_doubt_of_this_one() -> None:
    first = "-s 10.0.0.0/8 -p tcp --dport 80 -j REDIRECT --to-ports 8081"
    second = "-p tcp --dport 80 -j REDIRECT --to-ports 8080"
    rules = behind(first, second, accepting="-p tcp -m time --timestart 08:00")
    exposure = outside(rules, listener("0.0.0.0", 8080))
    closed = outside(
        behind(first, second, accepting="-p tcp -m tcp --dport 8081 -m time --timestart 08:00"),
        listener("0.0.0.0", 8080),
    )
    assert exposure.verdict(numbers("192.0.2.0/24")) == "unknown"
    assert [closed.verdict(numbers(net)) for net in ("10.0.0.0/8", "192.0.2.0/24")] == ["filtered", "filtered"]


def test_packets_that_are_led_to_another_address_do_not_reach_this_one() -> None:
    two = Network({4: (OWN4, OWN4 + 1), 6: ()}, HOST.ways)
    rules = behind("-p tcp --dport 80 -j DNAT --to-destination 203.0.113.11", accepting="-p tcp")
    first, second = (outside(rules, listener(f"203.0.113.{last}", 80), network=two) for last in (10, 11))
    assert (first.verdict(ANY_SOURCE[4]), first.decided_by(ANY_SOURCE[4])) == (
        "filtered",
        "port 80 is redirected to port 80 of 203.0.113.11",
    )
    assert second.verdict(ANY_SOURCE[4]) == "open"


def test_sources_to_which_no_route_leads_are_not_said_to_meet_a_rule() -> None:
    ways = {4: {"eth0": subtract(ANY_SOURCE[4], numbers("10.0.0.0/8"))}, 6: {}}
    exposure = outside(ruleset(filter_table()), listener("0.0.0.0"), network=Network({4: (OWN4,), 6: ()}, ways))
    asked = [numbers("10.0.0.0/8"), numbers("192.0.2.0/24")]
    assert [exposure.decided_by(sources) for sources in asked] == [
        "no route of this host leads to them",
        "ip filter INPUT: policy drop",
    ]
    assert [exposure.verdict(sources) for sources in asked] == ["filtered", "filtered"]


def test_the_rule_that_decides_for_most_of_the_sources_is_named() -> None:
    rules = ruleset(
        filter_table(
            "-A INPUT -s 192.0.2.0/26 -j ACCEPT",
            "-A INPUT -s 192.0.2.64/27 -p tcp -j ACCEPT",
            "-A INPUT -s 10.0.0.0/8 -j ACCEPT",
        )
    )
    exposure = outside(rules, listener("0.0.0.0"))
    named = [exposure.decided_by(numbers(net)) for net in ("192.0.2.0/24", "192.0.2.64/26", "10.0.0.0/7")]
    assert named == [
        "ip filter INPUT rule 1: -s 192.0.2.0/26 -j ACCEPT",
        "ip filter INPUT rule 2: -s 192.0.2.64/27 -p tcp -j ACCEPT",
        "ip filter INPUT rule 3: -s 10.0.0.0/8 -j ACCEPT",
    ]


BANNED = [(1, 64, True), (1, 63, False), (2, 128, True), (2, 127, False), (0, 1, True), (5, 5, False)]


@pytest.mark.parametrize(("banned", "asked", "expected"), BANNED)
def test_a_port_is_nearly_open_where_at_most_one_of_64_sources_is_banned(
    banned: int, asked: int, expected: bool
) -> None:
    first = 0xC0000200  # 192.0.2.0
    lines = [f"-A INPUT -s 192.0.2.{last} -j DROP" for last in range(banned)]
    exposure = outside(ruleset(filter_table(*lines, policy="ACCEPT")), listener("0.0.0.0"))
    assert exposure.nearly_open((first, first + asked)) is expected
