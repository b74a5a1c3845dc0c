# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the findings about sockets say where several meet: families, listeners of one port, and what is not known."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import describe
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import Intervals, subtract
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import ANY_SOURCE, Stack
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import RULES

from .audits import MAYBE, NOT_SEEN, OPEN_ALL, allow, audit, found, only, opening, socket
from .small import HOST, OWN4, OWN6, filter_table, numbers, ruleset

RULE = "ip6 filter INPUT rule 1: -m time --timestart 08:00 -j ACCEPT"
HALF_SEEN = Ruleset(ruleset("", filter_table(f"-A INPUT {MAYBE} -j ACCEPT")).tables, {4: ("not root",)})
OPEN6 = ruleset(filter_table())  # nothing filters IPv6


def several(made: Context, check: str) -> list[Finding]:
    return [finding for finding in RULES.judge(made) if finding.check == f"firewall.{check}"]


UNSEEN = [
    (
        [1],
        (
            "1 sockets take more peers from outside than the policy allows: tcp 0.0.0.0:1 (/bin/x (pid 1)). "
            "Whether the packet filter stops them could not be seen."
        ),
    ),
    (
        [1, 2, 3, 4, 5],
        (
            "5 sockets take more peers from outside than the policy allows: tcp 0.0.0.0:1 (/bin/x (pid 1)), "
            "tcp 0.0.0.0:2 (/bin/x (pid 2)), tcp 0.0.0.0:3 (/bin/x (pid 3)), tcp 0.0.0.0:4 (/bin/x (pid 4)), "
            "tcp 0.0.0.0:5 (/bin/x (pid 5)). Whether the packet filter stops them could not be seen."
        ),
    ),
    (
        [1, 2, 3, 4, 5, 6, 7],
        (
            "7 sockets take more peers from outside than the policy allows: tcp 0.0.0.0:1 (/bin/x (pid 1)), "
            "tcp 0.0.0.0:2 (/bin/x (pid 2)), tcp 0.0.0.0:3 (/bin/x (pid 3)), tcp 0.0.0.0:4 (/bin/x (pid 4)), "
            "tcp 0.0.0.0:5 (/bin/x (pid 5)) and 2 more. Whether the packet filter stops them could not be seen."
        ),
    ),
]


@pytest.mark.parametrize(("ports", "message"), UNSEEN)
def test_sockets_behind_a_filter_that_was_not_seen_are_one_finding(ports: list[int], message: str) -> None:
    made = audit(NOT_SEEN, [socket(port=port, pids=(port,), exe="/bin/x") for port in ports])
    finding = only(made, "unexpected_open")
    assert finding.message == message
    assert finding.actual == [f"tcp 0.0.0.0:{port}" for port in ports]


def test_a_socket_that_a_rule_makes_doubtful_is_a_finding_of_its_own() -> None:
    own, rest = several(audit(HALF_SEEN, [socket("::", 1), socket(port=2)]), "unexpected_open")
    assert own.message == (
        "tcp [::]:1, unknown, may be open to any by IPv4 and to any by IPv6. The policy does not name it. "
        f"Decided by: {RULE}; not root"
    )
    assert own.actual["decided_by"] == {"IPv4": "not root", "IPv6": RULE}
    assert rest.actual == ["tcp 0.0.0.0:2"]


def test_a_socket_behind_routes_that_were_not_read_is_one_of_the_unseen() -> None:
    made = audit(OPEN_ALL, [socket()], network=HOST._replace(unavailable="routes denied"))
    assert found(made, "unexpected_open") == [("unknown", "listening sockets")]


def test_an_internal_service_is_meant_to_be_open_where_the_policy_says_so_for_each_family() -> None:
    made = audit(OPEN_ALL, [socket("::", 5432), socket(port=5432)], [allow(5432, "0.0.0.0/0")])
    one, both = several(made, "any_source_internal")
    assert (one.status, one.message) == (
        "warning",
        (
            "tcp 0.0.0.0:5432, unknown, is an internal service and is open to everybody by IPv4. "
            "The policy says: tcp/5432 from 0.0.0.0/0."
        ),
    )
    assert (both.status, both.message) == (
        "critical",
        (
            "tcp [::]:5432, unknown, is an internal service and is open to everybody by IPv4 and IPv6. "
            "The policy says: tcp/5432 from 0.0.0.0/0."
        ),
    )


