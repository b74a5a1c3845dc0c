# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JSON of nftables: each expression is held to what the kernel made of it, or is a doubt; nothing is skipped."""

from __future__ import annotations

import json
from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux import nft_tests
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.nft import (
    ODD_FAMILY,
    parse_nft,
    read_listing,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model import order
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    Doubt,
    Effect,
    FilterRule,
    Match,
    Ruleset,
)

from .kernel_packets import PACKETS, Recorded, holds, recorded, rules_of, ruleset_of

SYN = PACKETS[4]
SETS, RECORDED = recorded()

# What is not modelled exactly. Those of the sender's choice are marked so, all others simply are not known.
CHOSEN_TEXT = """
ip6 nexthdr, meta length, ip hdrlength, ip dscp, ip length, ip id, ip frag-off, ip6 flowlabel, tcp option, tcp window,
tcp sequence, ip option, exthdr frag, exthdr hbh, rt type,
ip ttl, ip6 hoplimit
"""
UNKNOWN_TEXT = """
@th,8,8; @nh,96,32; @th,800,8; ip saddr @limited; ip saddr != @limited; meta l4proto > 5; meta hour; meta day;
meta cgroup; meta cpu; meta iifgroup; meta iiftype; meta iifkind; meta sdifname; meta ipsec; meta rtclassid;
ct helper; ct label; ct zone; ct bytes; ct l3proto; fib saddr . iif type; fib saddr oif va;
fib saddr oif != va; fib saddr oifname; ip version; vlan; rt classid; icmp type; icmpv6 type;
numgen; jhash; socket; osf; ipsec
"""
CHOSEN = tuple(f"{name.strip()} " for name in CHOSEN_TEXT.split(","))
UNKNOWN = tuple(f"{name.strip()} " for name in UNKNOWN_TEXT.split(";"))
CASES = {
    "FW3": ("oif != ", "oifname != "),
    "FW5": ("ip saddr & ", "ip6 saddr & ", "tcp dport & "),
    "FW6": ("meta iif ",),
    "FW7": ("ct mark ", "ct direction "),
    "FW23": ("fib daddr . iif ",),
    "FW24": ("ct status ",),
    "FW40": ("meta l4proto ", "ip protocol "),
}


def _with_cases(rule: Recorded) -> Any:
    marks = [pytest.mark.case(case) for case, begins in CASES.items() if rule.text.startswith(begins)]
    return pytest.param(rule, marks=marks, id=rule.text)


@pytest.mark.parametrize("rule", map(_with_cases, RECORDED))
def test_a_test_of_a_rule_comes_out_as_in_the_kernel_or_is_a_doubt(rule: Recorded) -> None:
    (read,) = rules_of(*rule.statements, {"drop": None}, beside=SETS)
    found = {family: holds(read.tests, packet) for family, packet in PACKETS.items()}
    doubts = [test for test in read.tests if isinstance(test, Doubt)]
    assert {family: seen for family, seen in found.items() if seen not in (None, rule.passed[family])} == {}
    assert bool(doubts) == f"{rule.text} ".startswith((*CHOSEN, *UNKNOWN))
    elsewhere = rule.text.startswith(("tcp option", "sctp chunk")) and rule.text.endswith(" missing")
    chosen = rule.text.startswith(CHOSEN) and not elsewhere  # what is missing in other protocols no sender chooses
    assert all(doubt.chosen for doubt in doubts) == (not doubts or chosen)


def test_what_was_recorded_has_rules_that_pass_and_rules_that_do_not_of_both_families() -> None:
    assert len(RECORDED) > 250
    assert {tuple(rule.passed.values()) for rule in RECORDED} == {(a, b) for a in (True, False) for b in (True, False)}


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


