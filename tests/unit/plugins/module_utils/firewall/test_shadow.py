# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model import shadow as shadows
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import Packet, fit
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    ACCEPT,
    DROP,
    JUMP,
    XTABLES,
    Chain,
    FilterRule,
    Match,
    Ruleset,
    Table,
    Verdict,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.shadow import (
    Shadow,
    find_shadows,
)

from .recorded import facts
from .small import filter_table, ruleset

CASES = [
    (
        "a wide deny before a narrow allow",
        ["-p tcp --dport 5432 -j DROP", "-s 10.0.0.5 -p tcp --dport 5432 -j ACCEPT"],
        [(2, 1)],
    ),
    (
        "a wide allow before a narrow deny",
        ["-p tcp --dport 8000:8100 -j ACCEPT", "-s 192.0.2.0/24 -p tcp --dport 8050 -j REJECT"],
        [(2, 1)],
    ),
    ("a network before one of its addresses", ["-s 10.0.0.0/8 -j DROP", "-s 10.2.3.4 -j ACCEPT"], [(2, 1)]),
    ("everything before anything", ["-j DROP", "-p udp --dport 53 -j ACCEPT"], [(2, 1)]),
    (
        "a list of ports before one of them",
        ["-p tcp -m multiport --dports 80,443 -j DROP", "-p tcp --dport 443 -j ACCEPT"],
        [(2, 1)],
    ),
    ("an interface before a port of it", ["-i eth0 -j DROP", "-i eth0 -p tcp --dport 22 -j ACCEPT"], [(2, 1)]),
    ("the narrow one first", ["-s 10.0.0.5 -p tcp --dport 5432 -j ACCEPT", "-p tcp --dport 5432 -j DROP"], []),
    ("the same verdict", ["-p tcp --dport 22 -j ACCEPT", "-s 10.0.0.5 -p tcp --dport 22 -j ACCEPT"], []),
    ("another protocol", ["-p udp --dport 5432 -j DROP", "-p tcp --dport 5432 -j ACCEPT"], []),
    ("another interface", ["-i eth0 -j DROP", "-i eth1 -p tcp --dport 22 -j ACCEPT"], []),
    ("a part of the sources only", ["-s 10.0.0.0/16 -j DROP", "-s 10.0.0.0/8 -j ACCEPT"], []),
    ("established connections only", ["-m conntrack --ctstate ESTABLISHED -j ACCEPT", "-s 10.0.0.0/8 -j DROP"], []),
    ("a rate only", ["-m limit --limit 3/min -j DROP", "-p tcp --dport 22 -j ACCEPT"], []),
    ("a time of day only", ["-m time --timestart 08:00 -j DROP", "-p tcp --dport 22 -j ACCEPT"], []),
    ("all but some before some of all", ["! -s 10.0.0.0/8 -j DROP", "-s 192.0.2.1 -j ACCEPT"], [(2, 1)]),
    (
        "a range that is no network before one of its addresses",
        ["-m iprange --src-range 10.0.0.5-10.0.0.9 -j DROP", "-s 10.0.0.9 -j ACCEPT"],
        [(2, 1)],
    ),
    (
        "a range that is no network before an address beside it",
        ["-m iprange --src-range 10.0.0.5-10.0.0.9 -j DROP", "-s 10.0.0.10 -j ACCEPT"],
        [],
    ),
    ("a network before itself", ["-s 10.0.0.0/8 -j DROP", "-s 10.0.0.0/8 -j ACCEPT"], [(2, 1)]),
    ("a network before its last address", ["-s 10.0.0.0/8 -j DROP", "-s 10.255.255.255 -j ACCEPT"], [(2, 1)]),
    ("a network before the address that follows it", ["-s 10.0.0.0/8 -j DROP", "-s 11.0.0.0 -j ACCEPT"], []),
    (
        "a network before two parts of it",
        ["-s 10.0.0.0/8 -j DROP", "-s 10.1.0.0/16 -p tcp ! --dport 22 -j ACCEPT"],
        [(2, 1)],
    ),
    (
        "networks of two sizes",
        ["-s 10.0.0.0/8 -p udp -j DROP", "-s 10.1.0.0/16 -j DROP", "-s 10.1.2.3 -j ACCEPT"],
        [(3, 2)],
    ),
    (
        "a rule that is void itself makes none void",
        ["-j DROP", "-p tcp -j ACCEPT", "-p tcp --dport 22 -j DROP"],
        [(2, 1)],
    ),
    (
        "rules without a verdict between",
        ["-j LOG", "-p tcp -j DROP", "-j MARK --set-xmark 0x1/0x1", "-p tcp --dport 22 -j ACCEPT"],
        [(4, 2)],
    ),
    (
        "a doubt of the later rule",
        ["-s 10.0.0.0/8 -j DROP", "-m time --timestart 08:00 -s 10.0.0.1 -j ACCEPT"],
        [(2, 1)],
    ),
    ("an interface before all others", ["-i eth0 -j DROP", "! -i eth0 -j ACCEPT"], []),
    (
        "all interfaces but one before a port of them",
        ["! -i eth0 -j DROP", "! -i eth0 -p tcp --dport 22 -j ACCEPT"],
        [(2, 1)],
    ),
    ("one mark before another", ["-m mark --mark 0x1/0x1 -j DROP", "-m mark --mark 0x1/0x3 -j ACCEPT"], []),
    ("a mark before itself", ["-m mark --mark 0x1/0x3 -j DROP", "-m mark --mark 0x1/0x3 -p tcp -j ACCEPT"], [(2, 1)]),
    (
        "new connections before new and known ones",
        ["-m conntrack --ctstate NEW -j DROP", "-m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT"],
        [],
    ),
    (
        "all but known ones before known ones",
        ["-m conntrack ! --ctstate NEW -j DROP", "-m conntrack --ctstate NEW -j ACCEPT"],
        [],
    ),
    ("another source port", ["-p tcp --sport 53 -j DROP", "-p tcp --sport 54 -j ACCEPT"], []),
    (
        "a port before the list that begins with it",
        ["-p tcp --dport 80 -j DROP", "-p tcp -m multiport --dports 80,443 -j ACCEPT"],
        [],
    ),
    (
        "ports that exclude each other before anything",
        ["-p tcp -m tcp --dport 80 -m multiport --dports 81 -j DROP", "-p tcp --dport 80 -j ACCEPT"],
        [],
    ),
    (
        "anything before ports that exclude each other",
        ["-p tcp -j DROP", "-p tcp -m tcp --dport 80 -m multiport --dports 81 -j ACCEPT"],
        [(2, 1)],
    ),
    ("two rejects", ["-j DROP", "-p tcp -j REJECT"], []),
    ("a deny after an allow by a reject", ["-p tcp -j ACCEPT", "-p tcp --dport 22 -j REJECT"], [(2, 1)]),
    ("all but some before one of the some", ["! -s 10.0.0.0/8 -j DROP", "-s 10.0.0.1 -j ACCEPT"], []),
]


