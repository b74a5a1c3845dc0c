# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A secret does not leave in any form in which something writes it down again."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.masking import HIDDEN, MASK, Mask
from ansible_collections.cryptobot.maintenance.plugins.module_utils.redaction.forms import forms_of

SECRET = "p@ss/w\"or'd\\&<é> %1"
# How tools and languages write a text down: each is a way that a secret came back in an error or a log.
WRITTEN: dict[str, Callable[[str], str]] = {
    "raw": str,
    "json": json.dumps,
    "json, not ascii": lambda text: json.dumps(text, ensure_ascii=False),
    "json of .NET": lambda text: (
        json.dumps(text).replace("'", "\\u0027").replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    ),
    "json of PHP": lambda text: json.dumps(text).replace("/", "\\/"),
    "json in json": lambda text: json.dumps(json.dumps({"password": text})),
    "repr": repr,
    "repr beside the other quote": lambda text: repr(f"'\" {text}"),
    "ascii": ascii,
    "repr of json": lambda text: repr(json.dumps(text)),
    "json of repr": lambda text: json.dumps(repr(text)),
    "url": lambda text: quote(text, safe=""),
    "url with slashes": quote,
    "url of a form": lambda text: urlencode({"password": text}),
    "url in lower case": lambda text: (
        quote_plus(text)
        .replace("%2F", "%2f")
        .replace("%40", "%40")
        .replace("%C3%A9", "%c3%a9")
        .replace("%5C", "%5c")
        .replace("%3C", "%3c")
        .replace("%3E", "%3e")
    ),
    "shell": shlex.quote,
    "sql": lambda text: "'" + text.replace("'", "''") + "'",
    "html": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of basic auth": lambda text: base64.b64encode(f"bob:{text}".encode()).decode(),
    "base64 amid other bytes": lambda text: base64.urlsafe_b64encode(f"ab{text}cd".encode()).decode(),
    "base64 of PowerShell": lambda text: base64.b64encode(f"-p {text}".encode("utf-16-le")).decode(),
}


@pytest.mark.case("WN3")
@pytest.mark.parametrize("form", WRITTEN)
def test_a_secret_is_hidden_in_each_form(form: str) -> None:
    written = WRITTEN[form](SECRET)
    shown = Mask([SECRET]).hide(f"before {written} after")
    assert MASK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    for part in ("ss/w", "or'd", "or\\'d", "%1", base64.b64encode(SECRET.encode()).decode()[3:12]):
        assert part not in shown


ODD = "pa$$ \"w0'd,`Zü\\€#!"
# what bash, systemd, PyYAML and their like made of it, taken from them
RECORDED = {
    "printf %q": "pa\\$\\$\\ \\\"w0\\'d\\,\\`Zü\\\\€#\\!",
    "printf %q, ASCII": "$'pa$$ \"w0\\'d,`Z\\303\\274\\\\\\342\\202\\254#!'",
    "set -x": "'pa$$ \"w0'\\''d,`Zü\\€#!'",
    "declare -p": '"pa\\$\\$ \\"w0\'d,\\`Zü\\\\€#!"',
    "systemd-escape": r"pa\x24\x24\x20\x22w0\x27d\x2c\x60Z\xc3\xbc\x5c\xe2\x82\xac\x23\x21",
    "PyYAML": '"pa$$ \\"w0\'d,`Z\\xFC\\\\\\u20AC#!"',
    "markupsafe": "pa$$ &#34;w0&#39;d,`Zü\\€#!",
    "compose": ODD.replace("$", "$$"),
    "bytes in Python": repr(ODD.encode()),
    "bytes in Python, one quote": repr(ODD.replace('"', "").encode()),
    "a URL in a URL": quote(quote(ODD)),
    "a URL in a URL, lower case": quote(re.sub("%..", lambda found: found[0].lower(), quote(ODD))),
    "JSON three deep": json.dumps(json.dumps(json.dumps(ODD))),
    "JSON three deep, not ASCII": json.dumps(json.dumps(json.dumps(ODD, ensure_ascii=False))),
    "HTML of JSON": html.escape(json.dumps(ODD)),
    "hex": ODD.encode().hex(),
    "hex in capitals": ODD.encode().hex().upper(),
}


@pytest.mark.case("WN3")
@pytest.mark.parametrize("form", RECORDED)
def test_a_secret_is_hidden_as_tools_wrote_it(form: str) -> None:
    secret = ODD.replace('"', "") if form.endswith("one quote") else ODD
    shown = Mask([secret]).hide(f"before {RECORDED[form]} after")
    assert re.fullmatch(r"before [$b'\"\\]{0,9}\*{8}[\"'\\]{0,9}(?:&quot;)? after", shown.replace("&quot;*", "*")), (
        shown
    )


def test_the_number_of_forms_is_bounded() -> None:
    assert len(set(forms_of(ODD * 20))) < 600
    assert len(set(forms_of("plain-0123456789"))) < 12


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hunter2", HIDDEN),
        ("with hunter2 in it", "with ******** in it"),
        ("hunter22 and hunter2", "******** and ********"),
        ("no secret", "no secret"),
        ("", ""),
    ],
)
def test_a_text_without_its_secrets(text: str, shown: str) -> None:
    assert Mask(["hunter2", "hunter22", ""]).hide(text) == shown


LONG = "correct-horse-battery-staple"
# (an excerpt that somebody else has cut within the secret, what of it is shown)
CUT = [
    (f"the server complained about the login with password {LONG[:20]}", "login with password ********"),
    (f"line 3: not a number: 'the words before it, password {LONG[:9]}'", "password ********'"),
    (f"the server complained about the login with password {LONG[:20]}...", "password ********..."),
    (f"the server complained about the login with password {LONG[:7]}", "password correct"),
    (f"{LONG[8:]} was refused by the server, said the last words of a log", "******** was refused"),
    (f"{LONG[:10]} short", "correct-ho short"),
]


@pytest.mark.case("WN3")
@pytest.mark.parametrize(("text", "shown"), CUT)
def test_a_secret_that_somebody_else_has_cut_is_hidden_too(text: str, shown: str) -> None:
    assert shown.rstrip(".") in Mask([LONG]).hide(text)


def test_the_lines_of_a_secret_are_hidden_where_they_stand_alone() -> None:
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7x\nabc\n-----END KEY-----\n"
    shown = Mask([key]).hide("openssl: bad line: MIIEpAIBAAKCAQEA7x (abc)")
    assert shown == "openssl: bad line: ******** (abc)"


def test_a_short_secret_costs_no_other_text_than_its_own() -> None:
    assert Mask(["a"]).hide("YQ== bcd") == "YQ== bcd"


@given(st.text(min_size=8), st.sampled_from(sorted(WRITTEN)))
def test_no_secret_of_any_letters_is_left_as_it_is(secret: str, form: str) -> None:
    try:
        written = WRITTEN[form](secret)
    except UnicodeEncodeError:
        return
    shown = Mask([secret]).hide(f"x {written} y").replace(MASK, "")
    assert secret not in shown


def test_many_texts_and_secrets_cost_little() -> None:
    mask = Mask([f"secret-number-{number}-of-many" for number in range(20)])
    begun = time.process_time()
    for _each in range(2_000):
        mask.hide("an ordinary line of a report with nothing in it that anybody would want to hide from anybody " * 3)
    assert time.process_time() - begun < 8
