# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a walk through chains begins to differ: tracking, nested chains, many doubts, packets after a first."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.evaluate import (
    TOO_MUCH,
    Evaluator,
    Piece,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import merge, spanning
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import Stack
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import Packet
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import (
    ACCEPT,
    DROP,
    GOTO,
    JUMP,
    PREROUTING,
    RETURN,
    XTABLES,
    Chain,
    Doubt,
    FilterRule,
    Match,
    Ruleset,
    Table,
    Test,
    Verdict,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.walk import Budget, Flow, Spent, join

from .small import OWN4, ask, filter_table, numbers, ruleset

SSH = Packet(4, 6, OWN4, 22, 40000, "eth0")
SOURCE = numbers("198.51.100.7")
ESTABLISHED = "-m conntrack --ctstate ESTABLISHED -j ACCEPT"


def verdict(*chains: Chain, packet: Packet = SSH) -> str:
    tables = (Table(XTABLES, "ip", "t", {chain.name: chain for chain in chains}),)
    (piece,) = ask(Ruleset(tables), packet, SOURCE)
    return piece.verdict


def one_of(text: str) -> FilterRule:
    """Return a rule of iptables as it is parsed."""
    (chain,) = (chain for table in ruleset(filter_table(text)).tables for chain in table.chains.values() if chain.rules)
    return chain.rules[0]


TRACKED = [
    ("prerouting", -300, False),
    ("prerouting", -201, False),
    ("prerouting", -199, True),
    ("prerouting", 0, True),
    ("input", -300, True),
]


@pytest.mark.parametrize(("hook", "priority", "tracked"), TRACKED)
def test_a_connection_is_new_from_the_priority_on_at_which_it_is_tracked(
    hook: str, priority: int, tracked: bool
) -> None:
    new = one_of("-A INPUT -m conntrack --ctstate NEW -j DROP")
    assert verdict(Chain("c", (new,), hook, priority)) == ("filtered" if tracked else "open")
    invalid = one_of("-A INPUT -m conntrack --ctstate INVALID -j DROP")
    assert verdict(Chain("c", (invalid,), hook, priority)) == ("open" if tracked else "filtered")


def test_chains_of_one_hook_are_passed_by_their_priority_and_hooks_in_the_kernels_order() -> None:
    mark, marked = one_of("-A INPUT -j MARK --set-xmark 0x1"), one_of("-A INPUT -m mark --mark 0x1 -j DROP")
    first, second = Chain("a", (mark,), "input", -1), Chain("b", (marked,), "input")
    assert [verdict(first, second), verdict(second, first)] == ["filtered", "filtered"]
    assert verdict(Chain("a", (mark,), "input", 1), second) == "open"
    assert verdict(Chain("b", (marked,), "input", -300), Chain("a", (mark,), PREROUTING, 300)) == "filtered"
    assert verdict(second, Chain("a", (mark,), "input", 0)) == "unknown"  # the order of one priority is not told


def nested(count: int, kind: str = JUMP) -> list[Chain]:
    """Return a base chain from which so many others are reached, one from the other; the last one drops."""
    chains = [
        Chain(str(at), (FilterRule("", "", (), (), Verdict(kind, str(at + 1))),), "" if at else "input")
        for at in range(count)
    ]
    return [*chains, Chain(str(count), (FilterRule("", "", (), (), Verdict(DROP)),))]


@pytest.mark.parametrize("kind", [JUMP, GOTO])
def test_chains_are_followed_64_deep(kind: str) -> None:
    assert verdict(*nested(64, kind)) == "filtered"
    with pytest.raises(CoreError, match=r"the chain 65 of the table ip t jumps in a circle"):
        verdict(*nested(65, kind))


Tests = tuple[Test, ...]


def doubling(*pairs: tuple[Tests, Tests], end: str = DROP) -> Ruleset:
    """Return chains of two rules, each with such tests and a jump to the next one; the last chain decides."""
    chains = [
        Chain(str(at), tuple(FilterRule("", "", tests, (), Verdict(JUMP, str(at + 1))) for tests in pair))
        for at, pair in enumerate(pairs)
    ]
    last = Chain(str(len(pairs)), (FilterRule("", "", (), (), Verdict(end)),))
    chains[0] = chains[0]._replace(hook="input")
    return Ruleset((Table(XTABLES, "ip", "t", {chain.name: chain for chain in (*chains, last)}),))


@pytest.mark.parametrize(("tests", "end", "expected"), [((), RETURN, "open"), ((Doubt("?"),), DROP, "unknown")])
def test_a_chain_that_is_reached_in_very_many_ways_is_walked_once_for_each_flow(
    tests: Tests, end: str, expected: str
) -> None:
    asked = Evaluator(doubling(*[(tests, tests)] * 16, end=end), Stack(), Budget(question=500))
    assert [piece.verdict for piece in asked.exchange(SSH, SOURCE)] == [expected]
    assert TOO_MUCH not in [piece.rule for piece in asked.exchange(SSH, SOURCE)]


def halves(bit: int) -> tuple[Tests, Tests]:
    """Return tests of one bit of the source: set, or not."""
    ones = merge(spanning(first, first + (1 << bit) - 1) for first in range(1 << bit, 256, 2 << bit))
    test = Match(("saddr",), ((ones,),), "")
    return (test,), (test._replace(negated=True),)


def test_where_each_way_leads_others_there_the_work_is_bounded_and_the_verdict_unknown() -> None:
    rules = doubling(*map(halves, range(8)))
    for most, expected in (500, {("unknown", TOO_MUCH)}), (5000, {("filtered", ": ")}):
        pieces = Evaluator(rules, Stack(), Budget(question=most)).exchange(SSH, spanning(0, 255))
        assert {(piece.verdict, piece.rule) for piece in pieces} == expected


def work(*rules: FilterRule) -> int:
    """Return how much work a question takes in a host with these rules of the input hook."""
    table = Table(XTABLES, "ip", "t", {"c": Chain("c", rules, "input")})
    totals = (
        (total, Evaluator(Ruleset((table,)), Stack(), Budget(total=total)).exchange(SSH, spanning(0, 255)))
        for total in range(1, 2000)
    )
    return next(total for total, pieces in totals if TOO_MUCH not in {piece.rule for piece in pieces})


def test_work_is_the_way_itself_and_rules_and_both_ways_of_a_doubt_and_the_pieces_of_sets() -> None:
    way, plain, doubtful = work(), FilterRule("", ""), FilterRule("", "", (Doubt("?"),))
    assert way == 24
    assert work(plain) > way
    assert work(doubtful) - work(plain) >= 3
    pieces = [halves(bit)[0] for bit in (7, 2, 0)]  # in 1, 32 and 128 parts
    taken = [FilterRule("", "", tests, (), Verdict(DROP)) for tests in pieces]
    again = [work(first, FilterRule("", "", tests)) - work(first) for first, tests in zip(taken, pieces)]
    assert again[0] < 3
    assert again[1] >= 16
    assert again[2] < 3  # what so large sets have in common is remembered
    assert work(taken[2]) > work(taken[0])


def test_no_question_takes_more_than_300_000_rules_and_no_audit_more_than_a_million() -> None:
    for most in (300_000 - 24, 1_000_000 - 24):
        budget = Budget() if most < 300_000 else Budget(question=9_000_000)
        budget.ask()
        budget.spend(most)
        with pytest.raises(Spent):
            budget.spend(1)


@pytest.mark.parametrize("kind", [JUMP, GOTO])
def test_what_a_chain_does_that_was_not_listed_is_not_known(kind: str) -> None:
    gone = FilterRule("1", "", (), (), Verdict(kind, "gone"))
    assert verdict(Chain("c", (gone, FilterRule("2", "", (), (), Verdict(ACCEPT))), "input")) == "unknown"


def test_an_established_packet_passes_nat_and_meets_the_chains_behind_it() -> None:
    nat = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n"
    new_only = filter_table("-A INPUT -m conntrack --ctstate NEW -j ACCEPT")
    both = filter_table("-A INPUT -m conntrack --ctstate NEW -j ACCEPT", f"-A INPUT {ESTABLISHED}")
    found = [connect(nat + text).verdict for text in (new_only, both)]
    assert found == ["filtered", "open"]


def connect(text: str, packet: Packet = SSH) -> Piece:
    (piece,) = ask(ruleset(text), packet, SOURCE)
    return piece


def test_a_chain_of_nat_behind_a_redirect_is_not_what_let_a_packet_through() -> None:
    nat = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n"
        "-A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 8080\n-A INPUT -j ACCEPT\nCOMMIT\n"
    )
    piece = connect(nat)
    assert (piece.verdict, piece.rule) == (
        "open",
        "ip nat PREROUTING rule 1: -p tcp --dport 22 -j REDIRECT --to-ports 8080",
    )


