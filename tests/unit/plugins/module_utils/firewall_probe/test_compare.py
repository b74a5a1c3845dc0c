# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others got beside what the rules say: every meeting of an answer and a verdict, and nobody is left uncounted."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.compare import (
    Compared,
    compare,
    read_rows,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.declared import (
    OPT_IN,
    Declared,
    Plan,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.declared import Pair as Place
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.questions import Arrival
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_probe.rules_probe import (
    COMPARE,
    KNOCK,
    RULES,
    Context,
)

OWN = Declared("db1", True, ("10.0.0.5",), "", (22, 23, 5432, 5433), ())
ANSWERS = ("open", "refused", "timeout", "unreachable", "error", "planned", "")
SSHD = "tcp 0.0.0.0:22"


def row(port: int = 22, answer: str = "open", **more: Any) -> dict[str, Any]:
    source = {"address": "10.0.0.5", "source": "10.0.0.7", "proto": "tcp"}
    return {**source, "port": port, "answer": answer, "ms": 1.5, "why": "", **more}


def one(answer: str, verdict: str, listener: str = "", elsewhere: str = "") -> Compared:
    """Return how one answer compares with what the rules say."""
    own = OWN._replace(ports=(22, 23))
    (found,) = compare(
        own, {"app1": [row(answer=answer)]}, lambda *_asked: Arrival(verdict, "a rule", listener, elsewhere)
    )
    return found


# The whole table: by verdict and listener, for open, refused, timeout, unreachable; `-` is not compared.
TABLE = [
    ("filtered", "", "critical ok ok ok"),
    ("filtered", SSHD, "critical ok ok ok"),
    ("open", SSHD, "ok warning warning warning"),
    ("open", "", "critical ok warning warning"),
    ("unknown", "", "unknown unknown unknown unknown"),
    ("unknown", SSHD, "unknown unknown unknown unknown"),
    ("limited", SSHD, "unknown unknown unknown unknown"),
    ("else", "", "unknown unknown unknown unknown"),
]


@pytest.mark.parametrize(("verdict", "listener", "statuses"), TABLE)
def test_every_answer_meets_every_verdict(verdict: str, listener: str, statuses: str) -> None:
    found = [one(answer, verdict, listener) for answer in ANSWERS]
    assert [each.status for each in found] == [*statuses.split(), "unknown", "unknown", "unknown"]
    assert all(each.why for each in found if each.status == "unknown")


def test_an_answer_that_tells_nothing_says_why() -> None:
    (found,) = compare(
        OWN._replace(ports=(22, 23)),
        {"app1": [row(answer="error", why="Too many open files")]},
        lambda *_a: Arrival("", ""),
    )
    assert found.why == "app1 could not tell: Too many open files"


# Where NAT leads to another host: what that one lets in is its own matter.
BEYOND = [("open", "ok ok unknown unknown"), ("filtered", "critical ok ok ok"), ("unknown", "unknown " * 4)]


@pytest.mark.parametrize(("verdict", "statuses"), BEYOND)
def test_what_nat_leads_to_another_host_agrees_as_far_as_it_must(verdict: str, statuses: str) -> None:
    found = [one(answer, verdict, elsewhere="10.9.0.2 port 80") for answer in ANSWERS]
    assert [each.status for each in found] == [*statuses.split(), "unknown", "unknown", "unknown"]
    assert found[2].as_dict()["listener"] == "10.9.0.2 port 80"
    if verdict == "open":
        assert found[2].why == "the rules do not tell: a rule, and what 10.9.0.2 port 80 lets in is not known"


@pytest.mark.parametrize(("answer", "why"), [("planned", "planned"), ("open-ish", "open-ish")])
def test_an_answer_that_is_none_is_quoted(answer: str, why: str) -> None:
    assert one(answer, "open", SSHD).why == f"app1 could not tell: {why}"


def test_a_pair_of_which_nothing_was_heard_is_not_compared() -> None:
    (found,) = compare(OWN._replace(ports=(22, 23)), {"app1": []}, lambda *_a: Arrival("open", "a rule", SSHD))
    assert found.as_dict() == {
        "by": "app1",
        "address": "10.0.0.5",
        "port": 22,
        "proto": "tcp",
        "source": "",
        "answer": "",
        "ms": 0.0,
        "verdict": "unknown",
        "decided_by": "",
        "listener": "",
        "status": "unknown",
        "why": "app1 did not knock",
    }


def test_where_no_route_leads_the_rules_are_not_asked() -> None:
    asked: list[Any] = []

    def ask(*question: Any) -> Arrival:
        asked.append(question)
        return Arrival("open", "a rule", SSHD)

    heard = {"app1": [row(answer="unreachable", source="")]}
    (found,) = compare(OWN._replace(ports=(22, 23)), heard, ask)
    assert (found.status, found.why, asked) == ("unknown", "app1 has no route to 10.0.0.5", [])


def test_the_rules_are_asked_about_exactly_that_connection() -> None:
    asked: list[Any] = []

    def ask(*question: Any) -> Arrival:
        asked.append(question)
        return Arrival("open", "a rule", SSHD)

    compare(OWN, {"app1": [row(22), row(5432, source="10.0.0.8")]}, ask)
    assert asked == [("10.0.0.5", 22, "10.0.0.7"), ("10.0.0.5", 5432, "10.0.0.8")]


# What a host may return that is no row: it costs itself and no other.
ODD_ROWS: list[Any] = [
    None,
    "x",
    7,
    [],
    {},
    row(port="x"),  # type: ignore[arg-type]
    row(address="db1"),
    row(address=None),
    row(source="app1"),
    row(source="fd00::7"),
    row(ms="soon"),
    row(ms=None),
    {name: value for name, value in row().items() if name != "why"},
]


@pytest.mark.parametrize("odd", ODD_ROWS, ids=repr)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_odd_row_costs_itself_alone(odd: Any, place: int) -> None:
    rows = [row(5432), row(5433)]
    rows.insert(place, odd)
    assert sorted(port for _address, port in read_rows(rows)) == [5432, 5433]


@pytest.mark.parametrize("rows", [None, "text", 7, {"a": 1}, True])
def test_what_is_no_list_of_rows_counts_as_none(rows: Any) -> None:
    assert read_rows(rows) == {}
    assert [each.why for each in compare(OWN, {"app1": rows}, lambda *_a: Arrival("", ""))] == [
        "app1 did not knock"
    ] * 2


def test_addresses_are_compared_as_addresses() -> None:
    own = OWN._replace(addresses=("fd00::5",), ports=(22, 23))
    heard = {"app1": [row(address="fd00:0::5", source="fd00::7")]}
    assert [each.status for each in compare(own, heard, lambda *_a: Arrival("open", "", SSHD))] == ["ok"]


def judged(compared: list[Compared], own: Declared = OWN, **more: Any) -> dict[str, list[Finding]]:
    by = tuple(dict.fromkeys(each.by for each in compared))
    found: dict[str, list[Finding]] = {}
    for finding in RULES.judge(Context("db1", "linux", own, compared=tuple(compared), by=by, **more), COMPARE):
        found.setdefault(finding.check, []).append(finding)
    return found


def pair(by: str, status: str, *, port: int = 22, answer: str = "open", why: str = "") -> Compared:
    (found,) = compare(
        OWN._replace(ports=(port, port + 1)), {by: [row(port, answer)]}, lambda *_a: Arrival("filtered", "policy drop")
    )
    return found._replace(status=status, why=why)


def test_ok_says_how_many_agreed_of_how_many_from_which_hosts() -> None:
    (told,) = judged([pair("app1", "ok"), pair("app2", "ok")])["firewall.probe"]
    assert (told.status, told.subject) == ("ok", "tcp")
    assert told.message == "2 of 2 connections from app1, app2 ended as the rules of this host say"
    assert told.actual == {"agreed": 2, "compared": 2, "pairs": 2}


# (statuses of pairs, the status of firewall.probe, how many agreed and were compared)
COUNTS = [
    (["ok"], "ok", 1, 1),
    (["ok", "critical"], "ok", 1, 2),
    (["warning"], "ok", 0, 1),
    (["ok", "unknown"], "unknown", 1, 1),
    (["critical", "unknown"], "unknown", 0, 1),
    (["unknown"], "unknown", 0, 0),
    ([], "unknown", 0, 0),
]


@pytest.mark.parametrize(("statuses", "status", "agreed", "compared"), COUNTS)
def test_what_was_not_compared_is_never_ok(statuses: list[str], status: str, agreed: int, compared: int) -> None:
    found = judged([pair(f"h{at}", each, why="why" if each == "unknown" else "") for at, each in enumerate(statuses)])
    (told,) = found["firewall.probe"]
    assert told.status == status
    assert (told.actual["agreed"], told.actual["compared"], told.actual["pairs"]) == (agreed, compared, len(statuses))
    named = sum(map(len, told.actual.get("not_compared", {}).values()))
    assert told.actual["compared"] + named == len(statuses)  # count in = judged + named
    bad = [each for each in statuses if each in ("critical", "warning")]
    assert [each.status for each in found.get("firewall.probe_disagrees", [])] == bad


def test_each_pair_that_is_not_compared_is_named_with_its_reason() -> None:
    why = "the rules do not tell: a match by time"
    compared = [pair("app1", "unknown", port=22, why="app1 did not knock"), pair("app2", "unknown", port=5432, why=why)]
    (told,) = judged(compared)["firewall.probe"]
    assert told.actual["not_compared"] == {"app1 did not knock": ["tcp 10.0.0.5:22"], why: ["tcp 10.0.0.5:5432"]}
    assert (
        "not compared: app1 did not knock: tcp 10.0.0.5:22; the rules do not tell: a match by time: tcp" in told.message
    )


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (OWN._replace(addresses=(), unusable="ansible_host is 'db1', expected"), "ansible_host is 'db1', expected"),
        (OWN._replace(addresses=()), "no address of this host is declared"),
        (OWN._replace(ports=(1, 65536)), "the policy names more ports than one run knocks at"),
    ],
)
def test_what_nobody_could_knock_at_is_named(own: Declared, reason: str) -> None:
    (told,) = judged([pair("app1", "ok")], own)["firewall.probe"]
    assert told.status == "unknown"
    assert reason in told.actual["not_compared"]


