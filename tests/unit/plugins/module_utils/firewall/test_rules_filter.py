# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the findings about the packet filter say, word by word, and where only one family could be seen."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import spanning
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import Stack
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    DROP,
    LEGACY,
    NFT,
    Chain,
    FilterRule,
    Gap,
    Match,
    Ruleset,
    Table,
    Verdict,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.snapshot import Manager

from .audits import DENY, ESTABLISHED, MAYBE, audit, found, only
from .small import HOST, filter_table, ruleset

EMPTY = filter_table(policy="ACCEPT")


def together(*parts: Ruleset) -> Ruleset:
    """Return the tables of several rulesets in one."""
    return Ruleset(tuple(table for part in parts for table in part.tables))


VISIBLE = [
    (Ruleset(), "0 rules in 0 tables"),
    (DENY, "4 rules in 2 tables of iptables-nft"),
    (ruleset(EMPTY, EMPTY), "0 rules in 2 tables"),
    (
        together(ruleset(filter_table(ESTABLISHED)), ruleset(filter_table(), backend=NFT)),
        "1 rules in 2 tables of iptables-nft and nft",
    ),
]


@pytest.mark.parametrize(("rules", "message"), VISIBLE)
def test_what_could_be_read_is_counted_with_the_back_ends_that_hold_rules(rules: Ruleset, message: str) -> None:
    assert only(audit(rules), "rules_visible").message == message


UNSEEN: list[tuple[dict[int, tuple[str, ...]], list[str]]] = [
    ({4: ("not root",)}, ["not root"]),
    ({6: ("no ip6tables",)}, ["no ip6tables"]),
    ({4: ("b", "c"), 6: ("a", "b")}, ["a", "b", "c"]),
]


@pytest.mark.parametrize(("unavailable", "reasons"), UNSEEN)
def test_each_reason_why_rules_of_a_family_were_not_seen_is_named_once(
    unavailable: dict[int, tuple[str, ...]], reasons: list[str]
) -> None:
    finding = only(audit(Ruleset((), unavailable)), "rules_visible")
    assert finding.actual == reasons
    assert finding.message == (
        f"{'; '.join(reasons)}. Without them it is not judged whether a filter is active, complete and sound"
    )


@pytest.mark.parametrize(("family", "seen"), [(4, "IPv6"), (6, "IPv4")])
def test_where_one_family_was_not_seen_only_the_other_is_judged(family: int, seen: str) -> None:
    managers = (Manager("ufw", enabled=True), Manager("firewalld", enabled=False))
    made = audit(Ruleset(DENY.tables, {family: ("not root",)}), managers=managers)
    assert found(made, "inactive") == found(made, "default_deny") == [("ok", seen)]
    assert found(made, "backends") == found(made, "shadowed_rule") == []
    assert found(made, "view_drift") == [("skipped", "firewalld")]


def sitting(name: str, *devices: str, policy: str = DROP) -> Table:
    """Return a table whose one chain sits on devices, or on all where none is named."""
    return Table(NFT, "inet", name, {"in": Chain("in", hook="input", policy=policy, devices=devices)})


TWO_CARDS = HOST._replace(ways={4: {"eth0": (), "eth1": (), "eth2": ()}, 6: {}})
SEATS = [
    ([sitting("a")], "ok", "IPv4 is filtered by inet a in"),
    ([sitting("a", "eth0"), sitting("b")], "ok", "IPv4 is filtered by inet a in, inet b in"),
    ([sitting("a", "eth0"), sitting("b", "eth1", "eth2")], "ok", "IPv4 is filtered by inet a in, inet b in"),
    (
        [sitting("a", "eth0"), sitting("b", policy="accept")],
        "critical",
        "nothing filters what comes in by IPv4 on eth1, eth2; the rest by inet a in",
    ),
    (
        [sitting("a", policy="accept")],
        "critical",
        "nothing filters what comes in by IPv4: no chain on the way to a socket drops or rejects anything",
    ),
]


@pytest.mark.parametrize(("tables", "status", "message"), SEATS)
def test_an_interface_is_filtered_by_a_chain_that_sits_on_it_or_on_all(
    tables: list[Table], status: str, message: str
) -> None:
    made = audit(Ruleset(tuple(tables)), network=TWO_CARDS)
    (finding,) = [each for each in RULES.judge(made) if (each.check, each.subject) == ("firewall.inactive", "IPv4")]
    assert (finding.status, finding.message) == (status, message)


ABOUT = [
    ("-p icmp -j DROP", "critical"),
    ("! -p icmp -j DROP", "ok"),
    ("-p tcp -j DROP", "ok"),
    ("-p udp -j DROP", "ok"),
    ("! -p tcp -j DROP", "ok"),
]


@pytest.mark.parametrize(("rule", "status"), ABOUT)
def test_a_rule_makes_a_filter_where_it_can_stop_tcp_or_udp(rule: str, status: str) -> None:
    rules = ruleset(filter_table(f"-A INPUT {rule}", policy="ACCEPT"), filter_table())
    assert found(audit(rules), "inactive") == [(status, "IPv4"), ("ok", "IPv6")]


