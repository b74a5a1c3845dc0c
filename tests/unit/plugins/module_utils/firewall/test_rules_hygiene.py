# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules that never decide, that nobody uses, that are past by their own comment: what is shown, and no more."""

from __future__ import annotations

import datetime as dt
from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.history import Baseline, name_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    ACCEPT,
    DROP,
    NFT,
    Chain,
    Doubt,
    Effect,
    FilterRule,
    Match,
    Ruleset,
    Table,
    Verdict,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import RULES

from .audits import ESTABLISHED, MAYBE, NOT_SEEN, audit, found, only
from .small import HOST, filter_table, ruleset


def several(made: Context, check: str) -> list[Finding]:
    return [finding for finding in RULES.judge(made) if finding.check == f"firewall.{check}"]


def closed(*lines: str) -> Ruleset:
    """Return rules of IPv4 that deny by default."""
    return ruleset(filter_table(*(f"-A INPUT {line}" for line in lines)))


OUTSIDE = "to the outside"
EFFECTS = [
    # what is allowed: closed, open by another rule, partly, not about the outside, not told by ports
    ("-p tcp --dport 5 -j DROP", "-s 10.0.0.5 -p tcp --dport 5 -j ACCEPT", f"; what it allows stays closed {OUTSIDE}"),
    ("-p tcp --dport 5 -j DROP", "-s 127.0.0.1/32 -p tcp --dport 5 -j ACCEPT", ""),
    ("-p tcp -j DROP", "-p tcp -s 10.0.0.5 -j ACCEPT", ""),
    ("-p tcp --dport 1:100 -j DROP", "-p tcp --dport 1:65 -j ACCEPT", ""),
    ("-p tcp --dport 1:100 -j DROP", "-p tcp --dport 1:64 -j ACCEPT", f"; what it allows stays closed {OUTSIDE}"),
    # what is stopped: open, and closed all the same
    ("-p tcp --dport 5 -j ACCEPT", "-s 10.0.0.5 -p tcp --dport 5 -j DROP", f"; what it stops stays open {OUTSIDE}"),
    # of no protocol: both are asked about
    (
        "-p all -s 10.0.0.5 -j DROP",
        "-s 10.0.0.5 -p udp --dport 5 -j ACCEPT",
        f"; what it allows stays closed {OUTSIDE}",
    ),
]


@pytest.mark.case("FW46")
@pytest.mark.parametrize(("early", "late", "effect"), EFFECTS)
def test_what_comes_of_a_void_rule_is_said_where_the_model_shows_it(early: str, late: str, effect: str) -> None:
    finding = only(audit(closed("-i lo -j ACCEPT", early, late)), "shadowed_rule")
    assert finding.message == (
        f"ip filter INPUT rule 3: {late} never decides, because ip filter INPUT rule 2: {early} takes precedence"
        f"{effect}"
    )


@pytest.mark.case("FW46")
def test_of_what_the_host_sends_itself_nothing_is_said() -> None:
    made = audit(closed("-i lo -p tcp --dport 5 -j DROP", "-i lo -p tcp --dport 5 -j ACCEPT"))
    assert only(made, "shadowed_rule").message.endswith("-j DROP takes precedence")


@pytest.mark.case("FW46")
def test_a_void_rule_whose_packets_another_way_lets_in_is_not_called_closed() -> None:
    jumped = ["-A INPUT -p tcp --dport 5 -s 10.0.0.0/8 -j ACCEPT", "-A INPUT -j A"]
    void = ["-A A -p tcp --dport 5 -j DROP", "-A A -p tcp --dport 5 -s 10.0.0.5 -j ACCEPT"]
    finding = only(audit(ruleset(filter_table(*jumped, *void, chains="A"))), "shadowed_rule")
    assert finding.message.endswith("takes precedence; what it allows is open to the outside all the same")