def test_udp_is_named_and_skipped() -> None:
    udp, tcp = judged([pair("app1", "ok")], OWN._replace(udp=("udp 53", "udp 51820")))["firewall.probe"]
    assert (udp.status, udp.subject, tcp.status) == ("skipped", "udp", "ok")
    assert udp.message.startswith("udp 53, udp 51820: not knocked at")


def test_a_plan_compares_nothing_and_is_not_ok() -> None:
    found = judged([], silent="nothing was knocked at: check mode only plans")
    assert [each.status for each in found["firewall.probe"]] == ["skipped"]


def test_hosts_that_got_the_same_are_one_finding_and_others_another() -> None:
    compared = [
        pair("app1", "critical"),
        pair("app2", "critical"),
        pair("app3", "ok"),
        pair("app4", "warning", answer="timeout"),
    ]
    both, late = judged(compared)["firewall.probe_disagrees"]
    assert (both.subject, both.status, both.actual["by"]) == ("tcp 10.0.0.5:22", "critical", ["app1", "app2"])
    assert (
        "connects from app1 (10.0.0.7), app2 (10.0.0.7), but the rules of this host say filtered: policy drop"
        in both.message
    )
    assert "`tcpdump -ni any host 10.0.0.7 and tcp port 22`" in both.remedy
    assert (late.status, late.actual["by"]) == ("warning", ["app4"])
    assert "security group" in late.remedy