def opposite(found: list[Shadow]) -> list[Shadow]:
    return [shadow for shadow in found if shadow.opposite]


@pytest.mark.parametrize(("lines", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_rule_is_void_where_an_earlier_one_takes_all_its_packets_and_says_the_opposite(
    lines: list[str], expected: list[tuple[int, int]]
) -> None:
    found = opposite(find_shadows(ruleset(filter_table(*(f"-A INPUT {line}" for line in lines)))))
    assert [(shadow.rule.where[-1], shadow.by.where[-1]) for shadow in found] == [
        (str(late), str(early)) for late, early in expected
    ]


def test_only_chains_on_the_way_to_a_socket_are_looked_at() -> None:
    lines = ["-A FORWARD -j DROP", "-A FORWARD -s 10.0.0.1 -j ACCEPT", "-A A -j DROP", "-A A -s 10.0.0.1 -j ACCEPT"]
    assert find_shadows(ruleset(filter_table(*lines, chains="FORWARD A"))) == []
    assert len(find_shadows(ruleset(filter_table("-A INPUT -j A", *lines, chains="FORWARD A")))) == 1


RECORDED = [
    (
        "ufw-g7",
        {("ufw-user-input rule 10", "ufw-user-input rule 8"), ("ufw-user-input rule 11", "ufw-user-input rule 9")},
    ),
    ("nft-shadowed", {("handle 4", "handle 3"), ("handle 6", "handle 5"), ("handle 8", "handle 7")}),
    ("nft-default-deny", set()),
    ("ufw-default", set()),
]


@pytest.mark.parametrize("system", ["debian-11", "debian-12", "debian-13"])
@pytest.mark.parametrize(("scenario", "expected"), RECORDED)
def test_recorded_rulesets_have_the_shadows_that_they_were_made_with(
    system: str, scenario: str, expected: set[tuple[str, str]]
) -> None:
    found = opposite(find_shadows(facts(system, scenario).ruleset))
    names = {
        tuple(" ".join(rule.where.split()[2:]).replace("input handle", "handle") for rule in (shadow.rule, shadow.by))
        for shadow in found
    }
    assert names == expected


def chain_of(*rules: tuple[str, tuple[Match, ...]]) -> Ruleset:
    """Return a base chain of rules: verdict and tests. A rule stands at its number."""
    made = tuple(FilterRule(str(at), "", tests, (), Verdict(kind)) for at, (kind, tests) in enumerate(rules))
    return Ruleset((Table(XTABLES, "inet", "", {"": Chain("", made, "input")}),))


def asking(field: str, *spans: tuple[int, int], negated: bool = False) -> Match:
    return Match((field,), ((tuple(bound for span in spans for bound in span),),), "", negated)


def named(*names: str, negated: bool = False) -> Match:
    return Match(("iif",), ((frozenset(names),),), "", negated)


ODD = Match(("dport",), (((1, 2),),), "", mask=1)  # ports whose lowest bit is set
PAIRS = [
    ("two tests of names are both asked for", (named("a"), named("b")), (named("b"),), False),
    ("two tests of names before the same two", (named("a"), named("b")), (named("b"), named("a")), True),
    ("one of several rows", (Match(("dport",), (((1, 2),), ((5, 6),)), ""),), (asking("dport", (5, 6)),), True),
    ("between several rows", (Match(("dport",), (((1, 2),), ((5, 6),)), ""),), (asking("dport", (3, 4)),), False),
    ("the same bits", (ODD,), (ODD,), True),
    ("some bits before a port", (ODD,), (asking("dport", (1, 2)),), False),
    ("a list of one address and others", (asking("saddr", (0, 8)),), (asking("saddr", (1, 2), (6, 7)),), True),
    ("a list that leaves the network", (asking("saddr", (0, 8)),), (asking("saddr", (1, 2), (9, 10)),), False),
]  # fmt: skip


@pytest.mark.parametrize(("early", "late", "void"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_what_tests_ask_for_together_is_compared(early: tuple[Match, ...], late: tuple[Match, ...], void: bool) -> None:
    assert len(find_shadows(chain_of((DROP, early), (ACCEPT, late)))) == void


def test_a_jump_to_a_chain_that_is_not_there_leads_nowhere() -> None:
    rules = (
        FilterRule("1", "", (), (), Verdict(JUMP, "gone")),
        FilterRule("2", "", (), (), Verdict(DROP)),
        FilterRule("3", "", (), (), Verdict(ACCEPT)),
    )
    found = find_shadows(Ruleset((Table(XTABLES, "inet", "", {"": Chain("", rules, "input")}),)))
    assert [(each.rule.where, each.by.where) for each in found] == [("3", "2")]


SPANS = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 4)), min_size=1, max_size=1).map(
    lambda spans: [(first, first + more) for first, more in spans]
)
ASKED = st.builds(
    lambda field, spans, negated: asking(field, *spans, negated=negated),
    st.sampled_from(["saddr", "dport"]),
    SPANS,
    st.booleans(),
) | st.builds(lambda proto: asking("proto", (proto, proto + 1)), st.sampled_from([6, 17]))
RULES = st.lists(
    st.tuples(
        st.sampled_from([ACCEPT, DROP]),
        st.lists(ASKED, max_size=3, unique_by=lambda test: test.fields).map(tuple),
    ),
    max_size=6,
)
EVERY = [(source, Packet(4, proto, 0, port, 0, "")) for source in range(13) for proto in (6, 17) for port in range(13)]


def taken(tests: tuple[Match, ...]) -> set[tuple[int, int, int]]:
    """Return all packets that fit tests: source, protocol, port."""
    return {
        (source, packet.proto, packet.dport)
        for source, packet in EVERY
        if all(sum(source >= bound for bound in fit(test, packet)[1]) % 2 for test in tests)
    }


@settings(max_examples=60, deadline=None)
@given(RULES)
def test_the_void_rules_are_those_whose_every_packet_one_earlier_rule_takes(
    rules: list[tuple[str, tuple[Match, ...]]],
) -> None:
    packets = [taken(tests) for _kind, tests in rules]
    void: dict[int, int] = {}  # by the first rule that takes them all
    for late in range(len(rules)):
        takers = [early for early in range(late) if early not in void and packets[late] <= packets[early]]
        void.update({late: takers[0]} if takers else {})
    found = find_shadows(chain_of(*rules))
    assert {int(each.rule.where): int(each.by.where) for each in found} == void
    assert all(each.opposite == (rules[int(each.by.where)][0] != rules[int(each.rule.where)][0]) for each in found)


def test_a_rule_is_compared_only_with_those_of_its_port_and_its_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(shadows, "_lies_in", lambda scope, wider: compared.append(wider))
    networks = [asking("saddr", (first, first + 256)) for first in range(0, 2560, 256)]
    ports = [asking("dport", (port, port + 1)) for port in range(100, 110)]
    early = [*networks, *ports, asking("dport", (1000, 1064)), asking("dport", (2000, 2065))]
    last = (asking("saddr", (513, 514)), asking("dport", (105, 106)))
    find_shadows(chain_of(*((DROP, (test,)) for test in early), (ACCEPT, last)))
    # before the last rule, the two ports lists that begin nowhere near are met by nothing but the second of them
    assert compared[-3:] == [{("dport",): (2000, 2065)}, {("dport",): (105, 106)}, {("saddr",): (512, 768)}]
    assert len(compared) == 3