STATE, FLAGS, PORT, SOURCE = (
    {"ct": {"key": "state"}},
    payload("tcp", "flags"),
    payload("tcp", "dport"),
    payload("ip", "saddr"),
)
MARK = meta("mark")
OFFSET = {"&": [payload("ip", "frag-off"), 0x1FFF]}
# What other releases print: 0.9.8 and 1.1 as recorded, 1.1.4 as its change log says (pitfalls-firewall 1.7).
OTHER_RELEASES = [
    (match(STATE, "new"), True),
    (match(STATE, ["established", "related"]), False),
    (match({"&": [FLAGS, {"|": [{"|": [{"|": ["fin", "syn"]}, "rst"]}, "ack"]}]}, "syn"), True),
    (match({"&": [FLAGS, {"|": ["fin", "syn", "rst", "ack"]}]}, {"|": ["syn", "fin", "rst"]}), False),
    (match({"fib": {"result": "type", "flags": "daddr"}}, "local"), True),
    (match({"fib": {"result": "type", "flags": ["iif", "daddr"]}}, "broadcast"), False),
    (match(MARK, "0x00000000"), True),
    (match(MARK, "a name of rt_marks"), None),
    (match(meta("iif"), 2), True),
    (match(meta("iif"), "77"), False),
    (match(meta("iif"), {"set": ["eth7", {"range": ["2", "9"]}]}), None),  # a name without a number
    (match(meta("iif"), {"set": ["lo", "2"]}), True),
    (match(PORT, {"range": [7000, 8000]}), True),
    (match(PORT, {"range": [7000, 7999]}), False),
    (match(PORT, {"range": [8000, 9000]}), True),
    (match(PORT, {"range": [8001, 9000]}), False),
    (match(PORT, {"range": [9000, 8000]}), None),
    (match(SOURCE, {"prefix": {"addr": "10.1.0.2", "len": 31}}), True),
    (match(SOURCE, {"prefix": {"addr": "10.1.0.0", "len": 30}}), True),
    (match(SOURCE, {"prefix": {"addr": "10.1.0.0", "len": 31}}), False),
    (match(SOURCE, {"prefix": {"addr": "10.1.0.4", "len": 30}}), False),
    (match(meta("iifname"), "va\\*"), None),
    (match(PORT, "ssh"), None),
    (match(PORT, 8000, "~"), None),
    (match(PORT, {"invented": 1}), None),
    (match({"invented tomorrow": {}}, 1), None),
    (match("a word", 1), None),
    (match(PORT, "@not_listed"), None),
    (match({"concat": [SOURCE, payload("icmp", "type")]}, {"set": []}), False),  # a doubt about ICMP
    (match(payload("esp", "spi"), 1), False),
    (match(payload("arp", "operation"), "request"), False),
    (match({"&": [payload("udp", "length"), 1]}, 1), False),
    # tried on the kernel: tests/fuzz/firewall/cases/found-a4-frag-nft, found-a10-original-port
    (match(OFFSET, 0, "!="), False),
    (match(OFFSET, 0, ">"), False),
    (match(OFFSET, 0), True),
    (match(OFFSET, {"set": [0, 5]}), True),
    (match({"&": [payload("ip", "frag-off"), 0x3FFF]}, 0), None),
    (match({"ct": {"key": "proto-dst", "dir": "original"}}, 8000), True),
    (match({"ct": {"key": "proto-dst", "dir": "original"}}, 80, "!="), True),
    (match({"ct": {"key": "ip saddr", "dir": "original"}}, {"prefix": {"addr": "10.1.0.0", "len": 24}}), True),
    (match({"ct": {"key": "ip6 saddr", "dir": "original"}}, "fd01::2"), False),
    (match({"ct": {"key": "daddr", "dir": "original"}}, "10.1.0.9"), False),
    (match({"ct": {"key": "protocol", "dir": "original"}}, "udp"), False),
    (match({"ct": {"key": "proto-dst", "dir": "reply"}}, 40000), None),
]


@pytest.mark.parametrize(("statement", "expected"), OTHER_RELEASES)
def test_the_words_of_other_releases_mean_the_same_or_are_doubts(statement: dict[str, Any], expected: Any) -> None:
    (rule,) = rules_of(statement, {"drop": None})
    assert holds(rule.tests, SYN) is expected


@pytest.mark.case("FW7")
@pytest.mark.parametrize("key", ["helper", "expiration", "zone"])
def test_what_is_asked_of_a_connection_ends_the_rule_where_there_is_none(key: str) -> None:
    (rule,) = rules_of(match({"ct": {"key": key}}, 1, "!="), {"drop": None})
    untracked = {field: value for field, value in SYN.items() if field != "ct_direction"}
    assert (holds(rule.tests, SYN), holds(rule.tests, untracked)) == (None, False)


LIMIT = {"rate": 10, "burst": 5, "per": "minute"}
OBJECTS = [
    {"limit": {"family": "inet", "table": "t", "name": "wide", **LIMIT}},
    {"limit": {"family": "inet", "table": "t", "name": "tight", **LIMIT, "burst": 1}},
    {"set": {"family": "inet", "table": "t", "name": "room", "size": 2, "elem": ["10.9.9.9"]}},
    {"set": {"family": "inet", "table": "t", "name": "full", "size": 1, "elem": ["10.9.9.9"]}},
]
ADD = {"op": "add", "elem": SOURCE, "set": "@room"}
METER = {"key": SOURCE, "name": "m", "size": 65535}
HOLDING = [
    ({"limit": LIMIT}, True),
    ({"limit": {**LIMIT, "inv": True}}, False),
    ({"limit": {**LIMIT, "burst": 4}}, None),
    ({"limit": {**LIMIT, "burst": 4, "inv": True}}, None),
    ({"limit": {**LIMIT, "burst": 0, "rate_unit": "kbytes", "burst_unit": "bytes"}}, None),
    ({"limit": "wide"}, True),
    ({"limit": "tight"}, None),
    ({"limit": "not listed"}, None),
    ({"ct count": {"val": 10, "inv": True}}, False),
    ({"ct count": {"val": 0, "inv": True}}, True),
    ({"ct count": {"val": 1}}, True),
    ({"ct count": {"val": 0}}, False),
    ({"quota": {"val": 10, "val_unit": "mbytes", "inv": True}}, None),
    ({"quota": "q"}, None),
    ({"reset": {"tcp option": {"name": "timestamp"}}}, True),
    ({"set": ADD}, True),
    ({"set": {**ADD, "stmt": [{"limit": {**LIMIT, "inv": True}}]}}, False),
    ({"set": {**ADD, "elem": {"elem": {"val": SOURCE, "timeout": 9}}, "set": "@full"}}, None),
    ({"set": {**ADD, "op": "delete", "set": "@full"}}, True),
    ({"set": {**ADD, "elem": payload("ip6", "saddr")}}, False),
    ({"set": {**ADD, "elem": payload("icmp", "type")}}, False),
    ({"set": {**ADD, "elem": {"ct": {"key": "mark"}}}}, True),
    ({"set": {**ADD, "elem": meta("skuid")}}, False),
    ({"meter": {**METER, "stmt": {"limit": {**LIMIT, "inv": True}}}}, False),
    ({"meter": {**METER, "stmt": {"invented": None}}}, "away"),
    ({"xt": {"type": "match", "name": "time"}}, None),
    ({"xt": {"type": "match", "name": "comment"}}, True),
]


