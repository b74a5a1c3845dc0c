# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sender may choose: which ports and addresses stand for all others, and which rules are looked at for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model import index
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.choices import Choices
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.index import PortIndex
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import merge, spanning
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import Packet, Receiver, fit
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    ACCEPT,
    DIVERT,
    XTABLES,
    Chain,
    Doubt,
    FilterRule,
    Match,
    Ruleset,
    Table,
    Verdict,
)

from .small import OWN4, filter_table, ruleset

LINK_LOCAL = 0xFE80 << 112 | 5


def nat(*lines: str) -> str:
    return "*nat\n:PREROUTING ACCEPT [0:0]\n" + "".join(f"-A PREROUTING {line}\n" for line in lines) + "COMMIT\n"


def choices(*lines: str, before: str = "") -> Choices:
    return Choices(ruleset(before + filter_table(*(f"-A INPUT -p tcp -m tcp {line} -j ACCEPT" for line in lines))))


WIDEST = [
    ((), 1),
    (("--dport 22",), 23),
    (("--dport 40000:40010",), 1),
    (("--dport 20000", "--dport 50000"), 20001),
    (("--dport 30000:65535",), 30000),
    (("--dport 0:40000",), 1),
    (("--dport 0:30000",), 30001),
    (("--dport 1:30000",), 30001),
    (("--dport 40000:65534",), 1),
    (("--sport 20000",), 20001),
    # The lowest port is 1 and the highest 65535: of two parts that differ by one port the wider one counts.
    (("--dport 32768:65535",), 32768),
    (("--dport 32769:65535",), 1),
    (("--dport 32767:65535",), 32767),
    (("--dport 32768", "--dport 65535"), 1),
    (("--dport 32768",), 1),
    (("--dport 32767",), 32768),
    (("--dport 2:32767", "--dport 1"), 32768),
    (("--dport 2:32768", "--dport 1"), 2),
]


@pytest.mark.parametrize(("lines", "first"), WIDEST)
def test_the_port_that_no_rule_thinks_of_is_the_first_of_the_widest_range(lines: tuple[str, ...], first: int) -> None:
    assert choices(*lines).widest() == first


def port_class(asked: Choices, port: int, proto: int = 6, family: int = 4) -> int:
    return asked.port_class(Packet(family, proto, None, port, 40000, ""))


def test_a_port_that_is_redirected_to_is_told_apart_from_its_neighbours() -> None:
    asked = choices(before=nat("-p tcp --dport 80 -j REDIRECT --to-ports 8080"))
    assert [port_class(asked, port) == port_class(asked, 8080) for port in (8079, 8081)] == [False, False]
    assert port_class(asked, 8081) == port_class(asked, 65535)
    assert port_class(asked, 81) == port_class(asked, 8079)


def test_rules_tell_ports_apart_for_their_own_protocol_and_family() -> None:
    asked = choices("--dport 80", before=nat("-p udp --dport 90 -j REDIRECT --to-ports 91"))
    assert [port_class(asked, port) for port in (1, 80, 81, 90)] == [0, 1, 2, 2]
    assert [port_class(asked, port, proto=17) for port in (1, 80, 90, 91, 92)] == [0, 0, 1, 2, 3]
    only6 = Match(("family",), ((spanning(6, 6),),), "")
    ports = Match(("dport",), ((spanning(80, 80),),), "")
    asked = receiving_rule(only6, ports)
    assert [port_class(asked, 80, family=family) for family in (4, 6)] == [0, 1]


def test_a_redirect_that_keeps_the_port_tells_no_port_apart() -> None:
    asked = choices(before=nat("-p tcp -j DNAT --to-destination 203.0.113.10"))
    assert port_class(asked, 1) == port_class(asked, 65535)


