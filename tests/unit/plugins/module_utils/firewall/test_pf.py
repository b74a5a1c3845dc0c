# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules of pf word by word, its tables, anchors and interfaces, and what becomes of packets of recorded hosts."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import Listener
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.macos.pf import (
    MAIN,
    PfSources,
    filter_table,
    is_enabled,
    parse_anchors,
    parse_services,
    parse_skipped,
    parse_table,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.macos.pf_line import PfNames, parse_line
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import Exposer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import contains
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import Doubt, Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.reading import Reading

from .macos_host import facts, host, text
from .small import HOST, numbers

WORLD, LAN, SITE = numbers("198.51.100.0/24"), numbers("192.168.1.0/24"), numbers("10.1.0.0/16")
NAMES = PfNames(
    {"site": {4: SITE, 6: ()}},
    {"en0": {4: numbers("203.0.113.10")}},
    {"en0": {4: numbers("203.0.113.0/24")}},
    {"ssh": 22},
)


NONE = PfSources({MAIN: Reading()})


def listener(port: int = 8000, proto: str = "tcp") -> Listener:
    return Listener(proto, "0.0.0.0", port, {4: None}, {4: 0x7F000001}, (7,), ("/opt/x",))


def exposed(*rules: str, nat: tuple[str, ...] = (), skipped: tuple[str, ...] = ()) -> Exposer:
    """Return a host with these rules, which filters on eth0."""
    sources = [PfSources({MAIN: Reading("\n".join(lines))}, NAMES) for lines in (rules, nat)]
    return Exposer(Ruleset((filter_table(sources[0], sources[1], frozenset(skipped)),)), HOST)


BLOCK, KEEP = "block drop in all", "flags S/SA keep state"
LINES: list[tuple[str, str, Optional[str]]] = [
    ("pass in all", "open", None),
    (f"pass in proto tcp from any to any port = 8000 {KEEP}", "open", None),
    (f"pass in inet6 proto tcp from any to any port = 8000 {KEEP}", "filtered", None),
    (f"pass in proto udp from any to any port = 8000 {KEEP}", "filtered", None),
    (f"pass in proto 6 all {KEEP}", "open", None),
    ("pass in proto nosuch all", "unknown", "proto nosuch"),
    (f"pass in proto tcp from any to any port 8000:8004 {KEEP}", "open", None),
    (f"pass in proto tcp from any to any port 7999 >< 8001 {KEEP}", "open", None),
    (f"pass in proto tcp from any to any port 7999 <> 8001 {KEEP}", "filtered", None),
    (f"pass in proto tcp from any to any port 1 <> 22 {KEEP}", "open", None),
    (f"pass in proto tcp from any to any port != 22 {KEEP}", "open", None),
    (f"pass in proto tcp from any to any port >= 8000 {KEEP}", "open", None),
    (f"pass in proto tcp from any to any port < 8000 {KEEP}", "filtered", None),
    (f"pass in proto tcp from any to any port <= 8000 {KEEP}", "open", None),
    (f"pass in proto tcp from any to any port = ssh {KEEP}", "filtered", None),
    (f"pass in proto tcp from any to any port = gopher {KEEP}", "unknown", "port = gopher"),
    (f"pass in proto tcp from any to any port = 99999 {KEEP}", "unknown", "port = 99999"),
    (f"pass in proto tcp from any port = 443 to any {KEEP}", "open", None),  # a sender chooses its port
    (f"pass in inet from 198.51.100.0/24 to any {KEEP}", "open", None),
    (f"pass in inet from 198.51.100.0 - 198.51.100.255 to any {KEEP}", "open", None),
    (f"pass in inet from 10.0.0.9 - 10.0.0.1 to any {KEEP}", "unknown", "the address 10.0.0.9 - 10.0.0.1"),
    (f"pass in inet from ! 198.51.100.0/24 to any {KEEP}", "filtered", None),
    (f"pass in inet from ! 10.0.0.0/8 to any {KEEP}", "open", None),
    (f"pass in from <site> to any {KEEP}", "filtered", None),
    (f"pass in from ! <site> to any {KEEP}", "open", None),
    (f"pass in from <gone> to any {KEEP}", "unknown", "the address <gone>"),
    (f"pass in from any to (en0) {KEEP}", "open", None),
    (f"pass in from (en0:network) to any {KEEP}", "filtered", None),
    (f"pass in from any to (en9) {KEEP}", "unknown", "the address (en9)"),
    (f"pass in from (en0:peer) to any {KEEP}", "unknown", "the address (en0:peer)"),
    (f"pass in from no-route to any {KEEP}", "unknown", "the address no-route"),
    (f"pass in on eth0 all {KEEP}", "open", None),
    (f"pass in on eth all {KEEP}", "open", None),
    (f"pass in on ! eth0 all {KEEP}", "filtered", None),
    (f"pass in on lo0 all {KEEP}", "filtered", None),
    ("pass in proto tcp all flags any keep state", "open", None),
    ("pass in proto tcp all flags FUP/FUP keep state", "filtered", None),
    ("pass in proto tcp all flags S keep state", "unknown", "flags S"),
    ("pass in proto tcp all flags SX/SA keep state", "unknown", "flags SX/SA"),
    ("pass in all no state", "unknown", "no state, so that answers need rules of their own"),
    ("pass in all keep state (max 100, source-track rule)", "open", None),
    ("pass in log (all) quick all modulate state label \"a b\"", "open", None),
    ("pass in reply-to (en0 10.0.0.1) inet all keep state", "open", None),
    ("pass in route-to (en0 10.0.0.1) inet all keep state", "unknown", "route-to (en0 10.0.0.1) inet all keep state"),
    ("pass in all user = 502", "unknown", "user = 502"),
    ("pass in all fragment", "filtered", None),
    ("pass in inet proto icmp all icmp-type echoreq code 0 keep state", "filtered", None),
    ("pass out all keep state", "filtered", None),
    ("pass all keep state", "open", None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected", "doubt"), LINES)
def test_a_line_means_what_pf_means_and_a_word_that_is_not_known_makes_it_doubtful(
    line: str, expected: str, doubt: Optional[str]
) -> None:
    assert exposed(BLOCK, line).outside(listener(), 4).verdict(WORLD) == expected
    assert [test.text for test in parse_line(line, 1, NAMES).tests if isinstance(test, Doubt)] == (
        [doubt] if doubt else []
    )


ORDER = [
    ((), "open", "inet pf filter: policy accept"),
    ((BLOCK,), "filtered", "pf main rule 1: block drop in all"),
    ((BLOCK, "pass in all"), "open", "pf main rule 2: pass in all"),
    (("pass in all", BLOCK), "filtered", "pf main rule 2: block drop in all"),
    (("pass in quick all", BLOCK), "open", "pf main rule 1: pass in quick all"),
    (
        (BLOCK, "block return in quick all", "pass in quick all"),
        "filtered",
        "pf main rule 2: block return in quick all",
    ),
]


@pytest.mark.parametrize(("rules", "expected", "decided_by"), ORDER)
def test_the_last_rule_that_matches_decides_and_a_quick_one_at_once(
    rules: tuple[str, ...], expected: str, decided_by: str
) -> None:
    exposure = exposed(*rules).outside(listener(), 4)
    assert (exposure.verdict(WORLD), exposure.decided_by(WORLD)) == (expected, decided_by)


PASS_WEB = "pass in proto tcp from any to any port = 8000 flags S/SA keep state"
CALLED = [
    # the call, the anchor's rules, what stands behind the call in the main ruleset
    ('anchor "a" all', (PASS_WEB,), (), "open"),
    ('anchor "a" all', (PASS_WEB,), (BLOCK,), "filtered"),
    ('anchor "a" quick all', (PASS_WEB,), (BLOCK,), "open"),
    ('anchor "a" quick all', (PASS_WEB, BLOCK), ("pass in all",), "filtered"),
    ('anchor "a" quick all', ("pass in proto udp all",), (BLOCK,), "filtered"),
    ('anchor "a" all', (f'{PASS_WEB} label "x"', "pass in quick all"), (BLOCK,), "open"),
    ('anchor "a" inet6 all', (PASS_WEB,), (), "filtered"),
    ('anchor "a" in on eth0 proto tcp from 198.51.100.0/24 to any', ("pass in all",), (), "open"),
    ('anchor "a" out all', ("pass in all",), (), "filtered"),
    ('anchor "nosuch" all', ("pass in all",), (), "filtered"),
    ('anchor "*" all', (PASS_WEB,), (), "open"),
    ('anchor "a/*" all', (PASS_WEB,), (), "filtered"),  # of a/* the rules of a itself are none
]


@pytest.mark.parametrize(("call", "inner", "behind", "expected"), CALLED)
def test_an_anchor_is_evaluated_where_it_is_called(
    call: str, inner: tuple[str, ...], behind: tuple[str, ...], expected: str
) -> None:
    texts = {MAIN: Reading("\n".join([BLOCK, call, *behind])), "a": Reading("\n".join(inner))}
    exposer = Exposer(Ruleset((filter_table(PfSources(texts, NAMES), NONE, frozenset()),)), HOST)
    assert exposer.outside(listener(), 4).verdict(WORLD) == expected


def test_loopback_is_filtered_unless_it_is_skipped() -> None:
    here = (0x7F000001, 0x7F000002)
    assert exposed(BLOCK).inside(listener(), 4).verdict(here) == "filtered"
    assert exposed(BLOCK, skipped=("lo",)).inside(listener(), 4).verdict(here) == "open"


REDIRECTS = [
    (("rdr pass on eth0 inet proto tcp from any to any port = 80 -> 203.0.113.10 port 8000",), "open"),
    (("rdr on eth0 inet proto tcp from any to any port = 80 -> 203.0.113.10 port 8000",), "filtered"),
    (("rdr pass on eth1 inet proto tcp from any to any port = 80 -> 203.0.113.10 port 8000",), "filtered"),
    (("no rdr on eth0 inet proto tcp from any to any port = 80",
      "rdr pass on eth0 inet proto tcp from any to any port = 80 -> 203.0.113.10 port 8000"), "filtered"),
    (("nat on eth0 inet from 192.168.64.0/24 to any -> (eth0) round-robin",), "filtered"),
]  # fmt: skip


@pytest.mark.parametrize(("nat", "expected"), REDIRECTS)
def test_a_redirect_leads_to_another_port_and_one_that_passes_needs_no_rule(
    nat: tuple[str, ...], expected: str
) -> None:
    assert exposed(BLOCK, nat=nat).outside(listener(), 4).verdict(WORLD) == expected


TO_LOOPBACK = "inet proto tcp from any to any port = 80 -> 127.0.0.1 port 8080"
LED = [
    ((f"rdr pass on eth0 {TO_LOOPBACK}",), "open"),
    ((f"rdr on eth0 {TO_LOOPBACK}",), "filtered"),  # pf sees the translated address, and no rule passes that
    ((f"rdr pass on eth1 {TO_LOOPBACK}",), "filtered"),
    ((f"no rdr on eth0 {TO_LOOPBACK.partition(' ->')[0]}", f"rdr pass on eth0 {TO_LOOPBACK}"), "filtered"),
    ((f"rdr pass on eth0 {TO_LOOPBACK.replace('8080', '8081')}",), "filtered"),
    ((), "filtered"),
]


@pytest.mark.case("FW4")
@pytest.mark.parametrize(("nat", "expected"), LED)
def test_a_redirect_to_loopback_makes_what_listens_there_reachable(nat: tuple[str, ...], expected: str) -> None:
    here = Listener("tcp", "127.0.0.1", 8080, {}, {4: 0x7F000001})
    assert exposed(BLOCK, nat=nat).outside(here, 4).verdict(WORLD) == expected
    passed = exposed(BLOCK, "pass in on eth0 proto tcp from any to 127.0.0.1 port = 8080", nat=nat)
    behind = "open" if nat[:1] == (f"rdr on eth0 {TO_LOOPBACK}",) else expected
    assert passed.outside(here, 4).verdict(WORLD) == behind


RECORDED = [
    # default deny, a table with an exception, a banned network, a named port
    ("macos-13", 8000, numbers("10.1.0.0/24"), "open"),
    ("macos-13", 8000, numbers("10.0.66.0/24"), "filtered"),
    ("macos-13", 8000, numbers("31.13.24.0/24"), "filtered"),
    ("macos-13", 22, LAN, "open"),
    ("macos-13", 22, WORLD, "filtered"),
    ("macos-13", 5432, LAN, "filtered"),
    ("macos-13", 9999, LAN, "filtered"),
    # an anchor that is called, and one within it that is called quick
    ("macos-15", 8000, LAN, "filtered"),
    ("macos-15", 8001, LAN, "filtered"),  # by the application firewall, which blocks all; pf lets it in
    ("macos-15", 5432, LAN, "filtered"),
]


@pytest.mark.parametrize(("system", "port", "sources", "expected"), RECORDED)
def test_a_socket_is_open_to_those_whom_the_recorded_rules_let_in(
    system: str, port: int, sources: tuple[int, ...], expected: str
) -> None:
    known = facts(host(system))
    assert known.ruleset.why_unavailable(4) == ""
    assert (
        Exposer(known.ruleset, known.network, known.receivers).outside(listener(port), 4).verdict(sources) == expected
    )


def test_the_rule_in_an_anchor_that_decides_is_named_with_its_anchor() -> None:
    known = facts(host("macos-15"))
    exposer = Exposer(Ruleset(tuple(table for table in known.ruleset.tables if table.backend == "pf")), known.network)
    decided = {port: exposer.outside(listener(port), 4).decided_by(LAN) for port in (8000, 8001, 5432)}
    assert decided == {
        8000: "pf com.cryptobot rule 1: block drop in proto tcp from any to any port 8000:8004",
        8001: "pf com.cryptobot/ports rule 1: pass in inet from 192.168.1.0/24 to any flags S/SA keep state",
        5432: "pf com.cryptobot rule 3: block return in quick proto tcp from any to any port = 5432",
    }


def test_an_anchor_that_cannot_be_read_makes_what_it_may_decide_unknown() -> None:
    asked = host(
        "macos-13", **{"pfctl -a com.apple/200.AirDrop -s rules": (1, "", "pfctl: DIOCGETRULES: Invalid argument")}
    )
    known = facts(asked)
    exposure = Exposer(known.ruleset, known.network, known.receivers).outside(listener(), 4)
    assert exposure.verdict(WORLD) == "unknown"
    assert "DIOCGETRULES" in exposure.decided_by(WORLD)


# pfctl ends with 0 where the kernel refuses it what is asked: pfctl.c leaves out what its functions return.
REFUSED = (
    0,
    "",
    "No ALTQ support in kernel\nALTQ related functions disabled\npfctl: DIOCGETRULES: Permission denied\n",
)


@pytest.mark.case("WN1")
@pytest.mark.parametrize("command", ["-s rules", "-s nat", "-v -s Anchors", "-v -s Interfaces"])
def test_a_pfctl_that_ends_with_0_and_complains_has_not_told_that_there_are_no_rules(command: str) -> None:
    known = facts(host("macos-13", **{f"pfctl {command}": REFUSED}))
    exposure = Exposer(known.ruleset, known.network, known.receivers).outside(listener(), 4)
    assert exposure.verdict(WORLD) == "unknown"


@pytest.mark.case("WN1")
@pytest.mark.parametrize("command", ["-s rules", "-s nat"])
def test_what_pfctl_always_says_takes_nothing_away(command: str) -> None:
    plain = host("macos-13")
    usual = (0, str(plain.commands[f"pfctl {command}"]), "No ALTQ support in kernel\nALTQ related functions disabled\n")
    assert facts(host("macos-13", **{f"pfctl {command}": usual})).unavailable == facts(plain).unavailable


@pytest.mark.case("WN1")
def test_a_host_that_shows_not_even_loopback_is_not_one_without_addresses() -> None:
    assert "routes" in facts(host("macos-13", **{"ifconfig -a": ""})).unavailable


def test_a_table_that_cannot_be_read_is_a_blind_spot_and_doubtful() -> None:
    asked = host("macos-13", **{"pfctl -t trusted -T show": (255, "", "pfctl: Table does not exist.")})
    known = facts(asked)
    assert list(known.unavailable) == ["table <trusted> of pf"]
    assert Exposer(known.ruleset, known.network, known.receivers).outside(listener(), 4).verdict(SITE) == "unknown"


TABLES = [
    ("", [], ["10.0.0.1"]),
    ("   10.0.0.0/8\n  !10.0.66.0/24\n   10.0.66.7\n", ["10.0.0.1", "10.0.66.7"], ["10.0.66.8", "11.0.0.1"]),
    ("No ALTQ support in kernel\nALTQ related functions disabled\n   192.0.2.1\n", ["192.0.2.1"], ["192.0.2.2"]),
]


@pytest.mark.parametrize(("shown", "held", "not_held"), TABLES)
def test_of_a_table_the_narrowest_entry_counts(shown: str, held: list[str], not_held: list[str]) -> None:
    found = parse_table(shown)[4]
    assert [contains(found, numbers(address)[0]) for address in held + not_held] == [True] * len(held) + [False] * len(
        not_held
    )


BAD: list[tuple[Any, str]] = [
    (lambda: is_enabled("Status: perhaps"), "expected 'Status: Enabled'"),
    (lambda: parse_table("   10.0.0.0/8\n   nothing\n"), "2"),
    (lambda: parse_line('anchor "x" all {', 3, NAMES), "expected one rule"),
    (lambda: exposed("frobnicate all"), "no action that is known"),
    (lambda: filter_table(PfSources({MAIN: Reading(unavailable="not allowed")}), NONE, frozenset()), "not allowed"),
]


@pytest.mark.parametrize(("asked", "named"), BAD)
def test_what_is_of_another_form_is_named(asked: Any, named: str) -> None:
    with pytest.raises(CoreError, match=named):
        asked()


def test_anchors_that_call_each_other_in_a_circle_are_unknown_and_end() -> None:
    circle = PfSources({MAIN: Reading('anchor "a" all'), "a": Reading('anchor "/a" all')})
    exposer = Exposer(Ruleset((filter_table(circle, PfSources({MAIN: Reading()}), frozenset()),)), HOST)
    assert exposer.outside(listener(), 4).verdict(WORLD) == "unknown"


def test_small_answers_of_pfctl() -> None:
    assert (is_enabled(text("pfctl/macos-13/info")), is_enabled(text("pfctl/macos-14/info"))) == (True, False)
    assert parse_anchors(text("pfctl/macos-12/anchors"))[-1] == "com.apple/250.ApplicationFirewall"
    assert parse_skipped(text("pfctl/macos-13/interfaces")) == {"lo"}
    assert parse_skipped(text("pfctl/macos-12/interfaces")) == frozenset()
    assert parse_services("ssh 22/tcp\nssh 23/udp\n# a 1/tcp\nhttp-alt\t8080/udp www\n") == {
        "ssh": 22,
        "http-alt": 8080,
    }


def test_hostile_rules_are_doubtful_or_exact_and_never_an_end() -> None:
    lines = [line for line in text("pfctl/hostile/rules").splitlines() if line]
    assert len([parse_line(line, 1, NAMES) for line in lines]) == len(lines)
    for line in text("pfctl/hostile/truncated").splitlines():
        parse_line(line, 1, NAMES)


WORDS = st.sampled_from(
    [
        *[
            "pass",
            "block",
            "in",
            "out",
            "quick",
            "log",
            "on",
            "en0",
            "!",
            "inet",
            "inet6",
            "proto",
            "tcp",
            "from",
            "to",
            "any",
            "all",
            "port",
            "=",
            "!=",
            "22",
            "8000:8004",
        ],
        *[
            "><",
            "<",
            "99999",
            "<site>",
            "(en0)",
            "flags",
            "S/SA",
            "keep",
            "state",
            "no",
            "anchor",
            '"x"',
            "rdr",
            "->",
            "{",
            "}",
            "10.0.0.0/8",
            "::1/64",
            "label",
        ],
        *["fragment", "user", "drop", "return", "-", "漢"],
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(WORDS, max_size=14), st.lists(WORDS, max_size=14))
def test_any_words_are_a_rule_or_an_error_and_each_source_gets_one_verdict(rule: list[str], other: list[str]) -> None:
    try:
        exposer = exposed(" ".join(rule), " ".join(other))
    except ParseError:
        return
    assert exposer.outside(listener(), 4).verdict(WORLD) in ("open", "filtered", "limited", "unknown")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_read_or_named(shown: str) -> None:
    readers: list[Any] = [is_enabled, parse_table, parse_anchors, parse_skipped, parse_services]
    for read in (*readers, lambda line: parse_line(line, 1, NAMES)):
        try:
            read(shown)
        except ParseError:
            continue
