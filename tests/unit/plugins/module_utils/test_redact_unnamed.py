# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A credential that only the form around it tells is masked to its end; what only resembles one stays readable."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.redact import MASK, redact

SECRET = "S3cr3tV4lue9"
# a line, with § for the secret, and the end of what it becomes, with • for the mask
LINES = [
    ("mysql -u root -p§ db", "mysql -u root -p• db"),
    ("mysqldump -p'§ §' db", "mysqldump -p'•' db"),
    ("['mysql', '-uroot', '-p§', 'db']", "['mysql', '-uroot', '-p•', 'db']"),
    ('["mariadb-dump", "-p§", "db"]', '["mariadb-dump", "-p•", "db"]'),
    (r'{"cmd": "[\"mysql\", \"-p§\"]"}', r'{"cmd": "[\"mysql\", \"-p•\"]"}'),
    ("redis-cli -a § ping", "redis-cli -a • ping"),
    ("['redis-cli', '-a', '§', 'ping']", "['redis-cli', '-a', '•', 'ping']"),
    ("sshpass -p § ssh -p 22 host", "sshpass -p • ssh -p 22 host"),
    ("sshpass -p§ ssh host", "sshpass -p• ssh host"),
    ("mongodump -u bob -p '§ §' x", "mongodump -u bob -p '•' x"),
    ("CREATE USER x IDENTIFIED BY '§' x", "CREATE USER x IDENTIFIED BY '•' x"),
    ("ALTER USER x IDENTIFIED WITH mysql_native AS '§';", "ALTER USER x IDENTIFIED WITH mysql_native AS '•';"),
    ("INSERT INTO u (name, password_hash) VALUES ('b', '§')", "INSERT INTO u (name, password_hash) VALUES (•)"),
    ("insert into u (token) values\n('§'),\n('§'); next", "insert into u (token) values\n(•),\n(•); next"),
    ("INSERT INTO api_keys (a) VALUES (1, '(§') RETURNING x", "INSERT INTO api_keys (a) VALUES (•) RETURNING x"),
    ("INSERT INTO u (token) VALUES ('§", "INSERT INTO u (token) VALUES (•"),
    ("[parameters: ('bot', '§', 'password')] x", "[parameters: •] x"),
    ("[SQL: INSERT INTO u (token) VALUES ($1, $2)]\n[parameters: ('b', '§')]\nx", "[parameters: •]\nx"),
    ("[SQL: UPDATE u SET secret=%(p_1)s]\n[parameters: {'p_1': '§'}]\nx", "[parameters: •]\nx"),
    ("Engine UPDATE u SET secret=?\nEngine [cached since 3s ago] ('§', 1)\nx", "[cached since 3s ago] •\nx"),
    ("DETAIL:  Key (name, api_key)=(b, §) already exists.", "DETAIL:  Key (name, api_key)=(•) already exists."),
    ('in column "a" of relation "api_keys"\nDETAIL:  Failing row contains (1, §, null).', "contains (•)."),
    ("clone https://§@github.com/x failed", "clone https://•@github.com/x failed"),
    (f"https://{'3f2a9c1b' * 4}@sentry.example/1", "https://•@sentry.example/1"),
    ("GET /x?key=§&a=b HTTP/1.1", "GET /x?key=•&a=b HTTP/1.1"),
    ("GET /x?a=b&key=§ HTTP/1.1", "GET /x?a=b&key=• HTTP/1.1"),
    ("u=x%3Fkey%3D§", "u=x%3Fkey%3D•"),
    ("localhost:5432:db:bot:§", "localhost:5432:db:bot:•"),
    ("*:*:*:bot:§:§ §\nx", "*:*:*:bot:•\nx"),
    ("otp: 123456 x", "otp: • x"),
    ("pin=§", "pin=•"),
    ('{"user_pin": "1234", "a": 1}', '{"user_pin": "•", "a": 1}'),
]


@pytest.mark.case("L9a")
@pytest.mark.parametrize(("line", "shown"), LINES)
def test_a_secret_that_its_form_tells_is_masked_and_the_rest_stays(line: str, shown: str) -> None:
    masked = redact(line.replace("§", SECRET))
    assert masked.endswith(shown.replace("•", MASK))
    assert SECRET not in masked
    assert redact(masked) == masked