ENTRIES = [
    ("its one port", ["-p tcp --dport 80 -j REDIRECT --to-ports 8080"], [80]),
    ("the first of a range", ["-p tcp --dport 80:90 -j REDIRECT --to-ports 8080"], [80]),
    ("one of each part that rules tell apart", ["-p tcp --dport 20:30 -j REDIRECT --to-ports 8080"], [20, 22, 23]),
    ("every port, itself included", ["-p tcp -j REDIRECT --to-ports 8080"], [1, 22, 23, 8080, 8081]),
    ("all but some", ["-p tcp ! --dport 22:9000 -j REDIRECT --to-ports 8080"], [1, 9001]),
    ("the highest port", ["-p tcp --dport 65535 -j REDIRECT --to-ports 8080"], [65535]),
    ("port 0 is none", ["-p tcp --dport 0:10 -j REDIRECT --to-ports 8080"], [1]),
    ("of another protocol", ["-p udp --dport 80 -j REDIRECT --to-ports 8080"], []),
    ("to another port", ["-p tcp --dport 80 -j REDIRECT --to-ports 8081"], []),
    ("to the address that listens", ["-p tcp --dport 80 -j DNAT --to-destination 203.0.113.10:8080"], [80]),
    ("to another address", ["-p tcp --dport 80 -j DNAT --to-destination 203.0.113.11:8080"], []),
    (
        "of two rules",
        ["-p tcp --dport 80 -j REDIRECT --to-ports 8080", "-p tcp --dport 443 -j REDIRECT --to-ports 8080"],
        [80, 443],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "ports"), [entry[1:] for entry in ENTRIES], ids=[entry[0] for entry in ENTRIES])
def test_a_port_is_entered_by_each_kind_of_port_that_is_redirected_to_it(lines: list[str], ports: list[int]) -> None:
    packet = Packet(4, 6, None, 8080, 40000, "")
    assert choices("--dport 22", before=nat(*lines)).entries(packet, (OWN4,)) == ports


SOURCE_PORTS = [
    ((), [40000]),
    (("--sport 53",), [1, 53, 40000]),
    (("--sport 0:1023",), [1, 40000]),
    (("--sport 1:1023",), [1, 40000]),
    (("--sport 2:1023",), [1, 2, 40000]),
    (("--sport 32768:65535",), [1, 40000]),
    (("--sport 40000",), [1, 40000, 40001]),
    (("--sport 65535",), [40000, 65535]),
    (("--dport 23 --sport 53",), [40000]),
]


@pytest.mark.parametrize(("lines", "ports"), SOURCE_PORTS)
def test_of_the_source_ports_that_rules_tell_apart_each_is_tried_once(lines: tuple[str, ...], ports: list[int]) -> None:
    packets = choices(*lines).packets(Packet(4, 6, None, 22, 1, "eth0"), (OWN4,), 22)
    assert sorted(packet.sport for packet in packets) == ports


def test_rules_for_the_port_behind_a_redirect_tell_source_ports_and_addresses_apart_too() -> None:
    asked = choices("--dport 8080 --sport 53", "-d 203.0.113.10 --dport 8080")
    packets = asked.packets(Packet(4, 6, None, 80, 1, "eth0"), (OWN4, OWN4 + 1), 8080)
    assert sorted((packet.daddr, packet.sport) for packet in packets) == [
        (address, port) for address in (OWN4, OWN4 + 1) for port in (1, 53, 40000)
    ]


def test_addresses_that_no_rule_tells_apart_are_one_choice_and_those_of_a_link_another() -> None:
    begin = Packet(6, 6, None, 22, 1, "eth0")
    addresses = [packet.daddr for packet in choices().packets(begin, (7, 8, LINK_LOCAL, LINK_LOCAL + 1), 22)]
    assert addresses == [8, LINK_LOCAL + 1]


def receiving_rule(*tests: Match) -> Choices:
    rule = FilterRule("", "", tests, (), Verdict(ACCEPT))
    return Choices(Ruleset((Table(XTABLES, "inet", "", {"": Chain("", (rule,))}),)))


def receiving(*tests: Match) -> Choices:
    rules = tuple(FilterRule("", "", (test,), (), Verdict(ACCEPT)) for test in tests)
    return Choices(Ruleset((Table(XTABLES, "inet", "", {"": Chain("", rules)}),)))


