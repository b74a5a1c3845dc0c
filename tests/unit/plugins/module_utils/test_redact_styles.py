# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""However a credential was written down, nothing of it is left; sentences about credentials stay readable."""

from __future__ import annotations

import html
import json
import shlex
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.redact import MASK, redact, tells_secret

KEYS = ["password", "passwd", "api_key", "api-secret", "BINANCE_API_SECRET", "x-auth-token", "secretKey", "private_key"]
KEYS += ["credentials", "access_token", "X-MBX-APIKEY", "DB_PASS", "signature", "listenKey", "Authorization", "Cookie"]

# Letters that stand in no key and in no style: none of them may be left. Around them is what ends or opens something.
OWN = "QJVéж日😀"
SECRET = st.text(st.sampled_from(OWN * 4 + "\"'`\\ ,;&=:{}[]()<>%$#@!/+|"), min_size=4, max_size=24)

Style = Callable[[str, str], str]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


QUOTED: dict[str, Style] = {
    "JSON": lambda key, secret: _json({"a": 1, key: secret, "b": "c"}),
    "JSON, compact and ASCII": lambda key, secret: json.dumps({key: secret, "b": "c"}, separators=(",", ":")),
    "JSON in JSON": lambda key, secret: _json({"body": _json({key: secret, "b": "c"})}),
    "JSON in JSON in JSON": lambda key, secret: _json([_json({"body": _json({key: secret, "b": "c"})})]),
    "JSON in Python": lambda key, secret: repr({"body": _json({key: secret, "b": "c"})}),
    "JSON in JSON in Python": lambda key, secret: repr([_json({"body": _json({key: secret, "b": "c"})})]),
    "a list in JSON": lambda key, secret: _json({key: [secret, secret], "b": "c"}),
    "a mapping in JSON": lambda key, secret: _json({key: {"value": secret}, "b": "c"}),
    "a list in JSON in JSON": lambda key, secret: _json(_json({key: [secret], "b": "c"})),
    "name and value in JSON": lambda key, secret: _json([{"name": key, "value": secret}, "c"]),
    "two in JSON": lambda key, secret: _json({key: secret, "token": secret, "b": "c"}),
    "two in JSON in JSON": lambda key, secret: _json(_json({key: secret, "token": secret, "b": "c"})),
    "two in Python": lambda key, secret: repr({key: secret, "token": secret, "b": "c"}),
    "two in a shell": lambda key, secret: f"{key}={shlex.quote(secret + ' ')} TOKEN={shlex.quote(' ' + secret)} run",
    "Python": lambda key, secret: repr({"a": 1, key: secret, "b": "c"}),
    "Python in Python": lambda key, secret: repr([repr({key: secret, "b": "c"})]),
    "Python, bytes": lambda key, secret: repr({key.encode(): secret.encode(), "b": "c"}),
    "Python, an argument": lambda key, secret: f"connect({key}={secret!r}, port=1)",
    "Python, bytes of an argument": lambda key, secret: f"connect({key}={secret.encode()!r}, port=1)",
    "Python 2": lambda key, secret: f"{key}: u{secret!r}",
    "Python, a pair": lambda key, secret: repr([(key, secret), ("b", "c")]),
    "Python, a pair of bytes": lambda key, secret: repr([(key.encode(), secret.encode()), ("b", "c")]),
    "Python, a command": lambda key, secret: repr(["run", f"--{key}", secret, "c"]),
    "Python, an item": lambda key, secret: f"environ[{key!r}] = {secret!r}",
    "Ruby": lambda key, secret: f'{{:{key}=>{_json(secret)}, :b=>"c"}}',
    "Go": lambda key, secret: f"{key}:{_json(secret)} b:c",
    "SQL": lambda key, secret: f"update a set {key} = {_sql(secret)} where b",
    "a shell": lambda key, secret: f"{key}={shlex.quote(secret + ' ')} run b",
    "an option": lambda key, secret: f"run --{key} {shlex.quote(secret + ' ')} b",
    "an option with a sign": lambda key, secret: f"run --{key}={shlex.quote(secret + ' ')} b",
    "a shell, all of it": lambda key, secret: f"run {shlex.quote(key + '=' + secret)} b",
    "a header of curl": lambda key, secret: f"curl -H {shlex.quote(key + ': ' + secret)} b",
    "curl, a user": lambda _key, secret: f"curl -u {shlex.quote('bob:' + secret + ' ')} b",
    "curl, a long user": lambda _key, secret: f"curl --user {shlex.quote('bob:' + secret + ' ')} b",
    "words and a quote": lambda key, secret: f"the {key} {_json(secret)} is b",
    "XML": lambda key, secret: f"<a><{key}>{html.escape(secret)}</{key}><b>c</b></a>",
    "XML with attributes": lambda key, secret: f'<a><{key} b="c">{html.escape(secret)}</{key}></a>',
    "XML, an attribute": lambda key, secret: f'<add key="{key}" value="{html.escape(secret)}"/>',
    "XML in HTML": lambda key, secret: html.escape(f"<a><{key}>{html.escape(secret)}</{key}></a>"),
    "JSON in HTML": lambda key, secret: html.escape(_json({key: secret, "b": "c"})),
    "a query": lambda key, secret: f"GET /a?b=c&{key}={quote(secret, safe='')}&d=e failed",
    "a query that is a value": lambda key, secret: f"u={quote(f'{key}={quote(secret)}', safe='')} failed",
    "a URL": lambda _key, secret: f"postgresql://bob:Q{quote(secret, safe='')}@db/main failed",
    "JSON in a URL": lambda key, secret: f"u={quote(_json({key: secret, 'b': 'c'}), safe='')} failed",
}
# Without quotes of its own a secret cannot be told from quotes or brackets that it begins with.
BARE: dict[str, Style] = {
    "a sign": lambda key, secret: f"{key}={secret.replace(' ', '')} b",
    "two signs": lambda key, secret: f"{key}={secret.replace(' ', '')} token={secret.replace(' ', '')} b",
    "two of two kinds": lambda key, secret: f"{key}:{secret.replace(' ', '')},token: {secret}",
    "a colon": lambda key, secret: f"{key}:{secret.replace(' ', '')} b",
    "YAML": lambda key, secret: f"a {key}: {secret}",
    "an ini file": lambda key, secret: f"{key} = {secret}",
    "words": lambda key, secret: f"the {key} is {secret}",
}


