# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A value on the lines below its name is masked as a whole, and so is one that a sentence tells; measures stay."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.redact import MASK, redact

SECRET = "S3cr3tV4lue9"
# a text, with § for the secret, and what it becomes, with • for the mask
TEXTS = [
    ("password: |\n  §\n  §\nuser: bob", "password: |\n  •\nuser: bob"),
    ("a:\n  password: >-\n    §\n\n    §\n  user: bob", "a:\n  password: >-\n    •\n  user: bob"),
    ("- token: |2+ # why\r\n    §\n  user: bob", "- token: |2+ # why\r\n    •\n  user: bob"),
    ("12:00 ERROR secret: |\n  §\nnext", "12:00 ERROR secret: |\n  •\nnext"),
    ("token: !vault |\n  §\nnext", "token: !vault |\n  •\nnext"),
    ("password:\n  §\nuser: bob", "password:\n  •\nuser: bob"),
    ("tokens:\n- §\n- §\nuser: bob", "tokens:\n- •\nuser: bob".replace("- •", "•")),
    ("credentials:\n  id: §\nuser: bob", "credentials:\n  •\nuser: bob"),
    ('{"password":\n "§",\n "user": "bob"}', '{"password":\n "•",\n "user": "bob"}'),
    ('{"password":\n"§",\n"user": "bob"}', '{"password":\n"•",\n"user": "bob"}'),
    ('  "tokens": [\n    "§",\n    "§"\n  ],\n  "user": 1', '  "tokens": [\n    •\n  ],\n  "user": 1'),
    ('"secret": {"a": "§",\n  "b": "§"\n}, "c"', '"secret": •\n}, "c"'),
    ("SECRET = (\n    '§'\n)", "SECRET = (\n    •\n)"),
    ("- name: API_SECRET\n  value: §\n- name: b", "- name: API_SECRET\n  value: •\n- name: b"),
    ('- name: "API_SECRET"\n  value: "§"\n- name: b', '- name: "API_SECRET"\n  value: "•"\n- name: b'),
    ("- name: API_SECRET\n  value: |\n    §\n- name: b", "- name: API_SECRET\n  value: |\n    •\n- name: b"),
    ("- {name: API_SECRET, value: §}", "- {name: API_SECRET, value: •"),
    (' {"name": "API_SECRET",\n  "value": "§"\n }', ' {"name": "API_SECRET",\n  "value": "•"\n }'),
    (r'"- name: API_SECRET\n  value: §"', r'"- name: API_SECRET\n  value: •'),
    ("password for user bot: §", "password for user bot: •"),
    ("Password for 'bot': hunter two", "Password for 'bot': •"),
    ("password for bot: §", "password for bot: •"),
    ("wrong password (§) for bot", "wrong password (•) for bot"),
    ("invalid api key (§)", "invalid api key (•)"),
    ("SecretStr('§') x", "SecretStr('•') x"),
    ("key=SecretBytes(b'hunter') x", "key=SecretBytes(b'•') x"),
    ("wallet_seed=§ x", "wallet_seed=• x"),
    ("seed_words: legal winner thank", "seed_words: •"),
    ("recovery code is § x", "recovery code is •"),
]


@pytest.mark.case("L9a")
@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_a_value_below_its_name_or_told_by_a_sentence_is_masked_as_a_whole(text: str, shown: str) -> None:
    masked = redact(text.replace("§", SECRET))
    assert masked == shown.replace("•", MASK)
    assert redact(masked) == masked