def test_a_rule_for_several_protocols_makes_a_filter_where_one_of_them_is_tcp_or_udp() -> None:
    def dropping(*numbers: int) -> Table:
        rows = tuple((spanning(number, number),) for number in numbers)
        rule = FilterRule("here", "drop", (Match(("proto",), rows, "protocols"),), verdict=Verdict(DROP))
        return Table(NFT, "inet", "a", {"in": Chain("in", (rule,), "input")})

    assert [status for status, _subject in found(audit(Ruleset((dropping(1, 17),))), "inactive")] == ["ok", "ok"]
    assert [status for status, _subject in found(audit(Ruleset((dropping(1, 58),))), "inactive")] == ["critical"] * 2


DEFAULTS: list[tuple[str, tuple[str, str, Any]]] = [
    (
        f"-p tcp {MAYBE} -j ACCEPT",
        (
            "unknown",
            (
                "by IPv4 a port that no rule names is: tcp unknown, udp filtered. Decided by: "
                "ip filter INPUT rule 1: -p tcp -m time --timestart 08:00 -j ACCEPT; ip filter INPUT: policy drop"
            ),
            {"tcp": "unknown", "udp": "filtered"},
        ),
    ),
    (
        "-p udp -s 10.0.0.0/8 -j ACCEPT",
        (
            "warning",
            (
                "by IPv4 a port that no rule names is: tcp filtered, udp limited. Decided by: "
                "ip filter INPUT rule 1: -p udp -s 10.0.0.0/8 -j ACCEPT; ip filter INPUT: policy drop"
            ),
            {"tcp": "filtered", "udp": "limited"},
        ),
    ),
    (
        "-p icmp -j ACCEPT",
        (
            "ok",
            (
                "by IPv4 a port that no rule names is: tcp filtered, udp filtered. Decided by: "
                "ip filter INPUT: policy drop"
            ),
            None,
        ),
    ),
]


@pytest.mark.parametrize(("rule", "said"), DEFAULTS)
def test_the_default_is_told_for_both_protocols_and_doubt_about_one_is_doubt(
    rule: str, said: tuple[str, str, Any]
) -> None:
    made = audit(ruleset(filter_table(f"-A INPUT {rule}"), filter_table()))
    finding = next(
        each for each in RULES.judge(made) if (each.check, each.subject) == ("firewall.default_deny", "IPv4")
    )
    assert (finding.status, finding.message, finding.actual) == said


BACKENDS: list[tuple[Ruleset, str, Any]] = [
    (ruleset(EMPTY, EMPTY), "there are no rules", None),
    (together(DENY, ruleset(EMPTY, backend=LEGACY)), "rules are in one back end only (iptables-nft)", None),
    (
        together(DENY, ruleset(filter_table(), backend=NFT)),
        "iptables-nft and nft hold rules, and what one lets through the others filter as well: all are read",
        None,
    ),
    (
        together(ruleset(filter_table(), EMPTY), ruleset(EMPTY, filter_table(), backend=LEGACY)),
        "iptables-legacy holds rules (ip6 filter) and so does nf_tables (ip filter)",
        {"legacy": ["ip6 filter"], "nft": ["ip filter"]},
    ),
]


@pytest.mark.parametrize(("rules", "message", "actual"), BACKENDS)
def test_which_back_ends_hold_rules_is_said(rules: Ruleset, message: str, actual: Any) -> None:
    finding = only(audit(rules), "backends")
    assert (finding.message, finding.actual) == (message, actual)


SHADOWS = [
    (
        ("-p tcp --dport 5432 -j DROP", "-s 10.0.0.5 -p tcp --dport 5432 -j ACCEPT"),
        (
            "ip filter INPUT rule 2: -s 10.0.0.5 -p tcp --dport 5432 -j ACCEPT never decides, because ip filter INPUT "
            "rule 1: -p tcp --dport 5432 -j DROP takes precedence; what it allows stays closed to the outside"
        ),
        ("accept", "drop"),
    ),
    (
        ("-p tcp --dport 80:90 -j ACCEPT", "-p tcp --dport 85 -j REJECT"),
        (
            "ip filter INPUT rule 2: -p tcp --dport 85 -j REJECT never decides, because ip filter INPUT "
            "rule 1: -p tcp --dport 80:90 -j ACCEPT takes precedence; what it stops stays open to the outside"
        ),
        ("reject", "accept"),
    ),
]


@pytest.mark.parametrize(("lines", "message", "kinds"), SHADOWS)
def test_a_void_rule_is_told_with_the_one_that_makes_it_so_and_what_comes_of_it(
    lines: tuple[str, ...], message: str, kinds: tuple[str, str]
) -> None:
    finding = only(audit(ruleset(filter_table(*(f"-A INPUT {line}" for line in lines)))), "shadowed_rule")
    assert (finding.message, (finding.expected, finding.actual)) == (message, kinds)


