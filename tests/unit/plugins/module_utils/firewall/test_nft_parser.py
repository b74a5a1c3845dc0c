# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.nft import parse_nft
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import Packet, fitting_sources
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import FilterRule

SSH = Packet(4, 6, 0x0A000001, 22, 40000, "eth0")
SETS = [
    {"set": {"family": "inet", "table": "t", "name": "ports", "elem": [22, {"range": [8000, 8004]}]}},
    {"set": {"family": "inet", "table": "t", "name": "limited", "elem": [{"elem": {"val": 22, "limit": {"rate": 1}}}]}},
    {"set": {"family": "inet", "table": "t", "name": "all", "elem": ["*"]}},
]


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def rules_of(*statements: dict[str, Any], version: str = "1.0.6") -> tuple[FilterRule, ...]:
    place = {"family": "inet", "table": "t"}
    entries = [
        {"metainfo": {"version": version}},
        {"table": {"family": "inet", "name": "t"}},
        *SETS,
        {"chain": {**place, "name": "c"}},
        {"rule": {**place, "chain": "c", "handle": 7, "expr": list(statements)}},
    ]
    return parse_nft(json.dumps({"nftables": entries}))[0].chains["c"].rules


def fits(statement: dict[str, Any]) -> Any:
    """Return whether a test holds for a TCP connection to port 22 that comes by eth0; None where that is not known."""
    (rule,) = rules_of(statement, {"drop": None})
    outcomes = [fitting_sources(test, SSH) for test in rule.tests]
    if any(outcome == () for outcome in outcomes):
        return False
    return None if None in outcomes else True


META = {"meta": {"key": "iifname"}}
STATE = {"ct": {"key": "state"}}
FLAGS = payload("tcp", "flags")
PORT = payload("tcp", "dport")
MARK = {"meta": {"key": "mark"}}
TESTS = [
    (match(PORT, 22), True),
    (match(PORT, 23), False),
    (match(PORT, 23, "!="), True),
    (match(PORT, 22, "<"), False),
    (match(PORT, 22, "<="), True),
    (match(PORT, 21, ">"), True),
    (match(PORT, 22, ">="), True),
    (match(PORT, {"range": [20, 30]}), True),
    (match(PORT, {"set": [80, {"range": [20, 22]}]}), True),
    (match(PORT, "@ports"), True),
    (match(PORT, "@ports", "!="), False),
    (match(PORT, "@all"), True),
    (match(PORT, "@limited"), None),
    (match(PORT, "@not_listed"), None),
    (match(payload("udp", "dport"), 22), False),
    (match(payload("udp", "dport"), 99, "!="), False),  # the silent test for UDP stays where the test is negated
    (match(payload("th", "dport"), 22), True),
    (match(payload("tcp", "sport"), {"range": [1024, 65535]}), True),
    (match(payload("ip6", "saddr"), "fd00::1", "!="), False),
    (match(payload("ip", "protocol"), "tcp"), True),
    (match(payload("ip6", "nexthdr"), "tcp"), False),
    (match(payload("ip", "dscp"), "cs1"), None),
    (match(payload("icmp", "type"), "echo-request"), False),
    (match(payload("tcp", "window"), 1024), None),
    (match(payload("udp", "length"), 28), False),
    (match(payload("ether", "saddr"), "00:11:22:33:44:55"), None),
    (match({"payload": {"base": "th", "offset": 16, "len": 16}}, 22), None),
    (match(META, "eth0"), True),
    (match(META, "eth*"), True),
    (match(META, {"set": ["lo", "wg0"]}), False),
    (match(META, "lo", "!="), True),
    (match({"meta": {"key": "oifname"}}, "eth1", "!="), False),  # not known on input: the kernel ends the rule
    (match({"meta": {"key": "l4proto"}}, {"set": ["tcp", "udp"]}), True),
    (match({"meta": {"key": "nfproto"}}, "ipv6"), False),
    (match({"meta": {"key": "hour"}}, {"range": ["08:00", "18:00"]}), None),
    (match({"meta": {"key": "pkttype"}}, "multicast"), False),
    (match(STATE, ["established", "related"], "in"), False),
    (match(STATE, "new", "in"), True),
    (match({"ct": {"key": "helper"}}, "ftp"), None),
    (match({"ct": {"key": "saddr", "dir": "original"}}, "10.0.0.1"), None),
    (match({"ct": {"key": "direction"}}, "original"), True),
    (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), True),
    (match({"fib": {"result": "type", "flags": ["daddr"]}}, "broadcast"), False),
    (match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False), False),
    (match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, True), True),
    (match({"fib": {"result": "oifname", "flags": ["saddr"]}}, "eth0"), None),
    (match({"exthdr": {"name": "rt", "field": "type"}}, False), True),
    (match(FLAGS, "syn", "in"), True),
    (match(FLAGS, "ack", "in"), False),
    (match({"&": [FLAGS, ["fin", "syn", "rst", "ack"]]}, "syn"), True),
    (match({"&": [FLAGS, {"|": [{"|": [{"|": ["fin", "syn"]}, "rst"]}, "ack"]}]}, "syn", "!="), False),
    (match(MARK, 0), True),
    (match({"&": [MARK, 255]}, 0), True),
    (match(MARK, 1, "!="), True),
    (match({"concat": [payload("ip", "saddr"), PORT]}, {"set": [{"concat": ["10.0.0.1", 23]}]}), False),
    (match({"concat": [META, PORT]}, {"set": [{"concat": ["eth0", {"range": [20, 30]}]}]}), True),
    ({"limit": {"rate": 10, "per": "minute"}}, True),
    ({"limit": {"rate": 10, "per": "minute", "inv": True}}, False),
    ({"limit": "@named"}, None),
    ({"ct count": {"val": 10, "inv": True}}, False),
    ({"quota": {"val": 10, "val_unit": "mbytes", "inv": True}}, None),
    ({"xt": {"type": "match", "name": "time"}}, None),
    ({"set": {"op": "add", "elem": payload("ip", "saddr"), "set": "@dyn"}}, True),
    (
        {
            "set": {
                "op": "add",
                "elem": payload("ip", "saddr"),
                "set": "@dyn",
                "stmt": [{"limit": {"rate": 1, "inv": True}}],
            }
        },
        False,
    ),
]