@pytest.mark.parametrize(("statement", "expected"), HOLDING)
def test_a_statement_lets_the_rule_go_on_ends_it_or_may(statement: dict[str, Any], expected: Any) -> None:
    (rule,) = rules_of(statement, {"drop": None}, beside=OBJECTS)
    found = holds(rule.tests, SYN)
    assert (rule.verdict.kind if expected == "away" and rule.verdict else found) == expected


def kinds(rules: tuple[FilterRule, ...]) -> list[str]:
    return [rule.verdict.kind if rule.verdict else "-" for rule in rules]


VERDICTS = [
    ({"accept": None}, "accept"),
    ({"drop": None}, "drop"),
    ({"reject": None}, "reject"),
    ({"return": None}, "return"),
    ({"jump": {"target": "web"}}, "jump"),
    ({"goto": {"target": "web"}}, "goto"),
    ({"queue": {"num": 1}}, "unknown"),
    ({"synproxy": None}, "unknown"),
    ({"tproxy": {"port": 9999}}, "away"),
    ({"fwd": {"dev": "eth1"}}, "away"),
    ({"masquerade": None}, "translate"),
    ({"snat": {"addr": "10.0.0.2"}}, "translate"),
    ({"redirect": {"port": 8080}}, "divert"),
    ({"redirect": None}, "divert"),
    ({"redirect": {"port": {"range": [90, 99]}}}, "away"),
    ({"dnat": {"addr": "10.0.0.2", "port": 80}}, "divert"),
    ({"dnat": {"addr": {"range": ["10.0.0.2", "10.0.0.9"]}}}, "away"),
    ({"dnat": {"addr": {"map": {"key": {"numgen": {"mod": 2}}, "data": {"set": [[0, "10.0.0.2"]]}}}}}, "away"),
    ({"xt": {"type": "target", "name": "TPROXY"}}, "away"),
    ({"xt": {"type": "target", "name": "REJECT"}}, "reject"),
    ({"xt": None}, "away"),
    ({"invented tomorrow": {"x": 1}}, "away"),
    ({"mangle": {"key": {"ct": {"key": "zone"}}, "value": 1}}, "unknown"),
    ({"mangle": {"key": {"payload": {"base": "th", "offset": 8, "len": 8}}, "value": 1}}, "away"),
    ({"mangle": {"key": payload("ether", "daddr"), "value": "02:00:00:00:00:01"}}, "away"),
]


@pytest.mark.parametrize(("statement", "expected"), VERDICTS)
def test_a_statement_decides(statement: dict[str, Any], expected: str) -> None:
    assert kinds(rules_of(statement)) == [expected]


SILENT = ["log", "last", "dup", "flow", "secmark", "ct helper", "ct timeout", "ct expectation", "continue"]


@pytest.mark.parametrize("name", SILENT)
def test_what_decides_nothing_makes_no_rule_and_ends_none(name: str) -> None:
    assert rules_of({name: None}, {"counter": {"packets": 1, "bytes": 2}}) == ()
    assert kinds(rules_of({name: None}, {"accept": None})) == ["accept"]


SEEN_BY_NOBODY = [
    meta("nftrace"),
    meta("priority"),
    {"ct": {"key": "label"}},
]


@pytest.mark.parametrize("key", SEEN_BY_NOBODY)
def test_what_is_written_and_no_test_looks_at_changes_nothing(key: dict[str, Any]) -> None:
    (rule,) = rules_of({"mangle": {"key": key, "value": 1}}, {"accept": None})
    assert (rule.effects, holds(rule.tests, SYN)) == ((), True)