@pytest.mark.parametrize(("count", "shown", "listed"), [(4, 4, 4), (5, 5, 5), (6, 5, 6), (50, 5, 50), (51, 5, 50)])
def test_five_differences_are_spelled_out_and_fifty_listed(count: int, shown: int, listed: int) -> None:
    differences = tuple(f"rule {number}" for number in range(count))
    finding = only(audit(managers=(Manager("ufw", enabled=True, loaded=True, differences=differences),)), "view_drift")
    assert finding.message == f"ufw and the kernel differ in {count} places: {'; '.join(differences[:shown])}"
    assert finding.actual == list(differences[:listed])


def test_a_manager_that_is_off_says_what_that_means_if_it_knows() -> None:
    managers = (Manager("ufw", enabled=False), Manager("pf", enabled=False, off="pf is off"))
    messages = [
        finding.message for finding in RULES.judge(audit(managers=managers)) if finding.check == "firewall.view_drift"
    ]
    assert messages == ["ufw is installed and not enabled", "pf is off"]


ROUTER = HOST._replace(stack=Stack(forwards={4: frozenset({"eth0", "lo"})}))


def forward(*lines: str, policy: str = "ACCEPT", chains: str = "") -> Ruleset:
    """Return rules of IPv4 that deny what comes in, with a forward chain."""
    named = "".join(f":{name} - [0:0]\n" for name in chains.split())
    text = "".join(f"-A {line}\n" for line in lines)
    return ruleset(f"*filter\n:INPUT DROP [0:0]\n:FORWARD {policy} [0:0]\n{named}{text}COMMIT\n", filter_table())


STOPPED, OPEN_WAY, DOUBTFUL = ("ok", "IPv4 passed on"), ("warning", "IPv4 passed on"), ("unknown", "IPv4 passed on")
WAYS: list[tuple[Ruleset, Any]] = [
    (forward(policy="DROP"), STOPPED),
    (forward(), OPEN_WAY),
    (ruleset(filter_table(), filter_table()), OPEN_WAY),  # no forward chain at all
    (forward("FORWARD -j DROP"), STOPPED),
    (forward("FORWARD -j REJECT"), STOPPED),
    (forward("FORWARD -p tcp -j DROP"), OPEN_WAY),
    (forward("FORWARD -j ACCEPT", policy="DROP"), OPEN_WAY),
    (forward("FORWARD -s 10.0.0.0/8 -j ACCEPT", policy="DROP"), STOPPED),
    (forward("FORWARD -j ACCEPT", "FORWARD -j DROP"), OPEN_WAY),
    (forward("FORWARD -j LOG", "FORWARD -j DROP"), STOPPED),
    (forward("FORWARD -j A", "A -j DROP", chains="A"), STOPPED),
    (forward("FORWARD -j A", "A -j ACCEPT", policy="DROP", chains="A"), OPEN_WAY),
    (forward("FORWARD -j A", "A -j RETURN", "A -j ACCEPT", policy="DROP", chains="A"), STOPPED),
    (forward("FORWARD -j A", policy="DROP", chains="A"), STOPPED),
    (forward("FORWARD -g A", "FORWARD -j DROP", chains="A"), OPEN_WAY),
    (forward("FORWARD -j RETURN", "FORWARD -j DROP"), OPEN_WAY),
    (forward("FORWARD -j RETURN", "FORWARD -j ACCEPT", policy="DROP"), STOPPED),
    (forward("FORWARD -j NFQUEUE --queue-num 1"), DOUBTFUL),
    (together(forward(policy="DROP"), forward()), STOPPED),
    (together(forward("FORWARD -j NFQUEUE --queue-num 1"), forward(policy="DROP")), STOPPED),
    (forward()._replace(gaps=(Gap("an unknown hook"),)), DOUBTFUL),
    (Ruleset((forward(policy="DROP").tables[0]._replace(dormant=True),)), OPEN_WAY),
]


@pytest.mark.parametrize(("rules", "expected"), WAYS)
def test_where_packets_are_passed_on_what_no_rule_names_is_stopped(rules: Ruleset, expected: tuple[str, str]) -> None:
    assert found(audit(rules, network=ROUTER), "default_deny")[2:] == [expected]
    assert len(found(audit(rules), "default_deny")) == 2  # this host passes nothing on


def test_a_way_through_that_nobody_asks_to_filter_is_skipped() -> None:
    assert found(audit(forward(), network=ROUTER, require_filter=False), "default_deny")[2:] == [
        ("skipped", "IPv4 passed on")
    ]
    alone = HOST._replace(stack=Stack(forwards={4: frozenset({"lo"})}))
    assert len(found(audit(forward(), network=alone), "default_deny")) == 2


def test_the_way_through_is_told_with_the_chain_that_stops() -> None:
    finding = [
        each for each in RULES.judge(audit(forward(policy="DROP"), network=ROUTER)) if "passed on" in each.subject
    ]
    assert [each.message for each in finding] == ["what no rule names is stopped by ip filter FORWARD"]
