# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Walking small rulesets: jumps, doubts, several chains, and what a packet is after a redirect."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import count, merge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import ANY_SOURCE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import HEADER, Packet
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    Chain,
    Doubt,
    Effect,
    FilterRule,
    Ruleset,
    Table,
    Verdict,
)

from .small import OWN4, ask, filter_table, numbers, ruleset

MAYBE = "-m time --timestart 08:00"
SSH = Packet(4, 6, OWN4, 22, 40000, "eth0")


def verdicts(rules: Ruleset, source: str = "198.51.100.7", packet: Packet = SSH) -> list[str]:
    return [piece.verdict for piece in ask(rules, packet, numbers(source))]


WALKS = [
    ("the policy decides at the end", filter_table(), ["filtered"]),
    ("the first rule that fits decides", filter_table("-A INPUT -j ACCEPT", "-A INPUT -j DROP"), ["open"]),
    (
        "a jump comes back",
        filter_table("-A INPUT -j A", "-A INPUT -j ACCEPT", "-A A -p udp -j DROP", chains="A"),
        ["open"],
    ),
    (
        "return ends the chain",
        filter_table("-A INPUT -j A", "-A A -j RETURN", "-A A -j ACCEPT", chains="A"),
        ["filtered"],
    ),
    (
        "goto does not come back",
        filter_table("-A INPUT -g A", "-A INPUT -j ACCEPT", "-A A -p udp -j DROP", chains="A"),
        ["filtered"],
    ),
    (
        "a goto in a jump comes back to the caller",
        filter_table(
            "-A INPUT -j A", "-A INPUT -j ACCEPT", "-A A -g B", "-A A -j DROP", "-A B -p udp -j DROP", chains="A B"
        ),
        ["open"],
    ),
    ("return in the base chain is the policy", filter_table("-A INPUT -j RETURN", "-A INPUT -j ACCEPT"), ["filtered"]),
    ("a doubt that changes nothing is no doubt", filter_table(f"-A INPUT {MAYBE} -j DROP"), ["filtered"]),
    ("a doubt between accept and drop is unknown", filter_table(f"-A INPUT {MAYBE} -j ACCEPT"), ["unknown"]),
    ("a doubtful log changes nothing", filter_table(f"-A INPUT {MAYBE} -j LOG", "-A INPUT -j ACCEPT"), ["open"]),
    (
        "a doubtful jump to a chain that only drops",
        filter_table(f"-A INPUT {MAYBE} -j A", "-A A -j DROP", chains="A"),
        ["filtered"],
    ),
    (
        "a doubtful jump to a chain that comes back",
        filter_table(f"-A INPUT {MAYBE} -j A", "-A INPUT -j ACCEPT", "-A A -p udp -j DROP", chains="A"),
        ["open"],
    ),
    (
        "a doubtful goto may leave the rest out",
        filter_table(f"-A INPUT {MAYBE} -g A", "-A INPUT -j ACCEPT", "-A A -p udp -j DROP", chains="A"),
        ["unknown"],
    ),
    (
        "a doubtful return may leave the rest out",
        filter_table(f"-A INPUT {MAYBE} -j RETURN", "-A INPUT -j ACCEPT"),
        ["unknown"],
    ),
    (
        "a doubtful mark is an unknown mark",
        filter_table(f"-A INPUT {MAYBE} -j MARK --set-xmark 0x1/0x1", "-A INPUT -m mark --mark 0x1 -j ACCEPT"),
        ["unknown"],
    ),
    ("a test that fails outweighs a doubt", filter_table(f"-A INPUT {MAYBE} -p udp -j ACCEPT"), ["filtered"]),
    ("a program decides", filter_table("-A INPUT -j NFQUEUE", "-A INPUT -j ACCEPT"), ["unknown"]),
    ("a jump to a chain that is not there", filter_table("-A INPUT -j MISSING"), ["unknown"]),
    ("a source outside", filter_table("-A INPUT -s 10.0.0.0/8 -j ACCEPT"), ["filtered"]),
    (
        "a mark set on the way",
        filter_table("-A INPUT -j MARK --set-xmark 0x5/0xff", "-A INPUT -m mark --mark 0x1/0x1 -j ACCEPT"),
        ["open"],
    ),
    (
        "what is not tracked is not new",
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CT --notrack\nCOMMIT\n"
        + filter_table("-A INPUT -m conntrack --ctstate NEW -j ACCEPT"),
        ["filtered"],
    ),
    (
        "before tracking everything is invalid",
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n",
        ["filtered"],
    ),
    (
        "an accept ends its own chain only",
        "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n" + filter_table(),
        ["filtered"],
    ),
    (
        "an unknown chain and a certain drop are a drop",
        f"*mangle\n:INPUT DROP [0:0]\n-A INPUT {MAYBE} -j ACCEPT\nCOMMIT\n" + filter_table(),
        ["filtered"],
    ),
    (
        "an unknown chain stays unknown behind an accept",
        f"*mangle\n:INPUT DROP [0:0]\n-A INPUT {MAYBE} -j ACCEPT\nCOMMIT\n" + filter_table(policy="ACCEPT"),
        ["unknown"],
    ),
    (
        "a redirect leads to another port",
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 8080\nCOMMIT\n"
        + filter_table("-A INPUT -p tcp --dport 8080 -j ACCEPT"),
        ["open"],
    ),
    (
        "a DNAT to the host itself stays",
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 203.0.113.10:8080\nCOMMIT\n"
        + filter_table("-A INPUT -d 203.0.113.10 -p tcp --dport 8080 -m conntrack --ctstate DNAT -j ACCEPT"),
        ["open"],
    ),
    (
        "a DNAT to elsewhere leads past the listener",
        "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination 172.17.0.2\nCOMMIT\n" + filter_table(),
        ["filtered"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), [walk[1:] for walk in WALKS], ids=[walk[0] for walk in WALKS])
def test_a_packet_meets_the_verdict_of_the_kernel(text: str, expected: list[str]) -> None:
    assert verdicts(ruleset(text)) == expected


def test_without_rules_everything_is_open() -> None:
    (piece,) = ask(Ruleset(), SSH, ANY_SOURCE[4])
    assert (piece.verdict, piece.rule) == ("open", "no rule of the kernel stops it")


def test_rules_that_could_not_be_seen_make_what_passes_unknown_and_leave_a_drop_a_drop() -> None:
    unavailable = {4: ("not root",), 6: ()}
    assert verdicts(ruleset(filter_table(policy="ACCEPT"), unavailable=unavailable)) == ["unknown"]
    assert verdicts(ruleset(filter_table(), unavailable=unavailable)) == ["filtered"]


def test_the_pieces_cover_all_sources_once_and_name_their_rules() -> None:
    rules = ruleset(
        filter_table(
            "-A INPUT -s 10.0.0.0/8 -j DROP",
            "-A INPUT -s 192.0.2.0/24 -p tcp --dport 22 -j ACCEPT",
            "-A INPUT ! -s 128.0.0.0/1 -j ACCEPT",
        )
    )
    pieces = ask(rules, SSH, ANY_SOURCE[4])
    assert merge(piece.sources for piece in pieces) == ANY_SOURCE[4]
    assert sum(count(piece.sources) for piece in pieces) == count(ANY_SOURCE[4])
    assert {piece.rule.partition(":")[0] for piece in pieces} == {
        "ip filter INPUT rule 1",
        "ip filter INPUT rule 2",
        "ip filter INPUT rule 3",
        "ip filter INPUT",
    }


def test_the_last_rule_that_let_it_through_is_named_before_any_policy() -> None:
    text = "*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -s 198.51.100.0/24 -j ACCEPT\nCOMMIT\n" + filter_table(
        policy="ACCEPT"
    )
    (piece,) = ask(ruleset(text), SSH, numbers("198.51.100.7"))
    assert piece.rule == "ip mangle INPUT rule 1: -s 198.51.100.0/24 -j ACCEPT"


def test_a_connection_needs_the_packets_after_the_first_as_well() -> None:
    new_only = ruleset(filter_table("-A INPUT -m conntrack --ctstate NEW -j ACCEPT"))
    assert verdicts(new_only) == ["filtered"]
    assert verdicts(new_only, packet=Packet(4, 17, OWN4, 53, 40000, "eth0")) == ["open"]


def test_on_the_host_itself_the_answer_comes_in_as_well() -> None:
    rules = ruleset(filter_table("-A INPUT -i lo -p tcp --dport 22 -j ACCEPT"))
    inside = Packet(4, 6, 0x7F000001, 22, 40000, "lo")
    assert ask(rules, inside, (0x7F000001, 0x7F000002))[0].verdict == "filtered"


def test_chains_that_jump_in_a_circle_are_an_error_that_names_one() -> None:
    circle = ruleset(filter_table("-A INPUT -j A", "-A A -j B", "-A B -j A", chains="A B"))
    with pytest.raises(CoreError, match="jumps in a circle"):
        verdicts(circle)


HEADERS = [((), "open"), ((Effect(HEADER, None),), "unknown")]


@pytest.mark.parametrize(("effects", "expected"), HEADERS)
def test_what_a_sender_chooses_is_its_choice_no_more_where_a_rule_writes_headers(
    effects: tuple[Effect, ...], expected: str
) -> None:
    rules = (
        FilterRule("1", "set dscp", effects=effects),
        FilterRule("2", "dscp 4 drop", (Doubt("dscp 4", chosen=True),), verdict=Verdict("drop")),
    )
    table = Table("nftables", "inet", "f", {"i": Chain("i", rules, "input")})
    assert verdicts(Ruleset((table,)))[-1:] == [expected]