HEADERS = [
    {"mangle": {"key": payload("ip", "ttl"), "value": 64}},
    {"mangle": {"key": payload("ip6", "dscp"), "value": 4}},
    {"mangle": {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": {"rt": {"key": "mtu"}}}},
    {"reset": {"tcp option": {"name": "sack-perm"}}},
]


@pytest.mark.parametrize("statement", HEADERS)
def test_what_a_rule_writes_into_headers_is_no_longer_the_senders_choice(statement: dict[str, Any]) -> None:
    rules = rules_of(statement, {"accept": None})
    assert [effect for rule in rules for effect in rule.effects] == [Effect("header", None)]


@pytest.mark.case("FW13")
@pytest.mark.parametrize(
    ("key", "field"),
    [(PORT, "dport"), (payload("th", "sport"), "sport"), (payload("ip", "daddr"), "daddr"), (FLAGS, "tcp_flags")],
)
def test_what_is_written_into_a_packet_is_not_known_from_there_on(key: dict[str, Any], field: str) -> None:
    (rule,) = rules_of({"mangle": {"key": key, "value": 53}})
    assert rule.effects == (Effect(field, None),)


MARKS = [
    (3, 0, 3),
    ({"|": [MARK, 1]}, 4, 5),
    ({"|": [MARK, 1, 2]}, 4, 7),
    ({"&": [MARK, 4]}, 6, 4),
    ({"|": [{"&": [MARK, 0xF0]}, 2]}, 0x5F, 0x52),
    ({"^": [MARK, 1]}, 1, None),
    ({"ct": {"key": "mark"}}, 1, None),
]


@pytest.mark.parametrize(("value", "before", "after"), MARKS)
def test_a_mark_is_set_bit_by_bit_or_becomes_unknown(value: Any, before: int, after: Any) -> None:
    (rule,) = rules_of({"mangle": {"key": MARK, "value": value}})
    (effect,) = rule.effects
    assert effect.field == "mark"
    kept = before & ~effect.mask if effect.mask is not None else 0
    assert (None if effect.value is None else kept | effect.value) == after


def test_a_mark_by_map_is_set_where_the_map_has_the_key_and_ends_the_rule_elsewhere() -> None:
    value = {"map": {"key": SOURCE, "data": {"set": [["10.1.0.2", 5]]}}}
    (rule,) = rules_of({"mangle": {"key": MARK, "value": value}}, {"accept": None})
    assert (rule.effects[0].value, [holds(rule.tests, packet) for packet in PACKETS.values()]) == (None, [True, False])
    assert holds(rule.tests, {**SYN, "saddr": 1}) is False


def test_what_is_changed_before_a_test_is_changed_whether_or_not_the_test_holds() -> None:
    changed, decided = rules_of({"mangle": {"key": MARK, "value": 1}}, match(PORT, 80), {"drop": None})
    assert (changed.tests, changed.verdict) == ((), None)
    assert decided.effects == ()


def test_a_test_of_what_the_rule_changes_later_is_not_asked_again_behind_the_change() -> None:
    statements = (match(MARK, 0), {"mangle": {"key": MARK, "value": 1}}, match(PORT, 8000), {"drop": None})
    changed, decided = rules_of(*statements)
    assert holds(changed.tests, SYN) is True
    assert holds(decided.tests, {**SYN, "mark": 1}) is None
    assert holds(decided.tests, {**SYN, "mark": 1, "dport": 80}) is False


def test_a_change_right_before_a_verdict_is_part_of_that_rule() -> None:
    (rule,) = rules_of({"mangle": {"key": MARK, "value": 1}}, {"accept": None})
    assert (rule.effects, kinds((rule,))) == ((Effect("mark", 1, -1),), ["accept"])


def vmap(key: Any, *pairs: Any, beside: Any = ()) -> tuple[FilterRule, ...]:
    return rules_of({"vmap": {"key": key, "data": {"set": list(pairs)}}}, beside=beside)


def met(rules: tuple[FilterRule, ...], **fields: Any) -> list[str]:
    """Return the verdicts of the rules that surely hold for a packet, in order."""
    return [kind for rule, kind in zip(rules, kinds(rules)) if holds(rule.tests, {**SYN, **fields})]


TO_REST = {"jump": {"target": "rest"}}


def test_a_verdict_map_is_one_rule_per_target_and_the_star_is_all_the_rest() -> None:
    rules = vmap(
        PORT, [22, {"accept": None}], [{"range": [80, 90]}, {"drop": None}], [443, {"accept": None}], ["*", TO_REST]
    )
    assert kinds(rules) == ["accept", "drop", "jump"]
    assert [met(rules, dport=port) for port in (22, 443, 85, 8000)] == [["accept"], ["accept"], ["drop"], ["jump"]]


@pytest.mark.case("FW21")
def test_continue_is_no_verdict() -> None:
    assert kinds(vmap(SOURCE, ["10.1.0.2", {"accept": None}], ["*", {"continue": None}])) == ["accept"]
    assert vmap(SOURCE, ["10.1.0.2", {"continue": None}]) == ()


def test_a_map_ends_its_rule_and_where_it_is_not_modelled_is_a_doubt_about_its_protocol() -> None:
    (rule,) = rules_of(
        {"vmap": {"key": payload("icmp", "type"), "data": {"set": [[8, {"drop": None}]]}}}, {"drop": None}
    )
    assert (holds(rule.tests, SYN), holds(rule.tests, {**SYN, "proto": 1})) == (False, None)
    (odd,) = vmap({"numgen": {"mode": "inc", "mod": 2}}, [0, {"drop": None}])
    assert (kinds((odd,)), holds(odd.tests, SYN)) == (["unknown"], None)


WIDE = {"concat": [{"prefix": {"addr": "10.0.0.0", "len": 8}}, 8000]}
NARROW = {"concat": [{"prefix": {"addr": "10.1.0.0", "len": 16}}, {"range": [1, 9000]}]}
PAIR = {"concat": [SOURCE, PORT]}


def test_of_overlapping_ranges_of_several_fields_the_first_that_is_listed_wins() -> None:
    rules = vmap(PAIR, [WIDE, {"drop": None}], [NARROW, {"accept": None}])
    assert met(rules) == ["drop", "accept"]  # as tried on kernel 6.18, either way round
    assert met(vmap(PAIR, [NARROW, {"accept": None}], [WIDE, {"drop": None}])) == ["accept", "drop"]
    (unsure,) = vmap(PAIR, [WIDE, TO_REST], [NARROW, {"accept": None}])
    assert (kinds((unsure,)), holds(unsure.tests, SYN)) == (["unknown"], None)


def test_a_chain_that_a_map_jumps_to_cannot_lead_into_another_key_of_it() -> None:
    rules = vmap(MARK, [0, TO_REST], [2, {"drop": None}])  # tried: rest sets mark 2, and the packet is not dropped
    assert kinds(rules) == ["drop", "jump"]
    place = {"family": "inet", "table": "t"}
    sets_mark = {"rule": {**place, "chain": "a", "handle": 1, "expr": [{"mangle": {"key": MARK, "value": 2}}]}}
    two = [[0, TO_REST], [2, {"jump": {"target": "b"}}]]
    assert kinds(vmap(MARK, *two)) == ["jump", "jump"]
    assert kinds(vmap(MARK, *two, beside=[sets_mark])) == ["unknown"]


def test_elements_with_limits_of_their_own_make_a_map_a_doubt() -> None:
    limited = {"elem": {"val": 8000, "limit": LIMIT}}
    assert kinds(vmap(PORT, [limited, {"drop": None}])) == ["unknown"]
    assert kinds(vmap(PORT, [{"elem": {"val": "*", "comment": "x"}}, {"drop": None}])) == ["drop"]


def test_a_map_of_destinations_diverts_by_key() -> None:
    data = {"set": [[9001, {"concat": ["172.17.0.3", 80]}], [9002, {"concat": ["172.17.0.4", 81]}]]}
    first, second = rules_of({"dnat": {"family": "ip", "addr": {"map": {"key": PORT, "data": data}}}})
    assert first.verdict is not None
    assert second.verdict is not None
    assert (first.verdict.address, first.verdict.port, second.verdict.port) == (0xAC110003, 80, 81)
    assert [holds(first.tests, {**packet, "dport": 9001}) for packet in PACKETS.values()] == [True, False]


DESTINATIONS = [
    ({"dnat": {"port": 90}}, ("same", None, 90)),
    ({"redirect": {"port": 90}}, ("", None, 90)),
    ({"redirect": {"port": {"map": {"key": PORT, "data": {"set": [[8000, 90]]}}}}}, ("", None, 90)),
    ({"dnat": {"family": "ip6", "addr": "::1", "port": 5}}, ("", 1, 5)),
]


@pytest.mark.parametrize(("statement", "expected"), DESTINATIONS)
def test_a_divert_keeps_what_it_does_not_name(statement: dict[str, Any], expected: tuple[Any, ...]) -> None:
    (rule,) = rules_of(statement)
    assert rule.verdict is not None
    assert rule.verdict[1:] == expected


ANSWERS = [
    ({"type": "icmpv6", "expr": "port-unreachable"}, {4: False, 6: True}),
    ({"type": "icmp", "expr": "port-unreachable"}, {4: True, 6: False}),
    ({"type": "icmpx", "expr": "port-unreachable"}, {4: True, 6: True}),
    ({"type": "tcp reset"}, {4: None, 6: None}),  # nft 1.0.6 leaves out the family that such a rule asks for
]


@pytest.mark.parametrize(("body", "expected"), ANSWERS)
def test_an_answer_that_only_one_family_or_protocol_knows_narrows_the_rule(
    body: Any, expected: dict[int, Optional[bool]]
) -> None:
    (rule,) = rules_of({"reject": body})
    assert {family: holds(rule.tests, packet) for family, packet in PACKETS.items()} == expected
    assert holds(rule.tests, {**SYN, "proto": 17}) is (body["type"] != "tcp reset" and expected[4])


def test_an_old_nft_that_hides_limits_of_elements_leaves_a_doubt() -> None:
    (rule,) = rules_of({"set": ADD}, {"drop": None}, beside=OBJECTS, version="0.9.8")
    assert holds(rule.tests, SYN) is None


@pytest.mark.case("FW40")
def test_a_rule_of_another_form_is_unknown_and_the_others_stay() -> None:
    place = {"family": "inet", "table": "t", "chain": "c"}
    beside = [{"rule": {**place, "handle": 1, "expr": [match(PORT, 22), {"accept": None}], "comment": "a\nb"}}]
    good, odd = rules_of({"match": {"strange": 1}}, beside=beside)
    assert (kinds((good, odd)), good.comment, "strange" in odd.text) == (["accept", "away"], "a\nb", True)
    assert [holds(rule.tests, SYN) for rule in (good, odd)] == [False, None]


TEXTS = [
    ({"limit": {"rate": 1, "per": "second", "inv": True, "rate_unit": "mbytes"}}, "limit rate over 1 mbytes/second"),
    ({"limit": {"rate": 5, "per": "minute", "burst": 7}}, "limit rate 5/minute"),
    (
        {"quota": {"val": 500, "val_unit": "mbytes", "inv": True, "used": 9, "used_unit": "bytes"}},
        "quota over 500 mbytes",
    ),
    ({"quota": {"val": 500, "val_unit": "mbytes"}}, "quota 500 mbytes"),
]


@pytest.mark.parametrize(("statement", "text"), TEXTS)
def test_a_rule_is_shown_as_nft_prints_it(statement: dict[str, Any], text: str) -> None:
    (rule,) = rules_of(statement, {"drop": None})
    assert rule.text == f"{text} drop"


HOPS = [
    (payload("ip", "ttl"), 2, "<", True),
    (payload("ip", "ttl"), 64, "!=", True),
    (payload("ip", "ttl"), 255, "==", False),  # only who is nearby can
    (payload("ip", "ttl"), {"range": [240, 255]}, "!=", False),
    (payload("ip", "ttl"), 0, ">", False),
]


@pytest.mark.parametrize(("left", "right", "op", "chosen"), HOPS)
def test_a_sender_chooses_its_hops_but_for_those_that_are_lost_on_the_way(
    left: Any, right: Any, op: str, chosen: bool
) -> None:
    (rule,) = rules_of(match(left, right, op), {"drop": None})
    assert [test.chosen for test in rule.tests if isinstance(test, Doubt)] == [chosen]


def test_a_rule_has_its_counter_and_its_comment() -> None:
    (rule,) = rules_of({"counter": {"packets": 7, "bytes": 9}}, {"accept": None})
    (by_name,) = rules_of({"counter": "shared"}, {"accept": None})
    assert (rule.packets, by_name.packets) == (7, None)


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"other": 1}', "[" * 100_000])
def test_what_is_no_ruleset_is_an_error_that_names_the_source(text: str) -> None:
    with pytest.raises(ParseError, match="nft -j list ruleset"):
        parse_nft(text)


@pytest.mark.case("FW48")
def test_a_ruleset_beyond_the_size_that_is_read_is_refused_with_its_size() -> None:
    with pytest.raises(ParseError, match="17 MiB of rules, more than the 16 that are read"):
        parse_nft(" " * (17 << 20))


def entries(*more: dict[str, Any], family: str = "inet", listing: str = "", **chain: Any) -> Ruleset:
    """Return a ruleset with one table and a chain in it, and further entries."""
    place = {"family": family, "table": "t"}
    given = {"chain": {**place, "name": "c", "type": "filter", "prio": 0, "policy": "drop", **chain}}
    return parse_nft(json.dumps({"nftables": [{"table": {"family": family, "name": "t"}}, given, *more]}), listing)


def rule(family: str, *statements: dict[str, Any], chain: str = "c") -> dict[str, Any]:
    return {"rule": {"family": family, "table": "t", "chain": chain, "handle": 1, "expr": list(statements)}}


JUMP_TO_U = (rule("bridge", {"jump": {"target": "u"}}), {"chain": {"family": "bridge", "table": "t", "name": "u"}})
GAPS = [
    ("inet", {"hook": "input"}, [], None),
    ("inet", {"hook": "invented"}, [], (4, 6)),
    ("inet", {"hook": "invented", "policy": "accept"}, [], None),
    ("inet", {"hook": "invented", "policy": "accept"}, [rule("inet", {"queue": None})], (4, 6)),
    ("inet", {"hook": "input", "policy": "defer"}, [], (4, 6)),
    ("ip6", {"hook": "ingress"}, [], (6,)),
    ("bridge", {"hook": "input"}, [], (4, 6)),
    ("bridge", {"hook": "forward", "policy": "accept"}, [rule("bridge", match(PORT, 1), {"accept": None})], None),
    ("bridge", {"hook": "input", "policy": "accept"}, [*JUMP_TO_U, rule("bridge", {"drop": None}, chain="u")], (4, 6)),
    ("bridge", {"hook": "input", "policy": "accept"}, [rule("bridge", {"mangle": {"key": MARK, "value": 1}})], (4, 6)),
    ("arp", {"hook": "input"}, [], (4,)),
    ("arp", {"hook": "input", "policy": "accept"}, [], None),
    ("arp", {}, [rule("arp", {"drop": None})], None),
    ("invented", {"hook": "input"}, [], (4, 6)),
]


@pytest.mark.case("FW25", "FW42")
@pytest.mark.parametrize(("family", "chain", "more", "expected"), GAPS)
def test_what_may_stop_packets_and_is_not_modelled_is_a_gap(family: str, chain: Any, more: Any, expected: Any) -> None:
    gaps = entries(*more, family=family, **chain).gaps
    assert [gap.families for gap in gaps] == ([] if expected is None else [expected])
    assert all(f"{family} t c" in gap.text for gap in gaps)


@pytest.mark.case("FW42")
@pytest.mark.parametrize(
    "entry",
    [{"gateway": {"family": "inet", "table": "t"}}, {}, {"rule": {"family": "ip"}}, {"a": 1, "b": 2}, 7, {"set": []}],
)
def test_an_entry_that_nobody_knows_is_a_gap_with_its_text(entry: Any) -> None:
    (gap,) = parse_nft(json.dumps({"nftables": [{"table": {"family": "inet", "name": "t"}}, entry]})).gaps
    assert str(entry)[:20] in gap.text


def test_objects_that_rules_only_name_are_no_gap() -> None:
    names = (
        "counter",
        "quota",
        "secmark",
        "synproxy",
        "flowtable",
        "ct helper",
        "ct timeout",
        "ct expectation",
        "tunnel",
    )
    assert entries(*({name: {"family": "inet", "table": "t", "name": "x"}} for name in names), hook="input").gaps == ()


def test_a_policy_of_another_form_is_a_gap_and_can_be_compared() -> None:
    found = entries(hook="ingress", policy=["a"])
    assert (len(found.gaps), hash(found.tables[0].chains["c"])) == (1, hash(found.tables[0].chains["c"]))


def test_a_chain_of_another_form_costs_its_table_and_no_other() -> None:
    other = {"table": {"family": "ip", "name": "good"}}
    found = entries(other, hook="input", prio="soon")
    assert ([table.name for table in found.tables], len(found.gaps)) == (["good"], 1)


LISTING = """
table inet t { # progname someone
    comment "
table inet other {
    flags dormant"
    flags dormant

    set s {
        type ipv4_addr
        flags interval
    }

    chain c {
        comment "x"
        type filter hook ingress device "eth0" priority filter + 1; policy drop;
    }

    chain d {
        type filter hook egress devices = { eth1, "va*" } priority filter; policy accept;
    }
}
""".replace("    ", "\t")


def flagged(flags: Any, listing: str = "") -> Ruleset:
    place = {"family": "inet", "table": "t"}
    table = {"table": {"family": "inet", "name": "t", **({} if flags is None else {"flags": flags})}}
    other = {"table": {"family": "inet", "name": "other"}}
    chains = [
        {"chain": {**place, "name": name, "hook": hook, "prio": 0, "policy": "drop", "type": "filter"}}
        for name, hook in (("c", "ingress"), ("d", "egress"))
    ]
    return parse_nft(
        json.dumps({"nftables": [table, other, *chains, rule("inet", match(PORT, 80), {"accept": None})]}), listing
    )


FLAGS_OF = [
    (None, "", (False, 0)),
    ("inet", LISTING, (True, 0)),  # 1.0.6: the value is some other word
    ("dormant", LISTING.replace("\tflags dormant\n\n", "\tflags owner\n\n"), (False, 0)),
    (["dormant"], "", (True, 0)),  # 1.1.3, as recorded with owner and persist
    (["owner", "persist"], "", (False, 0)),
    (["invented"], "", (False, 1)),
    ("inet", "", (False, 1)),
]


@pytest.mark.case("FW2")
@pytest.mark.parametrize(("flags", "listing", "expected"), FLAGS_OF)
def test_a_dormant_table_is_told_by_the_text_or_it_is_a_gap(
    flags: Any, listing: str, expected: tuple[bool, int]
) -> None:
    found = flagged(flags, listing)
    assert (found.tables[0].dormant, len(found.gaps), found.tables[1].dormant) == (*expected, False)


def test_the_devices_of_a_chain_are_told_by_the_text() -> None:
    chains = flagged(None, LISTING).tables[0].chains
    assert (chains["c"].devices, chains["d"].devices) == (("eth0",), ("eth1", "va*"))
    assert (chains["c"].policy, len(chains["c"].rules)) == ("drop", 1)


def test_without_its_devices_all_that_a_chain_decides_is_a_doubt() -> None:
    chain = flagged(None).tables[0].chains["c"]
    assert (chain.policy, kinds(chain.rules), chain.devices) == ("accept", ["accept", "drop"], ())
    assert all(isinstance(rule.tests[0], Doubt) for rule in chain.rules)
    assert entries(hook="ingress", dev="eth0").tables[0].chains["c"].devices == ("eth0",)
    assert entries(hook="ingress", dev=["eth0", "eth1"]).tables[0].chains["c"].devices == ("eth0", "eth1")


def saved(text: str) -> FilterRule:
    return FilterRule("ip filter INPUT rule 9", text, (Match(("dport",), (((8000, 8001),),), text),), comment="said")


XT = {"xt": {"type": "match", "name": "multiport"}}
COUNTED = {"counter": {"packets": 3, "bytes": 1}}


def iptables(*rules: list[dict[str, Any]], spelled: Any = ()) -> tuple[FilterRule, ...]:
    place = {"family": "ip", "table": "filter", "chain": "INPUT"}
    base = {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "prio": 0, "policy": "drop"}
    lines = [{"rule": {**place, "handle": at, "expr": expr}} for at, expr in enumerate(rules, start=5)]
    text = json.dumps({"nftables": [{"table": {"family": "ip", "name": "filter"}}, {"chain": base}, *lines]})
    (table,) = parse_nft(text, spelled={("ip", "filter", "INPUT"): list(spelled)}).tables
    assert table.backend == "iptables-nft"
    return table.chains["INPUT"].rules


@pytest.mark.case("FW1")
def test_only_rules_with_extensions_are_taken_from_iptables_save_and_only_where_both_have_as_many() -> None:
    native, extended = (
        [match(SOURCE, "@banned"), {"drop": None}],
        [match(meta("l4proto"), "tcp"), XT, COUNTED, {"accept": None}],
    )
    lie, truth = (saved("-j DROP"),), (saved("-m multiport"), saved("-m multiport"))
    first, second, third = iptables(native, extended, spelled=[lie, truth])
    assert (first.text, first.where) == ("ip saddr @banned drop", "ip filter INPUT rule 1")
    assert {(rule.text, rule.where, rule.packets, rule.comment) for rule in (second, third)} == {
        ("-m multiport", "ip filter INPUT rule 2", 3, "said")
    }
    first, second = iptables(native, extended, spelled=[lie, truth, truth])
    assert (second.text, second.packets) == ("meta l4proto tcp xt type match name multiport accept", 3)
    assert [holds(second.tests, {**SYN, "proto": proto}) for proto in (6, 17)] == [None, False]


def test_a_rule_names_its_place_and_reads_like_nft() -> None:
    (found,) = rules_of(
        match(SOURCE, {"prefix": {"addr": "10.0.0.0", "len": 8}}),
        match(PORT, {"set": [22, 80]}),
        {"counter": None},
        {"accept": None},
    )
    assert str(found) == "inet t c handle 7: ip saddr 10.0.0.0/8 tcp dport { 22, 80 } accept"


def test_addresses_that_differ_in_one_address_only_are_one_row() -> None:
    elements = [
        {"concat": [f"10.0.{high}.{low}", port]} for high in range(4) for low in range(256) for port in (80, 443)
    ]
    (found,) = rules_of(match(PAIR, {"set": elements}), {"drop": None})
    (test,) = [each for each in found.tests if isinstance(each, Match) and len(each.fields) > 1]
    assert test.rows == (((0x0A000000, 0x0A000400), (80, 81)), ((0x0A000000, 0x0A000400), (443, 444)))


def test_a_set_is_read_once_however_many_rules_name_it() -> None:
    place = {"family": "inet", "table": "t", "name": "s"}
    beside = [{"set": {**place, "elem": ["10.0.0.1", "10.0.0.2"]}}, rule("inet", match(SOURCE, "@s"), {"drop": None})]
    rows = [
        test.rows
        for found in rules_of(match(SOURCE, "@s", "!="), {"drop": None}, beside=beside)
        for test in found.tests[1:2]
    ]
    assert (len(rows), rows[0] is rows[1]) == (2, True)
    assert ruleset_of(beside=[beside[0]]).gaps == ()


CODE = """inet f i 2
  [ meta load l4proto => reg 1 ]
  [ cmp eq reg 1 0x00000006 ]
  [ meta load nfproto => reg 1 ]
  [ cmp eq reg 1 0x0000000a ]
  [ reject type 1 code 0 ]

inet f i 3 2
  [ payload load 2b @ transport header + 2 => reg 1 ]
  [ reject type 1 code 0 ]

inet f i 4 3
  [ meta load nfproto => reg 1 ]
  [ cmp neq reg 1 0x00000002 ]

inet f i 5 4
  [ meta load nfproto => reg 1 ]
  [ cmp eq reg 1 0x02 ]
  [ meta load nfproto => reg 1 ]
  [ cmp eq reg 1 0x02 ]

inet f i 6 5
  [ meta load nfproto => reg 1 ]
  [ cmp eq reg 1 0x00000002 ]

table inet f {
\tchain i {
\t\tmeta l4proto tcp reject with tcp reset
\t}
}
"""


def test_the_code_of_rules_tells_the_family_that_nft_leaves_out() -> None:
    assert read_listing(CODE).families == {
        ("inet", "f", "i", "2"): 6,
        ("inet", "f", "i", "3"): 0,
        ("inet", "f", "i", "4"): ODD_FAMILY,
        ("inet", "f", "i", "5"): ODD_FAMILY,  # twice: nobody writes that
        ("inet", "f", "i", "6"): 4,
    }


RESET = {"nftables": [
    {"table": {"family": "inet", "name": "f", "handle": 1}},
    {"chain": {"family": "inet", "table": "f", "name": "i", "handle": 1, "type": "filter", "hook": "input", "prio": 0}},
    *(
        {"rule": {"family": "inet", "table": "f", "chain": "i", "handle": handle, "expr": [
            {"reject": {"type": "tcp reset"}}
        ]}}
        for handle in (2, 3, 4, 6, 7)  # of the last no code was listed
    ),
]}  # fmt: skip


def test_a_reset_is_of_the_family_that_its_code_asks_for_and_in_doubt_without_it() -> None:
    def kinds(listing: str) -> list[tuple[bool, list[str]]]:
        (table,) = parse_nft(json.dumps(RESET), listing).tables
        rules = table.chains["i"].rules
        return [
            (
                any(isinstance(test, Doubt) for test in rule.tests),
                [test.text for test in rule.tests if isinstance(test, Match) and "family" in test.fields],
            )
            for rule in rules
        ]

    assert [doubtful for doubtful, _family in kinds(CODE)] == [False, False, True, False, True]
    assert [len(family) for _doubtful, family in kinds(CODE)] == [1, 0, 0, 1, 0]
    assert [doubtful for doubtful, _family in kinds("")] == [True] * 5


@pytest.mark.case("FW7")
def test_whatever_a_rule_asks_of_a_connection_has_connections_tracked() -> None:
    fields = {left.field for left in nft_tests._LEFT.values() if left.field.startswith("ct_")}
    assert fields == order._OF_CONNECTION