INTERNAL = frozenset(range(1, 8))
NOT_KNOWN = [
    ([1], "whether everybody can reach tcp 0.0.0.0:1 could not be seen"),
    (
        [1, 2, 3, 4, 5, 6],
        (
            "whether everybody can reach tcp 0.0.0.0:1, tcp 0.0.0.0:2, tcp 0.0.0.0:3, tcp 0.0.0.0:4, tcp 0.0.0.0:5 "
            "and 1 more could not be seen"
        ),
    ),
]


@pytest.mark.parametrize(("ports", "message"), NOT_KNOWN)
def test_internal_services_of_which_it_is_not_known_are_named(ports: list[int], message: str) -> None:
    made = audit(NOT_SEEN, [socket(port=port) for port in ports], internal_ports=INTERNAL)
    assert only(made, "any_source_internal").message == message


def test_an_internal_service_that_is_open_hides_none_of_which_it_is_not_known() -> None:
    rules = opening("-p tcp --dport 1 -j ACCEPT", f"-p tcp --dport 2 {MAYBE} -j ACCEPT")
    made = audit(rules, [socket(port=1), socket(port=2), socket(port=3)], internal_ports=INTERNAL)
    assert found(made, "any_source_internal") == [("critical", "tcp 0.0.0.0:1"), ("unknown", "internal services")]
    assert several(made, "any_source_internal")[1].actual == ["tcp 0.0.0.0:2"]


@pytest.mark.case("FW49")
def test_an_internal_service_that_is_open_by_one_family_hides_not_that_the_other_is_unknown() -> None:
    made = audit(Ruleset((), {4: ("not root",)}), [socket("::", 5432)])
    assert found(made, "any_source_internal") == [("critical", "tcp [::]:5432"), ("unknown", "internal services")]
    assert several(made, "any_source_internal")[1].actual == ["tcp [::]:5432"]


@pytest.mark.case("FW49")
def test_who_is_not_known_is_named_beside_who_gets_in() -> None:
    rules = ruleset(filter_table("-A INPUT -s 10.0.0.0/8 -j ACCEPT", f"-A INPUT {MAYBE} -j ACCEPT"), filter_table())
    made = audit(rules, [socket(), socket(port=1)])
    assert found(made, "unexpected_open") == [
        ("critical", "tcp 0.0.0.0:1"),
        ("unknown", "tcp 0.0.0.0:1"),
        ("critical", "tcp 0.0.0.0:8000"),
        ("unknown", "tcp 0.0.0.0:8000"),
    ]
    critical, unknown = several(made, "unexpected_open")[:2]
    assert critical.actual["sources"] == {"IPv4": ["10.0.0.0/8"]}
    assert unknown.actual["sources"] == {"IPv4": ["any but 10.0.0.0/8"]}


@pytest.mark.case("FW49")
def test_a_family_that_is_not_seen_is_named_beside_one_that_is_open() -> None:
    made = audit(Ruleset((), {4: ("not root",)}), [socket("::"), socket(port=6379)])
    assert found(made, "unexpected_open") == [("critical", "tcp [::]:8000"), ("unknown", "listening sockets")]
    assert several(made, "unexpected_open")[1].actual == ["tcp 0.0.0.0:6379", "tcp [::]:8000"]


def test_ports_of_which_it_is_not_known_whether_the_families_differ_are_named() -> None:
    made = audit(NOT_SEEN, [socket("::", port) for port in range(1, 8)])
    finding = only(made, "family_difference")
    assert finding.message == (
        "whether IPv4 and IPv6 peers of tcp/1, tcp/2, tcp/3, tcp/4, tcp/5 and 2 more are treated alike "
        "could not be seen"
    )
    assert finding.actual == ["tcp/1", "tcp/2", "tcp/3", "tcp/4", "tcp/5", "tcp/6", "tcp/7"]


