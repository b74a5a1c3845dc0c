# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about ports, addresses, probes and certificates."""

from __future__ import annotations

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.collect import with_answers
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Answer, PidFile
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_network import (
    judge_bind,
    judge_certificate,
    judge_http,
    judge_latency,
    judge_port_owner,
)

from .builders import (
    NOW,
    UPTIME,
    findings_of,
    make_case,
    make_observed,
    make_process,
    make_service,
    make_snapshot,
    make_socket,
    make_unit,
)

DAY = 86400.0
SERVICE = make_service(unit="cryptobot-auth", port=8000)
BOUND = make_service(unit="cryptobot-auth", port=8000, bind="127.0.0.1")
STRAY = make_process(99, command=("python3", "-m", "http.server", "--password", "hunter2"))
WORKER = make_process(42, parent=41)
DEAD = {"unit": make_unit(active="failed", sub="failed"), "main": None}
YOUNG = make_process(began=UPTIME - 3)


def _only(findings):
    (finding,) = findings
    return finding


def _ports(service=SERVICE, sockets=(), blind="", **fields):
    seen = make_observed(service, **fields)
    return _only(findings_of(judge_port_owner, make_case(seen, sockets=sockets, blind=blind, processes={99: STRAY})))


# Who listens, what else is true of the service, the verdict and words of its message.
PORTS = [
    ("its main process", {"sockets": [make_socket()]}, "ok", "auth listens on tcp port 8000"),
    ("its worker", {"sockets": [make_socket(pids=(42,))], "processes": (WORKER,)}, "ok", "listens on"),
    ("nobody", {}, "critical", "runs, but does not listen on tcp port 8000"),
    ("nobody yet", {"main": YOUNG}, "warning", "it may still be getting ready"),
    ("nobody, as it is dead", DEAD, "skipped", "because auth does not run"),
    ("a stranger", {"sockets": [make_socket(pids=(99,))]}, "critical", "pid 99 (python3 -m http.server"),
    ("a stranger, and it is dead", {**DEAD, "sockets": [make_socket(pids=(99,))]}, "critical", "is not auth"),
    ("both", {"sockets": [make_socket(), make_socket(address="0.0.0.0", pids=(99,))]}, "critical", "on 0.0.0.0"),
    (
        "a stranger on another address",
        {"service": BOUND, "sockets": [make_socket(), make_socket(address="10.0.0.1", pids=(99,))]},
        "ok",
        "listens",
    ),
    (
        "a stranger on another address only",
        {"service": BOUND, "sockets": [make_socket(address="10.0.0.1", pids=(99,))]},
        "critical",
        "does not listen",
    ),
    (
        "itself on two addresses, a stranger on one of them",
        {
            "service": BOUND,
            "sockets": [make_socket(), make_socket(address="10.0.0.1"), make_socket(address="10.0.0.1", pids=(99,))],
        },
        "critical",
        "on 10.0.0.1",
    ),
    (
        "a stranger with a worker of its own",
        {"sockets": [make_socket(pids=(99, 100))]},
        "critical",
        "is not auth: pid 99 (",
    ),
    ("an unseen one", {"sockets": [make_socket(pids=())], "blind": "not root"}, "unknown", "by whom: not root"),
    ("the kernel", {"sockets": [make_socket(pids=())]}, "critical", "held by the kernel"),
    (
        "systemd in its stead",
        {"sockets": [make_socket(pids=(1,))], "unit": make_unit(active="inactive", triggered_by=("a.socket",))},
        "ok",
        "listens on",
    ),
    ("systemd for somebody else", {"sockets": [make_socket(pids=(1,))]}, "critical", "is not auth: pid 1"),
    (
        "it cannot be looked at",
        {"blind": "", "unit": None, "pid_file": PidFile("x", denied=True)},
        "unknown",
        "cannot be",
    ),
]


@pytest.mark.parametrize(("fields", "status", "words"), [row[1:] for row in PORTS], ids=[row[0] for row in PORTS])
def test_a_port_must_be_held_by_that_very_service(fields, status, words):
    finding = _ports(**fields)
    assert (finding.status, finding.check) == (status, "services.port_owner")
    assert words in finding.message