def left_of(text: str) -> set[str]:
    return set(redact(text)) & set(OWN)


def check(style: Style, key: str, secret: str) -> None:
    """Assert that nothing of a secret is left of a whole line, and of one that was cut anywhere before."""
    line = style(key, secret)
    for end in range(len(line) + 1):
        assert not left_of(line[:end]), (line[:end], redact(line[:end]))
    once = redact(line)
    assert redact(once) == once


@pytest.mark.parametrize("style", QUOTED)
@settings(max_examples=60)
@given(st.sampled_from(KEYS), SECRET)
@pytest.mark.case("L9a")
def test_nothing_of_a_quoted_secret_is_left_wherever_the_line_is_cut(style: str, key: str, secret: str) -> None:
    check(QUOTED[style], key, secret)


@pytest.mark.parametrize("style", BARE)
@settings(max_examples=60)
@given(st.sampled_from(KEYS), SECRET.map(lambda secret: "Q" + secret))
def test_nothing_of_a_bare_secret_is_left_wherever_the_line_is_cut(style: str, key: str, secret: str) -> None:
    check(BARE[style], key, secret)


KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"

# a line as a tester found it, and what it becomes
LINES = [
    ("SECRET_KEY=b'hunter2' x", f"SECRET_KEY=b'{MASK}' x"),
    ('{"secret_key": b"hunter2", "user": 1}', f'{{"secret_key": b"{MASK}", "user": 1}}'),
    ("api-secret: u'hunter2'", f"api-secret: u'{MASK}'"),
    (':password=>"hunter2", :user=>"bob"', f':password=>"{MASK}", :user=>"bob"'),
    ('{"private_key": ["hunter2"], "user": "bob"}', f'{{"private_key": {MASK}, "user": "bob"}}'),
    ('{"credentials": {"value": "hunter2"}, "a": 1}', f'{{"credentials": {MASK}, "a": 1}}'),
    (r'{\\"password\\": \\"hunter2\\", \\"a\\": 1}', rf'{{\\"password\\": \\"{MASK}\\", \\"a\\": 1}}'),
    ("('password', 'hunter2') x", f"('password', {MASK}) x"),
    ("<password>hunter2</password><a>b</a>", f"<password>{MASK}</password><a>b</a>"),
    ("curl -u bob:hunter2 http://x/", f"curl -u bob:{MASK} http://x/"),
    ("curl --user bob:12345 http://x/", f"curl --user bob:{MASK} http://x/"),
    ("password%3Dhunter2 x", f"password%3D{MASK} x"),
    ("Set-Cookie: sid=hunter2; Path=/", f"Set-Cookie: {MASK}"),
    ("Cookie: a=b; c=hunter2", f"Cookie: {MASK}"),
    ("GET /ws?listenKey=hunter2 HTTP/1.1", f"GET /ws?listenKey={MASK} HTTP/1.1"),
    ("/order?a=b&signature=hunter2&c=d (x)", f"/order?a=b&signature={MASK}&c=d (x)"),
    ("https://api.telegram.org/bot123456:hunter2/getMe x", f"https://api.telegram.org/bot123456:{MASK}/getMe x"),
    ("https://hooks.slack.com/services/T0/B0/hunter2 x", f"https://hooks.slack.com/services/{MASK} x"),
    ("https://discord.com/api/webhooks/1/hunter2 x", f"https://discord.com/api/webhooks/{MASK} x"),
    ("bot 123456789:AAhunter2hunter2hunter2hunter x", f"bot 123456789:{MASK} x"),
    ("BINANCE_API_SECRET value", f"BINANCE_API_SECRET {MASK}"),
    ("password 'x' y", f"password '{MASK}' y"),
    ("password is x", f"password is {MASK}"),
    ("passwd: x", f"passwd: {MASK}"),
    ("the password hunter2 was refused", f"the password {MASK} was refused"),
    ("Authorization: Basic abc def", f"Authorization: {MASK}"),
    (f"session {JWT} ended", f"session {MASK} ended"),
    (f"X-MBX-APIKEY: {KEY}", f"X-MBX-APIKEY: {MASK}"),
    (f"key {KEY} was refused", f"key {MASK} was refused"),
    (f"with {KEY} it failed", f"with {MASK} it failed"),
    (f"key={'0123456789abcdef' * 4} x", f"key={MASK} x"),
    ("auth=('bob', 'hunter2')", f"auth={MASK}"),
    ("password='\\'\"'\"'x hunter2' x", f"password='{MASK}"),
    ("postgresql://bob:hunter2", f"postgresql://bob:{MASK}"),
]