@pytest.mark.case("L2b")
def test_a_port_that_differs_hides_none_of_which_it_is_not_known() -> None:
    rules = ruleset(filter_table(f"-A INPUT -p tcp --dport 2 {MAYBE} -j ACCEPT"))
    made = audit(rules, [socket("::", 1), socket("::", 2)])
    assert found(made, "family_difference") == [("warning", "tcp/1"), ("unknown", "listening sockets")]
    assert several(made, "family_difference")[1].actual == ["tcp/2"]


TWO = HOST._replace(addresses={4: (OWN4, OWN4 + 1), 6: (OWN6,)})  # 203.0.113.10 and .11
SHARED = [socket("203.0.113.10"), socket("203.0.113.11"), socket("::", v6only=True)]
TO_SECOND = "-A INPUT -d 203.0.113.11"
BANNED = f"{TO_SECOND} -s 192.0.2.66 -j DROP"


def test_of_the_listeners_of_a_port_the_most_open_one_is_compared_and_its_rule_told() -> None:
    made = audit(ruleset(filter_table(BANNED, f"{TO_SECOND} -j ACCEPT"), filter_table()), SHARED, network=TWO)
    finding = only(made, "family_difference")
    assert finding.message == (
        "tcp/8000 is open by IPv4, filtered by IPv6; decided by ip filter INPUT rule 2: -d 203.0.113.11 -j ACCEPT "
        "(IPv4) and ip6 filter INPUT: policy drop (IPv6)"
    )
    assert finding.actual == {"IPv4": "open", "IPv6": "filtered"}


def test_a_port_that_one_of_its_listeners_opens_by_ipv4_is_as_open_as_by_ipv6() -> None:
    made = audit(ruleset(filter_table(BANNED, f"{TO_SECOND} -j ACCEPT")), SHARED, network=TWO)
    assert only(made, "family_difference").message == ("of 1 ports served by IPv4 and IPv6 none is treated differently")


def test_a_family_that_has_routes_to_few_is_compared_by_those_that_it_leads_to() -> None:
    near = numbers("fd01::/64")
    stray = {6: subtract(ANY_SOURCE[6], near)}
    network = HOST._replace(ways={4: HOST.ways[4], 6: {"eth0": near}}, stack=Stack(stray=stray))
    opened, closed = filter_table("-A INPUT -p tcp --dport 8000 -j ACCEPT"), filter_table()
    alike, unlike = (audit(ruleset(opened, six), SHARED, network=network) for six in (opened, closed))
    assert [only(made, "family_difference").status for made in (alike, unlike)] == ["ok", "warning"]


PARTS = [
    (f"{TO_SECOND} -s 10.0.0.0/8 -j ACCEPT", "limited"),
    (f"{TO_SECOND} -j DROP", "filtered"),
]


@pytest.mark.parametrize(("rule", "verdict"), PARTS)
def test_a_port_that_none_of_its_listeners_opens_differs_from_an_open_one(rule: str, verdict: str) -> None:
    made = audit(ruleset(filter_table(rule)), SHARED, network=TWO)
    assert only(made, "family_difference").actual == {"IPv4": verdict, "IPv6": "open"}


def of_eights(*spans: tuple[int, int]) -> Intervals:
    """Return IPv4 addresses by the first and the last of their first bytes."""
    return tuple(number << 24 for first, last in spans for number in (first, last + 1))


DESCRIBED = [
    (of_eights((1, 126), (128, 223)), ["any"]),
    (of_eights((1, 126), (128, 222)), ["any but 223.0.0.0/8"]),
    (of_eights((128, 191)), ["128.0.0.0/2"]),
    (of_eights((10, 10), (192, 223)), ["10.0.0.0/8", "192.0.0.0/3"]),
]


@pytest.mark.parametrize(("sources", "expected"), DESCRIBED)
def test_sources_are_named_in_words(sources: Intervals, expected: list[str]) -> None:
    assert describe(4, sources) == expected


# A sender can have any address of 1 to 126 and 128 to 223: 222 networks of 8 bits, and 111 are half of them.
@pytest.mark.parametrize(("last", "begins"), [(110, "1.0.0.0/8"), (111, "1.0.0.0/8"), (112, "any but 113.0.0.0/8")])
def test_what_is_left_out_is_named_where_it_is_less_than_what_is_in(last: int, begins: str) -> None:
    assert describe(4, of_eights((1, last)))[0].startswith(begins)