@pytest.mark.case("FW46")
def test_where_the_verdicts_differ_nothing_is_said_of_the_effect() -> None:
    rules = closed("-s 10.0.0.0/9 -p tcp --dport 5 -j ACCEPT")
    jumped = ["-A INPUT -p tcp --dport 5 -s 10.0.0.0/9 -j ACCEPT", "-A INPUT -j A"]
    void = ["-A A -p tcp --dport 5 -j DROP", "-A A -p tcp --dport 5 -s 10.0.0.0/8 -j ACCEPT"]
    finding = only(audit(ruleset(filter_table(*jumped, *void, chains="A"))), "shadowed_rule")
    assert finding.message.endswith("-j DROP takes precedence")
    assert found(audit(rules), "shadowed_rule") == [("ok", "kernel rules")]


def test_of_a_family_that_the_host_does_not_have_nothing_is_said() -> None:
    lines = ["-A INPUT -p tcp --dport 5 -j DROP", "-A INPUT -p tcp --dport 5 -j ACCEPT"]
    only6 = audit(ruleset("", filter_table(*lines)), network=HOST._replace(addresses={4: HOST.addresses[4], 6: ()}))
    assert only(only6, "shadowed_rule").message.endswith("-j DROP takes precedence")


DUPLICATES = [
    (("-p tcp --dport 5 -j ACCEPT", "-p tcp --dport 5 -j ACCEPT"), ["2"]),
    (("-p tcp --dport 5 -j ACCEPT", "-s 10.0.0.5 -p tcp --dport 5 -j ACCEPT"), ["2"]),
    (("-s 10.0.0.5 -p tcp --dport 5 -j ACCEPT", "-p tcp --dport 5 -j ACCEPT"), []),
    (("-j DROP", "-p tcp -j REJECT"), ["2"]),
    (("-p tcp -j REJECT", "-p tcp --dport 5 -j DROP"), ["2"]),
    (("-m limit --limit 3/min -j ACCEPT", "-m limit --limit 3/min -j ACCEPT"), []),
    ((f"{MAYBE} -j ACCEPT", f"{MAYBE} -j ACCEPT"), []),
    (("-p tcp -j ACCEPT", f"-p tcp {MAYBE} -j ACCEPT"), ["2"]),
    (("-p tcp -j ACCEPT", "-p tcp -j DROP", "-p tcp --dport 5 -j ACCEPT"), ["3"]),  # and the second is void
    (("-p tcp -j LOG", "-p tcp -j LOG"), []),
    (("-p tcp -j ACCEPT", "-p udp -j ACCEPT"), []),
    (("-p tcp -j ACCEPT", "-p tcp -j ACCEPT", "-p tcp -j ACCEPT"), ["2", "3"]),
]


@pytest.mark.parametrize(("lines", "expected"), DUPLICATES)
def test_a_rule_that_says_what_an_earlier_one_says_is_a_duplicate(lines: tuple[str, ...], expected: list[str]) -> None:
    made = [each for each in several(audit(closed(*lines)), "duplicate_rule") if each.status == "warning"]
    assert [each.subject[-1] for each in made] == expected


def test_a_duplicate_is_told_with_the_one_that_it_repeats() -> None:
    finding = only(audit(closed("-p tcp -j ACCEPT", "-p tcp --dport 5 -j ACCEPT")), "duplicate_rule")
    assert (finding.expected, finding.actual) == ("accept", "accept")
    assert finding.message == (
        "ip filter INPUT rule 2: -p tcp --dport 5 -j ACCEPT never decides, because ip filter INPUT rule 1: "
        "-p tcp -j ACCEPT takes precedence; it says the same of all that this one names"
    )


def asking(field: str, number: int) -> Match:
    return Match((field,), (((number, number + 1),),), field)


def rule(where: str, verdict: str = "", *tests: Any, **values: Any) -> FilterRule:
    return FilterRule(where, "x", tests, verdict=Verdict(verdict) if verdict else None, **values)


def chains(*rules: FilterRule, dormant: bool = False, **others: tuple[FilterRule, ...]) -> Ruleset:
    made = {
        "in": Chain("in", rules, "input", policy=DROP),
        **{name: Chain(name, more) for name, more in others.items()},
    }
    return Ruleset((Table(NFT, "inet", "t", made, dormant),))