@pytest.mark.parametrize(("count", "more"), [(8, ""), (9, " and 1 more"), (20, " and 12 more")])
def test_of_many_hosts_some_are_named_and_all_are_counted(count: int, more: str) -> None:
    (told,) = judged([pair(f"h{at}", "critical") for at in range(count)])["firewall.probe_disagrees"]
    named = ", ".join(f"h{at} (10.0.0.7)" for at in range(8))
    assert f"connects from {named}{more}, but" in told.message
    assert told.message.endswith("; nobody is known to listen")
    assert len(told.actual["by"]) == count


def test_where_somebody_listens_that_is_named_and_the_first_host_is_the_one_to_look_at() -> None:
    listened = [pair(by, "critical")._replace(arrival=Arrival("filtered", "a rule", SSHD)) for by in ("app1", "app2")]
    slow = [listened[0]._replace(heard=listened[0].heard._replace(ms=7.0)), listened[1]]
    (told,) = judged(slow)["firewall.probe_disagrees"]
    assert told.message.endswith(f"; {SSHD} listens")
    beyond = [slow[0]._replace(arrival=Arrival("filtered", "a rule", "", "10.9.0.2 port 80"))]
    assert judged(beyond)["firewall.probe_disagrees"][0].message.endswith("; NAT leads it to 10.9.0.2 port 80")
    assert told.actual["ms"] == 7.0
    assert "On app1 look for NAT" in told.remedy


