# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a service whether it is well."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import subprocess
import threading

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceMissing, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Answer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.probe import ask, ask_all, value_at

from .builders import make_service

URL = "http://127.0.0.1:8000/health"

REPLIES = [
    ({}, (200, "{}"), ""),
    ({}, (500, ""), f"{URL} answers 500, expected 200"),
    ({"status": [200, 204]}, (404, ""), "answers 404, expected 200 or 204"),
    ({"status": [503]}, (503, ""), ""),
    ({"body_regex": "health(y|ful)"}, (200, '{"status": "healthy"}'), ""),
    ({"body_regex": "healthy"}, (200, "degraded"), "in which 'healthy' finds nothing"),
    ({"json": {"status": "healthy"}}, (200, '{"status": "healthy"}'), ""),
    ({"json": {"status": "healthy"}}, (200, '{"status": "degraded"}'), "status = 'degraded', expected 'healthy'"),
    ({"json": {"db.0.up": True}}, (200, '{"db": [{"up": true}]}'), ""),
    ({"json": {"db.0.up": True}}, (200, '{"db": []}'), "db.0.up = 'None', expected True"),
    ({"json": {"status": "x"}}, (200, "<html>"), "no JSON"),
    ({}, SourceMissing("an answer"), "an answer does not exist"),
    ({}, ToolTimeout("GET x", 5), "was ended after 5 s"),
]


def _probe(**health):
    return make_service(port=8000, health=health).probe


@pytest.mark.parametrize(("health", "reply", "problem"), REPLIES)
def test_an_answer_is_compared_with_what_is_accepted(health, reply, problem):
    answer = ask(FakeHost(replies={URL: reply}), _probe(**health))
    assert problem in answer.fault if problem else answer.fault == ""


def test_a_well_service_is_asked_as_often_as_declared_and_a_sick_one_once():
    well = ask(FakeHost(replies={URL: (200, "")}), _probe(samples=4))
    sick = ask(FakeHost(replies={URL: (500, "")}), _probe(samples=4))
    assert (len(well.seconds), well.status) == (4, 200)
    assert (len(sick.seconds), sick.status) == (0, 500)


def test_answers_come_in_the_order_of_the_probes():
    other = "http://127.0.0.1:8000/other"
    host = FakeHost(replies={URL: (200, ""), other: (404, "")})
    answers = ask_all(host, [_probe(path="/other"), _probe(), _probe(path="/other")])
    assert [answer.status for answer in answers] == [404, 200, 404]
    assert ask_all(host, []) == []


PERCENTILES = [((), 0.0), ((0.3,), 0.3), ((0.1, 0.2, 0.9), 0.9), (tuple(n / 100 for n in range(1, 101)), 0.95)]


@pytest.mark.parametrize(("seconds", "p95"), PERCENTILES)
def test_the_percentile_is_that_of_nearest_rank(seconds, p95):
    assert Answer(seconds).p95 == p95


def test_a_path_that_leads_nowhere_gives_nothing():
    assert value_at({"a": [1]}, "a.b.c") is None
    assert value_at({"a": [1]}, "a.5") is None


@pytest.fixture
def tls_server(tmp_path):
    """Serve TLS with a certificate of its own that lasts 30 days, and return its port and the certificate's path."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=cryptobot", "-days", "30"]
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, "-keyout", key, "-out", certificate]
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_answer_all, args=(listener, context), daemon=True).start()
    yield listener.getsockname()[1], str(certificate)
    listener.close()


def _answer_all(listener, context):
    while True:
        try:
            with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except OSError:  # a client that does not trust us, or only looked at the certificate
            if listener.fileno() == -1:
                return


def _tls_probe(port, **health):
    return make_service(port=port, health={"path": "/", "scheme": "https", "samples": 1, **health}).probe


def test_the_end_of_a_certificate_is_seen_whoever_signed_it(tls_server):
    answer = ask(choose_host(30), _tls_probe(tls_server[0], tls_verify=False))
    assert (answer.status, answer.fault, answer.certificate_unavailable) == (200, "", "")
    days = (answer.certificate_end - dt.datetime.now(dt.timezone.utc).timestamp()) / 86400
    assert 29 < days < 31


def test_a_certificate_of_an_unknown_authority_is_refused_unless_it_is_named(tls_server):
    port, certificate = tls_server
    assert "CERTIFICATE_VERIFY_FAILED" in ask(choose_host(30), _tls_probe(port)).fault
    assert ask(choose_host(30), _tls_probe(port, ca_path=certificate)).fault == ""
    assert "does not exist" in ask(choose_host(30), _tls_probe(port, ca_path="/nowhere.pem")).fault