PLAIN = [
    "mysql -u root -p",
    "mysql -u root -p main",
    "['mysql', '-p', 'main']",
    "mysqladmin -P3306 --protocol=tcp ping",
    "ssh -p2222 host",
    "redis-cli ping",
    "this bot is identified by 'name'",
    "INSERT INTO orders (id, price) VALUES (1, '2')",
    "INSERT INTO users (name, password_hash) VALUES (%(name)s, $2, ?, DEFAULT)",
    "[SQL: INSERT INTO orders (id) VALUES (?)]\n[parameters: (1, 'BTC')]",
    "token refreshed\nEngine SELECT a FROM b WHERE c=?\nEngine [generated in 0.1s] ('BTC',)",
    "Key (id)=(5) already exists.",
    'of relation "orders"\nDETAIL:  Failing row contains (1, BTC, null).',
    "git clone https://git@github.com/x, ssh://deploy-user-24@host/x, https://12345678901234567890@x",
    "GET /x?keys=1&monkey=2&design=3&key",
    "spin=12345678, pin=17, pin: GPIO17, pin 4, otp: sent",
    "10:20:30:40:50:60 aa:54:bb:cc:dd:ee 2001:5432::1 trade:17:BTC:long:open",
    "/opt/a.py:5432:1: E501 line too long",
]


@pytest.mark.parametrize("line", PLAIN)
def test_what_only_resembles_such_a_form_stays_as_it_is(line: str) -> None:
    assert redact(line) == line


OWN = "Жéж日😀"  # letters that no style has
ANY = st.text(st.sampled_from(OWN * 4 + "\"'`\\ ,;&=:{}[]()<>%$#@!/+|"), min_size=4, max_size=24)
STYLES: dict[str, Callable[[str], str]] = {
    "mysql": lambda secret: f"mysql -u bob -p{shlex.quote(secret + ' ')} main",
    "mysql, a list": lambda secret: repr(["mysql", "-u", "bob", "-p" + secret, "main"]),
    "mysql, a list in JSON": lambda secret: json.dumps(["mysql", "-p" + secret, "main"], ensure_ascii=False),
    "redis": lambda secret: f"redis-cli -a {shlex.quote(secret + ' ')} ping",
    "redis, a list": lambda secret: repr(["redis-cli", "-a", secret, "ping"]),
    "sshpass": lambda secret: f"sshpass -p {shlex.quote(secret + ' ')} ssh -p 22 b",
    "an insert": lambda secret: f"INSERT INTO u (b, token) VALUES ('b', {_sql(secret)}), ({_sql(secret)}, 'b') x",
    "identified": lambda secret: f"CREATE USER b IDENTIFIED BY {_sql(secret)} x",
    "parameters": lambda secret: f"[SQL: UPDATE b SET token=$1]\n[parameters: {(secret, 'b')!r}]\nx",
    "many parameters": lambda secret: (
        f"[SQL: UPDATE b SET token=$1]\n[parameters: {[(secret, 'b'), ('b', secret)]!r}]\nx"
    ),
    "an echo": lambda secret: f"Engine UPDATE b SET token=$1\nEngine [no key 0.1s] {(secret, 'b')!r}\nx",
    "a key": lambda secret: f"Key (b, api_key)=(b, {secret}) already exists.",
    "a row": lambda secret: f'null in column "token"\nDETAIL:  Failing row contains (1, {secret}, b).',
    "a .pgpass": lambda secret: f"db:5432:*:bob:{secret}",
}


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=60)
@given(ANY)
def test_nothing_of_such_a_secret_is_left_wherever_the_line_is_cut(style: str, secret: str) -> None:
    line = STYLES[style](secret)
    for end in range(len(line) + 1):
        assert not set(redact(line[:end])) & set(OWN), (line[:end], redact(line[:end]))
    assert redact(redact(line)) == redact(line)


HOSTILE = [
    "mysql ",
    "mysql -p ",
    "mysql -px ",
    "sshpass redis-cli ",
    "redis-cli -a '",
    "insert into a",
    "insert into a(token) values (",
    "insert into a(token) values (1), ",
    "insert into a(",
    "[parameters: ",
    "[parameters: (1) ",
    "[SQL: select [parameters: (1)]",
    "Key (token)=(",
    "Key (a",
    "Failing row contains (",
    "Failing row contains (1). token\n",
    "identified by '",
    "://abcdefghijk1",
    "://a",
    "&key=",
    "a:5432:b:c:",
    "otp:",
    "pin" + "a" * 64,
]


@pytest.mark.parametrize("part", HOSTILE)
def test_a_hostile_line_of_a_megabyte_costs_no_more_than_its_length_suggests(part: str) -> None:
    line = (part * (1_000_000 // len(part) + 1))[:1_000_000]
    begun = time.process_time()
    redact(line)
    assert time.process_time() - begun < 10  # it takes below three; what grows by the square takes hours