PAIRS = (Place("db1", "10.0.0.5", 22), Place("db2", "10.0.0.6", 22))
# (who knocks, what is planned and left out, and the findings: status, subject, a word of the message)
KNOCKS = [
    (True, Plan(PAIRS, {}), [("ok", "tcp", "knocked at 2 declared ports of 2 other hosts")]),
    (True, Plan(PAIRS, {"db3": "no address"}), [("unknown", "tcp", "left out: db3: no address")]),
    (True, Plan((), {}), [("unknown", "tcp", "no other host of this run takes part")]),
    (True, Plan(PAIRS, {"db3": OPT_IN}), [("skipped", "not enabled", "db3"), ("ok", "tcp", "2 declared")]),
    (True, Plan((), {"db3": OPT_IN}), [("skipped", "not enabled", "db3"), ("unknown", "tcp", "no other host")]),
    (False, Plan((), {"db3": "no address"}), [("skipped", "tcp", "cryptobot_firewall_probe is not true")]),
]


@pytest.mark.parametrize(("enabled", "plan", "said"), KNOCKS)
def test_what_was_knocked_at_and_what_was_left_out_is_said(enabled: bool, plan: Plan, said: list[Any]) -> None:
    found = RULES.judge(Context("app1", "linux", OWN._replace(enabled=enabled), plan), KNOCK)
    assert [(each.status, each.subject) for each in found] == [(status, subject) for status, subject, _word in said]
    assert all(word in each.message for each, (_status, _subject, word) in zip(found, said))


def test_a_pair_is_shown_with_all_that_led_to_its_outcome() -> None:
    found: Optional[Compared] = one("open", "open", SSHD)
    assert found is not None
    assert found.as_dict() == {
        "by": "app1",
        "address": "10.0.0.5",
        "port": 22,
        "proto": "tcp",
        "source": "10.0.0.7",
        "answer": "open",
        "ms": 1.5,
        "verdict": "open",
        "decided_by": "a rule",
        "listener": SSHD,
        "status": "ok",
        "why": "",
    }


def test_the_steps_have_rules_of_their_own() -> None:
    assert {rule.check.id: (rule.per, rule.many) for rule in RULES.all} == {
        "firewall.probe_knocks": ("knock", False),
        "firewall.probe": ("compare", False),
        "firewall.probe_disagrees": ("compare", True),  # hosts that got different answers at one port
    }
