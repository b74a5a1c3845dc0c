# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking secrets out of text before it leaves the host: excerpts of logs, command lines, queries, configuration.

In this order: what the form around it shows to be one (redaction/unnamed.py), what has the name of a credential before
it (redaction/named.py), what looks like one.
"""

from __future__ import annotations

import re
from itertools import islice

from .redaction.named import NAMES, without_named
from .redaction.unnamed import without_unnamed
from .redaction.values import MASK, Setting, opened, value_at

__all__ = ["MASK", "is_plain", "redact", "tells_secret"]

_KEY_BLOCK = re.compile(r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----).*?(?=-----END|\Z)", re.DOTALL)
# "-u NAME:PASSWORD"; two numbers are those of an account and a group
_LOGIN = re.compile(
    r"(?<![\w-])(?:-[uU]|--(?:proxy-)?user)(?:\\*[\"'],?)?[ \t=]{0,8}(?:\\*[\"'])?"
    r"(?P<name>(?![0-9]{1,64}:)[^\s:\"'\\]{1,64}:)"
)

# user:password@ in a URL, up to the last @ of the word; a port is none
_LOGIN_OF_URL = re.compile(
    r"((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^/\s:@\[\"']{0,128}:)(?![0-9]{1,5}(?![^/?#\s\"'),;\]}.\\>]))"
    r"(?:\S*(?P<whole>(?=@))|[^\s\"']+(?P<after>[\"']?))",
    re.IGNORECASE,
)

# Each pattern keeps its first group and masks the rest of what it matches. Every repetition is bounded, or of what no
# other part of its pattern takes, so that a hostile line costs no more than its length suggests.
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(\b)eyJ[\w-]{8,}(?:\.[\w-]*)*",  # a JSON Web Token
        r"(\bak_)[0-9a-f]{8,}\w*",  # the application's own API key form
        r"(\btoken for \S{1,254}: {0,8})\S+",  # and how it prints a token to reset a password
        r"(/bot[0-9]{5,20}:)[^/\s\"']+",  # of a bot of Telegram, in a URL and by itself
        r"((?<![0-9])[0-9]{8,10}:)AA[\w-]{20,}",
        r"(\bhooks\.slack\.com(?:\\*/|%2F)(?:services|workflows|triggers)(?:\\*/|%2F))[^\s\"'<>]+",
        r"(\bdiscord(?:app)?\.com(?:\\*/|%2F)api(?:\\*/|%2F)(?:v[0-9]{1,3}(?:\\*/|%2F))?webhooks(?:\\*/|%2F))[^\s\"'<>]+",
        r"(\b(?:xox[a-z]-|gh[opsur]_|github_pat_|glpat-|sk_live_|sk_test_|AKIA))[\w-]{8,}",  # of Slack, GitHub, ...
        r"(\b(?:basic_?)?auth\s{0,2}=\s{0,2})\([^\n]+",  # of Python's requests
        r"(\b\w{0,40}key\W{1,4})[a-z0-9+/_-]{32,}",  # what is called a key of any kind
        # the keys of an exchange: 64 letters of both cases and digits, which no checksum has
        r"(?-i:((?<![A-Za-z0-9]))(?=[a-z0-9]*[A-Z])(?=[A-Z0-9]*[a-z])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{64}(?![A-Za-z0-9]))",
    )
)

# One of them, in lower case, is in whatever is masked, but for logins, and for what has a pattern of its own below.
_HINTS = (
    *("pass", "kennwort", "pwd", "secret", "token", "credential", "creds", "dsn", "key", "signature", "authorization"),
    *("cookie", "session", "mnemonic", "seed", "webhook", "jwt", "bearer", "basic", "eyj", "ak_", "/bot", ":aa"),
    *("hooks.slack.com", "discord", "xox", "gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "sk_live_"),
    *("sk_test_", "akia", "wallet", "recovery", "master"),
)
_LONG = re.compile(r"[A-Za-z0-9]{64}")


def is_plain(text: str) -> bool:
    """Return whether ``redact`` leaves a text as it is, as far as that is seen at once, in a twentieth of its time.

    May return False where it does; True never where it does not.
    """
    low = text.lower()
    for hint in _HINTS:
        if hint in low:
            return False
    return (
        text.isascii()  # the case of other letters is not as simple
        and not ("auth" in low and "=" in low)
        and not ("://" in low and _LOGIN_OF_URL.search(text))
        and not ("-u" in low and _LOGIN.search(text))
        and not _LONG.search(text)
        and without_unnamed(text) == text
    )


def redact(text: str) -> str:
    """Given text, return it with the values of whatever looks like a credential masked."""
    text = without_unnamed(_KEY_BLOCK.sub(rf"\g<1>{MASK}", text))
    text = _without_logins(without_named(text))
    text = _LOGIN_OF_URL.sub(_without_login, text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def _without_login(found: re.Match[str]) -> str:
    """Given a URL that may hold a login, return it without the password. One without its @ may have lost it to a cut,
    but only at the end of a line: what goes on behind it was written by somebody who meant no password.
    """
    rest = found.string[found.end() : found.end() + 1]
    if found["whole"] is None and (found["after"] or rest not in ("", "\n")):
        return found.group()
    return found.group(1) + MASK


def tells_secret(name: str, value: str) -> bool:
    """Given a variable and its value, return whether the value is a secret, by its name or by what it looks like."""
    return redact(f"{name}=x") != f"{name}=x" or redact(f"{name}={value}") != f"{name}={value}"


def _without_logins(text: str) -> str:
    """Given text, return it without the passwords of curl and its like: ``-u NAME:PASSWORD``, ``--user ...``."""
    parts: list[str] = []
    since = 0
    for found in islice(_LOGIN.finditer(text), NAMES):
        quote, at = opened(text, found.start("name")), found.end()
        if at >= since and (quote or not text[at : at + 1].isspace()):
            eol = text.find("\n", at)
            value = value_at(text, at, Setting(len(text) if eol < 0 else eol, within=quote))
            parts += [text[since : value.begin], MASK if value.end > value.begin else ""]
            since = value.end
    return "".join([*parts, text[since:]])