EXCHANGES = [
    ("both come in", (), "open", "ip filter INPUT: policy accept"),
    ("neither does", ("-A INPUT -i lo -j DROP",), "filtered", "ip filter INPUT rule 1: -i lo -j DROP"),
    ("the answer is stopped", ("-A INPUT -p tcp -m tcp --sport 22 -j DROP",), "filtered",
     "ip filter INPUT rule 1: -p tcp -m tcp --sport 22 -j DROP"),
    ("the answer to the address that asked is stopped",
     ("-A INPUT -d 127.0.0.1 -p tcp -m tcp --dport 40000 -j DROP",), "filtered",
     "ip filter INPUT rule 1: -d 127.0.0.1 -p tcp -m tcp --dport 40000 -j DROP"),
    ("the answer is in doubt", ("-A INPUT -p tcp -m tcp --sport 22 -m time --timestart 08:00 -j DROP",), "unknown",
     "ip filter INPUT rule 1: -p tcp -m tcp --sport 22 -m time --timestart 08:00 -j DROP"),
    ("the question is in doubt and the answer stopped",
     ("-A INPUT -p tcp -m tcp --sport 22 -j DROP", "-A INPUT -m time --timestart 08:00 -j DROP"), "filtered",
     "ip filter INPUT rule 1: -p tcp -m tcp --sport 22 -j DROP"),
    ("an answer from elsewhere is none of it", ("-A INPUT -s 127.0.0.2 -j DROP",), "open",
     "ip filter INPUT: policy accept"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "expected", "rule"), [case[1:] for case in EXCHANGES], ids=[case[0] for case in EXCHANGES]
)
def test_on_the_host_itself_the_question_decides_and_then_its_answer(
    lines: tuple[str, ...], expected: str, rule: str
) -> None:
    text = filter_table(*lines, policy="ACCEPT")
    (piece,) = ask(ruleset(text), Packet(4, 6, 0x7F000001, 22, 40000, "lo"), (0x7F000001, 0x7F000002))
    assert (piece.verdict, piece.rule, piece.sources) == (expected, rule, (0x7F000001, 0x7F000002))