def test_the_command_line_of_a_stray_process_is_redacted():
    finding = _ports(sockets=[make_socket(pids=(99,))])
    assert "hunter2" not in finding.message
    assert finding.actual == [99]


def test_two_units_on_one_port_are_told_by_name():
    other = make_process(99, command=("python3", "data.py"), unit="cryptobot-data.service")
    seen = make_observed(SERVICE)
    finding = _only(
        findings_of(judge_port_owner, make_case(seen, sockets=[make_socket(pids=(99,))], processes={99: other}))
    )
    assert "pid 99 (python3 data.py, cryptobot-data.service)" in finding.message


def test_without_a_table_of_sockets_the_owner_is_unknown():
    case = make_case(make_observed(SERVICE), sockets=())
    snapshot = case.snapshot._replace(sockets=None, sockets_unavailable="no /proc")
    finding = _only(findings_of(judge_port_owner, case._replace(snapshot=snapshot)))
    assert (finding.status, finding.message.endswith("no /proc")) == ("unknown", True)


def test_udp_ports_are_looked_for_among_udp_sockets():
    service = make_service(unit="cryptobot-auth", ports=[{"port": 8125, "proto": "udp"}])
    tcp, udp = make_socket(8125), make_socket(8125)._replace(proto="udp")
    assert _ports(service, [tcp]).status == "critical"
    assert _ports(service, [udp]).status == "ok"


def test_a_service_that_is_meant_to_be_stopped_has_no_ports_to_hold():
    service = make_service(unit="cryptobot-auth", port=8000, state="stopped")
    assert list(findings_of(judge_port_owner, make_case(make_observed(service)))) == []


BINDS = [
    ("127.0.0.1", [make_socket()], "ok"),
    ("127.0.0.1", [make_socket(address="0.0.0.0")], "warning"),
    ("127.0.0.1", [make_socket(address="::", v6only=False)], "warning"),
    ("127.0.0.1", [make_socket(address="::ffff:127.0.0.1", v6only=False)], "ok"),
    ("127.0.0.1", [make_socket(), make_socket(address="10.0.0.1")], "warning"),
    ("0.0.0.0", [make_socket(address="0.0.0.0")], "ok"),
    ("0.0.0.0", [make_socket(address="::", v6only=False)], "ok"),
    ("0.0.0.0", [make_socket(address="::", v6only=True)], "warning"),
    ("0.0.0.0", [make_socket(address="::", v6only=None)], "warning"),
    ("0.0.0.0", [make_socket()], "warning"),
    ("::", [make_socket(address="::", v6only=True)], "ok"),
    ("::1", [make_socket(address="::1", v6only=True)], "ok"),
    ("localhost", [make_socket(), make_socket(address="::1")], "ok"),
    ("any", [make_socket(address="::")], "ok"),
    ("any", [make_socket()], "warning"),
    ("10.0.0.1", [make_socket(address="10.0.0.1")], "ok"),
    # only the twin that Windows makes up is excused, no other address beside all of them
    ("0.0.0.0", [make_socket(address="0.0.0.0"), make_socket(address="::", v6only=None)], "ok"),
    ("0.0.0.0", [make_socket(address="0.0.0.0"), make_socket(address="::", v6only=True)], "warning"),
    ("0.0.0.0", [make_socket(address="0.0.0.0"), make_socket()], "warning"),
    ("::1", [make_socket(address="::1"), make_socket(address="::", v6only=None)], "warning"),
]


@pytest.mark.parametrize(("bind", "sockets", "status"), BINDS)
def test_a_service_listens_on_the_declared_address(bind, sockets, status):
    service = make_service(unit="cryptobot-auth", port=8000, bind=bind)
    assert _only(findings_of(judge_bind, make_case(make_observed(service), sockets=sockets))).status == status


