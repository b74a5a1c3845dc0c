# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redaction: nothing that looks like a credential leaves the host, and plain text stays readable."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.redact import MASK, redact

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7x\nqqqqqqqq\n-----END RSA PRIVATE KEY-----"

# text, what of it must not be left, what must be left
SECRETS = [
    ("password=hunter22", "hunter22", "password="),
    ("PGPASSWORD=hunter22 psql -h db", "hunter22", "psql -h db"),
    ("BINANCE_API_SECRET: hunter22", "hunter22", "BINANCE_API_SECRET"),
    ('{"api_key": "hunter22", "user": "bob"}', "hunter22", '"user": "bob"'),
    ("{'apiKey': 'hunter22', 'user': 'bob'}", "hunter22", "'user': 'bob'"),
    ('password="hunter 22 with words", port=1', "22 with words", "port=1"),
    ("password='hunter,22;with}marks' x", "with}marks", " x"),
    ('secret: "a\\"hunter22"', "hunter22", "secret"),
    ("user=bob&password=hunter22&other=1", "hunter22", "other=1"),
    ("pg_dump --password hunter22 -d main", "hunter22", "-d main"),
    ("Authorization: Bearer hunter22hunter22", "hunter22", "Authorization"),
    ("Authorization: Basic aHVudGVyMjI6aHVudGVy", "aHVudGVy", "Authorization"),
    ("authorization=Token hunter22hunter22", "hunter22", "authorization"),
    ("curl -H 'Authorization: Bearer hunter22hunter22' http://x/", "hunter22", "http://x/"),
    ("sent bearer hunter22hunter22 to", "hunter22", "to"),
    ("postgresql://cryptobot:hunter22@localhost/main", "hunter22", "@localhost/main"),
    ("postgresql://cryptobot:hunt/er22@localhost/main", "hunt/er22", "localhost/main"),
    ("redis://:hunter22@localhost:6379/0", "hunter22", "localhost:6379/0"),
    ("amqp://bob:hunt@er22@localhost", "er22", "localhost"),
    ("POSTGRESQL://bob:hunter22@localhost", "hunter22", "localhost"),
    (f"session {JWT} ended", "dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g", "ended"),
    (f"wrote {PEM} to disk", "qqqqqqqq", "to disk"),
    ("key ak_0123456789abcdef used", "0123456789abcdef", "used"),
    ("Password reset token for bob@example.org: hunter22hunter", "hunter22hunter", "Password reset token"),
    ('{\\"api_key\\": \\"hunter22\\", \\"user\\": 1}', "hunter22", "user"),
    ("passphrase=hunter22", "hunter22", "passphrase="),
    ("private-key=hunter22", "hunter22", "private-key="),
    ("DSN=hunter22", "hunter22", "DSN="),
    ("credentials: hunter22", "hunter22", "credentials"),
]

PLAIN = [
    "",
    "the password was changed",
    "GET /api/orders HTTP/1.1 200",
    "connecting to postgresql://localhost:5432/main",
    "http://127.0.0.1:8000/health answered 200",
    "2025-05-19 10:00:00,123 - trade - ERROR - order 42 rejected: size 0.001 @ 27000.5",
    "token bucket refilled",
    "basic checks passed",
    "basic information follows",
    "tests passed: 12 of 12",
    "http://127.0.0.1:8000/users/bob@example.org answered 200",
]


@pytest.mark.parametrize(("text", "secret", "left"), SECRETS)
def test_a_credential_is_masked_and_the_rest_stays(text: str, secret: str, left: str) -> None:
    shown = redact(text)
    assert secret not in shown
    assert MASK in shown
    assert left in shown


@pytest.mark.parametrize("text", PLAIN)
def test_text_without_a_credential_is_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(("text", "_secret", "_left"), SECRETS)
def test_what_was_redacted_once_is_not_changed_again(text: str, _secret: str, _left: str) -> None:
    assert redact(redact(text)) == redact(text)


NAMES = ["password", "api_key", "API_SECRET", "token", "db_password", "x-auth-token"]
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="\"',;&}*\\"), min_size=6)


@given(st.sampled_from(NAMES), st.sampled_from(["=", ": ", '": "']), VALUES)
def test_the_value_of_a_credentials_name_never_survives(name: str, sign: str, value: str) -> None:
    assert value not in redact(f"before {name}{sign}{value} after").replace("before", "").replace("after", "")


@given(st.text(max_size=200))
def test_any_text_can_be_redacted(text: str) -> None:
    redact(text)


HOSTILE = [
    "token" * 20_000,
    "a://" * 20_000,
    "a://b:" * 20_000,
    "--password" * 10_000,
    "x" * 200_000,
    "eyJ" * 50_000,
    "eyJaaaaaa-" * 10_000,
    "password" + " " * 100_000,
    "-----BEGIN PRIVATE KEY-----" * 5_000,
    "bearer " + "a" * 100_000,
]


def test_a_long_hostile_line_costs_no_more_than_its_length_suggests() -> None:
    begun = time.process_time()
    for line in HOSTILE:
        redact(line)
    assert time.process_time() - begun < 8  # an unbounded repetition takes minutes