def test_processes_that_rules_name_are_told_apart_in_every_row_and_field() -> None:
    one, two, three = (frozenset([name]) for name in "abc")
    both = Match(("proto", "program"), (((6, 7), one), ((6, 7), two)), "")
    asked = receiving(both, Match(("services",), ((three,),), ""))
    processes = [
        Receiver("a"), Receiver("b"), Receiver("x"), Receiver("y"), Receiver("x", frozenset("c")), Receiver(None),
    ]  # fmt: skip
    classes = [asked.receiver_class(process) for process in processes]
    assert classes[2] == classes[3]
    assert len(set(classes)) == 5


SETS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3).map(
    lambda spans: merge(spanning(first, first + more) for first, more in spans)
)
TESTS = st.one_of(
    st.builds(
        lambda column, no: Match(("dport",), ((column,),), "", no),
        SETS,
        st.booleans(),
    ),
    st.builds(lambda proto: Match(("proto",), (((proto, proto + 1),),), ""), st.sampled_from([6, 17])),
    st.builds(lambda bits: Match(("dport",), (((1, 2),),), "", mask=bits), st.sampled_from([1, 2])),
)
RULES = st.lists(st.lists(TESTS, max_size=3), max_size=6).map(
    lambda rules: [FilterRule(str(at), "", tuple(tests)) for at, tests in enumerate(rules)]
)


@given(RULES)
def test_the_rules_of_a_port_are_those_that_can_match_it_in_their_order(rules: list[FilterRule]) -> None:
    indexed = PortIndex(rules)
    for proto in (6, 17):
        for port in range(1, 20):
            packet = Packet(4, proto, OWN4, port, 40000, "eth0")
            fitting = [rule for rule in rules if all(fit(test, packet)[0] for test in rule.tests)]
            assert indexed.rules(packet) == [rule._replace(tests=()) for rule in fitting]


def test_what_a_rule_asks_beside_family_protocol_and_port_is_left_to_ask() -> None:
    known = [Match((field,), (((number, number + 1),),), "") for field, number in (("family", 4), ("proto", 6))]
    port, source = Match(("dport",), (((22, 23),),), ""), Match(("saddr",), (((7, 8),),), "")
    rule = FilterRule("", "", (*known, source, port, Doubt("?")))
    (found,) = PortIndex([rule]).rules(Packet(4, 6, OWN4, 22, 40000, "eth0"))
    assert found.tests == (source, Doubt("?"))
    assert PortIndex([rule]).rules(Packet(6, 6, OWN4, 22, 40000, "eth0")) == []


def test_a_rule_of_several_rows_of_ports_is_found_at_each() -> None:
    rule = FilterRule("", "", (Match(("dport",), (((22, 23),), ((80, 81),)), ""),))
    indexed = PortIndex([rule])
    found = [indexed.rules(Packet(4, 6, OWN4, port, 40000, "eth0")) for port in (22, 23, 80)]
    assert [len(rules) for rules in found] == [1, 0, 1]


def test_a_packet_is_compared_with_the_rules_of_its_port_and_those_of_very_many_ports_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[FilterRule] = []
    monkeypatch.setattr(index, "left_to_ask", lambda rule, packet, field: looked.append(rule) or rule)
    spans = [*((port, port + 1) for port in range(100, 200)), (1000, 1064), (2000, 2065), (3000, 60000)]
    rules = [FilterRule(str(span[0]), "", (Match(("dport",), ((span,),), ""),)) for span in spans]
    PortIndex(rules).rules(Packet(4, 6, OWN4, 150, 40000, "eth0"))
    assert [rule.where for rule in looked] == ["150", "2000", "3000"]


def test_what_diverts_without_a_port_is_no_entry() -> None:
    rule = FilterRule("", "", (), (), Verdict(DIVERT))
    asked = Choices(Ruleset((Table(XTABLES, "ip", "nat", {"": Chain("", (rule,))}),)))
    assert asked.entries(Packet(4, 6, None, 80, 40000, ""), (OWN4,)) == []