def doubting(count: int) -> list[Flow]:
    return [Flow((at * 2, at * 2 + 1), SSH, ((DROP, f"rule {at}"),)) for at in range(count)]


def test_up_to_64_flows_are_told_apart_by_the_rules_of_their_doubts() -> None:
    assert join(doubting(64)) == doubting(64)
    (one,) = join(doubting(65))
    assert one == Flow(tuple(range(130)), SSH, ((DROP, "rule 0"),))


def test_of_very_many_flows_those_stay_apart_that_may_have_met_different_verdicts() -> None:
    other = Flow((900, 901), SSH, ((ACCEPT, "rule 0"),))
    found = join([*doubting(65), other])
    assert [flow.doubts for flow in found] == [((DROP, "rule 0"),), ((ACCEPT, "rule 0"),)]


def test_flows_that_differ_by_their_sources_only_are_one() -> None:
    flows = [Flow((1, 2), SSH), Flow((2, 3), SSH), Flow((5, 6), SSH, unsure="a rule")]
    assert join(flows) == [Flow((1, 3), SSH), Flow((5, 6), SSH, unsure="a rule")]
    assert join(flows[:1]) == flows[:1]
    assert join([]) == []


def overlapping(verdicts: tuple[str, ...], count: int) -> list[Piece]:
    return [Piece((0, 100 + at), verdict, f"rule {at}", SSH) for at in range(count) for verdict in verdicts]


def test_what_comes_of_many_orders_does_not_multiply_where_a_sender_chooses() -> None:
    evaluator = Evaluator(Ruleset(()), Stack())
    evaluator._budget.ask()
    alike = evaluator._alike(overlapping(("open",), 8), [overlapping(("open",), 8)] * 24, "orders")
    assert [(piece.sources, piece.verdict) for piece in alike] == [((0, 100 + at), "open") for at in range(8)]
    unlike = evaluator._alike(overlapping(("open",), 8), [overlapping(("open", "filtered"), 8)] * 24, "orders")
    assert len(unlike) == 9
    assert {piece.rule for piece in unlike if piece.verdict == "unknown"} == {"orders"}


def test_comparing_orders_is_work_that_has_an_end() -> None:
    few = Evaluator(Ruleset(()), Stack(), Budget(total=10_000, question=100))
    few._budget.ask()
    with pytest.raises(Spent):
        few._alike(overlapping(("open",), 50), [overlapping(("open",), 50)], "orders")