PLAIN = [
    'violates unique constraint "api_keys_pkey" DETAIL: Key (id)=(5) already exists.',
    'violates unique constraint "users_token_key"\nDETAIL:  Key (id)=(5) already exists.',
    'violates foreign key constraint "session_key_fkey" DETAIL: x',
    "pass: 3, fail: 1",
    "pass=1200, failed=1",
    "tokens: 4096 used",
    '{"max_tokens": 4096, "prompt_tokens":12}',
    "password_min_length=12",
    "secret_rotation_days=30 x",
    "token_ttl: 15m",
    "tokenTtl=3600; a=b",
    "token_expires_at: 2026-11-29T10:00:00Z",
    '"session_key_max_age": "7 days"',
    "token_count=5.",
    "invalid token (expired)",
    "wrong password (401)",
    "bad secret (API_SECRET)",
    "the password (see the docs) of bob",
    "password for user bob: ",
    "credentials of bob: refused by the server",
    "Access denied for user 'bob'@'localhost' (using password: YES)",
    "token for user bob: expired",
    "no password:\nnext line",
    "the new token:\n  at line 3",
    "token:\nnext: 1",
    "- name: API_SECRET\n  valueFrom: x",
    "- name: USER\n  value: bob",
    "random seed: 42, seed=42",
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_counts_measures_or_says_something_of_a_credential_stays(text: str) -> None:
    assert redact(text) == text


def test_a_number_that_measures_nothing_is_a_secret() -> None:
    for name in ("password", "token", "pass", "password_length", "tokens", "secret_days"):
        assert SECRET not in redact(f"{name}={SECRET}")
    assert redact("password=123456 pass: 123456") == f"password={MASK} pass: {MASK}"


OWN = "Жéж日😀"  # letters that no style has
WORDS = st.text(st.sampled_from(OWN * 4 + "\"'`\\ ,;&=:{}[]()<>%$#@!/+|"), min_size=4, max_size=24)
STYLES: dict[str, Callable[[str], str]] = {
    "a literal scalar": lambda secret: f"a:\n  token: |\n{textwrap.indent(secret, '    ж')}\n  b: c",
    "a folded scalar": lambda secret: f"token: >-\n  ж{secret}\n\n  ж{secret}\nb: c",
    "the next line": lambda secret: f"- token:\n    ж{secret}\n  b: c",
    "a list": lambda secret: f"tokens:\n  - ж{secret}\n  - ж{secret}\nb: c",
    "JSON for people": lambda secret: json.dumps(
        {"tokens": [secret, [secret]], "b": "c"}, indent=2, ensure_ascii=False
    ),
    "JSON, a mapping": lambda secret: json.dumps(
        {"a": {"secret": {"x": secret}, "b": 1}}, indent=1, ensure_ascii=False
    ),
    "JSON, pairs": lambda secret: json.dumps([{"name": "API_SECRET", "value": secret}], indent=4, ensure_ascii=False),
    "a pair": lambda secret: f"- name: API_SECRET\n  value: ж{secret}\n- name: b",
    "a user": lambda secret: f"password for user bob: ж{secret}",
}


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=60)
@given(WORDS)
def test_nothing_of_such_a_secret_is_left_wherever_the_text_is_cut(style: str, secret: str) -> None:
    text = STYLES[style](secret)
    for end in range(len(text) + 1):
        assert not set(redact(text[:end])) & set(OWN), (text[:end], redact(text[:end]))
    assert redact(redact(text)) == redact(text)


HOSTILE = [
    "token:\n",
    "token: |\n",
    "token: |\n ",
    "token: | # ",
    "token:\n\n",
    " token:\n" + " " * 200,
    '"token": {\n',
    '"token": {"a',
    "- name: token\n value: ",
    "name: token\n\n\n",
    "password for a: ",
    "wrong password (a1b2) ",
    "token_ttl=1 ",
    "token" + "_" * 120,
]


@pytest.mark.parametrize("part", HOSTILE)
def test_a_hostile_text_of_a_megabyte_costs_no_more_than_its_length_suggests(part: str) -> None:
    text = (part * (1_000_000 // len(part) + 1))[:1_000_000]
    begun = time.process_time()
    redact(text)
    assert time.process_time() - begun < 10  # it takes below three; what grows by the square takes hours