MARK = Effect("mark", 1)
TESTED = asking("mark", 1)
CHANGED = [
    ("nothing between", (), {}, ["2"]),
    ("a mark between", (rule("m", effects=(MARK,)),), {}, []),
    ("another field between", (rule("m", effects=(Effect("ct_mark", 1),)),), {}, ["2"]),
    ("a mark in a chain between", (rule("m", "jump"),), {"": (rule("c", effects=(MARK,)),)}, []),
    ("a chain without effect between", (rule("m", "jump"),), {"": (rule("c"),)}, ["2"]),
]


@pytest.mark.parametrize(("between", "others", "expected"), [case[1:] for case in CHANGED], ids=[c[0] for c in CHANGED])
def test_a_rule_is_not_void_where_what_the_earlier_one_tests_may_have_been_changed(
    between: tuple[FilterRule, ...], others: dict[str, tuple[FilterRule, ...]], expected: list[str]
) -> None:
    rules = (rule("1", DROP, TESTED), *between, rule("2", ACCEPT, TESTED, asking("dport", 5)))
    made = [each for each in several(audit(chains(*rules, **others)), "shadowed_rule") if each.status == "warning"]
    assert [each.subject for each in made] == expected


def test_a_rule_is_void_where_all_parts_that_the_model_has_of_it_are() -> None:
    early = rule("1", DROP, asking("dport", 5))
    parts = (rule("2", ACCEPT, asking("dport", 5)), rule("2", ACCEPT, asking("dport", 6)))
    assert found(audit(chains(early, *parts)), "shadowed_rule") == [("ok", "kernel rules")]
    both = (parts[0], rule("2", ACCEPT, asking("dport", 5), asking("proto", 6)))
    assert found(audit(chains(early, *both)), "shadowed_rule") == [("warning", "2")]


def test_parts_of_one_rule_repeat_none() -> None:
    parts = (rule("2", ACCEPT, asking("proto", 6)), rule("2", ACCEPT, asking("proto", 6), asking("dport", 5)))
    assert found(audit(chains(*parts)), "duplicate_rule") == [("ok", "kernel rules")]


def test_a_rule_whose_parts_lie_behind_both_kinds_is_void_and_no_duplicate() -> None:
    early = (rule("1", DROP, asking("dport", 5)), rule("2", ACCEPT, asking("dport", 6)))
    made = audit(chains(*early, rule("3", ACCEPT, asking("dport", 5)), rule("3", ACCEPT, asking("dport", 6))))
    assert found(made, "shadowed_rule") == [("warning", "3")]
    assert found(made, "duplicate_rule") == [("ok", "kernel rules")]


def test_rules_of_a_table_that_sleeps_and_those_that_nobody_wrote_are_left_alone() -> None:
    twice = (rule("1", ACCEPT), rule("2", ACCEPT))
    assert found(audit(chains(*twice, dormant=True)), "duplicate_rule") == [("ok", "kernel rules")]
    implied = audit(chains(twice[0], twice[1]._replace(implied=True)))
    assert found(implied, "duplicate_rule") == [("ok", "kernel rules")]


NOW = 1_800_000_000.0
DAY = 86400.0
IDLE, USED = rule("1", ACCEPT, asking("dport", 5), packets=0), rule("2", ACCEPT, packets=7)


def remembered(days: float, packets: int = 7, boot_id: str = "b") -> Baseline:
    return Baseline(boot_id=boot_id, packets=packets, unused={name_of(IDLE): NOW - days * DAY})


DEAD = [
    ("below a month", remembered(29.9), (IDLE, USED), [("skipped", "counters that are young")]),
    ("a month", remembered(30), (IDLE, USED), [("warning", "1")]),
    ("above it", remembered(31), (IDLE, USED), [("warning", "1")]),
    ("counters that began anew", remembered(31, packets=8), (IDLE, USED), [("skipped", "counters that are young")]),
    ("another boot", remembered(31, boot_id="a"), (IDLE, USED), [("skipped", "counters that are young")]),
    ("nothing remembered", Baseline(), (IDLE, USED), [("skipped", "counters that are young")]),
    ("all used", remembered(31), (USED,), [("ok", "kernel rules")]),
    ("a rule that stops", remembered(31), (rule("1", DROP, packets=0), USED), [("ok", "kernel rules")]),
    ("no counter", remembered(31), (rule("1", ACCEPT),), [("skipped", "rules without a counter")]),
    (
        "one of each kind",
        remembered(31),
        (IDLE, rule("3", ACCEPT, asking("dport", 6), packets=0), rule("4", ACCEPT), USED),
        [("warning", "1"), ("skipped", "counters that are young"), ("skipped", "rules without a counter")],
    ),
    ("two parts of one rule", remembered(31), (IDLE, IDLE, USED), [("warning", "1")]),
]