BEGIN, END = "-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----"
LINES += [(f"{BEGIN}\\nMII\\n{END} x", f"{BEGIN}{MASK}{END} x"), (f"{BEGIN}\nMII\n", f"{BEGIN}{MASK}")]


@pytest.mark.parametrize(("line", "shown"), LINES)
def test_a_line_of_a_real_host_is_masked_to_the_end_of_its_secret(line: str, shown: str) -> None:
    assert redact(line) == shown
    assert redact(shown) == shown


PROSE = [
    'FATAL:  password authentication failed for user "bob"',
    'asyncpg.exceptions.InvalidPasswordError: password authentication failed for user "bob"',
    "jwt.exceptions.ExpiredSignatureError: Signature has expired",
    "token expired",
    "secret not set",
    "BINANCE_API_SECRET is not set",
    "BINANCE_API_SECRET must be set",
    "KeyError: 'BINANCE_API_SECRET'",
    "the password is incorrect.",
    "sudo: a password is required",
    "cannot read /etc/cryptobot/secret_key.pem",
    "cannot read /etc/cryptobot/secret_key.pem: Permission denied",
    "/etc/cryptobot/secret_key.pem is not readable",
    "[Errno 2] No such file or directory: '/etc/cryptobot/secret_key.pem'",
    'File "/opt/cryptobot/token.py", line 12, in get_token',
    "/opt/cryptobot/token.py:12: in get_token",
    "APIError(code=-2015): Invalid API-key, IP, or permissions for action.",
    "APIError(code=-1022): Signature for this request is not valid.",
    "SyntaxError: Unexpected token '<' at 5",
    'null value in column "api_key" violates not-null constraint',
    "Permission denied (publickey,password).",
    '{"api_key": null, "user": "bob"}',
    "docker run -u 1000:1000 image",
    "http://[::1]:8000/health failed",
    "connecting to http://127.0.0.1:8000",
    f"image sha256:{'0123456789abcdef' * 4} is missing",
]


@pytest.mark.parametrize("line", PROSE)
def test_a_sentence_about_a_credential_stays_as_it_is(line: str) -> None:
    assert redact(line) == line


HOSTILE = [
    "token",
    "token ",
    "token=",
    "token='x'y",
    'token="\\',
    "token=[",
    "token=[\n",
    '("token", "x"), ',
    "<token>",
]
HOSTILE += [
    "a://b: ",
    "-u a:b ",
    "key ",
    "a.py:token.py:",
    "API_TOKEN not ",
    "\\",
    '\\"',
    '"token',
    "token is set ",
    "[",
]


@pytest.mark.parametrize("part", HOSTILE)
def test_a_hostile_line_of_a_megabyte_costs_no_more_than_its_length_suggests(part: str) -> None:
    line = (part * (1_000_000 // len(part) + 1))[:1_000_000]
    assert min(_seconds(line) for _again in range(2)) < 5  # it takes below one; what grows by the square takes hours


def _seconds(line: str) -> float:
    begun = time.process_time()
    redact(line)
    return time.process_time() - begun


def test_in_a_text_of_ten_thousand_names_what_comes_after_them_is_masked_unseen() -> None:
    assert redact("token failed " * 9_999 + "hunter2").endswith("hunter2")
    assert redact("token failed " * 10_000 + "hunter2").endswith(MASK)


# (a variable, its value, whether that is a secret)
VARIABLES = [
    ("DB_PASSWORD", "hunter2", True),
    ("DB_PASSWORD", "null", True),
    ("DB_PASSWORD", "'' x", True),
    ("DATABASE_URL", "postgresql://bob:hunter2@db/main", True),
    ("PORT", "8000", False),
    ("HOME", "/opt/token", False),
]


@pytest.mark.parametrize(("name", "value", "secret"), VARIABLES)
def test_a_variable_is_a_secret_by_its_name_or_its_value(name: str, value: str, secret: bool) -> None:
    assert tells_secret(name, value) is secret