@pytest.mark.parametrize(
    ("bind", "sockets"), [(None, [make_socket()]), ("127.0.0.1", []), ("::", [make_socket(pids=(99,))])]
)
def test_without_a_declared_address_or_a_socket_of_its_own_nothing_is_said(bind, sockets):
    service = make_service(unit="cryptobot-auth", port=8000, bind=bind)
    assert list(findings_of(judge_bind, make_case(make_observed(service), sockets=sockets))) == []


def test_each_port_with_a_declared_address_is_looked_at():
    ports = [{"port": 8000}, {"port": 8001, "bind": "127.0.0.1"}, {"port": 8002, "bind": "::1"}]
    service = make_service(unit="cryptobot-auth", ports=ports)
    sockets = [make_socket(8000), make_socket(8001), make_socket(8002)]
    found = findings_of(judge_bind, make_case(make_observed(service), sockets=sockets))
    assert [(f.status, f.message, f.expected, f.actual) for f in found] == [
        ("ok", "auth listens on 127.0.0.1 port 8001, as declared", "127.0.0.1", ["127.0.0.1"]),
        ("warning", "auth listens on 127.0.0.1 port 8002, declared is ::1", "::1", ["127.0.0.1"]),
    ]


PROBED = make_service(unit="cryptobot-auth", port=8000, health={"latency_warn": 0.5})
ANSWERS = [
    (Answer((0.1,), 200), {}, "ok", "is well"),
    (Answer((), 500, "answers 500"), {}, "critical", "answers 500"),
    (Answer((), 500, "answers 500"), {"main": YOUNG}, "warning", "answers 500 (started 3.0 s ago"),
    (None, DEAD, "skipped", "was not asked, because it does not run"),
]


@pytest.mark.parametrize(("answer", "fields", "status", "words"), ANSWERS)
def test_a_service_must_answer_its_probe(answer, fields, status, words):
    finding = _only(findings_of(judge_http, make_case(make_observed(PROBED, answer=answer, **fields))))
    assert (finding.status, finding.check) == (status, "services.http")
    assert words in finding.message


def test_a_service_without_a_probe_is_not_judged_by_one():
    case = make_case(make_observed(SERVICE, answer=Answer((), 500, "bad")))
    assert [list(findings_of(rule, case)) for rule in (judge_http, judge_latency, judge_certificate)] == [[], [], []]


# The answers to a probe that should take at most 0.6 s: status, message and what is noted down in seconds.
LATENCIES = [
    ((0.1, 0.2, 0.6), "ok", "auth answers in 600 ms (95th percentile of 3)", 0.6),
    ((0.7, 0.2), "warning", "auth answers in 700 ms (95th percentile of 2), more than 600 ms", 0.7),
    ((0.61234567,), "warning", "auth answers in 612 ms (95th percentile of 1), more than 600 ms", 0.6123),
]


@pytest.mark.parametrize(("seconds", "status", "message", "actual"), LATENCIES)
def test_a_slow_answer_is_a_warning(seconds, status, message, actual):
    service = make_service(unit="cryptobot-auth", port=8000, health={"latency_warn": 0.6})
    finding = _only(findings_of(judge_latency, make_case(make_observed(service, answer=Answer(seconds, 200)))))
    assert (finding.status, finding.message, finding.expected, finding.actual) == (status, message, 0.6, actual)


def test_a_bad_answer_has_no_latency():
    assert list(findings_of(judge_latency, make_case(make_observed(PROBED, answer=Answer((), 500, "bad"))))) == []


# For how many seconds a certificate lasts that must last 21 days (1814400 s): status, words, and the days noted down.
CERTIFICATES = [
    (22 * DAY, "ok", "ends in 22.0 d", 22.0),
    (1_814_400.0, "ok", "ends in 21.0 d", 21.0),
    (1_814_399.5, "warning", "ends in 21.0 d", 21.0),
    (133_920.0, "warning", "ends in 1.6 d", 1.6),  # 1.55 days
    (0.5, "warning", "ends in 0.5 s", 0.0),
    (0.0, "critical", "ended 0.0 s ago", 0.0),
    (-0.5, "critical", "ended 0.5 s ago", 0.0),
    (-133_920.0, "critical", "ended 1.6 d ago", -1.6),
]