@pytest.mark.parametrize(("statement", "expected"), TESTS)
def test_a_test_of_a_rule_holds_fails_or_is_not_known(statement: dict[str, Any], expected: Any) -> None:
    assert fits(statement) is expected


VERDICTS = [
    ({"accept": None}, "accept"),
    ({"drop": None}, "drop"),
    ({"reject": {"type": "tcp reset"}}, "reject"),
    ({"return": None}, "return"),
    ({"jump": {"target": "web"}}, "jump"),
    ({"goto": {"target": "web"}}, "goto"),
    ({"queue": {"num": 1}}, "unknown"),
    ({"synproxy": None}, "unknown"),
    ({"tproxy": {"port": 9999}}, "away"),
    ({"fwd": {"dev": "eth1"}}, "away"),
    ({"masquerade": None}, "accept"),
    ({"redirect": {"port": 8080}}, "divert"),
    ({"redirect": None}, "divert"),
    ({"dnat": {"addr": "10.0.0.2", "port": 80}}, "divert"),
    ({"dnat": {"addr": {"range": ["10.0.0.2", "10.0.0.9"]}}}, "away"),
    ({"dnat": {"addr": {"map": {"key": {"numgen": {"mod": 2}}, "data": {"set": [[0, "10.0.0.2"]]}}}}}, "away"),
    ({"xt": {"type": "target", "name": "TPROXY"}}, "unknown"),
    ({"xt": None}, "unknown"),
    ({"invented tomorrow": {"x": 1}}, "unknown"),
    ({"mangle": {"key": payload("tcp", "dport"), "value": 22}}, "away"),
]