@pytest.mark.parametrize(("history", "rules", "expected"), [case[1:] for case in DEAD], ids=[case[0] for case in DEAD])
def test_a_rule_is_dead_where_its_counter_is_known_to_have_stood_for_a_month(
    history: Baseline, rules: tuple[FilterRule, ...], expected: list[tuple[str, str]]
) -> None:
    made = audit(chains(*rules), history=history, now=NOW, boot_id="b")
    assert found(made, "dead_rule") == expected


def test_a_dead_rule_is_told_with_the_reach_of_its_counter() -> None:
    made = audit(chains(IDLE, USED), history=remembered(31), now=NOW, boot_id="b")
    assert only(made, "dead_rule").message == (
        "1: x has counted no packet, as far back as its counter is known to reach: 2026-12-15 08:00 UTC"
    )


def test_rules_without_a_counter_are_counted_and_named() -> None:
    made = audit(chains(*(rule(f"r{at}", ACCEPT) for at in range(6)), USED))
    assert only(made, "dead_rule").message == (
        "6 of 7 rules that allow have no counter, so nothing tells whether they are used: r0, r1, r2, r3, r4 and 1 more"
    )


def test_where_rules_were_not_seen_none_is_called_used() -> None:
    assert found(audit(NOT_SEEN), "dead_rule") == found(audit(NOT_SEEN), "rule_expired") == []
    blind = audit(closed(ESTABLISHED.partition(" INPUT ")[2]), network=HOST._replace(unavailable="denied"))
    assert found(blind, "duplicate_rule") == []


COMMENTS: list[tuple[str, Optional[str]]] = [
    ("until 2026-11-21", "warning"),
    ("until 2026-11-22", "ok"),  # the day itself
    ("for the audit, till 2026/11/21", "warning"),
    ("Expires: 2026.11.21 (ops)", "warning"),
    ("expires=2026-11-21", "warning"),
    ("expiry 2026-11-21", "warning"),
    ("valid to 2026-11-21", "warning"),
    ("remove after 2026-11-21", "warning"),
    ("expires on 2026-11-21", "warning"),
    ("temporary, since 2026-11-21", None),
    ("added 2026-11-21", None),
    ("until 2026-13-41", None),
    ("until further notice, see 2026-11-21", None),
    ("until 2026-11-21, or until 2026-11-23", None),  # which of them holds is for a reader to say
    ("until 2026-11-211", None),
    ("", None),
]


@pytest.mark.parametrize(("comment", "expected"), COMMENTS)
def test_a_comment_with_a_last_day_that_is_past_is_told(comment: str, expected: Optional[str]) -> None:
    made = audit(chains(rule("1", ACCEPT, comment=comment)), today=dt.date(2026, 11, 22))
    (finding,) = several(made, "rule_expired")
    assert finding.status == (expected or "ok")
    assert finding.message.startswith(
        "1: x: its comment" if expected == "warning" else f"of {int(bool(expected))} rules"
    )


def test_comments_count_on_every_way_and_once_for_a_rule() -> None:
    old = rule("1", DROP, comment="until 2026-11-21")
    beside = Table(NFT, "inet", "t", {"fw": Chain("fw", (old, old), "forward")})
    (finding,) = several(audit(Ruleset((beside,))), "rule_expired")
    assert finding.message == "1: x: its comment says 'until 2026-11-21', and 2026-11-21 is past"
    assert (finding.subject, finding.expected, finding.actual) == ("1", "2026-11-22 or later", "2026-11-21")


def test_a_doubt_hides_no_void_rule_and_makes_none() -> None:
    early = rule("1", DROP, asking("dport", 5), Doubt("the hour"))
    assert found(audit(chains(early, rule("2", ACCEPT, asking("dport", 5)))), "shadowed_rule") == [
        ("ok", "kernel rules")
    ]