def _certificate(*told):
    service = make_service(unit="cryptobot-auth", port=8000, health={"scheme": "https"})
    answer = Answer((0.1,), 200, "", *told)
    return _only(findings_of(judge_certificate, make_case(make_observed(service, answer=answer))))


@pytest.mark.parametrize(("left", "status", "words", "days"), CERTIFICATES)
def test_a_certificate_must_last(left, status, words, days):
    finding = _certificate(NOW + left)
    assert (finding.status, finding.expected, finding.actual) == (status, "21 days", days)
    assert finding.message == f"the certificate of auth {words}"


@pytest.mark.parametrize(
    ("problem", "words"), [("it speaks no TLS", "it speaks no TLS"), ("", "the service shows no certificate")]
)
def test_a_certificate_that_was_not_seen_is_unknown(problem, words):
    finding = _certificate(None, problem)
    assert (finding.status, finding.message) == ("unknown", words)


# Who listens on the port of the probe (its address is 127.0.0.1): the verdict, and whether it is asked at all.
LISTENERS = [
    ("itself", [make_socket(8000)], "ok", True),
    ("a stranger", [make_socket(8000, pids=(99,))], "skipped", False),
    ("itself there, a stranger on all addresses", [make_socket(8000), make_socket(8000, "::", (99,))], "ok", True),
    (
        "a stranger there, itself on all",
        [make_socket(8000, pids=(99,)), make_socket(8000, "0.0.0.0")],
        "skipped",
        False,
    ),
    ("both there", [make_socket(8000), make_socket(8000, pids=(99,))], "skipped", False),
    ("a stranger on another address", [make_socket(8000), make_socket(8000, "10.0.0.5", (99,))], "ok", True),
    ("only IPv6, by a stranger", [make_socket(8000), make_socket(8000, "::", (99,), v6only=True)], "ok", True),
    ("somebody who is hidden", [make_socket(8000, pids=())], "unknown", True),
]


@pytest.mark.case("SV15")
@pytest.mark.parametrize(
    ("sockets", "status", "asked"), [row[1:] for row in LISTENERS], ids=[row[0] for row in LISTENERS]
)
def test_an_answer_counts_only_if_the_service_itself_gives_it(sockets, status, asked):
    host = FakeHost(replies={"http://127.0.0.1:8000/health?token=t0ps3cret": (200, "{}")})
    service = make_service(unit="cryptobot-auth", port=8000, health={"path": "/health?token=t0ps3cret"})
    snapshot = make_snapshot(make_observed(service), sockets=sockets)
    (seen,) = with_answers(host, snapshot)
    assert (seen.answer is not None) == asked
    case = make_case(seen, sockets=sockets)
    finding = _only(findings_of(judge_http, case))
    assert (finding.status, "t0ps3cret" in finding.message) == (status, False)
    assert [f.status for f in findings_of(judge_latency, case)] == (["ok"] if status == "ok" else [])


@pytest.mark.case("SV15")
def test_a_stranger_that_answers_is_named_as_the_reason():
    stranger = make_process(99, command=("nginx",))
    service = make_service(unit="cryptobot-auth", port=8000, health={})
    fields = {"sockets": [make_socket(8000, pids=(99,))], "processes": {99: stranger}}
    (seen,) = with_answers(FakeHost(), make_snapshot(make_observed(service), **fields))
    assert "port 8000 is held by pid 99 (nginx)" in _only(findings_of(judge_http, make_case(seen))).message


@pytest.mark.case("SV15")
def test_a_port_that_only_the_probe_names_may_be_a_proxys():
    service = make_service(unit="cryptobot-auth", port=8000, health={"port": 443})
    host = FakeHost(replies={"http://127.0.0.1:443/health": (200, "{}")})
    (seen,) = with_answers(host, make_snapshot(make_observed(service), sockets=[make_socket(443, pids=(99,))]))
    assert _only(findings_of(judge_http, make_case(seen))).status == "ok"