@pytest.mark.parametrize(("statement", "expected"), VERDICTS)
def test_a_statement_decides(statement: dict[str, Any], expected: str) -> None:
    (rule,) = rules_of(statement)
    assert rule.verdict is not None
    assert rule.verdict.kind == expected


def test_what_decides_nothing_makes_no_rule() -> None:
    assert rules_of({"counter": None}, {"log": {"prefix": "x"}}) == ()


def test_a_verdict_map_is_one_rule_per_target_and_the_star_is_all_the_rest() -> None:
    pairs = [[22, {"accept": None}], [80, {"drop": None}], [443, {"accept": None}], ["*", {"jump": {"target": "rest"}}]]
    rules = rules_of({"vmap": {"key": PORT, "data": {"set": pairs}}})
    assert [rule.verdict.kind for rule in rules if rule.verdict] == ["accept", "drop", "jump"]
    assert [all(fitting_sources(test, SSH) for test in rule.tests) for rule in rules] == [True, False, False]


def test_a_map_of_destinations_diverts_by_key() -> None:
    data = {"set": [[9001, {"concat": ["172.17.0.3", 80]}], [9002, {"concat": ["172.17.0.4", 81]}]]}
    first, second = rules_of({"dnat": {"family": "ip", "addr": {"map": {"key": PORT, "data": data}}}})
    assert (first.verdict.address, first.verdict.port, second.verdict.port) == (0xAC110003, 80, 81)


MARKS = [
    (3, 0, 3),
    ({"|": [MARK, 1]}, 4, 5),
    ({"&": [MARK, 4]}, 6, 4),
    ({"|": [{"&": [MARK, 0xF0]}, 2]}, 0x5F, 0x52),
    ({"^": [MARK, 1]}, 1, None),
]


@pytest.mark.parametrize(("value", "before", "after"), MARKS)
def test_a_mark_is_set_bit_by_bit_or_becomes_unknown(value: Any, before: int, after: Any) -> None:
    (rule,) = rules_of({"mangle": {"key": MARK, "value": value}})
    assert Packet(4, 6, 1, 22, 40000, "eth0", mark=before).changed(rule.effects).mark == after


def test_what_is_changed_before_a_test_is_changed_whether_or_not_the_test_holds() -> None:
    changed, decided = rules_of({"mangle": {"key": MARK, "value": 1}}, match(PORT, 80), {"drop": None})
    assert (changed.tests, changed.verdict) == ((), None)
    assert decided.effects == ()


def test_an_answer_that_only_one_family_knows_narrows_the_rule() -> None:
    (rule,) = rules_of({"reject": {"type": "icmpv6", "expr": "port-unreachable"}})
    assert [fitting_sources(test, SSH) for test in rule.tests] == [()]


def test_an_old_nft_that_hides_limits_of_elements_leaves_a_doubt() -> None:
    statement = {"set": {"op": "update", "elem": payload("ip", "saddr"), "set": "@seen"}}
    (rule,) = rules_of(statement, {"drop": None}, version="0.9.8")
    assert [fitting_sources(test, SSH) for test in rule.tests] == [None]


def test_a_rule_of_another_form_is_unknown_and_the_others_stay() -> None:
    (rule,) = rules_of({"match": {"strange": 1}})
    assert rule.verdict is not None
    assert (rule.verdict.kind, "strange" in rule.text) == ("unknown", True)


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", '{"other": 1}', '{"nftables": [{"rule": {"family": "ip"}}]}', '{"nftables": [{}]}']
)
def test_what_is_no_ruleset_is_an_error_that_names_the_source(text: str) -> None:
    with pytest.raises(ParseError, match="nft -j list ruleset"):
        parse_nft(text)


def test_a_rule_names_its_place_and_reads_like_nft() -> None:
    (rule,) = rules_of(
        match(payload("ip", "saddr"), {"prefix": {"addr": "10.0.0.0", "len": 8}}),
        match(PORT, {"set": [22, 80]}),
        {"counter": None},
        {"accept": None},
    )
    assert str(rule) == "inet t c handle 7: ip saddr 10.0.0.0/8 tcp dport { 22, 80 } accept"
